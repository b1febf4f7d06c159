"""Who serves models: for each provider's name the LangChain class, the address and the variables with its key."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from matrioska.hooks import hookimpl
from matrioska.plugins import Kind

#: Seconds in which a server must take the connection. All other waiting is the gateway's.
CONNECT_TIMEOUT = 10.0

EMBEDDED = "embedded"
_GENERIC_NAME = re.compile(r"[a-z][a-z0-9_-]{0,40}")
#: Speaks the chat-completions protocol as other servers understand it. OpenAI's own class,
#: ``ChatOpenAI``, renames ``max_tokens`` to a field that many of them ignore or refuse.
_COMPATIBLE = ("langchain_openai.chat_models.base", "BaseChatOpenAI", "langchain-openai")


@dataclass(frozen=True)
class Provider:
    """How a provider's models are made."""

    module: str
    """Module that holds the class; imported when first asked for."""
    cls: str
    """The class; '' for the one whose name begins with ``Chat``."""
    package: str
    """What pip installs it by."""
    extra: str = ""
    """Extra of this package that installs it; '' when none does."""
    keys: tuple[str, ...] = ()
    """Environment variables that may hold the key; the first that is set counts."""
    base_url: str = ""
    """Its address; '' when the class knows it."""
    address_names: tuple[str, ...] = ()
    """Environment variables that may hold another address, besides ``<PROVIDER>_BASE_URL``."""
    local: bool = False
    """Its servers are a person's own and need no key."""
    needs: tuple[str, ...] = ()
    """Modules that it cannot do without, besides its own."""

    @property
    def key(self) -> str:
        """The usual variable with its key; '' when it has none."""
        return self.keys[0] if self.keys else ""

    @property
    def install(self) -> str:
        """The command that installs what it needs."""
        return f"pip install 'matrioska[{self.extra}]'" if self.extra else f"pip install {self.package}"

    @property
    def missing(self) -> list[str]:
        """The modules that it needs and that are not installed. Imports none of them."""
        wanted = (self.module.partition(".")[0], *self.needs)
        return [module for module in wanted if importlib.util.find_spec(module) is None]


def _compatible(base_url: str, *keys: str, local: bool = False) -> Provider:
    module, cls, package = _COMPATIBLE
    return Provider(module, cls, package, "openai", keys, base_url, local=local)


def _hosted(package: str, cls: str, *keys: str) -> Provider:
    return Provider(package.replace("-", "_"), cls, package, "", keys)


_BUILT_IN: dict[str, Provider] = {
    "openai": Provider(
        "langchain_openai",
        "ChatOpenAI",
        "langchain-openai",
        "openai",
        ("OPENAI_API_KEY",),
        address_names=("OPENAI_API_BASE",),
    ),
    "anthropic": Provider(
        "langchain_anthropic",
        "ChatAnthropic",
        "langchain-anthropic",
        "anthropic",
        ("ANTHROPIC_API_KEY",),
        address_names=("ANTHROPIC_API_URL",),
    ),
    "lmstudio": _compatible("http://127.0.0.1:1234/v1", "LMSTUDIO_API_KEY", local=True),
    "ollama": Provider(
        "langchain_ollama", "ChatOllama", "langchain-ollama", "ollama", address_names=("OLLAMA_HOST",), local=True
    ),
    "llamacpp": _compatible("http://127.0.0.1:8080/v1", "LLAMACPP_API_KEY", local=True),
    "vllm": _compatible("http://127.0.0.1:8000/v1", "VLLM_API_KEY", local=True),
    "huggingface": Provider(
        "matrioska.models.local",
        "LocalLLM",
        "matrioska",
        "local",
        local=True,
        needs=("torch", "transformers", "safetensors"),
    ),
    "gguf": Provider("matrioska.models.gguf", "ChatGGUF", "xllamacpp", "gguf", local=True, needs=("xllamacpp",)),
    "deepseek": _compatible("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "groq": _compatible("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "openrouter": _compatible("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "together": _compatible("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "fireworks": _compatible("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "xai": _compatible("https://api.x.ai/v1", "XAI_API_KEY"),
    "google_genai": _hosted("langchain-google-genai", "ChatGoogleGenerativeAI", "GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "mistralai": _hosted("langchain-mistralai", "ChatMistralAI", "MISTRAL_API_KEY"),
    "cohere": _hosted("langchain-cohere", "ChatCohere", "COHERE_API_KEY"),
    # These find their credentials in their clouds' own ways.
    "azure_openai": Provider(
        "langchain_openai", "AzureChatOpenAI", "langchain-openai", "openai", ("AZURE_OPENAI_API_KEY",)
    ),
    "bedrock": _hosted("langchain-aws", "ChatBedrockConverse"),
}


class _BuiltIn:
    """The providers that come with Matrioska."""

    @hookimpl
    def matrioska_models(self) -> dict[str, Provider]:
        return _BUILT_IN


def _fault(provider: Any) -> str:
    if not isinstance(provider, Provider):
        return "is no `matrioska.models.providers.Provider`"
    return "" if provider.module and provider.package else "names no module or no package"


# Two names stand for models that no provider serves: see `matrioska.models.registry.parse_name`.
PROVIDERS = Kind[Provider]("matrioska_models", _BuiltIn(), _fault, reserved=(EMBEDDED, "object"))


def providers() -> dict[str, Provider]:
    """Return the known providers by name, those of plugins among them."""
    return dict(PROVIDERS.all())


def provider_of(name: str) -> Provider | None:
    """Return a provider by name, or the one that an installed package ``langchain_<name>`` makes; None without."""
    if found := PROVIDERS.get(name):
        return found
    module = f"langchain_{name.replace('-', '_')}"
    # The packages of LangChain's own core are no providers.
    if not _GENERIC_NAME.fullmatch(name) or name in ("core", "community", "classic", "protocol", "text_splitters"):
        return None
    if importlib.util.find_spec(module) is None:
        return None
    return Provider(module, "", module.replace("_", "-"))


def own_address(name: str) -> str:
    """Return where a provider's models are, by the environment or its habit; '' when only its class knows."""
    provider = PROVIDERS.get(name)
    if name in ("huggingface", "gguf"):
        return ""
    variables = (f"{name.upper().replace('-', '_')}_BASE_URL", *(provider.address_names if provider else ()))
    found = next((os.environ[variable] for variable in variables if os.environ.get(variable)), "")
    if found and "://" not in found:
        # Ollama's own variable may be a bare host, and 0.0.0.0 where the server listens on every address.
        host, colon, port = found.replace("0.0.0.0", "127.0.0.1").partition(":")  # noqa: S104 - replaced
        found = f"http://{host or '127.0.0.1'}:{port if colon else 11434}"
    return found or (provider.base_url if provider else "")


def stands_on(cls: type, package: str) -> bool:
    """Whether a class is of a package, or derived from one that is."""
    return any(base.__module__.startswith(f"{package}.") for base in cls.__mro__)


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def shown_address(url: str) -> str:
    """Return an address without the user and password that it may hold."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)
