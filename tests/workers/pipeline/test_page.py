"""What docs/pipelines.md says is true: its plan can be carried out, and its table is that of the tasks."""

from __future__ import annotations

import json
import re
from pathlib import Path

from matrioska.models.local.pipeline_tasks import GENERATION, TASKS
from matrioska.nodes.checks.plan import parse_plan
from matrioska.workers.pipeline import inputs
from matrioska.workers.pipeline.outputs import whiteboard_value

PAGE = (Path(__file__).parents[3] / "docs" / "pipelines.md").read_text(encoding="utf-8")
PLAN, VALUE = (json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
ROWS = re.findall(r"^\| `([\w-]+)`(?: ²)? \| (\w+) \| (.+?) \| (.*)\|$", PAGE, re.MULTILINE)


def test_the_plan_can_be_carried_out() -> None:
    assert [spec.id for spec in parse_plan(PLAN).modules] == ["ears", "notes"]


def test_the_value_is_what_modules_are_given() -> None:
    assert whiteboard_value(VALUE["task"], VALUE["model"], VALUE["results"], []) == VALUE


def test_the_table_is_that_of_the_tasks() -> None:
    assert sorted(row[0] for row in ROWS) == sorted(TASKS)
    kinds = {"sounds": "audio", "pictures": "image", "texts": "text"}
    for name, reads, gives, parameters in ROWS:
        task = TASKS[name]
        assert kinds[reads] == task.takes
        assert f"`{task.gives}`" in gives
        # What stands in brackets are values.
        told = re.sub(r"\(.*?\)", "", parameters)
        assert set(re.findall(r"`(\w+)`", told)) == task.parameters
        assert tuple(re.findall(r"\*\*`(\w+)`\*\*", told)) == task.needs
        assert ("¹" in told) == task.generates


def test_the_parameters_of_writing_are_all_named() -> None:
    (note,) = re.findall(r"¹ Models that write (.*?)²", PAGE)
    assert set(re.findall(r"`(\w+)`", note)) == GENERATION


def test_the_bounds_are_those_that_hold() -> None:
    assert (inputs.MOST_SECONDS, inputs.WHOLE_SECONDS, inputs.MAX_TEXT_BYTES) == (3_600, 120, 1_000_000)
    assert f"{inputs.MOST_INPUTS} files a module" in PAGE
