"""Workers: one text for one job, and a list that nobody changes by accident."""

from __future__ import annotations

import pytest
from langchain_core.messages import HumanMessage

from matrioska.models.gateway import client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.architecture import ModuleSpec
from matrioska.state.errors import ModelError
from matrioska.workers.base import ChatWorker, Job
from matrioska.workers.plugins import workers


def _job(model: ScriptedChatModel) -> Job:
    return Job(stage="produce", spec=ModuleSpec(id="a"), messages=[HumanMessage("Do it.")], client=client_of(model))


async def test_the_chat_worker_asks_its_model_once() -> None:
    model = ScriptedChatModel(script=lambda *_: "Done.")
    reply = (await workers()["chat"].answer(_job(model))).reply
    assert (reply.text, reply.usage.calls) == ("Done.", 1)
    assert model.calls[0].prompt == "Do it."


async def test_a_models_failure_comes_through_typed() -> None:
    with pytest.raises(ModelError, match="ValueError: no"):
        await ChatWorker().answer(_job(ScriptedChatModel(script=lambda *_: ValueError("no"))))


def test_the_list_of_workers_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        workers()["mine"] = ChatWorker()  # type: ignore[index]
