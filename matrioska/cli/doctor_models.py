"""The doctor's questions about models: keys, this machine, servers, and each model that the settings name."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from matrioska.cli.checks import MISSING, OK, OPTIONAL, WARNING, Check
from matrioska.cli.machine import Machine, look_at_machine, within
from matrioska.cli.text import count, line, listed, size
from matrioska.models.providers import EMBEDDED, is_loopback, providers, shown_address
from matrioska.models.registry import check_member, member_address, member_key, parse_name
from matrioska.models.servers import LOCAL_SERVERS, ServedModel, Server, look_at_all, server_address
from matrioska.state.cascade import MindSpec
from matrioska.state.context import ROLES, RunOptions
from matrioska.state.errors import ConfigError, MatrioskaError, ModelLoadError
from matrioska.state.members import Member
from matrioska.store.settings import find_fallbacks, find_member, load_members, resolve_options
from matrioska.workers.cascade.thinkers import ENSEMBLE
from matrioska.workers.cascade.tree import load_tree

_GROUP = "Models that your settings name"
#: Seconds that the hub may take to tell the size of a model that is not here yet.
_HUB_SECONDS = 12.0
#: Tokens of context that a model's need is told for.
_CONTEXT = 8192
_START = {
    "lmstudio": "Start its server: in LM Studio, under Developer, or with `lms server start`.",
    "ollama": "Start it with `ollama serve`.",
    "llamacpp": "Start it with `llama-server -m MODEL.gguf --port 8080`.",
    "vllm": "Start it with `vllm serve MODEL`.",
}
_TITLES = {"lmstudio": "LM Studio", "ollama": "Ollama", "llamacpp": "llama.cpp", "vllm": "vLLM", "openai": "OpenAI's"}


@dataclass
class Named:
    """A model that the settings name."""

    name: str
    member: Member
    uses: list[str] = field(default_factory=list)
    """What it is named for; empty for a member that nothing names."""


@dataclass
class ModelsFound:
    """What there is for models, as ``--json`` tells it besides the checks."""

    checks: list[Check] = field(default_factory=list)
    machine: Machine = field(default_factory=Machine)
    servers: list[Server] = field(default_factory=list)


def look_at_models() -> ModelsFound:
    """Return the checks of everything that has to do with models. Faulty settings leave out what they name."""
    try:
        named = named_models(resolve_options(None), load_members(), _minds())
    except ConfigError:
        named = []
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(look_at_machine)
        servers = asyncio.run(look_at_all(_servers_to_ask(named)))
        machine = asked.result()
    usable = [_model_check(found, servers, machine) for found in named]
    shown = [replace(server, url=shown_address(server.url)) for server in servers]
    return ModelsFound([*key_checks(named), *machine_checks(machine), *server_checks(shown), *usable], machine, shown)


def _minds() -> Sequence[MindSpec]:
    """Return the minds of the settings' tree; none of one that cannot be used, which `part_checks` tells."""
    try:
        return load_tree().minds
    except ConfigError:
        return ()


def named_models(options: RunOptions, members: Mapping[str, Member], minds: Sequence[MindSpec]) -> list[Named]:
    """Return every model that the settings name, with what for; members that nothing names come last."""
    found: dict[str, Named] = {}

    def note(name: str, use: str) -> None:
        named = found.setdefault(name, Named(name, find_member(name)))
        named.uses += [use] if use else []

    if set(options.roles) < set(ROLES):
        note(options.model, "every other role" if options.roles else "every role")
    for role, name in options.roles.items():
        note(name, role)
    for mind in minds:
        if mind.model not in (None, ENSEMBLE):
            note(str(mind.model), mind.called)
    for name in members:
        note(name, "")
    for name in list(found):
        before = name
        for fallback in find_fallbacks(found[name].member):
            use = f"instead of {before}" if found[name].uses else ""
            note(fallback, use if fallback not in found or use not in found[fallback].uses else "")
            before = fallback
    return list(found.values())


def key_checks(named: list[Named]) -> Iterator[Check]:
    """Name the keys that are there, and what they are good for."""
    group, none = "Keys", True
    own = {found.member.api_key_env: found.name for found in named if found.member.api_key_env}
    for name, provider in providers().items():
        for key in provider.keys:
            if os.environ.get(key):
                none = False
                missing = "" if not provider.missing else provider.install
                detail = f"for {name}:…" + (", whose package is not installed" if missing else "")
                yield Check(key, WARNING if missing else OK, detail, missing, group)
    for key, member in own.items():
        if os.environ.get(key):
            none = False
            yield Check(key, OK, f"for the member {member}", group=group)
    if none:
        yield Check("keys", OPTIONAL, "none for a hosted model", "Put one into the environment or into .env.", group)


def machine_checks(machine: Machine) -> Iterator[Check]:
    """Tell what a model in this process could use."""
    group = "This machine"
    for gpu in machine.gpus:
        yield Check("GPU", OK, f"{gpu.name}: {size(gpu.free)} free of {size(gpu.total)}", group=group)
    for gpu in machine.unused:
        step = "Install a torch with CUDA: see https://pytorch.org/get-started."
        yield Check("GPU", WARNING, f"{gpu.name} is there, but torch {machine.torch} cannot use it", step, group)
    if machine.apple:
        yield Check("GPU", OK, "Apple's, by torch", group=group)
    if not (machine.gpus or machine.unused or machine.apple):
        yield Check("GPU", OPTIONAL, "none: models in this process would be slow; servers are not concerned", "", group)
    if machine.memory_free is not None:
        yield Check("memory", OK, f"{size(machine.memory_free)} free", group=group)


def _servers_to_ask(named: list[Named]) -> list[tuple[str, str, str]]:
    asked = {(provider, server_address(provider)): "" for provider in LOCAL_SERVERS}
    for found in named:
        if place := _place(found.member):
            try:
                asked[place] = member_key(found.member)
            except MatrioskaError:
                asked.setdefault(place, "")
    return [(provider, url, key) for (provider, url), key in asked.items()]


def _place(member: Member) -> tuple[str, str] | None:
    """Return provider and address of a member's server, when that can be asked what it serves for nothing."""
    try:
        provider, url = parse_name(member.model).provider, member_address(member)
    except MatrioskaError:
        return None
    if provider in LOCAL_SERVERS:
        return provider, server_address(provider, url)
    return (provider, url) if provider == "openai" and is_loopback(url) else None


def server_checks(servers: list[Server]) -> Iterator[Check]:
    """Tell which servers answer, and what they serve."""
    for server in servers:
        group, title = "Servers of models", _TITLES.get(server.provider, server.provider)
        if not server.answers:
            silent = f"{server.url}: {line(server.fault, 120)}"
            yield Check(title, OPTIONAL, silent, _START.get(server.provider, ""), group)
            continue
        told = [_told_model(server, position) for position in range(min(len(server.models), 12))]
        more = f"\n… and {len(server.models) - 12} more" if len(server.models) > 12 else ""
        yield Check(title, OK, "\n".join([server.url, *told]) + more, group=group)


def _told_model(server: Server, position: int) -> str:
    model = server.models[position]
    about = [_room(model)] if model.context else []
    about += ["loaded"] if model.loaded else []
    return f"  {server.provider}:{line(model.name, 100)}" + (f" ({', '.join(about)})" if about else "")


def _room(model: ServedModel) -> str:
    # Of a model that is not in memory, servers tell what it could take.
    return f"{'up to ' if model.loaded is False else ''}{model.context:,} tokens"


def _model_check(found: Named, servers: list[Server], machine: Machine) -> Check:
    """Tell whether a model can be used, and else what to do."""
    name = f"model {line(found.name, 60)}"
    uses = f"for {listed(found.uses)}" if found.uses else "for no role"
    model = f"{line(found.member.model, 100)} " if found.member.model != found.name else ""
    try:
        check_member(found.member)
    except MatrioskaError as error:
        state = MISSING if found.uses else OPTIONAL
        return Check(name, state, f"{model}{uses}: {error.message}", error.next_step, _GROUP)
    state, detail, step = _usable(found.member, servers, machine)
    if state == MISSING and not found.uses:
        state = OPTIONAL
    return Check(name, state, f"{model}{uses}: {detail}", step, _GROUP)


def _usable(member: Member, servers: list[Server], machine: Machine) -> tuple[str, str, str]:
    provider = parse_name(member.model).provider
    if provider == EMBEDDED:
        return OK, "rule-based, always there", ""
    if provider == "huggingface":
        return _fits(member, machine)
    if provider == "gguf":
        return _loads(member)
    place = _place(member)
    server = next((found for found in servers if (found.provider, found.url) == place), None)
    if server is None:
        return OK, "package and key are there (not asked: a hosted model costs)", ""
    return _served(member, server)


def _served(member: Member, server: Server) -> tuple[str, str, str]:
    """Whether a server has a member's model."""
    model = parse_name(member.model).model
    if not server.answers:
        step = _START.get(server.provider, "Start the server.")
        return MISSING, f"no answer from {server.url}: {line(server.fault, 120)}", step
    served = server.find(model)
    if served is None and server.provider == "llamacpp" and len(server.models) == 1:
        # It has one model, and answers with it whatever name it is asked for.
        served = server.models[0]
    if served is None:
        offers = listed([found.name for found in server.models], 5) or "nothing"
        step = f"`ollama pull {model}`" if server.provider == "ollama" else "Load it there, or name one that is there."
        return MISSING, f"{server.url} does not have it, but {offers}", step
    window = member.context_window
    if server.provider == "ollama" and window is None:
        step = "Set context_window: Ollama cuts what is longer than its own default without a word."
        return WARNING, f"{server.url} has it", step
    if window and served.context and window > served.context and server.provider != "ollama":
        step = f"Load it with a larger context, or set context_window = {served.context}."
        return WARNING, f"{server.url} has it with {served.context:,} tokens, not {window:,}", step
    room = f", {_room(served)}" if served.context else ""
    step = (
        "" if window or not served.context else f"Set context_window = {served.context}, or less, to fit prompts to it."
    )
    return OK, f"{server.url} has it{room}", step


def _loads(member: Member) -> tuple[str, str, str]:
    """Whether a GGUF file is there."""
    from matrioska.models.gguf import gguf_file

    try:
        place = gguf_file(parse_name(member.model).model)
    except ModelLoadError as error:
        return MISSING, error.message, error.next_step
    return OK, f"{size(place.stat().st_size)}, mapped into memory with its first call", ""


def _fits(member: Member, machine: Machine) -> tuple[str, str, str]:
    """Whether a model that would run in this process fits into memory."""
    from matrioska.models.local.memory import Requirements, requirements

    name = parse_name(member.model)
    ask = partial(
        requirements,
        name.model,
        revision=name.revision or None,
        load_in_4bit=bool(member.options.get("load_in_4bit", True)),
        gpu=bool(machine.gpus),
    )
    need = within(_HUB_SECONDS, ask) or Requirements(name.model, note="The hub does not answer in time.")
    context = min(member.context_window or _CONTEXT, need.context or _CONTEXT)
    total = need.total(context)
    if total is None:
        return WARNING, f"what it needs is not known. {need.note}".strip(), "Check its name and the connection."
    free = max((gpu.free for gpu in machine.gpus), default=machine.memory_free)
    where = "on the GPU" if machine.gpus else "of memory"
    says = f"needs {size(total)} with {count(context, 'token')}"
    says += f" ({need.quantised})" if need.quantised else ""
    if free is None:
        return OK, says, ""
    says += f", {size(free)} {where} free"
    if total > free:
        return MISSING, says, "Choose a smaller model, or free memory."
    if importlib.util.find_spec("bitsandbytes") is None and need.quantised == "nf4":
        return MISSING, f"{says}, but bitsandbytes is missing", "pip install 'matrioska[local]'"
    return OK, f"{says}. {need.note}".strip(), ""
