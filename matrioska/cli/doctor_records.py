"""The doctor's questions about what is written down and reported: the journal, OpenTelemetry, LangSmith."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from matrioska.cli.checks import MISSING, OK, OPTIONAL, WARNING, Check, is_installed
from matrioska.cli.place import find_place
from matrioska.cli.text import line, size
from matrioska.i18n import N_, _, counted, told
from matrioska.models.providers import shown_address
from matrioska.models.telemetry import INSTALL, address, captures_text, wanted
from matrioska.state.errors import ConfigError, MatrioskaError, NewerFormatError
from matrioska.store.journal import Journal, open_journal

_GROUP = N_("Journal and traces")


def record_checks(base_path: Path | None) -> Iterator[Check]:
    """Check the journal below a base path, and where traces go. Faulty settings say so elsewhere."""
    try:
        layout = find_place(base_path).layout
        kept = open_journal(layout.base)
    except ConfigError:
        pass
    else:
        yield from journal_checks(kept, layout.journal)
    yield telemetry_check()
    yield langsmith_check()


def journal_checks(kept: Journal, place: Path) -> Iterator[Check]:
    """Check that the journal can be read, and whether anything waits to be taken in.

    Args:
        kept: the journal.
        place: where it is when the settings name no other database.
    """
    name = _("journal")
    if not kept.keeps:
        yield Check(name, OPTIONAL, _("off: what is said is not kept"), group=_GROUP)
        return
    aside = place.with_name("journal.pending.jsonl")
    # Before it is read, which may take it in.
    pending = aside.stat().st_size if aside.exists() else 0
    try:
        held = len(kept.conversations())
    except NewerFormatError as error:
        yield Check(name, WARNING, told(error.message), told(error.next_step), _GROUP)
    except MatrioskaError as error:
        yield Check(name, MISSING, told(error.message), told(error.next_step), _GROUP)
    else:
        if not held:
            yield Check(name, OPTIONAL, _("{address}: nothing yet").format(address=kept.address), group=_GROUP)
        else:
            there = Path(kept.address) == place and place.exists()
            facts = [counted("{n} conversation", "{n} conversations", held)]
            facts += [size(place.stat().st_size)] if there else []
            yield Check(name, OK, f"{kept.address}: {', '.join(facts)}", group=_GROUP)
    if pending:
        step = _("It is taken in by the next run or question, once the journal can be written.")
        waiting = _("{size} of messages wait in {file}").format(size=size(pending), file=aside)
        yield Check(name, WARNING, waiting, step, _GROUP)


def telemetry_check() -> Check:
    """Tell where spans go."""
    exporters = wanted("traces")
    if not exporters:
        return Check(
            "OpenTelemetry",
            OPTIONAL,
            _("off: {variable} turns it on").format(variable="OTEL_EXPORTER_OTLP_ENDPOINT"),
            group=_GROUP,
        )
    if not is_installed("opentelemetry.sdk"):
        return Check("OpenTelemetry", MISSING, _("configured, but its package is missing"), INSTALL, _GROUP)
    where = shown_address(address("traces"))
    goes = _("traces by {exporters} to {where}") if where else _("traces by {exporters}")
    facts = [goes.format(exporters=", ".join(exporters), where=line(where, 120))]
    facts += [_("metrics too")] if wanted("metrics") else []
    facts.append(_("with prompts and answers") if captures_text() else _("without prompts and answers"))
    return Check("OpenTelemetry", OK, ", ".join(facts), group=_GROUP)


def langsmith_check() -> Check:
    """Tell whether runs are reported to LangSmith."""
    from langsmith.utils import get_tracer_project, tracing_is_enabled

    if not tracing_is_enabled():
        return Check(
            "LangSmith",
            OPTIONAL,
            _("off: {variable} turns it on").format(variable="LANGSMITH_TRACING=true"),
            group=_GROUP,
        )
    where = shown_address(os.environ.get("LANGSMITH_ENDPOINT") or "https://api.smith.langchain.com")
    goes = _("runs go to {where}, project {project}, with prompts and answers")
    goes = goes.format(where=line(where, 120), project=line(get_tracer_project(), 60))
    if not (os.environ.get("LANGSMITH_API_KEY") or os.environ.get("LANGCHAIN_API_KEY")):
        return Check("LangSmith", WARNING, goes, _("Put LANGSMITH_API_KEY into the environment or into .env."), _GROUP)
    return Check("LangSmith", OK, goes, group=_GROUP)
