"""Studies from end to end, with models and a judge of whom the truth is known."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from matrioska.comparison.comparison import Comparison
from matrioska.comparison.kept import Kept, fingerprint, opened
from matrioska.comparison.records import Contestant, StudyQuestion
from matrioska.comparison.study import AT_ONCE, Study
from matrioska.comparison.summary import JudgeSummary, Summary, summarise
from matrioska.state.errors import CascadeError, ModelAuthError, ModelError, StoreError
from matrioska.state.questions import Answered, Via
from matrioska.store.journal import open_journal
from matrioska.store.layout import Layout
from tests.matrioska.comparison.worlds import Answerers, World, scripted_judge, verdict

SINGLE, CASCADE, ENSEMBLE = (
    Contestant(via="single", models=("openai:big",)),
    Contestant(via="cascade", models=("openai:big", "ollama:small")),
    Contestant(via="ensemble", models=("ollama:small",)),
)
TWO = [SINGLE, CASCADE]


def questions(number: int, **references: str) -> list[StudyQuestion]:
    return [
        StudyQuestion(id=str(place), text=f"Question {place}?", reference=references.get(f"q{place}", ""))
        for place in range(1, number + 1)
    ]


def summary_of(study: Study, contestants: list[Contestant]) -> Summary:
    judge = JudgeSummary(model="judge", own=[], priced=True)
    return summarise(study.questions, contestants, study.kept.replies, study.kept.duels, judge, lambda found: True)


def study_of(answerers: Answerers, asked: list[StudyQuestion], kept: Kept, judge=None, ways=("single", "cascade")):
    return Study(answerers, asked, ways, judge or scripted_judge(lambda parts: verdict("tie")), kept)


async def of_world(world: World, number: int, path: Path) -> Summary:
    study = Study(world.answerers(), world.questions(number), ("single", "cascade"), world.judge(), Kept(path))
    await study.run()
    return summary_of(study, TWO)


@pytest.fixture(autouse=True)
def _without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


@pytest.mark.parametrize(
    ("wins", "ties", "bias", "failing"),
    [(0.75, 0.0, 0.0, 0.0), (0.5, 0.0, 0.0, 0.0), (0.2, 0.1, 0.0, 0.0), (0.6, 0.2, 0.3, 0.0), (0.4, 0.2, 0.2, 0.2)],
    ids=["cascade better", "equal", "worse", "better, and a biased judge", "equal, and failing at times"],
)
async def test_of_100_studies_90_hold_the_truth(
    tmp_path: Path, wins: float, ties: float, bias: float, failing: float
) -> None:
    holds = wrong = 0
    for seed in range(100):
        world = World(seed, wins, ties, bias, failing)
        (pair,) = (await of_world(world, 10, tmp_path / f"{seed}.jsonl")).pairs
        holds += pair.low <= world.truth <= pair.high
        # Seen from the single model: "worse" says that the cascade is better.
        right = "open" if abs(world.truth - 0.5) < 1e-9 else "better" if world.truth > 0.5 else "worse"
        wrong += pair.verdict not in ("open", right)
    assert holds >= 90
    assert wrong <= 5


@pytest.mark.parametrize(
    ("wins", "says"),
    [
        (0.9, "The single model is worse than the cascade"),
        (0.5, "No difference between the single model and the cascade could be shown (n = 60;"),
        (0.1, "The single model is better than the cascade"),
    ],
)
async def test_a_study_says_what_is_so(tmp_path: Path, wins: float, says: str) -> None:
    (pair,) = (await of_world(World(7, wins), 60, tmp_path / "kept.jsonl")).pairs
    assert pair.words.startswith(says)


async def test_a_way_that_fails_is_counted_and_shown(tmp_path: Path) -> None:
    def says(question: str, via: Via) -> str | Exception:
        fails = via == "cascade" or question == "Question 2?"
        return CascadeError("No mind could answer.") if fails else "Eight."

    study = study_of(Answerers(says), questions(2), Kept(tmp_path / "kept.jsonl"))
    await study.run()
    found = summary_of(study, TWO)
    assert [(way.via, way.answered, way.failed) for way in found.ways] == [("single", 1, 1), ("cascade", 0, 2)]
    assert (found.pairs[0].wins, found.pairs[0].ties, found.pairs[0].losses) == (1, 1, 0)
    assert study.kept.replies["1", "cascade"].error == "No mind could answer."


async def test_a_missing_key_stops_the_study_and_what_came_stays(tmp_path: Path) -> None:
    def says(question: str, via: Via) -> str | Exception:
        return ModelAuthError("There is no key.") if via == "cascade" and question == "Question 3?" else "Eight."

    study = study_of(Answerers(says), questions(3), Kept(tmp_path / "kept.jsonl"))
    with pytest.raises(ModelAuthError, match="no key"):
        await study.run()
    again = Kept(tmp_path / "kept.jsonl")
    assert ("1", "single") in again.replies
    assert ("3", "cascade") not in again.replies


async def test_nothing_that_came_is_asked_again(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.jsonl")
    await study_of(Answerers(lambda question, via: f"{via}: eight."), questions(2), kept).run()
    again, answerers = Kept(kept.path), Answerers(lambda question, via: f"{via}: nine.")
    judge = scripted_judge(lambda parts: verdict("A"))
    await study_of(answerers, questions(3), again, judge).run()
    assert {question for question, _ in answerers.asked} == {"Question 3?"}
    assert len(judge.client.model.calls) == 2
    assert (again.resumed, again.name) == (True, kept.name)
    assert again.duels["1", "single", "cascade"] == kept.duels["1", "single", "cascade"]


async def test_an_answer_that_was_begun_is_gone_on_with(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.jsonl")
    for via in ("single", "cascade"):
        kept.begin("1", via, f"{kept.name}-1-{via}")
    answerers = Answerers(lambda question, via: "Eight.", saved={f"{kept.name}-1-cascade": ("Question 1?", "cascade")})
    await study_of(answerers, questions(1), Kept(kept.path)).run()
    assert answerers.resumed == [f"{kept.name}-1-single", f"{kept.name}-1-cascade"]
    # The single model saves nothing on its way, so it is asked once more; the cascade is not.
    assert answerers.asked == [("Question 1?", "single")]


async def test_a_judge_out_of_reach_is_asked_again_and_one_without_a_verdict_is_not(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.jsonl")
    down = scripted_judge(lambda parts: ModelError("Down.") if "1?" in parts["question"] else "No verdict.")
    await study_of(Answerers(lambda question, via: via), questions(2), kept, down).run()
    assert set(kept.duels) == {("2", "single", "cascade")}
    again = Kept(kept.path)
    await study_of(Answerers(lambda question, via: via), questions(2), again).run()
    assert again.duels["1", "single", "cascade"].outcome == "tie"
    assert again.duels["2", "single", "cascade"].outcome == "none"


async def test_only_so_many_questions_are_under_way(tmp_path: Path) -> None:
    busy = most = 0

    class Slow(Answerers):
        async def ask(self, question: str, via: Via, *, thread_id: str | None = None) -> Answered:
            nonlocal busy, most
            busy += 1
            most = max(most, busy)
            await asyncio.sleep(0.01)
            busy -= 1
            return await super().ask(question, via, thread_id=thread_id)

    answerers = Slow(lambda question, via: "Eight.")
    await study_of(answerers, questions(12), Kept(tmp_path / "kept.jsonl")).run()
    assert most == AT_ONCE
    firsts = {next(via for asked, via in answerers.asked if asked == f"Question {number}?") for number in (1, 2)}
    assert firsts == {"single", "cascade"}


async def test_three_ways_make_three_pairs_corrected_together(tmp_path: Path) -> None:
    judge = scripted_judge(lambda parts: verdict("A" if "cascade" in parts["answer_a"] else "B" if "cascade" in parts["answer_b"] else "tie"))  # fmt: skip
    kept, ways = Kept(tmp_path / "kept.jsonl"), ("single", "cascade", "ensemble")
    study = study_of(Answerers(lambda question, via: f"by the {via}"), questions(9), kept, judge, ways)
    await study.run()
    found = summary_of(study, [SINGLE, CASCADE, ENSEMBLE])
    assert [(pair.one, pair.other, pair.verdict) for pair in found.pairs] == [
        ("single", "cascade", "worse"),
        ("single", "ensemble", "open"),
        ("cascade", "ensemble", "better"),
    ]
    assert found.pairs[0].chance == pytest.approx(3 * 2 / 2**9)
    assert found.judge.usage.calls == 54


async def test_references_lengths_and_bias_are_reported(tmp_path: Path) -> None:
    def says(question: str, via: Via) -> str:
        if question == "Question 1?":
            return "**Paris.**" if via == "single" else "The capital, as many know well, is Paris of course. Yes."
        return "London" if via == "single" else "Rome"

    judge = scripted_judge(lambda parts: verdict("A", a={"correctness": 8}, b={"correctness": 6}))
    study = study_of(Answerers(says), questions(2, q1="paris", q2="Rome"), Kept(tmp_path / "kept.jsonl"), judge)
    await study.run()
    found = summary_of(study, TWO)
    single, cascade = found.ways
    assert (single.referenced, single.exact, single.holds) == (2, 1, 1)
    assert (cascade.exact, cascade.holds) == (1, 2)
    assert (found.judge.duels, found.judge.contradictions, found.judge.first, found.judge.second) == (2, 2, 2, 0)
    assert single.scores == {"correctness": 7.0}
    assert found.pairs[0].length_ratio == pytest.approx((0.1 + 1) / 2, abs=0.01)
    assert found.pairs[0].comparable == (0, 1, 0)


def test_a_torn_line_is_cut_off_and_a_foreign_one_refused(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept.jsonl")
    kept.begin("1", "single", "t-1")
    whole = kept.path.read_bytes()
    kept.path.write_bytes(whole + b'{"kind": "reply", "val')
    again = Kept(kept.path)
    assert again.begun == {("1", "single"): "t-1"}
    again.begin("2", "single", "t-2")
    assert Kept(kept.path).begun[("2", "single")] == "t-2"
    kept.path.write_bytes(b'{"kind": "party"}\n')
    with pytest.raises(StoreError, match="Line 1 of"):
        Kept(kept.path)


def test_one_process_at_a_time_and_an_ended_study_begins_anew(tmp_path: Path) -> None:
    layout = Layout.at(tmp_path)
    with opened(layout, "same") as kept:
        with pytest.raises(StoreError, match="Another process"), opened(layout, "same"):
            pass
        first = kept.name
        place = kept.end()
    assert place.exists()
    with opened(layout, "same") as kept:
        assert not kept.resumed
        assert kept.name != first


def test_another_judge_or_model_or_question_is_another_study() -> None:
    asked = questions(2)
    names = {
        fingerprint(asked, TWO, "judge"),
        fingerprint(asked[:1], TWO, "judge"),
        fingerprint(asked, [SINGLE, ENSEMBLE], "judge"),
        fingerprint(asked, TWO, "other"),
        fingerprint(asked, [SINGLE, CASCADE.model_copy(update={"setup": "another tree"})], "judge"),
    }
    assert len(names) == 5
    assert fingerprint(questions(2), list(TWO), "judge") in names


async def test_what_the_judge_says_is_in_the_journal(tmp_path: Path) -> None:
    answerers = Answerers(lambda question, via: f"{via} says {question}")
    judge = scripted_judge(lambda parts: verdict("tie"))
    layout, asked = Layout.at(tmp_path), questions(3)
    for _ in range(2):
        # The second finds the replies, and judges again what the first had judged, as after a kill.
        with opened(layout, fingerprint(asked, TWO, "judge")) as kept:
            kept.duels.clear()
            await Comparison(answerers, asked, TWO, judge, kept, layout).run()
    journal = open_journal(tmp_path)
    (conversation,) = journal.conversations()
    assert (conversation.id, conversation.graph, conversation.status) == (kept.name, "compare", "done")
    root, *said = journal.messages(kept.name)
    assert (root.content, root.destination) == ("Question 1?\nQuestion 2?\nQuestion 3?", "judge")
    assert [(one.type, one.source, one.destination, one.metrics != []) for one in said] == [
        ("critique", "judge", "person", True)
    ] * 6
    journal.close()
