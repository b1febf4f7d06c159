"""``serve``: the ensemble over HTTP."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from matrioska.cli.ask import open_ensemble
from matrioska.cli.main import INTERRUPTED
from matrioska.cli.session import run_async
from matrioska.cli.signals import AtOnce, Stopped
from matrioska.cli.text import count
from matrioska.cli.ui import Ui, use
from matrioska.state.errors import ConfigError
from matrioska.workers.ensemble.topology import load_topology

#: Environment variable with the token. Not an option: command lines are seen by every user of a machine.
TOKEN_VARIABLE = "MATRIOSKA_SERVE_TOKEN"  # noqa: S105 - the variable's name


def serve_ensemble(topology: Path | None, host: str, port: int, base_path: Path | None) -> int:
    """Serve until a signal comes; return the exit code."""
    ui = use(Ui())
    _check_installed()
    from matrioska.web.app import build_app
    from matrioska.web.queries import Queries
    from matrioska.web.server import address_of, check_door, listen, serve

    ensemble = open_ensemble(load_topology(topology), base_path)
    token = os.environ.get(TOKEN_VARIABLE) or None
    hosts = check_door(host, token)
    queries = Queries(ensemble)
    app = build_app(queries, hosts=hosts, token=token)

    async def body() -> int:
        with AtOnce(lambda text: ui.say(text)) as stopper, listen(host, port) as listener:
            nodes = count(len(ensemble.topology.nodes), "node")
            ui.say(("🪆 ", ""), f"{nodes} at ", (address_of(listener), "bold"), soft_wrap=True)
            ui.say(("   POST /query · GET /health, /topology, /openapi.json · Ctrl-C ends it", "dim"), soft_wrap=True)
            try:
                await stopper.drive(serve(app, queries, listener))
            except Stopped:
                ui.say("Stopped.")
            ui.stopped_said = True
        return INTERRUPTED

    return run_async(body)


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
