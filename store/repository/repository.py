"""One project's part of the context repository, on any LangGraph store.

Namespaces: ``matrioska/projects/<project>/<kind>`` for what belongs to a project, and
``matrioska/condensed`` and ``matrioska/vectors/<embedder>`` for what is kept by content and
shared by all. Every value is plain JSON with one record of `matrioska.state.repository` in it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from langgraph.store.base import BaseStore, GetOp, Item, PutOp
from pydantic import BaseModel, ValidationError

from matrioska.i18n import N_
from matrioska.state.errors import NewerFormatError
from matrioska.state.repository import REPOSITORY_FORMAT, Asset, DecisionRecord, Entry, ProjectRecord, Term
from matrioska.store.repository.access import ROOT, batch, search_all
from matrioska.store.repository.cache import forget_snapshots, shared_snapshot
from matrioska.store.repository.snapshot import Ranking, Snapshot, text_of
from matrioska.store.repository.vectors import Embedder, MeaningRanking, rank_by_meaning
from matrioska.store.repository.words import WordRanking

#: Entries and decisions kept of one project; of more, the oldest are forgotten.
MOST_ENTRIES = 5_000
MOST_DECISIONS = 1_000

Kind = Literal["record", "sections", "elements", "assets", "history", "glossary"]
_CONDENSED = (*ROOT, "condensed")
_M = TypeVar("_M", bound=BaseModel)


@dataclass(frozen=True)
class Repository:
    """What is kept of one project. Every method may raise `StoreError`, and `NewerFormatError` among these."""

    store: BaseStore
    project: str
    """Its id, a `PROJECT_ID`."""
    embedder: Embedder | None = None
    """Ranks by meaning; None ranks by words."""

    # -- reading -----------------------------------------------------------------------------

    async def record(self) -> ProjectRecord | None:
        """Return the project as its last run left it; None before any ended."""
        (item,) = await batch(self.store, [GetOp(self._place("record"), "project")])
        if item is None:
            return None
        self._check_format(item)
        return _read(item, ProjectRecord)

    async def entries(self) -> list[Entry]:
        """Return every entry, the newest first."""
        found = [*await self._all("sections", Entry), *await self._all("elements", Entry)]
        return sorted(found, key=lambda entry: (-entry.at, entry.id))

    async def assets(self) -> dict[str, Asset]:
        """Return the assets by name, in the order of the names."""
        return _by_name(await self._all("assets", Asset))

    async def terms(self) -> list[Term]:
        """Return the glossary, in the order of the alphabet."""
        return sorted(await self._all("glossary", Term), key=lambda term: term.term.casefold())

    async def decisions(self) -> list[DecisionRecord]:
        """Return the history, the newest first."""
        return sorted(await self._all("history", DecisionRecord), key=lambda decision: -decision.at)

    async def snapshot(self, thread: str, *, reuse: bool = False, ranked: bool = True) -> Snapshot:
        """Return what a run may see: all but what it wrote itself, so that a resumed run sees what it saw.

        Args:
            thread: the run; '' sees everything.
            reuse: take the one that this process read last for the run, if there is one.
            ranked: False for one that is only looked at: nothing is embedded, and nothing found.

        Raises:
            ModelError: the embedder cannot be used.
        """
        if not ranked:
            return await self._taken(thread, ranked=False)
        who = (self.project, thread, self.embedder.name if self.embedder else "")
        return await shared_snapshot(self.store, who, lambda: self._taken(thread, ranked=True), reuse=reuse)

    # -- writing -----------------------------------------------------------------------------

    async def write_record(self, record: ProjectRecord) -> None:
        """Replace the project's record."""
        await self._put("record", {"project": record})

    async def put_entries(self, entries: Sequence[Entry]) -> None:
        """Add entries; one of the same id is replaced. Of too many, the oldest are forgotten."""
        by_kind: dict[Kind, dict[str, Entry]] = {"sections": {}, "elements": {}}
        for entry in entries:
            by_kind[_kind_of(entry)][entry.id] = entry
        for kind, records in by_kind.items():
            await self._put(kind, records)
        every = await self.entries()
        await self._forget(every[MOST_ENTRIES:])

    async def replace_sections(self, entries: Sequence[Entry]) -> None:
        """Add entries, and forget all else that was known of their sections."""
        sections, ids = {entry.section for entry in entries}, {entry.id for entry in entries}
        outdated = [old for old in await self.entries() if old.section in sections and old.id not in ids]
        await self.put_entries(entries)
        await self._forget(outdated)

    async def put_assets(self, assets: Iterable[Asset]) -> None:
        """Add assets; one of the same name is replaced."""
        await self._put("assets", {asset.ref.path: asset for asset in assets})

    async def put_terms(self, terms: Iterable[Term], thread: str = "") -> None:
        """Add terms to the glossary; one of the same name is replaced."""
        await self._put("glossary", {term.term.casefold(): term for term in terms}, thread)

    async def add_decisions(self, decisions: Sequence[DecisionRecord]) -> None:
        """Add decisions to the history. One that the same run has told before is passed over."""
        known = await self.decisions()
        told = {_gist(decision) for decision in known}
        fresh = {_key(decision): decision for decision in decisions if _gist(decision) not in told}
        await self._put("history", fresh)
        outdated = sorted([*known, *fresh.values()], key=lambda decision: -decision.at)[MOST_DECISIONS:]
        await self._remove("history", [_key(decision) for decision in outdated])

    # -- condensed texts ---------------------------------------------------------------------

    async def recall(self, digest: str) -> str | None:
        """Return the text that was remembered under a digest, by any project; None without one."""
        (item,) = await batch(self.store, [GetOp(_CONDENSED, digest)])
        text = item.value.get("text") if item is not None else None
        return text if isinstance(text, str) else None

    async def remember(self, digest: str, text: str) -> None:
        """Keep a text under the digest of what it was made from."""
        await batch(self.store, [PutOp(_CONDENSED, digest, {"text": text}, index=False)])

    # -- helpers -----------------------------------------------------------------------------

    def _place(self, *kind: str) -> tuple[str, ...]:
        return (*ROOT, "projects", self.project, *kind)

    async def _taken(self, thread: str, *, ranked: bool) -> Snapshot:
        by_kind: dict[str, list[Item]] = defaultdict(list)
        for item in await search_all(self.store, self._place()):
            by_kind[item.namespace[-1]].append(item)
        for found in by_kind["record"]:
            self._check_format(found)
        sight = _Sight(by_kind, thread)
        entries = sorted(
            [*sight.of("sections", Entry), *sight.of("elements", Entry)], key=lambda entry: (-entry.at, entry.id)
        )
        ranker, warning = await self._ranker([text_of(entry) for entry in entries] if ranked else [])
        return Snapshot(
            project=self.project,
            record=next(iter(sight.of("record", ProjectRecord)), None),
            entries=tuple(entries),
            terms=tuple(sorted(sight.of("glossary", Term), key=lambda term: term.term.casefold())),
            decisions=tuple(sorted(sight.of("history", DecisionRecord), key=lambda decision: -decision.at)),
            assets=_by_name(sight.of("assets", Asset)),
            ranking=MeaningRanking.name_of(self.embedder) if self.embedder else WordRanking.name,
            warnings=tuple(filter(None, (warning, sight.warning()))),
            ranker=ranker,
        )

    async def _ranker(self, texts: list[str]) -> tuple[Ranking | None, str]:
        """Return the ranking of texts, None where there are none, and what the person should know."""
        if not texts:
            return None, ""
        if self.embedder is not None:
            return await rank_by_meaning(self.store, self.embedder, texts)
        # A large project takes its time, which the loop has other uses for.
        return await asyncio.to_thread(WordRanking, texts), ""

    async def _all(self, kind: Kind, model: type[_M]) -> list[_M]:
        await self.record()
        found = [_read(item, model) for item in await search_all(self.store, self._place(kind))]
        return [record for record in found if record is not None]

    async def _put(self, kind: Kind, records: dict[str, Any], thread: str = "") -> None:
        """Write records by key; what a newer version wrote is not touched."""
        if not records:
            return
        await self.record()
        place = self._place(kind)
        # Terms do not say themselves who wrote them.
        values = {key: {"data": record.model_dump(mode="json"), "thread": thread} for key, record in records.items()}
        await batch(self.store, [PutOp(place, key, value, index=False) for key, value in values.items()])
        forget_snapshots(self.store, self.project)

    async def _forget(self, entries: Iterable[Entry]) -> None:
        by_kind: dict[Kind, list[str]] = {"sections": [], "elements": []}
        for entry in entries:
            by_kind[_kind_of(entry)].append(entry.id)
        for kind, ids in by_kind.items():
            await self._remove(kind, ids)

    async def _remove(self, kind: Kind, keys: Sequence[str]) -> None:
        await batch(self.store, [PutOp(self._place(kind), key, None) for key in keys])
        forget_snapshots(self.store, self.project)

    def _check_format(self, item: Item) -> None:
        data = item.value.get("data")
        found = data.get("format", REPOSITORY_FORMAT) if isinstance(data, dict) else REPOSITORY_FORMAT
        if not isinstance(found, int) or found > REPOSITORY_FORMAT:
            raise NewerFormatError(
                f"The repository of the project {self.project} was written in format {found}; "
                f"this version reads up to {REPOSITORY_FORMAT}.",
                path=str(getattr(self.store, "path", "")),
                next_step="Upgrade Matrioska to use it, or name another project; nothing was changed.",
            )


class _Sight:
    """What one thread may see of a project's items, read into records."""

    def __init__(self, by_kind: Mapping[str, list[Item]], thread: str) -> None:
        self._by_kind = by_kind
        self._thread = thread
        self._unreadable = 0

    def of(self, kind: Kind, model: type[_M]) -> list[_M]:
        """Return the records of a kind that were not written by the thread itself."""
        found = []
        for item in self._by_kind.get(kind, ()):
            record = _read(item, model)
            if record is None:
                self._unreadable += 1
            elif not self._thread or _writer(item, record) != self._thread:
                found.append(record)
        return found

    def warning(self) -> str:
        """Return what is to be said of records that are none of ours; '' for nothing."""
        if self._unreadable == 1:
            return N_("1 record of the repository could not be read and stayed out.")
        unreadable = N_("{number} records of the repository could not be read and stayed out.")
        return unreadable.format(number=self._unreadable) if self._unreadable else ""


def _writer(item: Item, record: BaseModel) -> str:
    return str(getattr(record, "thread", "") or item.value.get("thread", ""))


def _read(item: Item, model: type[_M]) -> _M | None:
    """Return an item's record; None for what is none of ours."""
    try:
        return model.model_validate(item.value.get("data"))
    except ValidationError:
        return None


def _by_name(assets: Iterable[Asset]) -> dict[str, Asset]:
    found = {asset.ref.path: asset for asset in assets}
    return {name: found[name] for name in sorted(found)}


def _kind_of(entry: Entry) -> Kind:
    return "sections" if entry.level == "section" else "elements"


def _gist(decision: DecisionRecord) -> str:
    return decision.model_dump_json(exclude={"at"})


def _key(decision: DecisionRecord) -> str:
    # In the order of time as texts, and never the same for two decisions of one moment.
    return f"{decision.at:017.6f}-{hashlib.sha256(_gist(decision).encode()).hexdigest()[:12]}"
