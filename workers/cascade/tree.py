"""The tree of minds, from ``[cascade]`` of the settings; without minds there, the six that come with Matrioska."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from matrioska.models.providers import EMBEDDED
from matrioska.models.registry import parse_name
from matrioska.state.cascade import MAX_LEVELS, MAX_MINDS, MindSpec, MindTree
from matrioska.state.errors import ConfigError, TopologyError, TreeError, UnknownModelError
from matrioska.state.text import clean_text
from matrioska.state.wording import did_you_mean
from matrioska.store.settings import config_path, find_member, load_settings, resolve_options
from matrioska.workers.cascade.thinkers import ENSEMBLE
from matrioska.workers.ensemble.topology import load_topology

#: Faults that are told at once.
MAX_FAULTS = 20
_TOP = frozenset({"mind_timeout", "minds"})
#: Minds that a fault names.
_SHOWN = 10

SIX_MINDS = (
    MindSpec(
        id="atlas",
        speciality="the whole: what belongs together, and what the answer comes to",
        role="You coordinate. You see the whole of a question and what belongs to whom, you weigh what the others "
        "say against each other, and you decide. You say plainly what is certain and what is not.",
    ),
    MindSpec(
        id="nova",
        parent="atlas",
        speciality="the technical side: how things work, how they are made, what they take",
        role="You think like an engineer. You ask how a thing works, what it is made of, what it costs and where it "
        "breaks. You prefer what can be tried out to what merely sounds right.",
    ),
    MindSpec(
        id="echo",
        parent="nova",
        speciality="implementation: steps, tools, numbers, code, what to do first",
        role="You turn ideas into something that can be done. You give steps in their order, real names, figures with "
        "their units, and the mistake that is made most often.",
        critique=False,
    ),
    MindSpec(
        id="pixel",
        parent="nova",
        speciality="patterns: structures, regularities, what it resembles elsewhere",
        role="You see structure. You find the pattern behind single cases, what the same pattern led to in other "
        "fields, and the case that does not fit it.",
        critique=False,
    ),
    MindSpec(
        id="sage",
        parent="atlas",
        speciality="the philosophical side: meaning, assumptions, values, consequences",
        role="You ask what a question takes for granted, what its words mean, whom the answer serves and harms, and "
        "what follows from it in the long run. You are fair to the view that you do not share.",
    ),
    MindSpec(
        id="quantum",
        parent="sage",
        speciality="deep insight: what lies below the obvious",
        role="You go deeper than the others. You do not rest with the first explanation: you look for the one below "
        "it, for what connects things that seem apart, and for what would turn the answer round.",
        reflections=3,
        critique=False,
    ),
)


def default_tree(model: str | None = None) -> MindTree:
    """Return the six minds.

    Args:
        model: who thinks for all of them; None leaves it to the run.
    """
    return MindTree(minds=tuple(spec.model_copy(update={"model": model}) for spec in SIX_MINDS))


def load_tree(default_model: str | None = None) -> MindTree:
    """Return the tree of the settings, checked: its shape, and that every model it names is known.

    Args:
        default_model: who thinks for minds without a model of their own; None for the settings' own
            worker. ``object:…`` for one that a caller made.

    Raises:
        TreeError: it is faulty; names every fault and where it stands.
        ConfigError: the settings cannot be read, or minds are left to the embedded model, which answers no questions.
    """
    given, source = load_settings().cascade, f"[cascade] of {config_path()}"
    reader = _Reader()
    tree = reader.tree(given)
    if tree is None or reader.faults:
        more = len(reader.faults) - MAX_FAULTS
        raise TreeError(source, reader.faults[:MAX_FAULTS] + ([f"and {more} more"] if more > 0 else []))
    left = [spec.called for spec in tree.minds if spec.model is None]
    if left:
        _check_default(default_model or _settings_model(), left)
    return tree


def _settings_model() -> str:
    options = resolve_options(None)
    return options.roles.get("worker", options.model)


def _check_default(name: str, minds: Sequence[str]) -> None:
    """Check who thinks for the minds without a model.

    Raises:
        ConfigError: there is no such model, or it is the embedded one.
    """
    if name.startswith("object:") or find_member(name).model != EMBEDDED:
        return
    raise ConfigError(
        f"The embedded model answers no questions, and {', '.join(minds[:_SHOWN])} would think with it.",
        next_step="Start a model, in LM Studio for example, and name it: --model lmstudio:NAME, or "
        f'model = "lmstudio:NAME" in {config_path()}.',
    )


class _Reader:
    """Reads a tree and notes every fault with its place."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def tree(self, given: Mapping[str, Any]) -> MindTree | None:
        """Return the tree; None where it is so faulty that there is none."""
        self._known(given, _TOP, "")
        specs = list(self._specs(given["minds"])) if "minds" in given else list(SIX_MINDS)
        # Of two with one id the fault is told already.
        known = {spec.id: spec for spec in specs if spec is not None}
        # A mind that cannot be read may be the parent of others.
        minds = self._ordered(known) if None not in specs else []
        fields = {key: given[key] for key in ("mind_timeout",) if key in given}
        try:
            return MindTree.model_validate({**fields, "minds": minds})
        except ValidationError as error:
            self._noted(error, "")
            return None

    def _specs(self, given: Any) -> Iterator[MindSpec | None]:
        if not isinstance(given, list) or not given:
            self.faults.append("minds: it is a list of tables, each under [[cascade.minds]]")
            return
        if len(given) > MAX_MINDS:
            self.faults.append(f"minds: there are {len(given):,}, and {MAX_MINDS:,} are the most")
            return
        places: dict[str, str] = {}
        for number, table in enumerate(given, 1):
            yield self._spec(table, f"mind {number}", places)

    def _spec(self, table: Any, place: str, places: dict[str, str]) -> MindSpec | None:
        if not isinstance(table, Mapping):
            self.faults.append(f"{place}: it is no table")
            return None
        named = table.get("id")
        if isinstance(named, str) and named:
            place = f"{place} ({clean_text(named)[:64]})"
            if (first := places.setdefault(named, place)) != place:
                self.faults.append(f"{place}: it has the id of {first}")
        self._known(table, frozenset(MindSpec.model_fields), place)
        try:
            # TOML has texts, numbers and so on: "2" is no number.
            spec = MindSpec.model_validate(
                {key: value for key, value in table.items() if key in MindSpec.model_fields}, strict=True
            )
        except ValidationError as error:
            self._noted(error, place)
            return None
        if spec.model is not None:
            self._check_model(spec.model, place)
        return spec

    def _check_model(self, name: str, place: str) -> None:
        try:
            if name == ENSEMBLE:
                load_topology()
                return
            model = find_member(name).model
            if model == EMBEDDED:
                self.faults.append(f"{place}: the embedded model answers no questions; name a real one")
            else:
                parse_name(model)
        except TopologyError as error:
            self.faults.append(f"{place}: its ensemble cannot be used: {error.message.rstrip('.')}")
        except (ConfigError, UnknownModelError) as error:
            self.faults.append(f"{place}: {error.message.rstrip('.')}")

    def _ordered(self, known: Mapping[str, MindSpec]) -> list[MindSpec]:
        """Return the minds from the root down, parents before children; notes what is no tree."""
        faults, minds = len(self.faults), list(known.values())
        for spec in minds:
            if spec.parent is not None and spec.parent not in known:
                meant = did_you_mean(spec.parent, known, 0.6)
                self.faults.append(f"{spec.id}: there is no mind {spec.parent!r}, its parent{meant}")
        self.faults += [f"the parents go in a circle: {' → '.join(circle)}" for circle in _circles(known)]
        roots = [spec for spec in minds if spec.parent is None]
        if len(roots) > 1:
            named = ", ".join(spec.id for spec in roots[:_SHOWN])
            self.faults.append(f"{len(roots)} minds have no parent, and one is the root: {named}")
        # Without a root there is a circle or an orphan, which is told already.
        return minds if len(self.faults) > faults or not roots else self._levelled(roots[0], minds)

    def _levelled(self, root: MindSpec, minds: Sequence[MindSpec]) -> list[MindSpec]:
        children: dict[str, list[MindSpec]] = {}
        for spec in minds:
            children.setdefault(spec.parent or "", []).append(spec)
        ordered, left, levels = list[MindSpec](), [(root, 1)], 0
        while left:
            spec, level = left.pop()
            ordered.append(spec)
            levels = max(levels, level)
            left += [(child, level + 1) for child in reversed(children.get(spec.id, ()))]
        if levels > MAX_LEVELS:
            self.faults.append(
                f"the minds stand {levels} levels deep, and {MAX_LEVELS} are the most: "
                "every level waits for all below it, and what the lowest know thins out on the way up"
            )
        return ordered

    def _known(self, given: Mapping[str, Any], fields: frozenset[str], place: str) -> None:
        for field in given:
            if field not in fields:
                at = f"{place}: " if place else ""
                self.faults.append(
                    f"{at}there is no field {clean_text(field)[:80]!r}{did_you_mean(field, fields, 0.6)}"
                )

    def _noted(self, error: ValidationError, place: str) -> None:
        for fault in error.errors(include_input=False, include_url=False):
            at = ".".join(map(str, fault["loc"]))
            where = ": ".join(filter(None, (place, at)))
            self.faults.append(f"{where}: {fault['msg']}")


def _circles(minds: Mapping[str, MindSpec]) -> Iterator[list[str]]:
    """Yield each circle of parents, once, from one of its minds back to it."""
    seen: set[str] = set()
    for start in minds:
        way: list[str] = []
        name: str | None = start
        while name is not None and name in minds and name not in seen:
            seen.add(name)
            way.append(name)
            name = minds[name].parent
        if name in way:
            yield [*way[way.index(name) :], name]
