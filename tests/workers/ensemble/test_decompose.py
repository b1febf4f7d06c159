"""The decomposer: written cases in both languages, and what holds for every text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.workers.ensemble.decompose import decompose
from tests.workers.ensemble.held_out import MENDED, UNSEEN

#: Query, the texts of its units, and for each the number of the unit whose answer it needs (0: none).
CASES: list[tuple[str, list[str], list[int]]] = [
    # One unit, whatever it holds.
    ("Hello", ["Hello"], [0]),
    ("What is bread and butter pudding?", ["What is bread and butter pudding?"], [0]),
    ("Compare bread and butter", ["Compare bread and butter"], [0]),
    ("Explain supply and demand", ["Explain supply and demand"], [0]),
    ("Write about trial and error", ["Write about trial and error"], [0]),
    ("Search and replace foo with bar", ["Search and replace foo with bar"], [0]),
    ("Compare and contrast cats with dogs", ["Compare and contrast cats with dogs"], [0]),
    ("What happened back then and why?", ["What happened back then and why?"], [0]),
    ("If it rains then what should I wear?", ["If it rains then what should I wear?"], [0]),
    ("When the light is red then what must I do?", ["When the light is red then what must I do?"], [0]),
    ("Who won and when?", ["Who won and when?"], [0]),
    ("Why?", ["Why?"], [0]),
    ("Round 3.14 to one place", ["Round 3.14 to one place"], [0]),
    ("What is 1,000.50 plus 2.5?", ["What is 1,000.50 plus 2.5?"], [0]),
    (
        "I have a cat. What should it eat? It is 3 years old.",
        ["I have a cat. What should it eat? It is 3 years old."],
        [0],
    ),
    ("My code fails. I use Python 3.11. Explain why.", ["My code fails. I use Python 3.11. Explain why."], [0]),
    ('Explain "do this and then do that"', ['Explain "do this and then do that"'], [0]),
    ("Explain “write it; then read it”", ["Explain “write it; then read it”"], [0]),
    ("Explain `sort x; then list y`", ["Explain `sort x; then list y`"], [0]),
    (
        "What does this do?\n```\nread a\nthen write b; list c\n```",
        ["What does this do?\n```\nread a\nthen write b; list c\n```"],
        [0],
    ),
    (
        "Explain the rule (write it down, then read it) to a child",
        ["Explain the rule (write it down, then read it) to a child"],
        [0],
    ),
    ("Compare these languages:\n- Python\n- Rust\n- Go", ["Compare these languages:\n- Python\n- Rust\n- Go"], [0]),
    ("Explain the following: 1) gravity 2) magnetism", ["Explain the following: 1) gravity 2) magnetism"], [0]),
    ("Tell me about Dr. Who and Mr. Bean", ["Tell me about Dr. Who and Mr. Bean"], [0]),
    (
        "Read https://example.org/a;b?then=1 and nothing else",
        ["Read https://example.org/a;b?then=1 and nothing else"],
        [0],
    ),
    ("rock and roll", ["rock and roll"], [0]),
    ("Compare pão e manteiga", ["Compare pão e manteiga"], [0]),
    ("Escreva um conto sobre o mar e a lua", ["Escreva um conto sobre o mar e a lua"], [0]),
    ("O que é oferta e procura?", ["O que é oferta e procura?"], [0]),
    ("Se chover, então o que devo vestir?", ["Se chover, então o que devo vestir?"], [0]),
    ("Explique “leia isto e depois escreva aquilo”", ["Explique “leia isto e depois escreva aquilo”"], [0]),
    ("Quem descobriu o Brasil e quando?", ["Quem descobriu o Brasil e quando?"], [0]),
    ("O que fazer depois de amanhã?", ["O que fazer depois de amanhã?"], [0]),
    ("Tenho um gato. O que ele deve comer?", ["Tenho um gato. O que ele deve comer?"], [0]),
    ("Arredonde 3,14 para uma casa", ["Arredonde 3,14 para uma casa"], [0]),
    # Several questions.
    (
        "What is the capital of France and what is its population?",
        ["What is the capital of France", "what is its population?"],
        [0, 1],
    ),
    ("Who wrote Emma? Who wrote Ulysses?", ["Who wrote Emma?", "Who wrote Ulysses?"], [0, 0]),
    ("How do I boil rice and how do I boil eggs?", ["How do I boil rice", "how do I boil eggs?"], [0, 0]),
    ("Is water wet? Can fish drown? Why?", ["Is water wet?", "Can fish drown? Why?"], [0, 0]),
    ("What is e.g. a monad? Give an example.", ["What is e.g. a monad?", "Give an example."], [0, 0]),
    (
        "I have 2 dogs. What do dogs eat? How long do dogs live?",
        ["I have 2 dogs. What do dogs eat?", "How long do dogs live?"],
        [0, 0],
    ),
    (
        "Qual é a capital do Brasil e quantos habitantes ela tem?",
        ["Qual é a capital do Brasil", "quantos habitantes ela tem?"],
        [0, 1],
    ),
    ("O que é um buraco negro? Por que ele é negro?", ["O que é um buraco negro?", "Por que ele é negro?"], [0, 1]),
    ("Como faço pão e como faço manteiga?", ["Como faço pão", "como faço manteiga?"], [0, 0]),
    ("Quem foi Pelé? Quando nasceu Zico?", ["Quem foi Pelé?", "Quando nasceu Zico?"], [0, 0]),
    # Sequences.
    (
        "Write a poem about the sea, then translate it into Portuguese",
        ["Write a poem about the sea", "translate it into Portuguese"],
        [0, 1],
    ),
    ("Write a poem and then list three rhymes", ["Write a poem", "list three rhymes"], [0, 1]),
    ("Round 3.14 and 2.71, then add 1 to 4", ["Round 3.14 and 2.71", "add 1 to 4"], [0, 1]),
    ("Sort the list. After that, remove duplicates.", ["Sort the list", "remove duplicates."], [0, 1]),
    ("Summarise the text. Then translate the summary.", ["Summarise the text", "translate the summary."], [0, 1]),
    ("Find the error in `a; b and then c` and fix it", ["Find the error in `a; b and then c`", "fix it"], [0, 1]),
    (
        "Explique a fotossíntese e depois resuma em uma frase",
        ["Explique a fotossíntese", "resuma em uma frase"],
        [0, 1],
    ),
    (
        "Leia o texto e corrija os erros, em seguida traduza para inglês",
        ["Leia o texto", "corrija os erros", "traduza para inglês"],
        [0, 0, 2],
    ),
    ("Escreva um poema, depois disso conte as palavras", ["Escreva um poema", "conte as palavras"], [0, 1]),
    ("Resuma o livro. Em seguida, liste os personagens.", ["Resuma o livro", "liste os personagens."], [0, 1]),
    # Lists and semicolons.
    ("Name a river; name a mountain; name a lake", ["Name a river", "name a mountain", "name a lake"], [0, 0, 0]),
    ("1) name a colour 2) name a fruit", ["name a colour", "name a fruit"], [0, 0]),
    (
        "Answer these:\n1. What is 2 + 2?\n2. Who wrote Dom Casmurro?\n3. Explain gravity.",
        ["What is 2 + 2?", "Who wrote Dom Casmurro?", "Explain gravity."],
        [0, 0, 0],
    ),
    ("- Explain tides\n- List the planets", ["Explain tides", "List the planets"], [0, 0]),
    ("Write a limerick.\nList two rivers.", ["Write a limerick.", "List two rivers."], [0, 0]),
    (
        "Summarise the text, translate it and send the result",
        ["Summarise the text", "translate it", "send the result"],
        [0, 1, 0],
    ),
    (
        "Define entropy, give an example and draw a diagram",
        ["Define entropy", "give an example", "draw a diagram"],
        [0, 0, 0],
    ),
    ("Liste três frutas; descreva cada uma", ["Liste três frutas", "descreva cada uma"], [0, 1]),
    ("Responda:\n1. Quem foi Pelé?\n2. O que é um átomo?", ["Quem foi Pelé?", "O que é um átomo?"], [0, 0]),
    ("Calcule 2 + 2 e explique o resultado", ["Calcule 2 + 2", "explique o resultado"], [0, 0]),
    (
        "Cite um rio, cite um lago e descreva um vulcão",
        ["Cite um rio", "cite um lago", "descreva um vulcão"],
        [0, 0, 0],
    ),
    # What looks like a request, and is none.
    ("Describe the theory and design of bridges", ["Describe the theory and design of bridges"], [0]),
    ("Explain how programs read and write files", ["Explain how programs read and write files"], [0]),
    ("How do I clone a page and create a copy?", ["How do I clone a page and create a copy?"], [0]),
    ("Write a script to read a file and sort it", ["Write a script to read a file and sort it"], [0]),
    ("Qual é o preço do pão, da manteiga e do leite?", ["Qual é o preço do pão, da manteiga e do leite?"], [0]),
    ("Compare a síntese e análise química", ["Compare a síntese e análise química"], [0]),
    ("Explique oferta e procura no mercado", ["Explique oferta e procura no mercado"], [0]),
    ("O que aconteceu depois da guerra?", ["O que aconteceu depois da guerra?"], [0]),
    ("Please compare and contrast cats with dogs", ["Please compare and contrast cats with dogs"], [0]),
    ("Do fish swim? And do birds fly?", ["Do fish swim?", "do birds fly?"], [0, 0]),
    ("Read the report and list two points", ["Read the report", "list two points"], [0, 0]),
    # What says "then" at its beginning needs what stands before.
    ("1. Name a river\n2. Then, what is its source?", ["Name a river", "what is its source?"], [0, 1]),
    ("1) Diz um rio\n2) Depois, qual é a foz?", ["Diz um rio", "qual é a foz?"], [0, 1]),
    ("Write a poem; finally, name a lake", ["Write a poem", "name a lake"], [0, 0]),
    ("Can you list the planets and explain gravity?", ["Can you list the planets", "explain gravity?"], [0, 0]),
    ("É um átomo divisível? É verdade que sim?", ["É um átomo divisível?", "É verdade que sim?"], [0, 0]),
]


def _units(query: str) -> tuple[list[str], list[int]]:
    chunks = decompose(query)
    return [chunk.text for chunk in chunks], [chunk.after[0] if chunk.after else 0 for chunk in chunks]


@pytest.mark.parametrize(("query", "texts", "after"), CASES, ids=lambda value: ascii(value)[:40])
def test_a_query_is_cut_into_what_can_be_answered(query: str, texts: list[str], after: list[int]) -> None:
    assert _units(query) == (texts, after)


def test_precision_over_all_cases_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A cut is right when the written case has it too."""
    made, wished, right = 0, 0, 0
    for query, texts, _ in CASES:
        found = _units(query)[0]
        made, wished = made + len(found), wished + len(texts)
        right += len(set(found) & set(texts))
    with capsys.disabled():
        print(f"\ndecomposer: {len(CASES)} cases, precision {right / made:.3f}, recall {right / wished:.3f}")
    assert len(CASES) >= 60
    assert right / made >= 0.95


def _cuts(pieces: list[tuple[str, bool]]) -> dict[int, bool]:
    """Return the cuts between pieces, by the words before them, each with whether the answer before is needed."""
    cuts, words = dict[int, bool](), 0
    for place, (text, depends) in enumerate(pieces):
        if place:
            cuts[words] = depends
        words += len(re.findall(r"\w+", text))
    return cuts


@pytest.mark.parametrize(("name", "queries", "least"), [("mended", MENDED, 0.97), ("unseen", UNSEEN, 0.9)])
def test_precision_and_recall_on_held_out_queries_are_printed(
    name: str, queries: list[str], least: float, capsys: pytest.CaptureFixture[str]
) -> None:
    made, wished, right, needs = 0, 0, 0, 0
    for marked in queries:
        first, *rest = re.split(r"\|\|(>?) ?", marked)
        wanted = _cuts([(first, False), *zip(rest[1::2], map(bool, rest[::2]), strict=True)])
        chunks = decompose(re.sub(r"\|\|>? ?", "", marked))
        found = _cuts([(chunk.whole, bool(chunk.after)) for chunk in chunks])
        both = found.keys() & wanted.keys()
        made, wished, right = made + len(found), wished + len(wanted), right + len(both)
        needs += sum(found[cut] == wanted[cut] for cut in both)
    with capsys.disabled():
        told = f"precision {right / made:.3f} of {made} cuts, recall {right / wished:.3f}"
        print(f"\ndecomposer, held out ({name}): {len(queries)} queries, {told}, needs {needs / right:.3f}")
    assert min(right / made, right / wished, needs / right) >= least


_PARTS = st.sampled_from(
    [
        "write",
        "list",
        "explain",
        "what",
        "why",
        "how",
        "then",
        "and",
        ";",
        ",",
        ".",
        "?",
        "!",
        "e",
        "depois",
        "em",
        "seguida",
        "qual",
        "resuma",
        "1)",
        "2)",
        "3.",
        "-",
        "\n",
        "(",
        ")",
        '"',
        "'",
        "`",
        "“",
        "”",
        "bread",
        "butter",
        "3.14",
        "e.g.",
        "it",
        "ela",
        "if",
        "se",
        "https://a.b/c;d",
        "então",
        "a.m.",
        ":",
    ]
)


@given(st.lists(_PARTS, min_size=1, max_size=40).map(" ".join) | st.text(max_size=200))
def test_no_word_is_lost_and_no_chunk_is_empty(query: str) -> None:
    if not query.strip():
        return
    chunks = decompose(query)
    assert re.findall(r"\w+", " ".join(chunk.whole for chunk in chunks)) == re.findall(r"\w+", query)
    assert "".join("".join(chunk.whole for chunk in chunks).split()) == "".join(query.split())
    assert all(chunk.text for chunk in chunks)
    assert [chunk.number for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert all(before < chunk.number for chunk in chunks for before in chunk.after)
