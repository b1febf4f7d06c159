"""Models that turn texts into vectors: from a member's name to an embedder. Integrations load on demand."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from pydantic import SecretStr

from matrioska.models.gateway.faults import Failure, failure_of
from matrioska.models.gateway.scrub import without_secrets
from matrioska.models.gateway.transport import async_client_arguments, capped_async_client, capped_client
from matrioska.models.gateway.transport import client_arguments as sync_client_arguments
from matrioska.models.local.folder import check_config, check_weights, read_config, weight_files
from matrioska.models.local.hub import ModelRef, fetch_small_files, fetch_weights, parse_ref
from matrioska.models.local.loading import first_line, quiet_unless_terminal
from matrioska.models.providers import EMBEDDED, Provider, is_loopback, provider_of
from matrioska.models.registry import member_address, member_key, parse_name
from matrioska.state.errors import (
    ConfigError,
    MatrioskaError,
    ModelError,
    ModelLoadError,
    ModelTimeoutError,
    UnknownModelError,
)
from matrioska.state.members import Member
from matrioska.state.paths import safe_relative_path

#: Texts in one call: far below the tokens that OpenAI takes at once.
_TEXTS_A_CALL = 64
_KINDS = "huggingface:FOLDER or owner/name@commit, openai:…, ollama:…, or another server of OpenAI's protocol"
#: Module and package of what embeds in this process.
_LOCAL = {"langchain_huggingface": "langchain-huggingface", "sentence_transformers": "sentence-transformers"}
#: Layers of sentence-transformers that are arithmetic and nothing else.
_LAYERS = frozenset({"Transformer", "Pooling", "Normalize", "Dense"})


Embedder: TypeAlias = "ServedEmbedder | LocalEmbedder"


def make_embedder(member: Member) -> Embedder:
    """Return a member's embedder, one object per member, key and address in this process.

    Nothing is loaded or asked yet: a model of this process is loaded with its first texts.

    Raises:
        UnknownModelError: no provider answers to the name, or its models make no vectors.
        ModelAuthError: its key is missing.
        ModelError: its package is missing.
        ModelLoadError: there is no such folder.
        ConfigError: an option is none of an embedder's, or the address is wrong.
    """
    name = parse_name(member.model)
    provider = None if name.provider == EMBEDDED else provider_of(name.provider)
    _check_options(member, ("device",) if name.provider == "huggingface" else ())
    if name.provider == "huggingface":
        ref = parse_ref(name.model, name.revision or None)
        if missing := [package for module, package in _LOCAL.items() if importlib.util.find_spec(module) is None]:
            raise _not_installed(member.model, missing, "pip install 'matrioska[local]'")
        return _local(member.model, ref, str(member.options.get("device", "cpu")))
    if provider is None or not _class_name(provider):
        raise UnknownModelError(
            f"{member.model} makes no embeddings that could be used here.",
            model=member.model,
            next_step=f"Name an embedder such as {_KINDS}; or leave the option embedder out to rank by words.",
        )
    if provider.missing:
        raise _not_installed(member.model, provider.missing, provider.install)
    return _served(member, member_key(member), member_address(member), _class_name(provider))


def _check_options(member: Member, known: Sequence[str]) -> None:
    """Check that nothing is asked of an embedder that it would pass over.

    Raises:
        ConfigError: something is.
    """
    for option in member.options:
        if option not in known:
            raise ConfigError(
                f"The option {option!r} of {member.model} is none that an embedder has.",
                next_step=f"Leave it out; there is {', '.join(known) or 'none'}.",
            )


def _class_name(provider: Provider) -> str:
    """Return the LangChain class of a provider's embeddings; '' when it has none that we know."""
    classes = {"langchain-openai": "OpenAIEmbeddings", "langchain-ollama": "OllamaEmbeddings"}
    return "" if provider.cls.startswith("Azure") else classes.get(provider.package, "")


def _not_installed(model: str, missing: Sequence[str], install: str) -> ModelError:
    return ModelError(
        f"{model} needs a package that is not installed: {', '.join(missing)}.",
        model=model,
        next_step=f"Install it with: {install}.",
    )


# -- servers -----------------------------------------------------------------------------------


class ServedEmbedder:
    """An embedder behind a server."""

    def __init__(self, member: Member, made: Any) -> None:
        self.name = member.model
        self._member = member
        self._made = made

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text.

        Raises:
            ModelError: the server cannot be reached, refuses, or answers with something else.
        """
        found: list[list[float]] = []
        for at in range(0, len(texts), _TEXTS_A_CALL):
            found += await self._call(list(texts[at : at + _TEXTS_A_CALL]))
        return found

    async def _call(self, texts: list[str]) -> list[list[float]]:
        try:
            async with asyncio.timeout(self._member.deadline):
                vectors: list[list[float]] = await self._made.aembed_documents(texts)
                return vectors
        except MatrioskaError:
            raise
        # Every client raises its own classes.
        except Exception as error:
            raise self._typed(error) from error

    def _typed(self, error: Exception) -> ModelError:
        failure: Failure = failure_of(
            error, lambda text: without_secrets(text, self._member, None), self._member.deadline
        )
        message = f"The embedder {self.name} failed: {failure.why.rstrip('.')}."
        if failure.kind is ModelTimeoutError:
            return ModelTimeoutError(message, seconds=failure.seconds, model=self.name, next_step=failure.next_step)
        # A text that is too long is cut by its server or refused: there is no prompt whose part could be named.
        kind = ModelError if failure.kind.code == "context_window" else failure.kind
        return kind(message, model=self.name, retryable=failure.retryable, next_step=failure.next_step)


@lru_cache(maxsize=32)
def _served(member: Member, key: str, address: str, class_name: str) -> Embedder:
    model = parse_name(member.model).model
    direct: dict[str, Any] = {"trust_env": False} if is_loopback(address) else {}
    if class_name == "OllamaEmbeddings":
        headers = {"headers": {"Authorization": f"Bearer {key}"}} if key else {}
        arguments: dict[str, Any] = {
            "base_url": address or None,
            "client_kwargs": headers,
            "sync_client_kwargs": {**sync_client_arguments(), **direct},
            "async_client_kwargs": {**async_client_arguments(), **direct},
        }
        return ServedEmbedder(member, _class("langchain_ollama", class_name)(model=model, **arguments))
    arguments = {
        "api_key": SecretStr(key),
        "base_url": address or None,
        # Counting tokens would fetch a table from the network, and only OpenAI's models count so.
        "check_embedding_ctx_length": False,
        # Not every server of this protocol has the packed form that the client asks for.
        "model_kwargs": {"encoding_format": "float"},
        "max_retries": member.attempts - 1,
        "http_client": capped_client(**direct),
        "http_async_client": capped_async_client(**direct),
    }
    return ServedEmbedder(member, _class("langchain_openai", class_name)(model=model, **arguments))


def _class(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


# -- models of this process --------------------------------------------------------------------


class LocalEmbedder:
    """A model of sentence-transformers, or any encoder of transformers, in this process."""

    def __init__(self, name: str, ref: ModelRef, device: str) -> None:
        self.name = name
        self._ref = ref
        self._device = device
        self._made: Any = None
        self._lock = threading.Lock()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text. The first call loads the model.

        Raises:
            ModelLoadError: it is not there, or may not be loaded.
            ModelError: it failed.
        """
        return await asyncio.to_thread(self._embed, list(texts))

    def _embed(self, texts: list[str]) -> list[list[float]]:
        # One at a time: the model is loaded once, and calls side by side would only share its cores.
        with self._lock:
            if self._made is None:
                self._made = self._load()
            try:
                vectors: list[list[float]] = self._made.embed_documents(texts)
            # torch raises errors of any class.
            except Exception as error:
                raise ModelError(
                    f"The embedder {self.name} failed: {_first_line(error)}.",
                    model=self.name,
                    next_step="Choose another embedder, or leave the option out to rank by words.",
                ) from error
            return vectors

    def _load(self) -> Any:
        folder = checked_folder(self._ref)
        try:
            from langchain_huggingface import HuggingFaceEmbeddings

            with quiet_unless_terminal():
                return HuggingFaceEmbeddings(
                    model_name=str(folder),
                    model_kwargs={
                        "device": self._device,
                        "trust_remote_code": False,
                        "local_files_only": True,
                        "model_kwargs": {"use_safetensors": True},
                    },
                    encode_kwargs={"batch_size": 32},
                )
        # transformers and torch raise errors of any class.
        except Exception as error:
            raise ModelLoadError(
                f"The embedder {self.name} cannot be loaded: {_first_line(error)}.",
                model=self.name,
                next_step="Check that its files belong together, or download the model again.",
            ) from error


@lru_cache(maxsize=8)
def _local(name: str, ref: ModelRef, device: str) -> Embedder:
    return LocalEmbedder(name, ref, device)


def _first_line(error: Exception) -> str:
    return first_line(error).rstrip(".")[:300]


def checked_folder(ref: ModelRef) -> Path:
    """Return the folder of an embedding model, fetched when needed. It holds safetensors, and needs no code.

    Raises:
        ModelLoadError: it is not there, or it is none that may be loaded.
    """
    folder = fetch_small_files(ref)
    layers = _layers(folder, ref.name)
    encoder = folder / next((path for kind, path in layers if kind == "Transformer"), "")
    check_config(encoder, read_config(encoder, ref.name), ref.name)
    if ref.folder is None and encoder == folder:
        folder = encoder = fetch_weights(ref, folder)
    check_weights(encoder, ref.name)
    for kind, path in layers:
        if kind == "Dense" and not weight_files(folder / path, ref.name):
            raise ModelLoadError(
                f"The embedder {ref.name} cannot be loaded: its layer {path} has no weights as .safetensors.",
                model=ref.name,
                next_step="Download the whole repository and give its folder, or choose a model without such a layer.",
            )
    return folder


def _layers(folder: Path, name: str) -> list[tuple[str, str]]:
    """Return kind and sub-folder of each layer that ``modules.json`` names; none for a plain encoder.

    Each is a class that sentence-transformers would import by the name that the file gives.

    Raises:
        ModelLoadError: one is not known to be harmless, or leads out of the folder.
    """
    try:
        found = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        layers = [(str(layer["type"]), str(layer["path"])) for layer in found]
        paths = [safe_relative_path(path) if path else "" for _, path in layers]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, MatrioskaError) as error:
        raise ModelLoadError(
            f"The embedder {name} cannot be loaded: modules.json cannot be used ({_first_line(error)}).",
            model=name,
            next_step="Download the model again.",
        ) from error
    kinds = [PurePosixPath(kind.replace(".", "/")).name for kind, _ in layers]
    for (given, _), kind in zip(layers, kinds, strict=True):
        if kind not in _LAYERS or not given.startswith("sentence_transformers."):
            raise ModelLoadError(
                f"The embedder {name} has a layer {given[:100]!r}, which may be code of its own and is not run here.",
                model=name,
                next_step=f"Choose a model that is made of {', '.join(sorted(_LAYERS))}, as most are.",
            )
    return list(zip(kinds, paths, strict=True))
