"""What the monitor calls things: states, steps, figures. Pure."""

from __future__ import annotations

from datetime import datetime

from matrioska.i18n import N_, _, figure
from matrioska.state.figures import dollars, duration

_STATES = {
    "waiting": N_("waiting"),
    "agreeing": N_("agreeing"),
    "agreed": N_("agreed"),
    "producing": N_("producing"),
    "mending": N_("mending"),
    "done": N_("done"),
    "failed": N_("failed"),
    "blocked": N_("blocked"),
    "working": N_("working"),
    "complete": N_("complete"),
    "partial": N_("partly done"),
    "interrupted": N_("stopped"),
    "unfinished": N_("stopped"),
    "unreadable": N_("unreadable"),
    "empty": N_("empty"),
    "open": N_("open"),
    "answered": N_("answered"),
    "idle": N_("had nothing to do"),
}


def state_word(state: str) -> str:
    """Return the word for the state of a module, a mind or a run; one that is not known stands for itself."""
    # Only one word is looked up: a table of modules asks for a thousand.
    return _(_STATES[state]) if state in _STATES else state


def run_word(status: str) -> str:
    """Return the word for the state of a run, in which waiting means: for a person."""
    return _("waits for you") if status == "waiting" else state_word(status)


def step_word(step: str) -> str:
    """Return what a step does, in words; '' stays ''."""
    return {
        "architect": _("planning"),
        "approval": _("approval"),
        "execute": _("building"),
        "repair": _("repairing"),
        "reconcile": _("settling disputes"),
        "assemble": _("joining"),
        "verify": _("checking"),
        "review": _("reviewing"),
        "deliver": _("delivering"),
        "remember": _("remembering"),
    }.get(step, step)


def graph_word(graph: str) -> str:
    """Return what a thread is, in a word."""
    return {
        "matrioska": _("run"),
        "cascade": _("cascade"),
        "ensemble": _("ensemble"),
        "single": _("question"),
    }.get(graph, graph)


def message_word(type: str) -> str:
    """Return what a message of the journal is, in a word."""
    return {
        "delegation": _("delegation"),
        "response": _("response"),
        "query": _("query"),
        "reflection": _("reflection"),
        "iteration": _("iteration"),
        "synthesis": _("synthesis"),
        "critique": _("critique"),
        "expansion": _("expansion"),
        "status": _("status"),
        "error": _("error"),
        "control": _("control"),
    }.get(type, type)


def moment(seconds: float) -> str:
    """Return a time since 1970 in this machine's zone, ``2025-01-31 14:05``; 0 gives ''."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M") if seconds else ""


def tokens(number: int) -> str:
    """Return a number of tokens, short: ``812``, ``12.4 k``, ``3.1 M``."""
    if number < 10_000:
        return figure(number)
    return f"{figure(number / 1_000, 1)} k" if number < 1_000_000 else f"{figure(number / 1_000_000, 1)} M"


def priced(cost: float) -> str:
    """Return a price; '' for none."""
    return dollars(cost, 4 if cost < 0.1 else 2) if cost else ""


def lasting(seconds: float) -> str:
    """Return a duration; '' for none."""
    return duration(seconds) if seconds else ""
