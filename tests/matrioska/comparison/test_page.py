"""The report: complete, plain HTML, in which nothing of what models or people wrote can run."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from matrioska.comparison.page import answer_html, report
from matrioska.comparison.records import Contestant, Duel, Opinion, StudyQuestion, WayReply
from matrioska.comparison.summary import JudgeSummary, summarise
from matrioska.state.questions import Answered, Via
from matrioska.state.results import Usage
from tests.browser import PHONE, chromium, open_page

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\n\n"
    "[click](javascript:document.title='owned') ![p](http://example.org/x.png) <http://example.org>\n\n"
    "# Title\n\n</div></section></details><style>*{display:none}</style>\n\n| a | b |\n|---|---|\n| 1 | <b>2</b> |\n\n"
    "```html\n<script>alert(1)</script>\n```\n\n[r]: http://example.org\n[r]"
)
_ELEMENTS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "ul",
        "ol",
        "li",
        "section",
        "div",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "svg",
        "line",
        "circle",
        "text",
        "details",
        "summary",
        "span",
        "strong",
        "em",
        "code",
        "pre",
        "blockquote",
        "hr",
        "br",
    ]
)
_EMPTY = frozenset({"meta", "line", "circle", "hr", "br"})


class _Reader(HTMLParser):
    """Collects elements and attributes, and checks that every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(text: str = HOSTILE, number: int = 2) -> str:
    questions = [StudyQuestion(id=f"{n} {text[:60]}", text=f"{n}. {text}", reference=text) for n in range(number)]
    replies, duels = {}, {}
    for place, question in enumerate(questions):
        ways: tuple[Via, ...] = ("single", "cascade")
        for via in ways:
            answered = Answered(
                via=via, text=f"{via} {text}", usage=Usage(calls=3, input_tokens=1_200, cost=0.01), missing=[text[:30]]
            )
            reply = WayReply(question=question.id, via=via, answered=answered)
            if place and via == "cascade":
                reply = WayReply(question=question.id, via=via, error=text)
            replies[question.id, via] = reply
        opinions = [
            Opinion(first="single", second="cascade", verdict="A", reason=text, by="j"),
            Opinion(first="cascade", second="single", verdict=None, failure=text, by="j"),
        ]
        how = "unanswered" if place else "judged"
        duels[question.id, "single", "cascade"] = Duel(
            question=question.id, one="single", other="cascade", outcome="win" if place else "none", how=how,
            opinions=[] if place else opinions,
        )  # fmt: skip
    who = [Contestant(via="single", models=(text,)), Contestant(via="cascade", models=(text, "x:y"))]
    judge = JudgeSummary(model=text, own=["cascade"], priced=False)
    summary = summarise(questions, who, replies, duels, judge, lambda found: False)
    return report(summary, questions, replies, duels, "2025-01-31 14:05")


def read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def test_nothing_hostile_becomes_markup() -> None:
    reader = read(page())
    assert {tag for tag, _ in reader.seen} <= _ELEMENTS
    for tag, attributes in reader.seen:
        assert not any(name.startswith("on") or name in ("style", "src", "href", "srcset") for name in attributes), tag
    assert sum(tag == "style" for tag, _ in reader.seen) == 1


def test_the_policy_allows_its_own_style_sheet_and_nothing_else() -> None:
    html = page("Eight.")
    policy = next(found["content"] for tag, found in read(html).seen if found.get("http-equiv"))
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_it_can_be_read_by_ear_and_by_keyboard() -> None:
    html = page("Eight legs.")
    seen = read(html).seen
    assert ("html", {"lang": "en"}) in seen
    levels = [int(tag[1]) for tag, _ in seen if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert all(found.get("scope") in ("col", "row") for tag, found in seen if tag == "th")
    assert all(found.get("aria-label") for tag, found in seen if tag == "svg")


def test_everything_is_on_it() -> None:
    html = page("Eight legs.")
    for text in ("The judge takes part itself", "No verdict", "Preferred", "price is unknown", "only one answered",
                 "No answer: Eight legs.", "someone's word is missing", "Holds it", "1,200 tokens",
                 "With single first", "no verdict: Eight legs."):  # fmt: skip
        assert text in html, text


@pytest.mark.parametrize("mark", ["> ", "- "])
def test_what_stands_deep_is_shown_too(mark: str) -> None:
    nested = "\n".join(f"{('  ' if mark == '- ' else mark) * depth}{mark}deep {depth}" for depth in range(25))
    assert "deep 24" in answer_html(nested)


def test_answers_keep_their_form() -> None:
    html = str(answer_html("# Big\n\nA **bold** word and `code`.\n\n| a |\n|---|\n| 1 |\n"))
    assert "<h5>Big</h5>" in html
    assert "<strong>bold</strong>" in html
    assert '<table tabindex="0">' in html
    assert "[x](http://example.org)" in str(answer_html("[x](http://example.org)"))
    assert len(str(answer_html("x " * 500_000))) < 50_000


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE, "color_scheme": "dark"}], ids=["wide", "phone, dark"])
def test_in_a_browser_nothing_runs_and_everything_fits(tmp_path: Path, options: dict) -> None:
    place = tmp_path / "report.html"
    place.write_text(page(HOSTILE + "\n\n" + "w" * 900), encoding="utf-8")
    with chromium() as browser:
        faults: list[str] = []
        shown = open_page(browser, place.as_uri(), faults, **({"viewport": {"width": 1280, "height": 900}} | options))
        for details in shown.locator("details").all():
            details.evaluate("element => element.open = true")
        assert shown.title().startswith("Comparison")
        width = shown.evaluate("document.documentElement.scrollWidth")
        assert width <= shown.viewport_size["width"]
        assert shown.locator("main").inner_text().count("owned") > 3
        assert faults == []
        shown.context.close()
