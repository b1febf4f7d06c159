"""What modules are told, in tokens: their own reads, distilled, against everything finished before, to everybody."""

from __future__ import annotations

import asyncio
import json
import math
import re
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from bench.report import Section, Verdict
from matrioska.graph import build_graph
from matrioska.models.gateway.tokens import estimate
from matrioska.models.testing import ScriptedChatModel
from matrioska.prompts.render import to_json
from matrioska.state.context import RunContext
from matrioska.state.fences import read_fences

#: Modules in a layer; each reads what the layer before wrote.
_WIDTH = 3
#: Tokens, about, of a value and of a module's manual, and those that a package may take.
_VALUE, _MANUAL, _BUDGET = 1_000, 300, 2_000
_NAMES = 8
_LINEAR = 1.1
_WAYS = ("distilled", "with_boss", "no_boss", "broadcast")
_CONFIG: RunnableConfig = {"configurable": {"thread_id": "bench"}, "recursion_limit": 1000}
_WORDS = re.compile(r"^Words: at most (\d+)$", re.MULTILINE)
_FACT = "The store keeps an ordered list of records and tells its listeners of every change. "
_COLUMNS = ("modules", "distilled", "a module", "boss", "with boss", "no boss", "broadcast", "a module", "÷ with boss")


@dataclass(frozen=True)
class Told:
    """Tokens of one run."""

    modules: int
    """Tokens of all packages."""
    boss: int
    """Tokens that the boss read and wrote."""
    broadcast: int
    """Tokens of the packages, had each module been told every value that was finished before it."""


def plan_of(size: int) -> dict[str, Any]:
    """Return a plan of ``size`` modules in layers, each of one stage."""
    modules = []
    for number in range(size):
        before = _before(number)[-_WIDTH:]
        modules.append(
            {
                "id": f"m{number}",
                "name": f"Module {number}",
                "description": f"Write module.py of m{number}. " + _FACT * (_MANUAL * 4 // len(_FACT)),
                "outputs": ["module.py"],
                "dependencies": [f"m{other}" for other in before],
                "shared_state_reads": [f"m{other}.api" for other in before],
                "shared_state_writes": [f"m{number}.api"],
                "contract_first": False,
            }
        )
    return {"name": f"layers-{size}", "goal": "Measure the context.", "language": "en", "modules": modules}


def _before(number: int) -> list[int]:
    """Return the modules of all layers before a module's own."""
    return list(range(number - number % _WIDTH))


def value_of(module: str) -> dict[str, Any]:
    """Return what a module publishes: names, and what they are for."""
    text = _FACT * (_VALUE * 4 // len(_FACT))
    return {"functions": [f"{module}_call_{number}" for number in range(_NAMES)], "summary": text}


def author(plan: dict[str, Any]) -> ScriptedChatModel:
    """Return a model that plans and builds at once."""

    def answer(stage: str, module: str, prompt: str) -> str:
        if stage == "plan":
            return f"```json\n{json.dumps(plan)}\n```"
        if stage == "assemble":
            return "````markdown path=README.md\n# Measured\n\nDone.\n````"
        value = value_of(module)
        code = "\n".join(f"def {name}(): ..." for name in value["functions"])
        contract = json.dumps({f"{module}.api": value})
        return f"```python path=module.py\n{code}\n```\n\n```json contract\n{contract}\n```"

    return ScriptedChatModel(script=answer)


def boss() -> ScriptedChatModel:
    """Return a boss that keeps every name and as many words of the entry as it is allowed."""

    def answer(stage: str, module: str, prompt: str) -> str:
        fences, allowed = read_fences(prompt), _WORDS.search(prompt)
        names = fences["names"].split("\n")
        summary = " ".join(json.loads(fences["entry"])["summary"].split(" ")[: int(allowed[1]) if allowed else 0])
        return f"{', '.join(names)}: {summary[: 3 * len(summary) // 4]}"

    return ScriptedChatModel(script=answer)


async def told(size: int, condenser: ScriptedChatModel | str) -> Told:
    """Run a plan of ``size`` modules and return what its modules were told.

    Args:
        size: number of modules.
        condenser: the boss, or ``embedded`` for none.

    Raises:
        RuntimeError: a module did not end well, so that its tokens would mean nothing.
    """
    plan = plan_of(size)
    with tempfile.TemporaryDirectory(prefix="matrioska-bench-") as folder:
        context = RunContext(
            approval="auto",
            model=author(plan),
            roles={"boss": condenser},
            base_path=folder,
            token_budget=_BUDGET,
            max_mends=0,
            refine_rounds=0,
            review_rounds=0,
        )
        graph = build_graph(InMemorySaver())
        await graph.ainvoke({"task": "Measure the context."}, _CONFIG, context=context)
        results = graph.get_state(_CONFIG).values.get("results") or {}
    if broken := [module for module, result in results.items() if result["status"] != "done"] or not results:
        raise RuntimeError(f"modules did not end well: {broken}")
    records = [results[f"m{number}"]["context"] for number in range(size)]
    return Told(
        modules=sum(sum(record["included"].values()) for record in records),
        boss=sum(record["boss"].get(kind, 0) for record in records for kind in ("input_tokens", "output_tokens")),
        broadcast=sum(_broadcast(number, record) for number, record in enumerate(records)),
    )


def _broadcast(number: int, record: dict[str, Any]) -> int:
    """Return the tokens of a module's package with every value that was finished before it, instead of its reads."""
    own = sum(tokens for name, tokens in record["included"].items() if not name.startswith("values."))
    return own + sum(estimate(to_json({f"m{other}.api": value_of(f"m{other}")})) for other in _before(number))


def exponent(sizes: Sequence[int], tokens: Sequence[int]) -> float:
    """Return the power of the number of modules with which the tokens grow: the slope between logarithms."""
    return statistics.linear_regression([math.log(size) for size in sizes], [math.log(found) for found in tokens]).slope


def _growth(figures: Sequence[dict[str, int]], way: str) -> float:
    return exponent([found["modules"] for found in figures], [found[way] for found in figures])


def _told_growth(last: dict[str, float], overall: dict[str, float]) -> str:
    return ", ".join(f"{way.replace('_', ' ')} {last[way]:.2f} ({overall[way]:.2f})" for way in _WAYS)


def measure(sizes: Sequence[int], say: Callable[[str], None]) -> Section:
    """Measure the tokens at every size, with a boss and without."""
    section = Section(
        f"Tokens of context (values of {_VALUE:,}, up to {_WIDTH} read by each module, packages of {_BUDGET:,})",
        _COLUMNS,
    )
    figures = []
    for size in sizes:
        say(f"context: {size} modules")
        found, alone = asyncio.run(told(size, boss())), asyncio.run(told(size, "embedded"))
        every = found.modules + found.boss
        figures.append(
            {
                "modules": size,
                "distilled": found.modules,
                "boss": found.boss,
                "with_boss": every,
                "no_boss": alone.modules,
                "broadcast": found.broadcast,
            }
        )
        distilled, broadcast = [found.modules, found.modules // size], [found.broadcast, found.broadcast // size]
        section.rows.append([size, *distilled, found.boss, every, alone.modules, *broadcast, found.broadcast / every])
    section.data = {"sizes": figures, "exponents": {way: _growth(figures, way) for way in _WAYS}}
    # The first layer reads nothing, which weighs on small plans: growth is judged between the largest two.
    last = {way: _growth(figures[-2:], way) for way in _WAYS}
    section.verdicts = [
        Verdict(
            "distilled, the boss's own tokens counted in, grows with modules to the power of",
            last["with_boss"],
            _LINEAR,
        )
    ]
    section.notes = [
        f"Power of the growth between the largest two (over all): {_told_growth(last, section.data['exponents'])}.",
        "boss: what it read and wrote. no boss: extracts instead. broadcast: the same modules, each told every value "
        "that was finished before it. Tokens are estimated by characters, the same way for all.",
    ]
    return section
