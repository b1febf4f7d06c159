"""The form that starts a run: what is wanted, whether it asks first, and with which model, files and limits."""

from __future__ import annotations

from nicegui import ui
from pydantic import ValidationError

from matrioska.i18n import _
from matrioska.state.budget import Budget
from matrioska.state.errors import UsageError
from matrioska.web.monitor.page import brought, text
from matrioska.web.monitor.uploads import Uploads
from matrioska.web.runs.desk import Desk


class StartForm:
    """See the module's text.

    Args:
        desk: what starts the run.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        with ui.element("section").classes("part stack") as part:
            part.props["aria-label"] = _("Start a run")
            text(_("Start a run"), "h2")
            self._task = ui.textarea(label=_("What is wanted")).props("outlined autogrow data-testid=start-task")
            with ui.element("div").classes("fields"):
                self._approval = ui.select(
                    {"ask": _("Show me the plan first"), "auto": _("Never ask")}, value="ask", label=_("Approval")
                ).props("outlined dense data-testid=start-approval")
                self._model = ui.input(label=_("Model (as in the settings)"), placeholder="provider:model")
                self._model.props("outlined dense data-testid=start-model")
                self._tokens = ui.number(label=_("Most tokens"), min=1, step=1)
                self._tokens.props("outlined dense data-testid=start-budget-tokens")
                self._cost = ui.number(label=_("Most US dollars"), min=0, step=0.5)
                self._cost.props("outlined dense data-testid=start-budget-cost")
            self._uploads = Uploads()
            self._button = ui.button(_("Start"), on_click=self._started)
            self._button.props("unelevated data-testid=start-button")

    async def _started(self) -> None:
        self._button.disable()
        thread = await brought(self._start())
        self._button.enable()
        if thread is not None:
            await self._uploads.clear()
            ui.navigate.to(f"/run/{thread}")

    async def _start(self) -> str:
        """Start the run, and return its id; see `Desk.start` for the errors."""
        return await self._desk.start(
            self._task.value or "",
            approval=self._approval.value,
            model=(self._model.value or "").strip() or None,
            assets=self._uploads.files,
            budget=_budget(self._tokens.value, self._cost.value),
        )


def _budget(tokens: float | None, cost: float | None) -> Budget | None:
    """Return the limits that were given; None for none.

    Raises:
        UsageError: one is not above zero, or no whole number of tokens.
    """
    if tokens is None and cost is None:
        return None
    try:
        return Budget.model_validate({"budget_tokens": tokens, "budget_cost": cost})
    except ValidationError as error:
        raise UsageError(
            "A limit is a number above zero; of tokens a whole one.", next_step="Correct it, or leave it empty."
        ) from error
