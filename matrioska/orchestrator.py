"""The first system's front door: one object, one call, a dictionary of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from matrioska.context_manager import ContextManager
from matrioska.nodes.leaf import run_blocking
from matrioska.prompts.render import template_source
from matrioska.reports import RunReport
from matrioska.runs import OnEvent, open_runs
from matrioska.state.architecture import Architecture
from matrioska.state.context import RunContext

ARCHITECT_SYSTEM_PROMPT = template_source("architect")[0]


class MatrioskaOrchestrator:
    """Runs tasks below one base path.

        MatrioskaOrchestrator("embedded", base_path="out").run("Create a library system")

    Results stand in ``matrioska_artifacts/``, ``matrioska_checkpoints/`` (with
    ``architecture.json`` and ``shared_state.json``) and ``matrioska_results.zip``.

    Args:
        llm: a LangChain chat model such as `LocalLLM`, or a name, ``provider:model``. None
            takes the settings' model, the embedded one by default.
        base_path: folder for everything that is written.
        on_event: called with each progress event.
        **options: any other field of `RunContext`. ``approval`` is "auto" unless given.
    """

    def __init__(
        self,
        llm: BaseChatModel | str | None = None,
        *,
        base_path: str | Path = ".",
        on_event: OnEvent | None = None,
        **options: Any,
    ) -> None:
        self.base_path = Path(base_path)
        self.on_event = on_event
        self.context = RunContext.model_validate({"approval": "auto", "model": llm, **options})
        self.architecture: Architecture | None = None
        self.context_manager = ContextManager()

    def run(self, task: str, *, thread_id: str | None = None, assets: Sequence[str | Path] = ()) -> RunReport:
        """Run a task to its end, with files and folders for its modules to read; see `Runs.start` for the errors."""
        return run_blocking(self.arun(task, thread_id=thread_id, assets=assets))

    async def arun(self, task: str, *, thread_id: str | None = None, assets: Sequence[str | Path] = ()) -> RunReport:
        """See `run`."""
        async with open_runs(self.base_path, self.context) as runs:
            report = await runs.start(task, thread_id=thread_id, assets=assets, on_event=self.on_event)
            return self._keep(report)

    def resume(self, thread_id: str, decision: Any = None) -> RunReport:
        """Go on with a run; see `Runs.resume` for the errors."""
        return run_blocking(self.aresume(thread_id, decision))

    async def aresume(self, thread_id: str, decision: Any = None) -> RunReport:
        """See `resume`."""
        async with open_runs(self.base_path, self.context) as runs:
            return self._keep(await runs.resume(thread_id, decision, on_event=self.on_event))

    def _keep(self, report: RunReport) -> RunReport:
        self.architecture = report.architecture
        self.context_manager = ContextManager(report.values.get("shared_state"))
        return report
