"""From the answers of a query's parts to the one that the person reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from matrioska.models.embedded.understanding.language import detect_language
from matrioska.models.gateway import Client, Reply
from matrioska.models.providers import shown_address
from matrioska.models.recorder import voiced
from matrioska.prompts.render import render
from matrioska.state.answers import refusal
from matrioska.state.ensemble import ChunkResult
from matrioska.state.errors import ConfigError, ModelError
from matrioska.state.results import Usage
from matrioska.workers.ensemble.agreement import Meaning, groups, is_short
from matrioska.workers.ensemble.normal import folded_words, is_number, normalised

#: Times that the larger model is asked.
_TRIES = 2
#: Longest part of a query in a heading, and longest answer of a part that the larger model is shown.
_HEADING, _SHOWN = 200, 20_000
_WORDS = {
    "en": {"by": "Said by", "unanswered": "Not answered", "why": "no model gave an answer"},
    "pt": {"by": "Resposta de", "unanswered": "Sem resposta", "why": "nenhum modelo respondeu"},
}


@dataclass(frozen=True)
class Synthesis:
    """The answer to a whole query."""

    text: str
    by: str = ""
    """``provider:model`` that wrote it; '' when the parts' answers were joined without one."""
    usage: Usage = field(default_factory=Usage)
    fault: str = ""
    """Why the larger model's text was not used; '' when it was, or when there is none."""


async def synthesise(query: str, results: Sequence[ChunkResult], client: Client | None) -> Synthesis:
    """Return one answer made of the answers of all parts.

    The larger model is asked again once when its text cannot be used: it is empty, refused, cut
    off, or lacks a number that was answered. Then, and without such a model, the answers are
    joined as they are.

    Args:
        query: what the person asked.
        results: the parts with their answers, in the order of the query; at least one of them answered.
        client: the larger model; None for none.
    """
    if client is None:
        return Synthesis(await joined(query, results))
    usage, complaint = Usage(), ""
    for _ in range(_TRIES):
        messages = await asyncio.to_thread(
            render, "ensemble_synthesis", query=query, parts=[_part(result) for result in results], complaint=complaint
        )
        try:
            with voiced("iteration" if complaint else "synthesis", shown_address(client.member.model), "ensemble"):
                reply = await client.ask(messages)
        except (ModelError, ConfigError) as error:
            complaint = error.message
            break
        usage += reply.usage
        complaint = _complaint(reply, results)
        if not complaint:
            return Synthesis(reply.text.strip(), reply.model or client.member.model, usage)
    return Synthesis(await joined(query, results), usage=usage, fault=complaint)


def _part(result: ChunkResult) -> dict[str, object]:
    return {
        "number": result.chunk.number,
        "asked": result.chunk.text,
        "answer": result.answer[:_SHOWN],
        "confidence": f"{result.confidence:.2f}",
        "nodes": result.nodes,
        "error": result.error,
    }


def _complaint(reply: Reply, results: Sequence[ChunkResult]) -> str:
    """Say why a text cannot be the answer, as it is sent back; '' when it can."""
    if reply.fault:
        return reply.fault
    if refusal(reply.text) or not normalised(reply.text):
        return "The answer is a refusal or holds no word. Write the answer from the parts that you are given."
    written = set(folded_words(reply.text))
    for result in results:
        if is_short(result.answer) and any(
            is_number(word) and word not in written for word in folded_words(result.answer)
        ):
            return f"The answer of part {result.chunk.number} has a number that is missing. Keep every number as it is."
    return ""


async def joined(query: str, results: Sequence[ChunkResult]) -> str:
    """Return the answers one after the other, each under what was asked; that of a single part alone.

    What several parts say alike is said once, under all of them. Short answers stay where they
    are: the same name may be the answer to two questions. Parts without an answer are named at the end.
    """
    words = _WORDS[detect_language(query)]
    answered = [result for result in results if result.answer.strip()]
    if len(results) == 1 and answered:
        return answered[0].answer.strip()
    sections = [_section(together, words["by"]) for together in await _merged(answered)]
    for result in results:
        if not result.answer.strip():
            why = " ".join(result.error.split()) or words["why"]
            sections.append(f"{words['unanswered']}: {_heading(result)} ({why})")
    return "\n\n".join(sections)


async def _merged(answered: Sequence[ChunkResult]) -> list[list[ChunkResult]]:
    """Return the results in order, those together that say the same at length or were asked the same."""
    alike = await groups([result.answer for result in answered], Meaning())
    found: list[list[ChunkResult]] = []
    for places in alike:
        by_question: dict[str, list[ChunkResult]] = {}
        for place in places:
            result = answered[place]
            question = normalised(result.chunk.text) if is_short(result.answer) else ""
            by_question.setdefault(question, []).append(result)
        found.extend(by_question.values())
    return sorted(found, key=lambda together: together[0].chunk.number)


def _section(together: Sequence[ChunkResult], by: str) -> str:
    headings = "\n".join(dict.fromkeys(f"**{_heading(result)}**" for result in together))
    nodes = ", ".join(dict.fromkeys(node for result in together for node in result.nodes))
    said = f"\n\n_{by}: {nodes}_" if nodes else ""
    return f"{headings}\n\n{together[0].answer.strip()}{said}"


def _heading(result: ChunkResult) -> str:
    asked = " ".join(result.chunk.text.replace("*", "").split())
    return asked if len(asked) <= _HEADING else f"{asked[: _HEADING - 1]}…"
