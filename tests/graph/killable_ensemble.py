"""A query that hangs at its last part until it is killed: what `test_ensemble.py` runs, kills and goes on with.

Calls are written to a log as they begin (``B``) and end (``E``).
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from matrioska.graph import ensemble
from matrioska.store.checkpointer import open_checkpointer
from tests.voters import CAPITALS, Voters, asked, knows

QUERY = ", and then ".join(f"what is the capital of {land}" for land in CAPITALS) + "?"
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "one"}}


def run(base: Path, log: Path, mode: str) -> None:
    """Begin the query or go on with it.

    Args:
        base: where it is kept.
        log: file for its calls.
        mode: ``sync`` or ``async``.
    """
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    resumed = (base / "runs.sqlite").exists()

    def says(prompt: str) -> str:
        land = next(land for land in CAPITALS if land in asked(prompt))
        os.write(handle, f"B {land}\n".encode())
        if land == "Kenya" and not resumed:
            time.sleep(60)
        os.write(handle, f"E {land}\n".encode())
        return knows(prompt)

    voters = Voters(nodes=3, says={f"n{number}": says for number in range(1, 4)})
    ensemble.load_topology = voters.topology  # type: ignore[assignment]
    ensemble.find_member = voters.find  # type: ignore[assignment]
    saver = open_checkpointer(base / "runs.sqlite")
    graph = ensemble.build_ensemble_graph(saver)
    given = None if resumed else {"query": QUERY}
    context = {"base_path": str(base)}
    if mode == "sync":
        out = graph.invoke(given, CONFIG, context=context)
    else:
        out = asyncio.run(graph.ainvoke(given, CONFIG, context=context))
    (base / "answer.json").write_text(json.dumps(out))
    saver.conn.close()
