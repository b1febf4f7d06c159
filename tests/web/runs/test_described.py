"""The description is true: made-up requests of every kind get what it says, and never a fault of the service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import hypothesis
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
