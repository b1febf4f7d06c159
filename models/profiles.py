"""What our own models say of themselves to LangChain."""

from __future__ import annotations

from langchain_core.language_models import ModelProfile


def text_profile(window: int, answer: int) -> ModelProfile:
    """Return the profile of a model that reads and writes text alone, and can be held to a schema.

    Args:
        window: tokens that it reads.
        answer: tokens that it writes at the most.
    """
    return ModelProfile(
        max_input_tokens=window,
        max_output_tokens=answer,
        text_inputs=True,
        image_inputs=False,
        audio_inputs=False,
        video_inputs=False,
        text_outputs=True,
        tool_calling=False,
        structured_output=True,
    )
