"""What the embedded model answers: each stage's prompt to the text in the format asked for."""

from __future__ import annotations

import json
from typing import Any

from matrioska.models.embedded.context import Work, read_work
from matrioska.models.embedded.fallback import fallback_files, fallback_value
from matrioska.models.embedded.notice import NOTICE
from matrioska.models.embedded.planning import plan_answer
from matrioska.models.embedded.readme import readme_text
from matrioska.models.embedded.repairs import heed_complaints
from matrioska.models.embedded.request import Request
from matrioska.models.embedded.understanding.language import detect_language
from matrioska.state.answers import CONTRACT_INFO, fenced_file

_LANGUAGES = {
    "css": "css", "html": "html", "js": "js", "json": "json", "md": "markdown", "py": "python", "svg": "svg",
    "sql": "sql", "csv": "csv", "toml": "toml", "txt": "text",
}  # fmt: skip


def answer(request: Request) -> str:
    """Return the answer to one call; the same request always gets the same answer."""
    if request.stage == "plan":
        return json_block(plan_answer(request))
    if request.stage == "assemble":
        return fenced_file("README.md", readme_text(request), "markdown")
    if request.stage == "chat":
        return NOTICE[detect_language(request.text)]
    work = read_work(request)
    if request.stage == "agree" or request.answering == "values":
        return json_block(promised_values(work))
    return files_answer(work, request)


def json_block(value: dict[str, Any]) -> str:
    """Return a JSON object in the block that the prompts ask for."""
    return f"```json\n{json.dumps(value, ensure_ascii=False, indent=1)}\n```"


def promised_values(work: Work) -> dict[str, Any]:
    """Return a value for every key asked for: from the recipe, or from the module's own spec."""
    known: dict[str, Any] = {}
    if work.is_planned:
        own = [key for key in work.wanted if key in work.planned_writes]
        known = work.recipe.contract(work.brief, work.module_id, own, work.values)
    return {key: known[key] if key in known else fallback_value(work, key) for key in work.wanted}


def files_answer(work: Work, request: Request) -> str:
    """Return the module's files, and its values when they are asked for with them."""
    values = promised_values(work)
    files = heed_complaints(_files(work, values), request)
    blocks = [fenced_file(path, text, _LANGUAGES.get(path.rpartition(".")[2], "text")) for path, text in files]
    if work.wanted:
        blocks.append(f"```{CONTRACT_INFO}\n{json.dumps(values, ensure_ascii=False, indent=1)}\n```")
    return "\n\n".join(blocks)


def _files(work: Work, values: dict[str, Any]) -> list[tuple[str, str]]:
    contract = {**values, **work.contract}
    if work.is_planned:
        return work.recipe.files(work.brief, work.module_id, contract, work.values)
    if work.is_whole:
        return work.recipe.whole(work.brief)
    return fallback_files(work, contract)
