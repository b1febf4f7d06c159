"""Who is at work on what, as lines that a chat client shows beside the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrioska.state.text import clean_text
from matrioska.web.shown import shown_reason

#: Characters of a thought, a question or a reason that a line shows.
_SHOWN = 300
_MIND_STEPS = {
    "analyse": ("makes a first analysis", "first analysis"),
    "split": ("splits the question", ""),
    "reflect": ("reflects", "reflection"),
    "critique": ("criticises what there is", "critique"),
    "synthesise": ("writes its answer", "answer"),
}
_RUN_STEPS = {
    "architect": "Planning",
    "approval": "The plan is approved",
    "execute": "Building the modules",
    "reconcile": "Settling disputes",
    "assemble": "Joining the parts",
    "verify": "Checking the whole",
    "review": "A critic looks at the whole",
    "repair": "Some modules failed",
    "deliver": "Writing the files",
    "remember": "Keeping what was learnt",
}


class Thinking:
    """Turns events of a cascade, an ensemble or a run into lines."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._root = ""

    def line(self, event: Mapping[str, Any]) -> str:
        """Return the line that tells an event; '' for one that is nobody's concern, or of an unknown kind."""
        told = {
            "mind": self._mind,
            "delegation": self._delegation,
            "reply": self._reply,
            "chunk": _chunk,
            "vote": _vote,
            "step": _step,
            "module": _module,
        }.get(str(event.get("type")))
        return told(event) if told else ""

    def _mind(self, event: Mapping[str, Any]) -> str:
        mind = str(event.get("mind", ""))
        self._root = self._root or mind
        name = self._names[mind] = _short(event.get("name")) or self._name(mind)
        does, thought = _MIND_STEPS.get(str(event.get("step")), ("thinks", "thought"))
        phase = event.get("phase")
        if phase == "begin":
            return f"{name} {does} …"
        if phase == "failed":
            return f"{name} failed: {_reason(event)}"
        # The root's answer is the answer: it comes by itself.
        if not thought or (mind == self._root and event.get("step") == "synthesise"):
            return ""
        text = _short(event.get("text"))
        return f"{name}, {thought}: {text}" if text else ""

    def _delegation(self, event: Mapping[str, Any]) -> str:
        asks, asked = self._name(event.get("mind")), self._name(event.get("to"))
        return f"{asks} asks {asked}: {_short(event.get('text'))}"

    def _reply(self, event: Mapping[str, Any]) -> str:
        return f"{self._name(event.get('mind'))} has no answer." if event.get("status") == "failed" else ""

    def _name(self, mind: object) -> str:
        return self._names.get(str(mind)) or _short(mind).capitalize()


def _chunk(event: Mapping[str, Any]) -> str:
    return f"Part {event.get('chunk')}: {_short(event.get('text'))}"


def _vote(event: Mapping[str, Any]) -> str:
    node = f"Part {event.get('chunk')}, {_short(event.get('node'))}"
    return f"{node} failed: {_reason(event)}" if event.get("error") else f"{node}: {_short(event.get('answer'))}"


def _step(event: Mapping[str, Any]) -> str:
    step = str(event.get("step", ""))
    return f"{_RUN_STEPS.get(step, _short(step))} …" if step else ""


def _module(event: Mapping[str, Any]) -> str:
    told = f"{_short(event.get('module'))}: {_short(event.get('phase'))}"
    return f"{told} ({_reason(event)})" if event.get("error") else told


def _reason(event: Mapping[str, Any]) -> str:
    return _short(shown_reason(str(event.get("error") or "no reason was given")))


def _short(text: object) -> str:
    joined = " ".join(clean_text(str(text or "")).split())
    return joined if len(joined) <= _SHOWN else joined[: _SHOWN - 1].rstrip() + "…"
