"""The forms in which models answer: one JSON object, or files in fenced blocks with a path.

Code never travels inside JSON strings: models escape it badly. A file is

    ```html path=index.html
    …
    ```

with a longer fence when the content itself holds fences. Blocks are found by markdown-it,
so nesting and unclosed fences follow CommonMark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from matrioska.state.errors import AnswerError
from matrioska.state.lenient import JsonFaultError, read_json
from matrioska.state.text import clean_json, clean_text

_PATH = re.compile(r"""\bpath\s*=\s*(?:"([^"]+)"|'([^']+)'|(\S+))""")
_BARE_PATH = re.compile(r"^[\w.-]+(?:/[\w.-]+)*\.[A-Za-z0-9]{1,8}$")
_TITLE_PATH = re.compile(r"[`*]{1,3}([\w.-]+(?:/[\w.-]+)*\.[A-Za-z0-9]{1,8})[`*]{1,3}:?\s*$")
_THOUGHTS_BEGIN = re.compile(r"<think(?:ing)?>|\[THINK\]")
_THOUGHTS_END = re.compile(r"</think(?:ing)?>|\[/THINK\]")
_THINKING = re.compile(rf"\s*(?:{_THOUGHTS_BEGIN.pattern})(?P<thought>.*?)(?:{_THOUGHTS_END.pattern}|\Z)", re.DOTALL)
#: How an object begins; a brace before anything else belongs to prose.
_OBJECT = re.compile(r"""\{(?=\s*(?:["'“}]|//|/\*|\Z|[A-Za-z_$][\w$-]*\s*:))""")
_LONGEST_REFUSAL = 1_000
_REFUSAL = re.compile(
    r"\b(?:I'm|I am) (?:sorry|unable|not able)|\bI (?:can't|cannot|can not|won't|must decline)\b"
    r"|\bI (?:apologi[sz]e)\b|\bnão posso\b|\blamento\b|\bdesculpe\b|\bno puedo\b|\blo siento\b"
    r"|\bje (?:suis désolée?|regrette|ne peux pas)\b|\bdésolée?\b|\bes tut mir leid\b|\bich kann (?:das |dir |ihnen )?"
    r"(?:leider )?nicht\b",
    re.IGNORECASE,
)

# Only the fence rule: a "<script>" or a list outside a block must not swallow the next fence.
_FENCES = MarkdownIt("zero").enable("fence")

CONTRACT_INFO = "json contract"
_OPENING = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_NEXT_FILE = re.compile(rf"`{{3,}}(?:[^`]*\bpath\s*=|{CONTRACT_INFO})")


@dataclass(frozen=True)
class FileBlock:
    """A file as a model wrote it: an unchecked path and its text."""

    path: str
    text: str


def _blocks(answer: str) -> list[Token]:
    return [token for token in _FENCES.parse(answer) if token.type == "fence"]


def split_thinking(answer: str) -> tuple[str, str]:
    """Return what a model thought aloud before its answer, and the answer.

    Thoughts stand between ``<think>``, ``<thinking>`` or ``[THINK]`` and the like closing tag. An
    unclosed one takes the whole answer: it was cut off. The opening tag may be missing, since some
    chat templates put it into the prompt; an answer that begins with JSON or a fence has no thoughts.
    """
    thoughts = []
    while found := _THINKING.match(answer):
        thoughts.append(found["thought"])
        answer = answer[found.end() :]
    if not thoughts and not answer.lstrip().startswith(("{", "[", "```", "~~~")):
        end = _THOUGHTS_END.search(answer)
        if end and not _THOUGHTS_BEGIN.search(answer, 0, end.start()) and not _is_fenced(answer, end.start()):
            thoughts.append(answer[: end.start()])
            answer = answer[end.end() :]
    return "\n\n".join(thought.strip() for thought in thoughts), answer


def strip_thinking(answer: str) -> str:
    """Return the answer without what the model thought aloud before it."""
    return split_thinking(answer)[1]


def _is_fenced(answer: str, position: int) -> bool:
    line = answer.count("\n", 0, position)
    return any(token.map and token.map[0] <= line < token.map[1] for token in _blocks(answer))


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

    Blocks without a path are conversation and are passed over. A closing fence may stand at the end
    of a file's last line, where nothing but the next file or the end follows.

    Raises:
        AnswerError: the last file's fence is not closed, so the answer was cut off.
    """
    text = _unglued(clean_text(strip_thinking(answer)))
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


def _unglued(text: str) -> str:
    """Return an answer in which a closing fence that ends its block's last line has a line of its own.

    Only a fence that could close the block it stands in, at the end of the answer or before the
    next file.
    """
    lines, opened = text.split("\n"), ""
    parted = []
    for index, line in enumerate(lines):
        if not opened:
            opening = _OPENING.match(line)
            opened = opening[1] if opening else ""
        elif _closes(line, opened):
            opened = ""
        elif (body := _before_glued(line, opened)) and _ends_a_file(lines, index + 1):
            parted.append(body)
            line, opened = line[len(body) :], ""
        parted.append(line)
    return "\n".join(parted)


def _before_glued(line: str, opened: str) -> str:
    """Return what stands before a fence at a line's end that could close the open block; '' when there is none."""
    body = line.rstrip().rstrip(opened[0])
    return body if body.strip() and _closes(line[len(body) :], opened) else ""


def _closes(line: str, opened: str) -> bool:
    mark = line.strip()
    return len(mark) >= max(3, len(opened)) and set(mark) == {opened[0]}


def _ends_a_file(lines: list[str], after: int) -> bool:
    """Whether nothing more comes, or another file begins."""
    if after < len(lines) and _NEXT_FILE.match(lines[after]):
        return True
    return not any(lines[index].strip() for index in range(after, len(lines)))


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
    for token in _blocks(_unglued(clean_text(strip_thinking(answer)))):
        if token.info.split() == CONTRACT_INFO.split():
            return _load_object(token.content, answer)
    return None


def outside_blocks(answer: str) -> str:
    """Return what an answer says outside of its fenced blocks, without the thinking before it."""
    text = _unglued(clean_text(strip_thinking(answer)))
    fenced = {line for token in _blocks(text) if token.map for line in range(*token.map)}
    return "\n".join(line for number, line in enumerate(text.split("\n")) if number not in fenced).strip()


def parse_json_object(answer: str) -> dict[str, Any]:
    """Return the JSON object in an answer: bare, in a ```` ```json ```` block, or amid prose.

    Slips that can only mean one thing are repaired; see `lenient`.

    Raises:
        AnswerError: there is none, or it is not valid; the complaint says where.
    """
    text = clean_text(strip_thinking(answer))
    for token in _blocks(text):
        if token.info.split()[:1] in (["json"], ["JSON"]) or token.content.lstrip().startswith("{"):
            return _load_object(token.content, answer)
    found = _OBJECT.search(text)
    if found is None:
        raise AnswerError("The answer holds no JSON object. Answer with one JSON object only.", raw_answer=answer)
    return _load_object(text[found.start() :], answer, allow_trailing=True)


def _load_object(text: str, answer: str, *, allow_trailing: bool = False) -> dict[str, Any]:
    text = text.strip()
    try:
        value, end = read_json(text)
        cleaned = clean_json(value)
    except JsonFaultError as error:
        if error.cut_off:
            complaint = f"The JSON was cut off: {error}. Answer again, complete and shorter."
        else:
            complaint = f"The JSON is not valid: {error}. Answer again with one complete JSON object."
        raise AnswerError(complaint, raw_answer=answer) from error
    except (TypeError, RecursionError) as error:
        raise AnswerError(
            f"The JSON is not valid: {error}. Answer again with one complete JSON object.", raw_answer=answer
        ) from error
    if not isinstance(cleaned, dict):
        raise AnswerError(
            f"The JSON is a {type(cleaned).__name__}, not an object. Answer with one JSON object.", raw_answer=answer
        )
    if not allow_trailing and text[end:].strip():
        raise AnswerError("There is text after the JSON object. Answer with one JSON object only.", raw_answer=answer)
    return cleaned


def refusal(answer: str) -> str:
    """Return the refusal that an answer is, '' when it is none.

    Only a short answer that holds neither JSON nor a fenced block counts, in English, Portuguese,
    Spanish, French or German.
    """
    text = strip_thinking(answer).strip()
    if len(text) > _LONGEST_REFUSAL or "```" in text or "~~~" in text or _OBJECT.search(text):
        return ""
    return text if _REFUSAL.search(text.replace("’", "'")) else ""
