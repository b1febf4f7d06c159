"""Ctrl-C and SIGTERM, as real signals to a real process: exit 130, saved, and resumable."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from signal import SIGINT, SIGTERM

import pytest

from tests.support import Author, chain

TASK = "Compare SQLite and PostgreSQL for a small shop"


def _resumes(cli) -> None:
    """Go on with the run, in this process: it completes, with the options that it began with."""
    ended = cli("resume", "one", "--json", author=Author(chain(3)))
    assert ended.code == 0, ended.err
    assert ended.json["status"] == "complete"
    assert set(ended.json["modules"]) == {"m0", "m1", "m2"}


@pytest.mark.parametrize(("number", "delay"), [(SIGINT, 0.0), (SIGTERM, 0.0), (SIGINT, 0.2), (SIGTERM, 0.6)])
def test_in_the_first_moments(spawn, cli, number: signal.Signals, delay: float) -> None:
    process = spawn("run", "-y", "-t", "one", TASK, child=True, CHILD_READY="1", CHILD_AUTHOR="chain", CHILD_SLOW="1")
    process.wait_for("ready")
    time.sleep(delay)
    process.popen.send_signal(number)
    ended = process.end()
    assert ended.code == 130
    assert "Stopp" in ended.err
    # Whatever was saved by then, what it advises works.
    if "matrioska resume one" in ended.err:
        _resumes(cli)
    else:
        assert cli("run", "-y", "-t", "one", TASK, author=Author(chain(3))).code == 0


@pytest.mark.parametrize(
    ("moment", "number"),
    [("architect", SIGTERM), ("m0 agreeing", SIGINT), ("m1 producing", SIGTERM), ("assemble", SIGINT)],
)
def test_while_it_works_it_stops_after_the_step_and_resumes(spawn, cli, number: signal.Signals, moment: str) -> None:
    process = spawn("run", "-y", "-t", "one", TASK, child=True, CHILD_AUTHOR="chain", CHILD_SLOW="0.3")
    process.wait_for(moment)
    process.popen.send_signal(number)
    ended = process.end()
    assert ended.code == 130
    assert "Stopping after the current step…" in ended.err
    assert ended.err.rstrip().endswith("matrioska resume one")
    assert ended.out == ""
    _resumes(cli)


def test_a_second_signal_stops_at_once(spawn, cli) -> None:
    process = spawn("run", "-y", "-t", "one", TASK, child=True, CHILD_AUTHOR="chain", CHILD_SLOW="60")
    process.wait_for("architect")
    process.popen.send_signal(SIGINT)
    process.wait_for("Stopping")
    began = time.monotonic()
    process.popen.send_signal(SIGINT)
    ended = process.end(seconds=8)
    assert ended.code == 130
    assert time.monotonic() - began < 4
    assert "matrioska resume one" in ended.err
    _resumes(cli)


def test_after_the_grace_it_stops_by_itself(spawn, cli) -> None:
    process = spawn(
        *("run", "-y", "--json", "-t", "one", TASK),
        child=True,
        CHILD_AUTHOR="chain",
        CHILD_SLOW="60",
        MATRIOSKA_GRACE_SECONDS="0.3",
    )
    _wait_for_database()
    time.sleep(0.5)
    process.popen.send_signal(SIGTERM)
    ended = process.end(seconds=10)
    assert ended.code == 130
    assert ended.json["status"] == "interrupted"
    assert ended.json["go_on"] == ["matrioska resume one"]
    _resumes(cli)


def _wait_for_database() -> None:
    until = time.monotonic() + 20
    while not Path("matrioska_checkpoints/locks/one.lock").exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_second_process_on_the_same_run_is_refused(spawn, cli) -> None:
    first = spawn("run", "-y", "-t", "one", TASK, child=True, CHILD_AUTHOR="chain", CHILD_SLOW="0.7")
    first.wait_for("m0 agreeing")
    for arguments in (("resume", "one"), ("resume", "one", "-y"), ("resume", "one", "--json")):
        second = cli(*arguments)
        assert second.code == 1
        assert "The run 'one' is being worked on by another process." in second.err
        assert "Wait for it to end" in second.err
        assert "matrioska resume one" not in second.err
    assert cli("show", "one").code == 0, "looking is always allowed"
    assert first.end().code == 0


def test_a_reader_that_goes_away_changes_nothing(spawn, tmp_path: Path) -> None:
    process = spawn("run", "-y", "-t", "one", TASK, child=True, CHILD_AUTHOR="chain", CHILD_SLOW="0.2")
    process.wait_for("architect")
    for stream in (process.popen.stdout, process.popen.stderr):
        stream.close()
    assert process.popen.wait(timeout=30) == 0
    assert (tmp_path / "matrioska_artifacts" / "one" / "README.md").is_file()
