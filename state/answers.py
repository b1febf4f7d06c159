"""The forms in which models answer: one JSON object, or files in fenced blocks with a path.

Code never travels inside JSON strings: models escape it badly. A file is

    ```html path=index.html
    …
    ```

with a longer fence when the content itself holds fences. Blocks are found by markdown-it,
so nesting and unclosed fences follow CommonMark.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from matrioska.state.errors import AnswerError
from matrioska.state.text import clean_json, clean_text

_PATH = re.compile(r"""\bpath\s*=\s*(?:"([^"]+)"|'([^']+)'|(\S+))""")
_BARE_PATH = re.compile(r"^[\w.-]+(?:/[\w.-]+)*\.[A-Za-z0-9]{1,8}$")
_TITLE_PATH = re.compile(r"[`*]{1,3}([\w.-]+(?:/[\w.-]+)*\.[A-Za-z0-9]{1,8})[`*]{1,3}:?\s*$")
_THINKING = re.compile(r"^\s*<think(?:ing)?>(.*?)</think(?:ing)?>", re.DOTALL)

# Only the fence rule: a "<script>" or a list outside a block must not swallow the next fence.
_FENCES = MarkdownIt("zero").enable("fence")

CONTRACT_INFO = "json contract"


@dataclass(frozen=True)
class FileBlock:
    """A file as a model wrote it: an unchecked path and its text."""

    path: str
    text: str


def _blocks(answer: str) -> list[Token]:
    return [token for token in _FENCES.parse(answer) if token.type == "fence"]


def strip_thinking(answer: str) -> str:
    """Return the answer without a leading ``<think>`` preamble."""
    return _THINKING.sub("", answer, count=1)


def fenced_file(path: str, text: str, language: str = "") -> str:
    """Return a file in the form that `parse_files` reads; its last line gets a line break if it has none."""
    # The info line of a backtick fence must not hold one.
    mark = "~" if "`" in path else "`"
    longest = max((len(run) for run in re.findall(mark + "{3,}", text)), default=2)
    fence = mark * max(3, longest + 1)
    quote = "'" if '"' in path else '"'
    shown = f"{quote}{path}{quote}" if re.search(r"[\s'\"]", path) else path
    body = text if text.endswith("\n") else text + "\n"
    return f"{fence}{language or 'text'} path={shown}\n{body}{fence}"


def parse_files(answer: str) -> list[FileBlock]:
    """Return the files in an answer, in order; a path given twice keeps the last text.

    Blocks without a path are conversation and are passed over.

    Raises:
        AnswerError: the last file's fence is not closed, so the answer was cut off.
    """
    text = clean_text(strip_thinking(answer))
    lines = text.split("\n")
    files: dict[str, FileBlock] = {}
    for token in _blocks(text):
        path = _path_of(token, lines)
        if path is None:
            continue
        if not _is_closed(token, lines):
            raise AnswerError(
                f"The file {path} is not closed by a fence: the answer was cut off. "
                "Answer again, complete, in smaller files.",
                raw_answer=answer,
            )
        files[path] = FileBlock(path, token.content)
    return list(files.values())


def _path_of(token: Token, lines: list[str]) -> str | None:
    info = token.info.strip()
    if found := _PATH.search(info):
        return next(group for group in found.groups() if group)
    words = re.split(r"[\s:]+", info)
    if len(words) == 2 and _BARE_PATH.match(words[1]):
        return words[1]
    # Small models often put the name in bold or in a heading above the block instead.
    start = token.map[0] if token.map else 0
    for line in reversed(lines[max(0, start - 2) : start]):
        if line.strip():
            titled = _TITLE_PATH.search(line.strip())
            return titled.group(1) if titled else None
    return None


def _is_closed(token: Token, lines: list[str]) -> bool:
    end = token.map[1] if token.map else len(lines)
    last = lines[end - 1].strip() if 0 < end <= len(lines) else ""
    return len(last) >= len(token.markup) and set(last) == {token.markup[0]}


def parse_contract(answer: str) -> dict[str, Any] | None:
    """Return the values of a ```` ```json contract ```` block, None when there is none.

    Raises:
        AnswerError: the block is not a JSON object.
    """
    for token in _blocks(clean_text(strip_thinking(answer))):
        if token.info.split() == CONTRACT_INFO.split():
            return _load_object(token.content, answer)
    return None


def parse_json_object(answer: str) -> dict[str, Any]:
    """Return the JSON object in an answer: bare, in a ```` ```json ```` block, or amid prose.

    Raises:
        AnswerError: there is none, or it is not valid; the complaint says where.
    """
    text = clean_text(strip_thinking(answer))
    for token in _blocks(text):
        if token.info.split()[:1] in (["json"], ["JSON"]) or token.content.lstrip().startswith("{"):
            return _load_object(token.content, answer)
    start = text.find("{")
    if start < 0:
        raise AnswerError("The answer holds no JSON object. Answer with one JSON object only.", raw_answer=answer)
    return _load_object(text[start:], answer, allow_trailing=True)


def _load_object(text: str, answer: str, *, allow_trailing: bool = False) -> dict[str, Any]:
    try:
        value, end = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode(text.lstrip())
        cleaned = clean_json(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise AnswerError(
            f"The JSON is not valid ({error}). Answer again with one complete JSON object.", raw_answer=answer
        ) from error
    if not isinstance(cleaned, dict):
        raise AnswerError(
            f"The JSON is a {type(cleaned).__name__}, not an object. Answer with one JSON object.", raw_answer=answer
        )
    if not allow_trailing and text.lstrip()[end:].strip():
        raise AnswerError("There is text after the JSON object. Answer with one JSON object only.", raw_answer=answer)
    return cleaned


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
