"""Worlds in which it is known which way answers better, and a judge that sees it, or is biased."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from matrioska.comparison.judge import Judge
from matrioska.comparison.records import StudyQuestion
from matrioska.models.gateway import client_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.errors import CascadeError, MatrioskaError, ThreadNotFoundError
from matrioska.state.fences import read_fences
from matrioska.state.questions import Answered, Estimate, Via
from matrioska.state.results import Usage


@dataclass
class Answerers:
    """Ways that answer by a function of question and way; the shape of `matrioska.questions.Questions`."""

    says: Callable[[str, Via], str | Exception]
    given: tuple[Via, ...] = ("single", "cascade")
    asked: list[tuple[str, Via]] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    saved: dict[str, tuple[str, Via]] = field(default_factory=dict)
    """Threads that can be resumed."""

    async def ask(self, question: str, via: Via, *, thread_id: str | None = None) -> Answered:
        self.asked.append((question, via))
        text = self.says(question, via)
        if isinstance(text, Exception):
            raise text
        usage = Usage(calls=1 if via == "single" else 6, input_tokens=40, output_tokens=10, seconds=0.5)
        return Answered(via=via, text=text, usage=usage, seconds=1.5, thread_id=thread_id or "")

    async def resume(self, thread_id: str) -> Answered:
        self.resumed.append(thread_id)
        if thread_id not in self.saved:
            raise ThreadNotFoundError(thread_id)
        return Answered(via="cascade", text=f"resumed {thread_id}")

    def estimate(self, question: str, via: Via) -> Estimate:
        calls = 1 if via == "single" else 20
        return Estimate(via=via, calls=calls, input_tokens=100 * calls, output_tokens=50 * calls, cost=0.001 * calls)

    def ways(self) -> tuple[Via, ...]:
        return self.given


def scripted_judge(decide: Callable[[dict[str, str]], str | Exception]) -> Judge:
    """Return a judge that answers by a function of the prompt's fenced parts."""
    return Judge(client_of(ScriptedChatModel(script=lambda stage, module, prompt: decide(read_fences(prompt)))))


def verdict(word: str, reason: str = "It is right.", **more: object) -> str:
    """Return a judge's answer."""
    return json.dumps({"reason": reason, "verdict": word, **more})


def grade(text: str) -> int:
    """Return how good an answer of these worlds is: it says so at its end."""
    return int(text.rpartition(" ")[2])


@dataclass
class World:
    """Answers with a hidden grade, and a judge that sees it; with the chance ``bias`` it takes what stands first.

    Args:
        wins, ties: chances that the cascade's answer to a question is better, or as good.
        bias: chance that the judge does not look at the answers to a question.
        failing: chance that the cascade has no answer.
    """

    seed: int
    wins: float
    ties: float = 0.0
    bias: float = 0.0
    failing: float = 0.0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._fates: dict[str, tuple[int, bool, bool]] = {}

    def _fate(self, question: str) -> tuple[int, bool, bool]:
        """Return the grade of the cascade's answer (the other's is 2), whether it fails, whether the judge is blind."""
        if question not in self._fates:
            draw = self._random.random()
            mark = 3 if draw < self.wins else 2 if draw < self.wins + self.ties else 1
            self._fates[question] = mark, self._random.random() < self.failing, self._random.random() < self.bias
        return self._fates[question]

    @property
    def truth(self) -> float:
        """The preference for the single model that studies estimate: an answer judged blindly counts half."""
        seen = self.bias / 2 + (1 - self.bias) * (self.wins + self.ties / 2)
        return 1 - (1 - self.failing) * seen

    def questions(self, number: int) -> list[StudyQuestion]:
        return [StudyQuestion(id=str(place), text=f"Question {place}?") for place in range(1, number + 1)]

    def answerers(self) -> Answerers:
        def says(question: str, via: Via) -> str | MatrioskaError:
            mark, fails, _ = self._fate(question)
            if via == "cascade" and fails:
                return CascadeError("No mind could answer.")
            return f"The {via} says {mark if via == 'cascade' else 2}"

        return Answerers(says)

    def judge(self) -> Judge:
        def decide(parts: dict[str, str]) -> str:
            a, b = grade(parts["answer_a"]), grade(parts["answer_b"])
            if self._fate(parts["question"])[2]:
                return verdict("A")
            return verdict("A" if a > b else "B" if b > a else "tie")

        return scripted_judge(decide)


def drawn(seed: int, number: int, wins: float, ties: float) -> tuple[int, int, int]:
    """Return wins, ties and losses of a study of so many questions."""
    chooser = random.Random(seed)
    ends: Sequence[int] = chooser.choices((0, 1, 2), (wins, ties, 1 - wins - ties), k=number)
    return ends.count(0), ends.count(1), ends.count(2)
