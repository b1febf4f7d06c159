"""Precedence: argument > what the thread began with > environment > file > default."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from matrioska.models.testing import ScriptedChatModel
from matrioska.state.context import RunContext, RunOptions
from matrioska.state.errors import ConfigError
from matrioska.state.members import Member
from matrioska.store.environment import ENV_FILE, load_environment
from matrioska.store.settings import CONFIG_FILE, find_member, load_members, resolve_options


def _write(text: str) -> None:
    Path(CONFIG_FILE).write_text(text)


def test_each_source_beats_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_options(None).slots == 8
    _write("slots = 3\nmax_mends = 1")
    assert resolve_options(None).slots == 3
    monkeypatch.setenv("MATRIOSKA_SLOTS", "4")
    assert resolve_options(None).slots == 4
    assert resolve_options(None, {"slots": 5}).slots == 5
    assert resolve_options(RunContext(slots=6), {"slots": 5}).slots == 6
    # What a thread began with is whole: settings changed meanwhile do not leak into it.
    assert resolve_options(None, {"slots": 5}).max_mends == 2
    assert resolve_options(RunContext()).max_mends == 1


def test_roles_are_joined_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _write('[roles]\narchitect = "openai:file"\nworker = "openai:file"')
    assert resolve_options(None).roles == {"architect": "openai:file", "worker": "openai:file"}
    monkeypatch.setenv("MATRIOSKA_ROLES", '{"worker": "openai:env"}')
    assert resolve_options(None).roles["worker"] == "openai:env"
    given = resolve_options(RunContext(roles={"critic": "openai:given"}), {"roles": {"worker": "openai:saved"}})
    assert given.roles == {"worker": "openai:saved", "critic": "openai:given"}


def test_a_model_for_every_role_is_for_every_role() -> None:
    _write('model = "openai:file"\n[roles]\narchitect = "openai:file"')
    given = RunContext(model="openai:given", roles={"critic": "openai:critic"})
    for saved in (None, {"roles": {"worker": "openai:saved"}}):
        options = resolve_options(given, saved)
        assert (options.model, options.roles) == ("openai:given", {"critic": "openai:critic"})


def test_another_file_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other.toml").write_text('language = "pt"')
    monkeypatch.setenv("MATRIOSKA_CONFIG", str(tmp_path / "other.toml"))
    assert resolve_options(None).language == "pt"


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIOSKA_SLOTS", "")
    assert resolve_options(None).slots == 8


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("slots = ", "not valid TOML"),
        ("slots = 'many'", "slots"),
        ("slots = 0", "slots"),
        ("slots = -1", "slots"),
        ("max_mends = 11", "max_mends"),
        ("token_budget = 1", "token_budget"),
        ("approval = 'perhaps'", "approval"),
        ("language = 'English'", "language"),
        ("[roles]\nking = 'embedded'", "king"),
        ("[roles]\nworker = 3", "roles.worker"),
        ("slotss = 3", "did you mean 'slots'"),
        ("members = 3", "members"),
    ],
)
def test_wrong_settings_are_named(toml: str, says: str) -> None:
    _write(toml)
    with pytest.raises(ConfigError, match=says) as caught:
        resolve_options(None)
    assert caught.value.next_step


@pytest.mark.parametrize(("name", "value"), [("SLOTS", "0"), ("SLOTS", "x"), ("ROLES", "{")])
def test_wrong_variables_are_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"MATRIOSKA_{name}", value)
    with pytest.raises(ConfigError, match=name.lower()):
        resolve_options(None)


@pytest.mark.parametrize("saved", [None, {"model": "openai:saved"}])
def test_a_model_object_counts_by_its_class(saved: dict[str, Any] | None) -> None:
    model = ScriptedChatModel(script=lambda *_: "")
    options = resolve_options(RunContext(model=model, roles={"worker": model}), saved)
    assert options.model == "object:ScriptedChatModel"
    assert options.roles == {"worker": "object:ScriptedChatModel"}


# -- members ----------------------------------------------------------------------------------

HOUSE = """
model = "first"

[members.first]
model = "vllm:org/one"
fallback = "second"
temperature = 0.5

[members.second]
model = "ollama:two"
fallback = "embedded"
options = { top_k = 5 }
"""


def test_members_are_found_by_name_and_other_names_stand_for_themselves() -> None:
    assert find_member("openai:x") == Member(model="openai:x")
    assert find_member("plain") == Member(model="plain")
    _write(HOUSE)
    assert resolve_options(None).model == "first"
    assert find_member("first") == Member(model="vllm:org/one", fallback="second", temperature=0.5)
    assert find_member("second").options == {"top_k": 5}
    assert find_member("openai:x") == Member(model="openai:x")
    assert find_member("embedded") == Member(model="embedded")
    assert hash(find_member("second")) == hash(Member(model="ollama:two", fallback="embedded", options={"top_k": 5}))


def test_a_member_that_is_not_there_is_answered_with_the_nearest() -> None:
    _write(HOUSE)
    with pytest.raises(ConfigError, match=r"'frist' .did you mean 'first'") as caught:
        find_member("frist")
    assert "first, second" in caught.value.next_step


@pytest.mark.parametrize("name", ["", "x:" + "y" * 500])
def test_what_can_be_no_name_of_a_model(name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a model"):
        find_member(name)


def test_a_file_that_changed_is_read_again() -> None:
    _write(HOUSE)
    assert load_members() is load_members()
    _write(HOUSE.replace("0.5", "0.75"))
    assert find_member("first").temperature == 0.75
    Path(CONFIG_FILE).unlink()
    assert load_members() == {}


def test_the_environment_beats_the_file_in_members_too(monkeypatch: pytest.MonkeyPatch) -> None:
    _write(HOUSE)
    assert find_member("first").temperature == 0.5
    monkeypatch.setenv("MATRIOSKA_MEMBERS", '{"first": {"temperature": 0.25}, "third": {"model": "embedded"}}')
    assert find_member("first") == Member(model="vllm:org/one", fallback="second", temperature=0.25)
    assert find_member("third") == Member(model="embedded")


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[members.a]\nmodel = 'x:y'\n\ntemperature = 7", "'a' has a wrong temperature: .* 2, line 4"),
        ("[members.a]\nmodel = 3", "'a' has a wrong model: .*, line 2"),
        ("[members.a]\nslots = 3", "'a' has a wrong model: Field required, line 1"),
        ("[members.a]\nmodel = 'x:y'\ntemp = 1", "no field 'temp' .did you mean 'temperature'.*, line 3"),
        ("[members.a]\nmodel = 'x:y'\nbase_url = 'localhost'", "wrong base_url: .*, line 3"),
        ("[members.a]\nmodel = 'x:y'\nstructured = 'maybe'", "wrong structured: .*, line 3"),
        ("[members]\na = 'openai:x'", "'a' is 'openai:x' and no table"),
        ("[members.embedded]\nmodel = 'x:y'", "cannot have the name 'embedded'"),
        ("[members.'a:b']\nmodel = 'x:y'", "cannot have the name 'a:b'"),
        ("[members.ab]\nmodel = 'x:y'\nfallback = 'abc'", "'ab' falls back to 'abc', which is no member"),
        ("[members.a]\nmodel = 'x:y'\nfallback = 'a'", "in a circle: a → a, line 3"),
        (
            "[members.a]\nmodel = 'x:y'\nfallback = 'b'\n[members.b]\nmodel = 'x:y'\nfallback = 'c'\n"
            "[members.c]\nmodel = 'x:y'\nfallback = 'b'",
            "circle: b → c → b",
        ),
    ],
)
def test_a_faulty_member_is_named_with_its_line(toml: str, says: str) -> None:
    _write(toml)
    for look in (lambda: resolve_options(None), lambda: find_member("embedded")):
        with pytest.raises(ConfigError, match=says) as caught:
            look()
        assert caught.value.next_step


def test_a_key_written_into_a_member_is_not_repeated() -> None:
    _write("[members.a]\nmodel = 'openai:x'\napi_key = 'sk-very-secret'")
    with pytest.raises(ConfigError, match=r"has no field 'api_key' .did you mean 'api_key_env'") as caught:
        resolve_options(None)
    assert "secret" not in str(caught.value)


# -- .env -------------------------------------------------------------------------------------


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Let what a ``.env`` adds be forgotten after the test."""
    copy = os.environ.copy()
    monkeypatch.setattr(os, "environ", copy)
    return copy


def test_keys_come_from_a_file_and_never_over_those_that_are_set(environ: dict[str, str]) -> None:
    environ["ANTHROPIC_API_KEY"] = "sk-set"
    Path(ENV_FILE).write_text(
        "OPENAI_API_KEY='sk-$dollar'\nANTHROPIC_API_KEY=sk-file\nexport HF_TOKEN=hf-file\nMATRIOSKA_SLOTS=3\n"
        "LMSTUDIO_BASE_URL=http://127.0.0.1:9/v1\nPATH=/evil\nLD_PRELOAD=/evil.so\nEMPTY_API_KEY=\n"
    )
    before = dict(environ)
    assert resolve_options(None).slots == 3
    assert {name: value for name, value in environ.items() if before.get(name) != value} == {
        "OPENAI_API_KEY": "sk-$dollar",
        "HF_TOKEN": "hf-file",
        "MATRIOSKA_SLOTS": "3",
        "LMSTUDIO_BASE_URL": "http://127.0.0.1:9/v1",
    }


def test_a_file_of_keys_is_read_again_once_it_changed(environ: dict[str, str]) -> None:
    find_member("embedded")
    assert "OPENAI_API_KEY" not in environ
    Path(ENV_FILE).write_text("OPENAI_API_KEY=sk-1")
    find_member("embedded")
    assert environ.pop("OPENAI_API_KEY") == "sk-1"
    load_environment()
    assert "OPENAI_API_KEY" not in environ
    Path(ENV_FILE).write_text("OPENAI_API_KEY=sk-22")
    load_environment()
    assert environ["OPENAI_API_KEY"] == "sk-22"


def test_a_file_of_keys_that_is_no_text(environ: dict[str, str]) -> None:
    Path(ENV_FILE).write_bytes(b"OPENAI_API_KEY=\xff\xfe")
    with pytest.raises(ConfigError, match="cannot be read"):
        resolve_options(None)


def test_a_thread_that_began_with_defaults_keeps_them() -> None:
    _write('model = "ollama:later"\nslots = 2')
    assert resolve_options(None).slots == 2
    assert resolve_options(None, {}) == RunOptions()
