"""``--rounds``: how often a critic's findings go back, and what the result says of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.matrioska.cli.conftest import Ended
from tests.support import Author, fenced, file_block, plan, spec

Cli = Callable[..., Ended]
CRITIC = ("--role", "critic=openai:any")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")


def _author() -> Author:
    fault = {"module": "a", "path": "a/a.txt", "message": "Say more."}
    return Author(
        plan(spec("a"), spec("b")),
        {
            "produce a": file_block("a.txt", "0"),
            "mend a": lambda prompt, number: file_block("a.txt", f"{number}"),
            "review": lambda prompt, number: fenced(
                {"findings": [fault | {"message": f"{n}"} for n in range(9 - number)]}
            ),
        },
    )


@pytest.mark.parametrize(("given", "rounds"), [([], 1), (["--rounds", "0"], 0), (["--rounds", "2"], 2)])
def test_rounds_as_asked(cli: Cli, given: list[str], rounds: int) -> None:
    author = _author()
    ended = cli("run", "-t", "one", "--yes", *CRITIC, *given, "Two texts.", author=author)
    assert ended.code == 0
    assert author.asked["mend a"] == rounds
    assert ("review" in ended.out) == bool(rounds)
    assert f"{rounds} round" in ended.out or not rounds


def test_what_remains_is_a_warning_in_the_json(cli: Cli) -> None:
    ended = cli("run", "-t", "one", "--yes", "--json", *CRITIC, "Two texts.", author=_author())
    assert ended.code == 0
    assert {found["severity"] for found in ended.json["findings"]} == {"warning"}
    assert [len(review["findings"]) for review in ended.json["reviews"]] == [8, 7]


@pytest.mark.parametrize("rounds", ["11", "-1", "many"])
def test_a_number_out_of_bounds_is_wrong_use(cli: Cli, rounds: str) -> None:
    ended = cli("run", "--rounds", rounds, "Two texts.")
    assert ended.code == 2
    assert "--rounds" in ended.err
