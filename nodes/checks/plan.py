"""Checks of a plan: every fault at once, so that one answer can mend them all."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from matrioska.nodes.checks.graphs import Upstream, components, example_cycles
from matrioska.nodes.checks.kinds import kind_faults
from matrioska.nodes.checks.wording import bounded, shorten
from matrioska.state.architecture import MAX_MODULES, Architecture, ModuleSpec
from matrioska.state.errors import PlanError, UnsafePathError
from matrioska.state.ids import MODULE_ID, SHARED_KEY
from matrioska.state.paths import safe_relative_path
from matrioska.state.text import clean_json
from matrioska.state.wording import did_you_mean

_FILE_LIKE = re.compile(r"^\S*\.[A-Za-z0-9]{1,8}$")
_CLIMBS = re.compile(r"(^|[/\\])\.\.([/\\]|$)|^[A-Za-z]:[/\\]|^\\")
_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


def parse_plan(raw: Mapping[str, Any]) -> Architecture:
    """Return the plan in ``raw``, checked.

    Raises:
        PlanError: it cannot be carried out; ``complaints`` names every fault.
    """
    if not isinstance(raw, Mapping):
        raise PlanError([f"the plan must be one JSON object, not {_kind(raw)}"])
    try:
        architecture = Architecture.model_validate(_without_nulls(clean_json(dict(raw))))
    except ValidationError as error:
        complaints = [_in_words(detail, raw) for detail in error.errors(include_url=False, include_context=True)]
        raise PlanError(bounded(complaints)) from error
    except (TypeError, RecursionError) as error:
        raise PlanError([f"the plan is not plain JSON: {shorten(str(error))}"]) from error
    if complaints := plan_complaints(architecture):
        raise PlanError(complaints)
    return architecture


def plan_complaints(architecture: Architecture) -> list[str]:
    """Return every fault of a plan in words; an empty list means that it can be carried out."""
    complaints: list[str] = []
    for check in (
        _id_faults,
        _dependency_faults,
        _cycle_faults,
        _key_faults,
        _read_faults,
        _output_faults,
        kind_faults,
    ):
        complaints.extend(check(architecture))
    return bounded(complaints)


def _id_faults(plan: Architecture) -> Iterator[str]:
    counts = Counter(spec.id for spec in plan.modules)
    for module_id, count in counts.items():
        if not MODULE_ID.fullmatch(module_id):
            yield (
                f"the module id '{shorten(module_id)}' is malformed: it must start with a lower-case letter and hold "
                "only a-z, 0-9, '_' and '-', at most 64 characters"
            )
        elif (reason := _unsafe(module_id)) is not None:
            yield f"the module id '{module_id}' cannot name a folder: {reason}"
        if count > 1:
            yield f"{count} modules have the id '{shorten(module_id)}': ids must be unique"


def _dependency_faults(plan: Architecture) -> Iterator[str]:
    known = {spec.id for spec in plan.modules}
    for spec in plan.modules:
        for field, verb in (("dependencies", "depends on"), ("artifact_reads", "reads the files of")):
            for other in dict.fromkeys(getattr(spec, field)):
                if other == spec.id:
                    yield f"module '{shorten(spec.id)}' {verb} itself: take it out of its {field}"
                elif other not in known:
                    hint = did_you_mean(other, known) if len(known) <= 500 else ""
                    yield f"module '{shorten(spec.id)}' {verb} '{shorten(other)}', which is not in the plan{hint}"


def _edges(plan: Architecture) -> dict[str, list[str]]:
    """Return module id → ids that must come first, without unknown ids and itself."""
    edges: dict[str, dict[str, None]] = {spec.id: {} for spec in plan.modules}
    for spec in plan.modules:
        for other in [*spec.dependencies, *spec.artifact_reads]:
            if other in edges and other != spec.id:
                edges[spec.id][other] = None
    return {node: list(successors) for node, successors in edges.items()}


def _cycle_faults(plan: Architecture) -> Iterator[str]:
    edges = _edges(plan)
    for cycle in sorted(example_cycles(edges, components(edges))):
        # A cycle through the whole plan would fill the answer: its ends are enough to find it.
        shown = cycle if len(cycle) <= 20 else [*cycle[:10], f"({len(cycle) - 15} others)", *cycle[-5:]]
        yield f"the dependencies form a cycle: {' -> '.join(shorten(node) for node in shown)}"


def _key_faults(plan: Architecture) -> Iterator[str]:
    writers: dict[str, dict[str, None]] = {}
    malformed: dict[str, str] = {}
    for spec in plan.modules:
        for key in spec.shared_state_writes:
            writers.setdefault(key, {})[spec.id] = None
        for key in [*spec.shared_state_writes, *spec.shared_state_reads]:
            if not SHARED_KEY.fullmatch(key):
                malformed.setdefault(key, spec.id)
    for key, module_id in malformed.items():
        yield (
            f"the shared_state key '{shorten(key)}' of module '{shorten(module_id)}' is malformed: it must start with "
            "a letter or '_' and hold only letters, digits, '_', '-' and '.', at most 64 characters"
        )
    for key, ids in writers.items():
        if len(ids) > 1:
            names = ", ".join(f"'{shorten(module_id)}'" for module_id in ids)
            yield f"the key '{shorten(key)}' is written by {names}: a key has exactly one writer"


def _read_faults(plan: Architecture) -> Iterator[str]:
    edges = _edges(plan)
    upstream = Upstream(edges, components(edges))
    writers: dict[str, list[str]] = {}
    for spec in plan.modules:
        for key in dict.fromkeys(spec.shared_state_writes):
            writers.setdefault(key, []).append(spec.id)
    for spec in plan.modules:
        for key in dict.fromkeys(spec.shared_state_reads):
            if fault := _read_fault(spec, key, writers, upstream):
                yield fault


def _read_fault(spec: ModuleSpec, key: str, writers: Mapping[str, list[str]], upstream: Upstream) -> str:
    reader = f"module '{shorten(spec.id)}' reads the key '{shorten(key)}'"
    by = writers.get(key, [])
    if not by:
        hint = did_you_mean(key, writers) if len(writers) <= 500 else ""
        return f"{reader}, which no module writes{hint}"
    if spec.id in by:
        return f"{reader}, which it writes itself: take it out of its shared_state_reads"
    if any(upstream.reaches(spec.id, writer) for writer in by):
        return ""
    writer = by[0]
    if upstream.reaches(writer, spec.id):
        return f"{reader} of '{shorten(writer)}', which comes after it: move the key to a module that comes before"
    return f"{reader}, but does not come after its writer: add '{shorten(writer)}' to its dependencies"


def _output_faults(plan: Architecture) -> Iterator[str]:
    for spec in plan.modules:
        for output in spec.outputs:
            looks_like_path = _FILE_LIKE.match(output) or (_CLIMBS.search(output) and not re.search(r"\s", output))
            if not looks_like_path or _URL.match(output):
                continue
            if (reason := _unsafe(output)) is not None:
                yield f"module '{shorten(spec.id)}' has the output '{shorten(output)}', an unsafe path: {reason}"


def _unsafe(path: str) -> str | None:
    try:
        safe_relative_path(path)
    except UnsafePathError as error:
        return error.reason
    return None


def _without_nulls(value: Any) -> Any:
    """Drop fields that are null: small models write null for "nothing", which is the default."""
    if not isinstance(value, dict):
        return value
    plan = {key: item for key, item in value.items() if item is not None}
    if isinstance(modules := plan.get("modules"), list):
        plan["modules"] = [
            {key: item for key, item in module.items() if item is not None} if isinstance(module, dict) else module
            for module in modules
        ]
    return plan


_WORDS = {
    "missing": "is missing",
    "string_type": "must be text",
    "list_type": "must be a list",
    "dict_type": "must be a JSON object",
    "model_type": "must be a JSON object",
    "model_attributes_type": "must be a JSON object",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
}


def _in_words(detail: ErrorDetails, raw: Mapping[str, Any]) -> str:
    kind, limits = detail["type"], detail.get("ctx", {})
    where = _where(detail["loc"], raw)
    if detail["loc"] == ("modules",) and kind == "too_short":
        return "the plan has no modules: it needs at least one"
    if detail["loc"] == ("modules",) and kind == "too_long":
        return f"the plan has more than {MAX_MODULES} modules"
    if kind in _WORDS:
        got = "" if kind == "missing" else f", not {_kind(detail['input'])}"
        return f"{where} {_WORDS[kind]}{got}"
    if kind == "string_too_long":
        return f"{where} is longer than {limits['max_length']} characters"
    if kind == "too_long":
        return f"{where} has more than {limits['max_length']} entries"
    if kind in {"greater_than", "less_than_equal"}:
        bound = f"greater than {limits['gt']:g}" if kind == "greater_than" else f"at most {limits['le']:g}"
        return f"{where} must be {bound}"
    if kind == "string_pattern_mismatch":
        form = "a lower-case word" if "modality" in detail["loc"] else "a language code such as 'en' or 'pt-BR'"
        return f"{where} must be {form}, not '{shorten(str(detail['input']))}'"
    return f"{where} is not accepted: {shorten(detail['msg'])}"


def _where(loc: tuple[int | str, ...], raw: Mapping[str, Any]) -> str:
    """Return a place in the plan in words: field, entry number, module by its id where it has one."""
    words = []
    rest = list(loc)
    if len(rest) > 1 and rest[0] == "modules" and isinstance(rest[1], int):
        module = raw["modules"][rest[1]]
        module_id = module.get("id") if isinstance(module, Mapping) else None
        named = f"'{shorten(module_id)}' " if isinstance(module_id, str) else ""
        words.append(f"module {named}(number {rest[1] + 1} of the plan)")
        rest = rest[2:]
    if rest:
        words.append(f"'{rest[0]}'" + "".join(f", entry {part + 1}" for part in rest[1:] if isinstance(part, int)))
    return ": ".join(words)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)
