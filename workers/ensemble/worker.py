"""The worker ``ensemble``: every node does the module, the checks judge, and the best that passes is handed over.

Each model of a node answers the module's whole prompt. What the checks complain of least goes on;
among equals the answer with the most weight behind it is taken, as in a vote on a query. Passed
checks are evidence of the nodes' fitness, which agreement alone is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matrioska.models.gateway import Client, Reply
from matrioska.models.recorder import current_voice, voiced
from matrioska.state.ensemble import NodeId, Topology
from matrioska.state.errors import ConfigError, ModelError
from matrioska.state.fitness import Reward
from matrioska.state.results import Usage
from matrioska.store.fitness import FitnessBook
from matrioska.store.layout import Layout
from matrioska.store.settings import find_member
from matrioska.workers.base import Job, Work
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.agreement import Meaning, groups
from matrioska.workers.ensemble.assembly import log_odds
from matrioska.workers.ensemble.kinds import kind_of
from matrioska.workers.ensemble.learning import believed, learn, priors_of
from matrioska.workers.ensemble.node import Find, Node, make_node
from matrioska.workers.ensemble.topology import load_topology

#: What one of a node's two models counts for: they are one voter.
_HALF = 0.5
#: Models whose failure a message names.
_FAILURES_TOLD = 5


class WorkerOptions(BaseModel):
    """A module's ``worker_options`` for this worker."""

    model_config = ConfigDict(extra="forbid")

    nodes: list[NodeId] | None = Field(default=None, min_length=1, max_length=1_000)
    """Nodes to ask; None for all."""
    count: int | None = Field(default=None, ge=1, le=1_000)
    """How many of them to ask, the fittest; None for all."""


@dataclass(frozen=True)
class _Candidate:
    """What one model answers, and what is wrong with it."""

    node: str
    reply: Reply
    complaints: tuple[str, ...]
    weight: float


class EnsembleWorker:
    """See the module's text. The nodes are those of the settings, read for each job.

    Args:
        find: returns the member of a name, or a client of it.
    """

    reads_prompt = True

    def __init__(self, find: Find = find_member) -> None:
        self._find = find

    async def answer(self, job: Job) -> Work:
        """See `Worker.answer`.

        Raises:
            ModelError: no model of any node could answer.
            ConfigError: there are no nodes, or ``worker_options`` names one that there is not.
        """
        options = _options(job)
        # Settings and the topology's file are read from the disk.
        nodes, book, meaning = await asyncio.to_thread(self._prepared, job, options)
        kind = kind_of(f"{job.spec.name}. {job.spec.description}")
        found = await believed(book, [node.spec.id for node in nodes], [kind])
        fitness = {node: posterior.mean for (node, _), posterior in found.items()}
        if options.count is not None:
            nodes = sorted(nodes, key=lambda node: -fitness[node.spec.id])[: options.count]
        candidates, errors = await _asked(job, nodes, fitness)
        if job.judge is not None:
            await learn(book, _rewards([node.spec.id for node in nodes], kind, candidates))
        if not candidates:
            raise _failure(errors)
        winner = await _elected(candidates, meaning)
        usage = sum((candidate.reply.usage for candidate in candidates), Usage())
        return Work(replace(winner.reply, usage=usage))

    def _prepared(self, job: Job, options: WorkerOptions) -> tuple[list[Node], FitnessBook, Meaning]:
        topology = load_topology()
        path = Layout.at(job.base_path).fitness if job.base_path is not None else None
        _check_names(job, options, topology)
        specs = [spec for spec in topology.nodes if options.nodes is None or spec.id in options.nodes]
        nodes = [make_node(spec, self._find) for spec in specs]
        return nodes, FitnessBook(path, priors_of(topology)), Meaning(embedder_of())


def _options(job: Job) -> WorkerOptions:
    try:
        return WorkerOptions.model_validate(job.spec.worker_options)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"The worker_options of module {job.spec.id} are wrong: {place}: {first['msg']}.",
            next_step='Write {"nodes": ["…"], "count": N}, or leave them out.',
        ) from error


def _check_names(job: Job, options: WorkerOptions, topology: Topology) -> None:
    known = [spec.id for spec in topology.nodes]
    if unknown := sorted(set(options.nodes or ()) - set(known)):
        raise ConfigError(
            f"Module {job.spec.id} asks for the node {unknown[0]!r}, which the topology does not have.",
            next_step=f"Its nodes are: {', '.join(known[:20])}.",
        )


async def _asked(
    job: Job, nodes: Sequence[Node], fitness: Mapping[str, float]
) -> tuple[list[_Candidate], list[ModelError | ConfigError]]:
    """Ask all models side by side; return their answers, judged, and what the others failed with.

    Raises:
        BaseException: whatever is no fault of a model: what the meter in force stops the run with.
    """
    asked = [(node.spec.id, client) for node in nodes for client in (node.a, node.b)]
    calls = (_answer(job, node, client) for node, client in asked)
    candidates, errors = list[_Candidate](), list[ModelError | ConfigError]()
    # All have ended before any error counts: they are paid for.
    for (node, _), reply in zip(asked, await asyncio.gather(*calls, return_exceptions=True), strict=True):
        if isinstance(reply, ModelError | ConfigError):
            errors.append(reply)
        elif isinstance(reply, BaseException):
            raise reply
        else:
            candidates.append(_Candidate(node, reply, _complaints(job, reply), log_odds(fitness[node], _HALF)))
    return candidates, errors


async def _answer(job: Job, node: str, client: Client) -> Reply:
    with voiced("response", node, job.spec.id, current_voice().parent):
        return await client.ask(job.messages, job.form)


def _complaints(job: Job, reply: Reply) -> tuple[str, ...]:
    if job.judge is None:
        return (reply.fault,) if reply.fault else ()
    return tuple(job.judge(reply))


async def _elected(candidates: Sequence[_Candidate], meaning: Meaning) -> _Candidate:
    """Return the candidate to hand over; of equals the first."""
    least = min(len(candidate.complaints) for candidate in candidates)
    left = [candidate for candidate in candidates if len(candidate.complaints) == least]
    alike = await groups([candidate.reply.text for candidate in left], meaning)
    heaviest = max(alike, key=lambda places: (sum(left[place].weight for place in places), -min(places)))
    return max((left[place] for place in sorted(heaviest)), key=lambda candidate: candidate.weight)


def _rewards(nodes: Sequence[str], kind: str, candidates: Sequence[_Candidate]) -> list[Reward]:
    """Return a reward for each node: the share of its answers that pass, or its failure to give any."""
    rewards = []
    for node in nodes:
        own = [candidate for candidate in candidates if candidate.node == node]
        if not own:
            rewards.append(Reward(node=node, kind=kind, right=0.0, evidence="failure"))
            continue
        passed = sum(not candidate.complaints for candidate in own) / len(own)
        seconds = max(candidate.reply.usage.seconds for candidate in own)
        rewards.append(Reward(node=node, kind=kind, right=passed, seconds=seconds, evidence="check"))
    return rewards


def _failure(errors: Sequence[ModelError | ConfigError]) -> ModelError:
    """Return one error for all models that failed."""
    told = dict.fromkeys(error.message for error in errors)
    return ModelError(
        f"No model of the ensemble could answer. {' '.join(list(told)[:_FAILURES_TOLD])}",
        retryable=any(getattr(error, "retryable", False) for error in errors),
        next_step="See whether the models of the topology can be reached with `matrioska doctor`.",
    )
