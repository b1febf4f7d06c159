"""``doctor``: what is installed, what is missing, and what to do about it. Never shows a key."""

from __future__ import annotations

import importlib.util
import os
import platform
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from matrioska.cli.text import count
from matrioska.cli.version import own_version

_OK, _MISSING, _OPTIONAL = "ok", "missing", "optional"
# What each extra is recognised by; heavy packages are looked for, never imported.
_EXTRAS = {
    "local": ("torch", "transformers", "accelerate", "bitsandbytes", "safetensors"),
    "studio": ("langgraph_cli", "langgraph_api"),
    "web": ("starlette", "uvicorn"),
    "openai": ("langchain_openai",),
    "anthropic": ("langchain_anthropic",),
    "ollama": ("langchain_ollama",),
}
_PACKAGES = ("langgraph", "langgraph-checkpoint-sqlite", "langchain-core", "pydantic", "typer", "rich")
_OLDEST_SQLITE = (3, 35)
_OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Check:
    """One line of the doctor's table."""

    name: str
    state: str
    """``ok``, ``missing`` (something will not work) or ``optional`` (not there, not needed)."""
    detail: str
    next_step: str = ""


def run_doctor(base_path: Path | None, *, as_json: bool) -> int:
    """Show every check; the exit code is 1 when something needed is missing."""
    from matrioska.cli.main import COMPLETE, FAILED
    from matrioska.cli.ui import Ui, use

    ui = use(Ui(json=as_json))
    checks = [*program_checks(), *place_checks(base_path), *extra_checks(), *provider_checks()]
    healthy = all(check.state != _MISSING for check in checks)
    if as_json:
        ui.emit_json({"healthy": healthy, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks)
        ui.say("Everything that is needed is there." if healthy else "Something that is needed is missing: see ✗.")
    return COMPLETE if healthy else FAILED


def _print(checks: list[Check]) -> None:
    from rich.table import Table
    from rich.text import Text

    from matrioska.cli.ui import current

    signs = {_OK: ("✓", "green"), _MISSING: ("✗", "bold red"), _OPTIONAL: ("–", "dim")}
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        sign, style = signs[check.state]
        detail = Text(check.detail, "dim" if check.state == _OPTIONAL else "")
        if check.next_step:
            detail.append(f"\n→ {check.next_step}", "not dim" if check.state == _MISSING else "dim")
        table.add_row(Text(sign, style), check.name, detail)
    current().out.print(table)


def program_checks() -> Iterator[Check]:
    """Check the program itself: versions of Python, SQLite and the packages that it needs."""
    yield Check("matrioska", _OK, f"{own_version()} in {Path(__file__).resolve().parents[1]}")
    python = platform.python_version()
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        yield Check("Python", _OK, f"{python} on {platform.system()} {platform.machine()}")
    else:
        yield Check("Python", _MISSING, python, "Install Python 3.11 or newer.")
    if sqlite3.sqlite_version_info[:2] >= _OLDEST_SQLITE:
        yield Check("SQLite", _OK, sqlite3.sqlite_version)
    else:
        yield Check("SQLite", _MISSING, sqlite3.sqlite_version, "Install a Python with SQLite 3.35 or newer.")
    for package in _PACKAGES:
        try:
            yield Check(package, _OK, version(package))
        except PackageNotFoundError:
            yield Check(package, _MISSING, "not installed", "Install it with: pip install matrioska")


def place_checks(base_path: Path | None) -> Iterator[Check]:
    """Check the settings file, the base path and its database."""
    from matrioska.cli.session import find_place
    from matrioska.state.errors import ConfigError
    from matrioska.store.settings import config_path

    path = config_path()
    try:
        place = find_place(base_path)
    except ConfigError as error:
        yield Check("settings", _MISSING, error.message, error.next_step)
        return
    if path.exists():
        yield Check("settings", _OK, str(path.absolute()))
    else:
        yield Check("settings", _OPTIONAL, f"no {path}: defaults", "`matrioska init` writes one with comments.")
    yield writable_check(place.layout.base)
    yield database_check(place.layout.database)


def writable_check(base: Path) -> Check:
    """Check that the base path can be written, without leaving anything there."""
    folder = base
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        return Check("base path", _MISSING, f"{base}: {reason}", "Choose another folder with --base-path.")
    return Check("base path", _OK, f"{base} can be written")


def database_check(path: Path) -> Check:
    """Check the database's health, reading only."""
    from matrioska.store.database import typed_error

    if not path.exists():
        return Check("database", _OPTIONAL, "none yet: the first run makes it")
    if path.is_file() and path.stat().st_size == 0:
        return Check("database", _MISSING, f"{path} is empty: its content was lost", "Restore it, or delete the file.")
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            health = str(connection.execute("PRAGMA quick_check").fetchone()[0])
            threads = connection.execute("SELECT COUNT(DISTINCT thread_id) FROM checkpoints").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        if "no such table" in str(error):
            return Check("database", _MISSING, f"{path} holds no runs of ours", "Choose another --base-path.")
        found = typed_error(path, error)
        return Check("database", _MISSING, found.message, found.next_step)
    if health != "ok":
        return Check("database", _MISSING, f"{path} is damaged: {health}", "Restore it from a backup.")
    return Check("database", _OK, f"healthy, {count(threads, 'run')}")


def extra_checks() -> Iterator[Check]:
    """Check which optional parts are installed."""
    for extra, modules in _EXTRAS.items():
        missing = [module for module in modules if importlib.util.find_spec(module) is None]
        if missing:
            yield Check(
                f"extra {extra}", _OPTIONAL, f"without {', '.join(missing)}", f"pip install 'matrioska[{extra}]'"
            )
        else:
            yield Check(f"extra {extra}", _OK, ", ".join(modules))


def provider_checks() -> Iterator[Check]:
    """Check which models could be used: package and key, present or not."""
    from matrioska.models.registry import EMBEDDED, providers

    yield Check(f"model {EMBEDDED}", _OK, "rule-based, always there")
    for name, provider in providers().items():
        installed = importlib.util.find_spec(provider.module) is not None
        # The module that we bring ourselves needs the packages of its extra.
        if provider.module.startswith("matrioska."):
            installed = all(importlib.util.find_spec(module) is not None for module in _EXTRAS[provider.extra])
        keyed = not provider.key or bool(os.environ.get(provider.key))
        if not installed:
            step = f"pip install 'matrioska[{provider.extra}]'"
            yield Check(f"model {name}:…", _OPTIONAL, "package not installed", step)
        elif not keyed:
            yield Check(f"model {name}:…", _OPTIONAL, "no key", f"Set {provider.key} in the environment.")
        else:
            yield Check(f"model {name}:…", _OK, "package and key are there" if provider.key else "package is there")
