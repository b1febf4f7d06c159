"""Editing a plan in the person's own editor. What they wrote is never thrown away."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from matrioska.cli.given import parse_mapping
from matrioska.cli.text import line, plain
from matrioska.cli.ui import Ui
from matrioska.nodes.checks.plan import parse_plan
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.errors import PlanError, UsageError

_HEAD = """\
# The plan, as YAML (JSON works too). Save and close to use it; close without a change to go back.
# Keys that a module reads (shared_state_reads) must be written (shared_state_writes) by one before it.
"""
# Shown even when empty: what a person most often wants to change.
_ALWAYS = ("id", "name", "description", "dependencies", "shared_state_reads", "shared_state_writes")


def plan_text(raw: dict[str, Any]) -> str:
    """Return a plan as commented YAML, without the fields that hold their default."""
    try:
        plan = Architecture.model_validate(raw)
    except ValueError:
        return _HEAD + _dump(raw)
    defaults = {name: info.get_default(call_default_factory=True) for name, info in ModuleSpec.model_fields.items()}
    data = plan.model_dump(mode="json", exclude={"modules"})
    data["modules"] = [
        {
            name: value
            for name, value in spec.model_dump(mode="json").items()
            if name in _ALWAYS or value != defaults.get(name)
        }
        for spec in plan.modules
    ]
    return _HEAD + _dump(data)


class _Dumper(yaml.SafeDumper):
    """YAML as a person writes it: long text in blocks."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _dump(data: dict[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)


def editor_command() -> list[str]:
    """Return the person's editor: VISUAL, EDITOR, or one that is there; [] when there is none."""
    for name in ("VISUAL", "EDITOR"):
        if given := os.environ.get(name, "").strip():
            return shlex.split(given, posix=sys.platform != "win32")
    for known in ("notepad",) if sys.platform == "win32" else ("nano", "vim", "vi"):
        if found := shutil.which(known):
            return [found]
    return []


def edit_plan(ui: Ui, raw: dict[str, Any]) -> dict[str, Any] | None:
    """Let the person edit a plan until it passes the checks; None when they gave it up.

    Raises:
        KeyboardInterrupt: Ctrl-C; the text stays in its file, whose name was told.
    """
    editor = editor_command()
    if not editor:
        ui.say(("✗ ", "red"), "No editor was found. Set EDITOR, or leave this for later and use --edit FILE.")
        return None
    handle, name = tempfile.mkstemp(prefix="matrioska-plan-", suffix=".yaml")
    path, before = Path(name), plan_text(raw)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(before)
    try:
        plan = _rounds(ui, editor, path, before)
    except BaseException:
        _keep(ui, path, before)
        raise
    if plan is None:
        _keep(ui, path, before)
    else:
        path.unlink(missing_ok=True)
    return plan


def _rounds(ui: Ui, editor: list[str], path: Path, before: str) -> dict[str, Any] | None:
    from matrioska.cli.approve import confirm

    while True:
        if not _run(ui, editor, path):
            return None
        text = path.read_text(encoding="utf-8", errors="replace")
        if text == before:
            ui.say("Nothing was changed.")
            return None
        try:
            return parse_plan(parse_mapping(text, "the plan", "Your text")).model_dump(mode="json")
        except PlanError as error:
            complaints = error.complaints
        except UsageError as error:
            complaints = [error.message]
        ui.say(("This plan cannot be carried out:", "bold red"))
        for complaint in complaints:
            ui.say((f"  ✗ {plain(complaint)}", "red"))
        if not confirm(ui, "Edit it again?"):
            return None


def _run(ui: Ui, editor: list[str], path: Path) -> bool:
    try:
        ended = subprocess.run([*editor, str(path)], check=False)  # noqa: S603 - the person's own editor
    except OSError as error:
        ui.say(
            ("✗ ", "red"), f"The editor {line(editor[0])} cannot be started: {error.strerror}. Set EDITOR to another."
        )
        return False
    if ended.returncode != 0:
        ui.say(("✗ ", "red"), f"The editor {line(editor[0])} ended with code {ended.returncode}.")
    return ended.returncode == 0


def _keep(ui: Ui, path: Path, before: str) -> None:
    """Remove the file when it holds nothing of the person's; else say where it is."""
    if path.read_text(encoding="utf-8", errors="replace") == before:
        path.unlink(missing_ok=True)
    else:
        ui.say(f"Your text is kept in {path}", soft_wrap=True)
