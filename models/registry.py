"""From a member, or a name ``provider:model``, to a LangChain chat model. Integrations load on demand."""

from __future__ import annotations

import importlib
import inspect
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from matrioska.models.arguments import Called, arguments_of
from matrioska.models.providers import (
    EMBEDDED,
    Provider,
    is_loopback,
    own_address,
    provider_of,
    providers,
    shown_address,
)
from matrioska.state.errors import ConfigError, ModelAuthError, ModelError, UnknownModelError
from matrioska.state.members import Member
from matrioska.state.wording import did_you_mean

__all__ = [
    "EMBEDDED",
    "ModelName",
    "check_member",
    "make_model",
    "member_address",
    "member_key",
    "parse_name",
    "providers",
]

#: What servers without keys are sent: the clients insist on a string.
_NO_KEY = "not-needed"
_ADDRESS = re.compile(r"^(?P<model>.*?)@(?P<url>https?://\S+)$")


@dataclass(frozen=True)
class ModelName:
    """A model's name, taken apart."""

    provider: str
    model: str
    """The model as its provider calls it; '' for the embedded one."""
    url: str = ""
    """Address of its server, when the name has one."""
    revision: str = ""
    """Commit, tag or branch of a repository, when the name has one."""


def parse_name(name: str) -> ModelName:
    """Take apart ``provider:model``, ``provider:model@http://…``, ``huggingface:repository@revision``.

    Raises:
        UnknownModelError: there is no such provider, or the model's name is missing.
    """
    provider, colon, model = name.partition(":")
    if name == EMBEDDED:
        return ModelName(EMBEDDED, "")
    if provider == "object":
        raise UnknownModelError(
            f"This run was begun from Python with a {model} object, which cannot be loaded by name.",
            model=name,
            next_step="Give a model with --model, or resume from the program that began it.",
        )
    if not colon or provider_of(provider) is None:
        raise _unknown(name)
    found = _ADDRESS.match(model)
    url = found["url"] if found else ""
    model = found["model"] if found else model
    revision = ""
    # A folder may have the sign in its own name.
    if provider == "huggingface" and "@" in model and not Path(model).expanduser().exists():
        model, _, revision = model.rpartition("@")
    if not model:
        raise UnknownModelError(f"The name {name!r} has no model.", model=name, next_step=f"Write {provider}:<model>.")
    return ModelName(provider, model, url, revision)


def _unknown(name: str) -> UnknownModelError:
    known = ", ".join([EMBEDDED, *(f"{provider}:…" for provider in providers())])
    meant = did_you_mean(name.partition(":")[0], [EMBEDDED, *providers()])
    return UnknownModelError(
        f"There is no model {name!r}{meant}.",
        model=name,
        next_step=f"Known names: {known}; or a member of your settings.",
    )


def member_address(member: Member) -> str:
    """Return the address that a member's calls go to; '' when only its class knows.

    Raises:
        UnknownModelError: no provider answers to its name.
        ConfigError: it is no address, there are two, or it holds a password.
    """
    name = parse_name(member.model)
    if name.url and member.base_url and name.url != member.base_url:
        raise ConfigError(
            f"{member.model} has two addresses, the other is {member.base_url}.",
            next_step="Leave one of them out.",
        )
    url = name.url or member.base_url or ("" if name.provider == EMBEDDED else own_address(name.provider))
    try:
        parts = urlsplit(url)
        faulty = bool(url) and not (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
    except ValueError:
        faulty = True
    if faulty:
        raise ConfigError(
            f"{shown_address(url)!r}, for {name.provider}:{name.model}, is no address.",
            next_step="Write one such as http://127.0.0.1:8000/v1.",
        )
    if parts.username or parts.password:
        raise ConfigError(
            f"The address {shown_address(url)} has a password in it.",
            next_step="Put it into the environment and name the variable with api_key_env.",
        )
    return url


def check_member(member: Member) -> None:
    """Check, without making it, that a member's model could be made.

    Raises:
        UnknownModelError: no provider answers to its name.
        ModelAuthError: its key is missing.
        ModelError: its package is missing.
        ConfigError: an option is one that its class does not have, or it has two addresses.
    """
    name = parse_name(member.model)
    if name.provider == EMBEDDED:
        return
    provider = _provider(name)
    if provider.missing:
        raise _not_installed(member, provider)
    member_address(member)
    member_key(member)
    if member.options:
        # Only the class knows its options, and importing it takes a moment.
        _arguments(_class(member, provider), member)


def make_model(member: Member) -> BaseChatModel:
    """Return a member's chat model, one object per member, key and address in this process.

    Clients are made without attempts of their own and without time limits below the member's:
    both are the gateway's matter, and a second loop inside the client would multiply attempts.

    Raises:
        UnknownModelError: no provider answers to its name.
        ModelAuthError: its key is missing.
        ModelError: its package is missing, or it cannot be set up.
        ConfigError: something is asked of it that its class cannot do.
    """
    name = parse_name(member.model)
    if name.provider == EMBEDDED:
        return _embedded()
    provider = _provider(name)
    if provider.missing:
        raise _not_installed(member, provider)
    return _made(member, member_key(member), member_address(member))


@lru_cache(maxsize=1)
def _embedded() -> BaseChatModel:
    from matrioska.models.embedded.chat import EmbeddedChatModel

    return EmbeddedChatModel()


def _provider(name: ModelName) -> Provider:
    provider = provider_of(name.provider)
    if provider is None:
        raise _unknown(f"{name.provider}:{name.model}")
    return provider


def _not_installed(member: Member, provider: Provider) -> ModelError:
    missing = ", ".join(provider.missing) or provider.module
    return ModelError(
        f"{member.model} needs a package that is not installed: {missing}.",
        model=member.model,
        next_step=f"Install it with: {provider.install}.",
    )


def member_key(member: Member) -> str:
    """Return the key for a member's server; '' when its class looks for credentials itself.

    A provider's usual key goes to the provider's own server only. A server that a name or the
    settings point to gets the key that ``api_key_env`` names, and else none.

    Raises:
        UnknownModelError: no provider answers to its name.
        ModelAuthError: its key is missing.
    """
    provider = _provider(parse_name(member.model))
    if member.api_key_env:
        if found := os.environ.get(member.api_key_env):
            return found
        raise _no_key(member, f"Set {member.api_key_env} in the environment or in .env.")
    elsewhere = bool(parse_name(member.model).url or member.base_url)
    usual = next((os.environ[name] for name in provider.keys if os.environ.get(name)), "")
    if usual and (provider.local or not elsewhere):
        return usual
    if not provider.keys and (provider.local or not elsewhere):
        return ""
    if provider.local or is_loopback(member_address(member)):
        return _NO_KEY
    if elsewhere:
        raise _no_key(
            member, "Name the variable that holds its key with api_key_env, or write vllm:… for a server without keys."
        )
    raise _no_key(member, f"Set {provider.key} in the environment or in .env.")


def _no_key(member: Member, next_step: str) -> ModelAuthError:
    return ModelAuthError(f"The key for {member.model} is missing.", model=member.model, next_step=next_step)


@lru_cache(maxsize=256)
def _made(member: Member, key: str, url: str) -> BaseChatModel:
    """Make a member's chat model. The address counts for the cache: the environment may change it."""
    # The gateway imports this module first.
    from matrioska.models.gateway.transport import cap_clients

    cls = _class(member, _provider(parse_name(member.model)))
    try:
        made = cls(**_arguments(cls, member))
        cap_clients(made, local=is_loopback(url))
        return made
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "value"
        raise ConfigError(
            f"{member.model} cannot be set up: {place}: {first['msg']}.", next_step="Correct it in the settings."
        ) from error
    except ValueError as error:
        raise ModelError(
            f"{member.model} cannot be set up: {error}", model=member.model, next_step="Check its name and settings."
        ) from error


def _class(member: Member, provider: Provider) -> type[BaseChatModel]:
    """Return the LangChain class of a member.

    Raises:
        ModelError: its package is missing, or has no class that is clearly the one.
    """
    module_name, class_name = provider.module, provider.cls
    if class_name == "ChatOpenAI" and not _is_openai(member_address(member)):
        compatible = providers()["vllm"]
        module_name, class_name = compatible.module, compatible.cls
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise _not_installed(member, provider) from error
    if class_name:
        found: type[BaseChatModel] = getattr(module, class_name)
        return found
    chats = {
        name: cls
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if name.startswith("Chat") and issubclass(cls, BaseChatModel)
    }
    wanted = f"chat{parse_name(member.model).provider.replace('_', '').replace('-', '')}"
    likely = [cls for name, cls in chats.items() if len(chats) == 1 or name.casefold() == wanted]
    if len(likely) == 1:
        return likely[0]
    raise ModelError(
        f"The package {provider.package} has {'no chat model' if not chats else 'several: ' + ', '.join(chats)}.",
        model=member.model,
        next_step="Give an object of the class you mean, from Python.",
    )


def _is_openai(url: str) -> bool:
    return not url or url.partition("://")[2].partition("/")[0].endswith("api.openai.com")


def _arguments(cls: type[BaseChatModel], member: Member) -> dict[str, Any]:
    """Return what a member's class is made with; see `arguments_of` for the errors."""
    from matrioska.models.gateway.transport import constructor_arguments

    name = parse_name(member.model)
    address = member_address(member)
    called = Called(name.model, name.revision, address, member_key(member))
    return arguments_of(cls, member, called, constructor_arguments(cls, local=is_loopback(address)))
