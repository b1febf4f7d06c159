"""What commits say. Models wrote most of it: lines are cut, and nothing in them steers a terminal."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator

from matrioska.state.text import clean_text
from matrioska.store.exporters.base import ExportedModule

_SUBJECT = 72
_LINE = 400
_MOST_LINES = 50
# Direction overrides, zero-width characters, and line breaks under other names.
_UNSEEN = frozenset({"Cf", "Zl", "Zp"})


def module_message(module: ExportedModule) -> str:
    """Return the message of a module's commit: its name, and its contract with the others."""
    spec = module.spec
    after = f", after {', '.join(module.upstream)}" if module.upstream else ""
    lines = [_shown(spec.title, _SUBJECT), "", _shown(f"Module {spec.id}{after}.", _LINE)]
    lines += _part("It is given", spec.inputs)
    lines += _part("It reads", spec.shared_state_reads)
    lines += _part("It reads the files of", spec.artifact_reads)
    lines += _part("It writes", (_written(module, key) for key in spec.shared_state_writes))
    lines += _part("It hands over", spec.outputs)
    lines += _part("Its rules", spec.rules)
    lines += _part("Left open", module.findings)
    if module.built:
        lines += ["", _shown(f"Made by {module.model} as a {spec.worker} module.", _LINE)]
    else:
        lines += ["", f"It {module.status or 'was not built'}: it has no files any more."]
    return "\n".join(lines) + "\n"


def removal_message(module_id: str) -> str:
    """Return the message for a module that the plan has no more."""
    return f"{_shown(f'Remove {module_id}', _SUBJECT)}\n\nThe plan has this module no more.\n"


def whole_message(title: str, status: str, open_modules: Iterable[str]) -> str:
    """Return the message for the files that are no module's."""
    lines = [_shown(f"Assembly of {title}", _SUBJECT), "", f"The run is {status}."]
    return "\n".join([*lines, *_part("Without", open_modules)]) + "\n"


def records_message() -> str:
    """Return the message for a plan or a whiteboard that changed while no file did."""
    return "Plan and whiteboard\n\nNo file changed.\n"


def _written(module: ExportedModule, key: str) -> str:
    if key not in module.values:
        return key
    return f"{key} = {json.dumps(module.values[key], ensure_ascii=False, sort_keys=True)}"


def _part(title: str, entries: Iterable[str]) -> Iterator[str]:
    every = list(entries)
    if not every:
        return
    yield from ("", f"{title}:")
    yield from (f"- {_shown(entry, _LINE)}" for entry in every[:_MOST_LINES])
    if len(every) > _MOST_LINES:
        yield f"- and {len(every) - _MOST_LINES} more"


def _shown(text: str, limit: int) -> str:
    """Return a text on one line of at most ``limit`` characters."""
    cut = clean_text(text[: limit * 4])
    line = " ".join("".join(c for c in cut if unicodedata.category(c) not in _UNSEEN).split())
    return line if len(line) <= limit and len(text) <= limit * 4 else f"{line[: limit - 1]}…"
