"""Embedders: a tiny encoder in this process, servers of two protocols, and everything that may not be loaded."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer
from starlette.responses import JSONResponse
from transformers import BertConfig, BertModel, BertTokenizerFast

from matrioska.models.embedders import LocalEmbedder, make_embedder
from matrioska.state.errors import (
    ConfigError,
    ModelAuthError,
    ModelError,
    ModelLoadError,
    ModelUnavailableError,
    UnknownModelError,
)
from matrioska.state.members import Member
from tests.protocols import ModelServer, embeddings_app, serving

_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "music", "audio", "picture", "tempo", "page"]


def tiny_bert(place: Path, size: int = 32) -> Path:
    """A random encoder with a vocabulary of a few words, as transformers saves it."""
    place.mkdir(parents=True)
    (place / "vocab.txt").write_text("\n".join(_WORDS))
    BertTokenizerFast(str(place / "vocab.txt")).save_pretrained(place)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(_WORDS),
        hidden_size=size,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("encoder") / "bert")


@pytest.fixture(scope="module")
def sentence_model(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same encoder as sentence-transformers saves it, with a layer that makes 8 numbers of 32."""
    place = tmp_path_factory.mktemp("sentences") / "model"
    body = Transformer(str(encoder))
    torch.manual_seed(0)
    SentenceTransformer(modules=[body, Pooling(32), Dense(32, 8)]).save(str(place))
    return place


@pytest.fixture
def folder(sentence_model: Path, tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(sentence_model, tmp_path / "model"))


def local(folder: Path) -> LocalEmbedder:
    made = make_embedder(Member(model=f"huggingface:{folder}"))
    assert isinstance(made, LocalEmbedder)
    return made


# -- in this process -----------------------------------------------------------------------


async def test_an_encoder_of_transformers_gives_vectors(encoder: Path) -> None:
    model = local(encoder)
    assert model.name == f"huggingface:{encoder}"
    one, other, long = await model.embed(["music tempo", "picture", "page " * 5_000])
    assert len(one) == len(other) == len(long) == 32
    assert one != other
    assert await model.embed(["music tempo"]) == [pytest.approx(one, abs=1e-5)]


async def test_a_model_of_sentence_transformers_brings_its_layers(sentence_model: Path) -> None:
    assert [len(vector) for vector in await local(sentence_model).embed(["music", "picture"])] == [8, 8]


async def test_a_model_is_loaded_once_however_many_ask(encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    load = LocalEmbedder._load
    monkeypatch.setattr(LocalEmbedder, "_load", lambda self: loaded.append(self.name) or load(self))
    fresh = tiny_bert(encoder.parent / "again")
    assert local(fresh) is local(fresh)
    await asyncio.gather(*(local(fresh).embed(["music"]) for _ in range(5)))
    assert len(loaded) == 1


def _edit(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def _of_its_own(folder: Path) -> None:
    _edit(folder / "modules.json", lambda layers: [{**layers[0], "type": "subprocess.Popen"}, *layers[1:]])


def _other_layer(folder: Path) -> None:
    kind = "sentence_transformers.sentence_transformer.modules.WordWeights"
    _edit(folder / "modules.json", lambda layers: [*layers, {**layers[1], "type": kind}])


def _out_of_the_folder(folder: Path) -> None:
    _edit(folder / "modules.json", lambda layers: [{**layers[0], "path": "../other"}, *layers[1:]])


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")


def _pickled_layer(folder: Path) -> None:
    (folder / "2_Dense" / "model.safetensors").unlink()
    torch.save({}, folder / "2_Dense" / "pytorch_model.bin")


def _with_code(folder: Path) -> None:
    own = {"model_type": "own", "auto_map": {"AutoModel": "own.Model"}}
    _edit(folder / "config.json", lambda config: {**config, **own})


def _no_layers(folder: Path) -> None:
    (folder / "modules.json").write_text('{"a": 1}')


def _cut(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_of_its_own, r"has a layer 'subprocess\.Popen', which may be code of its own"),
        (_other_layer, "WordWeights"),
        (_out_of_the_folder, "modules.json cannot be used"),
        (_no_layers, "modules.json cannot be used"),
        (_pickled, r"no weights as \.safetensors; it has pytorch_model\.bin"),
        (_pickled_layer, r"its layer 2_Dense has no weights as \.safetensors"),
        (_with_code, "such code is never run here"),
        (_cut, "is broken"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be loaded"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    ],
    ids=["code", "layer", "path", "layers", "pickle", "pickled layer", "own kind", "cut", "tokenizer", "config"],
)
async def test_what_may_not_or_cannot_be_loaded_is_refused(
    folder: Path, spoil: Callable[[Path], Any], said: str
) -> None:
    spoil(folder)
    with pytest.raises(ModelLoadError, match=said) as caught:
        await local(folder).embed(["music"])
    assert caught.value.next_step


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="There is no folder"):
        make_embedder(Member(model=f"huggingface:{tmp_path}/nothing"))


@pytest.mark.parametrize("module", ["langchain_huggingface", "sentence_transformers"])
def test_without_its_packages_it_says_what_to_install(
    encoder: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError, match=f"not installed: {module.replace('_', '-')}") as caught:
        local(encoder)
    assert "matrioska[local]" in caught.value.next_step


async def test_a_repository_that_is_not_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelLoadError, match="the hub cannot be reached"):
        await make_embedder(Member(model="huggingface:nobody/nothing")).embed(["music"])


# -- behind a server -----------------------------------------------------------------------


@pytest.mark.parametrize(("provider", "path"), [("openai", "/v1"), ("vllm", "/v1"), ("ollama", "")])
async def test_a_server_is_asked_in_its_protocol(provider: str, path: str) -> None:
    with serving(embeddings_app, ModelServer(lambda *_: "")) as server:
        model = make_embedder(Member(model=f"{provider}:small@{server.url}{path}"))
        texts = [f"{'x' * n} ação" for n in range(150)]
        vectors = await model.embed(texts)
    assert [vector[0] for vector in vectors] == [len(text) for text in texts]
    assert [len(body["input"]) for body in server.requests] == [64, 64, 22]
    assert {body["model"] for body in server.requests} == {"small"}


def test_one_embedder_serves_several_loops() -> None:
    with serving(embeddings_app, ModelServer(lambda *_: "")) as server:
        model = make_embedder(Member(model=f"openai:small@{server.url}/v1"))
        for _ in range(3):
            assert asyncio.run(model.embed(["four"])) == [[4.0, 1.0, 1.0, 1.0]]


async def test_the_key_goes_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-of-openai")
    monkeypatch.setenv("MY_KEY", "sk-secret-of-mine")
    with serving(embeddings_app, ModelServer(lambda *_: "")) as server:
        await make_embedder(Member(model=f"openai:m@{server.url}/v1")).embed(["x"])
        await make_embedder(Member(model=f"openai:m@{server.url}/v1", api_key_env="MY_KEY")).embed(["x"])
        await make_embedder(Member(model=f"ollama:m@{server.url}", api_key_env="MY_KEY")).embed(["x"])
    sent = [headers.get("authorization", "") for headers in server.headers]
    assert sent == ["Bearer not-needed", "Bearer sk-secret-of-mine", "Bearer sk-secret-of-mine"]


def _answering(status: int, body: Any) -> ModelServer:
    return ModelServer(lambda *_: "", extra={"/v1/embeddings": JSONResponse(body, status_code=status)})


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (401, {"error": {"message": "bad key sk-secret-of-mine"}}, ModelAuthError, "the key was refused"),
        (404, {"error": {"message": "model m not found"}}, UnknownModelError, "no such model"),
        (400, {"error": {"message": "maximum context length is 512"}}, ModelError, "maximum context length"),
        (503, {"error": {"message": "loading"}}, ModelUnavailableError, "HTTP 503"),
        (200, {"nothing": 1}, ModelError, "failed"),
    ],
    ids=["key", "model", "length", "busy", "nonsense"],
)
async def test_what_a_server_refuses_becomes_a_typed_error(
    monkeypatch: pytest.MonkeyPatch, status: int, body: Any, error: type[ModelError], said: str
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret-of-mine")
    with serving(embeddings_app, _answering(status, body)) as server:
        member = Member(model=f"openai:m@{server.url}/v1", api_key_env="MY_KEY", attempts=1)
        with pytest.raises(error, match=said) as caught:
            await make_embedder(member).embed(["x"])
    assert caught.value.model == member.model
    assert "secret" not in str(caught.value)


async def test_nobody_listens() -> None:
    member = Member(model="openai:m@http://127.0.0.1:9/v1", attempts=1)
    with pytest.raises(ModelUnavailableError, match="failed"):
        await make_embedder(member).embed(["x"])


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("embedded", UnknownModelError, "makes no embeddings"),
        ("anthropic:claude", UnknownModelError, "makes no embeddings"),
        ("nobody:x", UnknownModelError, "There is no model"),
        ("openai:", UnknownModelError, "has no model"),
        ("openai:m", ModelAuthError, "key for openai:m is missing"),
        ("openai:m@http://user:pass@127.0.0.1/v1", ConfigError, "has a password"),
    ],
)
def test_names_that_mean_no_embedder(name: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        make_embedder(Member(model=name))


@pytest.mark.parametrize("name", ["openai:m@http://127.0.0.1:9/v1", "huggingface:nobody/nothing"])
def test_an_option_that_would_be_passed_over_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="'chunk_size' of"):
        make_embedder(Member(model=name, options={"chunk_size": 1}))
