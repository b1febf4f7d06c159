"""What is shown of the journal, and what is let go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrioska.models.recorder import Voice
from matrioska.state.errors import ConfigError, UsageError
from matrioska.state.results import Usage
from matrioska.state.text import clean_text
from matrioska.store.journal import Asked, Journal, open_journal, retention
from matrioska.store.journal import journal as journals
from matrioska.store.settings import CONFIG_FILE
from tests.postgres import new_database
from tests.store.journal.conftest import called, scope_of


def test_messages_after_a_number(journal: Journal) -> None:
    for step in "abc":
        with scope_of(journal, step) as scope:
            scope.call(called(step), Voice())
    everything = journal.messages("c")
    assert [message.content for message in everything[1:]] == ["a", "b", "c"]
    assert journal.messages("c", after=everything[1].number) == everything[2:]
    assert all(len(message.metrics) == 1 for message in everything[1:])
    assert journal.messages("nobody") == []


def test_a_part_of_the_messages(journal: Journal) -> None:
    for step, source, destination in (("a", "x", "boss"), ("b", "y", "boss"), ("c", "boss", "x")):
        with scope_of(journal, step) as scope:
            scope.call(called(step * 1_000), Voice(source=source, destination=destination))
    everything = journal.messages("c")
    assert [message.content[0] for message in journal.messages("c", party="x")] == ["a", "c"]
    assert journal.messages("c", most=2) == everything[:2]
    assert journal.messages("c", everything[0].number, most=2) == everything[1:3]
    for short, whole in zip(journal.messages("c", brief=True), everything, strict=True):
        assert (short.content, short.context) == (whole.content[:400], {})
        assert short.model_copy(update={"content": whole.content, "context": whole.context}) == whole


def test_heads_are_conversations_without_counts(five: Journal) -> None:
    bare = {"messages": 0, "tokens": 0, "cost": 0.0}
    whole = {found.id: found.model_copy(update=bare) for found in five.conversations()}
    assert len(whole) == 5
    assert five.heads([*whole, "none"]) == whole
    one = min(whole)
    assert five.heads([one]) == {one: whole[one]}
    assert five.heads([]) == {}
    assert five.latest() == {id: (head.graph, head.updated) for id, head in whole.items()}


def test_what_answers_a_message(journal: Journal) -> None:
    with scope_of(journal) as scope:
        first = scope.note("delegation", "first")
        scope.call(called("answer"), Voice(parent=first))
        scope.note("status", "second")
    assert [message.content for message in journal.children(scope.root)] == ["first", "second"]
    assert [message.content for message in journal.children(first)] == ["answer"]


def test_what_each_one_took(journal: Journal) -> None:
    with scope_of(journal, source="atlas") as scope:
        scope.note("status", "begun")
        scope.call(called(), Voice(source="nova"))
        scope.call(called(), Voice(source="nova"))
        scope.call(called("", error="model", usage=Usage(calls=1, seconds=2.0)), Voice(source="nova"))
    person, atlas, nova = journal.metrics("c")
    assert (person.source, person.calls, atlas.source, atlas.messages, atlas.calls) == ("person", 0, "atlas", 1, 0)
    assert (nova.source, nova.messages, nova.calls, nova.errors) == ("nova", 3, 3, 1)
    assert (nova.input_tokens, nova.output_tokens, nova.seconds, nova.cost) == (6, 8, 3.0, 0.5)


def test_conversations_with_their_counts_the_latest_first(journal: Journal) -> None:
    for conversation, calls in (("old", 1), ("new", 2)):
        with scope_of(journal, conversation=conversation, root=Asked(f"About\n{conversation}?")) as scope:
            for _ in range(calls):
                scope.call(called(), Voice())
    new, old = journal.conversations()
    assert (new.id, new.title, new.messages, new.tokens, new.cost) == ("new", "About new?", 3, 14, 0.5)
    assert (old.id, old.messages, old.tokens) == ("old", 2, 7)


@pytest.fixture
def five(journal: Journal) -> Journal:
    """Conversations 0 to 4, of which 3 is still open."""
    for name in "01234":
        with scope_of(journal, conversation=name) as scope:
            scope.call(called("x" * 100_000), Voice())
        if name != "3":
            journal.settle(name)
    return journal


def _left(journal: Journal) -> str:
    return "".join(sorted(conversation.id for conversation in journal.conversations()))


def test_prune_by_number(five: Journal) -> None:
    assert five.prune(keep=2, dry=True) == 3
    assert _left(five) == "01234"
    assert five.prune(keep=2) == 3
    assert _left(five) == "34"
    assert five.prune(keep=0) == 1
    assert _left(five) == "3", "what is open stays"
    assert five.prune(keep=0, unfinished=True) == 1
    assert five.conversations() == []
    with scope_of(five, conversation="0") as scope:
        scope.note("status", "there again")
    assert len(five.messages("0")) == 2


def test_prune_by_age(five: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert five.prune(older_than=timedelta(hours=1)) == 0
    now = retention.time.time()
    monkeypatch.setattr(retention.time, "time", lambda: now + 7200)
    assert five.prune(older_than=timedelta(hours=1), keep=1) == 3
    assert _left(five) == "34"


def test_prune_one(five: Journal) -> None:
    assert five.prune(conversation="1") == 1
    assert five.prune(conversation="1") == 0
    with pytest.raises(UsageError, match="is open"):
        five.prune(conversation="3")
    assert five.prune(conversation="3", unfinished=True) == 1
    assert _left(five) == "024"


def test_prune_a_long_chain_of_answers(journal: Journal) -> None:
    with scope_of(journal) as scope:
        parent = ""
        for _ in range(1_500):
            parent = scope.note("iteration", "again", parent=parent)
        scope.settle()
    assert journal.prune(conversation="c") == 1
    assert journal.messages("c") == []


@pytest.mark.parametrize("wish", [{}, {"keep": -1}, {"older_than": timedelta(-1)}])
def test_prune_wants_to_know_what(journal: Journal, wish: dict[str, int]) -> None:
    with scope_of(journal):
        pass
    with pytest.raises(UsageError):
        journal.prune(**wish)  # type: ignore[arg-type]


def test_a_pruned_file_is_smaller(five: Journal, address: str | Path) -> None:
    if not isinstance(address, Path):
        # A server keeps its own house.
        assert five.prune(keep=1, unfinished=True) == 4
        return
    five.close()
    before = address.stat().st_size
    five.prune(keep=1, unfinished=True)
    five.close()
    assert address.stat().st_size < before / 3


def test_looking_makes_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", tmp_path / "pending")
    assert (journal.messages("c"), journal.conversations(), journal.metrics("c")) == ([], [], [])
    assert journal.prune(keep=0) == 0
    journal.close()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Journal]]:
    folder = tmp_path_factory.mktemp("both")
    with new_database() as url:
        made = [Journal(folder / "journal.sqlite", folder / "one"), Journal(url, folder / "two")]
        yield made
        for journal in made:
            journal.close()


_TEXT = st.text(st.characters(), max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.lists(st.tuples(_TEXT, _TEXT, _TEXT, _TEXT), max_size=4),
    details=st.dictionaries(
        _TEXT, st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | _TEXT, st.lists)
    ),
    asked=_TEXT,
    step=st.text(st.characters(), max_size=400),
)
def test_whatever_is_said_is_kept_everywhere(
    both: list[Journal], words: list[tuple[str, str, str, str]], details: dict[str, object], asked: str, step: str
) -> None:
    for journal in both:
        with scope_of(journal, step, root=Asked(asked)) as scope:
            for source, destination, content, key in words:
                scope.note("status", content, source=source, destination=destination, key=key, details=details)
                scope.call(called(content, model=source, error=key), Voice(source=source, destination=destination))
        assert journal.trouble is None
    first, second = ([(m.id, m.content, m.source, m.processing) for m in journal.messages("c")] for journal in both)
    assert first == second
    assert {clean_text(content) for _, _, content, _ in words if content} <= {content for _, content, _, _ in first} | {
        ""
    }
    for journal in both:
        journal.prune(keep=0, unfinished=True)


def test_the_settings_say_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = open_journal(tmp_path)
    assert default is open_journal(tmp_path)
    assert default.address == str(tmp_path / "matrioska_checkpoints" / "journal.sqlite")
    Path(CONFIG_FILE).write_text('journal = "off"')
    assert not open_journal(tmp_path).keeps
    monkeypatch.setenv("MATRIOSKA_JOURNAL", f"sqlite:///{tmp_path}/other.sqlite")
    other = open_journal(tmp_path)
    with scope_of(other) as scope:
        scope.note("status", "said")
    assert (other.address, len(other.messages("c"))) == (str(tmp_path / "other.sqlite"), 2)
    other.close()
    monkeypatch.setenv("MATRIOSKA_JOURNAL", "postgres://me:s3cr3t@localhost:5433/house?sslmode=require&password=s3cr3t")
    assert open_journal(tmp_path).address == "postgresql://me@localhost:5433/house"


def test_faulty_settings_are_told(tmp_path: Path) -> None:
    Path(CONFIG_FILE).write_text("journal = 7")
    with pytest.raises(ConfigError, match="journal"):
        open_journal(tmp_path)


def test_each_process_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_journal(tmp_path)
    monkeypatch.setattr(journals.os, "getpid", lambda: 0)
    assert open_journal(tmp_path) is not first
