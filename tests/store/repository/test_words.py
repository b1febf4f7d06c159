"""Ranking by words: what counts as one, in English, Portuguese and code, and which text comes first."""

from __future__ import annotations

import pytest

from matrioska.state.repository import Entry
from matrioska.store.repository import Repository, Snapshot
from matrioska.store.repository.words import WordRanking, words_of
from tests.store.repository.test_repository import entry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The shops of the town", ["shop", "town"]),
        ("Validação dos preços, à noite", ["validacao", "preco", "noite"]),
        ("getUserName", ["get", "user", "name", "getusername"]),
        ("parse_HTTPHeaders2", ["parse", "http", "header", "2", "parsehttpheaders2"]),
        ("session.total-price", ["session", "total", "price"]),
        ("boss glass pressão", ["boss", "glass", "pressao"]),
        ("Ünïcødé 音楽 δέλτα", ["unic", "ø", "unicøde", "音楽", "δελτα"]),
        ("", []),
        ("… — !", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words_of(text) == expected


@pytest.mark.parametrize(("one", "other"), [("userName", "user_name"), ("ação", "acao"), ("APIs", "api")])
def test_two_spellings_of_one_word_meet(one: str, other: str) -> None:
    assert set(words_of(one)) & set(words_of(other))


async def ranked(texts: dict[str, str], query: str, limit: int = 9) -> list[str]:
    entries: tuple[Entry, ...] = tuple(entry(name, text) for name, text in texts.items())
    snapshot = Snapshot("p", entries=entries, ranker=WordRanking([found.text for found in entries]))
    return [found.id for found in await snapshot.related(query, limit=limit)]


async def test_what_shares_rare_words_comes_first_and_what_shares_none_stays_out() -> None:
    texts = {
        "audio": "records sound and finds the tempo of a song",
        "page": "shows a song on a page with a picture",
        "shop": "sells things",
        "score": "a song as sheet music, with tempo marks; the tempo may change",
    }
    assert await ranked(texts, "What tempo has the song?") == ["score", "audio", "page"]
    assert await ranked(texts, "tempo", limit=1) == ["score"]
    assert await ranked(texts, "zebra") == []
    assert await ranked(texts, "the of and") == []


async def test_one_text_alone_can_be_found() -> None:
    assert await ranked({"only": "user_name"}, "userName") == ["only"]


async def test_texts_without_words_are_no_trouble() -> None:
    assert await ranked({"a": "", "b": "…"}, "tempo") == []
    assert await ranked({"a": "", "b": "tempo"}, "tempo") == ["b"]


async def test_texts_that_fit_alike_come_in_the_order_of_their_ids() -> None:
    assert await ranked({"b": "tempo", "c": "tempo", "a": "tempo"}, "tempo") == ["a", "b", "c"]


async def test_sections_can_be_left_out(repository: Repository) -> None:
    await repository.put_entries([entry("app", "tempo"), entry("app/value/k", "tempo"), entry("db", "tempo")])
    snapshot = await repository.snapshot("two")
    assert [found.id for found in await snapshot.related("tempo", limit=9)] == ["app", "db", "app/value/k"]
    assert [found.id for found in await snapshot.related("tempo", limit=9, exclude={"app"})] == ["db"]
    assert await snapshot.related("  ", limit=9) == []
