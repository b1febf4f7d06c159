"""Kinds of tasks: written cases in both languages, and that any text has one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.workers.ensemble.kinds import KINDS, kind_of

CASES: dict[str, list[str]] = {
    "maths": [
        "What is 17 * 23?",
        "Calculate the area of a circle of radius 3",
        "Solve x^2 - 5x + 6 = 0",
        "What is 15 percent of 80?",
        "What is the probability of two sixes?",
        "How much is 3 plus 4?",
        "Quanto é 12 vezes 7?",
        "Calcule a média de 3, 5 e 10",
        "Qual é a raiz quadrada de 144?",
    ],
    "code": [
        "Write a Python function that reverses a list",
        "Fix this:\n```\nfor i in x print(i)\n```",
        "Why does my SQL query return duplicates?",
        "Implement a class for a stack",
        "How do I undo the last git commit?",
        "What does this do?\n```\nx = 3 + 4",
        "Escreva uma função que some dois números",
        "Explique este código",
    ],
    "translation": [
        'Translate "good morning" into Portuguese',
        "Please translate this code comment to French",
        "How do you say thank you in Japanese?",
        "What is butterfly in German?",
        "Traduza “bom dia” para o inglês",
        "Por favor, traduza: o gato dorme",
        "Como se diz saudade em inglês?",
    ],
    "summary": [
        "Summarise the following text: The cat sat.",
        "Could you give me a short summary of Hamlet?",
        "TL;DR of this article",
        "Resuma o texto abaixo",
        "Faça um resumo de Dom Casmurro",
    ],
    "facts": [
        "Who wrote Don Quixote?",
        "What is the capital of Australia?",
        "When did the Berlin Wall fall?",
        "How many moons does Jupiter have?",
        "Name three rivers in Africa",
        "Is Venus larger than Mars?",
        "What happened in the class struggle?",
        "Explain photosynthesis",
        "Quem escreveu Os Lusíadas?",
        "Qual é a capital do Brasil?",
        "Em que ano o homem pisou na Lua?",
        "É verdade que a Terra é redonda?",
    ],
    "writing": [
        "Write a haiku about autumn",
        "Draft a letter to my landlord",
        'Rewrite this sentence politely: "Compute 3 + 4, you fool"',
        "Tell me a joke",
        "Escreva um conto sobre o mar",
        "Crie um poema curto",
    ],
    "reasoning": [
        "Why do leaves change colour?",
        "Explain why the sky is blue",
        "Compare trains and planes",
        "Should I rent or buy a house?",
        "If all cats are grey then what colour is Tom?",
        "What are the pros and cons of remote work?",
        "Por que o céu é azul?",
        "Vale a pena comprar um carro elétrico?",
        "É melhor alugar ou comprar?",
        "E se a Lua sumisse?",
    ],
    "other": ["Hello", "Bom dia!", "", "…"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in CASES.items() for text in texts])
def test_a_written_case_has_its_kind_however_polite(kind: str, text: str) -> None:
    assert kind_of(text) == kind
    assert kind_of(f"Please, {text}") == kind_of(f"Por favor, {text}") == kind


@given(st.text(max_size=300))
def test_every_text_has_a_kind(text: str) -> None:
    assert kind_of(text) in KINDS


@pytest.mark.parametrize("text", ["please " * 20_000, "(" * 100_000, "if " * 30_000, "write " * 20_000, "`" * 100_000])
def test_a_long_text_is_read_at_its_ends_only(text: str) -> None:
    assert kind_of(text) in KINDS


def test_what_is_asked_may_stand_behind_a_long_text() -> None:
    assert kind_of("The cat sat. " * 10_000 + "```\ncode\n```") == "code"
