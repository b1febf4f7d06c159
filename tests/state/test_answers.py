"""Models' answers: files in fences, JSON objects, and complaints instead of crashes."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from matrioska.state.answers import (
    FileBlock,
    fenced_file,
    parse_contract,
    parse_files,
    parse_json_object,
    refusal,
    strip_thinking,
)
from matrioska.state.errors import AnswerError
from matrioska.state.lenient import read_json
from matrioska.state.text import clean_text

_pieces = st.sampled_from(
    ["```", "````", "~~~", "\n", " ", "    ", "\t", "> ", "- ", "x", "path=y.md", "```js path=a.js\n", "<think>"]
)
_texts = st.text() | st.lists(_pieces, max_size=15).map("".join)
_paths = st.sampled_from(
    ["a.md", "app/b.js", "with space.txt", "it's.md", "`tick`.md", "é x/ü.css", "a=b.md", "#1 {x}.md"]
)


@settings(deadline=None)
@given(_paths, _texts)
@example("a.md", "no line break at the end")
@example("a.md", "")
@example("`tick`.md", "~~~~\n```\n")
@example("a.md", "0```\n```path=")
@example("a.md", "x\n0```")
def test_a_fenced_file_is_read_back(path: str, text: str) -> None:
    clean = clean_text(text)
    expected = clean if clean.endswith("\n") else clean + "\n"
    assert parse_files(fenced_file(path, text)) == [FileBlock(path, expected)]


@settings(deadline=None)
@given(_texts, _texts)
def test_two_fenced_files_are_told_apart(first: str, second: str) -> None:
    answer = f"Here you are.\n\n{fenced_file('a.md', first)}\n\nAnd:\n\n{fenced_file('b.md', second, 'js')}\n"
    files = parse_files(answer)
    assert [file.path for file in files] == ["a.md", "b.md"]
    assert files[0].text.rstrip("\n") == clean_text(first).rstrip("\n")


@pytest.mark.parametrize(
    ("answer", "paths"),
    [
        ("```html path=index.html\n<p>\n```", ["index.html"]),
        ('```html path="my file.html"\nx\n```', ["my file.html"]),
        ("```html path = 'a.html'\nx\n```", ["a.html"]),
        ("```html index.html\nx\n```", ["index.html"]),
        ("```html:src/index.html\nx\n```", ["src/index.html"]),
        ("**index.html**\n```html\nx\n```", ["index.html"]),
        ("### `css/style.css`:\n\n```css\nx\n```", ["css/style.css"]),
        ("```\nno path\n```", []),
        ("```js\nalert(1)\n```\ntext", []),
        ("<script>\n```js path=a.js\nx\n```", ["a.js"]),
        ("~~~md path=a.md\n```js\n```\n~~~", ["a.md"]),
        ("<think>```js path=x.js\ny\n```</think>```js path=a.js\nx\n```", ["a.js"]),
        ("```js path=a.js\n1\n```\n```js path=b.js\n2\n```\n```js path=a.js\n3\n```", ["a.js", "b.js"]),
        ("```json contract\n{}\n```\n```js path=a.js\n1\n```", ["a.js"]),
        ("```js path=a.js\nx```", ["a.js"]),
        ("````js path=a.js\nx````\n````js path=b.js\ny````\n", ["a.js", "b.js"]),
        ("````js path=a.js\nx``````\n````js path=b.js\ny````\n", ["a.js", "b.js"]),
        ("````js path=a.js\nx````\n````json contract\n{}\n````\n", ["a.js"]),
        ("no file at all", []),
    ],
)
def test_the_forms_in_which_models_write_files(answer: str, paths: list[str]) -> None:
    assert [file.path for file in parse_files(answer)] == paths


def test_a_path_given_twice_keeps_the_last_text() -> None:
    assert parse_files("```js path=a.js\n1\n```\n```js path=a.js\n2\n```") == [FileBlock("a.js", "2\n")]


@pytest.mark.parametrize("answer", ["```js path=a.js\nlet x", "````md path=a.js\n```\nx\n```\n", "```js path=a.js"])
def test_an_answer_that_was_cut_off_is_refused(answer: str) -> None:
    with pytest.raises(AnswerError, match="cut off") as refused:
        parse_files(answer)
    assert refused.value.raw_answer == answer


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": 1}',
        '```json\n{"a": 1}\n```',
        'Sure!\n```JSON\n{"a": 1}\n```\nDone.',
        '```\n{"a": 1}\n```',
        'The plan: {"a": 1} and that is all.',
        '<think>{"b": 2}</think>{"a": 1}',
        '\n\n  {"a": 1}  ',
    ],
)
def test_a_json_object_is_found(answer: str) -> None:
    assert parse_json_object(answer) == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        "", "no object", "[1, 2]", "```json\n[1]\n```", '{"a": 1', '{"a": NaN}', '{"a": 1e999}', '{"a": Infinity}',
        '{"a": ' + "9" * 30 + "}", '{"a": ' + "9" * 5000 + "}", '{"a": ' + "[" * 100_000,
        '{"a": ' + "[" * 900 + "]" * 900 + "}", '```json\n{"a": 1} trailing\n```', "```json\n```",
    ],
    ids=lambda answer: ascii(answer[:20]),
)  # fmt: skip
def test_what_is_no_object_is_complained_about(answer: str) -> None:
    with pytest.raises(AnswerError) as refused:
        parse_json_object(answer)
    assert refused.value.complaint and refused.value.raw_answer == answer


_jsonish = st.lists(
    st.sampled_from([*list('{}[]":,\\ \n'), "```json\n", "```", "1", "1e999", "null", "NaN", "a", "\x00"]), max_size=20
)


@settings(deadline=None)
@given(st.text() | _jsonish.map("".join))
def test_nothing_but_an_answer_error_is_ever_raised(answer: str) -> None:
    for parse in (parse_json_object, parse_contract, parse_files):
        with contextlib.suppress(AnswerError):
            parse(answer)


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers(-10, 10) | st.text() | st.lists(st.booleans())))
def test_any_object_is_read_back(value: dict[str, object]) -> None:
    expected = {clean_text(key): clean_text(item) if isinstance(item, str) else item for key, item in value.items()}
    assert parse_json_object(f"```json\n{json.dumps(value)}\n```") == expected


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        ("```json contract\n{\"a\": 1}\n```", {"a": 1}),
        ("```json  contract \n{}\n```", {}),
        ("```json\n{\"a\": 1}\n```", None),
        ("````js path=a.js\nx````\n````json contract\n{\"a\": 1}\n````", {"a": 1}),
        ("none", None),
    ],
)  # fmt: skip
def test_a_contract_block_is_read(answer: str, values: dict[str, int] | None) -> None:
    assert parse_contract(answer) == values


def test_a_contract_block_that_is_no_object_is_refused() -> None:
    with pytest.raises(AnswerError):
        parse_contract("```json contract\n[1]\n```")


@pytest.mark.parametrize(
    ("answer", "rest"),
    [
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),
        ("<think>a", ""),
        ("[THINK]a[/THINK]b", "b"),
        (" <thinking>a\nb</thinking>c", "c"),
        ("a<think>b</think>", "a<think>b</think>"),
    ],
)
def test_only_leading_thoughts_are_stripped(answer: str, rest: str) -> None:
    assert strip_thinking(answer) == rest


@pytest.mark.parametrize(
    "answer",
    [
        '{"a": 1,}', "{'a': 1}", "{a: 1}", '{“a”: 1}', '{"a": 1 // one\n}', '{"a": /* one */ 1}', '{"a": 1} # done',
        '# a plan\n{"a": 1,\n}', 'Use {x} or {{y}}: {"a": 1}', '```json\n{"a": 1,}\n```', "{\n  // first\n  a: 1,\n}",
    ],
)  # fmt: skip
def test_slips_that_mean_one_thing_only_are_read(answer: str) -> None:
    assert parse_json_object(answer) == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ('{"a": "one\ntwo\tthree"}', "one\ntwo\tthree"),
        ("{'a': 'it's here'}", "it's here"),
        ("{'a': 'say \"hi\"'}", 'say "hi"'),
        ('{“a”: “say "hi"”}', 'say "hi"'),
        ('{"a": "it\\\'s", }', "it's"),
        ('{"a": "\\ud83d\\ude00 \\u00e9",}', "😀 é"),
        ('{"a": [True, False, None, 1, -2.5e3, "x",],}', [True, False, None, 1, -2500.0, "x"]),
        ('{"a": "http://x.y/#z", /* “quoted” */}', "http://x.y/#z"),
    ],
)
def test_what_slips_stand_for(answer: str, value: object) -> None:
    assert parse_json_object(answer) == {"a": value}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"modules": [{"id": "a"}, {"description": "long te', "cut off: it ends in the middle of the text at modules[1].description"),
        ('{"modules": [{"id": "a"},', "cut off: it ends at modules before it is closed"),
        ('{"a": "x\\', "cut off"),
        ("{'a': 'x', 'b", "cut off"),
        ('{"a": "say "hi" now"}', 'a comma or } is missing (a quotation mark inside a text is written \\") at a, line 1, before: hi'),
        ('{"a": 1\n "b": 2}', "a comma or } is missing"),
        ('{"a" 1}', "a colon is missing after the key 'a'"),
        ('{"a": \n}', "a value is expected at a, line 2"),
        ('{"a": 1, 2}', "a key is expected at its top level"),
        ('{"a": "\\d"}', "is no escape"),
        ('{"a": 01}', "a value is expected at a"),
        ('{"a": nil}', "a value is expected at a"),
        ('{"a": NaN}', "a value is expected at a"),
        ("{'a': 'the users' list'}", "a comma or } is missing"),
    ],
)  # fmt: skip
def test_a_complaint_names_the_place(answer: str, words: str) -> None:
    with pytest.raises(AnswerError) as refused:
        parse_json_object(answer)
    assert words in refused.value.complaint


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(_json, st.sampled_from([None, 1]), st.booleans())
def test_valid_json_is_never_changed(value: object, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert read_json(text) == (value, len(text))


@settings(deadline=None)
@given(st.dictionaries(st.text(), _json, min_size=1, max_size=4), st.data())
def test_an_answer_that_was_cut_off_is_never_completed(value: dict[str, object], data: st.DataObject) -> None:
    whole = json.dumps(value)
    kept = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(AnswerError):
        parse_json_object(whole[:kept])


@settings(deadline=None)
@given(_json)
def test_forgiving_reading_agrees_with_the_strict_one(value: object) -> None:
    # The comma makes the strict reader give up, so that the other one has read all of it.
    text = json.dumps([value])[:-1] + ",]"
    assert read_json(text) == ([value], len(text))


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I can’t do this.",
        "I cannot assist with that request.",
        "Desculpe, mas não posso ajudar com isso.",
        "Lo siento, no puedo ayudar con eso.",
        "Je suis désolé, je ne peux pas vous aider.",
        "Es tut mir leid, dabei kann ich nicht helfen.",
        "<think>No.</think>I must decline.",
    ],
)
def test_a_refusal_is_recognised(answer: str) -> None:
    assert refusal(answer) == strip_thinking(answer).strip()


@pytest.mark.parametrize(
    "answer",
    ["", "Here is the plan.", '{"a": "I\'m sorry"}', "```md path=a.md\nI cannot\n```", "I can't wait! " + "x" * 1_000],
)
def test_what_is_no_refusal(answer: str) -> None:
    assert refusal(answer) == ""


def test_reading_is_linear_in_hostile_answers() -> None:
    # A quadratic reader would take minutes.
    for answer in (
        "{" * 200_000,
        "{a" * 100_000,
        '{"a": "' + "'" * 500_000,
        "{/*" * 200_000,
        "{" + "a:1," * 200_000,
        "</think>" * 50_000,
    ):
        with contextlib.suppress(AnswerError):
            parse_json_object(answer)
