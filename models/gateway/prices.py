"""What a call costs, by the member's own prices or by the price list that comes with genai-prices."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price
from langchain_core.messages.ai import UsageMetadata

from matrioska.models.providers import is_loopback
from matrioska.models.registry import member_address
from matrioska.state.errors import ConfigError, MatrioskaError
from matrioska.state.members import Member

#: Whose models run on a person's own machines.
_FREE = ("embedded", "object", "huggingface", "gguf", "ollama", "lmstudio", "llamacpp", "vllm")
#: How the price list calls providers that have another name here.
_LISTED = {
    "google_genai": "google",
    "mistralai": "mistral",
    "xai": "x-ai",
    "azure_openai": "azure",
    "bedrock": "aws",
}
#: langchain-anthropic gives the second and third instead of the first where it knows them.
_WRITTEN_TO_CACHE = ("cache_creation", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")


def cost_of(member: Member, usage: UsageMetadata) -> float | None:
    """Return what a call cost, in US dollars; None when nobody knows its price."""
    if member.input_price is not None and member.output_price is not None:
        return (usage["input_tokens"] * member.input_price + usage["output_tokens"] * member.output_price) / 1e6
    if _is_free(member):
        listed: tuple[Decimal, Decimal] | None = (Decimal(0), Decimal(0))
    else:
        listed = _listed(member, usage)
    if listed is None:
        return None
    input_cost, output_cost = float(listed[0]), float(listed[1])
    if member.input_price is not None:
        input_cost = usage["input_tokens"] * member.input_price / 1e6
    if member.output_price is not None:
        output_cost = usage["output_tokens"] * member.output_price / 1e6
    return input_cost + output_cost


def price_known(member: Member) -> bool:
    """Whether a call's cost can be told."""
    return cost_of(member, UsageMetadata(input_tokens=1, output_tokens=1, total_tokens=2)) is not None


def check_price(member: Member) -> None:
    """Check that a call's cost can be told.

    Raises:
        ConfigError: it cannot, so that it would count as nothing.
    """
    if not price_known(member):
        raise ConfigError(
            f"The price of {member.model} is not known, so a budget in dollars would not hold.",
            next_step="Give its input_price and output_price in [members.NAME] of matrioska.toml, or use "
            "--budget-tokens.",
        )


def _is_free(member: Member) -> bool:
    if member.model.partition(":")[0] in _FREE:
        return True
    try:
        return is_loopback(member_address(member))
    except MatrioskaError:
        # A name that no provider answers to has no price; making its model says what is wrong with it.
        return False


def _listed(member: Member, usage: UsageMetadata) -> tuple[Decimal, Decimal] | None:
    provider, _, name = member.model.partition(":")
    details: Mapping[str, Any] = dict(usage.get("input_token_details", {}))
    written = [details.get(kind) or 0 for kind in _WRITTEN_TO_CACHE]
    counted = PricedUsage(
        input_tokens=usage["input_tokens"],
        output_tokens=usage["output_tokens"],
        cache_read_tokens=details.get("cache_read"),
        cache_write_tokens=sum(written),
    )
    try:
        # Elsewhere the same name may cost something else.
        if member.base_url or "@http" in name:
            price = calc_price(counted, name.partition("@")[0], provider_api_url=member_address(member))
        else:
            price = calc_price(counted, name, provider_id=_LISTED.get(provider, provider))
    except (LookupError, ValueError):
        return None
    return price.input_price, price.output_price
