"""One loaded model that answers many requests at once: a step scheduler over transformers' forward pass.

At each step the model is given the next token of every row under way and some of the prompts of
newcomers, in one sequence. Rows join and leave between steps (continuous batching; Yu et al.,
"Orca", OSDI 2022).
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from matrioska.models.local import memory
from matrioska.models.local.answer import Answer, AnswerText
from matrioska.models.local.cache import KVCache, is_out_of_memory
from matrioska.models.local.forward import Forward, fast_tokenizer
from matrioska.models.local.grammar import Grammars
from matrioska.models.local.request import Answering, Finish, Piece, Request
from matrioska.models.local.sampling import Draw, next_tokens
from matrioska.models.local.scheduler import Row, Scheduler
from matrioska.state.errors import ContextWindowError, ModelError, QueueFullError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_log = logging.getLogger("matrioska.local")

#: Tokens of prompts computed in one step: while others answer, and while nobody does.
_CHUNK, _CHUNK_ALONE = 256, 1024


@dataclass
class Stats:
    """What an engine has done since it was made, and what it holds now."""

    steps: int = 0
    prompt_tokens: int = 0
    """Tokens of all prompts of rows that began."""
    prompt_tokens_computed: int = 0
    """Tokens of prompts that the model was given; the others were known from prompts that begin alike."""
    generated_tokens: int = 0
    rows_peak: int = 0
    """Rows that ran at once, at the most."""
    rows: int = 0
    """Rows that run now."""
    queued: int = 0
    """Requests that wait now."""
    kv_tokens: int = 0
    """Tokens for which memory is allocated now, those of kept prefixes included."""
    kv_budget: int = 0
    """Tokens for which memory may be allocated."""


class BatchEngine:
    """Answers many requests at once; implements `Engine`.

    The model's attention is replaced by one that goes row by row, so that it serves this engine
    only until `close`.

    Args:
        model: a causal language model of transformers, on one device, of any dtype or quantised.
        kv_bytes: bytes that keys and values of all rows may take; None takes half of what is free.
        max_rows: rows that may run at once.
        queue_limit: requests that may wait.
        share_prefixes: whether prompts that begin alike are computed once.

    Raises:
        ModelLoadError: its architecture or tokenizer is of a kind that cannot be batched here.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        kv_bytes: int | None = None,
        max_rows: int = 64,
        queue_limit: int = 1024,
        name: str = "",
        share_prefixes: bool = True,
    ) -> None:
        self._name = name or "the local model"
        self._fast = fast_tokenizer(tokenizer, self._name)
        self._forward = Forward(model, self._name)
        self._vocabulary, self._window, self._ends = (
            self._forward.vocabulary,
            self._forward.window,
            self._forward.ends,
        )
        shape = self._forward.shape
        if kv_bytes is None:
            kv_bytes = memory.free_bytes(str(shape.device)) // 2
        self._cache = KVCache(shape, kv_bytes // shape.token_bytes)
        self._scheduler = Scheduler(self._cache, max_rows, share_prefixes)
        self._grammars = Grammars(tokenizer, self._vocabulary, sorted(self._ends), self._name)
        self._queue_limit = queue_limit
        self._stats = Stats(kv_budget=self._cache.budget)
        self._changed = threading.Condition()
        self._rows: set[Row] = set()
        self._arrived: list[Row] = []
        self._closed = self._poked = False
        self._compiler = ThreadPoolExecutor(1, thread_name_prefix="matrioska-grammar")
        self._thread = threading.Thread(target=self._work, name="matrioska-engine", daemon=True)
        self._thread.start()

    def submit(self, request: Request) -> Answering:
        """Queue a request. Thread-safe, returns at once: grammars are compiled elsewhere.

        Raises:
            QueueFullError: too many requests wait.
            ContextWindowError: prompt and answer exceed what the device's memory or the model takes.
            ModelError: the request cannot be, or the engine was closed. That a grammar is not
                understood is raised while iterating.
        """
        self._check(request)
        row = self._row(request)
        with self._changed:
            if self._closed:
                raise self._unloaded()
            waiting = sum(row.place is None for row in self._rows)
            if waiting >= self._queue_limit:
                raise QueueFullError(
                    f"{waiting} requests wait for {self._name} already.",
                    model=self._name,
                    next_step="Wait for some of them, or ask less at once.",
                )
            self._rows.add(row)
            if request.json_schema or request.grammar:
                self._compiler.submit(self._compile, row)
            else:
                self._arrive(row)
        return row.answer

    def stats(self) -> Stats:
        """Return what was done so far, and what is held now."""
        with self._changed:
            rows = sum(row.place is not None for row in self._rows)
            return replace(self._stats, rows=rows, queued=len(self._rows) - rows)

    def close(self) -> None:
        """End what runs and what waits, each with an error; free the memory. May be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._compiler.shutdown(wait=True, cancel_futures=True)
        self._thread.join()

    def _check(self, request: Request) -> None:
        complaint = ""
        if not request.prompt or not all(0 <= token < self._vocabulary for token in request.prompt):
            complaint = f"its prompt needs at least one token, each from 0 to {self._vocabulary - 1}"
        elif request.max_tokens < 1 or request.temperature < 0 or not 0 < request.top_p <= 1:
            complaint = "it needs max_tokens of at least 1, a temperature of at least 0, and top_p in (0, 1]"
        elif request.json_schema and request.grammar:
            complaint = "it has both a JSON schema and a grammar"
        if complaint:
            raise ModelError(f"The request cannot be answered: {complaint}.", model=self._name, next_step="Correct it.")
        budget = self._cache.budget
        window = min(budget, self._window or budget)
        if len(request.prompt) + request.max_tokens > window:
            limit = "there is memory for" if window == budget else f"{self._name} takes"
            raise ContextWindowError(
                f"A prompt of {len(request.prompt)} tokens and an answer of {request.max_tokens} "
                f"exceed the {window} tokens that {limit}.",
                part="prompt",
                tokens=len(request.prompt),
                window=window,
                model=self._name,
                next_step="Shorten the prompt, or lower max_tokens.",
            )

    def _row(self, request: Request) -> Row:
        draw = None
        if request.temperature > 0:
            generator = torch.Generator()
            if request.seed is None:
                generator.seed()
            else:
                # Any integer is a seed; torch takes 64 bits.
                generator.manual_seed(request.seed % 2**63)
            draw = Draw(request.temperature, request.top_p, generator)
        return Row(
            request=request,
            answer=Answer(self._poke),
            text=AnswerText(self._fast, request.stop),
            draw=draw,
            tokens=list(request.prompt),
            capacity=self._cache.capacity(len(request.prompt) + request.max_tokens),
        )

    def _compile(self, row: Row) -> None:
        try:
            row.matcher = self._grammars.compile(row.request)
        except ModelError as error:
            self._end(row, error)
        # A row that is lost here would be waited for without end.
        except Exception as error:  # noqa: BLE001
            self._end(row, self._failed("its grammar was compiled", error))
        else:
            with self._changed:
                self._arrive(row)

    def _arrive(self, row: Row) -> None:
        self._arrived.append(row)
        self._changed.notify_all()

    def _poke(self) -> None:
        with self._changed:
            self._poked = True
            self._changed.notify_all()

    def _work(self) -> None:
        try:
            with torch.inference_mode():
                while self._collect():
                    try:
                        self._turn()
                    # Whatever it is, those who wait must hear of it, and the next request finds an engine.
                    except Exception as error:  # noqa: BLE001
                        self._recover(error)
        finally:
            with self._changed:
                self._closed = True
                left = list(self._rows)
            for row in left:
                row.place = None
                self._end(row, self._unloaded())
            self._scheduler.running.clear()
            self._scheduler.waiting.clear()
            self._cache.clear()
            self._stats.kv_tokens = 0
            self._forward.release()
            # The model's memory is free once nobody else holds it.
            del self._forward

    def _collect(self) -> bool:
        """Wait until there is something to do, and take in what arrived; False when closed."""
        scheduler = self._scheduler
        with self._changed:
            while not (self._closed or self._poked or self._arrived or scheduler.running or scheduler.waiting):
                self._changed.wait()
            self._poked = False
            scheduler.waiting.extend(self._arrived)
            self._arrived.clear()
            return not self._closed

    def _turn(self) -> None:
        scheduler, stats = self._scheduler, self._stats
        scheduler.drop_ended()
        with self._changed:
            self._rows = {row for row in self._rows if not row.answer.ended}
        before = len(scheduler.running)
        scheduler.admit()
        stats.prompt_tokens += sum(len(row.request.prompt) for row in scheduler.running[before:])
        stats.rows_peak = max(stats.rows_peak, len(scheduler.running))
        alone = not any(row.generated for row in scheduler.running)
        chosen = scheduler.plan(_CHUNK_ALONE if alone else _CHUNK)
        if chosen:
            self._step(chosen)
        stats.kv_tokens = self._cache.held

    def _step(self, chosen: list[tuple[Row, int]]) -> None:
        """Give the model the rows' next tokens, and each row that is complete its next one."""
        complete = [index for index, (row, count) in enumerate(chosen) if count == row.pending]
        new = [(row.place, row.unseen(count)) for row, count in chosen if row.place is not None]
        logits = self._forward.logits(new, complete)
        self._stats.steps += 1
        for row, count in chosen:
            self._stats.prompt_tokens_computed += row.saw(count)
        rows, logits = self._restrict([chosen[index][0] for index in complete], logits)
        for row, token in zip(rows, next_tokens(logits, [row.draw for row in rows]), strict=True):
            try:
                self._accept(row, token)
            except ModelError as error:
                self._lose(row, error)
            # A tokenizer's decoder may fail in any way on one row.
            except Exception as error:  # noqa: BLE001
                self._lose(row, self._failed("its tokens became text", error))

    def _restrict(self, rows: list[Row], logits: Tensor) -> tuple[list[Row], Tensor]:
        """Hide what grammars do not allow; take out rows whose logits are no numbers."""
        held = [index for index, row in enumerate(rows) if row.matcher is not None]
        if held:
            allowed = self._grammars.allowed([row.matcher for row in rows if row.matcher is not None])
            logits[held] = logits[held].masked_fill(~allowed.to(logits.device), -torch.inf)
        fine = logits.amax(-1).isfinite().tolist()
        for row, is_fine in zip(rows, fine, strict=True):
            if not is_fine:
                self._lose(row, self._failed("it was computed", ArithmeticError("no likelihood is a finite number")))
        if all(fine):
            return rows, logits
        return [row for row, is_fine in zip(rows, fine, strict=True) if is_fine], logits[torch.tensor(fine)]

    def _accept(self, row: Row, token: int) -> None:
        """Add a token to a row's answer, and those that its grammar forces after it; end it when it is complete."""
        new = [token]
        if row.matcher is not None:
            new += self._grammars.advance(row.matcher, token)
        text = ""
        finish: Finish | None = None
        while new and finish is None:
            text += self._add(row, new.pop(0))
            complete = not new and row.matcher is not None and row.matcher.is_stopped()
            if complete or row.text.stopped or row.tokens[-1] in self._ends:
                finish = "stop"
            elif row.generated == row.request.max_tokens:
                finish = "length"
        if finish is not None:
            text += row.text.rest()
            self._leave(row)
        row.answer.put(Piece(text, row.generated, finish))

    def _add(self, row: Row, token: int) -> str:
        row.tokens.append(token)
        self._stats.generated_tokens += 1
        return "" if token in self._ends else row.text.add(token)

    def _leave(self, row: Row, *, broken: bool = False) -> None:
        if row.place is not None:
            self._scheduler.leave(row, broken=broken)
        with self._changed:
            self._rows.discard(row)

    def _lose(self, row: Row, error: ModelError) -> None:
        """Take one row out with an error."""
        self._leave(row, broken=True)
        row.answer.fail(error)

    def _end(self, row: Row, error: ModelError) -> None:
        """End a row that is not in the batch with an error."""
        with self._changed:
            self._rows.discard(row)
        row.answer.fail(error)

    def _recover(self, error: Exception) -> None:
        """Go on after a step that failed: with fewer rows where memory ran out, else without the rows it was for."""
        scheduler = self._scheduler
        rows = list(scheduler.running)
        if is_out_of_memory(error) and (self._cache.forget() or len(rows) > 1):
            _log.warning("%s: memory ran out with %d rows; half of them wait", self._name, len(rows))
            scheduler.requeue(len(rows) // 2)
            # What the step has made so far is held by its frames.
            error.__traceback__ = None
            if self._cache.device.type == "cuda":
                torch.cuda.empty_cache()
            return
        failed = self._failed("it was computed", error)
        for row in rows:
            self._lose(row, failed)
        if not rows and scheduler.waiting:
            # It failed while the first of them was let in, and would fail again.
            self._end(scheduler.waiting.popleft(), failed)

    def _failed(self, when: str, error: BaseException) -> ModelError:
        _log.error("%s: an answer failed while %s", self._name, when, exc_info=error)
        found = ModelError(
            f"An answer of {self._name} failed while {when}: {type(error).__name__}: {error}.",
            model=self._name,
            next_step="Ask again; if it fails again, report it with the log.",
        )
        # Its frames would hold the step's tensors for as long as somebody keeps the error.
        found.__cause__ = error.with_traceback(None)
        return found

    def _unloaded(self) -> ModelError:
        return ModelError(
            f"{self._name} was unloaded.", model=self._name, retryable=True, next_step="Call it again to load it anew."
        )
