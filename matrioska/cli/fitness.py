"""``fitness``: what was learnt of the ensemble's nodes, and a person's word on it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from matrioska.cli.main import COMPLETE
from matrioska.cli.place import find_place
from matrioska.cli.session import run_async
from matrioska.cli.text import duration, line, plain
from matrioska.cli.ui import Ui, use
from matrioska.i18n import N_, _, counted, figure, told
from matrioska.state.errors import MatrioskaError, StoreError, UsageError
from matrioska.state.wording import did_you_mean
from matrioska.store.fitness import FitnessBook, FitnessRow
from matrioska.store.settings import load_settings
from matrioska.workers.ensemble.kinds import KINDS
from matrioska.workers.ensemble.learning import priors_of
from matrioska.workers.ensemble.topology import load_topology

# Above any export that is accepted; keeps /dev/zero out of memory.
_MOST_BYTES = 10_000_000


@dataclass(frozen=True)
class Wish:
    """What the options of the command ask for; nothing shows the table."""

    kind: str | None = None
    good: str | None = None
    bad: str | None = None
    reset: str | None = None
    reset_all: bool = False
    export: Path | None = None
    restore: Path | None = None

    @property
    def judged(self) -> str | None:
        """The node that a person gives a thumb, if any."""
        return self.good if self.good is not None else self.bad

    def check(self) -> None:
        """Check that the options go together.

        Raises:
            UsageError: they do not.
        """
        asked = [self.good, self.bad, self.reset, self.reset_all or None, self.export, self.restore]
        if sum(each is not None for each in asked) > 1:
            raise UsageError(
                "Only one of --good, --bad, --reset, --reset-all, --export and --import can be done at a time.",
                next_step="Give one of them.",
            )
        judged = self.judged
        if judged is None and self.kind is not None and asked != [None] * len(asked):
            raise UsageError(
                "--kind goes with the table, --good and --bad; the rest is done to all kinds.",
                next_step="Leave --kind out.",
            )
        if judged is not None and self.kind is None:
            raise UsageError(
                f"At what kind of task was {judged!r} right or wrong?",
                next_step=f"Say it with --kind: {', '.join(KINDS)}.",
            )
        if self.kind is not None and self.kind not in KINDS:
            raise UsageError(
                f"There is no kind of task {self.kind!r}{did_you_mean(self.kind, KINDS)}.",
                next_step=f"The kinds are {', '.join(KINDS)}.",
            )


def fitness(wish: Wish, topology: Path | None, base_path: Path | None, *, as_json: bool) -> int:
    """Show what was learnt, or change it as wished; return the exit code."""
    ui = use(Ui(json=as_json))
    wish.check()
    book = FitnessBook(find_place(base_path).layout.fitness, _priors(ui, topology))

    async def body() -> int:
        done = await _change(book, wish)
        if done is None:
            _show(ui, [row for row in await book.table() if wish.kind is None or row.kind == wish.kind])
        elif as_json:
            ui.emit_json(done[1])
        else:
            ui.out.print(Text(plain(done[0])), soft_wrap=True)
        return COMPLETE

    return run_async(body)


def _priors(ui: Ui, topology: Path | None) -> dict[str, float]:
    """Return what the topology says of its nodes; a faulty one of the settings is told and left out."""
    if topology is None and not load_settings().ensemble:
        return {}
    try:
        return priors_of(load_topology(topology))
    except MatrioskaError as error:
        if topology is not None:
            raise
        shown = _("Shown without the topology, which is faulty: {why}").format(why=plain(told(error.message)))
        ui.say(("! ", "yellow"), shown)
        return {}


async def _change(book: FitnessBook, wish: Wish) -> tuple[str, dict[str, Any]] | None:
    """Do what is wished for; return what was done, in words and as JSON, or None where nothing was to do."""
    judged = wish.judged
    if judged is not None and wish.kind is not None:
        await _require(book, judged)
        await book.record(judged, wish.kind, right=float(wish.good is not None), evidence="person")
        found = await book.posterior(judged, wish.kind)
        words = _("{node} is now expected to be right in {share} of {kind}.")
        said = words.format(node=judged, share=_percent(found.mean), kind=wish.kind)
        return said, {"node": judged, "kind": wish.kind, "mean": found.mean}
    if wish.reset is not None or wish.reset_all:
        if wish.reset is not None:
            await _require(book, wish.reset)
        forgotten = await book.reset(wish.reset)
        said = counted("Forgot what was learnt of {n} node.", "Forgot what was learnt of {n} nodes.", forgotten)
        return said, {"forgotten": forgotten}
    if wish.export is not None:
        exported = await book.export()
        path = _write(wish.export, exported)
        number = len(exported["records"])
        records = counted("{n} record", "{n} records", number)
        return _("Wrote {records} to {path}.").format(records=records, path=path), {
            "file": str(path),
            "records": number,
        }
    if wish.restore is not None:
        number = await book.restore(_read(wish.restore))
        said = counted("Took in {n} record.", "Took in {n} records.", number)
        return said, {"file": str(wish.restore), "records": number}
    return None


async def _require(book: FitnessBook, node: str) -> None:
    """Check that a node is known.

    Raises:
        UsageError: it is not; names the nearest.
    """
    known: Collection[str] = {row.node for row in await book.table()}
    if node not in known:
        raise UsageError(
            f"There is no node {node!r}{did_you_mean(node, known)}.",
            next_step="See `matrioska fitness` for those that there are.",
        )


def _write(path: Path, exported: dict[str, Any]) -> Path:
    """Write an export, and return where it stands.

    Raises:
        StoreError: the file cannot be written.
    """
    place = path.expanduser().absolute()
    try:
        place.write_text(json.dumps(exported, indent=1), encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"Cannot write the export to {place}: {error.strerror or error}.",
            path=str(place),
            next_step="Choose another file.",
        ) from error
    return place


def _read(path: Path) -> object:
    """Return the JSON in a file.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    try:
        with path.expanduser().open("rb") as file:
            return json.loads(file.read(_MOST_BYTES))
    except OSError as error:
        raise UsageError(
            f"Cannot read {path}: {error.strerror or error}.", next_step="Check the file's name."
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not JSON: {line(error)}.", next_step="Give a file that `matrioska fitness --export FILE` wrote."
        ) from error


def _show(ui: Ui, rows: list[FitnessRow]) -> None:
    if ui.json:
        ui.emit_json([row.model_dump(mode="json") for row in rows])
    elif not rows:
        ui.say(_("Nothing was learnt yet, and no ensemble is configured. Ask something with `matrioska ask`."))
    else:
        ui.out.print(fitness_table(rows))


def fitness_table(rows: list[FitnessRow]) -> Table:
    """Return the table of nodes: each overall, and below it by kind."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in (N_("node"), N_("kind"), N_("right"), N_("90 % between"), N_("observed"), N_("time")):
        table.add_column(_(name), no_wrap=True, justify="left" if name in ("node", "kind") else "right")
    for row in rows:
        table.add_row(
            Text(line(row.node, 64), "" if row.kind else "bold"),
            Text(line(row.kind, 32) if row.kind else _("all"), "" if row.kind else "bold"),
            _percent(row.mean),
            _("{low} and {high}").format(low=_percent(row.low), high=_percent(row.high)),
            figure(row.observations),
            "–" if row.seconds is None else duration(row.seconds),
        )
    return table


def _percent(share: float) -> str:
    return f"{100.0 * share:.0f} %"
