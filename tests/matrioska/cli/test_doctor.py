"""doctor and init: what is there, what is not, and a settings file that says everything."""

from __future__ import annotations

import json
import os
import re
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from matrioska.cli import machine
from matrioska.cli.init import SETTINGS_TEXT
from matrioska.cli.machine import Gpu, Machine
from matrioska.models.registry import check_member, make_model
from matrioska.state.cascade import MindTree
from matrioska.state.context import ROLES, RunOptions
from matrioska.state.ensemble import Topology
from matrioska.state.members import Member
from matrioska.store.journal import Asked, open_journal
from matrioska.store.layout import Layout
from matrioska.store.settings import Settings, load_members, resolve_options
from matrioska.workers.ensemble.topology import load_topology
from tests.protocols import ModelServer, ollama_app, openai_app, serving
from tests.support import Author, chain


@pytest.mark.parametrize(
    ("settings", "name", "state", "says"),
    [
        ('embedder = "openai:text-embedding-3-small@http://127.0.0.1:9/v1"', "embedder", "ok", "ranks what projects"),
        ('embedder = "huggingface:/nowhere"', "embedder", "missing", "no folder"),
        ('[[ensemble.nodes]]\nid = "n"\nmodel_a = "ollama:a"\nmodel_b = "ollama:b"', "ensemble", "ok", "1 node"),
        ('[[ensemble.nodes]]\nid = "n"\nmodel_a = "ollama:a"', "ensemble", "missing", "nodes[0].model_b"),
    ],
)
def test_the_embedder_and_the_ensemble_are_looked_at(
    cli, tmp_path: Path, settings: str, name: str, state: str, says: str
) -> None:
    (tmp_path / "matrioska.toml").write_text(settings)
    found = _checks(cli)[name]
    assert (found["state"], bool(found["next_step"])) == (state, state == "missing")
    assert says in found["detail"]


@pytest.mark.parametrize(
    ("settings", "state", "says"),
    [
        ("", "optional", "The embedded model answers no questions"),
        ('model = "lmstudio:m"', "ok", "6 minds: Atlas, Nova, Echo, Pixel, Sage, Quantum"),
        ('model = "lmstudio:m"\n[[cascade.minds]]\nid = "a"\nparent = "b"', "missing", "The tree of minds"),
    ],
)
def test_who_would_think_about_a_question_is_told(cli, tmp_path: Path, settings: str, state: str, says: str) -> None:
    (tmp_path / "matrioska.toml").write_text(settings)
    found = _checks(cli)["cascade"]
    assert (found["state"], bool(found["next_step"])) == (state, state != "ok")
    assert says in found["detail"]


def test_a_mind_whose_model_is_not_served_is_told(
    cli, servers: dict[str, ModelServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMSTUDIO_BASE_URL", f"{servers['lmstudio'].url}/v1")
    (tmp_path / "matrioska.toml").write_text(
        'model = "lmstudio:coder"\n[[cascade.minds]]\nid = "top"\n'
        '[[cascade.minds]]\nid = "echo"\nparent = "top"\nmodel = "lmstudio:gone"\n'
    )
    found = _checks(cli)["model lmstudio:gone"]
    assert found["state"] == "missing"
    assert found["detail"].startswith("for Echo: ")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the place of a ``.env``; what is taken from it is forgotten after the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    return tmp_path / ".env"


def _checks(cli, *arguments: str) -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in cli("doctor", "--json", *arguments).json["checks"]}


def test_a_healthy_place(cli, tmp_path: Path) -> None:
    ended = cli("doctor")
    assert ended.code == 0
    assert "Everything that is needed is there." in ended.err
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"
    found = _checks(cli)
    assert found["database"]["state"] == "optional"
    assert set(found) > {"Python", "SQLite", "langgraph", "settings", "base path", "extra local", "model embedded"}
    assert set(found) > {"LM Studio", "Ollama", "llama.cpp", "vLLM", "GPU", "memory", "keys"}


def test_every_extra_is_looked_for(cli) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {f"extra {name}" for name in project["optional-dependencies"]} - set(_checks(cli)) == {"extra dev"}


def test_a_database_with_runs(cli) -> None:
    cli("run", "-t", "one", "Build a shop", author=Author(chain(2)))
    found = _checks(cli)["database"]
    assert (found["state"], found["detail"], found["next_step"]) == ("ok", "healthy, 1 run", "")


def test_a_gguf_file_is_looked_for(cli, tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text(
        'model = "there"\n[members.there]\nmodel = "gguf:there.gguf"\nfallback = "gone"\n'
        '[members.gone]\nmodel = "gguf:gone.gguf"\n'
    )
    (tmp_path / "there.gguf").write_bytes(b"GGUF" + b"\0" * 2_000_000)
    found = _checks(cli)
    assert found["model there"]["state"] == "ok"
    assert "mapped into memory" in found["model there"]["detail"]
    assert found["model gone"]["state"] == "missing"
    assert "there is no such file" in found["model gone"]["detail"]


@pytest.mark.parametrize("content", [b"", b"no database" * 100])
def test_a_broken_database(cli, content: bytes) -> None:
    place = Path("matrioska_checkpoints/matrioska.sqlite")
    place.parent.mkdir()
    place.write_bytes(content)
    assert cli("doctor").code == 1
    assert _checks(cli)["database"]["state"] == "missing"
    assert _checks(cli)["database"]["next_step"]


def test_a_base_path_that_cannot_be_written(cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file/below", "/proc/nowhere"):
        assert _checks(cli, "--base-path", place)["base path"]["state"] == "missing"


def test_keys_are_named_and_never_shown(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _checks(cli)["keys"]["state"] == "optional"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("VLLM_BASE_URL", "http://me:very-secret@127.0.0.1:9/v1")
    assert _checks(cli)["OPENAI_API_KEY"] | {"group": ""} == {
        "name": "OPENAI_API_KEY",
        "state": "ok",
        "detail": "for openai:…",
        "next_step": "",
        "group": "",
    }
    shown, told = cli("doctor"), cli("doctor", "--json")
    assert "OPENAI_API_KEY" in shown.out
    assert "very-secret" not in shown.out + shown.err + told.out + told.err


def test_a_key_without_its_package(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRAL_API_KEY", "sk-mistral")
    found = _checks(cli)["MISTRAL_API_KEY"]
    assert (found["state"], found["next_step"]) == ("warning", "pip install langchain-mistralai")


@pytest.mark.parametrize(("mode", "state"), [(0o644, "warning"), (0o600, "ok")])
def test_a_file_of_keys_that_others_can_read(cli, kept: Path, mode: int, state: str) -> None:
    kept.write_text("ANTHROPIC_API_KEY=sk-very-secret\n")
    kept.chmod(mode)
    found = _checks(cli)
    assert (found[".env"]["state"], found["ANTHROPIC_API_KEY"]["state"]) == (state, "ok")
    assert "very-secret" not in cli("doctor").out


def test_faulty_settings(cli, tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text("slots = [")
    assert cli("doctor").code == 1
    assert "not valid TOML" in _checks(cli)["settings"]["detail"]
    (tmp_path / "matrioska.toml").write_text("[members.a]\nmodel = 'embedded'\nfallback = 'b'")
    assert "falls back to 'b', which is no member, line 3" in _checks(cli)["settings"]["detail"]


# -- models ------------------------------------------------------------------------------------


@pytest.fixture
def servers() -> Iterator[dict[str, ModelServer]]:
    """Start one server of each kind, each with one model."""
    listed = {"name": "qwen3:latest", "model": "qwen3:latest"}
    ollama = {"/api/ps": {"models": []}, "/api/show": {"model_info": {"qwen3.context_length": 40960}}}
    lmstudio = {"/api/v0/models": {"data": [{"id": "coder", "state": "loaded", "loaded_context_length": 4096}]}}
    with (
        serving(ollama_app, ModelServer(unasked, [listed], ollama)) as one,
        serving(openai_app, ModelServer(unasked, [{"id": "coder"}], lmstudio)) as two,
        serving(openai_app, ModelServer(unasked, [{"id": "/models/tiny.gguf"}])) as three,
    ):
        yield {"ollama": one, "lmstudio": two, "llamacpp": three}


def unasked(*_: str) -> str:
    raise AssertionError("a look costs no answer")


def test_each_model_of_the_settings_is_usable_or_says_what_is_missing(
    cli, servers: dict[str, ModelServer], tmp_path: Path
) -> None:
    (tmp_path / "matrioska.toml").write_text(
        f"""
        [roles]
        architect = "hosted"
        worker = "tags"
        critic = "absent"
        assembler = "window"
        [members]
        hosted = {{ model = "anthropic:claude-sonnet-4-5", fallback = "window" }}
        tags = {{ model = "ollama:qwen3", base_url = "{servers["ollama"].url}" }}
        absent = {{ model = "ollama:nobody", base_url = "{servers["ollama"].url}" }}
        window = {{ model = "lmstudio:coder@{servers["lmstudio"].url}/v1", context_window = 9000 }}
        any = {{ model = "llamacpp:whatever", base_url = "{servers["llamacpp"].url}/v1" }}
        down = {{ model = "vllm:x@http://127.0.0.1:9/v1" }}
        """
    )
    ended = cli("doctor", "--json")
    assert ended.code == 1
    found = {check["name"].removeprefix("model "): check for check in ended.json["checks"]}
    states = {name: found[name]["state"] for name in ("hosted", "tags", "absent", "window", "any", "down", "embedded")}
    assert states == {
        "hosted": "missing",
        "tags": "warning",
        "absent": "missing",
        "window": "warning",
        "any": "ok",
        "down": "optional",
        "embedded": "ok",
    }
    assert "for architect" in found["hosted"]["detail"]
    assert "ANTHROPIC_API_KEY" in found["hosted"]["next_step"]
    assert "context_window" in found["tags"]["next_step"]
    assert "but qwen3:latest" in found["absent"]["detail"]
    assert found["absent"]["next_step"] == "`ollama pull nobody`"
    assert "for assembler, instead of hosted: " in found["window"]["detail"]
    assert "4,096 tokens, not 9,000" in found["window"]["detail"]
    assert "for no role: no answer from http://127.0.0.1:9/v1: nothing listens" in found["down"]["detail"]
    listed = {server["url"]: server["models"] for server in ended.json["servers"]}
    assert listed[servers["ollama"].url] == [{"name": "qwen3:latest", "context": 40960, "loaded": False}]


def test_it_fits_a_narrow_terminal(
    cli, servers: dict[str, ModelServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LMSTUDIO_BASE_URL", f"{servers['lmstudio'].url}/v1")
    (tmp_path / "matrioska.toml").write_text("model = 'lmstudio:" + "long-name-" * 12 + "'")
    ended = cli("doctor")
    assert ended.code == 1
    assert "lmstudio:coder (4,096 tokens, loaded)" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


def test_a_model_of_this_process_that_nobody_knows(cli, tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text("model = 'huggingface:nobody/nothing'")
    found = _checks(cli)
    assert found["model huggingface:nobody/nothing"]["state"] == "warning"
    assert "not known" in found["model huggingface:nobody/nothing"]["detail"]
    assert {"GPU", "memory"} <= set(found)


@pytest.mark.parametrize(("free", "state"), [(1_000_000_000, "ok"), (100_000, "missing"), (None, "ok")])
def test_a_model_of_this_process_is_held_against_the_memory(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int | None, state: str
) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 512}
    (folder / "config.json").write_text(json.dumps({"model_type": "mistral", **shape}))
    save_file({"model.layers.0.mlp.up_proj.weight": numpy.zeros((256, 64), "float32")}, folder / "model.safetensors")
    monkeypatch.setattr("matrioska.cli.doctor_models.look_at_machine", lambda: Machine(memory_free=free))
    (tmp_path / "matrioska.toml").write_text(f"model = 'huggingface:{folder}'")
    found = next(check for name, check in _checks(cli).items() if name.startswith("model hugging"))
    assert found["state"] == state
    assert "for every role: needs " in found["detail"]
    assert "with 512 tokens (nf4)" in found["detail"]
    assert ("of memory free" in found["detail"]) is (free is not None)


# -- this machine ------------------------------------------------------------------------------


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the program that tells of NVIDIA's GPUs; it tells of one."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 140000, 143771'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


H200 = Gpu("NVIDIA H200", 140_000 * 1024**2, 143_771 * 1024**2)


@pytest.mark.parametrize(
    ("torch", "told", "gpus", "unused"),
    [
        ("2.13.0", '{"gpus": [["H200", 5, 9]], "mps": false}', (Gpu("H200", 5, 9),), ()),
        ("2.13.0", '{"gpus": [], "mps": false}', (), (H200,)),
        ("2.13.0", "Segmentation fault", (), (H200,)),
        ("2.13.0+cpu", '{"gpus": [["H200", 5, 9]], "mps": false}', (), (H200,)),
        ("", "", (H200,), ()),
    ],
)
def test_gpus_are_those_that_torch_can_use(
    driver: Path, monkeypatch: pytest.MonkeyPatch, torch: str, told: str, gpus: tuple[Gpu], unused: tuple[Gpu]
) -> None:
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: object() if torch else None)
    monkeypatch.setattr(machine, "version", lambda package: torch)
    monkeypatch.setattr(machine, "_ASK_TORCH", f"print({told!r})")
    found = machine.look_at_machine()
    assert (found.gpus, found.unused, found.torch) == (gpus, unused, torch)
    assert found.memory_free is not None
    assert found.memory_free > 0


@pytest.mark.parametrize("script", ["exit 9", "echo 'No devices were found'", "echo 'a, b, [N/A]'"])
def test_a_driver_that_tells_nothing(driver: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    driver.write_text(f"#!/bin/sh\n{script}\n")
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    assert machine.look_at_machine().gpus == ()


def test_what_takes_too_long_is_not_waited_for() -> None:
    assert machine.within(5.0, lambda: 7) == 7
    assert machine.within(0.01, threading.Event().wait) is None


# -- init --------------------------------------------------------------------------------------


def _uncommented(text: str) -> str:
    return re.sub(r"^# (?=\w+ = |\[+\w)", "", text, flags=re.MULTILINE)


def test_the_settings_file_holds_every_setting_with_its_default() -> None:
    told = tomllib.loads(_uncommented(SETTINGS_TEXT))
    assert set(told) == set(Settings.model_fields)
    assert set(told.pop("roles")) == set(ROLES)
    fields = {field for table in told.pop("members").values() for field in table}
    assert fields == set(Member.model_fields)
    assert set(told.pop("ensemble")) == set(Topology.model_fields)
    assert set(told.pop("cascade")) == set(MindTree.model_fields)
    assert told.pop("journal").startswith("postgresql://")
    defaults = RunOptions().model_dump()
    for name, value in told.items():
        # Some have no fixed default: the file shows an example and says so.
        assert value == defaults[name] or defaults[name] is None


def test_init_writes_a_file_that_changes_nothing_until_it_is_edited(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = resolve_options(None)
    ended = cli("init")
    assert ended.code == 0
    path = tmp_path / "matrioska.toml"
    assert str(path) in ended.out
    assert resolve_options(None) == before
    path.write_text(_uncommented(path.read_text()))
    options = resolve_options(None)
    assert (options.language, options.token_budget) == ("en", 8000)
    assert set(options.roles) == set(ROLES)
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "FARM_API_KEY", "EXAMPLE_API_KEY"):
        monkeypatch.setenv(name, "sk-test")
    for member in load_members().values():
        check_member(member)
        make_model(member)
    assert [node.id for node in load_topology().nodes] == ["first", "second"]


def test_init_refuses_to_overwrite(cli, tmp_path: Path) -> None:
    path = tmp_path / "matrioska.toml"
    path.write_text("# mine")
    refused = cli("init")
    assert refused.code == 2
    assert "matrioska init --force" in refused.err
    assert path.read_text() == "# mine"
    assert cli("init", "--force").code == 0
    assert path.read_text() == SETTINGS_TEXT


def test_init_where_nothing_can_be_written(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MATRIOSKA_CONFIG", "file/matrioska.toml")
    ended = cli("init")
    assert ended.code == 1
    assert "Cannot write to" in ended.err


def test_the_journal_is_told(cli, tmp_path: Path) -> None:
    assert _checks(cli)["journal"]["state"] == "optional"
    assert not Layout.at(tmp_path).journal.exists()
    Layout.at(tmp_path).prepare()
    journal = open_journal(tmp_path)
    with journal.scope("c", "s", graph="cascade", turn="t", root=Asked("Why?")) as scope:
        scope.note("response", "So.")
    found = _checks(cli)["journal"]
    assert found["state"] == "ok"
    assert f"{Layout.at(tmp_path).journal}: 1 conversation, " in found["detail"]
    journal.close()


def test_what_the_journal_has_not_taken_is_told(cli, tmp_path: Path) -> None:
    place = Layout.at(tmp_path).prepare().journal
    place.write_bytes(b"no database at all" * 100)
    journal = open_journal(tmp_path)
    with journal.scope("c", "s", graph="cascade", turn="t", root=Asked("Why?")) as scope:
        scope.note("response", "So.")
    journal.close()
    found = [check for check in cli("doctor", "--json").json["checks"] if check["name"] == "journal"]
    assert [check["state"] for check in found] == ["missing", "warning"]
    assert "of messages wait in" in found[1]["detail"]
    assert all(check["next_step"] for check in found)


def test_no_password_of_the_journal_is_told(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIOSKA_JOURNAL", "postgresql://me:a-secret-of-mine@127.0.0.1:9/journal")
    ended = cli("doctor", "--json")
    (found,) = [check for check in ended.json["checks"] if check["name"] == "journal"]
    assert found["state"] == "missing"
    assert found["next_step"]
    assert "a-secret" not in ended.out + ended.err


@pytest.mark.parametrize(
    ("environment", "name", "state", "says"),
    [
        ({"MATRIOSKA_JOURNAL": "off"}, "journal", "optional", "off"),
        ({}, "OpenTelemetry", "optional", "off"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://u:a-secret@127.0.0.1:9"},
            "OpenTelemetry",
            "ok",
            "traces by otlp to http://127.0.0.1:9, without prompts",
        ),
        ({}, "LangSmith", "optional", "off"),
    ],
)
def test_where_things_are_reported(
    cli, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], name: str, state: str, says: str
) -> None:
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    found = _checks(cli)[name]
    assert (found["state"], says in found["detail"]) == (state, True)
    assert "a-secret" not in str(found)


def test_a_missing_exporter_is_told(cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("matrioska.cli.doctor_records.is_installed", lambda module: False)
    found = _checks(cli)["OpenTelemetry"]
    assert (found["state"], found["next_step"]) == ("missing", "pip install 'matrioska[telemetry]'")


def test_langsmith_is_told_with_what_it_gets(spawn) -> None:
    variables = {"LANGSMITH_TRACING": "true", "LANGSMITH_ENDPOINT": "http://127.0.0.1:9", "LANGSMITH_PROJECT": "dolls"}
    ended = spawn("doctor", "--json", **variables).end()
    (found,) = [check for check in ended.json["checks"] if check["name"] == "LangSmith"]
    assert found["state"] == "warning"
    assert "http://127.0.0.1:9, project dolls, with prompts and answers" in found["detail"]
    assert "LANGSMITH_API_KEY" in found["next_step"]
