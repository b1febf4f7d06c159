"""OpenAI's chat protocol on the wire, as far as it is spoken here.

Requests are read leniently: clients send many fields, and new ones every month. What asks for
another form of answer than text is refused, what only tunes a model's output is passed over.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

#: Messages of one request.
MAX_MESSAGES = 2_000


class StreamOptions(BaseModel):
    """How a stream is told."""

    include_usage: bool | None = Field(default=None, description="Tell the tokens in a chunk of its own at the end.")


class ChatMessage(BaseModel):
    """One message of the conversation so far."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"] = Field(
        description="Who says it. The last message of the user is the question; those of tools are passed over."
    )
    content: str | list[dict[str, Any]] | None = Field(
        default=None, description="A text, or parts of the type text. Pictures, sound and files are refused."
    )


class ChatRequest(BaseModel):
    """Body of ``POST /v1/chat/completions``. Further fields are taken and change nothing."""

    model_config = ConfigDict(strict=True)

    model: str = Field(min_length=1, max_length=200, description="An id of /v1/models.")
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = Field(default=None, description="Answer by server-sent events.")
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = Field(default=None, description="One answer is all there is.")


class ShownModel(BaseModel):
    """One model that can be asked."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(description="When the service began, in seconds since 1970.")
    owned_by: Literal["matrioska"] = "matrioska"
    description: str = Field(description="What it does with a question.")


class ShownModels(BaseModel):
    """Body of ``GET /v1/models``: what can answer, and nothing else."""

    object: Literal["list"] = "list"
    data: list[ShownModel]


class ChatUsage(BaseModel):
    """Tokens of all calls to all models that led to the answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatReply(BaseModel):
    """The answer as a message."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """The one answer."""

    index: Literal[0] = 0
    message: ChatReply
    logprobs: None = None
    finish_reason: Literal["stop"] = "stop"


class ChatDetails(BaseModel):
    """What the protocol has no field for."""

    thread_id: str = Field(description="Under which the question is kept: `matrioska journal THREAD` shows it.")
    missing: list[str] = Field(default_factory=list, description="Whose word is missing in the answer.")


class ChatCompletion(BaseModel):
    """Body of the answer, when it is not streamed."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int = Field(description="When the question was taken, in seconds since 1970.")
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage
    matrioska: ChatDetails


class ChatDelta(BaseModel):
    """What a chunk adds."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = Field(default=None, description="Who is at work on what, as it happens.")


class ChunkChoice(BaseModel):
    """What a chunk says of the one answer."""

    index: Literal[0] = 0
    delta: ChatDelta
    logprobs: None = None
    finish_reason: Literal["stop"] | None = None


class ChatChunk(BaseModel):
    """One event of a streamed answer."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice] = Field(description="Empty in the chunk that tells the tokens.")
    usage: ChatUsage | None = None
    matrioska: ChatDetails | None = Field(default=None, description="In the last chunk with a choice.")


class ChatErrorDetail(BaseModel):
    """What went wrong."""

    message: str = Field(description="What happened, and what to do about it.")
    type: str = Field(description="invalid_request_error, rate_limit_error or server_error.")
    param: str | None = Field(description="The field at fault; null for none.")
    code: str = Field(description="Stable identifier.")


class ChatErrorBody(BaseModel):
    """Body of every answer below ``/v1`` that is no success."""

    error: ChatErrorDetail
