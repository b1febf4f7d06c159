"""The doctor's questions about what is written down and reported: the journal, OpenTelemetry, LangSmith."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from matrioska.cli.checks import MISSING, OK, OPTIONAL, WARNING, Check, is_installed
from matrioska.cli.session import find_place
from matrioska.cli.text import count, line, size
from matrioska.models.providers import shown_address
from matrioska.models.telemetry import INSTALL, address, captures_text, wanted
from matrioska.state.errors import ConfigError, MatrioskaError, NewerFormatError
from matrioska.store.journal import Journal, open_journal

_GROUP = "Journal and traces"


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
    if not kept.keeps:
        yield Check("journal", OPTIONAL, "off: what is said is not kept", group=_GROUP)
        return
    aside = place.with_name("journal.pending.jsonl")
    # Before it is read, which may take it in.
    pending = aside.stat().st_size if aside.exists() else 0
    try:
        held = len(kept.conversations())
    except NewerFormatError as error:
        yield Check("journal", WARNING, error.message, error.next_step, _GROUP)
    except MatrioskaError as error:
        yield Check("journal", MISSING, error.message, error.next_step, _GROUP)
    else:
        told = f"{kept.address}: {count(held, 'conversation')}"
        if not held:
            yield Check("journal", OPTIONAL, f"{kept.address}: nothing yet", group=_GROUP)
        else:
            there = Path(kept.address) == place and place.exists()
            yield Check("journal", OK, told + (f", {size(place.stat().st_size)}" if there else ""), group=_GROUP)
    if pending:
        step = "It is taken in by the next run or question, once the journal can be written."
        yield Check("journal", WARNING, f"{size(pending)} of messages wait in {aside}", step, _GROUP)


def telemetry_check() -> Check:
    """Tell where spans go."""
    exporters = wanted("traces")
    if not exporters:
        return Check("OpenTelemetry", OPTIONAL, "off: OTEL_EXPORTER_OTLP_ENDPOINT turns it on", group=_GROUP)
    if not is_installed("opentelemetry.sdk"):
        return Check("OpenTelemetry", MISSING, "configured, but its package is missing", INSTALL, _GROUP)
    where = shown_address(address("traces"))
    told = f"traces by {', '.join(exporters)}{' to ' + line(where, 120) if where else ''}"
    told += ", metrics too" if wanted("metrics") else ""
    told += ", with prompts and answers" if captures_text() else ", without prompts and answers"
    return Check("OpenTelemetry", OK, told, group=_GROUP)


def langsmith_check() -> Check:
    """Tell whether runs are reported to LangSmith."""
    from langsmith.utils import get_tracer_project, tracing_is_enabled

    if not tracing_is_enabled():
        return Check("LangSmith", OPTIONAL, "off: LANGSMITH_TRACING=true turns it on", group=_GROUP)
    where = shown_address(os.environ.get("LANGSMITH_ENDPOINT") or "https://api.smith.langchain.com")
    told = f"runs go to {line(where, 120)}, project {line(get_tracer_project(), 60)}, with prompts and answers"
    if not (os.environ.get("LANGSMITH_API_KEY") or os.environ.get("LANGCHAIN_API_KEY")):
        return Check("LangSmith", WARNING, told, "Put LANGSMITH_API_KEY into the environment or into .env.", _GROUP)
    return Check("LangSmith", OK, told, group=_GROUP)
