"""From ``provider:model`` to a chat model: clear refusals, nothing imported before it is needed."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest

from matrioska.models import registry
from matrioska.models.registry import check_model, get_model, providers, split_name
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import ModelError, UnknownModelError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("embedded", ("embedded", "")),
        ("openai:gpt-4o", ("openai", "gpt-4o")),
        ("ollama:qwen3:8b", ("ollama", "qwen3:8b")),
        ("huggingface:org/model", ("huggingface", "org/model")),
    ],
)
def test_a_name_is_split_at_its_first_colon(name: str, expected: tuple[str, str]) -> None:
    assert split_name(name) == expected


@pytest.mark.parametrize("name", ["", "gpt-4o", "nobody:x", "OpenAI:gpt-4o", ":x", "embedded:x"])
def test_unknown_names_are_answered_with_the_known(name: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        check_model(name)
    assert "embedded" in caught.value.next_step
    assert "openai:" in caught.value.next_step


def test_a_provider_alone_is_no_model() -> None:
    with pytest.raises(UnknownModelError, match="has no model") as caught:
        check_model("openai:")
    assert "openai:<model>" in caught.value.next_step


def test_an_object_of_another_program_cannot_be_loaded() -> None:
    with pytest.raises(UnknownModelError, match="begun from Python with a LocalLLM object") as caught:
        check_model("object:LocalLLM")
    assert "--model" in caught.value.next_step


@pytest.fixture
def fake_openai(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Install a stand-in for the integration package and return what its class was made with."""
    made: list[dict[str, Any]] = []

    class ChatOpenAI(ScriptedChatModel):
        def __init__(self, **given: Any) -> None:
            if given["model"] == "bad":
                raise ValueError("no such thing")
            made.append(given)
            super().__init__(script=lambda *_: "")

    module = ModuleType("langchain_openai")
    module.__spec__ = importlib.util.spec_from_loader("langchain_openai", None)
    module.ChatOpenAI = ChatOpenAI  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "langchain_openai", module)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    get_model.cache_clear()
    return made


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match="not installed") as caught:
        check_model("openai:gpt-4o")
    assert "matrioska[openai]" in caught.value.next_step


def test_a_missing_key_names_its_variable(fake_openai: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelError, match="key for openai:gpt-4o is missing") as caught:
        check_model("openai:gpt-4o")
    assert "OPENAI_API_KEY" in caught.value.next_step


def test_a_model_is_made_once_and_retries_nothing_itself(fake_openai: list[dict[str, Any]]) -> None:
    assert get_model("openai:gpt-4o") is get_model("openai:gpt-4o")
    assert fake_openai == [{"model": "gpt-4o", "max_retries": 0}]


@pytest.mark.parametrize(("provider", "port"), [("lmstudio", 1234), ("llamacpp", 8080), ("vllm", 8000)])
def test_servers_of_this_machine_need_no_key(fake_openai: list[dict[str, Any]], provider: str, port: int) -> None:
    get_model(f"{provider}:local")
    assert fake_openai[0]["base_url"] == f"http://127.0.0.1:{port}/v1"
    assert fake_openai[0]["api_key"]
    assert fake_openai[0]["max_retries"] == 0


def test_a_model_that_cannot_be_made_is_named(fake_openai: list[dict[str, Any]]) -> None:
    with pytest.raises(ModelError, match="openai:bad cannot be set up: no such thing"):
        get_model("openai:bad")


def test_no_provider_retries_beside_the_gateway() -> None:
    for name, provider in providers().items():
        if provider.module in ("langchain_openai", "langchain_anthropic"):
            assert provider.options["max_retries"] == 0, name


def test_the_list_of_providers_is_a_copy() -> None:
    providers().clear()
    assert "openai" in providers()
