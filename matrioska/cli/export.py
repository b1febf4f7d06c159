"""``export``: taking a run's deliverable away."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matrioska.cli.main import COMPLETE
from matrioska.cli.place import find_place
from matrioska.cli.session import look, run_async
from matrioska.cli.text import plain, size
from matrioska.cli.ui import Ui, use
from matrioska.i18n import _, counted, told
from matrioska.state.errors import UsageError
from matrioska.store.exporters.base import Exported


@dataclass(frozen=True)
class Target:
    """Where a deliverable is to go, and by which exporter."""

    zip_file: Path | None = None
    git_folder: Path | None = None
    to: str | None = None
    out: Path | None = None

    def chosen(self) -> tuple[str, Path]:
        """Return the exporter and what it is to write.

        Raises:
            UsageError: none is named, or more than one.
        """
        named = [(name, place) for name, place in (("zip", self.zip_file), ("git", self.git_folder)) if place]
        if (self.to is None) != (self.out is None):
            raise UsageError("--to and --out belong together.", next_step="Write --to NAME --out PATH.")
        if self.to is not None and self.out is not None:
            named.append((self.to, self.out))
        if len(named) != 1:
            raise UsageError(
                "Say where the deliverable is to go, once.",
                next_step="Give one of --zip FILE, --git DIR, or --to NAME with --out PATH.",
            )
        return named[0]


def export_thread(thread: str, target: Target, base_path: Path | None, *, as_json: bool) -> int:
    """Take a run's deliverable away."""
    ui = use(Ui(json=as_json))
    exporter, path = target.chosen()
    place = find_place(base_path)

    async def body() -> int:
        async with look(ui, place, thread) as session:
            exported = await session.runs.export_to(exporter, thread, path)
        if as_json:
            ui.emit_json({"thread_id": thread, exporter: str(exported.path), **exported.details})
        else:
            ui.out.print(f"📦 {plain(exported.path)}{_figures(exported)}", soft_wrap=True)
            for line in exported.told:
                ui.say(plain(told(line)), soft_wrap=True)
        return COMPLETE

    return run_async(body)


def _figures(exported: Exported) -> str:
    """Return what is counted of an export, in brackets; '' when nothing is."""
    if "commits" in exported.details:
        commits = exported.details["commits"]
        brought = counted("{n} new commit", "{n} new commits", commits) if commits else _("nothing new")
        return f" ({brought})"
    return f" ({size(exported.path.stat().st_size)})" if exported.path.is_file() else ""
