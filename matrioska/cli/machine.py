"""What this machine has for models: GPUs and memory. Asked from outside, so that torch is never imported here."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

_T = TypeVar("_T")
#: Importing torch may take this long from a cold disk.
_TORCH_SECONDS = 40.0
_SMI_SECONDS = 5.0
_ASK_TORCH = """
import json, torch
found = [[torch.cuda.get_device_name(n), *torch.cuda.mem_get_info(n)] for n in range(torch.cuda.device_count())]
print(json.dumps({"gpus": found, "mps": torch.backends.mps.is_available()}))
"""


@dataclass(frozen=True)
class Gpu:
    """A graphics processor."""

    name: str
    free: int
    """Bytes."""
    total: int
    """Bytes."""


@dataclass(frozen=True)
class Machine:
    """What a model in this process could use."""

    gpus: tuple[Gpu, ...] = ()
    """Those that torch can use, or that the driver names while there is no torch."""
    memory_free: int | None = None
    """Bytes of main memory that are free, within the container's limit; None when the system does not say."""
    torch: str = ""
    """Version of torch; '' when it is not installed."""
    unused: tuple[Gpu, ...] = ()
    """GPUs that the driver names and torch cannot use."""
    apple: bool = False
    """Whether torch has Apple's GPU, which shares the main memory."""


def look_at_machine() -> Machine:
    """Return what this machine has. Takes seconds where torch with GPU support is installed, else next to nothing."""
    from matrioska.models.local.memory import free_main_memory

    driver = _from_driver()
    try:
        torch = version("torch") if importlib.util.find_spec("torch") else ""
    except PackageNotFoundError:
        torch = ""
    usable, apple = driver, False
    if torch:
        # A build without GPU support says so in its version; there is nothing to ask it.
        usable, apple = ((), False) if "+cpu" in torch else _from_torch()
    unused = tuple(gpu for gpu in driver if not usable)
    return Machine(usable, free_main_memory(), torch, unused, apple)


def _from_torch() -> tuple[tuple[Gpu, ...], bool]:
    told = _told([sys.executable, "-c", _ASK_TORCH], _TORCH_SECONDS).strip().rpartition("\n")[2]
    try:
        found = json.loads(told)
    except ValueError:
        return (), False
    return tuple(Gpu(*gpu) for gpu in found["gpus"]), bool(found["mps"])


def _from_driver() -> tuple[Gpu, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = "--query-gpu=name,memory.free,memory.total"
    gpus = []
    for line in _told([program, query, "--format=csv,noheader,nounits"], _SMI_SECONDS).splitlines():
        name, *sizes = (part.strip() for part in line.rsplit(",", 2))
        if len(sizes) == 2 and all(size.isdecimal() for size in sizes):
            gpus.append(Gpu(name, *(int(size) * 1024**2 for size in sizes)))
    return tuple(gpus)


def _told(command: list[str], seconds: float) -> str:
    """Return what a program prints; '' when it fails or takes too long."""
    try:
        ended = subprocess.run(  # noqa: S603 - our own Python, or a program found by its fixed name
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout if ended.returncode == 0 else ""


def within(seconds: float, work: Callable[[], _T]) -> _T | None:
    """Return what a function returns; None when it has not within that time. It may then go on until the end."""
    found: list[_T] = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None
