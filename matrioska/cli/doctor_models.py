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
from matrioska.cli.text import line, listed, size
from matrioska.i18n import N_, _, counted, figure, told
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

_GROUP = N_("Models that your settings name")
#: Seconds that the hub may take to tell the size of a model that is not here yet.
_HUB_SECONDS = 12.0
#: Tokens of context that a model's need is told for.
_CONTEXT = 8192
#: Models of a server that are named.
_MOST_MODELS = 12
_START = {
    "lmstudio": N_("Start its server: in LM Studio, under Developer, or with `lms server start`."),
    "ollama": N_("Start it with `ollama serve`."),
    "llamacpp": N_("Start it with `llama-server -m MODEL.gguf --port 8080`."),
    "vllm": N_("Start it with `vllm serve MODEL`."),
}
_START_IT = N_("Start the server.")
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
        note(options.model, _("every other role") if options.roles else _("every role"))
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
            use = _("instead of {model}").format(model=before) if found[name].uses else ""
            note(fallback, use if fallback not in found or use not in found[fallback].uses else "")
            before = fallback
    return list(found.values())


def key_checks(named: list[Named]) -> Iterator[Check]:
    """Name the keys that are there, and what they are good for."""
    group, none = N_("Keys"), True
    own = {found.member.api_key_env: found.name for found in named if found.member.api_key_env}
    for name, provider in providers().items():
        for key in provider.keys:
            if os.environ.get(key):
                none = False
                missing = "" if not provider.missing else provider.install
                detail = _("for {name}:…, whose package is not installed") if missing else _("for {name}:…")
                yield Check(key, WARNING if missing else OK, detail.format(name=name), missing, group)
    for key, member in own.items():
        if os.environ.get(key):
            none = False
            yield Check(key, OK, _("for the member {name}").format(name=member), group=group)
    if none:
        none_yet = _("none for a hosted model")
        yield Check(_("keys"), OPTIONAL, none_yet, _("Put one into the environment or into .env."), group)


def machine_checks(machine: Machine) -> Iterator[Check]:
    """Tell what a model in this process could use."""
    group = N_("This machine")
    for gpu in machine.gpus:
        room = _("{name}: {free} free of {total}")
        room = room.format(name=gpu.name, free=size(gpu.free), total=size(gpu.total))
        yield Check("GPU", OK, room, group=group)
    for gpu in machine.unused:
        step = _("Install a torch with CUDA: see https://pytorch.org/get-started.")
        unused = _("{name} is there, but torch {version} cannot use it").format(name=gpu.name, version=machine.torch)
        yield Check("GPU", WARNING, unused, step, group)
    if machine.apple:
        yield Check("GPU", OK, _("Apple's, by torch"), group=group)
    if not (machine.gpus or machine.unused or machine.apple):
        slow = _("none: models in this process would be slow; servers are not concerned")
        yield Check("GPU", OPTIONAL, slow, "", group)
    if machine.memory_free is not None:
        yield Check(_("memory"), OK, _("{size} free").format(size=size(machine.memory_free)), group=group)


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
        group, title = N_("Servers of models"), _TITLES.get(server.provider, server.provider)
        if not server.answers:
            silent = f"{server.url}: {line(told(server.fault), 120)}"
            step = _(_START[server.provider]) if server.provider in _START else ""
            yield Check(title, OPTIONAL, silent, step, group)
            continue
        rows = [server.url, *(_model_line(server, model) for model in server.models[:_MOST_MODELS])]
        if (more := len(server.models) - _MOST_MODELS) > 0:
            rows.append(_("… and {number} more").format(number=figure(more)))
        yield Check(title, OK, "\n".join(rows), group=group)


def _model_line(server: Server, model: ServedModel) -> str:
    about = [room] if (room := _room(model)) else []
    about += [_("loaded")] if model.loaded else []
    return f"  {server.provider}:{line(model.name, 100)}" + (f" ({', '.join(about)})" if about else "")


def _room(model: ServedModel) -> str:
    """Return the context that a model has, in words; '' where its server does not say."""
    if not model.context:
        return ""
    # Of a model that is not in memory, servers tell what it could take.
    tokens = counted("{n} token", "{n} tokens", model.context)
    return _("up to {tokens}").format(tokens=tokens) if model.loaded is False else tokens


def _model_check(found: Named, servers: list[Server], machine: Machine) -> Check:
    """Tell whether a model can be used, and else what to do."""
    name = _("model {name}").format(name=line(found.name, 60))
    uses = _("for {uses}").format(uses=listed(found.uses)) if found.uses else _("for no role")
    model = f"{line(found.member.model, 100)} " if found.member.model != found.name else ""
    try:
        check_member(found.member)
    except MatrioskaError as error:
        state = MISSING if found.uses else OPTIONAL
        return Check(name, state, f"{model}{uses}: {told(error.message)}", told(error.next_step), _GROUP)
    state, detail, step = _usable(found.member, servers, machine)
    if state == MISSING and not found.uses:
        state = OPTIONAL
    return Check(name, state, f"{model}{uses}: {detail}", step, _GROUP)


def _usable(member: Member, servers: list[Server], machine: Machine) -> tuple[str, str, str]:
    provider = parse_name(member.model).provider
    if provider == EMBEDDED:
        return OK, _("rule-based, always there"), ""
    if provider == "huggingface":
        return _fits(member, machine)
    if provider == "gguf":
        return _loads(member)
    place = _place(member)
    server = next((found for found in servers if (found.provider, found.url) == place), None)
    if server is None:
        return OK, _("package and key are there (not asked: a hosted model costs)"), ""
    return _served(member, server)


def _served(member: Member, server: Server) -> tuple[str, str, str]:
    """Whether a server has a member's model."""
    model = parse_name(member.model).model
    if not server.answers:
        silent = _("no answer from {url}: {why}").format(url=server.url, why=line(told(server.fault), 120))
        return MISSING, silent, _(_START.get(server.provider, _START_IT))
    served = server.find(model)
    if served is None and server.provider == "llamacpp" and len(server.models) == 1:
        # It has one model, and answers with it whatever name it is asked for.
        served = server.models[0]
    if served is None:
        offers = listed([found.name for found in server.models], 5) or _("nothing")
        lacking = _("{url} does not have it, but {offers}").format(url=server.url, offers=offers)
        load = _("Load it there, or name one that is there.")
        return MISSING, lacking, f"`ollama pull {model}`" if server.provider == "ollama" else load
    return _with_window(member.context_window, server, served)


def _with_window(window: int | None, server: Server, served: ServedModel) -> tuple[str, str, str]:
    """Whether a model is served with the context that its member asks for."""
    there = _("{url} has it").format(url=server.url)
    if server.provider == "ollama" and window is None:
        return WARNING, there, _("Set context_window: Ollama cuts what is longer than its own default without a word.")
    if window and served.context and window > served.context and server.provider != "ollama":
        step = _("Load it with a larger context, or set context_window = {tokens}.").format(tokens=served.context)
        less = _("{url} has it with {served} tokens, not {wanted}")
        return WARNING, less.format(url=server.url, served=figure(served.context), wanted=figure(window)), step
    if not served.context:
        return OK, there, ""
    step = _("Set context_window = {tokens}, or less, to fit prompts to it.").format(tokens=served.context)
    return OK, f"{there}, {_room(served)}", "" if window else step


def _loads(member: Member) -> tuple[str, str, str]:
    """Whether a GGUF file is there."""
    from matrioska.models.gguf import gguf_file

    try:
        place = gguf_file(parse_name(member.model).model)
    except ModelLoadError as error:
        return MISSING, told(error.message), told(error.next_step)
    return OK, _("{size}, mapped into memory with its first call").format(size=size(place.stat().st_size)), ""


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
    need = within(_HUB_SECONDS, ask) or Requirements(name.model, note=N_("The hub does not answer in time."))
    context = min(member.context_window or _CONTEXT, need.context or _CONTEXT)
    total = need.total(context)
    if total is None:
        unknown = _("what it needs is not known.")
        return WARNING, f"{unknown} {told(need.note)}".strip(), _("Check its name and the connection.")
    free = max((gpu.free for gpu in machine.gpus), default=machine.memory_free)
    tokens = counted("{n} token", "{n} tokens", context)
    says = _("needs {size} with {tokens}").format(size=size(total), tokens=tokens)
    says += f" ({need.quantised})" if need.quantised else ""
    if free is None:
        return OK, says, ""
    free_there = _("{size} on the GPU free") if machine.gpus else _("{size} of memory free")
    says += f", {free_there.format(size=size(free))}"
    if total > free:
        return MISSING, says, _("Choose a smaller model, or free memory.")
    if importlib.util.find_spec("bitsandbytes") is None and need.quantised == "nf4":
        return MISSING, _("{needs}, but bitsandbytes is missing").format(needs=says), "pip install 'matrioska[local]'"
    return OK, f"{says}. {told(need.note)}".strip(), ""
