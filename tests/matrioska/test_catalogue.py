from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from gettext import GNUTranslations
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message

from matrioska.cli.text import plain
from tools import catalogue as tool
from tools.sentences import sentences

_PLACE = re.compile(r"\{\w*\}")


@pytest.fixture(scope="module")
def shipped() -> Catalog:
    return tool.read(tool.place("pt_BR"), "pt_BR")


def _forms(texts: object) -> Iterator[str]:
    yield from texts if isinstance(texts, list | tuple) else [str(texts)]


def _messages(catalogue: Catalog) -> list[Message]:
    return [message for message in catalogue if message.id]


def test_the_catalogue_has_every_text_of_the_tree_and_no_other(shipped: Catalog) -> None:
    # `make catalogue` brings it up to date.
    assert {message.id for message in _messages(shipped)} == {message.id for message in _messages(tool.template())}


def _marked(path: Path) -> Iterator[str]:
    """Yield every text that is marked in a file, also where Babel does not look: inside f-strings, or nested."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "N_", "counted"):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


def test_no_marked_text_is_overlooked(shipped: Catalog) -> None:
    known = {next(_forms(message.id)) for message in _messages(shipped)}
    files = [file for room in tool.ROOMS for file in (tool.ROOT / room).rglob("*.py") if "locale" not in file.parts]
    missing = {(str(file.relative_to(tool.ROOT)), text) for file in files for text in _marked(file)}
    assert {(file, text) for file, text in missing if text not in known} == set()


def test_nothing_is_left_in_english(shipped: Catalog) -> None:
    assert [message.id for message in _messages(shipped) if not all(_forms(message.string))] == []


def test_a_translation_has_the_values_of_its_text(shipped: Catalog) -> None:
    wrong = [
        message.id
        for message in _messages(shipped)
        for form in _forms(message.string)
        if set(_PLACE.findall(form)) != set(_PLACE.findall(str(list(_forms(message.id))[-1])))
    ]
    assert wrong == []


def test_a_translation_begins_and_ends_as_its_text(shipped: Catalog) -> None:
    """A blank or a line's end that is lost joins words, or sets them apart."""
    wrong = [
        message.id
        for message in _messages(shipped)
        for form in _forms(message.string)
        if [form[:1].isspace(), form[-1:].isspace()] != [next(_forms(message.id))[at].isspace() for at in (0, -1)]
    ]
    assert wrong == []


def test_a_translation_holds_nothing_that_a_terminal_obeys(shipped: Catalog) -> None:
    for message in _messages(shipped):
        for form in _forms(message.string):
            assert plain(form) == form.replace("\t", "    ")


def test_what_is_compiled_is_what_is_written(shipped: Catalog) -> None:
    with tool.place("pt_BR").with_suffix(".mo").open("rb") as file:
        compiled = GNUTranslations(file)
    for message in _messages(shipped):
        if isinstance(message.id, tuple):
            said = [compiled.ngettext(*message.id, number) for number in (1, 2)]
            assert said == list(message.string)
        else:
            assert compiled.gettext(message.id) == message.string


def test_a_translation_given_in_a_fragment_is_taken_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "LOCALES", tmp_path)
    monkeypatch.setattr(tool, "template", lambda: _made({"There is no question.": "", "Ask again.": ""}))
    fragment = tmp_path / "part.po"
    fragment.write_text('msgid "Ask again."\nmsgstr "Pergunte de novo."\n\nmsgid "Gone."\nmsgstr "Foi-se."\n')

    missing = tool.update("pt_BR", [fragment])

    assert [message.id for message in missing] == ["There is no question."]
    found = tool.read(tool.place("pt_BR"), "pt_BR")
    assert {message.id: message.string for message in _messages(found)} == {
        "Ask again.": "Pergunte de novo.",
        "There is no question.": "",
    }


def _made(texts: dict[str, str]) -> Catalog:
    catalogue = Catalog(charset="utf-8", fuzzy=False)
    for text, translated in texts.items():
        catalogue.add(text, translated)
    return catalogue


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (
            'raise UsageError("There is none.", next_step=f"Give one {self.what!r}.")',
            ["There is none.", "Give one {what}."],
        ),
        ('x = f"{len(faults)} of {a.b} and {c.b} are wrong"', ["{faults_count} of {b} and {b_2} are wrong"]),
        ('x = f\'it is {"not " if no else ""}in a list\'', ["it is not in a list", "it is in a list"]),
        ('x = f"a brace {{ and {value} here"', ["a brace {{ and {value} here"]),
        ('x = "the first part " + f"and {name}"', ["the first part and {name}"]),
        ('def f() -> "a list of": "Says what it does."', []),
        ('_("shown where it is said"); _log.warning("only in a log: %s", a); Field(description="for a model")', []),
        ('x = "one"; y = "snake_case_name"', []),
    ],
)
def test_sentences_of_the_source_are_found(source: str, found: list[str]) -> None:
    assert [text for _line, text in sentences(source, "state/made_up.py")] == found


def test_where_texts_are_marked_only_what_is_raised_is_looked_for() -> None:
    source = 'x = "not marked here"; raise UsageError("This is wrong.")'
    assert [text for _line, text in sentences(source, "matrioska/cli/made_up.py")] == ["This is wrong."]
