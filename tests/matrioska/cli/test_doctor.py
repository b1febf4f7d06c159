"""doctor and init: what is there, what is not, and a settings file that says everything."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from matrioska.cli.init import SETTINGS_TEXT
from matrioska.models.registry import providers
from matrioska.state.context import ROLES, RunOptions
from matrioska.store.settings import Settings, resolve_options
from tests.support import Author, chain

_ASSIGNED = re.compile(r"^# (\w+) = (.+)$", re.MULTILINE)


def _checks(cli, *arguments: str) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in cli("doctor", "--json", *arguments).json["checks"]}


def test_a_healthy_place(cli, tmp_path: Path) -> None:
    ended = cli("doctor")
    assert ended.code == 0
    assert "Everything that is needed is there." in ended.err
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"
    found = _checks(cli)
    assert found["database"]["state"] == "optional"
    assert set(found) > {"Python", "SQLite", "langgraph", "settings", "base path", "extra local", "model embedded"}
    assert {f"model {name}:…" for name in providers()} < set(found)


def test_a_database_with_runs(cli) -> None:
    cli("run", "-t", "one", "Build a shop", author=Author(chain(2)))
    assert _checks(cli)["database"] == {"name": "database", "state": "ok", "detail": "healthy, 1 run", "next_step": ""}


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
def test_a_broken_database(cli, content: bytes) -> None:
    place = Path("matrioska_checkpoints/matrioska.sqlite")
    place.parent.mkdir()
    place.write_bytes(content)
    assert cli("doctor").code == 1
    assert _checks(cli)["database"]["state"] == "missing"
    assert _checks(cli)["database"]["next_step"]


def test_a_base_path_that_cannot_be_written(cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file/below", "/proc/nowhere"):
        assert _checks(cli, "--base-path", place)["base path"]["state"] == "missing"


def test_keys_are_named_and_never_shown(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: object())
    assert _checks(cli)["model openai:…"]["next_step"] == "Set OPENAI_API_KEY in the environment."
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    assert _checks(cli)["model openai:…"]["state"] == "ok"
    shown = cli("doctor")
    assert "very-secret" not in shown.out + shown.err


def test_faulty_settings(cli, tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text("slots = [")
    assert cli("doctor").code == 1
    assert "not valid TOML" in _checks(cli)["settings"]["detail"]


def test_the_settings_file_holds_every_setting_with_its_default() -> None:
    told = {name: tomllib.loads(f"value = {value}")["value"] for name, value in _ASSIGNED.findall(SETTINGS_TEXT)}
    roles = {role: told.pop(role) for role in ROLES}
    assert set(told) == set(Settings.model_fields) - {"roles"}
    assert all(isinstance(model, str) for model in roles.values())
    defaults = RunOptions().model_dump()
    for name, value in told.items():
        # Two have no fixed default: the file shows an example and says so.
        assert value == defaults[name] or (defaults[name] is None and name in ("language", "token_budget"))


def test_init_writes_a_file_that_changes_nothing_until_it_is_edited(cli, tmp_path: Path) -> None:
    before = resolve_options(None)
    ended = cli("init")
    assert ended.code == 0
    path = tmp_path / "matrioska.toml"
    assert str(path) in ended.out
    assert resolve_options(None) == before
    path.write_text(re.sub(r"^# (?=\w+ = |\[roles\])", "", path.read_text(), flags=re.MULTILINE))
    options = resolve_options(None)
    assert (options.language, options.token_budget) == ("en", 8000)
    assert set(options.roles) == set(ROLES)


def test_init_refuses_to_overwrite(cli, tmp_path: Path) -> None:
    path = tmp_path / "matrioska.toml"
    path.write_text("# mine")
    refused = cli("init")
    assert refused.code == 2
    assert "matrioska init --force" in refused.err
    assert path.read_text() == "# mine"
    assert cli("init", "--force").code == 0
    assert path.read_text() == SETTINGS_TEXT


def test_init_where_nothing_can_be_written(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MATRIOSKA_CONFIG", "file/matrioska.toml")
    ended = cli("init")
    assert ended.code == 1
    assert "Cannot write to" in ended.err
