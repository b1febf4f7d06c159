"""Editing a plan in the person's own editor. What they wrote is never thrown away."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import yaml

from matrioska.cli.given import parse_mapping
from matrioska.cli.prompt import confirm
from matrioska.cli.text import line, plain
from matrioska.cli.ui import Ui
from matrioska.i18n import N_, _, told
from matrioska.nodes.checks.plan import parse_plan
from matrioska.state.architecture import Architecture, ModuleSpec
from matrioska.state.errors import PlanError, UsageError

_HEAD = (
    N_("The plan, as YAML (JSON works too). Save and close to use it; close without a change to go back."),
    N_("Keys that a module reads (shared_state_reads) must be written (shared_state_writes) by one before it."),
)
# With the sign of a comment before them, lines that no editor breaks.
_HEAD_WIDTH = 76
# Shown even when empty: what a person most often wants to change.
_ALWAYS = ("id", "name", "description", "dependencies", "shared_state_reads", "shared_state_writes")


def plan_text(raw: dict[str, Any]) -> str:
    """Return a plan as commented YAML, without the fields that hold their default."""
    try:
        plan = Architecture.model_validate(raw)
    except ValueError:
        return _head() + _dump(raw)
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
    return _head() + _dump(data)


def _head() -> str:
    lines = (row for said in _HEAD for row in textwrap.wrap(_(said), _HEAD_WIDTH))
    return "".join(f"# {row}\n" for row in lines)


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
        advice = _("No editor was found. Set EDITOR, or leave this for later and use --edit FILE.")
        ui.say(("✗ ", "red"), advice)
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
    while True:
        if not _run(ui, editor, path):
            return None
        text = path.read_text(encoding="utf-8", errors="replace")
        if text == before:
            ui.say(_("Nothing was changed."))
            return None
        try:
            return parse_plan(parse_mapping(text, N_("the plan"), N_("Your text"))).model_dump(mode="json")
        except PlanError as error:
            complaints = error.complaints
        except UsageError as error:
            complaints = [error.message]
        ui.say((_("This plan cannot be carried out:"), "bold red"))
        for complaint in complaints:
            ui.say((f"  ✗ {plain(told(complaint))}", "red"))
        if not confirm(ui, _("Edit it again?")):
            return None


def _run(ui: Ui, editor: list[str], path: Path) -> bool:
    try:
        ended = subprocess.run([*editor, str(path)], check=False)  # noqa: S603 - the person's own editor
    except OSError as error:
        failed = _("The editor {name} cannot be started: {reason}. Set EDITOR to another.")
        ui.say(("✗ ", "red"), failed.format(name=line(editor[0]), reason=error.strerror))
        return False
    if ended.returncode != 0:
        failed = _("The editor {name} ended with code {code}.")
        ui.say(("✗ ", "red"), failed.format(name=line(editor[0]), code=ended.returncode))
    return ended.returncode == 0


def _keep(ui: Ui, path: Path, before: str) -> None:
    """Remove the file when it holds nothing of the person's; else say where it is."""
    if path.read_text(encoding="utf-8", errors="replace") == before:
        path.unlink(missing_ok=True)
    else:
        ui.say(_("Your text is kept in {path}").format(path=path), soft_wrap=True)
