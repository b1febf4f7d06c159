"""Queries of the ensemble: read from requests, and answered by the votes of its nodes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic import ValidationError
from starlette.requests import Request

from matrioska.models.telemetry import traced
from matrioska.nodes.recording import PERSON, Recording
from matrioska.state.ensemble import MAX_QUERY, EnsembleAnswer
from matrioska.store.journal import Asked, open_journal
from matrioska.web.body import read_json
from matrioska.web.errors import RequestError, form_error
from matrioska.web.schemas import QueryRequest
from matrioska.web.shown import shown_answer
from matrioska.web.underway import Underway
from matrioska.workers.ensemble.run import Ensemble, OnEvent, check_query

#: Bytes of a request: the longest query, should every character of it be escaped.
MAX_BODY = 12 * MAX_QUERY + 1_000
#: Queries under way at the same time. Their calls wait for the slots of their models anyway.
MOST_QUERIES = 64
Asking = asyncio.Task[EnsembleAnswer]


async def read_query(request: Request) -> QueryRequest:
    """Return a request's query.

    Raises:
        RequestError: it is of another type, too large, too slow, not JSON, or not of the form.
        TaskError: it asks nothing.
    """
    raw = await read_json(
        request, most=MAX_BODY, advice=f"Ask in at most {MAX_QUERY:,} characters.", example='{"query": "…"}'
    )
    try:
        asked = QueryRequest.model_validate(raw)
    except ValidationError as error:
        raise _refused(error) from error
    return asked.model_copy(update={"query": check_query(asked.query)})


def _refused(error: ValidationError) -> RequestError:
    """Return the error for a body of another form, with the first thing that is wrong."""
    first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "string_too_long":
        return RequestError(
            413, "too_large", f"The query has more than {MAX_QUERY:,} characters.", next_step="Ask shorter."
        )
    return form_error(error, 'Send {"query": "…"}, and "stream": true for events.')


class Queries(Underway[EnsembleAnswer]):
    """The queries under way.

    Args:
        ensemble: what answers them.
        base_path: below it what is said is kept in the journal, each query as a conversation; None keeps nothing.
    """

    def __init__(self, ensemble: Ensemble, base_path: Path | None = None) -> None:
        super().__init__(MOST_QUERIES, "queries")
        self.ensemble = ensemble
        self._base = base_path

    def ask(self, query: str, on_event: OnEvent | None = None) -> Asking:
        """Begin to answer a query; the answer is as strangers may see it.

        Raises:
            RequestError: too many are under way, or the service ends.
        """

        async def work() -> EnsembleAnswer:
            conversation = f"query-{secrets.token_hex(8)}"
            with traced("query", conversation):
                async with self._recorded(conversation, query):
                    return shown_answer(await self.ensemble.ask(query, on_event=on_event))

        return self.begin(work)

    @asynccontextmanager
    async def _recorded(self, conversation: str, query: str) -> AsyncIterator[None]:
        """Write down what is said to answer a query."""
        if self._base is None:
            yield
            return
        journal = await asyncio.to_thread(open_journal, self._base)
        root = Asked(query, PERSON, "ensemble")
        scope = journal.scope(conversation, "query", graph="ensemble", turn="query", root=root, source="ensemble")
        async with Recording(scope, reports=False):
            try:
                yield
            except BaseException as error:
                # Said before it ends, since whatever is said begins a conversation anew.
                scope.failed(error)
                scope.settle("failed")
                raise
            scope.settle()
