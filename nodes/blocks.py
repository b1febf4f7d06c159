"""Pictures and sounds in messages, as LangChain's standard content blocks, which each provider's class converts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage, HumanMessage

from matrioska.models.gateway import Client
from matrioska.models.local import LocalLLM
from matrioska.models.providers import EMBEDDED
from matrioska.nodes.context.pieces import Block
from matrioska.state.architecture import MODALITIES
from matrioska.state.fences import fence
from matrioska.store.artifacts import ArtifactStore

#: What a model's profile calls the kinds of content besides text, and the kind of work that is done on them.
_INPUTS = {"image_inputs": "vision", "audio_inputs": "audio"}


def with_blocks(messages: Sequence[BaseMessage], blocks: Sequence[Block], store: ArtifactStore) -> list[BaseMessage]:
    """Return a rendered prompt with pictures and sounds before the text of its last message.

    Their names, in order, stand in a data fence at its end: file names are anybody's words.

    Raises:
        StoreError: the bytes of a block are missing from the artifact store, or were changed.
    """
    if not blocks:
        return list(messages)
    names = "\n".join(f"{number}. {block.kind}: {block.name}" for number, block in enumerate(blocks, 1))
    text = f"{messages[-1].text}\n\n{fence(names, 'shown')}"
    content: list[str | dict[str, Any]] = [_block(block, store) for block in blocks]
    return [*messages[:-1], HumanMessage([*content, {"type": "text", "text": text}])]


def _block(block: Block, store: ArtifactStore) -> dict[str, Any]:
    content = base64.b64encode(store.read(block.sha256, block.name)).decode("ascii")
    return {"type": block.kind, "base64": content, "mime_type": block.media_type}


def modalities_of(client: Client) -> frozenset[str]:
    """Return the kinds of content that a member takes besides text; empty when nobody says.

    Its settings say so, else its model's profile. The models that come with Matrioska read text alone.
    """
    if client.member.modalities:
        return frozenset(client.member.modalities)
    if client.member.model == EMBEDDED or isinstance(client.model, LocalLLM):
        return frozenset(MODALITIES) - frozenset(_INPUTS.values())
    profile = client.model.profile or {}
    if not any(name in profile for name in _INPUTS):
        return frozenset()
    denied = {kind for name, kind in _INPUTS.items() if not profile.get(name)}
    return frozenset(MODALITIES) - denied
