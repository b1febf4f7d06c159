"""Ranking by meaning: vectors are made once, and never mixed with those of another model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from langgraph.store.base import BaseStore

from matrioska.state.errors import ModelResponseError
from matrioska.store.repository import Repository
from matrioska.store.repository.access import ROOT
from tests.store.repository.test_repository import entry

TEXTS = {"audio": "tempo of a song", "page": "a picture on a page", "shop": "sells things"}


async def filled(store: BaseStore, embedder: Any) -> Repository:
    repository = Repository(store, "shop", embedder)
    await repository.put_entries([entry(name, text) for name, text in TEXTS.items()])
    return repository


async def best(repository: Repository, query: str) -> str:
    return (await (await repository.snapshot("two")).related(query, limit=1))[0].id


async def test_the_nearest_comes_first_and_the_ranking_says_what_it_is(store: BaseStore, embedder: Callable) -> None:
    repository = await filled(store, embedder())
    snapshot = await repository.snapshot("two")
    assert snapshot.ranking == "by meaning (test:words)"
    assert snapshot.ranker is not None
    assert snapshot.ranker.name == snapshot.ranking
    assert [found.id for found in await snapshot.related("picture page", limit=1)] == ["page"]
    (found,) = await snapshot.scored("picture page", limit=1)
    assert 0 < found[1] <= 1.0001


async def test_each_text_is_embedded_once_for_all_projects(store: BaseStore, embedder: Callable) -> None:
    model = embedder()
    repository = await filled(store, model)
    await repository.snapshot("two")
    assert len(model.asked) == 1, "one call for all that is missing"
    model.asked.clear()
    await repository.snapshot("three")
    other = await filled(store, model)
    await Repository(other.store, "shop2", model).put_entries([entry("audio", TEXTS["audio"]), entry("new", "newer")])
    await Repository(other.store, "shop2", model).snapshot("")
    asked = [text for call in model.asked for text in call]
    assert [text for text in asked if any(known in text for known in TEXTS.values())] == []
    assert any("newer" in text for text in asked)


async def test_an_empty_project_asks_no_embedder(store: BaseStore, embedder: Callable) -> None:
    model = embedder()
    snapshot = await Repository(store, "shop", model).snapshot("one")
    assert await snapshot.related("tempo", limit=3) == []
    assert model.asked == []


@pytest.mark.parametrize(
    ("second", "said"),
    [({"size": 48}, "had 64 dimensions and have 48 now"), ({"salt": "x"}, "its vectors are others now")],
    ids=["other dimension", "same dimension"],
)
async def test_a_model_swapped_under_its_name_is_found_out(
    store: BaseStore, embedder: Callable, second: dict[str, Any], said: str
) -> None:
    await (await filled(store, embedder())).snapshot("two")
    swapped = Repository(store, "shop", embedder(**second))
    snapshot = await swapped.snapshot("two")
    (warning,) = snapshot.warnings
    assert warning.startswith("test:words is another model than before")
    assert said in warning
    assert await best(swapped, "picture page") == "page"
    # Said once: all that is kept is of the new model now.
    again = await swapped.snapshot("two")
    assert again.warnings == ()
    sizes = {len(item.value["f32"]) for item in await store.asearch(await _place(store), limit=50)}
    assert len(sizes) == 1


async def _place(store: BaseStore) -> tuple[str, ...]:
    (place,) = {found[:3] for found in await store.alist_namespaces(prefix=(*ROOT, "vectors"))}
    return place


async def test_two_embedders_side_by_side_do_not_mix(store: BaseStore, embedder: Callable) -> None:
    one, other = embedder(), embedder(name="test:more", size=16)
    await (await filled(store, one)).snapshot("two")
    assert (await Repository(store, "shop", other).snapshot("two")).warnings == ()
    assert (await Repository(store, "shop", one).snapshot("two")).warnings == ()
    assert len(one.asked[-1]) == 1, "nothing but the probe"


async def test_vectors_that_were_damaged_are_made_anew(store: BaseStore, embedder: Callable) -> None:
    repository = await filled(store, embedder())
    await repository.snapshot("two")
    place = await _place(store)
    for item, value in zip(
        [item for item in await store.asearch(place, limit=50) if item.key != "probe"],
        ({"f32": "???"}, {}, {"f32": "AAAA"}),
        strict=True,
    ):
        await store.aput(place, item.key, value)
    assert await best(repository, "picture page") == "page"
    assert (await repository.snapshot("two")).warnings == ()


class _Faulty:
    def __init__(self, told: list[Any], name: str = "test:faulty") -> None:
        self.told = told
        self.name = name

    async def embed(self, texts: Sequence[str]) -> Any:
        answer = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        return answer(len(texts))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda n: [[1.0]] * (n - 1), r"an array of \(3, 1\) for 4 texts"),
        (lambda n: [[1.0], *([[1.0, 2.0]] * (n - 1))], "vectors of several lengths"),
        (lambda n: [[]] * n, "an array of"),
        (lambda n: [[float("nan")]] * n, "not finite"),
        (lambda n: [["x"]] * n, "cannot be used"),
        (lambda n: None, "cannot be used"),
    ],
    ids=["too few", "ragged", "no length", "nan", "words", "nothing"],
)
async def test_an_embedder_that_talks_nonsense_is_refused_in_words(store: BaseStore, answer: Any, said: str) -> None:
    repository = await filled(store, _Faulty([answer]))
    with pytest.raises(ModelResponseError, match=said):
        await repository.snapshot("two")


async def test_a_text_without_any_direction_is_like_nothing(store: BaseStore) -> None:
    repository = await filled(store, _Faulty([lambda n: [[0.0, 0.0]] * n]))
    assert await (await repository.snapshot("two")).related("tempo", limit=3) == []


async def test_a_model_swapped_while_we_work_is_followed_once(store: BaseStore) -> None:
    def vectors(size: int) -> Callable[[int], list[list[float]]]:
        return lambda n: [[1.0] * size] * n

    repository = await filled(store, _Faulty([vectors(3), vectors(5)]))
    snapshot = await repository.snapshot("two")
    assert len(await snapshot.related("tempo", limit=9)) == 3

    unsteady = await filled(store, _Faulty([vectors(3), vectors(5), vectors(4)], "test:unsteady"))
    snapshot = await unsteady.snapshot("two")
    with pytest.raises(ModelResponseError, match="5 dimensions now and 4 the next moment"):
        await snapshot.related("tempo", limit=9)
