"""``doctor``: what is installed, what is missing, and what to do about it. Never shows a key."""

from __future__ import annotations

import platform
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from matrioska.cli.checks import MISSING, OK, OPTIONAL, WARNING, Check, is_installed
from matrioska.cli.version import own_version
from matrioska.i18n import N_, _, counted, speak, told

if TYPE_CHECKING:
    from matrioska.cli.doctor_models import ModelsFound

# Module and package of what each extra brings; heavy packages are looked for, never imported.
_EXTRAS = {
    "local": {
        "torch": "torch",
        "transformers": "transformers",
        "accelerate": "accelerate",
        "bitsandbytes": "bitsandbytes",
        "safetensors": "safetensors",
        "llguidance": "llguidance",
        "langchain_huggingface": "langchain-huggingface",
        "sentence_transformers": "sentence-transformers",
    },
    "gguf": {"xllamacpp": "xllamacpp"},
    "media": {
        "PIL": "pillow",
        "soundfile": "soundfile",
        "pypdfium2": "pypdfium2",
        "resvg_py": "resvg-py",
        "verovio": "verovio",
    },
    "studio": {"langgraph_cli": "langgraph-cli", "langgraph_api": "langgraph-api"},
    "web": {"starlette": "starlette", "uvicorn": "uvicorn"},
    "monitor": {"nicegui": "nicegui"},
    "openai": {"langchain_openai": "langchain-openai"},
    "anthropic": {"langchain_anthropic": "langchain-anthropic"},
    "ollama": {"langchain_ollama": "langchain-ollama"},
    "postgres": {"psycopg": "psycopg"},
    "telemetry": {
        "opentelemetry.sdk": "opentelemetry-sdk",
        "opentelemetry.exporter.otlp.proto.http": "opentelemetry-exporter-otlp-proto-http",
    },
}
#: Columns of names, and of those in a group that has longer ones.
_NAMES, _LONGEST_NAME = 27, 40
_PACKAGES = ("langgraph", "langgraph-checkpoint-sqlite", "langchain-core", "pydantic", "typer", "rich")
_OLDEST_SQLITE = (3, 35)
_OLDEST_PYTHON = (3, 11)
_PROGRAM, _PLACE, _PARTS = N_("Program"), N_("This folder"), N_("Optional parts")


def run_doctor(base_path: Path | None, *, as_json: bool) -> int:
    """Show every check; the exit code is 1 when something needed is missing."""
    from matrioska.cli.main import COMPLETE, FAILED
    from matrioska.cli.ui import Ui, use

    ui, reader = use(Ui(json=as_json)), copy_context()
    if as_json:
        # Programs read English, whatever the person speaks.
        reader.run(speak, "en")
    checks, found = reader.run(_look, base_path)
    healthy = all(check.state != MISSING for check in checks)
    if as_json:
        report = {"healthy": healthy, "checks": [asdict(check) for check in checks]}
        ui.emit_json(
            report | {"machine": asdict(found.machine), "servers": [asdict(server) for server in found.servers]}
        )
    else:
        _print(checks)
        missing = _("Something that is needed is missing: see ✗.")
        ui.say(_("Everything that is needed is there.") if healthy else missing)
    return COMPLETE if healthy else FAILED


def _look(base_path: Path | None) -> tuple[list[Check], ModelsFound]:
    """Return every check, and what was found of models."""
    from matrioska.cli.doctor_models import look_at_models
    from matrioska.cli.doctor_parts import part_checks
    from matrioska.cli.doctor_records import record_checks

    groups = {_PROGRAM: program_checks(), _PLACE: place_checks(base_path), _PARTS: extra_checks()}
    checks = [replace(check, group=group) for group, checks in groups.items() for check in checks]
    found = look_at_models()
    return [*checks, *found.checks, *part_checks(), *record_checks(base_path)], found


def _print(checks: list[Check]) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    from matrioska.cli.text import plain
    from matrioska.cli.ui import current

    signs = {OK: ("✓", "green"), MISSING: ("✗", "bold red"), OPTIONAL: ("–", "dim"), WARNING: ("!", "yellow")}
    usual = min(_NAMES, max(cell_len(check.name) for check in checks))
    for group, found in groupby(checks, lambda check: check.group):
        members = list(found)
        # A name of a model is longer than others, and copied: only its own group makes room for it.
        width = max(usual, min(_LONGEST_NAME, max(cell_len(check.name) for check in members)))
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False, title_justify="left")
        table.add_column(width=1)
        table.add_column(width=width, overflow="fold")
        table.add_column(overflow="fold")
        for check in members:
            sign, style = signs[check.state]
            detail = Text(plain(check.detail), "dim" if check.state == OPTIONAL else "")
            if check.next_step:
                detail.append(f"\n→ {plain(check.next_step)}", "dim" if check.state == OPTIONAL else "not dim")
            table.add_row(Text(sign, style), plain(check.name), detail)
        current().out.print(Text(_(group), "bold"))
        current().out.print(table)


def program_checks() -> Iterator[Check]:
    """Check the program itself: versions of Python, SQLite and the packages that it needs."""
    yield Check(
        "matrioska",
        OK,
        _("{version} in {folder}").format(version=own_version(), folder=Path(__file__).resolve().parents[1]),
    )
    python = platform.python_version()
    if sys.version_info[:2] >= _OLDEST_PYTHON:
        yield Check(
            "Python",
            OK,
            _("{version} on {system}").format(version=python, system=f"{platform.system()} {platform.machine()}"),
        )
    else:
        yield Check("Python", MISSING, python, _("Install Python 3.11 or newer."))
    if sqlite3.sqlite_version_info[:2] >= _OLDEST_SQLITE:
        yield Check("SQLite", OK, sqlite3.sqlite_version)
    else:
        yield Check("SQLite", MISSING, sqlite3.sqlite_version, _("Install a Python with SQLite 3.35 or newer."))
    for package in _PACKAGES:
        try:
            yield Check(package, OK, version(package))
        except PackageNotFoundError:
            yield Check(package, MISSING, _("not installed"), _("Install it with: pip install matrioska"))


def place_checks(base_path: Path | None) -> Iterator[Check]:
    """Check the settings file, the base path and its database."""
    from matrioska.cli.place import find_place
    from matrioska.state.errors import ConfigError
    from matrioska.store.settings import config_path

    yield from environment_check()
    try:
        place, path = find_place(base_path), config_path()
    except ConfigError as error:
        yield Check(_("settings"), MISSING, told(error.message), told(error.next_step))
        return
    if path.exists():
        yield Check(_("settings"), OK, str(path.absolute()))
    else:
        defaults = _("no {path}: defaults").format(path=path)
        yield Check(_("settings"), OPTIONAL, defaults, _("`matrioska init` writes one with comments."))
    yield writable_check(place.layout.base)
    yield database_check(place.layout.database)


def environment_check() -> Iterator[Check]:
    """Check who can read the keys of a ``.env`` file."""
    from matrioska.store.environment import ENV_FILE, open_to_others

    path = Path(ENV_FILE).absolute()
    if not path.is_file():
        return
    if open_to_others(path):
        yield Check(
            ENV_FILE,
            WARNING,
            _("{path}: other users of this machine can read it").format(path=path),
            f"chmod 600 {path}",
        )
    else:
        yield Check(ENV_FILE, OK, str(path))


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
        return Check(_("base path"), MISSING, f"{base}: {reason}", _("Choose another folder with --base-path."))
    return Check(_("base path"), OK, _("{folder} can be written").format(folder=base))


def database_check(path: Path) -> Check:
    """Check the database's health, reading only."""
    from matrioska.store.database import typed_error

    name = _("database")
    if not path.exists():
        return Check(name, OPTIONAL, _("none yet: the first run makes it"))
    if path.is_file() and path.stat().st_size == 0:
        empty = _("{path} is empty: its content was lost").format(path=path)
        return Check(name, MISSING, empty, _("Restore it, or delete the file."))
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            health = str(connection.execute("PRAGMA quick_check").fetchone()[0])
            threads = connection.execute("SELECT COUNT(DISTINCT thread_id) FROM checkpoints").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error as error:
        if "no such table" in str(error):
            foreign = _("{path} holds no runs of ours").format(path=path)
            return Check(name, MISSING, foreign, _("Choose another --base-path."))
        found = typed_error(path, error)
        return Check(name, MISSING, told(found.message), told(found.next_step))
    if health != "ok":
        damaged = _("{path} is damaged: {why}").format(path=path, why=health)
        return Check(name, MISSING, damaged, _("Restore it from a backup."))
    return Check(name, OK, counted("healthy, {n} run", "healthy, {n} runs", threads))


def extra_checks() -> Iterator[Check]:
    """Check which optional parts are installed, and in which versions."""
    for extra, parts in _EXTRAS.items():
        name = _("extra {name}").format(name=extra)
        missing = [package for module, package in parts.items() if not is_installed(module)]
        if missing:
            detail = _("without {packages}").format(packages=", ".join(missing))
            yield Check(name, OPTIONAL, detail, f"pip install 'matrioska[{extra}]'")
        else:
            yield Check(name, OK, ", ".join(_with_version(package) for package in parts.values()))


def _with_version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package
