"""What a cascade leaves in the journal: every message once, under the one that it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from matrioska.models.meter import CallRecord
from matrioska.models.recorder import Voice, recorded
from matrioska.state.errors import ModelError
from matrioska.state.journal import MessageType, Status
from matrioska.workers.cascade.run import calls_of
from matrioska.workers.cascade.tree import default_tree
from tests.minds import QUESTION, Minds

DOWN = ModelError("Nothing listens there.")


@dataclass
class Written:
    """A message as it was handed over."""

    id: str
    type: MessageType
    source: str
    destination: str
    parent: str
    content: str
    status: Status


@dataclass
class Notebook:
    """A recorder that keeps what it is given."""

    messages: list[Written] = field(default_factory=list)
    closed: dict[str, Status] = field(default_factory=dict)

    def call(self, call: CallRecord, voice: Voice) -> str:
        return self._keep(voice.type, voice.source, voice.destination, voice.parent, call.text, "", "done")

    def note(
        self,
        type: MessageType,
        content: str,
        *,
        source: str = "",
        destination: str = "",
        parent: str = "",
        key: str = "",
        status: Status = "done",
        details: Mapping[str, Any] | None = None,
    ) -> str:
        assert key, "what a graph does again must be the same message"
        return self._keep(type, source, destination, parent, content, key, status)

    def close(self, message: str, status: Status = "done") -> None:
        assert message not in self.closed
        self.closed[message] = status

    def _keep(
        self, type: MessageType, source: str, to: str, parent: str, content: str, key: str, status: Status
    ) -> str:
        name = key or f"{len(self.messages)}"
        self.messages.append(Written(name, type, source, to, parent, content, status))
        return name

    def of(self, type: MessageType) -> list[Written]:
        """Return the messages of a type."""
        return [message for message in self.messages if message.type == type]


async def _kept(minds: Minds) -> Notebook:
    notebook = Notebook()
    with recorded(notebook):
        await minds.cascade().ask(QUESTION)
    return notebook


async def test_every_call_and_every_word_between_minds_is_one_message() -> None:
    more = {f"{mind}.{step}": "More." for mind in calls_of(default_tree()) for step in ("reflect", "critique")}
    notebook = await _kept(Minds(default_tree(), says=more))
    assert Counter(message.type for message in notebook.messages) == {
        "expansion": 6,
        "control": 3,
        "delegation": 5,
        "reflection": 6,
        "iteration": 2,
        "critique": 3,
        "synthesis": 6,
        "response": 6,
    }
    assert len({message.id for message in notebook.messages}) == len(notebook.messages)


async def test_each_mind_speaks_under_the_message_that_asked_it() -> None:
    notebook = await _kept(Minds(default_tree()))
    asked = {message.destination: message for message in notebook.of("delegation")}
    assert {mind: message.source for mind, message in asked.items()} == {
        "nova": "atlas",
        "sage": "atlas",
        "echo": "nova",
        "pixel": "nova",
        "quantum": "sage",
    }
    for message in notebook.messages:
        mind = message.source
        assert message.parent == (asked[mind].id if mind in asked else ""), message
    assert {message.source: message.destination for message in notebook.of("response")} == {
        "atlas": "",
        **{mind: message.source for mind, message in asked.items()},
    }


async def test_every_delegation_is_open_until_its_child_replies() -> None:
    notebook = await _kept(Minds(default_tree(), says={"echo": DOWN}))
    assert all(message.status == "open" for message in notebook.of("delegation"))
    assert notebook.closed == {
        message.id: "failed" if message.destination == "echo" else "done" for message in notebook.of("delegation")
    }
    (error,) = notebook.of("error")
    assert (error.source, error.destination, error.content) == ("echo", "nova", "Nothing listens there.")


async def test_a_child_that_is_not_asked_leaves_a_word_on_how_it_stands() -> None:
    notebook = await _kept(Minds(default_tree(), says={"atlas.split": '{"nova": "What of it?", "sage": ""}'}))
    (status,) = notebook.of("status")
    assert (status.source, status.destination) == ("atlas", "sage")
    assert "sage" not in {message.source for message in notebook.messages}
    assert {message.destination for message in notebook.of("delegation")} == {"nova", "echo", "pixel"}
