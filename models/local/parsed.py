"""Answers as objects: what stands behind ``LocalLLM.with_structured_output``."""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import itemgetter
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel, ValidationError

#: Keywords of JSON schema that hold schemas, by a name of the author's or directly.
_NAMED = ("properties", "patternProperties", "$defs", "definitions")
_NESTED = ("items", "prefixItems", "anyOf", "oneOf", "additionalProperties")

Parsed = dict[str, Any] | BaseModel


def held_to_schema(
    model: BaseChatModel, schema: dict[str, Any] | type, *, include_raw: bool, extra: dict[str, Any]
) -> Runnable[LanguageModelInput, Parsed]:
    """Return the model bound to a schema, with a parser behind it. See `LocalLLM.with_structured_output`."""
    unknown = sorted(extra.keys() - {"method", "strict"})
    if unknown:
        raise ValueError(f"with_structured_output does not take {', '.join(unknown)}")
    kind = schema if isinstance(schema, type) and issubclass(schema, BaseModel) else None
    wanted = _closed(kind.model_json_schema() if kind else convert_to_json_schema(schema))
    bound = model.bind(
        json_schema=wanted, ls_structured_output_format={"kwargs": {"method": "json_schema"}, "schema": wanted}
    )
    parser = RunnableLambda(_parser(kind))
    if not include_raw:
        return bound | parser
    parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
    unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")


def _closed(schema: Any) -> Any:
    """Return the schema with every object held to its own properties, unless it says otherwise.

    JSON schema lets any further property in, and a small model would go on writing them.
    """
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    inner = dict(schema)
    for key, part in schema.items():
        if key in _NAMED and isinstance(part, dict):
            inner[key] = {name: _closed(value) for name, value in part.items()}
        elif key in _NESTED:
            inner[key] = _closed(part)
    # Parts of allOf describe one object together, which none of them may close.
    if isinstance(schema.get("properties"), dict) and "allOf" not in schema:
        inner.setdefault("additionalProperties", False)
    return inner


def _parser(kind: type[BaseModel] | None) -> Callable[[AIMessage], Parsed]:
    """Return a parser that takes whole answers only: LangChain's completes JSON that was cut off."""

    def parse(message: AIMessage) -> Parsed:
        text = message.text
        if message.response_metadata.get("finish_reason") == "length":
            raise OutputParserException(
                "The answer reached max_tokens before its JSON was complete; allow more, or bound the schema.",
                llm_output=text,
            )
        try:
            return kind.model_validate_json(text) if kind else _object(text)
        except (ValidationError, ValueError) as error:
            raise OutputParserException(f"The answer does not follow its schema: {error}", llm_output=text) from error

    return parse


def _object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found
