"""When two answers count as one: never on a doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.state.errors import ModelUnavailableError
from matrioska.workers.ensemble.agreement import Meaning, groups, is_short, normalised

SAME = [
    ("42", "The answer is 42."),
    ("**42**", "42.0"),
    ("1,000", "1000"),
    ("1,000", "1000.0"),
    ("1.234.567,50", "1,234,567.5"),
    ("3,5 kg", "3.5kg"),
    ("-5", "−5"),
    ("$x = 7$", "x = 7"),
    ("\\boxed{12}", "12"),
    ("#### 42", "42"),
    ("Paris", "paris."),
    ("São Paulo", "Sao Paulo"),
    ("The Nile", "Nile"),
    ("A resposta é: o Nilo.", "Nilo"),
    ("Resposta final: sim", "Sim!"),
    ("Yes", "yes."),
    ("Yes", "Sim"),
    ("No", "Não"),
    ("three", "3"),
    ("(B)", "b"),
    ("U.S.", "US"),
    ("- apples\n- pears", "Apples, pears"),
    ("[Paris](https://example.org)", "Paris"),
    ("`42`", "42"),
    ("0.50", ".5"),
]
APART = [
    ("Yes", "No"),
    ("Sim", "Não"),
    ("Sim", "No"),
    ("true", "false"),
    ("42", "43"),
    ("-5", "5"),
    ("5 km", "5 m"),
    ("5 %", "5"),
    ("$5", "€5"),
    ("10", "100"),
    ("1.000", "1"),
    ("1.000", "1000"),
    ("1/2", "12"),
    ("10:30", "1030"),
    ("2 3", "23"),
    ("option A", "option B"),
    ("option A", "option"),
    ("C", "C++"),
    ("C", "C#"),
    ("a*b", "ab"),
    ("x < 3", "x > 3"),
    ("not allowed", "allowed"),
    ("", "no"),
]


@pytest.mark.parametrize(("a", "b"), SAME)
async def test_short_answers_that_are_the_same(a: str, b: str) -> None:
    assert normalised(a) == normalised(b)
    assert await Meaning().similarity(a, b) == 1.0


@pytest.mark.parametrize(("a", "b"), APART)
async def test_short_answers_that_are_not(a: str, b: str) -> None:
    assert normalised(a) != normalised(b)
    assert not await Meaning().agree(a, b)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("42", True),
        ("Yes.", True),
        ("Ludwig van Beethoven", True),
        ("Eight words are as much as a name.", True),
        ("We multiply six by seven, as was asked for, and so we are done. The answer is 42.", True),
        ("The river is long, and it flows through many countries before it meets the sea.", False),
        ("```python\nx = 1\ny = 2\n```", False),
        ("", False),
        ("…", False),
    ],
)
def test_what_counts_as_short(text: str, short: bool) -> None:
    assert is_short(text) is short


LONG_SAME = [
    (
        "Photosynthesis is how plants turn light, water and carbon dioxide into sugar and oxygen.",
        "In photosynthesis plants use light to turn carbon dioxide and water into oxygen and sugar.",
    ),
    (
        "A fotossíntese é o processo pelo qual as plantas transformam luz, água e gás carbônico em açúcar.",
        "As plantas transformam luz, água e gás carbônico em açúcar: esse processo é a fotossíntese.",
    ),
    ("We multiply 6 by 7, and get what was asked for in the end. So the answer is 42.", "42"),
    (
        "A capital fica no centro do país, em Brasília, no planalto central.",
        "A capital fica em Brasília, no planalto central, no centro do país.",
    ),
]
LONG_APART = [
    (
        "The battle took place in 1815 near a village in Belgium, and ended an era.",
        "The battle took place in 1812 near a village in Belgium, and ended an era.",
    ),
    (
        "This medicine is safe for children under the age of twelve years.",
        "This medicine is not safe for children under the age of twelve years.",
    ),
    (
        "Este medicamento é seguro para crianças menores de doze anos de idade.",
        "Este medicamento não é seguro para crianças menores de doze anos de idade.",
    ),
    (
        "The committee met for a long debate. It can change the plan before spring comes.",
        "The committee met for a long debate. It can't change the plan before spring comes.",
    ),
    (
        "Yes, the theorem holds for every field of that characteristic in general.",
        "No, the theorem holds for every field of that characteristic in general.",
    ),
    (
        "The heart pumps blood through the body by contracting in a steady rhythm.",
        "Lungs exchange oxygen with the air in tiny sacs that are called alveoli.",
    ),
    ("```python\ndef f(a):\n    return a[0] < 1\n```", "```python\ndef f(a):\n    return a[0] <= 1\n```"),
]


@pytest.mark.parametrize(("a", "b"), LONG_SAME)
async def test_long_answers_that_say_the_same(a: str, b: str) -> None:
    assert await Meaning().agree(a, b)


@pytest.mark.parametrize(("a", "b"), LONG_APART)
async def test_long_answers_that_do_not(a: str, b: str) -> None:
    assert not await Meaning().agree(a, b)
    assert not await Meaning().agree(b, a)


async def test_code_is_the_same_only_as_it_is_written() -> None:
    code = "Here:\n```python\ndef f(a):\n    return a\n```"
    assert await Meaning().agree(code, "```py\ndef f(a):   \n\n    return a\n```\nThat is all.")


class Vectors:
    """An embedder that gives every text one direction, or fails."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails = fails
        self.asked: list[list[str]] = []

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked.append(list(texts))
        if self.fails:
            raise ModelUnavailableError("The embedder is down.")
        return [[1.0, 0.0] for _ in texts]


async def test_with_an_embedder_its_vectors_decide_but_for_contradictions() -> None:
    meaning = Meaning(Vectors())
    a, b = LONG_APART[5]
    assert await meaning.similarity(a, b) == 1.0
    for a, b in LONG_APART[:5]:
        assert not await meaning.agree(a, b)


async def test_each_text_is_embedded_once() -> None:
    vectors = Vectors()
    meaning = Meaning(vectors)
    texts = [text for pair in LONG_SAME[:2] for text in pair]
    await groups(texts, meaning)
    await groups(texts, meaning)
    assert [text for asked in vectors.asked for text in asked] == texts


async def test_short_answers_need_no_embedder() -> None:
    vectors = Vectors()
    assert not await Meaning(vectors).agree("Paris", "Rome")
    assert vectors.asked == []


async def test_an_embedder_that_fails_is_given_up_and_noted() -> None:
    vectors = Vectors(fails=True)
    meaning = Meaning(vectors)
    assert await meaning.agree(*LONG_SAME[0])
    assert await meaning.agree(*LONG_SAME[1])
    assert (meaning.fault, len(vectors.asked)) == ("The embedder is down.", 1)


@pytest.mark.parametrize("vectors", [[], [[1.0]], [[1.0], [1.0, 0.0]], [[1.0], [1.0], [1.0]]])
async def test_an_embedder_that_answers_with_something_else_is_given_up(vectors: list[list[float]]) -> None:
    class Odd:
        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            return vectors

    meaning = Meaning(Odd())
    assert await meaning.agree(*LONG_SAME[0])
    assert "The embedder made" in meaning.fault


async def test_vectors_that_are_no_longer_kept_are_made_again() -> None:
    vectors = Vectors()
    meaning = Meaning(vectors)
    a, b = LONG_APART[5]
    assert await meaning.similarity(a, b) == 1.0
    await meaning.prepare([f"{a} {number}" for number in range(1_000)])
    again = f"{b} Again."
    await meaning.similarity(a, again)
    assert vectors.asked[0] == [a, b]
    assert vectors.asked[-1] == [a, again]


async def test_groups_of_short_answers() -> None:
    said = ["42", "The answer is 42.", "forty", "43", "42.0", ""]
    assert await groups(said, Meaning()) == [[0, 1, 4], [2], [3], [5]]
    assert await groups([], Meaning()) == []


class Table(Meaning):
    """Nearness as it is written down; what is not is 0."""

    def __init__(self, near: dict[str, float]) -> None:
        super().__init__()
        self.near = near

    async def similarity(self, a: str, b: str) -> float:
        return self.near.get("".join(sorted((a, b))), 0.0)


async def test_a_chain_of_likenesses_is_no_group() -> None:
    # The nearest two join; the third is like one of them only.
    assert await groups(["a", "b", "c"], Table({"ab": 0.7, "bc": 0.9})) == [[0], [1, 2]]
    assert await groups(["a", "b", "c"], Table({"ab": 0.7, "bc": 0.9, "ac": 0.65})) == [[0, 1, 2]]


ANSWERS = st.lists(
    st.sampled_from(
        ["42", "42.0", "43", "Paris", "paris", "", *(text for pair in LONG_SAME + LONG_APART for text in pair)]
    ),
    max_size=8,
)


@given(ANSWERS)
@settings(max_examples=40, deadline=None)
async def test_groups_are_a_partition_in_which_all_agree(answers: list[str]) -> None:
    meaning = Meaning()
    found = await groups(answers, meaning)
    assert sorted(place for group in found for place in group) == list(range(len(answers)))
    for group in found:
        for a, b in combinations(group, 2):
            assert await meaning.agree(answers[a], answers[b])


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=200, deadline=None)
async def test_any_two_texts_can_be_compared_either_way(a: str, b: str) -> None:
    meaning = Meaning()
    near = await meaning.similarity(a, b)
    assert 0.0 <= near <= 1.0
    assert near == pytest.approx(await meaning.similarity(b, a))
    assert await meaning.similarity(a, a) == 1.0


async def test_an_embedder_is_given_the_beginning_of_an_endless_text() -> None:
    vectors = Vectors()
    await Meaning(vectors).similarity("word " * 100_000 + "one", "word " * 100_000 + "two")
    assert {len(text) for asked in vectors.asked for text in asked} == {20_000}


@pytest.mark.parametrize("part", ["\n \n", "```\n", "[a](", "$a", "*", "1,", "answer is ", "e\u0301", "\\boxed{"])
async def test_hostile_texts_take_no_endless_time(part: str) -> None:
    text = part * (40_000 // len(part))
    assert await Meaning().similarity(text, f"{text}x") <= 1.0


def test_of_several_blocks_of_code_those_of_one_line_are_left_out() -> None:
    assert normalised("```\nx\n```\nand then\n```\na\nb\n```") == "a\nb"


@pytest.mark.parametrize("hostile", ["```\n" + "\n" * 300_000, "`" * 300_000, "~" * 300_000])
def test_an_answer_of_marks_alone_is_read_at_once(hostile: str) -> None:
    """By a pattern that goes back over what it has read, this would take minutes."""
    assert normalised(hostile) == ""


def _long(subject: str) -> str:
    return " ".join(f"The {subject} number {place} is said to be of great importance." for place in range(40))


async def test_others_go_on_while_long_answers_are_compared() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await groups([_long(subject) for subject in ("river", "mountain", "island", "desert")], Meaning())
    task.cancel()
    assert turns > 0


async def test_two_answers_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, to_thread = list[object](), asyncio.to_thread

    async def counting(*args: object) -> object:
        compared.append(args)
        return await to_thread(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "to_thread", counting)
    meaning, answers = Meaning(), [_long(subject) for subject in ("river", "mountain", "island")]
    for count in (2, 3, 3):
        await groups(answers[:count], meaning)
    assert len(compared) == 3
