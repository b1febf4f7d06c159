"""Structured output: how each provider's models are held to a form, and what their answers consist of.

Every provider has its own argument for it; what its class takes was read in the class's source
(langchain-openai 1.7, langchain-anthropic 1.7, langchain-ollama 1.1).
"""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage

from matrioska.state.answers import split_thinking
from matrioska.state.errors import ConfigError
from matrioska.state.forms import AnswerForm
from matrioska.state.members import Member

_OWN_SERVERS = frozenset({"llamacpp", "vllm", "lmstudio"})
_OPENAI_HOSTS = ("openai.com", "azure.com")
#: Keywords that OpenAI's strict mode refuses.
_NOT_STRICT = frozenset({"minLength", "maxLength", "default"})
_REFUSING_STATUS = frozenset({400, 404, 415, 422, 501})
_FORM_WORDS = (
    "response_format",
    "json_schema",
    "json schema",
    "output_config",
    "output_format",
    "structured output",
    "guided",
    "grammar",
    "invalid schema",
    "invalid format",
)


def takes_schemas(member: Member, model: BaseChatModel) -> bool:
    """Return whether a model can be held to a schema.

    It goes by the model's class. A class that is not known here can still be asked: the prompt
    describes the form too.
    """
    known = {"LocalLLM", "ChatGGUF", "ChatOllama", "ChatAnthropic", "BaseChatOpenAI"}
    return member.structured != "prompt" and bool(_classes(model) & known)


def _is_own_server(member: Member, model: BaseChatModel) -> bool:
    """Whether a model's server is llama.cpp's, vLLM's or one like them, which bound the lengths of texts."""
    if member.model.partition(":")[0] in _OWN_SERVERS:
        return True
    host = urlsplit(str(getattr(model, "openai_api_base", None) or "")).hostname or ""
    return bool(host) and not host.endswith(_OPENAI_HOSTS) and member.model.startswith(("openai:", "object:"))


def takes_grammars(member: Member, model: BaseChatModel) -> bool:
    """Whether a model runs in this process, where llguidance holds it to grammars and any schema."""
    return member.structured != "prompt" and "LocalLLM" in _classes(model)


def _classes(model: BaseChatModel) -> set[str]:
    # By name: importing every provider's package to ask isinstance would take seconds.
    return {cls.__name__ for cls in type(model).__mro__}


def call_arguments(member: Member, model: BaseChatModel, form: AnswerForm) -> dict[str, Any]:
    """Return the keyword arguments of ``model.astream`` that hold its answer to a form.

    Empty when the provider has none, or the form needs none.

    Raises:
        ConfigError: the member insists on schemas (``structured = "schema"``) and has none.
    """
    local = takes_grammars(member, model)
    if form.grammar and local:
        return {"grammar": form.grammar}
    if form.schema is None:
        return {}
    if not takes_schemas(member, model):
        if member.structured == "schema":
            raise ConfigError(
                f"The member {member.model} is set to structured = 'schema', and {type(model).__name__} takes none.",
                next_step="Set structured to 'auto' or 'prompt', or choose another model.",
            )
        return {}
    if local:
        return {"json_schema": form.schema}
    if "ChatOllama" in _classes(model):
        return {"format": plain_schema(form.schema, lengths=True)}
    strict = "BaseChatOpenAI" in _classes(model)
    schema = plain_schema(form.schema, lengths=not strict or _is_own_server(member, model))
    # ChatAnthropic takes OpenAI's form of the argument and turns it into its own.
    wrapped = {"name": form.name, "schema": schema, "strict": strict and is_strict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": wrapped}}


def plain_schema(schema: dict[str, Any], *, lengths: bool) -> dict[str, Any]:
    """Return a schema for servers, which accepts no less.

    Items by position (``prefixItems``) become items of one kind, that of the last position, whose
    bounds are taken to be the widest: strict modes refuse them, and llama.cpp reads them as a list
    of exactly that length. So whoever uses them looks at the answer again.

    Args:
        schema: JSON schema, its objects and lists plain: no references, no alternatives.
        lengths: whether lengths of texts may stay; OpenAI's strict mode refuses them.
    """
    plain: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties":
            plain[key] = {name: plain_schema(part, lengths=lengths) for name, part in value.items()}
        elif key == "prefixItems":
            plain |= {"items": plain_schema(value[-1], lengths=lengths), "maxItems": len(value)}
        elif key == "items":
            if isinstance(value, dict):
                plain[key] = plain_schema(value, lengths=lengths)
        elif lengths or key not in _NOT_STRICT:
            plain[key] = value
    return plain


def is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes a schema: every object closed, every property required."""
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(properties):
            return False
        return all(is_strict(part) for part in properties.values())
    return is_strict(schema.get("items"))


def refuses_form(error: BaseException) -> bool:
    """Whether a server refused the argument that holds the answer to a form, and not the call itself."""
    if isinstance(error, TypeError):
        return "unexpected keyword argument" in str(error) and any(word in str(error) for word in ("format", "config"))
    status = getattr(error, "status_code", None) or getattr(getattr(error, "response", None), "status_code", None)
    said = str(error).casefold()
    return status in _REFUSING_STATUS and any(word in said for word in _FORM_WORDS)


def answer_text(message: AIMessage) -> tuple[str, str]:
    """Return an answer's reasoning and its text.

    Models think aloud in blocks of their own, in a field beside the text, or between tags before it.
    """
    reasoning, text = split_thinking(str(message.text))
    parts = [*_reasoning_blocks(message), reasoning]
    return "\n\n".join(dict.fromkeys(part.strip() for part in parts if part.strip())), text


def _reasoning_blocks(message: AIMessage) -> list[str]:
    found = []
    for block in message.content_blocks:
        if block["type"] == "reasoning":
            found.append(str(block.get("reasoning") or ""))
        elif block["type"] == "non_standard":
            # Blocks of a provider that its message does not name.
            value = cast("dict[str, Any]", block).get("value", {})
            if value.get("type") in ("thinking", "reasoning"):
                found.append(_said(value.get("thinking") or value.get("reasoning") or value.get("text")))
    beside = message.additional_kwargs
    found.append(_said(beside.get("reasoning_content") or beside.get("reasoning")))
    return found


def _said(value: Any) -> str:
    """Return the text of a provider's own block: plain, or a list of parts with texts."""
    if isinstance(value, list):
        return "".join(_said(part.get("text") if isinstance(part, dict) else part) for part in value)
    return value if isinstance(value, str) else ""
