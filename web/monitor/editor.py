"""The plan as an editor: a fold for each module, checked as one types."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from typing import Any

from nicegui import ui

from matrioska.i18n import _, counted, figure, told
from matrioska.state.architecture import MODALITIES, ModuleSpec
from matrioska.web.monitor.draft import Card, Draft, sort_complaints, text_of
from matrioska.web.monitor.page import brought, text
from matrioska.workers.plugins import workers

#: Seconds of rest after which what was typed is checked.
REST = 0.3
#: Modules of one page of the list.
PAGE = 40
#: Most complaints that are listed at once.
_MOST_SHOWN = 20

Check = Callable[[dict[str, Any]], Coroutine[Any, Any, list[str]]]


class PlanEditor:
    """An editor of a plan's modules.

    Args:
        draft: the plan; edits go into it at once.
        check: returns what is wrong with a plan.

    Attributes:
        complaints: what is wrong with it, by the last check.
        is_checked: whether nothing was edited since then.
        on_checked: called whenever the draft changed, and again after it was checked.
    """

    def __init__(self, draft: Draft, check: Check) -> None:
        self.draft = draft
        self.complaints: list[str] = []
        self.is_checked = False
        self.on_checked: Callable[[], None] = lambda: None
        self._check = check
        self._due = 0.0
        self._edits = 0
        self._first = 0
        self._wanted = ""
        self._open: Card | None = None
        self._heads: dict[Card, _Head] = {}
        with ui.element("div").classes("stack"):
            self._told = ui.element("div").classes("stack complaints")
            self._told.props("role=status aria-live=polite data-testid=plan-complaints")
            with ui.element("div").classes("tools"):
                find = ui.input(placeholder=_("Filter"), on_change=lambda event: self._find(event.value or ""))
                find.props("dense outlined clearable debounce=200 type=search data-testid=plan-filter")
                find.props["aria-label"] = _("Filter the modules")
                find.set_visibility(len(draft.cards) > PAGE)
                add = ui.button(_("Add a module"), icon="add", on_click=self._add).props("outline dense")
                add.props["data-testid"] = "plan-add"
            self._list = ui.element("div").classes("stack plan-modules")
            with ui.element("div").classes("tools") as self._pager:
                back = ui.button(icon="chevron_left", on_click=lambda: self._turn(-PAGE)).props("flat round dense")
                self._where = text("", "span")
                on = ui.button(icon="chevron_right", on_click=lambda: self._turn(PAGE)).props("flat round dense")
                back.props["aria-label"], on.props["aria-label"] = _("Previous page"), _("Next page")
        self._rest = ui.timer(REST / 3, self._check_when_due)
        self.repaint()

    # -- the list --------------------------------------------------------------------------

    def _found(self) -> list[Card]:
        wanted = self._wanted.casefold()
        return [c for c in self.draft.cards if wanted in f"{c.id} {text_of(c.spec.get('name'))}".casefold()]

    def _find(self, wanted: str) -> None:
        self._wanted, self._first = wanted, 0
        self.repaint()

    def _turn(self, by: int) -> None:
        self._first += by
        self.repaint()

    def repaint(self) -> None:
        """Show the whole draft anew."""
        found = self._found()
        self._first = max(0, min(self._first, (len(found) - 1) // PAGE * PAGE))
        shown = found[self._first : self._first + PAGE]
        self._list.clear()
        self._heads = {}
        with self._list:
            for card in shown:
                self._heads[card] = _Head(card, self, is_open=card is self._open)
        self._pager.set_visibility(len(found) > PAGE)
        last = self._first + len(shown)
        self._where.text = _("{first}–{last} of {all}").format(
            first=figure(self._first + 1), last=figure(last), all=figure(len(found))
        )
        self._tell()

    def _add(self) -> None:
        self._open = card = self.draft.add()
        self._wanted = ""
        self._first = len(self.draft.cards)
        self.repaint()
        self.changed()
        self._heads[card].reveal()

    def remove(self, card: Card) -> None:
        """Take a module out."""
        self.draft.remove(card)
        self._open = None
        self.repaint()
        self.changed()

    def opened(self, card: Card, *, is_open: bool) -> None:
        """Remember which module is open, for when the list is painted anew."""
        self._open = card if is_open else None

    # -- the checks ------------------------------------------------------------------------

    def changed(self, card: Card | None = None) -> None:
        """Take note of an edit; the check follows once the person rests."""
        self._edits += 1
        self.is_checked = False
        if card is not None and card in self._heads:
            self._heads[card].show()
        self.on_checked()
        self._due = time.monotonic() + REST
        self._rest.activate()

    async def _check_when_due(self) -> None:
        if time.monotonic() >= self._due:
            self._rest.deactivate()
            await self.check_now()

    async def check_now(self) -> None:
        """Check the draft as it stands."""
        edits = self._edits
        complaints = await brought(self._check(self.draft.plan))
        if complaints is None or edits != self._edits:
            return
        self.complaints, self.is_checked = complaints, True
        self._tell()
        self.on_checked()

    def _tell(self) -> None:
        """Say what is wrong, above the list and beside the modules that are named."""
        by_module = sort_complaints(self.complaints, self.draft.ids())
        for card, head in self._heads.items():
            head.complain(by_module.get(card.id, []))
        self._told.clear()
        with self._told:
            if self.complaints:
                text(counted("{n} complaint", "{n} complaints", len(self.complaints)), classes="warn")
                with ui.element("ul").classes("list"):
                    for complaint in self.complaints[:_MOST_SHOWN]:
                        text(told(complaint), "li")
            elif self.is_checked:
                text(_("This plan can be carried out."), classes="dim")


class _Head:
    """One module in the list: its line, and its form once it is opened."""

    def __init__(self, card: Card, editor: PlanEditor, *, is_open: bool) -> None:
        self.card = card
        self._editor = editor
        self._built = False
        self._fold = ui.expansion("", on_value_change=self._turned).classes("fold")
        self._fold.props["data-testid"] = f"plan-module-{card.id}"
        self.show()
        with self._fold:
            self._beside = ui.element("div").classes("stack complaints")
            self._form = ui.element("div").classes("form")
        if is_open:
            self._fold.value = True

    def show(self) -> None:
        """Show the module's line anew."""
        spec, after = self.card.spec, self.card.names("dependencies")
        name = text_of(spec.get("name"))
        self._fold.text = f"{name} · {self.card.id}" if name else self.card.id
        self._fold.props["caption"] = _("after {modules}").format(modules=", ".join(after)) if after else ""

    def reveal(self) -> None:
        """Bring the module into view."""
        ui.run_javascript(f"getHtmlElement({self._fold.id})?.scrollIntoView({{block: 'nearest'}})")

    def complain(self, complaints: list[str]) -> None:
        """Say what is wrong with this module."""
        self._fold.classes(add="faulty" if complaints else "", remove="" if complaints else "faulty")
        self._beside.clear()
        with self._beside:
            for complaint in complaints[:_MOST_SHOWN]:
                text(told(complaint), classes="warn")

    def _turned(self) -> None:
        self._editor.opened(self.card, is_open=bool(self._fold.value))
        if self._fold.value and not self._built:
            self._built = True
            with self._form:
                ModuleForm(self.card, self._editor.draft, self._editor.changed, self._editor.remove)


class ModuleForm:
    """The fields of one module.

    Args:
        card: the module; edits go into it at once.
        draft: the plan that it is of.
        changed: called after each edit.
        remove: takes the module out; None where it can be neither taken out nor renamed.
    """

    def __init__(
        self, card: Card, draft: Draft, changed: Callable[[Card], None], remove: Callable[[Card], None] | None = None
    ) -> None:
        self._card = card
        self._draft = draft
        self._changed = changed
        others = [name for name in draft.ids() if name != card.id]
        with ui.element("div").classes("fields"):
            if remove is not None:
                self._line("id", _("Id"), self._rename)
            self._line("name", _("Name"))
        self._long("description", _("What to build"))
        self._lines("rules", _("Rules, one a line"))
        with ui.element("div").classes("fields"):
            self._names("dependencies", _("Depends on"), others)
            self._names("artifact_reads", _("Reads the files of"), others)
            self._names("shared_state_reads", _("Reads the keys"), draft.keys())
            self._names("shared_state_writes", _("Writes the keys"), draft.keys(), new=True)
            self._one_of("worker", _("Worker"), sorted(workers()))
            self._one_of("modality", _("Kind of work"), list(MODALITIES))
            self._line("model", _("Model, if not the run's")).props("placeholder=provider:model")
        self._lines("asset_reads", _("Reads these files of yours, one a line"))
        self._lines("outputs", _("Hands over, one a line"))
        if remove is not None:
            with ui.element("div"):
                out = ui.button(_("Remove this module"), icon="delete", on_click=lambda: remove(card))
                out.props("flat dense no-caps color=negative data-testid=plan-remove")

    def _set(self, field: str, value: Any) -> None:
        self._card.spec[field] = value
        self._changed(self._card)

    def _rename(self, new: str) -> None:
        self._draft.rename(self._card, new)
        self._changed(self._card)

    def _line(self, field: str, label: str, take: Callable[[str], None] | None = None) -> ui.element:
        taken = take or (lambda value: self._set(field, value or None if field == "model" else value))
        value = text_of(self._card.spec.get(field))
        shown = ui.input(label, value=value, on_change=lambda event: taken((event.value or "").strip()))
        return self._mark(shown, field)

    def _long(self, field: str, label: str) -> None:
        value = text_of(self._card.spec.get(field))
        shown = ui.textarea(label, value=value, on_change=lambda event: self._set(field, event.value or ""))
        self._mark(shown, field).props("autogrow")

    def _lines(self, field: str, label: str) -> None:
        value = "\n".join(self._card.names(field))
        shown = ui.textarea(
            label,
            value=value,
            on_change=lambda event: self._set(
                field, [line for line in (event.value or "").splitlines() if line.strip()]
            ),
        )
        self._mark(shown, field).props("autogrow")

    def _names(self, field: str, label: str, options: list[str], *, new: bool = False) -> None:
        chosen = self._card.names(field)
        shown = ui.select(
            list(dict.fromkeys([*options, *chosen])),
            label=label,
            value=chosen,
            multiple=True,
            with_input=True,
            new_value_mode="add-unique" if new else None,
            on_change=lambda event: self._set(field, list(event.value or [])),
        )
        self._mark(shown, field).props("use-chips")

    def _one_of(self, field: str, label: str, options: list[str]) -> None:
        chosen = text_of(self._card.spec.get(field)) or ModuleSpec.model_fields[field].default
        every = list(dict.fromkeys([*options, chosen]))
        shown = ui.select(every, label=label, value=chosen, on_change=lambda event: self._set(field, event.value))
        self._mark(shown, field)

    def _mark(self, element: ui.element, field: str) -> ui.element:
        element.props("dense outlined").classes("field")
        element.props["data-testid"] = f"plan-field-{field.replace('_', '-')}"
        return element
