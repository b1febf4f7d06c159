"""From a name, ``provider:model``, to a LangChain chat model. Integrations load on demand."""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from langchain_core.language_models import BaseChatModel

from matrioska.state.errors import ModelError, UnknownModelError

EMBEDDED = "embedded"


@dataclass(frozen=True)
class Provider:
    """How a provider's models are made."""

    module: str
    """Module that holds the class; imported when first asked for."""
    cls: str
    extra: str
    """Extra of this package that installs it."""
    key: str = ""
    """Environment variable that holds the key; '' when none is needed."""
    options: dict[str, Any] = field(default_factory=dict)
    """Constructor arguments besides the model's name."""
    model_field: str = "model"


_PROVIDERS: dict[str, Provider] = {
    # The retry loop is the gateway's: a second one inside the client would multiply attempts.
    "openai": Provider("langchain_openai", "ChatOpenAI", "openai", "OPENAI_API_KEY", {"max_retries": 0}),
    "anthropic": Provider("langchain_anthropic", "ChatAnthropic", "anthropic", "ANTHROPIC_API_KEY", {"max_retries": 0}),
    "ollama": Provider("langchain_ollama", "ChatOllama", "ollama"),
    "lmstudio": Provider(
        "langchain_openai",
        "ChatOpenAI",
        "openai",
        options={"base_url": "http://127.0.0.1:1234/v1", "api_key": "not-needed", "max_retries": 0},
    ),
    "llamacpp": Provider(
        "langchain_openai",
        "ChatOpenAI",
        "openai",
        options={"base_url": "http://127.0.0.1:8080/v1", "api_key": "not-needed", "max_retries": 0},
    ),
    "vllm": Provider(
        "langchain_openai",
        "ChatOpenAI",
        "openai",
        options={"base_url": "http://127.0.0.1:8000/v1", "api_key": "not-needed", "max_retries": 0},
    ),
    "huggingface": Provider("matrioska.models.local", "LocalLLM", "local", model_field="model_name"),
}


def providers() -> dict[str, Provider]:
    """Return the known providers by name."""
    return dict(_PROVIDERS)


def split_name(name: str) -> tuple[str, str]:
    """Split ``provider:model``; a bare ``embedded`` is its own provider.

    Raises:
        UnknownModelError: there is no such provider, or the model's name is missing.
    """
    provider, _, model = name.partition(":")
    if name == EMBEDDED:
        return EMBEDDED, ""
    if provider == "object":
        raise UnknownModelError(
            f"This run was begun from Python with a {model} object, which cannot be loaded by name.",
            model=name,
            next_step="Give a model with --model, or resume from the program that began it.",
        )
    if provider not in _PROVIDERS:
        known = ", ".join([EMBEDDED, *(f"{p}:…" for p in _PROVIDERS)])
        raise UnknownModelError(f"There is no model {name!r}.", model=name, next_step=f"Known names: {known}.")
    if not model:
        raise UnknownModelError(f"The name {name!r} has no model.", model=name, next_step=f"Write {provider}:<model>.")
    return provider, model


def check_model(name: str) -> None:
    """Check, without loading anything, that a model could be made.

    Raises:
        UnknownModelError: unknown name.
        ModelError: its package or its key is missing.
    """
    provider_name, _ = split_name(name)
    if provider_name == EMBEDDED:
        return
    provider = _PROVIDERS[provider_name]
    if importlib.util.find_spec(provider.module) is None:
        raise _not_installed(name, provider)
    if provider.key and not os.environ.get(provider.key):
        raise ModelError(
            f"The key for {name} is missing.", model=name, next_step=f"Set {provider.key} in the environment."
        )


def _not_installed(name: str, provider: Provider) -> ModelError:
    return ModelError(
        f"{name} needs a package that is not installed.",
        model=name,
        next_step=f"Install it with: pip install 'matrioska[{provider.extra}]'.",
    )


@lru_cache(maxsize=32)
def get_model(name: str) -> BaseChatModel:
    """Return the chat model of that name, one object per name and process.

    Raises:
        UnknownModelError: unknown name.
        ModelError: its package or key is missing, or it cannot be made.
    """
    check_model(name)
    provider_name, model = split_name(name)
    if provider_name == EMBEDDED:
        from matrioska.models.embedded.chat import EmbeddedChatModel

        return EmbeddedChatModel()
    provider = _PROVIDERS[provider_name]
    try:
        cls = getattr(importlib.import_module(provider.module), provider.cls)
    except ImportError as error:
        raise _not_installed(name, provider) from error
    try:
        made: BaseChatModel = cls(**{provider.model_field: model}, **provider.options)
    except ValueError as error:
        raise ModelError(
            f"{name} cannot be set up: {error}", model=name, next_step="Check its name and settings."
        ) from error
    return made
