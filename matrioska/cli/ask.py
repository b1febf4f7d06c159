"""``ask``: a question, answered by the ensemble or by one model."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from rich.table import Table
from rich.text import Text

from matrioska.cli.given import read_task
from matrioska.cli.main import COMPLETE, FAILED, INTERRUPTED
from matrioska.cli.session import find_place, run_async
from matrioska.cli.signals import AtOnce, Stopped
from matrioska.cli.text import count, duration, line, listed, plain
from matrioska.cli.ui import Ui, use
from matrioska.models.gateway import client_for
from matrioska.models.providers import EMBEDDED
from matrioska.state.context import RunContext
from matrioska.state.ensemble import EnsembleAnswer, NodeVote, Topology
from matrioska.state.errors import AnswerError, UsageError
from matrioska.store.fitness import FitnessBook
from matrioska.store.settings import find_fallbacks, find_member, resolve_options
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.learning import priors_of
from matrioska.workers.ensemble.run import Ensemble, check_query
from matrioska.workers.ensemble.topology import load_topology


@dataclass(frozen=True)
class Question:
    """What the options of the command ask for."""

    via: str = "ensemble"
    model: str | None = None
    topology: Path | None = None
    votes: bool = False
    base_path: Path | None = None

    def check(self) -> None:
        """Check that no option asks for what the other way does.

        Raises:
            UsageError: one does.
        """
        other = "ensemble" if self.via == "single" else "single"
        given = {"--topology": self.topology, "--votes": self.votes} if other == "ensemble" else {"--model": self.model}
        if name := next((name for name, value in given.items() if value), None):
            raise UsageError(f"{name} goes with --via {other}.", next_step=f"Leave it out, or ask with --via {other}.")


def ask(given: str, question: Question, *, as_json: bool, quiet: bool) -> int:
    """Answer a question; return the exit code."""
    ui = use(Ui(json=as_json, quiet=quiet))
    question.check()
    text = check_query(read_task(given))
    if question.via == "single":
        return _stoppable(ui, lambda: _ask_one(ui, text, question.model))
    ensemble = open_ensemble(load_topology(question.topology), question.base_path)
    return _stoppable(ui, lambda: _ask_all(ui, ensemble, text, question.votes))


def open_ensemble(topology: Topology, base_path: Path | None) -> Ensemble:
    """Return the ensemble of a topology, with what was learnt of its nodes below a base path.

    Raises:
        ConfigError: the settings are faulty.
    """
    book = FitnessBook(find_place(base_path).layout.fitness, priors_of(topology))
    return Ensemble(topology, find=find_member, fitness=book, embedder=embedder_of())


def _stoppable(ui: Ui, work: Callable[[], Awaitable[int]]) -> int:
    """Run a command's work; a signal ends it at once, since nothing of it is saved."""

    async def body() -> int:
        with AtOnce(lambda text: ui.say(text)) as stopper:

            async def whole() -> int:
                return await work()

            try:
                return await stopper.drive(whole())
            except Stopped:
                ui.say("Stopped.")
                ui.stopped_said = True
                return INTERRUPTED

    return run_async(body)


async def _ask_one(ui: Ui, query: str, model: str | None) -> int:
    options = resolve_options(RunContext(model=model))
    member = find_member(options.roles.get("worker") or options.model)
    if member.model == EMBEDDED:
        raise UsageError(
            "The embedded model builds by rules, and answers no questions.",
            next_step="Name another with --model, such as --model ollama:llama3.2.",
        )
    reply = await client_for(member, find_fallbacks(member).__getitem__).ask([HumanMessage(query)])
    if reply.fault:
        raise AnswerError(reply.fault, raw_answer=reply.text)
    if ui.json:
        told = {"status": "complete", "answer": reply.text, "model": reply.model, "usage": reply.usage.model_dump()}
        ui.emit_json(told)
    else:
        ui.out.print(Text(plain(reply.text.strip())), soft_wrap=True)
    return COMPLETE


async def _ask_all(ui: Ui, ensemble: Ensemble, query: str, votes: bool) -> int:
    began = time.monotonic()

    def show(event: Mapping[str, Any]) -> None:
        if (told := event_line(event)) and not ui.quiet and not ui.json:
            ui.say((f"[{duration(time.monotonic() - began):>6}] ", "dim"), told)

    answer = await ensemble.ask(query, on_event=show)
    if ui.json:
        ui.emit_json({"status": "partial" if answer.missing else "complete", **answer.model_dump(mode="json")})
    else:
        ui.out.print(Text(plain(answer.answer)), soft_wrap=True)
        if votes:
            ui.out.print()
            ui.out.print(votes_table(answer))
        _summary(ui, answer)
    return FAILED if answer.missing else COMPLETE


def _summary(ui: Ui, answer: EnsembleAnswer) -> None:
    """Say on stderr what it took, and what is missing."""
    if answer.missing:
        ui.say(("✗ ", "bold red"), f"Nobody answered {listed(f'part {number}' for number in answer.missing)}.")
    if ui.quiet:
        return
    saved = sum(found.saved_calls for found in answer.chunks)
    facts = [
        count(len(answer.chunks), "part"),
        count(len({vote.node for vote in answer.votes}), "node"),
        count(sum(vote.calls for vote in answer.votes), "call"),
        *([f"{count(saved, 'call')} saved"] if saved else []),
        duration(answer.timings.total),
    ]
    ui.say((f"   {' · '.join(facts)}", "dim"))


def event_line(event: Mapping[str, Any]) -> str:
    """Return the line that tells an event; '' for none."""
    kind, number = event["type"], event.get("chunk")
    if kind == "chunk":
        return f"{number}. {line(event['text'], 100)} ({event['kind']}; {listed(event['nodes'])})"
    if kind == "vote":
        says = f": {line(told, 80)}" if (told := event["answer"] or event["error"]) else ""
        return f"   {number}. {line(event['node'], 64)} {event['how'].replace('_', ' ')}{says}"
    if kind == "decided":
        if event["error"]:
            return f"   {number}. no answer: {line(event['error'], 100)}"
        early = f", {count(event['saved_calls'], 'call')} saved" if event["saved_calls"] else ""
        return f"   {number}. decided with {event['confidence']:.0%} of the weight{early}"
    return f"written by {line(event['by'], 80)}" if kind == "synthesis" and event["by"] else ""


def votes_table(answer: EnsembleAnswer) -> Table:
    """Return the table of all votes; those for the answer taken are marked."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("part", "node", "how", "weight", "answer"):
        table.add_column(name, no_wrap=name != "answer", justify="right" if name == "weight" else "left")
    for found in answer.chunks:
        for vote in found.votes:
            table.add_row(*_row(vote, vote.node in found.nodes))
    return table


def _row(vote: NodeVote, won: bool) -> tuple[str, str, str, str, Text]:
    says = Text(line(vote.answer or vote.error or "–", 120), "" if won else "dim")
    mark = "✓ " if won else "  "
    return str(vote.chunk), mark + line(vote.node, 64), vote.how.replace("_", " "), f"{vote.weight:.2f}", says
