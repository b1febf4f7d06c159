"""Which options of ``ask`` go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matrioska.cli.ui import Ui, use
from matrioska.state.errors import UsageError


def check_options(
    query: str | None, compare: bool, comparing: Mapping[str, Any], asking: Mapping[str, Any], *, as_json: bool
) -> None:
    """Check that the options of ``ask`` go together.

    Args:
        query: the question in words; None when none was given.
        compare: whether the ways to answer are to be compared.
        comparing: options of a comparison, by name.
        asking: options of a single answer, by name.
        as_json: how a complaint is shown.

    Raises:
        UsageError: one goes with the other kind, or there is no question, or two kinds of it.
    """
    use(Ui(json=as_json))
    if name := _given(asking if compare else comparing):
        if compare:
            raise UsageError(f"{name} goes without --compare.", next_step="Leave it out, or see `ask --help`.")
        raise UsageError(f"{name} goes with --compare.", next_step="Add --compare, or see `ask --help`.")
    if query is None and not comparing["--questions"]:
        raise UsageError("There is no question.", next_step='For example: matrioska ask "What is a cascade?"')
    if query is not None and comparing["--questions"]:
        raise UsageError(
            "A question and --questions were given.", next_step="Put the question into the file, or leave one out."
        )


def _given(options: Mapping[str, Any]) -> str:
    return next((name for name, value in options.items() if value), "")
