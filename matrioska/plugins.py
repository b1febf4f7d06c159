"""Which plugins are installed, what each brings, and what of it cannot be used.

A stranger's code may fail in any way. Whatever fails is left out alone, named in the log and in
`matrioska plugins`, and nothing else is touched by it. A name that is built in stays what it is.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

import pluggy

from matrioska.hooks import PROJECT, Hooks
from matrioska.state.text import clean_text

LOGGER = "matrioska.plugins"
_log = logging.getLogger(LOGGER)

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
#: Characters of an error that are told.
_REASON = 300
#: What a stranger's code may raise: a module that ends the program when it is imported is a broken plugin, too.
FAILURES = (Exception, SystemExit)

T = TypeVar("T")


@dataclass
class Plugin:
    """An installed plugin."""

    name: str
    """Name of its entry point."""
    package: str = ""
    """The package that it came with; '' when nobody says."""
    version: str = ""
    """The package's version."""
    brings: dict[str, list[str]] = field(default_factory=dict)
    """Names of what can be used of it, by hook."""
    faults: list[str] = field(default_factory=list)
    """What of it cannot be used, and why."""


@dataclass
class _Loaded:
    """The plugins of this process."""

    manager: pluggy.PluginManager
    plugins: list[Plugin]
    found: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """What all of them bring together with what is built in, by hook."""


_lock = threading.RLock()
_loaded: _Loaded | None = None


class Kind(Generic[T]):
    """One kind of thing that plugins bring.

    Args:
        hook: name of the hook.
        built_in: object with an implementation of that hook, for what comes with Matrioska.
        fault: returns what is wrong with one such thing, as the end of a sentence; '' when it can be used.
        reserved: names that mean something else and are built in as well.
    """

    def __init__(
        self, hook: str, built_in: object, fault: Callable[[Any], str], reserved: Collection[str] = ()
    ) -> None:
        self.hook = hook
        self.fault = fault
        self.reserved = reserved
        manager = _manager()
        manager.register(built_in)
        (given,) = getattr(manager.hook, hook)()
        self.built_in = cast(Mapping[str, T], MappingProxyType(dict(given)))

    def all(self) -> Mapping[str, T]:
        """Return everything of this kind by name, what is built in first."""
        with _lock:
            loaded = _load()
            if self.hook not in loaded.found:
                loaded.found[self.hook] = MappingProxyType({**self.built_in, **_brought(loaded, self)})
            return cast(Mapping[str, T], loaded.found[self.hook])

    def get(self, name: str) -> T | None:
        """Return one by name; None without. No plugin is loaded for what is built in."""
        return self.built_in[name] if name in self.built_in else self.all().get(name)


def installed(kinds: Sequence[Kind[Any]]) -> list[Plugin]:
    """Return every plugin with what it brings of these kinds, and what of it cannot be used."""
    with _lock:
        for kind in kinds:
            kind.all()
        return list(_load().plugins)


@contextmanager
def plugged(plugin: object, name: str = "plugged") -> Iterator[Plugin]:
    """Have one plugin for a while, and none of those that are installed: for tests of plugins.

    Args:
        plugin: module or object with hook implementations.
        name: what its entry point would be called.
    """
    global _loaded
    found = Plugin(name)
    with _lock:
        before, _loaded = _loaded, _Loaded(_manager(), [found])
        _register(_loaded.manager, found, plugin)
    try:
        yield found
    finally:
        with _lock:
            _loaded = before


def forget() -> None:
    """Forget which plugins are installed; they are looked for again when next asked for."""
    global _loaded
    with _lock:
        _loaded = None


def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    return manager


def _load() -> _Loaded:
    global _loaded
    if _loaded is None:
        # In place before the first is loaded: a plugin that asks what there is while it is imported finds what
        # was loaded before it, and no endless loop.
        _loaded = _Loaded(_manager(), [])
        try:
            _load_into(_loaded)
        except BaseException:
            # Ctrl-C, say: who goes on in this process must not miss the plugins that were yet to come.
            _loaded = None
            raise
        _loaded.found.clear()
    return _loaded


def _load_into(loaded: _Loaded) -> None:
    for point in sorted(entry_points(group=PROJECT), key=lambda point: (_package(point), point.name)):
        plugin = Plugin(point.name, *_package(point))
        loaded.plugins.append(plugin)
        try:
            found = point.load()
        except FAILURES as error:
            _leave_out(plugin, reason_of(error))
        else:
            _register(loaded.manager, plugin, found)


def _package(point: EntryPoint) -> tuple[str, str]:
    """Return name and version of an entry point's package; '' and '' when nobody says."""
    try:
        return (point.dist.name or "", point.dist.version or "") if point.dist is not None else ("", "")
    except FAILURES:
        # Half of an uninstalled package may still be there.
        return "", ""


def _register(manager: pluggy.PluginManager, plugin: Plugin, found: object) -> None:
    """Register what an entry point names, and say what is wrong with it."""
    if manager.has_plugin(plugin.name):
        _leave_out(plugin, "another plugin has this name")
        return
    try:
        registered = manager.register(found, name=plugin.name)
        callers = [caller.name for caller in manager.get_hookcallers(found) or []] if registered else []
    except FAILURES as error:
        manager.unregister(name=plugin.name)
        _leave_out(plugin, reason_of(error))
        return
    if not callers:
        manager.unregister(name=plugin.name)
        _leave_out(plugin, "it implements no hook")
    for name in callers:
        if not hasattr(Hooks, name):
            _fault(plugin, f"{name}: there is no such hook")


def _brought(loaded: _Loaded, kind: Kind[T]) -> dict[str, T]:
    """Return what the plugins bring of a kind. Of two with one name the first package by name has it."""
    found: dict[str, T] = {}
    owners: dict[str, str] = dict.fromkeys([*kind.built_in, *kind.reserved], "")
    implementations = {one.plugin_name: one for one in getattr(loaded.manager.hook, kind.hook).get_hookimpls()}
    # One by one and in our own order, not by pluggy's call: a single plugin that raises would end that
    # for all, and one that asks to be called first would have every name.
    for plugin in list(loaded.plugins):
        plugin.brings.pop(kind.hook, None)
        if plugin.name not in implementations:
            continue
        given = _given(plugin, kind.hook, implementations.pop(plugin.name).function)
        for name, thing in given.items():
            if fault := _unusable(kind, name, thing, owners):
                shown = clean_text(name)[:60] if isinstance(name, str) else type(name).__name__
                _fault(plugin, f"{kind.hook}: {shown!r} {fault}")
                continue
            found[name], owners[name] = thing, plugin.name
            plugin.brings.setdefault(kind.hook, []).append(name)
    return found


def _given(plugin: Plugin, hook: str, function: Callable[[], Any]) -> dict[Any, Any]:
    """Return what an implementation of a hook gives; nothing when it fails."""
    try:
        given = function()
        if isinstance(given, Mapping):
            return dict(given)
        _fault(plugin, f"{hook}: it returned a {type(given).__name__}, not a mapping of names")
    except FAILURES as error:
        _fault(plugin, f"{hook}: {reason_of(error)}")
    return {}


def _unusable(kind: Kind[Any], name: Any, thing: Any, owners: Mapping[str, str]) -> str:
    """Return why a thing that a plugin brings cannot be used; '' when it can."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "is no name: use a-z, 0-9, '_' and '-', at most 32 characters, a letter first"
    if name in owners:
        return f"is the name of one in the plugin {owners[name]!r}" if owners[name] else "is built in"
    if isinstance(thing, type):
        return f"is the class {thing.__name__}: give an object of it"
    try:
        return kind.fault(thing)
    except FAILURES as error:
        return f"cannot be looked at: {reason_of(error)}"


def reason_of(error: BaseException) -> str:
    """Return what a plugin raised, in short and on one line."""
    try:
        told = " ".join(clean_text(str(error)).split())
    except FAILURES:
        told = "it cannot say why"
    return f"{type(error).__name__}: {told}"[:_REASON]


def _leave_out(plugin: Plugin, reason: str) -> None:
    plugin.faults.append(reason)
    _log.warning("The plugin %s is left out: %s", plugin.name, reason)


def _fault(plugin: Plugin, reason: str) -> None:
    if reason not in plugin.faults:
        plugin.faults.append(reason)
        _log.warning("Of the plugin %s something is left out: %s", plugin.name, reason)
