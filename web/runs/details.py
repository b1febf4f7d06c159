"""One module, opened: what it was told and asked, what it answered, and what the checks said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matrioska.nodes.recording import CHECKS
from matrioska.state.journal import Message
from matrioska.state.outcomes import Outcome
from matrioska.state.shown import shown_model
from matrioska.web.runs.reading import file_view, refs_of
from matrioska.web.runs.saved import SavedRun
from matrioska.web.runs.views import MOST_ENTRIES, Attempt, ModuleDetail, ModuleView, bounded, in_line


def module_detail(
    view: ModuleView, saved: SavedRun, messages: Sequence[Message], outcome: Outcome | None
) -> ModuleDetail:
    """Return a module, opened.

    Args:
        view: the module in the run.
        saved: the run's latest checkpoint.
        messages: what the module said and was told.
        outcome: what its last stage handed over in a pass that has not ended; None for nothing yet.
    """
    raw = next(spec for spec in saved.plan.raw["modules"] if spec["id"] == view.id) if saved.plan else {}
    result: Mapping[str, Any] = (saved.report.values.get("results") or {}).get(view.id) or {}
    if outcome is not None:
        result = outcome.model_dump(mode="json")
    return ModuleDetail(
        view=view,
        contract=raw,
        package=result.get("context") or {},
        attempts=attempts_of(view.id, messages)[-MOST_ENTRIES:],
        files=[file_view(ref.model_copy(update={"path": f"{view.id}/{ref.path}"}), view.id) for ref in refs_of(result)],
        findings=[in_line(found) for found in (result.get("findings") or [])[:MOST_ENTRIES]],
    )


def attempts_of(module: str, messages: Sequence[Message]) -> list[Attempt]:
    """Return a module's calls in order, each with what the checks then complained of.

    Args:
        module: its id.
        messages: what it said and was told, in order.
    """
    found: list[Attempt] = []
    for message in messages:
        if message.metrics and message.source == module:
            found.append(_attempt(message))
        elif message.type == "critique" and message.source == CHECKS and found:
            complaints = [in_line(line) for line in message.content.splitlines() if line.strip()]
            found[-1] = found[-1].model_copy(update={"complaints": complaints[:MOST_ENTRIES]})
    return found


def _attempt(message: Message) -> Attempt:
    metrics = message.metrics
    prompt = message.context.get("prompt")
    return Attempt(
        stage=metrics[0].operation,
        prompt=[_said(part) for part in prompt if isinstance(part, dict)] if isinstance(prompt, list) else [],
        answer=message.content if message.type != "error" else "",
        model=shown_model(str(message.processing.get("model", metrics[0].service))),
        tokens=message.tokens,
        seconds=round(sum(metric.seconds for metric in metrics), 3),
        at=message.created,
        error=message.content if message.type == "error" else str(message.processing.get("fault", "")),
    )


def _said(part: Mapping[str, Any]) -> dict[str, str]:
    return {"role": in_line(part.get("role")), "content": bounded(part.get("content"))}
