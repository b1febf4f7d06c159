"""The checks of one module's files: the built-in ones and those of installed plugins."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Protocol

from matrioska.hooks import hookimpl
from matrioska.nodes.checks.contract import honour_complaints
from matrioska.nodes.checks.syntax import syntax_complaint
from matrioska.nodes.checks.wording import bounded, shorten
from matrioska.plugins import FAILURES, LOGGER, Kind, reason_of
from matrioska.state.architecture import ModuleSpec
from matrioska.state.artifacts import SourceFile
from matrioska.state.text import clean_text

_log = logging.getLogger(LOGGER)

#: Characters of a complaint of a plugin.
_LONGEST = 500
#: Complaints of a plugin that are counted; fewer are told.
_MOST = 1_000


@dataclass(frozen=True)
class Checked:
    """What a check is given: a module's work, as plain data. A plugin's check has a copy of its own."""

    spec: ModuleSpec
    """The module's part of the plan."""
    files: Sequence[SourceFile]
    """Its text files, with paths below its own folder."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Whiteboard values that it has promised or written."""


class Check(Protocol):
    """Finds faults in a module's files and says each in a sentence that a model can act on."""

    def __call__(self, checked: Checked) -> Sequence[str]:
        """Return the complaints; none for a module that passes.

        It is called each time that the module has written files, and for every answer that a worker
        chooses among. It must be quick, give the same for the same files, and write nothing.
        """
        ...


def _syntax(checked: Checked) -> list[str]:
    return [complaint for file in checked.files for complaint in syntax_complaint(file)]


def _contract(checked: Checked) -> list[str]:
    return honour_complaints(checked.spec.id, dict(checked.values), checked.files)


class _BuiltIn:
    """The checks that come with Matrioska."""

    @hookimpl
    def matrioska_checks(self) -> Mapping[str, Check]:
        return {"syntax": _syntax, "contract": _contract}


def _fault(check: Any) -> str:
    return "" if callable(check) else "cannot be called"


CHECKS = Kind[Check]("matrioska_checks", _BuiltIn(), _fault)


def module_complaints(checked: Checked) -> list[str]:
    """Return what every check complains of in a module's files."""
    complaints: list[str] = []
    for name, check in CHECKS.all().items():
        complaints += check(checked) if name in CHECKS.built_in else _of_plugin(name, check, checked)
    return complaints


def _of_plugin(name: str, check: Check, checked: Checked) -> list[str]:
    """Return the complaints of a plugin's check: cleaned, cut and counted; none when it fails, which the log tells."""
    copied = replace(
        checked,
        spec=checked.spec.model_copy(deep=True),
        files=[file.model_copy() for file in checked.files],
        values=copy.deepcopy(dict(checked.values)),
    )
    try:
        found = check(copied)
        if isinstance(found, str):
            raise TypeError("it returned a text, not a list of complaints")
        told = list(islice(found, _MOST))
        if wrong := next((complaint for complaint in told if not isinstance(complaint, str)), None):
            raise TypeError(f"it complained with a {type(wrong).__name__}, not a text")
        # In here, too: a text may be of a class of the plugin's own.
        return bounded([shorten(clean_text(complaint), _LONGEST) for complaint in told if complaint.strip()])
    except FAILURES as error:
        _log.warning("The check %s of a plugin is left out for %s: %s", name, checked.spec.id, reason_of(error))
        return []
