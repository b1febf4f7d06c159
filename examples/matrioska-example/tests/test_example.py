"""The plugin, tested without a model and without being installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matrioska_example
import pytest
from langchain_core.messages import HumanMessage

from matrioska.models.gateway import client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.nodes.checks.registry import Checked
from matrioska.plugins import plugged
from matrioska.state.architecture import ModuleSpec
from matrioska.state.artifacts import SourceFile
from matrioska.workers.base import Job
from matrioska.workers.plugins import workers


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    """Have the plugin, whether or not it is installed."""
    with plugged(matrioska_example) as found:
        yield
    assert found.faults == []


async def test_the_second_answer_is_taken_when_it_is_no_worse() -> None:
    def script(stage: str, module: str, prompt: str) -> str:
        return "better" if "first try" in prompt else "first try"

    model = ScriptedChatModel(script=script)
    messages = [HumanMessage("Stage: produce\nModule: a\n\nDo it.")]
    job = Job("produce", ModuleSpec(id="a"), messages, client_of(model))
    work = await workers()["second-look"].answer(job)
    assert (work.reply.text, work.reply.usage.calls) == ("better", 2)


@pytest.mark.parametrize(("text", "complaints"), [("Lorem ipsum dolor", 1), ("A poem.", 0)])
def test_filler_is_complained_of(text: str, complaints: int) -> None:
    checked = Checked(ModuleSpec(id="a"), [SourceFile(path="poem.md", text=text)])
    check: Any = matrioska_example.matrioska_checks()["no-filler"]
    assert len(check(checked)) == complaints
