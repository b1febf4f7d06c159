"""The one hierarchy of errors. Each names, in ``next_step``, what the person can do about it.

``str(error)`` holds both the message and the next step, so that a log line is enough.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class MatrioskaError(Exception):
    """Base of every error that Matrioska raises on purpose.

    Attributes:
        message: what happened, with the numbers.
        next_step: what to do about it, one sentence.
    """

    #: Stable identifier, part of the published interface.
    code: str = "error"

    def __init__(self, message: str, *, next_step: str = "") -> None:
        self.message = message
        self.next_step = next_step
        super().__init__(f"{message} {next_step}".strip())


class UsageError(MatrioskaError):
    """The caller asked for something that cannot be: bad task, option or answer."""

    code = "usage"


class TaskError(UsageError):
    """The task text is empty, too long or not text."""

    code = "bad_task"


class ConfigError(UsageError):
    """A setting, file or run option is wrong."""

    code = "bad_config"


class FaultsError(ConfigError):
    """Something described in the settings, or in a file, that has faults.

    Attributes:
        faults: every fault found, each with where it stands.
    """

    #: What is described.
    subject: str

    def __init__(self, source: str, faults: Sequence[str], *, next_step: str = "") -> None:
        self.faults = list(faults)
        count = f"{len(self.faults)} faults" if len(self.faults) != 1 else "a fault"
        super().__init__(
            f"The {self.subject} in {source} has {count}: {'; '.join(self.faults)}.",
            next_step=next_step or f"Correct {'them' if len(self.faults) != 1 else 'it'} in {source}.",
        )


class TopologyError(FaultsError):
    """A topology of the ensemble that cannot be used."""

    code = "bad_topology"
    subject = "topology"


class TreeError(FaultsError):
    """A tree of minds that cannot be used."""

    code = "bad_tree"
    subject = "tree of minds"


class ThreadNotFoundError(UsageError):
    """No run is stored under that thread id."""

    code = "thread_not_found"

    def __init__(self, thread_id: str) -> None:
        self.thread_id = thread_id
        super().__init__(
            f"There is no run with the thread id {thread_id!r} here.",
            next_step="List the runs with `matrioska threads`, or give the right --base-path.",
        )


class AssetError(UsageError):
    """Files that cannot be taken in as assets: missing, huge, or not what their names say.

    Attributes:
        faults: every fault found, one sentence each.
    """

    code = "bad_asset"

    def __init__(self, faults: Sequence[str], *, next_step: str = "") -> None:
        self.faults = list(faults)
        super().__init__(
            " ".join(self.faults), next_step=next_step or "Correct this and try again; nothing was started."
        )


class PlanError(MatrioskaError):
    """A plan that cannot be carried out.

    Attributes:
        complaints: every fault found, one sentence each.
        raw_answer: the model's last answer, kept so that nothing is lost.
    """

    code = "bad_plan"

    def __init__(self, complaints: Sequence[str], *, raw_answer: str = "", next_step: str = "") -> None:
        self.complaints = list(complaints)
        self.raw_answer = raw_answer
        super().__init__(
            "The plan cannot be carried out: " + "; ".join(self.complaints) + ".",
            next_step=next_step or "Correct the plan, or ask for it again with another model.",
        )


class UnsafePathError(MatrioskaError):
    """A file path that could leave its folder or hurt the file system."""

    code = "unsafe_path"

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"The path {path!r} is refused: {reason}.",
            next_step="Use a plain relative path such as 'app/index.html'.",
        )


class AnswerError(MatrioskaError):
    """A model's answer that does not have the form asked for; worth telling the model.

    Attributes:
        complaint: the exact complaint, written to be sent back to the model.
        raw_answer: the answer as it came.
    """

    code = "bad_answer"

    def __init__(self, complaint: str, *, raw_answer: str = "") -> None:
        self.complaint = complaint
        self.raw_answer = raw_answer
        super().__init__(complaint, next_step="Ask again, or choose a more capable model with --model.")


class ModelError(MatrioskaError):
    """A model could not be reached, loaded or used.

    Attributes:
        model: the model's name, ``provider:model``.
        retryable: whether the same call may go through later.
    """

    code = "model"

    def __init__(self, message: str, *, model: str = "", retryable: bool = False, next_step: str = "") -> None:
        self.model = model
        self.retryable = retryable
        super().__init__(message, next_step=next_step)


class UnknownModelError(ModelError, UsageError):
    """A model name that no provider answers to."""

    code = "unknown_model"


class ModelAuthError(ModelError):
    """A provider refused the key or its account (no credit), or there is no key."""

    code = "model_auth"


class ModelUnavailableError(ModelError):
    """A model's server is down, overloaded or breaks off: later it may answer.

    Attributes:
        retry_after: seconds after which it may be asked again; None when nobody says.
    """

    code = "model_unavailable"

    def __init__(
        self,
        message: str,
        *,
        model: str = "",
        retryable: bool = True,
        retry_after: float | None = None,
        next_step: str = "",
    ) -> None:
        self.retry_after = retry_after
        super().__init__(message, model=model, retryable=retryable, next_step=next_step)


class ModelTimeoutError(ModelUnavailableError):
    """A call took longer than its deadline, or a server stayed silent for too long.

    Attributes:
        seconds: the limit that was passed.
    """

    code = "model_timeout"

    def __init__(self, message: str, *, seconds: float, model: str = "", next_step: str = "") -> None:
        self.seconds = seconds
        super().__init__(message, model=model, next_step=next_step)


class ModelResponseError(ModelError):
    """A server's response is not what its protocol says: HTML, cut JSON, wrong types, far too large."""

    code = "model_response"


class ContextWindowError(ModelError):
    """A prompt that cannot fit into the model's context window.

    Attributes:
        part: name of the largest part of the prompt.
        tokens: tokens of the whole prompt.
        window: tokens that prompt and answer may have together; 0 when only the server knows.
    """

    code = "context_window"

    def __init__(
        self, message: str, *, part: str, tokens: int, window: int, model: str = "", next_step: str = ""
    ) -> None:
        self.part = part
        self.tokens = tokens
        self.window = window
        super().__init__(message, model=model, next_step=next_step)


class ModelLoadError(ModelError):
    """A local model cannot be loaded: files missing, of an unsafe kind, or with code of their own."""

    code = "model_load"


class ModelMemoryError(ModelLoadError):
    """A local model does not fit into memory.

    Attributes:
        needed: bytes that it needs.
        available: bytes that are free.
    """

    code = "model_memory"

    def __init__(self, message: str, *, needed: int, available: int, model: str = "", next_step: str = "") -> None:
        self.needed = needed
        self.available = available
        super().__init__(message, model=model, next_step=next_step)


class QueueFullError(ModelUnavailableError):
    """More calls wait for a local model than its queue takes."""

    code = "queue_full"


class BudgetError(MatrioskaError):
    """The run's budget is used up, and it was decided not to raise it."""

    code = "budget"


class EnsembleError(MatrioskaError):
    """No node of the ensemble answered.

    Attributes:
        failures: why, by node.
    """

    code = "ensemble"

    def __init__(self, message: str, *, failures: Mapping[str, str] | None = None, next_step: str = "") -> None:
        self.failures = dict(failures or {})
        super().__init__(message, next_step=next_step)


class CascadeError(MatrioskaError):
    """No mind of the cascade could answer.

    Attributes:
        failures: reason by mind.
    """

    code = "cascade"

    def __init__(self, message: str, *, failures: Mapping[str, str] | None = None, next_step: str = "") -> None:
        self.failures = dict(failures or {})
        super().__init__(message, next_step=next_step)


class EnsembleTimeoutError(EnsembleError):
    """No node of the ensemble answered in time.

    Attributes:
        seconds: the limit that was passed.
    """

    code = "ensemble_timeout"

    def __init__(
        self, message: str, *, seconds: float, failures: Mapping[str, str] | None = None, next_step: str = ""
    ) -> None:
        self.seconds = seconds
        super().__init__(message, failures=failures, next_step=next_step)


class StoreError(MatrioskaError):
    """A database or file could not be read or written.

    Attributes:
        path: the file concerned.
    """

    code = "store"

    def __init__(self, message: str, *, path: str = "", next_step: str = "") -> None:
        self.path = path
        super().__init__(message, next_step=next_step)


class CorruptStoreError(StoreError):
    """A database that is not one of ours: damaged, empty or foreign."""

    code = "corrupt_store"


class LockedStoreError(StoreError):
    """A database that another process kept locked for longer than we wait."""

    code = "locked_store"


class NewerFormatError(StoreError):
    """Saved data of a newer format than this version reads."""

    code = "newer_format"


class JournalError(StoreError):
    """The journal's database cannot be reached, read or written."""

    code = "journal"


class ThreadBusyError(StoreError):
    """Another process is working on the same thread."""

    code = "thread_busy"

    def __init__(self, thread_id: str, *, path: str = "") -> None:
        self.thread_id = thread_id
        super().__init__(
            f"The run {thread_id!r} is being worked on by another process.",
            path=path,
            next_step="Wait for it to end, or stop it, and try again.",
        )


class PluginError(MatrioskaError):
    """What a plugin brought failed when it was used."""

    code = "plugin"

    def __init__(self, message: str, *, next_step: str = "") -> None:
        super().__init__(
            message, next_step=next_step or "Tell the plugin's authors: `matrioska plugins` names its package."
        )
