"""The repository on our own database and on a platform's store, and an embedder that costs nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore

from matrioska.store.repository import Repository
from matrioska.store.repository.backend import open_store
from matrioska.store.repository.words import words_of


@pytest.fixture(params=["sqlite", "platform"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStore]:
    if request.param == "platform":
        yield InMemoryStore()
        return
    opened = open_store(tmp_path / "repository.sqlite")
    with closing(opened.conn):
        yield opened


@pytest.fixture
def repository(store: BaseStore) -> Repository:
    return Repository(store, "shop")


@dataclass
class WordEmbedder:
    """Gives texts vectors by the words that they share."""

    name: str = "test:words"
    size: int = 64
    salt: str = ""
    """Another one makes another model of the same size."""
    asked: list[list[str]] = field(default_factory=list)
    """The texts of each call."""

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked.append(list(texts))
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> list[float]:
        vector = [0.0] * self.size
        for word in words_of(text):
            digest = hashlib.sha256(f"{self.salt}{word}".encode()).digest()
            vector[int.from_bytes(digest[:4], "big") % self.size] += 1.0
        return vector


@pytest.fixture
def embedder() -> Callable[..., WordEmbedder]:
    return WordEmbedder
