"""``serve``: everything that answers, over HTTP."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matrioska.cli.main import INTERRUPTED
from matrioska.cli.place import Place, find_place
from matrioska.cli.session import run_async
from matrioska.cli.signals import AtOnce, Stopped
from matrioska.cli.text import listed, padded
from matrioska.cli.ui import Ui, use
from matrioska.i18n import N_, _, counted, figure
from matrioska.state.context import RunContext
from matrioska.state.ensemble import Topology
from matrioska.state.errors import ConfigError
from matrioska.store.fitness import FitnessBook
from matrioska.store.settings import find_member, load_settings
from matrioska.workers.embedding import embedder_of
from matrioska.workers.ensemble.learning import priors_of
from matrioska.workers.ensemble.run import Ensemble
from matrioska.workers.ensemble.topology import load_topology

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from matrioska.web.guard import Door
    from matrioska.web.queries import Queries
    from matrioska.web.runs.desk import Desk
    from matrioska.web.underway import Underway

#: Most commands to go on with that are named at the end.
_MOST_TOLD = 10
#: What the lines about the service are called.
_LABELS = (N_("models"), N_("chat"), N_("API key"), N_("programs"), N_("monitor"))


def serve_all(topology: Path | None, model: str | None, host: str, port: int, base_path: Path | None) -> int:
    """Serve until a signal comes; return the exit code."""
    ui = use(Ui())
    _check_installed()
    from matrioska.web.app import build_app
    from matrioska.web.chat.answering import open_offers
    from matrioska.web.chat.chats import Chats
    from matrioska.web.runs.desk import open_desk
    from matrioska.web.server import address_of, door_of, listen, serve

    nodes, place = _topology(topology), find_place(base_path)
    queries = _queries(nodes, place)
    door = door_of(host)

    async def body() -> int:
        with AtOnce(lambda text: ui.say(text)) as stopper, listen(host, port) as listener:
            context = RunContext(model=model) if model else None
            async with (
                open_offers(place.layout.base, nodes, model) as offers,
                open_desk(place.layout.base, context, topology=nodes) as desk,
            ):
                chats = Chats(offers)
                with _with_monitor(build_app(queries, chats, desk=desk, door=door), desk, listener, door) as (
                    app,
                    previews,
                ):
                    address = address_of(listener)
                    _say_what(ui, address, list(chats.offers), nodes, guarded=door.token is not None)
                    _say_monitor(ui, address, door.shown_token, installed=bool(previews))
                    parts: list[Underway[Any]] = (
                        [desk.drives, chats] if queries is None else [desk.drives, queries, chats]
                    )
                    try:
                        await stopper.drive(serve(app, listener, *parts, also=previews))
                    except Stopped:
                        ui.say(_("Stopped."))
                _say_how_to_go_on(ui, place, [*chats.cut_off, *desk.drives.cut_off])
            ui.stopped_said = True
        return INTERRUPTED

    return run_async(body)


@contextmanager
def _with_monitor(
    service: ASGIApp, desk: Desk, listener: socket.socket, door: Door
) -> Iterator[tuple[ASGIApp, list[tuple[ASGIApp, socket.socket]]]]:
    """Put the monitor beside the service where it is installed; yield the whole, and its previews with their socket."""
    if not _has_monitor():
        yield service, []
        return
    from matrioska.web.monitor.door import listen_beside, open_door

    host, port = listener.getsockname()[:2]
    with listen_beside(host, port) as beside:
        whole, previews = open_door(service, desk, beside, door)
        yield whole, [(previews, beside)]


def _has_monitor() -> bool:
    return find_spec("nicegui") is not None


def _topology(path: Path | None) -> Topology | None:
    """Return the ensemble's nodes; None where none are configured.

    Raises:
        ConfigError: the settings or the topology are faulty.
    """
    return load_topology(path) if path is not None or load_settings().ensemble else None


def _queries(topology: Topology | None, place: Place) -> Queries | None:
    """Return the queries of a topology, with what was learnt of its nodes; None without one."""
    from matrioska.web.queries import Queries

    if topology is None:
        return None
    book = FitnessBook(place.layout.fitness, priors_of(topology))
    return Queries(Ensemble(topology, find=find_member, fitness=book, embedder=embedder_of()), place.layout.base)


def _say_what(ui: Ui, address: str, models: Sequence[str], topology: Topology | None, *, guarded: bool) -> None:
    """Say where the service is, what it offers, how a chat client is pointed at it, and what it cannot do yet."""
    voters = counted("{n} node", "{n} nodes", len(topology.nodes)) if topology is not None else _("no ensemble yet")
    rows = [
        ("models", listed(models)),
        ("chat", _("base URL {address}").format(address=f"{address}/v1")),
        ("API key", _the_token() if guarded else _("any text will do")),
        ("programs", f"POST /query ({voters}) · /api/runs · GET /health, /openapi.json"),
    ]
    ui.say(("🪆 ", ""), _("Matrioska at"), " ", (address, "bold"), soft_wrap=True)
    for name, value in rows:
        ui.say((_label(name), "dim"), value, soft_wrap=True)
    if not any(model.startswith("matrioska-") for model in models):
        ui.say(
            ("   ! ", "yellow"), _("Questions need a model that answers: --model lmstudio:NAME, or in the settings.")
        )


def _say_monitor(ui: Ui, address: str, token: str | None, *, installed: bool) -> None:
    """Say where the monitor is, or how to get it; a token that the person chose is not shown."""
    if installed:
        from matrioska.web.monitor.door import entrance

        shown = entrance(address, token)
        ui.say((_label("monitor"), "dim"), (shown, "bold"), "" if token else f" ({_the_token()})", soft_wrap=True)
    else:
        ui.say((_label("monitor"), "dim"), "pip install 'matrioska[monitor]'", soft_wrap=True)
    ends = _("Ctrl-C ends it.")
    ui.say((f"   {ends}", "dim"))


def _label(name: str) -> str:
    return f"   {padded(name, _LABELS, 2)}"


def _the_token() -> str:
    from matrioska.web.server import TOKEN_VARIABLE

    return _("the token in {variable}").format(variable=TOKEN_VARIABLE)


def _say_how_to_go_on(ui: Ui, place: Place, threads: Sequence[str]) -> None:
    """Name the commands that go on with what the end cut off."""
    if not threads:
        return
    says = counted(
        "{n} answer cut off; what was done is saved. Go on with:",
        "{n} answers cut off; what was done is saved. Go on with:",
        len(threads),
    )
    ui.say(says)
    ui.suggest([place.command("resume", thread) for thread in threads[:_MOST_TOLD]])
    if len(threads) > _MOST_TOLD:
        more = _("and {n} more: {command}").format(
            n=figure(len(threads) - _MOST_TOLD), command=place.command("threads")
        )
        ui.say(f"  {more}")


def _check_installed() -> None:
    """Check that what serves is installed.

    Raises:
        ConfigError: it is not.
    """
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"The service needs packages that are not installed: {', '.join(missing)}.",
            next_step="Run: pip install 'matrioska[web]'.",
        )
