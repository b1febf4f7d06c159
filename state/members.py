"""Members: the models of a house by name, each with what it may be asked, where it is and what it costs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from matrioska.state.architecture import Modality

#: How a member is held to a form of answer. "auto" takes the best that its provider has.
Structured = Literal["auto", "schema", "prompt"]

_DAY = 86_400.0


class Member(BaseModel):
    """One model that can be asked, as ``[members.NAME]`` in ``matrioska.toml`` describes it.

    A bare name, ``provider:model``, stands for a member with the defaults. Keys are never part
    of it: they come from the environment.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Annotated[str, Field(min_length=1, max_length=400)]
    """``provider:model``, or ``provider:model@http://host:port/path`` for another address."""
    base_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    """Address of the server; None takes the provider's own."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Environment variable that holds the key; None takes the provider's usual one."""
    slots: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Calls under way at the same time; None for no bound of its own."""
    requests_per_minute: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Calls begun per minute; None for no bound."""
    deadline: Annotated[float, Field(gt=0, le=_DAY)] = 900.0
    """Seconds that one call may take in all, its repeated attempts included; the wait for a slot
    of its own is not. A day for ``huggingface:`` and ``gguf:``, whose calls queue for one device."""
    idle_timeout: Annotated[float, Field(gt=0, le=_DAY)] = 300.0
    """Seconds without a byte of answer before an attempt is given up; a day for ``huggingface:`` and ``gguf:``."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 4
    """Attempts of one call at the most, the first included."""
    fallback: str | None = None
    """Member asked instead while this one cannot answer."""
    context_window: Annotated[int, Field(ge=256)] | None = None
    """Tokens of prompt and answer together; None asks the model's profile."""
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens that an answer may have; None leaves it to the model."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """None leaves it to the model."""
    seed: int | None = None
    """None leaves sampling free."""
    structured: Structured = "auto"
    """``schema`` insists on the provider's structured output, ``prompt`` goes without it."""
    input_price: Annotated[float, Field(ge=0)] | None = None
    """US dollars per million input tokens; None asks the price list."""
    output_price: Annotated[float, Field(ge=0)] | None = None
    """US dollars per million output tokens; None asks the price list."""
    specialty: str = ""
    """What it is good at, in words."""
    modalities: list[Modality] = Field(default_factory=list)
    """Kinds of work it may be given; empty for every kind."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Further constructor arguments of the provider's LangChain class."""

    @model_validator(mode="before")
    @classmethod
    def _patience(cls, given: Any) -> Any:
        # In this process nothing can go silent unseen, and a machine without a GPU takes its time.
        if isinstance(given, dict) and str(given.get("model", "")).startswith(("huggingface:", "gguf:")):
            return {"deadline": _DAY, "idle_timeout": _DAY, **given}
        return given

    def __hash__(self) -> int:
        # Lists and tables have no hash. Members that differ in nothing else are equal only if these are.
        return hash((self.model, self.base_url, self.api_key_env, self.fallback, self.temperature, self.seed))
