"""A slowed cascade with its journal in some database, to be killed and gone on with: see `test_cascade_kills.py`.

Calls are written to a log as they begin (``B``) and end (``E``).
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from matrioska.graph import cascade
from matrioska.models.testing import Answer, ScriptedChatModel
from matrioska.state.errors import ModelError
from matrioska.store.checkpointer import open_checkpointer
from matrioska.store.journal import open_journal
from tests.trees import SIX, mind_named, mind_says, tree_of

CALL_SECONDS = 0.02
QUESTION = "What does each of you know?"
CONFIG: dict[str, Any] = {"configurable": {"thread_id": "one"}}
#: The six, one of them with three levels.
TREE = tree_of(SIX)
TREE = TREE.model_copy(
    update={
        "minds": tuple(
            spec.model_copy(update={"reflections": 3}) if spec.id == "quantum" else spec for spec in TREE.minds
        )
    }
)


def run(base: Path, log: Path, mode: str, journal: str, down: str = "") -> None:
    """Ask the question or go on with it, to its answer.

    Args:
        base: where it is kept.
        log: file for its calls.
        mode: ``sync`` or ``async``.
        journal: the journal's database, as the setting takes it; '' for the file below ``base``.
        down: the mind whose model never answers; '' for none.
    """

    def says(step: str, module: str, prompt: str) -> Answer:
        return ModelError("Nothing listens there.") if mind_named(prompt) == down else mind_says(step, module, prompt)

    os.environ["MATRIOSKA_JOURNAL"] = journal
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    class Logged(ScriptedChatModel):
        async def _agenerate(self, messages: list[Any], *args: Any, **kwargs: Any) -> Any:
            call = f"{mind_named(str(messages[-1].content))}.{str(messages[-1].content).split()[1]}"
            os.write(handle, f"B {call}\n".encode())
            found = await super()._agenerate(messages, *args, **kwargs)
            os.write(handle, f"E {call}\n".encode())
            return found

    cascade.load_tree = lambda default_model: TREE  # type: ignore[assignment]
    saver = open_checkpointer(base / "runs.sqlite")
    graph = cascade.build_cascade_graph(saver)
    given = {"question": QUESTION} if saver.get_tuple(CONFIG) is None else None
    context = {"base_path": str(base), "model": Logged(script=says, latency=CALL_SECONDS)}
    if mode == "sync":
        out = graph.invoke(given, CONFIG, context=context)
    else:
        out = asyncio.run(graph.ainvoke(given, CONFIG, context=context))
    (base / "answer.json").write_text(json.dumps(out))
    saver.conn.close()
    open_journal(base).close()
