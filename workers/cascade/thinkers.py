"""Who thinks for a mind: one model, or the vote of many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from langchain_core.messages import BaseMessage

from matrioska.models.gateway import Client, Reply
from matrioska.models.gateway.tokens import estimate
from matrioska.models.meter import CallRecord, Meter, current_meter
from matrioska.state.ensemble import MAX_QUERY, Topology
from matrioska.state.errors import ConfigError, ModelError
from matrioska.state.forms import TEXT, AnswerForm
from matrioska.state.results import Usage
from matrioska.store.fitness import FitnessBook
from matrioska.store.layout import Layout
from matrioska.workers.ensemble.agreement import Embeds
from matrioska.workers.ensemble.learning import priors_of
from matrioska.workers.ensemble.node import Find
from matrioska.workers.ensemble.run import Ensemble

#: What stands for the vote of many in place of a model's name.
ENSEMBLE = "ensemble"
#: Tokens that prompt and answer have together where nobody says.
_USUAL_WINDOW = 32_000
#: Share of the window that is left for an answer whose length nobody bounds.
_ANSWER = 4


class Thinker(Protocol):
    """See the module's text."""

    takes_forms: bool
    """Whether it can be asked for an answer of a form; else for texts only."""
    streams: bool
    """Whether what is heard of it on the way is its answer."""

    @property
    def room(self) -> int:
        """Tokens that a prompt may have. It may load a tokenizer to say so."""
        ...

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has."""
        ...

    async def ask(self, messages: Sequence[BaseMessage], form: AnswerForm = TEXT) -> Reply:
        """Ask, and return the answer.

        Raises:
            ModelError, ConfigError, EnsembleError: no answer came.
        """
        ...


class OneModel:
    """One model thinks."""

    takes_forms = True
    streams = True

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def room(self) -> int:
        """See `Thinker.room`."""
        window = self._known_window() or _USUAL_WINDOW
        return window - min(self._client.member.max_tokens or window, window // _ANSWER)

    def _known_window(self) -> int | None:
        try:
            return self._client.window
        except (ModelError, ConfigError):
            # It cannot be made. The call says why, or goes to its fall-back.
            return None

    def count_tokens(self, text: str) -> int:
        """See `Thinker.count_tokens`."""
        try:
            return self._client.count_tokens(text)
        except (ModelError, ConfigError):
            return estimate(text)

    async def ask(self, messages: Sequence[BaseMessage], form: AnswerForm = TEXT) -> Reply:
        """See `Thinker.ask`."""
        return await self._client.ask(messages, form)


class Vote:
    """All nodes of the ensemble vote on the whole prompt, undivided, and the text that wins is what was thought.

    Args:
        topology: who votes.
        find: returns the member of a name, or a client of it.
        base_path: folder below which it is kept what is learnt of the nodes; None keeps nothing.
        embedder: compares long answers by meaning; None does so by their words.
    """

    takes_forms = False
    streams = False

    def __init__(self, topology: Topology, find: Find, base_path: Path | None, embedder: Embeds | None) -> None:
        # A prompt is one thing to do, whatever lists and questions stand in it.
        whole = topology.model_copy(update={"max_chunks": 1, "synthesizer": None})
        path = Layout.at(base_path).fitness if base_path is not None else None
        book = FitnessBook(path, priors_of(topology))
        self._ensemble = Ensemble(whole, find=find, fitness=book, embedder=embedder)

    @property
    def room(self) -> int:
        """See `Thinker.room`. Half of what a query may have: of its nodes' windows nothing is known."""
        return estimate("x" * (MAX_QUERY // 2))

    def count_tokens(self, text: str) -> int:
        """See `Thinker.count_tokens`."""
        return estimate(text)

    async def ask(self, messages: Sequence[BaseMessage], form: AnswerForm = TEXT) -> Reply:
        """See `Thinker.ask`. What it costs is the meter's to say."""
        answer = await self._ensemble.ask("\n\n".join(str(message.text) for message in messages))
        return Reply(answer.answer, Usage(), model=ENSEMBLE)


class Spending:
    """A meter that sums up what the calls inside cost, and passes them on to the one in force around it."""

    def __init__(self) -> None:
        self.usage = Usage()
        self._outer: Meter = current_meter()

    def admit(self) -> None:
        """See `Meter.admit`."""
        self._outer.admit()

    def record(self, call: CallRecord) -> None:
        """See `Meter.record`."""
        self.usage += call.usage
        self._outer.record(call)
