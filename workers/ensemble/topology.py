"""The ensemble's topology, from ``[ensemble]`` of the settings or from a file such as ``topology.json``.

Both have the same form. Nodes stand in clusters, clusters in superclusters, and nodes may stand
outside of both; each of them is a list of tables with an ``id``, or one table by id.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from matrioska.models.gguf import gguf_file
from matrioska.models.providers import EMBEDDED, provider_of
from matrioska.models.registry import parse_name
from matrioska.state.ensemble import NodeSpec, Topology
from matrioska.state.errors import ConfigError, ModelLoadError, TopologyError, UnknownModelError
from matrioska.state.text import clean_text
from matrioska.state.wording import did_you_mean
from matrioska.store.settings import config_path, find_member, load_settings

#: Bytes of a file, nodes of a topology, and faults that are told at once.
MAX_FILE, MAX_NODES, MAX_FAULTS = 1_000_000, 1_000, 20
EXAMPLE = """\
[ensemble]
synthesizer = "ollama:qwen3:14b"   # the larger model; leave it out to join answers without one

[[ensemble.nodes]]
id = "first"
model_a = "ollama:qwen3:4b"
model_b = "gguf:models/gemma-3-4b.gguf"
"""

_SUPERCLUSTER, _CLUSTER = frozenset({"id", "clusters", "nodes"}), frozenset({"id", "nodes"})
_NODE = frozenset(
    {"id", "model_a", "model_b", "tie_break", "model_a_path", "model_b_path", "tie_break_path"}
    | {"fitness", "cluster", "supercluster"}
)
_SUPERLLM = frozenset({"model_path", "model"})
_SETTINGS = frozenset({"node_timeout", "max_chunks", "synthesizer"})
_TOP = _SETTINGS | {"superllm", "superclusters", "clusters", "nodes", "direct_nodes"}


def load_topology(path: Path | None = None) -> Topology:
    """Return a topology, checked: every file that it names is there, every member is known.

    Args:
        path: a JSON file; None takes ``[ensemble]`` of the settings, or the file that its
            ``topology`` names.

    Raises:
        TopologyError: it is faulty; names every fault and where it stands.
        ConfigError: the file cannot be read, or no ensemble is configured.
    """
    if path is not None:
        return _read(_file(path), str(path), path.absolute().parent)
    given, source = load_settings().ensemble, config_path()
    folder = source.absolute().parent
    if not given:
        raise ConfigError(
            "No ensemble is configured.",
            next_step=f"Give a topology.json with --topology, or write into {source}:\n\n{EXAMPLE}",
        )
    if "topology" in given:
        named = given["topology"]
        if len(given) > 1 or not isinstance(named, str) or not named:
            raise TopologyError(f"[ensemble] of {source}", ["topology names a file, and nothing else stands beside it"])
        return load_topology(folder / Path(named).expanduser())
    return _read(given, f"[ensemble] of {source}", folder)


def _file(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        ConfigError: it cannot be read.
        TopologyError: it is too large or no JSON.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ConfigError(
            f"The topology {path} cannot be read: {error.strerror or error}.", next_step="Give the path of a JSON file."
        ) from error
    if len(content) > MAX_FILE:
        raise TopologyError(str(path), [f"it is larger than {MAX_FILE // 1_000_000} MB"], next_step="Give a topology.")
    try:
        return json.loads(content.decode("utf-8-sig"), object_pairs_hook=_table, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise TopologyError(str(path), [f"it is not JSON: {error}"]) from error


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a table; Python's reader would keep the last of two equal keys without a word."""
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one table")
    return table


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _read(given: Any, source: str, folder: Path) -> Topology:
    reader = _Reader(folder)
    topology = reader.topology(given)
    if topology is None or reader.faults:
        more = len(reader.faults) - MAX_FAULTS
        raise TopologyError(source, reader.faults[:MAX_FAULTS] + ([f"and {more} more"] if more > 0 else []))
    return topology


class _Reader:
    """Reads a topology and notes every fault with its place.

    Args:
        folder: what the paths in it are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self.faults: list[str] = []
        self._folder = folder
        self._places: dict[tuple[str, str], str] = {}
        """Where the node or cluster of an id was first named."""

    def topology(self, given: Any) -> Topology | None:
        """Return the topology; None where it is so faulty that there is none."""
        if not isinstance(given, Mapping):
            self.faults.append("it is no table")
            return None
        self._known(given, _TOP, "")
        nodes = list(self._nodes(given))
        if not nodes and not self.faults:
            self.faults.append("it has no nodes")
        fields: dict[str, Any] = {key: given[key] for key in ("node_timeout", "max_chunks") if key in given}
        fields["synthesizer"] = self._synthesizer(given)
        try:
            return Topology.model_validate({**fields, "nodes": [node for node in nodes if node is not None]})
        except ValidationError as error:
            self._noted(error, "")
            return None

    def _synthesizer(self, given: Mapping[str, Any]) -> str | None:
        superllm = given.get("superllm")
        if superllm is None:
            return self._model(given, "synthesizer", "") if given.get("synthesizer") is not None else None
        if given.get("synthesizer") is not None:
            self.faults.append("superllm and synthesizer are the same; one of them is too many")
        if not isinstance(superllm, Mapping) or len(superllm) != 1:
            self.faults.append("superllm: it is a table with one field, model_path or model")
            return None
        self._known(superllm, _SUPERLLM, "superllm")
        return self._model(superllm, "model", "superllm")

    def _nodes(self, given: Mapping[str, Any]) -> Iterator[NodeSpec | None]:
        for supercluster, place in self._tables(given.get("superclusters"), "superclusters"):
            self._known(supercluster, _SUPERCLUSTER, place)
            name = self._id(supercluster, "supercluster", place)
            yield from self._clusters(supercluster, place, name)
            yield from self._members(supercluster.get("nodes"), f"{place}.nodes", "", name)
        yield from self._clusters(given, "", "")
        for key in ("nodes", "direct_nodes"):
            yield from self._members(given.get(key), key, "", "")

    def _clusters(self, given: Mapping[str, Any], place: str, supercluster: str) -> Iterator[NodeSpec | None]:
        for cluster, at in self._tables(given.get("clusters"), f"{place}.clusters".strip(".")):
            self._known(cluster, _CLUSTER, at)
            name = self._id(cluster, "cluster", at)
            yield from self._members(cluster.get("nodes"), f"{at}.nodes", name, supercluster)

    def _members(self, given: Any, place: str, cluster: str, supercluster: str) -> Iterator[NodeSpec | None]:
        for node, at in self._tables(given, place):
            yield self._node(node, at, cluster, supercluster)

    def _tables(self, given: Any, place: str) -> Iterator[tuple[Mapping[str, Any], str]]:
        """Yield each table of a list, or of a table by id, with its place; ids are in them then."""
        if given is None:
            return
        listed: Sequence[tuple[str, Any]]
        if isinstance(given, Mapping):
            places = [f"{place}.{clean_text(key)[:80]}" for key in given]
            listed = [
                (at, self._with_id(key, table, at)) for at, (key, table) in zip(places, given.items(), strict=True)
            ]
        elif isinstance(given, list):
            listed = [(f"{place}[{number}]", table) for number, table in enumerate(given)]
        else:
            listed = [(place, given)]
        if len(listed) > MAX_NODES:
            self.faults.append(f"{place}: there are {len(listed)} entries, and {MAX_NODES} are the most")
            return
        for at, table in listed:
            if isinstance(table, Mapping):
                yield table, at
            else:
                self.faults.append(f"{at}: it is no table")

    def _with_id(self, key: str, table: Any, place: str) -> Any:
        if not isinstance(table, Mapping):
            return table
        if table.get("id", key) != key:
            self.faults.append(f"{place}: its id is {str(table['id'])[:80]!r}, and it stands under another")
        return {**table, "id": key}

    def _id(self, given: Mapping[str, Any], kind: str, place: str) -> str:
        """Return the id of a node, cluster or supercluster; '' for a fault."""
        name = given.get("id")
        if not isinstance(name, str) or not name:
            self.faults.append(f"{place}: it has no id")
            return ""
        first = self._places.setdefault((kind, name), place)
        if first != place:
            self.faults.append(f"{place}: the id {name[:80]!r} is that of {first} too")
        return name[:200]

    def _node(self, given: Mapping[str, Any], place: str, cluster: str, supercluster: str) -> NodeSpec | None:
        self._known(given, _NODE, place)
        name = self._id(given, "node", place)
        fitness = given.get("fitness", 0.5)
        if isinstance(fitness, bool) or not isinstance(fitness, int | float) or not 0 <= fitness <= 1:
            shown = f"{fitness:g}" if isinstance(fitness, float) and math.isfinite(fitness) else repr(fitness)[:40]
            self.faults.append(f"{place}: fitness is {shown}, and must be a number from 0 to 1")
            fitness = 0.5
        models = {field: self._model(given, field, place) for field in ("model_a", "model_b")}
        if any(f"tie_break{suffix}" in given for suffix in ("", "_path")):
            models["tie_break"] = self._model(given, "tie_break", place)
        if not name or "" in models.values():
            return None
        own = {key: given[key] for key in ("cluster", "supercluster") if key in given}
        try:
            return NodeSpec.model_validate(
                {"cluster": cluster, "supercluster": supercluster, **own, **models, "id": name, "fitness": fitness}
            )
        except ValidationError as error:
            self._noted(error, place)
            return None

    def _model(self, given: Mapping[str, Any], field: str, place: str) -> str:
        """Return the model that a table names in a field or in its twin with a path; '' for a fault."""
        at = f"{place}.{field}".strip(".")
        by_path = f"{field}_path"
        if field in given and by_path in given:
            self.faults.append(f"{at}: {by_path} stands beside it, and one of them is too many")
            return ""
        value = given.get(field, given.get(by_path))
        if not isinstance(value, str) or not 0 < len(value) <= 400:
            self.faults.append(f"{at}: {'it names no model' if value is None else 'it is no name of a model'}")
            return ""
        provider, colon, rest = value.partition(":")
        if provider == "gguf" and colon:
            return self._gguf(rest, at)
        if by_path in given and not (colon and len(provider) > 1 and provider_of(provider)):
            return self._gguf(value, at)
        try:
            model = find_member(value).model
            if model == EMBEDDED:
                self.faults.append(f"{at}: the embedded model answers no questions; name a real one")
                return ""
            parse_name(model)
        except (ConfigError, UnknownModelError) as error:
            self.faults.append(f"{at}: {error.message.rstrip('.')}")
            return ""
        return value

    def _gguf(self, path: str, place: str) -> str:
        try:
            return f"gguf:{gguf_file(path if path.startswith('~') else self._folder / path)}"
        except ModelLoadError as error:
            self.faults.append(f"{place}: {error.message.rstrip('.')}")
            return ""

    def _known(self, given: Mapping[str, Any], fields: frozenset[str], place: str) -> None:
        for field in given:
            if field not in fields:
                at = f"{place}: " if place else ""
                meant = did_you_mean(field, fields, 0.6)
                self.faults.append(f"{at}there is no field {field[:80]!r}{meant}")

    def _noted(self, error: ValidationError, place: str) -> None:
        for fault in error.errors(include_input=False, include_url=False):
            at = ".".join(filter(None, (place, *map(str, fault["loc"]))))
            self.faults.append(f"{at}: {fault['msg']}")
