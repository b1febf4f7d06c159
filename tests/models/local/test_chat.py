"""LocalLLM on tiny random models: the chat model as LangChain and the rest of the program use it."""

from __future__ import annotations

import asyncio
import pickle
import shutil
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from matrioska import LocalLLM
from matrioska.models.local import loading, memory
from matrioska.models.local.residency import local_models
from matrioska.state.errors import ContextWindowError, ModelError, ModelMemoryError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

_Make = Callable[..., LocalLLM]


@pytest.fixture(scope="module", autouse=True)
def _free_memory() -> Iterator[None]:
    yield
    local_models().close()


@pytest.fixture
def make(tiny_folder: Path) -> _Make:
    """Makes a LocalLLM on the tiny model, in full precision unless told otherwise."""

    def make(**settings: Any) -> LocalLLM:
        return LocalLLM(**{"model_name": str(tiny_folder), "load_in_4bit": False, "max_tokens": 12, **settings})

    return make


class Verdict(BaseModel):
    """Bounded, so that a random model comes to an end."""

    verdict: Literal["good", "bad"]
    score: Annotated[int, Field(ge=0, le=9)]
    notes: Annotated[list[Annotated[str, Field(max_length=5)]], Field(max_length=2)]


class Open(BaseModel):
    """Takes any further property."""

    model_config = ConfigDict(extra="allow")

    properties: Verdict | None


class _Plain(TypedDict):
    """An answer as a dict."""

    verdict: Literal["good", "bad"]


def _users() -> int:
    return sum(model.users for model in local_models().status())


async def _until_users(count: int) -> None:
    async with asyncio.timeout(60):
        while _users() < count:  # noqa: ASYNC110 - nobody tells when a call has begun
            await asyncio.sleep(0.01)


def test_importing_it_does_not_import_torch() -> None:
    code = "import sys; from matrioska import LocalLLM; LocalLLM(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_loads_in_4_bits_and_answers_with_usage(make: _Make, monkeypatch: pytest.MonkeyPatch) -> None:
    models: list[Any] = []
    read = loading.read_model
    monkeypatch.setattr(loading, "read_model", lambda *given: models.append(read(*given)) or models[-1])
    llm = make(load_in_4bit=True)
    answer = llm.invoke([SystemMessage("Be brief."), HumanMessage("Hi"), HumanMessage("there")])
    llm.unload()
    assert [type(part).__name__ for part in models[0].modules()].count("Linear4bit") == 2 * 7
    # Byte-level: one token a character.
    prompt, used = len("[user] Be brief.\n\nHi\n\nthere"), answer.usage_metadata
    assert used is not None
    assert used["input_tokens"] == prompt
    assert 0 < used["output_tokens"] <= 12
    assert used["total_tokens"] == prompt + used["output_tokens"]
    assert answer.response_metadata["model_name"] == llm.model_name
    assert answer.response_metadata["finish_reason"] in ("stop", "length")


def test_what_was_estimated_is_what_it_takes(tiny_folder: Path, make: _Make) -> None:
    make(load_in_4bit=True).invoke("x")
    quantised = local_models().status()[0]
    estimate = memory.requirements(str(tiny_folder)).weight_bytes
    assert estimate is not None
    # Weights of the tiny model are one block of statistics each; of these the model does not tell.
    assert quantised.weight_bytes == pytest.approx(estimate, rel=0.05)


async def test_every_way_of_asking_gives_the_same_answer(make: _Make) -> None:
    llm = make(do_sample=False)
    expected = (await llm.ainvoke("hello")).text
    assert llm.invoke("hello").text == expected
    assert llm.batch(["hello", "hello"])[1].text == expected
    assert (await llm.abatch(["hello"]))[0].text == expected
    assert "".join(chunk.text for chunk in llm.stream("hello")) == expected
    assert "".join([chunk.text async for chunk in llm.astream("hello")]) == expected
    assert llm.bind(max_tokens=12).invoke("hello").text == expected


async def test_a_stream_ends_with_what_the_answer_cost(make: _Make) -> None:
    whole: AIMessageChunk | None = None
    pieces = 0
    async for chunk in make(do_sample=False).astream("tell me"):
        pieces += bool(chunk.text)
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    assert pieces > 1
    assert whole.usage_metadata is not None
    assert whole.usage_metadata["output_tokens"] == 12
    assert whole.response_metadata["finish_reason"] == "length"
    assert whole.chunk_position == "last"


async def test_calls_at_the_same_time_share_one_engine_and_its_batch(make: _Make) -> None:
    llm = make(max_tokens=40, do_sample=False)
    answers = await asyncio.gather(*(llm.ainvoke(f"number {n}") for n in range(8)))
    assert len(answers) == 8
    assert sum(model.name == llm.model_name for model in local_models().status() if model.users == 0) >= 1
    with local_models().use(llm.key()) as loaded, local_models().use(make(seed=5).key()) as other:
        assert loaded.engine is other.engine
        assert loaded.engine.stats().rows_peak > 1  # type: ignore[attr-defined]


def test_batch_asks_for_all_at_once(make: _Make) -> None:
    llm = make(max_tokens=60, do_sample=False)
    answers = llm.batch([f"text {n}" for n in range(24)])
    assert len(answers) == 24
    with local_models().use(llm.key()) as loaded:
        # LangChain's own pool has four threads more than there are cores.
        assert loaded.engine.stats().rows_peak > 12  # type: ignore[attr-defined]


def test_seeds_repeat_and_differ(make: _Make) -> None:
    llm = make(temperature=2.0, top_p=1.0, seed=7, max_tokens=20)
    assert (
        llm.invoke("x").text
        == llm.invoke("x").text
        == make().invoke("x", temperature=2.0, top_p=1.0, seed=7, max_tokens=20).text
    )
    assert llm.invoke("x").text != llm.invoke("x", seed=8).text


def test_stop_ends_the_answer_before_its_text(make: _Make) -> None:
    llm = make(do_sample=False, max_tokens=40)
    whole = llm.invoke("hello").text
    # Of a random model's bytes, some make a readable character.
    marker = next(letter for letter in whole[1:] if letter.isascii() and letter.isprintable())
    answer = llm.invoke("hello", stop=[marker])
    assert answer.text == whole.split(marker)[0]
    assert answer.response_metadata["finish_reason"] == "stop"
    assert llm.bind(stop=[marker]).invoke("hello").text == answer.text


async def test_cancelling_a_task_frees_its_row(make: _Make) -> None:
    llm = make(max_tokens=100_000, do_sample=False)
    started = asyncio.Event()

    async def long() -> None:
        async for _ in llm.astream("a long story"):
            started.set()

    running = asyncio.create_task(long())
    await asyncio.wait_for(started.wait(), 60)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.wait_for(llm.ainvoke("x", max_tokens=2), 60)
    assert _users() == 0


async def test_cancelling_an_answer_frees_its_row(make: _Make) -> None:
    llm = make(max_tokens=100_000, do_sample=False)
    running = asyncio.create_task(llm.ainvoke("a long story"))
    await _until_users(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert _users() == 0


def test_closing_a_stream_frees_its_row(make: _Make) -> None:
    llm = make(max_tokens=100_000, do_sample=False)
    stream = llm.stream("a long story")
    next(stream)
    assert _users() == 1
    stream.close()  # type: ignore[attr-defined]
    assert _users() == 0


async def test_waiting_takes_no_thread_each(make: _Make) -> None:
    llm = make(max_tokens=200, do_sample=False)
    await llm.ainvoke("warm up", max_tokens=1)
    running = [asyncio.create_task(llm.ainvoke(f"text {n}")) for n in range(40)]
    await _until_users(40)
    waiting = threading.active_count()
    await asyncio.gather(*running)
    assert waiting < 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tools": []}, "does not take tools"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": "much"}, "top_p"),
        ({"json_schema": {"type": "object"}, "grammar": "start: /a/"}, "not to both"),
    ],
)
def test_wrong_arguments_are_refused(make: _Make, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        make().invoke("x", **arguments)
    assert caught.value.next_step


def test_the_context_bounds_prompts_and_answers(tiny_folder: Path, tmp_path: Path, make: _Make) -> None:
    folder = tmp_path / "short"
    shutil.copytree(tiny_folder, folder)
    config = (folder / "config.json").read_text()
    assert '"max_position_embeddings": 131072' in config
    (folder / "config.json").write_text(config.replace("131072", "64"))
    llm = make(model_name=str(folder))
    assert llm.profile is not None
    assert llm.profile["max_input_tokens"] == 64
    with pytest.raises(ContextWindowError):
        llm.invoke("x" * 80)
    answer = llm.invoke("x" * 40, max_tokens=4000)
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] <= 64
    llm.unload()


def test_tokens_are_counted_by_the_models_tokenizer(make: _Make) -> None:
    llm = make()
    assert llm.get_num_tokens("héllo") == len("héllo".encode())
    messages = [SystemMessage("Be brief."), HumanMessage("Hi")]
    assert llm.get_num_tokens_from_messages(messages) == len("[user] Be brief.\n\nHi")
    with pytest.raises(ModelError, match="no tools"):
        llm.get_num_tokens_from_messages(messages, tools=[{}])


def test_copies_are_equal_and_survive_pickling(make: _Make) -> None:
    llm = make(seed=3)
    copy = pickle.loads(pickle.dumps(llm))
    assert copy == llm
    assert copy.key() == llm.key() == llm.model_copy(update={"max_tokens": 5}).key()
    assert llm._get_llm_string() != make(seed=4)._get_llm_string()


def test_answers_follow_their_schema(make: _Make) -> None:
    llm = make(temperature=1.5, top_p=1.0, max_tokens=200)
    answers = llm.with_structured_output(Verdict).batch([f"judge {n}" for n in range(20)])
    assert len(answers) == 20
    assert all(isinstance(answer, Verdict) for answer in answers)


def test_objects_are_closed_unless_they_say_otherwise(make: _Make) -> None:
    bound: Any = make().with_structured_output(Open)
    schema = bound.first.kwargs["json_schema"]
    assert schema["additionalProperties"] is True
    assert schema["$defs"]["Verdict"]["additionalProperties"] is False
    assert set(schema["properties"]) == {"properties"}
    assert make().bind(json_schema={"type": "object"}).kwargs["json_schema"] == {"type": "object"}


async def test_a_dict_for_what_is_no_pydantic_class(make: _Make) -> None:
    llm = make(max_tokens=100)
    schema = {
        "title": "v",
        "type": "object",
        "properties": {"verdict": {"enum": ["good", "bad"]}},
        "required": ["verdict"],
    }
    for kind in (schema, _Plain):
        answer = await llm.with_structured_output(kind, method="json_schema", strict=True).ainvoke("judge")
        assert isinstance(answer, dict)
        assert answer["verdict"] in ("good", "bad")
    with pytest.raises(ValueError, match="does not take tools"):
        llm.with_structured_output(schema, tools=[])


def test_a_cut_off_object_is_an_error_and_not_a_part(make: _Make) -> None:
    llm = make(max_tokens=5)
    with pytest.raises(OutputParserException, match="max_tokens"):
        llm.with_structured_output(Verdict).invoke("judge")
    both: Any = llm.with_structured_output(Verdict, include_raw=True)
    answer = both.invoke("judge")
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], OutputParserException)
    assert answer["raw"].usage_metadata["output_tokens"] == 5
    both = make(max_tokens=200).with_structured_output(Verdict, include_raw=True)
    answer = both.invoke("judge")
    assert isinstance(answer["parsed"], Verdict)
    assert answer["parsing_error"] is None


def test_an_answer_follows_its_grammar(make: _Make) -> None:
    answer = make(max_tokens=20).invoke("x", grammar='start: "yes" | "no"')
    assert answer.text in ("yes", "no")


def test_two_models_take_turns_on_a_device_for_one(
    tiny_folder: Path, tiny_sliding_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_models().close()
    first, second = (
        LocalLLM(model_name=str(folder), load_in_4bit=False, max_tokens=4, context_window=64)
        for folder in (tiny_folder, tiny_sliding_folder)
    )
    need = memory.requirements(str(tiny_folder), load_in_4bit=False).total(64)
    assert need is not None

    def free(device: str) -> int:
        return int(1.5 * need) - sum(model.weight_bytes for model in local_models().status())

    models: list[weakref.ref[Any]] = []

    def read(*given: Any) -> Any:
        model = read_model(*given)
        models.append(weakref.ref(model))
        return model

    read_model = loading.read_model
    monkeypatch.setattr(loading, "read_model", read)
    monkeypatch.setattr(memory, "free_bytes", free)
    resident = []
    for llm in (first, second, first):
        llm.invoke("x")
        resident.append([model.name for model in local_models().status()])
    assert resident == [[str(tiny_folder)], [str(tiny_sliding_folder)], [str(tiny_folder)]]
    with pytest.raises(ModelMemoryError):
        LocalLLM(model_name=str(tiny_sliding_folder), load_in_4bit=False, context_window=100_000).invoke("x")
    assert [model() is None for model in models] == [True, True, False]
    assert first.unload()
    assert models[2]() is None
