"""Keys stay out of messages: some clients repeat them in what they raise."""

from __future__ import annotations

import os
import re

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

from matrioska.models.registry import providers
from matrioska.state.members import Member

_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+@")
_IN_QUERY = re.compile(r"(?i)(?<=[?&])((?:api[-_]?)?key|token|access_token|signature)=[^&\s'\"]+")
_IN_HEADER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
# As OpenAI, Anthropic, Groq, Hugging Face, Google and others begin theirs; the middle may be starred already.
_BY_LOOK = re.compile(r"\b(?:sk|gsk|pk|hf|xai|r8)[-_][\w*.-]{8,}|\bAIza[\w-]{20,}")


def without_secrets(text: str, member: Member, model: BaseChatModel | None) -> str:
    """Return a text without keys, and without the credentials that addresses may hold."""
    for secret in sorted(_known(member, model), key=len, reverse=True):
        text = text.replace(secret, "[key]")
    text = _IN_ADDRESS.sub("[key]@", text)
    text = _IN_QUERY.sub(r"\1=[key]", text)
    text = _IN_HEADER.sub(r"\1 [key]", text)
    return _BY_LOOK.sub("[key]", text)


def _known(member: Member, model: BaseChatModel | None) -> set[str]:
    names = [name for provider in providers().values() for name in provider.keys]
    found = {os.environ.get(name, "") for name in (*names, member.api_key_env or "")}
    if model is not None:
        found |= {value.get_secret_value() for value in vars(model).values() if isinstance(value, SecretStr)}
    # A placeholder is a word that messages may hold anyway.
    return {text for text in found if len(text) > 3 and text != "not-needed"}
