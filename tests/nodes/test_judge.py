"""The judge: complaints about an answer before it is kept, as the checks would have them afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from matrioska.models.gateway import Reply
from matrioska.nodes.judge import Judge
from matrioska.state.architecture import ModuleSpec
from matrioska.state.artifacts import SourceFile
from matrioska.state.jobs import Job, Project
from matrioska.state.results import Usage
from tests.support import fenced, file_block

PROJECT = Project(name="P", goal="Have it.", constraints=[], language="en")
PROMISED = {"shop.api": {"functions": ["buy"]}}
GOOD = file_block("shop.py", "def buy(): ...")


def _job(kind: str, **fields: Any) -> Job:
    return Job(kind=kind, project=PROJECT, spec=ModuleSpec(id="shop"), **fields)  # type: ignore[arg-type]


def _says(judge: Judge, text: str, fault: str = "") -> list[str]:
    return judge(Reply(text, Usage(), fault=fault))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (fenced(PROMISED), []),
        (fenced({}), ["'shop.api' is missing"]),
        (fenced({"shop.api": None}), ["is null"]),
        ("Here you are.", ["no JSON object"]),
        ("I'm sorry, I can't do that.", ["refused"]),
    ],
)
def test_values_are_judged(text: str, says: list[str]) -> None:
    found = _says(Judge(_job("agree", wanted=["shop.api"])), text)
    assert len(found) == len(says)
    assert all(words in complaint for words, complaint in zip(says, found, strict=True))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD, ""),
        (file_block("shop/shop.py", "def buy(): ..."), ""),
        (file_block("shop.py", "def sell(): ..."), "promises the function 'buy'"),
        (file_block("shop.py", "def buy(: ..."), "shop.py, line 1"),
        (file_block("../../etc/passwd", "def buy(): ..."), "is refused"),
        ("All done.", "holds no file"),
        ("````python path=shop.py\ndef buy(", "cut off"),
    ],
)
def test_files_are_judged(text: str, says: str) -> None:
    found = _says(Judge(_job("produce", promised=PROMISED)), text)
    assert bool(found) == bool(says)
    assert says in " ".join(found)


def test_a_faulty_reply_needs_no_reading() -> None:
    assert _says(Judge(_job("produce")), GOOD, fault="The answer was cut off.") == ["The answer was cut off."]


def test_values_that_are_wanted_with_the_files_are_judged_too() -> None:
    judge = Judge(_job("produce", wanted=["shop.api"]))
    assert "missing" in " ".join(_says(judge, GOOD))
    assert _says(judge, GOOD + "\n\n```json contract\n" + fenced(PROMISED)[8:]) == []


def test_a_mend_is_judged_with_what_stays() -> None:
    present = [SourceFile(path="shop.py", text="def sell(): ..."), SourceFile(path="page.html", text="<p>Hi</p>")]
    judge = Judge(_job("mend", promised=PROMISED), present)
    assert _says(judge, GOOD) == []
    assert _says(judge, file_block("page.html", "<p>Hello</p>")) != []
