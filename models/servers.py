"""Looking at servers of models: who answers, what they serve, and how much a prompt may hold there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from matrioska.i18n import N_
from matrioska.models.providers import is_loopback, own_address

#: Seconds that one server may take to answer everything that it is asked.
PATIENCE = 3.0
#: Bytes read of one response. Lists of models are far smaller.
_MOST_BYTES = 2_000_000
#: Models asked about one by one, where a list says too little.
_MOST_MODELS = 50
_OLLAMA = "http://127.0.0.1:11434"

#: Providers whose servers are usually on this machine.
LOCAL_SERVERS = ("lmstudio", "ollama", "llamacpp", "vllm")


@dataclass(frozen=True)
class ServedModel:
    """A model that a server offers."""

    name: str
    context: int | None = None
    """Tokens of prompt and answer that it takes now, or at most where it is not loaded; None when not told."""
    loaded: bool | None = None
    """Whether it is in memory; None when not told."""


@dataclass(frozen=True)
class Server:
    """What a look at a server found."""

    provider: str
    url: str
    models: tuple[ServedModel, ...] = ()
    fault: str = ""
    """Why there is no list of models; '' when there is."""

    @property
    def answers(self) -> bool:
        """Whether it said what it serves."""
        return not self.fault

    def find(self, model: str) -> ServedModel | None:
        """Return one of its models; Ollama's ``name`` means ``name:latest``. None when it has none of that name."""
        wanted = {model, f"{model}:latest"} if self.provider == "ollama" else {model}
        return next((found for found in self.models if found.name in wanted), None)


class _SilentError(Exception):
    """The server gives no such answer; says why."""


def server_address(provider: str, url: str = "") -> str:
    """Return the address of a provider's server: the one given, or its own."""
    return url or own_address(provider) or (_OLLAMA if provider == "ollama" else "")


async def look_at_all(servers: Iterable[tuple[str, str, str]], patience: float = PATIENCE) -> list[Server]:
    """Look at servers side by side; see `look_at`.

    Args:
        servers: provider, address and key ('' for none) of each.
    """
    return list(await asyncio.gather(*(look_at(*server, patience=patience) for server in servers)))


async def look_at(provider: str, url: str, key: str = "", *, patience: float = PATIENCE) -> Server:
    """Ask a server what it serves. Takes at most ``patience`` seconds and raises nothing for a bad answer.

    Nothing but lists is asked for: no model is loaded or paid for. Redirects are not followed,
    and servers of this machine are asked directly, whatever proxy the environment names.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        async with (
            asyncio.timeout(patience),
            httpx.AsyncClient(headers=headers, timeout=patience, trust_env=not is_loopback(url)) as client,
        ):
            models = await (_ollama(client, url) if provider == "ollama" else _openai(client, provider, url))
    except TimeoutError:
        return Server(provider, url, fault=N_("silent for {seconds} seconds").format(seconds=f"{patience:g}"))
    except httpx.ConnectError:
        return Server(provider, url, fault=N_("nothing listens there"))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Server(provider, url, fault=str(error) or type(error).__name__)
    except _SilentError as error:
        return Server(provider, url, fault=str(error))
    return Server(provider, url, tuple(models))


async def _openai(client: httpx.AsyncClient, provider: str, url: str) -> list[ServedModel]:
    """Ask a server of OpenAI's protocol, and then in the way of its kind for what the protocol leaves out."""
    listed = _entries(await _json(client, "GET", f"{url.rstrip('/')}/models"), "data", "id")
    root = url.rstrip("/").removesuffix("/v1")
    known: dict[str, ServedModel] = {}
    if provider == "lmstudio":
        known = await _lmstudio(client, root)
    window = await _llamacpp_window(client, root) if provider == "llamacpp" else None
    return [
        known.get(entry["id"]) or ServedModel(entry["id"], window or _number(entry.get("max_model_len")))
        for entry in listed
    ]


async def _lmstudio(client: httpx.AsyncClient, root: str) -> dict[str, ServedModel]:
    try:
        entries = _entries(await _json(client, "GET", f"{root}/api/v0/models"), "data", "id")
    except _SilentError:
        # Versions before 0.3.6 have OpenAI's list only.
        return {}
    return {
        entry["id"]: ServedModel(
            entry["id"],
            _number(entry.get("loaded_context_length")) or _number(entry.get("max_context_length")),
            entry.get("state") == "loaded" if "state" in entry else None,
        )
        for entry in entries
    }


async def _llamacpp_window(client: httpx.AsyncClient, root: str) -> int | None:
    try:
        props = await _json(client, "GET", f"{root}/props")
    except _SilentError:
        return None
    settings = props.get("default_generation_settings")
    return _number(settings.get("n_ctx")) if isinstance(settings, Mapping) else None


async def _ollama(client: httpx.AsyncClient, url: str) -> list[ServedModel]:
    root = url.rstrip("/")
    names = [entry["name"] for entry in _entries(await _json(client, "GET", f"{root}/api/tags"), "models", "name")]
    running = _entries(await _json(client, "GET", f"{root}/api/ps"), "models", "name")
    loaded = {entry["name"]: _number(entry.get("context_length")) for entry in running}

    async def describe(name: str) -> ServedModel:
        return ServedModel(name, loaded.get(name) or await _ollama_window(client, root, name), name in loaded)

    described = await asyncio.gather(*(describe(name) for name in names[:_MOST_MODELS]))
    return [*described, *(ServedModel(name) for name in names[_MOST_MODELS:])]


async def _ollama_window(client: httpx.AsyncClient, root: str, name: str) -> int | None:
    try:
        shown = await _json(client, "POST", f"{root}/api/show", {"model": name})
    except _SilentError:
        return None
    info = shown.get("model_info")
    if not isinstance(info, Mapping):
        return None
    return next((_number(value) for key, value in info.items() if str(key).endswith(".context_length")), None)


async def _json(client: httpx.AsyncClient, method: str, url: str, body: Any = None) -> Mapping[str, Any]:
    async with client.stream(method, url, json=body) as response:
        if not response.is_success:
            raise _SilentError(f"HTTP {response.status_code} at {response.url.path}")
        data = b""
        async for part in response.aiter_bytes():
            data += part
            if len(data) > _MOST_BYTES:
                raise _SilentError(f"more than {_MOST_BYTES:,} bytes at {response.url.path}")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _SilentError(f"no JSON at {response.url.path}: another server?") from error
    if not isinstance(value, Mapping):
        raise _SilentError(f"no object at {response.url.path}: another server?")
    return value


def _entries(value: Mapping[str, Any], field: str, name: str) -> list[Mapping[str, Any]]:
    listed = value.get(field)
    # Ollama writes null for an empty list.
    if listed is not None and not isinstance(listed, list):
        raise _SilentError(f"no list of models in the answer's {field!r}")
    return [entry for entry in listed or [] if isinstance(entry, Mapping) and isinstance(entry.get(name), str)]


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
