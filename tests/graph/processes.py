"""Processes of their own within milliseconds: forked off a server that has imported everything."""

from __future__ import annotations

import contextlib
import multiprocessing
from collections.abc import Callable
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.graph.killable", "pytest"])
    # The server looks for what it imports where it is started, and passes over what is not there.
    with contextlib.chdir(ROOT):
        forkserver.ensure_running()
    return context


def begin(target: Callable[..., Any], *args: Any) -> ForkServerProcess:
    """Run a function in a new process."""
    process = _context().Process(target=target, args=args)
    process.start()
    return process
