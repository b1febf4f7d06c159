"""What a comparison costs, said before it begins; and who takes part in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from matrioska.comparison.contestants import contestants, judge_for, judges_itself
from matrioska.comparison.costs import CostLine, expected, is_small, total
from matrioska.comparison.kept import Kept
from matrioska.comparison.records import Duel, StudyQuestion, WayReply
from matrioska.models.gateway import Client, client_for
from matrioska.state.context import RunContext
from matrioska.state.errors import UsageError
from matrioska.state.members import Member
from matrioska.state.questions import Answered, Estimate, Via
from tests.matrioska.comparison.worlds import Answerers

QUESTIONS = [StudyQuestion(id=str(number), text="Why is that so?") for number in (1, 2)]
WAYS: list[Via] = ["cascade", "single"]


def judge(**prices: float) -> Client:
    return client_for(Member(model="openai:nobody-knows-this", **prices))


def test_each_way_and_the_judge_are_added_up(tmp_path: Path) -> None:
    answerers = Answerers(lambda question, via: "")
    lines = expected(
        QUESTIONS, WAYS, Kept(tmp_path / "k.jsonl"), answerers.estimate, judge(input_price=1, output_price=2)
    )
    assert [(line.name, line.calls) for line in lines] == [("cascade", 40), ("single", 2), ("judge", 4)]
    assert lines[0].cost == pytest.approx(0.04)
    judging = lines[2]
    assert judging.cost == pytest.approx((judging.input_tokens + 2 * judging.output_tokens) / 1e6)
    # Two answers of the usual length are in each call.
    assert judging.input_tokens > 4 * 1_000
    whole = total(lines)
    assert (whole.calls, whole.input_tokens) == (46, sum(line.input_tokens for line in lines))


def test_what_is_there_already_costs_nothing(tmp_path: Path) -> None:
    kept, answerers = Kept(tmp_path / "k.jsonl"), Answerers(lambda question, via: "")
    for via in WAYS:
        kept.reply(WayReply(question="1", via=via, answered=Answered(via=via, text="So.")))
    kept.duel(Duel(question="1", one="cascade", other="single", outcome="tie", how="identical"))
    lines = expected(QUESTIONS, WAYS, kept, answerers.estimate, judge())
    assert [line.calls for line in lines] == [20, 1, 2]


def test_a_price_that_is_not_known_is_not_nothing(tmp_path: Path) -> None:
    def unpriced(question: str, via: Via) -> Estimate:
        return Estimate(via=via, calls=1, input_tokens=1, output_tokens=1, cost=None if via == "cascade" else 0.0)

    lines = expected(QUESTIONS, WAYS, Kept(tmp_path / "k.jsonl"), unpriced, judge())
    assert [line.cost for line in lines] == [None, 0.0, None]
    assert total(lines).cost is None
    assert not is_small(total(lines))


@pytest.mark.parametrize(
    ("calls", "cost", "small"),
    [(0, None, True), (200, 0.0, True), (201, 0.0, False), (10, 0.11, False), (10, 0.10, True), (1, None, False)],
)
def test_what_is_small(calls: int, cost: float | None, small: bool) -> None:
    assert is_small(CostLine(name="together", calls=calls, input_tokens=1, output_tokens=1, cost=cost)) == small


SETTINGS = """
model = "ollama:own"
[roles]
critic = "house"
[members.house]
model = "openai:judge@http://127.0.0.1:9/v1"
[cascade]
minds = [
  {id = "top", model = "ollama:top"},
  {id = "left", parent = "top"},
  {id = "right", parent = "top", model = "ensemble"},
]
[[ensemble.nodes]]
id = "n1"
model_a = "house"
model_b = "ollama:b@http://me:secret@127.0.0.1:9"
"""


@pytest.fixture
def settings() -> None:
    Path("matrioska.toml").write_text(SETTINGS)


@pytest.mark.usefixtures("settings")
def test_everybody_who_may_speak_is_named_without_passwords() -> None:
    found = contestants(("single", "cascade", "ensemble"), RunContext())
    voters = ("openai:judge@http://127.0.0.1:9/v1", "ollama:b@http://127.0.0.1:9")
    assert [(who.via, who.models) for who in found] == [
        ("cascade", ("ollama:top", "ollama:own", *voters)),
        ("ensemble", voters),
        ("single", ("ollama:top",)),
    ]
    judge = judge_for(None, RunContext())
    assert judge.name == voters[0]
    assert judges_itself(judge.name, found) == ["cascade", "ensemble"]
    assert judge_for("ollama:other", RunContext()).name == "ollama:other"


@pytest.mark.usefixtures("settings")
def test_another_tree_or_other_votes_of_the_same_models_are_another_contestant() -> None:
    def setups() -> dict[Via, str]:
        return {who.via: who.setup for who in contestants(("single", "cascade", "ensemble"), RunContext())}

    before = setups()
    assert setups() == before
    Path("matrioska.toml").write_text(SETTINGS.replace('{id = "left",', '{id = "left", reflections = 2,'))
    thinking = setups()
    assert [via for via in before if thinking[via] != before[via]] == ["cascade"]
    Path("matrioska.toml").write_text(SETTINGS.replace("[[ensemble", "[ensemble]\nmax_chunks = 2\n[[ensemble"))
    voting = setups()
    assert [via for via in before if voting[via] != before[via]] == ["cascade", "ensemble"]


def test_without_a_critic_the_single_model_judges() -> None:
    assert judge_for(None, RunContext(model="ollama:m")).name == "ollama:m"
    with pytest.raises(UsageError, match="answers no questions"):
        judge_for(None, RunContext())


def test_one_way_is_nothing_to_compare() -> None:
    with pytest.raises(UsageError, match="only the single model is configured"):
        contestants(("single",), RunContext(model="ollama:m"))
