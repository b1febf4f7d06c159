"""What a plan may say in a pipeline module's ``worker_options``. A model wrote it: every value is bounded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from matrioska.models.local.pipeline_tasks import ALIASES, REFUSED, TASKS, PipelineTask
from matrioska.state.errors import ConfigError
from matrioska.state.wording import did_you_mean

#: Seconds of the pieces in which a long sound is heard when nothing is said.
PIECE = 30.0
#: Part of a piece that may be heard again with each of its neighbours: the nearer to a half, the more pieces there are.
_OVERLAP = 1 / 3
#: Characters of JSON that a module's options may have.
MAX_OPTIONS = 20_000
_MOST_WORDS = 200
_LONGEST_WORD = 400
_LONGEST_TEXT = 4_000
_FIELDS = ("task", "parameters")

#: Least and greatest value of the parameters that are numbers.
_NUMBERS: Mapping[str, tuple[float, float]] = {
    "chunk_length_s": (1, 600),
    "length_penalty": (-10, 10),
    "mask_threshold": (0, 1),
    "max_answer_len": (1, 1_000),
    "max_new_tokens": (1, 8_192),
    "min_new_tokens": (0, 8_192),
    "no_repeat_ngram_size": (0, 100),
    "num_beams": (1, 16),
    "overlap_mask_area_threshold": (0, 1),
    "repetition_penalty": (0.01, 10),
    "stride_length_s": (0, 300),
    "temperature": (0.01, 10),
    "threshold": (0, 1),
    "top_k": (1, 1_000),
    "top_p": (0.01, 1),
}
_WHOLE = ("max_answer_len", "max_new_tokens", "min_new_tokens", "no_repeat_ngram_size", "num_beams", "top_k")
_SWITCHES = ("do_sample", "handle_impossible_answer", "multi_label", "return_language")
_TEXTS = ("prompt", "question")
_LISTS = ("candidate_labels", "targets")


@dataclass(frozen=True)
class PipelineOptions:
    """``worker_options``, read."""

    task: PipelineTask | None = None
    """None leaves it to the model's own configuration."""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def read_options(raw: Mapping[str, Any]) -> PipelineOptions:
    """Return the options.

    Raises:
        ConfigError: a field, task or parameter is unknown, missing or out of bounds.
    """
    if len(json.dumps(raw)) > MAX_OPTIONS:
        raise _wrong(f"they have more than {MAX_OPTIONS:,} characters", "Shorten them.")
    for name in raw:
        if name not in _FIELDS:
            raise _wrong(f"there is no field '{name[:60]}'{did_you_mean(name, _FIELDS)}", "Fields: task, parameters.")
    parameters = raw.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise _wrong("'parameters' is no JSON object", "Write it as {name: value}.")
    task = None if raw.get("task") is None else find_task(raw["task"])
    if task is not None:
        check_parameters(task, parameters)
    return PipelineOptions(task, dict(parameters))


def find_task(name: Any) -> PipelineTask:
    """Return the task of that name.

    Raises:
        ConfigError: there is none, or it is not done here.
    """
    if not isinstance(name, str):
        raise _wrong("'task' is no text", f"Tasks: {', '.join(TASKS)}.")
    found = ALIASES.get(name, name)
    if found in TASKS:
        return TASKS[found]
    refused = "translation" if found.startswith("translation_") else found
    if refused in REFUSED:
        raise _wrong(f"the task '{refused}' is not done by pipelines here", f"Instead: {REFUSED[refused]}.")
    hint = did_you_mean(found, [*TASKS, *ALIASES], 0.6)
    raise _wrong(f"there is no task '{found[:60]}'{hint}", f"Tasks: {', '.join(TASKS)}.")


def check_parameters(task: PipelineTask, parameters: Mapping[str, Any]) -> None:
    """Check that a task may be told these parameters.

    Raises:
        ConfigError: it may not, or one that it needs is missing.
    """
    known = sorted(task.known_parameters)
    for name, value in parameters.items():
        if name not in known:
            hint = did_you_mean(name, known)
            takes = f"It takes {', '.join(known)}." if known else "It takes none."
            raise _wrong(f"{task.name} has no parameter '{name[:60]}'{hint}", takes)
        if fault := _fault(name, value):
            raise _wrong(f"the parameter '{name}' {fault}", "Correct it in the plan.")
    longest = parameters.get("chunk_length_s", PIECE) * _OVERLAP
    if parameters.get("stride_length_s", 0) > longest:
        raise _wrong("'stride_length_s' is more than a third of 'chunk_length_s'", f"Give {longest:g} at the most.")
    for name in task.needs:
        if name not in parameters:
            raise _wrong(f"{task.name} needs the parameter '{name}'", f'Give it as {{"parameters": {{"{name}": …}}}}.')


def _fault(name: str, value: Any) -> str:
    """Return what is wrong with a parameter's value; '' when it may stand."""
    if name in _NUMBERS:
        return _number_fault(name, value)
    if name in _SWITCHES:
        return "" if isinstance(value, bool) else "must be true or false"
    if name in _LISTS:
        return _list_fault(value)
    if name == "return_timestamps":
        return "" if value in (True, False, "word", "char") else "must be true, false, 'word' or 'char'"
    if name == "hypothesis_template":
        return _template_fault(value)
    longest = _LONGEST_TEXT if name in _TEXTS else _LONGEST_WORD
    return "" if _is_text(value, longest) else f"must be a text of 1 to {longest:,} characters"


def _number_fault(name: str, value: Any) -> str:
    least, most = _NUMBERS[name]
    kind = int if name in _WHOLE else int | float
    if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
        return f"must be a {'whole ' if name in _WHOLE else ''}number from {least:g} to {most:g}"
    return ""


def _list_fault(value: Any) -> str:
    fits = isinstance(value, list) and 0 < len(value) <= _MOST_WORDS
    if not fits or not all(_is_text(word, _LONGEST_WORD) for word in value):
        return f"must be a list of 1 to {_MOST_WORDS} texts of at most {_LONGEST_WORD} characters"
    return ""


def _template_fault(value: Any) -> str:
    # It goes through `str.format`, which could reach into objects.
    rest = value.replace("{}", "", 1) if _is_text(value, _LONGEST_WORD) and "{}" in value else "{"
    return "must be a text with one {} in it and no other braces" if "{" in rest or "}" in rest else ""


def _is_text(value: Any, longest: int) -> bool:
    return isinstance(value, str) and 0 < len(value) <= longest


def _wrong(what: str, next_step: str) -> ConfigError:
    return ConfigError(f"The worker_options are wrong: {what}.", next_step=next_step)
