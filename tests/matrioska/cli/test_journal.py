"""journal: reading what was said, following it, and clearing it away."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from matrioska.cli.journal import read_age
from matrioska.models.meter import CallRecord
from matrioska.models.recorder import Voice
from matrioska.state.errors import UsageError
from matrioska.state.journal import MessageType
from matrioska.state.results import Usage
from matrioska.store.journal import Asked, Journal, Scope, open_journal
from matrioska.store.layout import Layout

_QUESTION = "Why is the sky blue?"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Journal]:
    """Return the journal of this folder."""
    Layout.at(tmp_path).prepare()
    journal = open_journal(tmp_path)
    yield journal
    journal.close()


def _scope(journal: Journal, conversation: str, question: str = _QUESTION) -> Scope:
    root = Asked(question, "person", "atlas")
    return journal.scope(conversation, "s", graph="cascade", turn="t", root=root, source="atlas", destination="person")


def _call(
    scope: Scope, type: MessageType, way: str, text: str, parent: str = "", *, error: str = "", seconds: float = 1.0
) -> str:
    source, destination = way.split(">")
    usage = Usage(calls=1, input_tokens=1000, output_tokens=200, seconds=seconds, cost=0.25)
    prompt = (SystemMessage(f"You are {source}."), HumanMessage("Think."))
    return scope.call(CallRecord("openai:big", usage, error, prompt, text), Voice(type, source, destination, parent))


@pytest.fixture
def sky(kept: Journal) -> str:
    """Keep a conversation of a small tree, one of whose minds fails; return its id."""
    with _scope(kept, "sky") as scope:
        _call(scope, "expansion", "atlas>atlas", "Two sides.")
        nova = scope.note("delegation", "What says physics?", source="atlas", destination="nova", status="open")
        echo = scope.note("delegation", "The eye?", source="nova", destination="echo", parent=nova, status="open")
        _call(scope, "error", "echo>nova", "", echo, error="model_unavailable")
        scope.close(echo, "failed")
        _call(scope, "response", "nova>atlas", "Short waves scatter.\nWithout Echo.", nova, seconds=75.0)
        scope.close(nova)
        scope.note("delegation", "What says a poet?", source="atlas", destination="sage", status="open")
    return "sky"


@pytest.fixture(autouse=True)
def _eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def _screen(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def test_an_id_stays_whole_in_a_narrow_list(cli, kept: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = "how-could-a-small-library-a098"
    with _scope(kept, thread) as scope:
        _call(scope, "expansion", "atlas>atlas", "Two sides.")
    heads = {}
    for width in (120, 80, 60):
        monkeypatch.setenv("COLUMNS", str(width))
        head, row = _screen(cli("journal").out)
        assert row.startswith(thread)
        assert len(row) <= width
        heads[width] = head.split()
    assert heads[120] == ["conversation", "graph", "status", "messages", "tokens", "changed", "title"]
    assert heads[80] == ["conversation", "graph", "status", "tokens", "changed"]
    assert heads[60] == ["conversation", "status", "changed"]


def test_the_tree(cli, sky: str) -> None:
    shown = _screen(cli("journal", sky).out)
    assert shown[:3] == ["sky  cascade  open", _QUESTION, ""]
    assert shown[3:11] == [
        " no   message                                                       time  tokens",
        "  1   query person → atlas  Why is the sky blue?",
        "  2   ├ expansion atlas → atlas  Two sides.                        1.0 s   1,200",
        "  3   ├ delegation atlas → nova  What says physics?",
        "  4 ✗ │ ├ delegation nova → echo  The eye?",
        "  5 ✗ │ │ └ error echo → nova  No answer came (model_unavai…       1.0 s   1,200",
        "  6   │ └ response nova → atlas  Short waves scatter. Witho…  1 min 15 s   1,200",
        "  7 ◌ └ delegation atlas → sage  What says a poet?",
    ]  # fmt: skip
    assert "7 messages · 3 calls · 3,600 tokens (3,000 in, 600 out) · $0.7500" in " ".join(shown)
    assert "1 open · 2 failed" in " ".join(shown)


def _numbers(shown: str) -> list[int]:
    found = [line[:3].strip() for line in shown.splitlines()]
    return [int(number) for number in found if number.isdigit()]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        (["--type", "error"], [1, 3, 4, 5]),
        (["--type", "error", "--type", "expansion"], [1, 2, 3, 4, 5]),
        (["--mind", "SAGE"], [1, 7]),
        (["--mind", "echo", "--type", "delegation"], [1, 3, 4]),
        (["--mind", "nobody"], []),
        (["--depth", "1"], [1, 2, 3, 7]),
        (["--limit", "2"], [1, 2]),
        (["--limit", "0"], [1, 2, 3, 4, 5, 6, 7]),
        (["--message", "3"], [1, 3, 4, 6]),
    ],
)
def test_a_part_of_the_tree_keeps_what_leads_there(cli, sky: str, options: list[str], numbers: list[int]) -> None:
    ended = cli("journal", sky, *options)
    assert ended.code == 0
    assert _numbers(ended.out) == numbers


def test_what_is_left_out_is_said(cli, sky: str) -> None:
    assert "├ (+3 below) delegation atlas → nova" in cli("journal", sky, "--depth", "1").out
    assert "… and 5 lines more: --limit 0" in cli("journal", sky, "--limit", "2").err
    assert "No message is of that kind." in cli("journal", sky, "--mind", "nobody").err


def test_whole_texts_and_prompts(cli, sky: str) -> None:
    shown = _screen(cli("journal", sky, "--full", "--prompts", "--mind", "nova").out)
    at = next(place for place, line in enumerate(shown) if "response nova" in line)
    assert [line.strip() for line in shown[at + 1 : at + 5]] == [
        "system: You are nova.", "user: Think.", "Short waves scatter.", "Without Echo.",
    ]  # fmt: skip


def test_one_message(cli, sky: str, kept: Journal) -> None:
    message = kept.messages(sky)[5]
    for named in ("6", message.id, message.id[:13].upper()):
        shown = _screen(cli("journal", sky, "--message", named, "--prompts").out)
        assert shown[-5:] == ["", "system: You are nova.", "user: Think.", "Short waves scatter.", "Without Echo."]
    found = cli("journal", sky, "--message", "3", "--json").json
    assert [each["number"] for each in (*found["ancestors"], found["message"], *found["children"])] == [1, 3, 4, 6]
    ended = cli("journal", sky, "--message", "99999999")
    assert (ended.code, "names no message" in ended.err) == (2, True)
    several = cli("journal", sky, "--message", "")
    assert several.code == 2


def test_who_spent_what(cli, sky: str) -> None:
    shown = _screen(cli("journal", sky, "--metrics").out)
    assert shown[:4] == [
        "speaker  messages  calls  tokens in  tokens out        time     cost  errors",
        "atlas           3      1      1,000         200       1.0 s  $0.2500       –",
        "nova            2      1      1,000         200  1 min 15 s  $0.2500       –",
        "echo            1      1      1,000         200       1.0 s  $0.2500       1",
    ]


def test_json_says_everything(cli, sky: str, kept: Journal) -> None:
    told = cli("journal", sky, "--json", "--limit", "1").json
    assert told["conversation"]["id"] == sky
    assert told["messages"] == [message.model_dump(mode="json") for message in kept.messages(sky)]
    assert {took["source"] for took in told["metrics"]} >= {"atlas", "nova", "echo"}
    assert [each["type"] for each in cli("journal", sky, "--json", "--type", "error").json["messages"]] == ["error"]
    assert [each["id"] for each in cli("journal", "--json").json] == [sky]


def test_nothing_that_was_said_is_obeyed(cli, kept: Journal) -> None:
    bad = "\x1b[31mred\x1b[0m \x9b2J[bold]x[/bold] \u202eabc\r\nnext\tend :smile:"
    with _scope(kept, "bad", bad) as scope:
        _call(scope, "response", f"{bad}>a→b [red]", bad)
        scope.note("status", bad * 5000, source="x" * 199)
    for options in ([], ["--full", "--prompts"], ["--message", "2"], ["--metrics"], ["--follow"], ["--depth", "0"]):
        if "--follow" in options:
            kept.settle("bad")
        shown = cli("journal", "bad", *options).out
        assert not {"\x1b", "\x9b", "\u202e", "\r", "\t"} & set(shown)
        assert "[bold]" in shown or "--metrics" in options
    assert "\x1b" not in cli("journal").out


def test_conversations_are_listed(cli, sky: str, kept: Journal) -> None:
    with _scope(kept, "a-conversation-of-a-very-long-name-that-takes-sixty-four-columns1", "Q" * 300) as scope:
        scope.settle()
    shown = _screen(cli("journal").out)
    assert shown[0].split() == ["conversation", "graph", "status", "messages", "tokens", "changed"]
    assert shown[-1].split()[:5] == ["sky", "cascade", "open", "7", "3,600"]
    assert all(len(line) <= 80 for line in shown)


def test_a_wide_screen_shows_titles(cli, sky: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert _QUESTION in cli("journal").out


def test_nothing_is_created_where_there_is_nothing(cli, tmp_path: Path) -> None:
    ended = cli("journal")
    assert (ended.code, ended.out) == (0, "")
    assert "holds no conversation yet" in ended.err
    assert cli("journal", "--json").json == []
    assert cli("journal", "x").code == 2
    assert cli("journal", "prune", "--keep", "1", "--yes").out == "0 conversations removed, 0 kept.\n"
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_one_names_the_nearest(cli, sky: str) -> None:
    ended = cli("journal", "skyy")
    assert (ended.code, ended.out) == (2, "")
    assert "did you mean 'sky'" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["sky", "--type", "delegatoin"], "did you mean 'delegation'"),
        (["sky", "--follow", "--metrics"], "goes with neither"),
        (["sky", "--yes"], "go with `matrioska journal prune`"),
        (["sky", "--thread", "sky"], "go with `matrioska journal prune`"),
        (["prune"], "What is to be cleared away?"),
        (["prune", "--older-than", "soon"], "is not a time"),
        (["prune", "--keep", "0"], "would be removed for good"),
        (["sky", "--depth", "-1"], "--depth"),
    ],
)
def test_wrong_use(cli, sky: str, kept: Journal, arguments: list[str], says: str) -> None:
    kept.settle(sky)
    ended = cli("journal", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert len(kept.conversations()) == 1


@pytest.mark.parametrize(
    ("given", "seconds"), [("30d", 30 * 86_400), ("2W", 14 * 86_400), ("12h", 43_200), ("90", 90), (" 1h30m ", 5400)]
)
def test_ages(given: str, seconds: float) -> None:
    assert read_age(given) == seconds


@pytest.mark.parametrize("given", ["", "0d", "-3d", "1y", "999999999d", "٣d", "d"])
def test_no_ages(given: str) -> None:
    with pytest.raises(UsageError):
        read_age(given)


@pytest.fixture
def three(kept: Journal) -> Journal:
    """Keep two conversations that have ended, and one that has not."""
    for name in ("first", "prune", "under-way"):
        with _scope(kept, name) as scope:
            scope.note("status", "Something.")
            if name != "under-way":
                scope.settle()
    return kept


def _left(kept: Journal) -> list[str]:
    return sorted(each.id for each in kept.conversations())


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--keep", "0"], ["under-way"]),
        (["--keep", "0", "--unfinished"], []),
        (["--keep", "5"], ["first", "prune", "under-way"]),
        (["--older-than", "1h"], ["first", "prune", "under-way"]),
        (["--thread", "prune"], ["first", "under-way"]),
        (["--keep", "0", "--dry-run"], ["first", "prune", "under-way"]),
    ],
)
def test_clearing_away(cli, three: Journal, options: list[str], left: list[str]) -> None:
    told = cli("journal", "prune", *options, "--yes", "--json").json
    assert _left(three) == left
    assert (told["removed"], told["kept"]) == (3 - len(left), len(left))


def test_a_thread_called_prune_is_read(cli, three: Journal) -> None:
    assert "prune  cascade  done" in cli("journal", "--thread", "prune").out


@pytest.mark.parametrize(("answer", "left"), [("n", 3), ("y", 1)])
def test_a_person_is_asked_first(terminal, three: Journal, answer: str, left: int) -> None:
    shown = terminal("journal", "prune", "--keep", "0")
    shown.wait_for("Remove 2 conversations of 3 for good? [y/N]")
    shown.type(f"{answer}\n")
    assert shown.end() == 0
    assert len(_left(three)) == left


def test_following_from_before_the_beginning_to_the_end(spawn, kept: Journal) -> None:
    reader = spawn("journal", "sky", "--follow", "--json")
    reader.wait_for("No conversation sky yet")
    with _scope(kept, "sky") as scope:
        _call(scope, "response", "nova>atlas", "Blue.")
    time.sleep(0.7)
    with _scope(kept, "sky") as scope:
        scope.note("synthesis", "It is blue.", key="last")
        scope.settle()
    ended = reader.end()
    assert ended.code == 0
    told = [json.loads(line) for line in ended.out.splitlines()]
    assert [(each["number"], each["type"]) for each in told] == [(1, "query"), (2, "response"), (3, "synthesis")]


def test_following_ends_with_ctrl_c(spawn, sky: str) -> None:
    reader = spawn("journal", sky, "--follow", "--type", "error", "--type", "response")
    assert reader.popen.stdout is not None
    first = reader.popen.stdout.readline()
    assert "error echo → nova" in first
    assert "1.0 s · 1,200 tokens" in first
    reader.popen.send_signal(signal.SIGINT)
    ended = reader.end()
    assert ended.code == 130
    assert "Stopped before" not in ended.err


def test_a_journal_that_is_off_says_so(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIOSKA_JOURNAL", "off")
    assert cli("journal").code == 0
    for arguments in ([], ["x"], ["x", "--follow"], ["prune", "--keep", "1"]):
        assert "is off" in cli("journal", *arguments).err


def test_a_journal_that_cannot_be_read_says_why(cli, tmp_path: Path) -> None:
    place = Layout.at(tmp_path).prepare().journal
    place.write_bytes(b"no database at all" * 100)
    ended = cli("journal")
    assert ended.code == 1
    assert str(place) in ended.err
    assert "→" in ended.err
