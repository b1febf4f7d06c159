"""Addresses of previews: who knows one may look, and nobody can guess one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import quote

from matrioska.state.ids import THREAD_ID

#: Names of this machine, each with the one under which a browser keeps its cookies and pages apart.
_OTHER = {"127.0.0.1": "localhost", "localhost": "127.0.0.1", "::1": "localhost"}


class Links:
    """The addresses of this run of the service. Another run makes others.

    Args:
        port: the port that previews are served on.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._secret = secrets.token_bytes(32)

    def pass_of(self, thread: str) -> str:
        """Return the part of an address that only this service can make, for one thread."""
        return hmac.new(self._secret, thread.encode(), hashlib.sha256).hexdigest()

    def opens(self, given: str, thread: str) -> bool:
        """Whether an address is one of ours."""
        if not THREAD_ID.fullmatch(thread):
            return False
        return hmac.compare_digest(given.encode(), self.pass_of(thread).encode())

    def origin(self, seen_as: str) -> str:
        """Return the origin of previews for a page that was reached under the name ``seen_as``.

        On this machine it has another name besides another port: browsers share cookies between ports.
        """
        name = _OTHER.get(seen_as, seen_as)
        return f"http://[{name}]:{self.port}" if ":" in name else f"http://{name}:{self.port}"

    def framed_by(self, seen_as: str) -> str:
        """Return what the policy of a page that was reached under the name ``seen_as`` lets it frame.

        No more than its own previews: a frame may go wherever that policy lets it, with words in the address.
        """
        name = _OTHER.get(seen_as, seen_as)
        # A policy cannot write an address of version 6.
        return f"http://{'*' if ':' in name else name}:{self.port}"

    def folder(self, thread: str) -> str:
        """Return the path below which a thread's deliverable stands."""
        return f"/{self.pass_of(thread)}/{thread}/"

    def url(self, thread: str, path: str, seen_as: str) -> str:
        """Return the address of a file of a deliverable."""
        return f"{self.origin(seen_as)}{self.folder(thread)}{quote(path)}"
