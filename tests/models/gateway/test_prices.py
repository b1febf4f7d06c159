"""What calls cost, and when nobody knows."""

from __future__ import annotations

import pytest
from langchain_core.messages.ai import UsageMetadata

from matrioska.models.gateway import Client
from matrioska.models.gateway.prices import cost_of
from matrioska.models.testing import ScriptedChatModel
from matrioska.state.members import Member

MILLION = UsageMetadata(input_tokens=1_000_000, output_tokens=1_000_000, total_tokens=2_000_000)


@pytest.mark.parametrize(
    ("member", "cost"),
    [
        (Member(model="vllm:m", input_price=2.0, output_price=3.0), 5.0),
        (Member(model="openai:nonesuch", input_price=2.0, output_price=3.0), 5.0),
        (Member(model="vllm:m", input_price=2.0), 2.0),
        (Member(model="embedded"), 0.0),
        (Member(model="object:It"), 0.0),
        (Member(model="huggingface:a/b"), 0.0),
        (Member(model="ollama:m"), 0.0),
        (Member(model="lmstudio:m"), 0.0),
        (Member(model="llamacpp:m"), 0.0),
        (Member(model="openai:gpt-4o", base_url="http://127.0.0.1:1/v1"), 0.0),
        (Member(model="openai:gpt-4o@http://localhost:1/v1"), 0.0),
        (Member(model="openai:gpt-4o@https://models.example/v1"), None),
        (Member(model="openai:nonesuch"), None),
        (Member(model="openai:nonesuch", output_price=3.0), None),
        (Member(model="nonesuch:m"), None),
    ],
    ids=lambda value: value.model if isinstance(value, Member) else str(value),
)
def test_a_members_own_prices_come_first_and_ones_own_machines_are_free(member: Member, cost: float | None) -> None:
    assert cost_of(member, MILLION) == cost
    client = Client(member, ScriptedChatModel(script=lambda *_: ""))
    assert client.price_known is (cost is not None)


@pytest.mark.parametrize("name", ["openai:gpt-4o", "anthropic:claude-sonnet-4-5", "mistralai:mistral-large-latest"])
def test_the_price_list_knows_the_usual_models(name: str) -> None:
    cost = cost_of(Member(model=name), MILLION)
    assert cost is not None
    assert 1 < cost < 100
    cached = UsageMetadata(**{**MILLION, "input_token_details": {"cache_read": 900_000}})
    cheaper = cost_of(Member(model=name), cached)
    assert cheaper is not None
    assert cheaper <= cost
