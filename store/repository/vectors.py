"""Ranking by meaning: vectors kept as values of the store, so that every store can hold them."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from langgraph.store.base import BaseStore, GetOp, PutOp

from matrioska.i18n import N_
from matrioska.state.errors import ModelResponseError
from matrioska.store.repository.access import ROOT, batch, search_all

if TYPE_CHECKING:
    from numpy import ndarray

    Vector = ndarray[Any, Any]

#: Characters of a text that are embedded. Models read a few hundred words of it at the most.
_MOST_EMBEDDED = 4_000
_PROBE_KEY = "probe"
# Its vector tells whether a name still means the model that made the vectors kept under it.
_PROBE = "The quick brown fox jumps over the lazy dog; 12 azulejos azuis."
#: Cosine of one text's two vectors, above which they are of one model. Servers round differently.
_SAME = 0.99


class Embedder(Protocol):
    """What turns texts into vectors."""

    @property
    def name(self) -> str:
        """``provider:model``: vectors are kept by it."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text.

        Raises:
            ModelError: the model cannot be reached, loaded or used.
        """


class Vectors:
    """The vectors of one embedder in a store, by the SHA-256 of the text. Every project shares them."""

    def __init__(self, store: BaseStore, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        # A label of a namespace takes no dots, which models' names have.
        self._place = (*ROOT, "vectors", hashlib.sha256(embedder.name.encode()).hexdigest()[:32])

    async def of(self, texts: Sequence[str]) -> tuple[Vector, str]:
        """Return the vectors of texts, one a row and of length 1, and what the person should know ('' for nothing).

        Those that are missing are made in one call and kept.

        Raises:
            ModelError: the embedder cannot be used.
            StoreError: the store cannot.
        """
        import numpy

        keys = [_key(text) for text in texts]
        wanted = dict(zip(keys, texts, strict=True))
        kept = await self._kept([_PROBE_KEY, *wanted])
        old = kept.pop(_PROBE_KEY, None)
        if old is None:
            # Vectors that nothing vouches for.
            kept = {}
        missing = [key for key in wanted if key not in kept]
        probe, *made = await self.embed([_PROBE, *(wanted[key] for key in missing)])
        fresh, warning = dict(zip(missing, made, strict=True)), ""
        if old is not None and not _alike(old, probe):
            warning = self._changed(old, probe)
            await self._throw_away()
            kept = {}
        if again := [key for key in wanted if key not in fresh and not _of_size(kept.get(key), probe)]:
            fresh |= dict(zip(again, await self.embed([wanted[key] for key in again]), strict=True))
        if fresh or warning:
            await self._keep({_PROBE_KEY: probe, **fresh})
        rows = [fresh[key] if key in fresh else kept[key] for key in keys]
        if any(row.size != probe.size for row in rows):
            raise self._useless("its vectors change their length from call to call")
        return numpy.stack(rows), warning

    def _changed(self, old: Vector, new: Vector) -> str:
        if old.size == new.size:
            changed = N_("{embedder} is another model than before: its vectors are others now. All were made anew.")
            return changed.format(embedder=self._embedder.name)
        changed = N_(
            "{embedder} is another model than before: its vectors had {before} dimensions and have {after} now. "
            "All were made anew."
        )
        return changed.format(embedder=self._embedder.name, before=old.size, after=new.size)

    async def embed(self, texts: Sequence[str]) -> Vector:
        """Return fresh vectors of texts, one a row and of length 1.

        Raises:
            ModelResponseError: what the embedder gives is not one finite vector of one length a text.
            ModelError: it cannot be used.
        """
        import numpy

        told = await self._embedder.embed([text[:_MOST_EMBEDDED] for text in texts])
        try:
            found = numpy.asarray(told, dtype=numpy.float32)
        except (TypeError, ValueError) as error:
            raise self._useless(f"it gave vectors of several lengths ({error})") from error
        if found.ndim != 2 or len(found) != len(texts) or not found.shape[1]:
            raise self._useless(f"it gave an array of {found.shape} for {len(texts)} texts")
        if not numpy.isfinite(found).all():
            raise self._useless("its vectors hold numbers that are not finite")
        lengths = numpy.linalg.norm(found, axis=1, keepdims=True)
        # A text without words may have the vector 0, which is like nothing.
        unit: Vector = found / numpy.where(lengths > 0, lengths, 1)
        return unit

    def _useless(self, why: str) -> ModelResponseError:
        return ModelResponseError(
            f"The embedder {self._embedder.name} cannot be used: {why}.",
            model=self._embedder.name,
            next_step="Name a model that makes embeddings, or leave the option embedder out to rank by words.",
        )

    async def _kept(self, keys: Sequence[str]) -> dict[str, Vector]:
        items = await batch(self._store, [GetOp(self._place, key) for key in keys])
        found = {key: _decoded(item.value) for key, item in zip(keys, items, strict=True) if item is not None}
        return {key: vector for key, vector in found.items() if vector is not None}

    async def _keep(self, vectors: dict[str, Vector]) -> None:
        await batch(
            self._store, [PutOp(self._place, key, _encoded(vector), index=False) for key, vector in vectors.items()]
        )

    async def _throw_away(self) -> None:
        found = await search_all(self._store, self._place)
        await batch(self._store, [PutOp(self._place, item.key, None) for item in found])


def _key(text: str) -> str:
    return hashlib.sha256(text[:_MOST_EMBEDDED].encode("utf-8", "replace")).hexdigest()


def _of_size(vector: Vector | None, other: Vector) -> bool:
    return vector is not None and vector.size == other.size


def _alike(one: Vector, other: Vector) -> bool:
    return one.size == other.size and float(one @ other) > _SAME


def _encoded(vector: Vector) -> dict[str, str]:
    # A fifth of the size that it has as a list of numbers, and read a hundred times as fast.
    return {"f32": base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")}


def _decoded(value: dict[str, Any]) -> Vector | None:
    """Return a kept vector; None for what cannot be read, which is made anew."""
    import numpy

    try:
        found: Vector = numpy.frombuffer(base64.b64decode(value["f32"], validate=True), dtype="<f4")
    except (KeyError, TypeError, ValueError, binascii.Error):
        return None
    return found if found.size and bool(numpy.isfinite(found).all()) else None


class MeaningRanking:
    """Texts by how near their vectors are to a query's. Made by `rank_by_meaning`."""

    def __init__(self, vectors: Vectors, texts: Sequence[str], rows: Vector, embedder: Embedder) -> None:
        self.name = self.name_of(embedder)
        self._vectors = vectors
        self._texts = texts
        self._rows = rows

    @staticmethod
    def name_of(embedder: Embedder) -> str:
        """Return the name of the ranking with an embedder."""
        return N_("by meaning ({embedder})").format(embedder=embedder.name)

    async def scores(self, query: str) -> list[float]:
        """Return the cosine of each text's vector with the query's, in their order.

        Raises:
            ModelError: the embedder cannot be used, or changes its vectors from call to call.
        """
        wanted = (await self._vectors.embed([query]))[0]
        if wanted.size != self._rows.shape[1]:
            # Swapped under its name since the rows were read.
            self._rows, _ = await self._vectors.of(self._texts)
        if wanted.size != self._rows.shape[1]:
            raise ModelResponseError(
                f"The embedder's vectors have {wanted.size} dimensions now and {self._rows.shape[1]} the next moment.",
                next_step="Look into its server, or leave the option embedder out to rank by words.",
            )
        return [float(score) for score in self._rows @ wanted]


async def rank_by_meaning(store: BaseStore, embedder: Embedder, texts: Sequence[str]) -> tuple[MeaningRanking, str]:
    """Return the ranking of texts, and what the person should know ('' for nothing); see `Vectors.of`."""
    vectors = Vectors(store, embedder)
    rows, warning = await vectors.of(texts)
    return MeaningRanking(vectors, texts, rows, embedder), warning
