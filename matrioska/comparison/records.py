"""What a study consists of and brings. Plain JSON, one line each in the file that is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from matrioska.i18n import N_
from matrioska.state.questions import Answered, Via
from matrioska.state.results import Usage

#: Longest answer that judge and report are shown, in characters.
SHOWN = 20_000
#: The ways, as sentences call them.
NAMES: dict[Via, str] = {
    "single": N_("the single model"),
    "cascade": N_("the cascade"),
    "ensemble": N_("the ensemble"),
}

Place = Literal["A", "B"]


class StudyQuestion(BaseModel):
    """One question."""

    model_config = ConfigDict(frozen=True)

    id: str
    """As the file names it, else its number."""
    text: str
    reference: str = ""
    """The right answer, where the file has it."""


class WayReply(BaseModel):
    """What one way brought for one question."""

    question: str
    via: Via
    answered: Answered | None = None
    """None when it failed."""
    error: str = ""
    """Why it failed."""

    @property
    def text(self) -> str:
        """The answer; '' when there is none."""
        return self.answered.text.strip() if self.answered else ""


class Scores(BaseModel):
    """What the judge gives an answer, from 1 (poor) to 10; None where it said nothing."""

    correctness: Annotated[int, Field(ge=1, le=10)] | None = None
    completeness: Annotated[int, Field(ge=1, le=10)] | None = None
    clarity: Annotated[int, Field(ge=1, le=10)] | None = None


class Opinion(BaseModel):
    """What the judge said of two answers in one order."""

    first: Via
    """Whose answer was called A."""
    second: Via
    verdict: Literal["A", "B", "tie"] | None = None
    """None when the judge gave none that can be read."""
    reason: str = ""
    a: Scores = Field(default_factory=Scores)
    b: Scores = Field(default_factory=Scores)
    by: str = ""
    """Model that judged; '' when none could be reached."""
    failure: str = ""
    """Why there is no verdict."""
    usage: Usage = Field(default_factory=Usage)

    @property
    def prefers(self) -> Via | None:
        """Whose answer it finds better; None for a tie, and without a verdict."""
        return {"A": self.first, "B": self.second}.get(self.verdict or "")


class Duel(BaseModel):
    """What came of two answers to one question."""

    question: str
    one: Via
    other: Via
    outcome: Literal["win", "tie", "loss", "none"]
    """Of ``one``; ``none``: there is no verdict."""
    how: Literal["judged", "contradiction", "identical", "unanswered"]
    """``contradiction``: what was better depended on the order. ``identical`` and ``unanswered`` needed no judge."""
    opinions: list[Opinion] = Field(default_factory=list)
    """In both orders; empty where no judge was needed."""

    @property
    def biased(self) -> Place | None:
        """The place that the judge preferred whoever stood there; None for any other outcome."""
        verdicts = {opinion.verdict for opinion in self.opinions}
        return "A" if verdicts == {"A"} else "B" if verdicts == {"B"} else None

    @property
    def unreached(self) -> bool:
        """Whether there is no verdict because no judge could be reached."""
        return self.outcome == "none" and any(not opinion.by for opinion in self.opinions)


class Contestant(BaseModel):
    """One way, as it took part."""

    model_config = ConfigDict(frozen=True)

    via: Via
    models: tuple[str, ...]
    """Every model that may speak in it, by name."""
    setup: str = ""
    """Digest of its tree of minds, and of its nodes: with others it is another contestant."""
