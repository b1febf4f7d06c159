"""``/v1/models`` and ``/v1/chat/completions``."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from matrioska.web.chat.asked import read_chat
from matrioska.web.chat.chats import ChatEvents, Chats, completion
from matrioska.web.errors import error_response
from matrioska.web.stream import EventStream
from matrioska.web.underway import wait_for

#: Header that names the thread under which a question is kept.
THREAD_HEADER = "X-Matrioska-Thread"


def chat_routes(chats: Chats) -> list[BaseRoute]:
    """Return the routes of the door that speaks OpenAI's protocol.

    Args:
        chats: the chats under way, over what can be asked.
    """

    async def completions(request: Request) -> Response:
        try:
            asked = await read_chat(request)
            head = chats.head(asked)
            headers = {THREAD_HEADER: head.thread_id}
            if asked.stream:
                form = ChatEvents(head, usage=asked.usage)
                return EventStream(lambda tell: chats.ask(asked, head, tell), form, headers)
            told = await wait_for(chats.ask(asked, head, lambda event: None), request)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # noqa: BLE001 - the boundary: whatever happens is told in one form
            return error_response(error, request.url.path)
        return JSONResponse(completion(head, told).model_dump(mode="json"), headers=headers)

    async def models(request: Request) -> Response:
        return JSONResponse(chats.models().model_dump())

    async def model(request: Request) -> Response:
        try:
            return JSONResponse(chats.model(request.path_params["model"]).model_dump())
        except Exception as error:  # noqa: BLE001 - see above
            return error_response(error, request.url.path)

    return [
        Route("/v1/chat/completions", completions, methods=["POST"]),
        Route("/v1/models", models, methods=["GET"]),
        Route("/v1/models/{model}", model, methods=["GET"]),
    ]
