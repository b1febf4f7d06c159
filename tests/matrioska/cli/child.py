"""The command line as a process of its own: on a terminal that it owns, with a scripted author when asked.

Started by the tests with these variables: ``CHILD_TERMINAL`` makes standard input the
controlling terminal; ``CHILD_AUTHOR`` is ``chain`` (three modules) or ``failing`` (of these,
m1 fails until the file ``cause-is-gone`` exists); ``CHILD_MODULES`` is another number of modules;
``CHILD_SLOW`` is seconds a call; ``CHILD_READY`` says so on stderr once signals are in hand.
"""

from __future__ import annotations

import fcntl
import os
import sys
import termios
from collections.abc import Callable
from pathlib import Path

from matrioska.cli import main


def play() -> None:
    """Let a scripted author answer for every model."""
    from matrioska.models.gateway import client_of
    from matrioska.nodes import common
    from matrioska.state.errors import ModelError
    from tests.support import Author, chain, good_answer

    def stubborn(prompt: str, number: int) -> str | Exception:
        if Path("cause-is-gone").exists():
            return good_answer("produce", "m1", prompt)
        return ModelError("The model has no mood today.", next_step="Wait for a better day.")

    told = {"produce m1": stubborn} if os.environ["CHILD_AUTHOR"] == "failing" else {}
    author = Author(
        chain(int(os.environ.get("CHILD_MODULES", "3"))), told=told, latency=float(os.environ.get("CHILD_SLOW", "0"))
    )
    common.client_for = lambda *_: client_of(author.model)  # type: ignore[assignment]


if os.environ.get("CHILD_TERMINAL"):
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
if os.environ.get("CHILD_AUTHOR"):
    play()
if os.environ.get("CHILD_READY"):
    catch_signals = main.catch_signals

    def catch_and_say() -> Callable[[], None]:
        restore = catch_signals()
        os.write(2, b"ready\n")
        return restore

    main.catch_signals = catch_and_say
sys.exit(main.main())
