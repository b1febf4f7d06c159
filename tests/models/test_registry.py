"""From members and names to chat models: clear refusals, nothing imported before it is needed."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_ollama import ChatOllama
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import Field, SecretStr

from matrioska.models.providers import Provider, is_loopback, own_address, providers
from matrioska.models.registry import (
    ModelName,
    check_member,
    make_model,
    parse_name,
)
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import ConfigError, ModelAuthError, ModelError, UnknownModelError
from matrioska.state.members import Member

LOOPBACK = "http://127.0.0.1:9/v1"
ELSEWHERE = "https://models.example.org/v1"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exactly two hosted providers have a key."""
    for provider in providers().values():
        for name in provider.keys:
            monkeypatch.delenv(name, raising=False)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE", "ANTHROPIC_BASE_URL", "OLLAMA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-anthropic")


def check_model(name: str) -> None:
    check_member(Member(model=name))


def get_model(name: str) -> BaseChatModel:
    return make_model(Member(model=name))


def _field(model: BaseChatModel, name: str) -> Any:
    found = getattr(model, name)
    return found.get_secret_value() if isinstance(found, SecretStr) else found


# -- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("embedded", ModelName("embedded", "")),
        ("openai:gpt-4o", ModelName("openai", "gpt-4o")),
        ("ollama:qwen3:8b", ModelName("ollama", "qwen3:8b")),
        ("huggingface:org/model", ModelName("huggingface", "org/model")),
        ("huggingface:org/model@v1.2", ModelName("huggingface", "org/model", revision="v1.2")),
        ("vllm:org/model@http://10.0.0.5:8000/v1", ModelName("vllm", "org/model", "http://10.0.0.5:8000/v1")),
        ("openai:gpt@https://models.example.org/v1", ModelName("openai", "gpt", ELSEWHERE)),
        # Hosted models may have the sign in their names.
        ("deepseek:chat@2026", ModelName("deepseek", "chat@2026")),
    ],
)
def test_a_name_is_taken_apart(name: str, expected: ModelName) -> None:
    assert parse_name(name) == expected


def test_a_folder_may_have_the_sign_of_revisions_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "model@home"
    folder.mkdir()
    assert parse_name(f"huggingface:{folder}") == ModelName("huggingface", str(folder))


@pytest.mark.parametrize("name", ["", "gpt-4o", "nobody:x", "OpenAI:gpt-4o", ":x", "embedded:x", "core:x", "../x:y"])
def test_unknown_names_are_answered_with_the_known(name: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        parse_name(name)
    assert "embedded" in caught.value.next_step
    assert "openai:" in caught.value.next_step


def test_a_name_that_is_nearly_right_is_answered_with_the_right_one() -> None:
    with pytest.raises(UnknownModelError, match="did you mean 'anthropic'"):
        check_model("antropic:claude")


def test_a_provider_alone_is_no_model() -> None:
    with pytest.raises(UnknownModelError, match="has no model") as caught:
        check_model("openai:")
    assert "openai:<model>" in caught.value.next_step


def test_an_object_of_another_program_cannot_be_loaded() -> None:
    with pytest.raises(UnknownModelError, match="begun from Python with a LocalLLM object") as caught:
        check_model("object:LocalLLM")
    assert "--model" in caught.value.next_step


# -- what a model is made with ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("openai:gpt-4o", ChatOpenAI),
        ("anthropic:claude-sonnet-4-5", ChatAnthropic),
        ("ollama:qwen3", ChatOllama),
        ("lmstudio:x", BaseChatOpenAI),
        ("llamacpp:x", BaseChatOpenAI),
        ("vllm:x", BaseChatOpenAI),
        (f"openai:x@{LOOPBACK}", BaseChatOpenAI),
    ],
)
def test_a_provider_has_its_class(name: str, cls: type[BaseChatModel]) -> None:
    assert type(get_model(name)) is cls


@pytest.mark.parametrize("name", ["openai:gpt-4o", "anthropic:claude-sonnet-4-5", "vllm:x"])
def test_waiting_and_repeating_are_left_to_the_gateway(name: str) -> None:
    model = make_model(Member(model=name, deadline=1234.0))
    assert _field(model, "max_retries") == 0
    assert _field(model, "stream_usage") is True
    if isinstance(model, ChatAnthropic):
        assert model.default_request_timeout == 1234.0
    else:
        assert (_field(model, "request_timeout").read, _field(model, "request_timeout").connect) == (1234.0, 10.0)
    assert not getattr(model, "stream_chunk_timeout", None)


def test_fields_of_a_member_become_arguments() -> None:
    member = Member(model="vllm:x", temperature=0.2, max_tokens=77, seed=5, options={"top_p": 0.5})
    assert [_field(make_model(member), name) for name in ("temperature", "max_tokens", "seed", "top_p")] == [
        0.2,
        77,
        5,
        0.5,
    ]
    ollama = make_model(member.model_copy(update={"model": "ollama:x", "context_window": 8192}))
    assert [_field(ollama, name) for name in ("temperature", "num_predict", "seed", "top_p", "num_ctx")] == [
        0.2,
        77,
        5,
        0.5,
        8192,
    ]


def test_a_model_of_this_process_is_made_without_being_loaded() -> None:
    member = Member(model="huggingface:org/model@v1", max_tokens=9, seed=5, context_window=512, options={"top_p": 0.5})
    model = make_model(member)
    assert [_field(model, name) for name in ("model_name", "revision", "max_tokens", "seed", "context_window")] == [
        "org/model",
        "v1",
        9,
        5,
        512,
    ]
    with pytest.raises(ConfigError, match="takes no base_url: LocalLLM"):
        make_model(Member(model="huggingface:org/model", base_url=LOOPBACK))


def test_what_a_class_cannot_do_is_refused_and_not_ignored() -> None:
    with pytest.raises(ConfigError, match="takes no seed: ChatAnthropic"):
        make_model(Member(model="anthropic:claude-sonnet-4-5", seed=1))


@pytest.mark.parametrize("call", [check_member, make_model])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"top_pp": 0.5}, "'top_pp' of vllm:x is none of BaseChatOpenAI that can be set .did you mean 'top_p'"),
        ({"openai_api_key": "sk-1234"}, "looks like a key"),
        ({"hf_token": "hf-1234"}, "looks like a key"),
        ({"base_url": ELSEWHERE}, "is a field of the member"),
        ({"openai_api_base": ELSEWHERE}, "is a field of the member"),
        ({"model_name": "y"}, "is a field of the member"),
        ({"http_client": "y"}, "none of BaseChatOpenAI that can be set"),
    ],
)
def test_an_option_that_is_not_there_is_named(call: Any, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        call(Member(model="vllm:x", options=options))
    assert "1234" not in str(caught.value)


def test_an_option_of_the_wrong_kind_is_named_without_its_value() -> None:
    with pytest.raises(ConfigError, match="vllm:x cannot be set up: n: ") as caught:
        make_model(Member(model="vllm:x", options={"n": "secret"}))
    assert "secret" not in str(caught.value)


def test_a_model_is_made_once_for_equal_members() -> None:
    member = {"model": "vllm:x", "options": {"top_p": 0.5}, "modalities": ["code"]}
    assert make_model(Member.model_validate(member)) is make_model(Member.model_validate(member))
    assert make_model(Member.model_validate(member)) is not make_model(Member(model="vllm:x", options={"top_p": 0.6}))
    assert get_model("embedded") is get_model("embedded")


# -- addresses and keys -----------------------------------------------------------------------


@pytest.mark.parametrize(("provider", "port"), [("lmstudio", 1234), ("llamacpp", 8080), ("vllm", 8000)])
def test_servers_of_this_machine_need_no_key(provider: str, port: int) -> None:
    model = get_model(f"{provider}:local")
    assert _field(model, "openai_api_base") == f"http://127.0.0.1:{port}/v1"
    # Least of all the key for a hosted one.
    assert _field(model, "openai_api_key") == "not-needed"


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelAuthError, match="key for openai:gpt-4o is missing") as caught:
        check_model("openai:gpt-4o")
    assert "Set OPENAI_API_KEY" in caught.value.next_step
    check_model(f"openai:gpt-4o@{LOOPBACK}")


@pytest.mark.parametrize(
    "member", [Member(model="openai:x", base_url=ELSEWHERE), Member(model=f"openai:x@{ELSEWHERE}")]
)
def test_the_usual_key_stays_with_the_providers_own_server(member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelAuthError) as caught:
        check_member(member)
    assert "api_key_env" in caught.value.next_step
    monkeypatch.setenv("EXAMPLE_KEY", "sk-example")
    model = make_model(member.model_copy(update={"api_key_env": "EXAMPLE_KEY"}))
    assert _field(model, "openai_api_key") == "sk-example"
    assert _field(make_model(Member(model=f"openai:x@{LOOPBACK}")), "openai_api_key") == "not-needed"


def test_another_key_makes_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    first = get_model("openai:gpt-4o")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-renewed")
    assert _field(get_model("openai:gpt-4o"), "openai_api_key") == "sk-renewed"
    assert get_model("openai:gpt-4o") is not first


def test_a_key_that_a_member_names_has_to_be_there() -> None:
    with pytest.raises(ModelAuthError) as caught:
        check_member(Member(model="vllm:x", api_key_env="VLLM_HOUSE_KEY"))
    assert "VLLM_HOUSE_KEY" in caught.value.next_step


def test_a_key_for_ollama_goes_into_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_KEY", "sk-proxy")
    model = make_model(Member(model="ollama:x", base_url="https://ollama.example.org", api_key_env="PROXY_KEY"))
    assert _field(model, "client_kwargs") == {"headers": {"Authorization": "Bearer sk-proxy"}}


def test_the_environment_moves_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMSTUDIO_BASE_URL", "http://10.0.0.5:1234/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://proxy.example.org/v1")
    assert _field(get_model("lmstudio:x"), "openai_api_base") == "http://10.0.0.5:1234/v1"
    moved = get_model("openai:x")
    assert type(moved) is BaseChatOpenAI
    assert (_field(moved, "openai_api_base"), _field(moved, "openai_api_key")) == (
        "https://proxy.example.org/v1",
        "sk-openai",
    )


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("box:9999", "http://box:9999"),
        (":9999", "http://127.0.0.1:9999"),
        ("https://ollama.example.org", "https://ollama.example.org"),
    ],
)
def test_ollamas_own_variable_may_be_less_than_an_address(
    host: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", host)
    assert own_address("ollama") == address
    assert _field(get_model("ollama:x"), "base_url") == address


def test_two_addresses_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match="two addresses"):
        check_member(Member(model=f"vllm:x@{LOOPBACK}", base_url="http://127.0.0.1:10/v1"))


@pytest.mark.parametrize("url", ["http://", "http://[::1/v1", "http://host:port/v1", "http://h:99999999/v1"])
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        check_member(Member(model="vllm:x", base_url=url))


def test_an_address_holds_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_BASE_URL", "http://me:sk-very-secret@10.0.0.5/v1")
    with pytest.raises(ConfigError, match=r"http://10\.0\.0\.5/v1 has a password") as caught:
        check_model("vllm:x")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/v1", True),
        ("http://[::1]:1", True),
        ("http://localhost", True),
        ("http://127.0.0.1.example.org", False),
        ("http://10.0.0.5", False),
        ("http://user@example.org:127", False),
    ],
)
def test_what_is_this_machine(url: str, here: bool) -> None:
    assert is_loopback(url) is here


# -- packages ---------------------------------------------------------------------------------


def test_a_missing_package_names_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    for name, install in (
        ("openai:gpt-4o", "pip install 'matrioska[openai]'"),
        ("groq:llama", "pip install 'matrioska[openai]'"),
        ("huggingface:org/model", "pip install 'matrioska[local]'"),
        ("google_genai:gemini", "pip install langchain-google-genai"),
    ):
        with pytest.raises(ModelError, match="not installed") as caught:
            check_model(name)
        assert install in caught.value.next_step


def _install(monkeypatch: pytest.MonkeyPatch, name: str, *classes: str) -> list[dict[str, Any]]:
    """Install an integration package with these chat classes; return what they were made with."""
    made: list[dict[str, Any]] = []
    module = ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)

    class Parrot(ScriptedChatModel):
        model: str = Field(alias="model_name")
        max_retries: int = 6

        def __init__(self, **given: Any) -> None:
            made.append(given)
            super().__init__(script=lambda *_: "", **given)

    for cls in classes:
        setattr(module, cls, type(cls, (Parrot,), {"__module__": name}))
    monkeypatch.setitem(sys.modules, name, module)
    return made


def test_any_installed_integration_is_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _install(monkeypatch, "langchain_some_bird", "ChatSomeBird", "ChatSomeBirdEmbeddings")
    check_model("some-bird:parrot")
    get_model("some-bird:parrot")
    assert made == [{"model_name": "parrot", "max_retries": 0}]


def test_an_integration_without_one_clear_class_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "langchain_zoo", "ChatLion", "ChatTiger")
    _install(monkeypatch, "langchain_desert")
    with pytest.raises(ModelError, match="has several: ChatLion, ChatTiger"):
        get_model("zoo:x")
    with pytest.raises(ModelError, match="has no chat model"):
        get_model("desert:x")


def test_another_server_than_an_integrations_own_needs_its_key_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, "langchain_some_bird", "ChatSomeBird")
    with pytest.raises(ModelAuthError, match="key for some_bird:x"):
        check_member(Member(model="some_bird:x", base_url=ELSEWHERE))


def test_every_provider_says_how_it_is_installed() -> None:
    for name, provider in providers().items():
        assert provider.install.startswith("pip install "), name
        assert provider.keys or provider.local or name == "bedrock", name


def test_the_list_of_providers_is_a_copy() -> None:
    providers().clear()
    assert isinstance(providers()["openai"], Provider)


def test_the_registry_imports_no_integration() -> None:
    code = (
        "import sys, matrioska.models.registry;"
        "heavy = {'torch', 'transformers', 'openai', 'anthropic', 'ollama', 'langchain_openai'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
