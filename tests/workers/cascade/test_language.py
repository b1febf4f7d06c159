"""Another language than the question's is seen where it is certain, and nowhere else."""

from __future__ import annotations

import time

import pytest

from matrioska.workers.cascade.language import in_another_language, own_words

ENGLISH = "What is the best way to build a bridge that stands for a hundred years?"
PORTUGUESE = "Qual é a melhor maneira de construir uma ponte que dure cem anos?"
RUSSIAN = "Как построить мост, который простоит сто лет?"
CHINESE = "建造一座可以屹立一百年的桥梁的最好方法是什么？"
JAPANESE = "百年もつ橋をつくるのに、いちばんよい方法は何でしょうか。"


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        (ENGLISH, PORTUGUESE + " A ponte deve ser de pedra, com uma base que não se mova."),
        (PORTUGUESE, "The bridge is to be made of stone, and it has to stand on rock that does not move."),
        (ENGLISH, RUSSIAN),
        (ENGLISH, CHINESE),
        (RUSSIAN, "The bridge is to be made of stone, and it has to stand on rock that does not move."),
    ],
)
def test_another_language_is_seen(question: str, reply: str) -> None:
    assert in_another_language(question, reply)


@pytest.mark.parametrize(
    ("question", "reply"),
    [
        (ENGLISH, "The bridge is to be made of stone, and it has to stand on rock that does not move."),
        (PORTUGUESE, "A ponte deve ser de pedra, com uma base que não se mova."),
        (ENGLISH, "42"),
        (ENGLISH, ""),
        (ENGLISH, "Ponte Vecchio, Firenze"),
        (ENGLISH, "```python\nde = da = das = dos = que = nao = por = para = 1\n```"),
        (ENGLISH, "> que não é de pedra, mas uma ponte para os dias da chuva\n\nQuoted from him."),
        ("How do I say this in Portuguese: what is the way to the bridge?", PORTUGUESE),
        ("Translate the sentence that is on the wall of the house.", RUSSIAN),
        ("Wie baut man eine Brücke, die hundert Jahre lang hält?", ENGLISH),
        (JAPANESE, CHINESE),
        (CHINESE, JAPANESE),
        ("17 * 3 = ?", PORTUGUESE),
    ],
)
def test_where_it_is_not_certain_nothing_is_said(question: str, reply: str) -> None:
    assert not in_another_language(question, reply)


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Por que o céu é azul?", "pt"),
        ("Como fazer pão?", "pt"),
        ("O que é o El Niño?", "pt"),
        ("Dado x e y, qual é a soma?", "pt"),
        ("Why is the sky blue?", "en"),
        ("¿Por qué el cielo es azul y qué significa para nosotros?", "en"),
        ("Explica la teoría de la relatividad", "en"),
        ("Perché il cielo è azzurro?", "en"),
        ("Warum ist der Himmel blau?", "en"),
    ],
)
def test_what_we_say_ourselves_is_portuguese_only_for_who_asked_in_portuguese(question: str, language: str) -> None:
    assert own_words(question) == language


def test_a_hostile_text_takes_no_time() -> None:
    began = time.process_time()
    for text in ("`" * 1_000_000, "a://" * 100_000, "```" + "x" * 1_000_000, ">" * 1_000_000):
        in_another_language(text, text)
    assert time.process_time() - began < 5
