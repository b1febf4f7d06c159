"""The tree of messages: every message once, below what it answers, however deep."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from matrioska.cli.journal_tree import Choice, Tree
from matrioska.cli.journal_view import show_branches
from matrioska.state.journal import Message


def _message(number: int, parent: int | None, source: str = "atlas") -> Message:
    return Message(
        id=f"id-{number}",
        conversation="c",
        correlation="id-0",
        parent=None if parent is None else f"id-{parent}",
        type="query" if parent is None else "response",
        source=source,
        destination="nova",
        content="Words. " * 50,
        created=0.0,
        updated=0.0,
        number=number,
    )


@st.composite
def _conversations(draw: st.DrawFn) -> list[Message]:
    count = draw(st.integers(1, 40))
    # A parent that is not there, as after a part was cleared away, has a number below 0.
    parents = [draw(st.one_of(st.integers(-2, number - 1), st.none())) for number in range(count)]
    sources = draw(st.lists(st.sampled_from(["atlas", "sage"]), min_size=count, max_size=count))
    return [_message(number, parents[number], sources[number]) for number in range(count)]


@given(_conversations(), st.sampled_from(["", "sage"]), st.one_of(st.none(), st.integers(0, 5)))
def test_every_message_stands_once_below_what_it_answers(said: list[Message], mind: str, depth: int | None) -> None:
    choice = Choice(mind=mind, depth=depth)
    shown = list(Tree(said).branches(choice))
    place = {branch.message.id: at for at, branch in enumerate(shown)}
    assert len(place) == len(shown)
    for branch in shown:
        above = place.get(branch.message.parent or "")
        assert branch.depth == (0 if above is None else shown[above].depth + 1)
        assert above is None or above < place[branch.message.id]
        assert branch.aside == (not choice.takes(branch.message))
    chosen = {message.id for message in said if choice.takes(message)}
    if depth is None:
        assert chosen <= place.keys()
    elif not mind:
        assert len(shown) + sum(branch.cut for branch in shown) == len(said)


@given(_conversations(), st.integers(20, 120))
def test_no_line_is_wider_than_the_screen(said: list[Message], width: int) -> None:
    out = io.StringIO()
    show_branches(Console(file=out, width=width), list(Tree(said).branches(Choice())))
    lines = out.getvalue().splitlines()
    assert len(lines) == len(said) + 1
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("count", [5_000])
def test_a_conversation_may_be_as_deep_as_it_is_long(count: int) -> None:
    said = [_message(number, number - 1 if number else None) for number in range(count)]
    tree, out = Tree(said), io.StringIO()
    shown = list(tree.branches(Choice()))
    assert [branch.message.number for branch in shown] == list(range(count))
    show_branches(Console(file=out, width=80), shown[-3:])
    assert "⋯4986 " in out.getvalue()
    assert next(iter(tree.branches(Choice(depth=0)))).cut == count - 1
    assert len(list(tree.around(said[-1]))) == count
