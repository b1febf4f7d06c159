"""A run of the embedded model without the graph: plan, agree, produce, with the real prompts and parsers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrioska.models.embedded.chat import EmbeddedChatModel
from matrioska.prompts.render import render, to_json
from matrioska.state.answers import parse_contract, parse_files, parse_json_object
from matrioska.state.architecture import Architecture, ModuleSpec

LIBRARY = "Create a library management system with dashboard"
REACT = (
    "Build a web application with React, JWT authentication, CRUD for users and products, "
    "an admin dashboard and responsive design"
)
BIBLIOTECA = "Criar sistema de gerenciamento de biblioteca com dashboard"


def ask(role: str, **values: Any) -> str:
    """Return the embedded model's answer to a role's prompt."""
    content = EmbeddedChatModel().invoke(render(role, **values)).content
    assert isinstance(content, str)
    return content


def plan_for(task: str, **values: Any) -> Architecture:
    """Return the plan for a task."""
    given = {"assets": "", "memory": "", "language": "", "previous_plan": "", "feedback": "", "complaints": []} | values
    return Architecture.model_validate(parse_json_object(ask("architect", task=task, **given)))


@dataclass
class Simulation:
    """The calls of a run, one after the other in the plan's order."""

    plan: Architecture
    board: dict[str, Any] = field(default_factory=dict)

    def sections(self, spec: ModuleSpec, promised: bool = False, **more: str) -> list[dict[str, str]]:
        """Return what a module is told, as the run's distiller lays it out."""
        project = {name: getattr(self.plan, name) for name in ("name", "goal", "constraints", "language")}
        values = {key: self.board[key] for key in spec.shared_state_reads if key in self.board}
        told = {"project": to_json(project), "module": to_json(spec.model_dump()), "values": to_json(values)}
        if promised and spec.shared_state_writes:
            told["contract"] = to_json({key: self.board[key] for key in spec.shared_state_writes})
        return [{"name": name, "text": text} for name, text in (told | more).items()]

    def agree(self, module_id: str) -> dict[str, Any]:
        """Ask a module for its values and publish them."""
        spec = self.plan.module(module_id)
        values = parse_json_object(
            ask("agree", spec=spec, wanted=spec.shared_state_writes, sections=self.sections(spec))
        )
        self.board |= values
        return values

    def agree_all(self) -> dict[str, Any]:
        """Ask every module that writes anything."""
        for spec in self.plan.modules:
            if spec.shared_state_writes:
                self.agree(spec.id)
        return self.board

    def produce(self, module_id: str, wanted: Sequence[str] = ()) -> dict[str, str]:
        """Ask a module for its files; values asked for with them are published."""
        spec = self.plan.module(module_id)
        answer = ask("produce", spec=spec, wanted=list(wanted), sections=self.sections(spec, promised=not wanted))
        self.board |= parse_contract(answer) or {}
        return {block.path: block.text for block in parse_files(answer)}

    def mend(self, module_id: str, complaint: str) -> dict[str, str]:
        """Send a module's files back with a complaint."""
        spec = self.plan.module(module_id)
        answer = ask(
            "mend",
            answering="files",
            spec=spec,
            wanted=[],
            sections=self.sections(spec, promised=True),
            present="",
            complaints=[complaint],
        )
        return {block.path: block.text for block in parse_files(answer)}

    def build(self) -> dict[str, str]:
        """Return all files of all modules, below folders of their ids."""
        self.agree_all()
        return {f"{spec.id}/{path}": text for spec in self.plan.modules for path, text in self.produce(spec.id).items()}


def build(task: str) -> tuple[Simulation, dict[str, str]]:
    """Return the whole simulated run of a task and its files."""
    run = Simulation(plan_for(task))
    return run, run.build()


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder and return it."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return folder
