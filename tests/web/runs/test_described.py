"""The description is true: made-up requests of every kind get what it says, and never a fault of the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from matrioska.web.openapi import openapi
from tests.support import Author, chain
from tests.web.runs.test_api import BEARER, _rests, api_of

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve one run that waits and one that has ended."""
    with api_of(Author(chain(2)), tmp_path_factory.mktemp("described")) as client:
        for thread, approval in (("waits", "ask"), ("done", "auto")):
            client.post("/api/runs", json={"task": "Build it.", "thread": thread, "approval": approval})
            _rests(client, thread)
        yield client


_SCHEMA = schemathesis.openapi.from_dict(openapi(guarded=False, runs=True))
# Streams of events do not end.
_OPERATIONS = [
    operation
    for found in _SCHEMA.get_all_operations()
    if (operation := found.ok()).path.startswith("/api/") and not operation.path.endswith("/events")
]


# Its generator of JSON draws on `random`, which hypothesis warns of.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")
@pytest.mark.parametrize("operation", _OPERATIONS, ids=lambda operation: operation.label)
def test_made_up_requests_get_what_is_described(served: httpx.Client, operation: Any) -> None:
    @hypothesis.settings(
        max_examples=15,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(), thread=hypothesis.strategies.sampled_from(["waits", "done", ""]))
    def check(case: schemathesis.Case, thread: str) -> None:
        if thread and "thread" in case.path_parameters:
            case.path_parameters["thread"] = thread
        response = case.call(base_url=str(served.base_url), headers=BEARER, timeout=60)
        case.validate_response(response, checks=_CHECKS)

    check()


def test_what_is_refused_is_described_as_refused(served: httpx.Client) -> None:
    described = openapi(guarded=False, runs=True)
    schema = {"$ref": "#/components/schemas/StartRequest", "components": described["components"]}
    valid = jsonschema_rs.validator_for(schema).is_valid
    assert valid({"task": "x", "roles": {"worker": "openai:m", "critic": "openai:n"}})
    for wrong in ({"wizard": "openai:m"}, {"worker": "m" * 301}, {"worker": None}):
        assert not valid({"task": "x", "roles": wrong})
        assert served.post("/api/runs", json={"task": "x", "roles": wrong}).status_code == 422
    for path in ("/api/runs/{thread}/journal", "/api/runs/{thread}/events"):
        (after,) = (found for found in described["paths"][path]["get"]["parameters"] if found["name"] == "after")
        most = after["schema"]["maximum"]
        assert served.get(path.format(thread="done"), params={"after": most + 1}).status_code == 422
    assert served.get("/api/runs/done/journal", params={"after": most}).json()["messages"] == []
    assert served.post("/api/plan/check", json=["no plan"]).json()["complaints"]
