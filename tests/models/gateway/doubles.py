"""Doubles that the gateway's tests share."""

from __future__ import annotations

from typing import Any

import httpx
from langchain_core.messages import HumanMessage

from matrioska.models.meter import CallRecord
from matrioska.models.testing import ScriptedChatModel

ASKED = [HumanMessage("Stage: produce\nModule: a\n\nDo it.")]


class HttpError(Exception):
    """As the clients of providers have them."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.response = httpx.Response(status, headers=headers)
        super().__init__(f"HTTP {status}")


def scripted(*answers: Any, **options: Any) -> ScriptedChatModel:
    left = list(answers)
    return ScriptedChatModel(script=lambda *_: left.pop(0) if len(left) > 1 else left[0], **options)


class Counts:
    """A meter that remembers."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.events: list[CallRecord | str] = []
        self.refusal = refusal

    def admit(self) -> None:
        self.events.append("admit")
        if self.refusal:
            raise self.refusal

    def record(self, call: CallRecord) -> None:
        self.events.append(call)
