"""The report: one HTML file that needs nothing else, and in which nothing of the answers can run.

What people and models wrote is escaped; answers are rendered from Markdown with raw HTML, links
and pictures off, so that they show as they were written. The page has no script, and its policy
allows nothing but its own style sheet.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from matrioska.comparison.records import SHOWN, Duel, StudyQuestion, WayReply
from matrioska.comparison.summary import Summary, correctness, length_in_words
from matrioska.i18n import N_
from matrioska.models.embedded.understanding.language import detect_language
from matrioska.state.questions import Via

_PACKAGE = "matrioska.comparison"
#: Headings of answers stand below the page's own, which end at this level.
_OWN_LEVELS = 4


def _source(name: str) -> str:
    return files(_PACKAGE).joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": lambda share: f"{share:.0%}",
        "clock": _clock,
        "dollars": dollars,
        "counted": lambda number, noun: f"{number:,} {noun}{'' if number == 1 else 's'}",
    }
    return environment


def _clock(seconds: float) -> str:
    return f"{seconds:,.1f} s"


def dollars(cost: float, priced: bool) -> str:
    """Return a cost; that some prices are not known is said, never shown as nothing."""
    known = f"${cost:,.4f}" if cost else "$0"
    if priced:
        return known
    return N_("{cost} and more: a price is unknown").format(cost=known) if cost else N_("price unknown")


@cache
def _markdown() -> MarkdownIt:
    without = ["html_block", "html_inline", "link", "autolink", "image", "reference"]
    # Beyond its nesting the parser leaves text out without a word; a list takes two levels for each of its own.
    options = {"html": False, "maxNesting": 60}
    return MarkdownIt("commonmark", options).enable("table").disable(without)


def answer_html(text: str) -> Markup:
    """Return an answer as HTML: its Markdown, and nothing that could lead or load from elsewhere."""
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}\n\n[…]"
    parser = _markdown()
    tokens = parser.parse(shown)
    for token in tokens:
        _lower(token)
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - by markdown-it, with HTML off


def _lower(token: Token) -> None:
    """Put a heading below those of the page; let a keyboard reach what may be wider than the page."""
    if token.type in ("heading_open", "heading_close"):
        token.tag = f"h{min(6, int(token.tag[1:]) + _OWN_LEVELS)}"
    if token.type in ("fence", "code_block", "table_open"):
        token.attrSet("tabindex", "0")


def report(
    summary: Summary,
    questions: Sequence[StudyQuestion],
    replies: Mapping[tuple[str, Via], WayReply],
    duels: Mapping[tuple[str, Via, Via], Duel],
    made_at: str,
) -> str:
    """Return the report as HTML.

    Args:
        summary: the result.
        questions: all of them, in order.
        replies: by question and way.
        duels: by question and both ways.
        made_at: when the study ended, as people read it.
    """
    style = _source("report.css.jinja")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    ways = [way.via for way in summary.ways]
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            style=Markup(style),  # noqa: S704 - our own file
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            summary=summary,
            judged=[pair for pair in summary.pairs if pair.wins + pair.ties + pair.losses],
            lengths=[told for pair in summary.pairs if (told := length_in_words(pair))],
            made_at=made_at,
            entries=[_entry(question, ways, replies, duels) for question in questions],
        )
    )


def _entry(
    question: StudyQuestion,
    ways: Sequence[Via],
    replies: Mapping[tuple[str, Via], WayReply],
    duels: Mapping[tuple[str, Via, Via], Duel],
) -> dict[str, Any]:
    """Return what the page shows of one question."""
    answers = []
    for via in ways:
        reply = replies[question.id, via]
        exact, holds = correctness(reply.text, question.reference) if question.reference else (False, False)
        answers.append(
            {
                "via": via,
                "html": answer_html(reply.text),
                "reply": reply,
                "language": detect_language(reply.text or question.text),
                "words": len(reply.text.split()),
                "right": ("is the right answer" if exact else "holds the right answer" if holds else "not found in it")
                if question.reference
                else "",
            }
        )
    return {
        "question": question,
        "language": detect_language(question.text),
        "answers": answers,
        "duels": [found for key, found in duels.items() if key[0] == question.id],
    }
