"""Schemas and grammars of answers, each bounded by what an answer may have.

Every text and list has a longest length, and all of them together fit the budget: an answer that
is held to one of these cannot be cut off. Only such keywords are used as llguidance, llama.cpp
and the strict modes of hosted models know.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from matrioska.models.gateway import Client
from matrioska.models.structured import takes_grammars, takes_schemas
from matrioska.state.answers import CONTRACT_INFO
from matrioska.state.architecture import MODALITIES
from matrioska.state.errors import ConfigError
from matrioska.state.forms import AnswerForm

#: Modules of a plan that is made by schema; a longer one overtaxes the models that need this.
MOST_MODULES = 40
MOST_FILES = 12
#: Names of assets that a schema lists; it does so once for every module.
MOST_ASSETS = 40
SIZES = (1, 2, 3, 5, 8)
#: What a contract's value may list; of "fields" only people and models take notice.
LISTS = ("functions", "ids", "classes", "keys", "files", "fields")

#: llama.cpp gives up on texts of more than 2,000 characters.
_LONGEST_TEXT = 1_500
_USUAL_ANSWER_TOKENS = 4_096
#: Share of the characters that come out of a model's tokens when it writes as its sample does.
#: What is left over pays for escapes and for scripts that take more tokens a character.
_SHARE = 0.6
_SAMPLE = '{"title":"Page","description":"The list of all books, with a form to add one.","files":["index.html"]}'
_LARGEST_SCALE = 400
_FILE_PATTERN = r"^[a-z][a-z0-9_-]{0,23}(/[a-z][a-z0-9_-]{0,23})?\.[a-z0-9]{1,5}$"
_LONGEST_FILE = 54

# One line of a file inside a fence of four backticks: anything that does not close the fence, and
# no control character, since cleaning takes those out and might put a closing fence together.
_CHARACTER = r"\x00-\x08\x0a-\x1f\x7f-\x9f"
_LINE = rf"[ \t]*(`{{1,3}}[^`{_CHARACTER}][^{_CHARACTER}]*|`{{1,3}}|[^` \t{_CHARACTER}][^{_CHARACTER}]*)?"
_PATH = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,23}(\/[A-Za-z0-9_][A-Za-z0-9_-]{0,23})?(\.[a-z0-9]{1,5})?"
#: Tokens of a file's fences and path at the most, one character each.
_FENCE_TOKENS = 90
_LEAST_FILE_TOKENS = 24

Schema = dict[str, Any]


def answer_tokens(client: Client) -> int:
    """Return the tokens that an answer may have: by its settings, its class or its profile."""
    model = client.model
    own = (client.member.max_tokens, getattr(model, "max_tokens", None), getattr(model, "num_predict", None))
    profile = getattr(model, "profile", None) or {}
    found = [number for number in (*own, profile.get("max_output_tokens")) if isinstance(number, int) and number > 0]
    return found[0] if found else _USUAL_ANSWER_TOKENS


def answer_budget(client: Client, material: str) -> int:
    """Return the characters that an answer may have and not be cut off.

    Args:
        client: whom is asked.
        material: text in the language of the answer, which shows how many characters a token has.
    """
    samples = [_SAMPLE, material[:2_000]] if material.strip() else [_SAMPLE]
    per_token = min(len(sample) / max(1, client.count_tokens(sample)) for sample in samples)
    return int(answer_tokens(client) * per_token * _SHARE)


def longest(schema: Schema) -> int:
    """Return the characters of the longest JSON, without white space, that a schema of ours allows."""
    if "enum" in schema:
        return max(len(json.dumps(value)) for value in schema["enum"])
    if schema["type"] == "object":
        return 1 + sum(len(json.dumps(key)) + 2 + longest(part) for key, part in schema["properties"].items())
    if schema["type"] == "array":
        items = schema.get("prefixItems") or [schema["items"]] * schema["maxItems"]
        return 2 + sum(longest(item) + 1 for item in items)
    return int(schema["maxLength"]) + 2


def _object(properties: dict[str, Schema]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _text(length: int, least: int = 0) -> Schema:
    bounded: Schema = {"type": "string", "maxLength": min(length, _LONGEST_TEXT)}
    return {**bounded, "minLength": least} if least else bounded


def _list(item: Schema, most: int) -> Schema:
    return {"type": "array", "items": item, "maxItems": most}


def _fitting(make: Callable[[int], Schema], budget: int, what: str) -> Schema:
    """Return the schema of the largest scale that fits a budget of characters.

    Raises:
        ConfigError: not even the smallest fits.
    """
    low, high = 1, _LARGEST_SCALE
    if longest(make(low)) > budget:
        raise ConfigError(
            f"An answer may have about {max(0, budget)} characters, and {what} needs {longest(make(low))}.",
            next_step="Raise max_tokens of the model.",
        )
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if longest(make(middle)) <= budget else (low, middle - 1)
    return make(low)


def contract_schema(keys: Sequence[str], budget: int) -> Schema:
    """Return the schema of the values that a module promises: exactly these keys, nothing null.

    Raises:
        ConfigError: the budget is too small for so many keys.
    """

    def make(scale: int) -> Schema:
        name = _text(min(24 + scale, 100), 1)
        lists = {kind: _list(name, min(scale, 40)) for kind in LISTS}
        return _object({key: _object({"summary": _text(20 + 8 * scale), **lists}) for key in keys})

    return _fitting(make, budget, f"a contract of {len(keys)} {'key' if len(keys) == 1 else 'keys'}")


def plan_schema(budget: int, assets: Sequence[str] = ()) -> Schema:
    """Return the schema of a numbered plan; see `numbered`.

    Each module names only modules before it, by ``prefixItems``. Where those are taken out, any
    number is taken, and `numbered.expand_plan` complains of one that comes too early.

    Args:
        budget: characters.
        assets: names of the person's files, which modules may name.

    Raises:
        ConfigError: the budget is too small for any plan.
    """

    def make(scale: int) -> Schema:
        count = min(2 + scale // 5, MOST_MODULES)
        modules = [_module(number, scale, assets) for number in range(1, count + 1)]
        return _object(
            {
                "name": _text(60, 1),
                "goal": _text(60 + 40 * scale, 1),
                "constraints": _list(_text(40 + 2 * scale, 1), min(1 + scale // 4, 8)),
                "language": {"type": "string", "pattern": "^[a-z]{2}$", "maxLength": 2},
                "modules": {"type": "array", "minItems": 1, "prefixItems": modules, "items": False},
            }
        )

    return _fitting(make, budget, "a plan")


def _module(number: int, scale: int, assets: Sequence[str]) -> Schema:
    """Return the schema of a module that may build on those before ``number``."""
    earlier: Schema = (
        {"type": "integer", "enum": list(range(1, number))} if number > 1 else {"type": "integer", "enum": [1]}
    )
    file: Schema = {"type": "string", "pattern": _FILE_PATTERN, "maxLength": _LONGEST_FILE}
    return _object(
        {
            "title": _text(min(16 + scale, 50), 1),
            "description": _text(60 + 40 * scale, 1),
            "files": _list(file, min(1 + scale // 6, 8)),
            "builds_on": _list(earlier, min(number - 1, 8)),
            "rules": _list(_text(40 + 4 * scale, 1), min(1 + scale // 6, 6)),
            "modality": {"type": "string", "enum": list(MODALITIES)},
            "size": {"type": "integer", "enum": list(SIZES)},
            **({"assets": _list({"type": "string", "enum": list(assets)}, min(len(assets), 8))} if assets else {}),
        }
    )


def settlement_schema(contenders: Sequence[str], budget: int) -> Schema:
    """Return the schema of a settlement: why, and one of the contenders.

    Raises:
        ConfigError: the budget is too small for any.
    """

    def make(scale: int) -> Schema:
        return _object({"why": _text(40 + 4 * scale, 1), "winner": {"type": "string", "enum": list(contenders)}})

    return _fitting(make, budget, "a settlement")


def findings_schema(modules: Sequence[str], most: int, budget: int) -> Schema:
    """Return the schema of a review: ``most`` findings at the most, each of one of the modules.

    Raises:
        ConfigError: the budget is too small for any.
    """
    # Listed once for every finding. Of more modules, the ids are checked when the answer is read.
    module: Schema = {"type": "string", "enum": list(modules)} if len(modules) <= MOST_MODULES else _text(64, 1)

    def make(scale: int) -> Schema:
        finding = {
            "module": module,
            "path": _text(min(20 + scale, 200)),
            "message": _text(40 + 4 * scale, 1),
            "severity": {"type": "string", "enum": ["error", "warning"]},
        }
        return _object({"findings": _list(_object(finding), min(1 + scale // 4, most))})

    return _fitting(make, budget, "a review")


def plan_form(client: Client, task: str, assets: Sequence[str] = ()) -> AnswerForm | None:
    """Return the form of a numbered plan; None for a model that cannot be held to one.

    Args:
        client: whom is asked.
        task: the task, in whose language the plan is written.
        assets: names of the person's files; beyond `MOST_ASSETS` the rest cannot be named.
    """
    if not takes_schemas(client.member, client.model):
        return None
    schema = plan_schema(answer_budget(client, task), assets[:MOST_ASSETS])
    return AnswerForm("json", "plan", schema=schema)


def contract_form(client: Client, keys: Sequence[str], material: str) -> AnswerForm:
    """Return the form of a contract with these keys; for a model held to no schema, in name only."""
    if not takes_schemas(client.member, client.model):
        return AnswerForm("json", "contract")
    return AnswerForm("json", "contract", schema=contract_schema(keys, answer_budget(client, material)))


def settlement_form(client: Client, contenders: Sequence[str], material: str) -> AnswerForm:
    """Return the form of a settlement; for a model held to no schema, in name only."""
    if not takes_schemas(client.member, client.model):
        return AnswerForm("json", "settlement")
    return AnswerForm("json", "settlement", schema=settlement_schema(contenders, answer_budget(client, material)))


def findings_form(client: Client, modules: Sequence[str], most: int, material: str) -> AnswerForm:
    """Return the form of a review; for a model held to no schema, in name only."""
    if not takes_schemas(client.member, client.model):
        return AnswerForm("json", "review")
    return AnswerForm("json", "review", schema=findings_schema(modules, most, answer_budget(client, material)))


def files_form(
    client: Client, count: int, keys: Sequence[str] = (), *, material: str = "", path: str = ""
) -> AnswerForm:
    """Return the form of an answer of files; only a model in this process can be held to it.

    Args:
        client: whom is asked.
        count: files at the most; the answer's tokens are divided among them.
        keys: whiteboard keys of a contract block to add; none adds no block.
        material: text in the language of the answer.
        path: the path of the only file, for an answer that is one certain file.
    """
    if not takes_grammars(client.member, client.model):
        return AnswerForm("files", "files")
    tokens, contract = answer_tokens(client), None
    if keys:
        budget = answer_budget(client, material) // 3
        contract, tokens = contract_schema(keys, budget), tokens - tokens // 3 - _FENCE_TOKENS
    most = max(1, min(count, MOST_FILES, tokens // (_FENCE_TOKENS + _LEAST_FILE_TOKENS)))
    return AnswerForm("files", "files", grammar=files_grammar(most, tokens // most - _FENCE_TOKENS, contract, path))


def files_grammar(count: int, tokens: int, contract: Schema | None = None, path: str = "") -> str:
    """Return the Lark grammar, as llguidance reads it, of fenced files with safe paths.

    A fence has four backticks and is always closed, so files may hold fences of three.

    Args:
        count: files at the most; there is always one.
        tokens: tokens that one file may have.
        contract: schema of a contract block to add at the end.
        path: the path of the only file.

    Raises:
        ConfigError: there are no tokens for a file.
    """
    if tokens < 1:
        raise ConfigError("An answer's tokens do not suffice for a file.", next_step="Raise max_tokens of the model.")
    named = json.dumps(f" path={path}\n") if path else '" path=" PATH "\\n"'
    rules = [
        f"start: file{'' if count == 1 or path else f'{{1,{count}}}'}{' contract' if contract else ''}",
        # A file that uses up its tokens ends within a line; `parse_files` takes its fence there too.
        f'file: "````" LANGUAGE {named} body "````\\n"',
        # A grammar of its own: of single expressions the longest match counts, and would take in the fence.
        f"body[max_tokens={tokens}]: %lark {{\nstart: line*\nline: /{_LINE}\\n/\n}}",
        "LANGUAGE: /[a-z]{1,10}/",
    ]
    if not path:
        rules.append(f"PATH: /{_PATH}/")
    if contract:
        bound = json.dumps({**contract, "x-guidance": {"whitespace_flexible": False}})
        rules.append(f'contract: "````{CONTRACT_INFO}\\n" %json {bound} "\\n````\\n"')
    return "\n".join(rules) + "\n"
