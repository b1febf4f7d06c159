"""Precedence: argument > what the thread began with > environment > file > default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from matrioska.models.testing import ScriptedChatModel
from matrioska.state.context import RunContext
from matrioska.state.errors import ConfigError
from matrioska.store.settings import CONFIG_FILE, resolve_options


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
