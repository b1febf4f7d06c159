"""LocalLLM: a transformers model in this process, in 4 bits by default.

A chat model of our own and not langchain-huggingface's ``ChatHuggingFace``: over a local
pipeline that one has no async calls, returns the prompt with the answer, counts no tokens and
ignores ``stop`` and sampling arguments without a word (docs/engine.md).
"""

from __future__ import annotations

import asyncio
import threading
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jinja2 import TemplateError
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import ConfigDict, Field, PrivateAttr

from matrioska.state.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT_MODEL = "mistralai/Mistral-7B-Instruct-v0.3"
_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


class LocalLLM(BaseChatModel):
    """A model from a folder or the Hugging Face hub, run by transformers and bitsandbytes.

    Weights are read as safetensors only and code from the model's repository is never run.
    Calls take turns on the device.

    Args:
        model_name: folder, or repository on the hub.

    Raises:
        ModelError: on the first call, when it cannot be loaded.
    """

    model_config = ConfigDict(extra="forbid")

    model_name: str = DEFAULT_MODEL
    revision: str | None = None
    """Commit or tag of the repository; None takes its main branch."""
    max_tokens: int = Field(default=4000, gt=0)
    """Tokens an answer may have."""
    temperature: float = Field(default=0.3, ge=0)
    top_p: float = Field(default=0.85, gt=0, le=1)
    do_sample: bool = True
    load_in_4bit: bool = True
    """Quantise to nf4 with double quantisation."""
    _loaded: tuple[Any, Any] | None = PrivateAttr(default=None)
    _turn: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @property
    def _llm_type(self) -> str:
        return "matrioska-local"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._answer(messages, stop, threading.Event(), kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        cancelled = threading.Event()
        try:
            return await asyncio.to_thread(self._answer, messages, stop, cancelled, kwargs)
        except asyncio.CancelledError:
            # The thread cannot be stopped from outside: it looks at this after every token.
            cancelled.set()
            raise

    def _answer(
        self, messages: list[BaseMessage], stop: list[str] | None, cancelled: threading.Event, extra: dict[str, Any]
    ) -> ChatResult:
        if extra:
            raise ModelError(
                f"LocalLLM does not take {', '.join(sorted(extra))}.",
                model=self.model_name,
                next_step="Set it on the model: LocalLLM(temperature=…, top_p=…, max_tokens=…).",
            )
        with self._turn:
            tokenizer, model = self._load()
            return self._decode(tokenizer, model, messages, stop, cancelled)

    def _decode(
        self,
        tokenizer: PreTrainedTokenizerBase,
        model: PreTrainedModel,
        messages: list[BaseMessage],
        stop: list[str] | None,
        cancelled: threading.Event,
    ) -> ChatResult:
        import torch

        prompt = _prompt_ids(tokenizer, messages).to(model.device)
        sampling = {"temperature": self.temperature, "top_p": self.top_p} if self._samples else {}
        with torch.inference_mode():
            output = model.generate(  # type: ignore[operator]
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=self.max_tokens,
                do_sample=self._samples,
                pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
                stopping_criteria=[lambda ids, scores, **_: _stops(ids, cancelled)],
                **({"stop_strings": stop, "tokenizer": tokenizer} if stop else {}),
                **sampling,
            )
        new = output[0, prompt.shape[1] :]
        text = str(tokenizer.decode(new, skip_special_tokens=True))
        for marker in stop or []:
            text = text.split(marker)[0]
        usage = UsageMetadata(
            input_tokens=prompt.shape[1], output_tokens=len(new), total_tokens=prompt.shape[1] + len(new)
        )
        finish = "length" if len(new) >= self.max_tokens else "stop"
        message = AIMessage(
            text, usage_metadata=usage, response_metadata={"model_name": self.model_name, "finish_reason": finish}
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    @property
    def _samples(self) -> bool:
        return self.do_sample and self.temperature > 0

    def _load(self) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
        if self._loaded is None:
            self._loaded = self._load_now()
        return self._loaded

    def _load_now(self) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
        except ImportError as error:
            raise ModelError(
                "LocalLLM needs torch and transformers, which are not installed.",
                model=self.model_name,
                next_step="Install them with: pip install 'matrioska[local]'.",
            ) from error
        gpu = torch.cuda.is_available()
        # bfloat16 is slow in software: without a GPU everything computes in float32.
        dtype = torch.bfloat16 if gpu else torch.float32
        quantization = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
        source: dict[str, Any] = {"revision": self.revision, "trust_remote_code": False}
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.model_name, **source)
            model = AutoModelForCausalLM.from_pretrained(
                self.model_name,
                dtype=dtype,
                device_map={"": "cuda:0" if gpu else "cpu"},
                use_safetensors=True,
                quantization_config=quantization if self.load_in_4bit else None,
                **source,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"The model {self.model_name} cannot be loaded: {str(error).splitlines()[0]}",
                model=self.model_name,
                next_step=_load_advice(self.model_name),
            ) from error
        return tokenizer, model.eval()  # type: ignore[no-untyped-call]


def _load_advice(name: str) -> str:
    if Path(name).is_dir():
        return "The folder needs config.json, a tokenizer and weights as .safetensors."
    return "Check the name and the connection to the hub, or give a local folder; gated models need HF_TOKEN."


def _stops(ids: torch.Tensor, cancelled: threading.Event) -> torch.Tensor:
    import torch

    return torch.full((ids.shape[0],), cancelled.is_set(), dtype=torch.bool, device=ids.device)


def _prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: list[BaseMessage]) -> torch.Tensor:
    """Return the prompt's token ids, shape (1, length)."""
    turns = _turns(messages)
    if tokenizer.chat_template is None:
        text = "\n\n".join(turn["content"] for turn in turns)
        return cast("torch.Tensor", tokenizer(text, return_tensors="pt")["input_ids"])
    arguments: dict[str, Any] = {"add_generation_prompt": True, "return_tensors": "pt", "return_dict": True}
    try:
        encoded = tokenizer.apply_chat_template(turns, **arguments)
    except TemplateError:
        # Some templates know no system role: what it says then opens the first user turn.
        encoded = tokenizer.apply_chat_template(_turns(messages, system_as_user=True), **arguments)
    return cast("torch.Tensor", encoded["input_ids"])  # type: ignore[index,call-overload]


def _turns(messages: list[BaseMessage], *, system_as_user: bool = False) -> list[dict[str, str]]:
    """Return role and text per turn; runs of one role are merged, since templates demand alternation."""
    spoken = [(_ROLES.get(message.type, "user"), str(message.text)) for message in messages]
    if system_as_user:
        spoken = [("user" if role == "system" else role, text) for role, text in spoken]
    return [
        {"role": role, "content": "\n\n".join(text for _, text in run)}
        for role, run in groupby(spoken, key=lambda turn: turn[0])
    ]
