"""Budgets on the command line: said what was spent, raised in every way, ended."""

from __future__ import annotations

import pytest

from matrioska.cli.budget_view import read_limit
from matrioska.cli.given import read_duration
from matrioska.i18n import speaking_everywhere
from matrioska.state.errors import UsageError
from tests.support import Author, chain

ASK = "[l]ater  > "


def _begin(cli, author: Author, *more: str):
    return cli("run", "-t", "one", "-y", *more, "Do it.", author=author)


def test_a_used_up_budget_waits_even_with_yes_and_says_how_to_go_on(cli) -> None:
    author = Author(chain(3))
    ended = _begin(cli, author, "--budget-tokens", "800")
    assert ended.code == 3
    assert "The budget is used up" in ended.err
    assert "matrioska resume one --budget-tokens N" in ended.err
    again = cli("resume", "one", "-y", author=author)
    assert again.code == 3
    made = author.calls()
    raised = cli("resume", "one", "--budget-tokens", "1000000", "--json", author=author)
    assert (raised.code, raised.json["status"]) == (0, "complete")
    assert not set(made) & set(author.calls())


def test_as_json_it_says_what_was_spent(cli) -> None:
    ended = _begin(cli, Author(chain(3)), "--budget-tokens", "800", "--json")
    (waiting,) = ended.json["waiting"]
    args = waiting["action_requests"][0]["args"]
    assert waiting["kind"] == "budget"
    assert (args["budget_tokens"], args["reached"]) == (800, ["budget_tokens"])
    assert args["spent"]["tokens"] >= 800


def test_approve_allows_as_much_again_and_reject_ends(cli) -> None:
    author = Author(chain(3))
    _begin(cli, author, "--budget-tokens", "800")
    assert cli("resume", "one", "--approve", author=author).code in (0, 3)
    code = 3
    while code == 3:
        code = cli("resume", "one", "--reject", author=author).code
    assert code in (0, 1)


@pytest.mark.parametrize(
    "words",
    [["--budget-tokens", "0"], ["--budget-cost", "-1"], ["--timeout", "soon"], ["--timeout", "0"]],
    ids=" ".join,
)
def test_a_limit_that_is_none_is_refused_before_anything_begins(cli, words: list[str]) -> None:
    author = Author(chain(3))
    ended = _begin(cli, author, *words)
    assert ended.code == 2
    assert words[0] in ended.err or "time" in ended.err
    assert author.calls() == []


def test_a_budget_in_dollars_wants_a_price(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    ended = cli("run", "-M", "openai:nobody-knows-this-one", "--budget-cost", "1", "Do it.")
    assert ended.code == 2
    assert "price of openai:nobody-knows-this-one is not known" in ended.err
    assert "input_price" in ended.err
    assert cli("run", "-t", "one", "-y", "--budget-cost", "1", "Do it.", author=Author(chain(2))).code == 0


def test_on_a_terminal_it_is_raised_in_place(terminal) -> None:
    shown = terminal("run", "-t", "one", "-y", "--budget-tokens", "800", "Do it.", CHILD_AUTHOR="chain")
    shown.wait_for("The budget is used up")
    shown.wait_for(ASK)
    shown.type("s\n")
    shown.wait_for("New limit")
    shown.type("plenty\n")
    shown.wait_for("A limit is a number above 0, such as 200,000.")
    shown.wait_for(ASK)
    shown.type("e\n")
    shown.wait_for("End here?")
    shown.type("n\n")
    shown.wait_for(ASK)
    shown.type("s\n")
    shown.wait_for("New limit")
    shown.type("1,000,000\n")
    shown.wait_for("3 of 3 done")
    assert shown.end() == 0


@pytest.mark.parametrize(
    ("given", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("10m", 600), ("2H", 7200), ("1h30m5s", 5405)]
)
def test_times(given: str, seconds: float) -> None:
    assert read_duration(given) == seconds


@pytest.mark.parametrize("given", ["", "0", "m", "10x", "-5", "1m1h"])
def test_what_is_no_time(given: str) -> None:
    with pytest.raises(UsageError, match="is not a time"):
        read_duration(given)


@pytest.mark.parametrize(
    ("language", "typed", "limit"),
    [
        ("en", "200000", 200_000),
        ("en", "200,000", 200_000),
        ("en", "1,234.5", 1234.5),
        ("en", "2.5", 2.5),
        ("pt_BR", "200.000", 200_000),
        ("pt_BR", "1.234,5", 1234.5),
        ("pt_BR", "2,5", 2.5),
        ("pt_BR", "2.5", 2.5),
        *((language, typed, None) for language in ("en", "pt_BR") for typed in ("0", "-1", "1e9", "many", "1 2", "٣")),
        *(("en", typed, None) for typed in ("2,5", "1,00,000", "nan", "9" * 400)),
    ],
)
def test_limits_are_read_as_the_language_writes_them(language: str, typed: str, limit: float | None) -> None:
    with speaking_everywhere(language):
        assert read_limit(typed) == limit
