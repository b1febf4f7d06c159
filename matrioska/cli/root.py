"""The program as a whole: its name and help, its version, its language. Commands are hung below it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

app = typer.Typer(
    name="matrioska",
    help="One big task in, one checked deliverable out: planned, built in parallel, joined, verified, and resumable.",
    epilog="Exit codes: 0 complete, 1 failed or partial, 2 wrong use, 3 waiting for a person, 130 stopped (saved).",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    rich_markup_mode=None,
)


def click_exceptions() -> tuple[type[Exception], type[Exception]]:
    """Return the parser's base error and its abort, wherever this Typer keeps them."""
    error = next(cls for cls in typer.BadParameter.__mro__ if cls.__name__ == "ClickException")
    return error, typer.Abort


def _version(wanted: bool) -> None:
    if wanted:
        from matrioska.cli.version import own_version

        sys.stdout.write(f"matrioska {own_version()}\n")
        raise typer.Exit


def _language(wish: str | None) -> None:
    """Refuse a language that is not spoken. What is spoken was chosen before: `matrioska.cli.main`."""
    from matrioska.i18n import known, languages
    from matrioska.state.errors import UsageError

    if wish is not None and known(wish) is None:
        raise UsageError(f"Matrioska does not speak {wish[:40]!r}.", next_step=f"It speaks {', '.join(languages())}.")


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
    lang: Annotated[
        str | None,
        typer.Option(
            "--lang",
            metavar="LANG",
            help="Language of messages and help: en, pt_BR. Default: MATRIOSKA_LANG, else the system's.",
            callback=_language,
        ),
    ] = None,
) -> None:
    """One big task in, one checked deliverable out: planned, built in parallel, joined, verified, and resumable."""
