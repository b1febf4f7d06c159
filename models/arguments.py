"""What a member's LangChain class is made with. What the class cannot do is refused, never dropped."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from matrioska.models.providers import CONNECT_TIMEOUT, stands_on
from matrioska.state.errors import ConfigError
from matrioska.state.members import Member
from matrioska.state.wording import did_you_mean

_SECRETS = re.compile(r"(?i)api_key|token$|secret|password")
# What a member has fields of its own for: as options they would go round the rules for keys.
_OWN_FIELDS = re.compile(r"(?i)^model(_name|_id)?$|base_url$|api_base$|api_url$|azure_endpoint$")


@dataclass(frozen=True)
class Called:
    """What a member's name and the environment come to."""

    model: str
    """As its provider calls it."""
    revision: str
    url: str
    """'' when the class knows it."""
    key: str
    """'' when the class looks for credentials itself."""


def arguments_of(
    cls: type[BaseChatModel], member: Member, called: Called, transport: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the arguments for a member's class.

    Classes differ in what they call the same thing; each is given under the first name that
    the class has.

    Args:
        transport: arguments that carry its HTTP clients; no option may take their place.

    Raises:
        ConfigError: the class has no argument for something that the member sets.
    """
    known = _argument_names(cls)
    asked: list[tuple[str, Any, tuple[str, ...]]] = [
        ("model", called.model, ("model", "model_name", "model_id")),
        ("revision", called.revision or None, ("revision",)),
        ("base_url", called.url or None, ("azure_endpoint", "base_url")),
        ("api_key", SecretStr(called.key) if called.key else None, ("api_key", "client_kwargs")),
        ("temperature", member.temperature, ("temperature",)),
        ("max_tokens", member.max_tokens, ("num_predict", "max_tokens", "max_output_tokens")),
        ("seed", member.seed, ("seed", "random_seed")),
    ]
    made: dict[str, Any] = {}
    for field, value, spellings in asked:
        spelling = next((found for found in spellings if found in known), "")
        if value is not None and spelling:
            made[spelling] = value
        elif value is not None and (field != "api_key" or member.api_key_env):
            raise ConfigError(
                f"{member.model} takes no {field}: {cls.__name__} has nothing of that kind.",
                next_step=f"Leave {field} out, or choose another model.",
            )
    if "client_kwargs" in made:
        made["client_kwargs"] = {"headers": {"Authorization": f"Bearer {called.key}"}}
    made |= {field: value for field, value in _offered(cls, member).items() if field in known and value is not None}
    return made | dict(transport) | _checked_options(member, cls, known, transport)


def _offered(cls: type[BaseChatModel], member: Member) -> dict[str, Any]:
    """Return what a class is given if it has a place for it."""
    timeout: Any = member.deadline
    if stands_on(cls, "langchain_openai"):
        timeout = importlib.import_module("openai").Timeout(member.deadline, connect=CONNECT_TIMEOUT)
    return {
        "max_retries": 0,
        "timeout": timeout,
        "stream_usage": True,
        # It counts from chunk to chunk, in which a model may think for longer than that.
        "stream_chunk_timeout": 0,
        # Of OpenAI's interfaces, other servers have the older one.
        "use_responses_api": False if cls.__name__ == "BaseChatOpenAI" else None,
        "num_ctx": member.context_window,
        "context_window": member.context_window,
    }


def _argument_names(cls: type[BaseChatModel]) -> set[str]:
    """Return the names by which a class takes its arguments."""
    by_name = cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name")
    names = {name for name, field in cls.model_fields.items() if by_name or not field.alias}
    return names | {str(field.alias) for field in cls.model_fields.values() if field.alias}


def _checked_options(
    member: Member, cls: type[BaseChatModel], known: set[str], transport: Mapping[str, Any]
) -> dict[str, Any]:
    for option in member.options:
        if _SECRETS.search(option):
            raise ConfigError(
                f"The option {option!r} of {member.model} looks like a key, which has no place in settings.",
                next_step="Put it into the environment and name the variable with api_key_env.",
            )
        if _OWN_FIELDS.search(option):
            raise ConfigError(
                f"The option {option!r} of {member.model} is a field of the member itself.",
                next_step="Write it beside model, as model or base_url.",
            )
        if option not in known or option in transport:
            raise ConfigError(
                f"The option {option!r} of {member.model} is none of {cls.__name__} that can be set"
                f"{did_you_mean(option, known - {option}, 0.7)}.",
                next_step="Leave it out, or look its name up in the documentation of that class.",
            )
    return member.options
