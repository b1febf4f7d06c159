"""Files of questions: every form that is read, and clear words for those that are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from matrioska.comparison.given import MAX_QUESTIONS, read_questions
from matrioska.state.errors import UsageError

BOTH = [("1", "What is 2 + 2?", "4"), ("2", "Who wrote it?", "")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.json", '[{"question": "What is 2 + 2?", "answer": 4}, "Who wrote it?"]'),
        ("q.json", '{"questions": [{"query": "What is 2 + 2?", "reference": "4"}, {"text": "Who wrote it?"}]}'),
        ("q.jsonl", '{"question": "What is 2 + 2?", "answer": "4"}\n\n"Who wrote it?"\n'),
        ("q.yaml", "- question: What is 2 + 2?\n  answer: 4\n- Who wrote it?\n"),
        ("q.csv", "question,answer\nWhat is 2 + 2?,4\nWho wrote it?,\n"),
        ("q.csv", "\ufeffAnswer;Question\r\n4;What is 2 + 2?\r\n;Who wrote it?\r\n"),
        ("q.tsv", "question\tanswer\nWhat is 2 + 2?\t4\n\nWho wrote it?\t\n"),
    ],
    ids=["json", "json of a table", "jsonl", "yaml", "csv", "csv of a spreadsheet", "tsv"],
)
def test_every_form_is_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert [(found.id, found.text, found.reference) for found in read_questions(tmp_path / name)] == BOTH


def test_a_text_file_has_one_question_a_line(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\n  What is it?  \n\nQuem é?\n")
    assert [(found.id, found.text) for found in read_questions(tmp_path / "q.txt")] == [
        ("1", "What is it?"),
        ("2", "Quem é?"),
    ]


@pytest.mark.parametrize("name", ["q.txt", "q.jsonl"])
def test_only_ends_of_lines_part_questions(tmp_path: Path, name: str) -> None:
    first, second = "What\u2028is\x85it?", "Who?"
    lines = [json.dumps(text, ensure_ascii=False) if name == "q.jsonl" else text for text in (first, second)]
    (tmp_path / name).write_bytes("\r\n".join(lines).encode())
    assert [found.text for found in read_questions(tmp_path / name)] == ["What\u2028isit?", second]


def test_ids_and_references_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(
        "- id: 007\n  question: Is it?\n  answer: yes\n- question: When?\n  answer: 2024-01-05\n"
    )
    found = read_questions(tmp_path / "q.yaml")
    assert [(question.id, question.reference) for question in found] == [("007", "yes"), ("2", "2024-01-05")]


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("q.txt", b"", "There is no question"),
        ("q.txt", b"\n \n", "There is no question"),
        ("q.json", b"[]", "There is no question"),
        ("q.yaml", b"", "There is no question"),
        ("q.csv", b"question\n", "There is no question"),
        ("q.txt", b"What?\n\xff\xfe\x00", "line 2: this is not UTF-8"),
        ("q.txt", b"What?\nWho?\nWhat?\n", "line 3: the question 'What?' is that of line 1 too"),
        ("q.txt", b"x" * 100_001, "line 1: The question has 100,001 characters; 100,000 are the most"),
        ("q.txt", b"a\x01\x02\x03\x04b", "line 1: The question is binary data"),
        ("q.txt", b"".join(b"Question %d?\n" % n for n in range(MAX_QUESTIONS + 1)), "more than 2,000 questions"),
        ("q.json", b'["What?",\n', "line 2: this is not JSON"),
        ("q.json", b"[" * 200_000, "this is not JSON"),
        ("q.json", b'{"question": "What?"}', "it holds a dict, not a list"),
        ("q.json", b'["What?", 3]', "entry 2: this is a int, no question"),
        ("q.json", b'[{"answer": "4"}]', "entry 1: The question is empty"),
        ("q.json", b'[{"question": "A?", "query": "B?"}]', "entry 1: it has two fields for the question"),
        ("q.json", b'[{"question": "A?", "answer": ["B"]}]', "entry 1: its answer is a list, not a text"),
        ("q.json", b'[{"question": "A?", "id": "1"}, {"question": "B?", "id": "1"}]', "entry 2: the id '1'"),
        ("q.jsonl", b'{"question": "A?"}\n{"question": \n', "line 2: this is not JSON"),
        ("q.yaml", b"- a: [\n", "this is not YAML"),
        ("q.csv", b"frage,antwort\nWas?,4\n", "line 1: no column is called question"),
        ("q.csv", b"question,Question\nWhat?,Who?\n", "line 1: two columns are called 'question'"),
        ("q.csv", b"question,answer\nWhat?\n", "line 2: it has 1 columns, and the heading 2"),
        ("q.csv", b'question\n"What?\n', "this is not CSV"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_where(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError) as raised:
        read_questions(tmp_path / name)
    assert says in raised.value.message
    assert raised.value.next_step


def test_a_file_that_is_not_there_or_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.txt", tmp_path):
        with pytest.raises(UsageError, match="Cannot read the questions"):
            read_questions(path)


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from([".txt", ".json", ".jsonl", ".yaml", ".csv"]))
def test_any_bytes_are_read_or_complained_of(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"q{ending}"
    path.write_bytes(data)
    try:
        assert read_questions(path)
    except UsageError as error:
        assert error.next_step
