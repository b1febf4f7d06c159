"""A plan while a person edits it: what the editor does to it, and where it is kept. Pure.

A draft may be as faulty as it likes: names that stand for nothing, two modules of one id. Whether it
can be carried out is for the plan's checks to say.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

#: Fields that name modules.
REFERENCES = ("dependencies", "artifact_reads")
#: Drafts that are kept at the same time; beyond them the one longest untouched goes.
MOST_DRAFTS = 200
_QUOTED = re.compile(r"'([^']{1,200})'")


class Card:
    """One module of a draft.

    Attributes:
        spec: its fields, as the plan has them.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = dict(spec)
        #: The id under which others know it. It differs from `id` while that is another module's too.
        self.known_as = self.id

    @property
    def id(self) -> str:
        """Its id; '' where it has none."""
        return text_of(self.spec.get("id"))

    def names(self, field: str) -> list[str]:
        """Return a field that holds names or texts."""
        return texts_of(self.spec.get(field))


class Draft:
    """A plan that is edited.

    Args:
        plan: the plan as it was proposed.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._proposed = _canonical(plan)
        self._rest = {name: value for name, value in plan.items() if name != "modules"}
        self.cards: list[Card] = []
        self.undo()

    @property
    def plan(self) -> dict[str, Any]:
        """The plan as it stands."""
        return {**self._rest, "modules": [card.spec for card in self.cards]}

    @property
    def is_edited(self) -> bool:
        """Whether it differs from what was proposed."""
        return _canonical(self.plan) != self._proposed

    def is_of(self, plan: Mapping[str, Any]) -> bool:
        """Whether it is a draft of that proposal."""
        return _canonical(plan) == self._proposed

    def undo(self) -> None:
        """Go back to what was proposed."""
        modules = json.loads(self._proposed).get("modules")
        self.cards = [Card(spec) for spec in modules if isinstance(spec, dict)] if isinstance(modules, list) else []

    def ids(self) -> list[str]:
        """Return the ids of all modules that have one, each once."""
        return list(dict.fromkeys(card.id for card in self.cards if card.id))

    def keys(self) -> list[str]:
        """Return the whiteboard keys that modules write, each once."""
        return list(dict.fromkeys(key for card in self.cards for key in card.names("shared_state_writes")))

    def add(self) -> Card:
        """Add a module and return it."""
        taken, number = set(self.ids()), len(self.cards) + 1
        while f"module-{number}" in taken:
            number += 1
        card = Card({"id": f"module-{number}", "name": "", "description": "", "dependencies": []})
        self.cards.append(card)
        return card

    def remove(self, card: Card) -> None:
        """Take a module out, and out of what others depend on."""
        self.cards.remove(card)
        if card.id in self.ids():
            return
        for other in self.cards:
            for field in REFERENCES:
                if card.known_as in (names := other.names(field)):
                    other.spec[field] = [name for name in names if name != card.known_as]

    def rename(self, card: Card, new: str) -> None:
        """Give a module another id. Others go on to mean it, unless the id is another module's."""
        card.spec["id"] = new
        if not new or any(other.id == new for other in self.cards if other is not card):
            return
        for other in self.cards:
            for field in REFERENCES:
                if card.known_as in (names := other.names(field)):
                    other.spec[field] = [new if name == card.known_as else name for name in names]
        card.known_as = new


class Drafts:
    """The drafts of one service, by thread. They outlive pages, not the service."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Draft] = OrderedDict()

    def of(self, thread: str, plan: Mapping[str, Any]) -> Draft:
        """Return what a person has made of a proposal up to now; of a new proposal a new draft."""
        draft = self._kept.get(thread)
        if draft is None or not draft.is_of(plan):
            draft = self._kept[thread] = Draft(plan)
        self._kept.move_to_end(thread)
        while len(self._kept) > MOST_DRAFTS:
            self._kept.popitem(last=False)
        return draft

    def drop(self, thread: str) -> None:
        """Forget a draft."""
        self._kept.pop(thread, None)


def sort_complaints(complaints: Iterable[str], ids: Iterable[str]) -> dict[str, list[str]]:
    """Return the complaints by the id of the module that each names first; under '' those that name none."""
    known = set(ids)
    found: dict[str, list[str]] = {}
    for complaint in complaints:
        named = next((name for name in _QUOTED.findall(complaint) if name in known), "")
        found.setdefault(named, []).append(complaint)
    return found


def text_of(value: Any) -> str:
    """Return a text; '' for anything else."""
    return value if isinstance(value, str) else ""


def texts_of(value: Any) -> list[str]:
    """Return the texts in a list; none for anything else."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _canonical(plan: Mapping[str, Any]) -> str:
    return json.dumps(plan, sort_keys=True, ensure_ascii=False, default=str)
