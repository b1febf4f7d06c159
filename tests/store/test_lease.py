"""One driver per thread of a database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from matrioska.state.errors import StoreError, ThreadBusyError
from matrioska.store.lease import thread_lease

ROOT = Path(__file__).parent.parent.parent
_HOLDS = """
import sys, time
from pathlib import Path
from matrioska.store.lease import thread_lease
with thread_lease(Path(sys.argv[1]), "one"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_thread_is_held_by_one_and_freed_when_that_dies(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDS, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ThreadBusyError, match="another process") as caught, thread_lease(tmp_path, "one"):
            pass
        assert caught.value.thread_id == "one"
        with thread_lease(tmp_path, "two"):
            pass
        other.kill()
        other.wait(10)
    with thread_lease(tmp_path, "one"):
        pass


def test_it_is_freed_after_an_error_and_not_taken_twice(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), thread_lease(tmp_path, "one"):
        raise ZeroDivisionError
    with thread_lease(tmp_path, "one"), pytest.raises(ThreadBusyError), thread_lease(tmp_path, "one"):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="Cannot write to"), thread_lease(tmp_path / "file", "one"):
        pass
