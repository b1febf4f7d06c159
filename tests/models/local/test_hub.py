"""The hub's own client against a hub on loopback: what is fetched, what is not, and what its refusals become."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from matrioska.models.local.hub import fetch_small_files, fetch_weights, parse_ref
from matrioska.models.local.memory import requirements
from matrioska.state.errors import ModelLoadError

_COMMIT = "0123456789012345678901234567890123456789"


@dataclass
class _Hub:
    """Serves one folder as the repository ``o/m``; ``o/gated`` is gated and nothing else is there."""

    folder: Path
    fetched: set[str] = field(default_factory=set)
    """Files of which bytes were asked for, whole."""

    def answer(self, method: str, path: str, span: str | None) -> tuple[int, bytes, dict[str, str]]:
        path = path.partition("?")[0]
        if "/o/gated" in path:
            return 403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"}
        if "/o/m" not in path:
            return 401, b"{}", {"X-Error-Code": "RepoNotFound"}
        if "/v9" in path:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        if file := re.fullmatch(r"/o/m/resolve/[^/]+/(.+)", path):
            return self._file(method, self.folder / file[1], span)
        files = sorted(self.folder.iterdir())
        if path.startswith("/api/models/o/m/tree/"):
            found: Any = [
                {"type": "file", "path": f.name, "size": f.stat().st_size, "oid": _digest(f.read_bytes())}
                for f in files
            ]
        else:
            found = {"id": "o/m", "sha": _COMMIT, "siblings": [{"rfilename": f.name} for f in files]}
        return 200, json.dumps(found).encode(), {"Content-Type": "application/json"}

    def _file(self, method: str, path: Path, span: str | None) -> tuple[int, bytes, dict[str, str]]:
        if not path.is_file():
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        whole = path.read_bytes()
        told = {"ETag": f'"{_digest(whole)}"', "X-Repo-Commit": _COMMIT}
        if method == "GET" and span and (ends := re.fullmatch(r"bytes=(\d+)-(\d+)", span)):
            part = whole[int(ends[1]) : int(ends[2]) + 1]
            return 206, part, {**told, "Content-Range": f"bytes {ends[1]}-{int(ends[1]) + len(part) - 1}/{len(whole)}"}
        if method == "GET":
            self.fetched.add(path.name)
        return 200, whole, told


def _digest(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _handler(hub: _Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = hub.answer(self.command, self.path, self.headers.get("Range"))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815 - http.server's own name

        def log_message(self, *_: Any) -> None:
            """Keep the test's output clean."""

    return Handler


@pytest.fixture
def hub(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Hub]:
    repository = tmp_path / "repository"
    repository.mkdir()
    for file in tiny_folder.iterdir():
        (repository / file.name).write_bytes(file.read_bytes())
    for extra in ("pytorch_model.bin", "consolidated.safetensors", "modeling.py"):
        (repository / extra).write_bytes(b"never fetched")
    served = _Hub(repository)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(served))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    # The client reads the environment when it is imported, which it has been.
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield served
    server.shutdown()
    server.server_close()


def test_only_what_is_needed_is_fetched(hub: _Hub) -> None:
    ref = parse_ref("o/m@main")
    small = fetch_small_files(ref)
    assert "config.json" in hub.fetched
    assert not any(name.endswith((".safetensors", ".bin", ".py")) for name in hub.fetched)
    weights = fetch_weights(ref, small)
    assert weights.name == _COMMIT
    assert {name for name in hub.fetched if not name.endswith((".json", ".jinja"))} == {"model.safetensors"}
    assert (weights / "model.safetensors").read_bytes() == (hub.folder / "model.safetensors").read_bytes()


def test_what_it_needs_is_told_from_the_headers(hub: _Hub) -> None:
    need = requirements("o/m")
    assert need.source == "hub"
    assert need.weight_bytes == requirements(str(hub.folder)).weight_bytes
    assert hub.fetched == {"config.json"}


def test_what_was_fetched_serves_without_the_hub(hub: _Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("o/m", f"o/m@{_COMMIT}"):
        fetch_weights(parse_ref(name), fetch_small_files(parse_ref(name)))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("o/m", f"o/m@{_COMMIT}"):
        folder = fetch_weights(parse_ref(name), fetch_small_files(parse_ref(name)))
        assert (folder / "model.safetensors").is_file()
        assert requirements(name).source == "hub cache"


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("o/gated", "gated", "https://huggingface.co/o/gated"),
        ("o/nothing", "not on the hub", "HF_TOKEN"),
        ("o/m@v9", "no revision 'v9'", "tag or branch"),
        ("not--a..name", "not on the hub", "Check the name"),
    ],
)
def test_refusals_are_told_with_the_way_out(hub: _Hub, name: str, message: str, advice: str) -> None:
    with pytest.raises(ModelLoadError, match=message) as caught:
        fetch_small_files(parse_ref(name))
    assert advice in caught.value.next_step
    assert message in requirements(name).note


def test_a_repository_with_pickles_only_names_them(hub: _Hub) -> None:
    (hub.folder / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=r"pytorch_model\.bin"):
        fetch_weights(parse_ref("o/m"), fetch_small_files(parse_ref("o/m")))
    assert "pytorch_model.bin" not in hub.fetched
