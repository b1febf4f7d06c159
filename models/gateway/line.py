"""A line to one member: its chat model and what bounds all calls to it, shared by this whole process."""

from __future__ import annotations

import threading

from langchain_core.language_models import BaseChatModel

from matrioska.models.gateway.breaker import Breaker
from matrioska.models.gateway.limits import Limits
from matrioska.models.gateway.scrub import without_secrets
from matrioska.models.gateway.tokens import Counter, counter_of
from matrioska.models.local import LocalLLM
from matrioska.models.registry import make_model
from matrioska.state.members import Member

_lines: dict[Member, Line] = {}
_lock = threading.Lock()


class Line:
    """See the module's text.

    Args:
        member: whom it leads to.
        model: its chat model; None makes it when first needed.
    """

    def __init__(self, member: Member, model: BaseChatModel | None = None) -> None:
        self.member = member
        self.label = without_secrets(member.model, member, None)
        """The member's name, fit for messages."""
        self.limits = Limits(member.slots, member.requests_per_minute)
        self.breaker = Breaker()
        self.takes_forms = True
        """False once its server has refused the argument that holds an answer to a form."""
        self._model = model
        self._making = threading.Lock()
        # Of objects without a provider's name only ours has a tokenizer that can be asked.
        foreign = member.model.startswith("object:") and not isinstance(model, LocalLLM)
        self._counter: tuple[Counter | None] | None = (None,) if foreign else None

    @property
    def model(self) -> BaseChatModel:
        """The chat model; making it imports its package. See `make_model` for the errors."""
        with self._making:
            if self._model is None:
                self._model = make_model(self.member)
            return self._model

    @property
    def counter(self) -> Counter | None:
        """The count of tokens by the model's own tokenizer; None when there is none here."""
        if self._counter is None:
            self._counter = (counter_of(self.member, self.model),)
        return self._counter[0]

    @property
    def counts_at_once(self) -> bool:
        """Whether the model is made and its tokens are only estimated: neither takes time."""
        return self._counter == (None,)

    @property
    def window(self) -> int | None:
        """Tokens that prompt and answer may have together; None when nobody says."""
        profile = self.model.profile or {}
        return self.member.context_window or profile.get("max_input_tokens")

    def clean(self, text: str) -> str:
        """Return a text without this member's secrets."""
        return without_secrets(text, self.member, self._model)


def line_to(member: Member) -> Line:
    """Return the line to a member, one per process and equal member."""
    with _lock:
        if member not in _lines:
            _lines[member] = Line(member)
        return _lines[member]
