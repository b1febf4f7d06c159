"""``plugins``: what is installed besides, what each brings, and what of it cannot be used."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.text import Text

from matrioska.cli.main import COMPLETE
from matrioska.cli.text import line, listed, padded
from matrioska.cli.ui import Ui, use
from matrioska.i18n import N_, _, told
from matrioska.models.providers import PROVIDERS
from matrioska.nodes.adapters.registry import ADAPTERS
from matrioska.nodes.checks.registry import CHECKS
from matrioska.plugins import LOGGER, Kind, Plugin, installed
from matrioska.prompts.render import TEMPLATES
from matrioska.store.exporters.registry import EXPORTERS
from matrioska.workers.plugins import WORKERS

_KINDS: dict[str, Kind[Any]] = {
    N_("workers"): WORKERS,
    N_("models"): PROVIDERS,
    N_("adapters"): ADAPTERS,
    N_("checks"): CHECKS,
    N_("exporters"): EXPORTERS,
    N_("prompts"): TEMPLATES,
}
#: Names that are shown of a kind.
_SHOWN = 40


def list_plugins(*, as_json: bool) -> int:
    """List the plugins, and what is built in. A broken one is no failure of this command."""
    ui = use(Ui(json=as_json))
    with _silent():
        plugins = installed(list(_KINDS.values()))
    built_in = {name: sorted(kind.built_in) for name, kind in _KINDS.items()}
    if as_json:
        ui.emit_json({"plugins": [_as_json(plugin) for plugin in plugins], "built_in": built_in})
        return COMPLETE
    for plugin in plugins:
        _show(ui, plugin)
    ui.out.print(Text(_("built in"), "bold"))
    _show_names(ui, built_in)
    if not plugins:
        ui.say("\n", _("No plugin is installed. docs/plugins.md says how to write one."))
    return COMPLETE


@contextmanager
def _silent() -> Iterator[None]:
    """Keep broken plugins out of the log: they are about to be listed."""
    logger = logging.getLogger(LOGGER)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _brings(plugin: Plugin) -> dict[str, list[str]]:
    found = {name: plugin.brings.get(kind.hook, []) for name, kind in _KINDS.items()}
    return {name: sorted(names) for name, names in found.items() if names}


def _as_json(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "package": plugin.package,
        "version": plugin.version,
        "brings": _brings(plugin),
        "faults": plugin.faults,
    }


def _show(ui: Ui, plugin: Plugin) -> None:
    origin = f"{plugin.package} {plugin.version}".strip()
    ui.out.print(Text.assemble((line(plugin.name, 64), "bold"), (f"  {line(origin)}", "dim")))
    _show_names(ui, _brings(plugin))
    for fault in plugin.faults:
        ui.out.print(Text(f"  ✗ {line(told(fault), 400)}", "red"), soft_wrap=True)
    ui.out.print()


def _show_names(ui: Ui, brings: dict[str, list[str]]) -> None:
    for kind, names in brings.items():
        ui.out.print(Text.assemble((f"  {padded(kind, _KINDS)}", "dim"), listed(names, _SHOWN)), soft_wrap=True)
