"""Names of models as strangers may see them: without the address of a server, and without folders."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

_ADDRESS = re.compile(r"@\w+://.*\Z", re.DOTALL)
#: What follows it is always a file; names of other providers may hold a slash, as ``owner/model`` does.
_OF_FILES = "gguf"


def shown_model(name: str) -> str:
    """Return a model's name without the address of its server, and without the folder that it lies in.

    Args:
        name: ``provider:model``, with ``@address`` where it has one; a place without a provider; or a member's name.
    """
    provider, colon, model = _ADDRESS.sub("", name).partition(":")
    if not colon:
        return _last_part(provider)
    return f"{provider}:{_last_part(model, always=provider == _OF_FILES)}"


def _last_part(name: str, *, always: bool = False) -> str:
    if PureWindowsPath(name).drive or "\\" in name:
        return PureWindowsPath(name).name
    return PurePosixPath(name).name if always or name.startswith(("/", "~", "./", "../")) else name
