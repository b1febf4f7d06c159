"""A graph as a plan of modules, and the model that does the modules in the given seconds."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from bench.dags import Dag, module_ids
from matrioska.models.testing import ScriptedChatModel

#: Seconds of agreeing on a contract, where the module's files take 1.
AGREE_SECONDS = 0.15
_WANTED = re.compile(r"^Keys to write: (.+)$", re.MULTILINE)


def plan_of(
    dag: Dag, *, contracts: bool = False, sizes: Sequence[float] | None = None, contract_first: bool = True
) -> dict[str, Any]:
    """Return the plan that does a graph, a module for each task.

    Args:
        dag: the graph.
        contracts: modules read their predecessors' whiteboard keys; otherwise they only wait
            for them, so that each module is one stage.
        sizes: what the plan says of each module's size; None tells the truth.
        contract_first: whether values are agreed before the files are written.
    """
    names = module_ids(dag)
    estimates = sizes or dag.seconds
    followed = {dep for deps in dag.deps for dep in deps}
    modules = []
    for task, name in enumerate(names):
        upstream = [names[dep] for dep in dag.deps[task]]
        spec: dict[str, Any] = {
            "id": name,
            "name": f"Module {name}",
            "description": f"Write module.py of {name}: one constant.",
            "outputs": ["module.py"],
            "dependencies": upstream,
            "size": min(1e6, max(1e-9, estimates[task])),
        }
        if contracts:
            spec |= {"shared_state_reads": [f"{other}.api" for other in upstream], "contract_first": contract_first}
            spec["shared_state_writes"] = [f"{name}.api"] if task in followed else []
        modules.append(spec)
    return {"name": dag.name, "goal": "Measure the engine.", "language": "en", "modules": modules}


def file_text(module: str, size: int) -> str:
    """Return a Python file of about ``size`` bytes."""
    lines = [f'"""Module {module}."""', f'NAME = "{module}"']
    filler = "# Nothing to see here: this line only has the length that a line of a real file has."
    lines += [filler] * max(0, (size - 40) // (len(filler) + 1))
    return "\n".join(lines) + "\n"


def answer(stage: str, module: str, prompt: str, *, plan: str, size: int) -> str:
    """Return what a perfect model would answer."""
    if stage == "plan":
        return plan
    if stage == "assemble":
        return "````markdown path=README.md\n# Measured\n\nDone.\n````"
    wanted = _WANTED.search(prompt)
    values = {key: {"constant": "NAME"} for key in wanted.group(1).split(", ")} if wanted else {}
    if stage == "agree":
        return f"```json\n{json.dumps(values)}\n```"
    file = f"```python path=module.py\n{file_text(module, size)}```"
    return file + (f"\n\n```json contract\n{json.dumps(values)}\n```" if values else "")


def scripted_model(
    dag: Dag, plan: dict[str, Any], *, latency: bool, agree: float = AGREE_SECONDS, size: int = 2_000
) -> ScriptedChatModel:
    """Return a model that takes each module's seconds for its files, and ``agree`` of that for its contract.

    Args:
        dag: the graph.
        plan: the plan that the architect is to answer with.
        latency: False answers at once, so that only orchestration is left to measure.
        agree: share of a module's seconds that agreeing takes.
        size: bytes of a module's file.
    """
    seconds = dict(zip(module_ids(dag), dag.seconds, strict=True))
    text = f"```json\n{json.dumps(plan)}\n```"

    def takes(stage: str, module: str) -> float:
        return {"agree": agree, "produce": 1.0}.get(stage, 0.0) * seconds.get(module, 0.0)

    return ScriptedChatModel(
        script=lambda stage, module, prompt: answer(stage, module, prompt, plan=text, size=size),
        latency=takes if latency else 0.0,
    )
