"""One run with five roles on five providers, each on a server of its own: who was asked what, in which protocol.

Each role makes its own calls: the boss condenses a value that is too large for a package, the critic reviews.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from matrioska.runs import open_runs
from matrioska.state.context import ROLES
from matrioska.state.errors import ModelAuthError
from tests.matrioska.cli.conftest import cli as cli
from tests.protocols import ModelServer, anthropic_app, ollama_app, openai_app, serving
from tests.support import fenced, good_answer, plan, reader

TASK = "Build a shop in three parts"
SETTINGS = """
approval = "auto"
base_path = "out"

[roles]
architect = "thinker"
boss = "overseer"
worker = "builder"
critic = "reviewer"
assembler = "editor"

[members.thinker]
model = "anthropic:claude-of-the-house"
base_url = "{anthropic}"
api_key_env = "HOUSE_KEY"
temperature = 0.5

[members.overseer]
model = "openai:gpt-of-the-house@{openai}/v1"
max_tokens = 500

[members.builder]
model = "ollama:qwen-of-the-house"
base_url = "{ollama}"
context_window = 16384
max_tokens = 900
seed = 7

[members.reviewer]
model = "vllm:org/reviewer"
base_url = "{vllm}/v1"
max_tokens = 600
temperature = 0.0

[members.editor]
model = "lmstudio:local-editor@{lmstudio}/v1"
options = {{ top_p = 0.9 }}

[members.llama]
model = "llamacpp:tiny.gguf"
base_url = "{llamacpp}/v1"
fallback = "builder"
"""


#: What the role of the worker has to do in it.
BUILT = ["agree store", "produce pages", "produce store"]
#: Larger than what the builder's window leaves for a package.
LIST = "\n".join(f"Item {number} costs {number} and is kept on shelf {number % 9}." for number in range(900))


def shop() -> dict[str, object]:
    """Three modules in a row: one asks for a member of its own, two leave it to the role."""
    return plan(
        reader("store"), reader("prices", "store", model="editor", contract_first=False), reader("pages", "prices")
    )


def answer(stage: str, module: str, prompt: str) -> str:
    if stage == "plan":
        return fenced(shop())
    if stage == "distill":
        return "prices.api: prices_api_call, and a note of what each of 900 items costs and where it is kept."
    said = good_answer(stage, module, prompt)
    if (stage, module) == ("produce", "prices"):
        return said.replace('"note": ""', f'"note": {json.dumps(LIST)}')
    return said


@dataclass
class House:
    """The servers by provider."""

    servers: dict[str, ModelServer] = field(default_factory=dict)

    def stages(self) -> dict[str, list[str]]:
        return {name: server.stages for name, server in self.servers.items()}


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[House]:
    """Start a server for each provider and write the settings that lead there."""
    monkeypatch.setenv("HOUSE_KEY", "sk-of-the-house")
    # Neither may reach a server that the settings name.
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hosted-openai")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-hosted-anthropic")
    apps = {"anthropic": anthropic_app, "ollama": ollama_app} | dict.fromkeys(
        ("openai", "vllm", "lmstudio", "llamacpp"), openai_app
    )
    with ExitStack() as stack:
        servers = {name: stack.enter_context(serving(app, ModelServer(answer))) for name, app in apps.items()}
        settings = SETTINGS.format(**{name: server.url for name, server in servers.items()})
        (tmp_path / "matrioska.toml").write_text(settings)
        yield House(servers)
        for server in servers.values():
            server.leave()


def test_five_roles_on_five_protocols_make_one_deliverable(cli, house: House, tmp_path: Path) -> None:
    ended = cli("run", "-t", "shop", "--json", TASK)
    assert ended.code == 0, ended.err
    report = ended.json
    assert (report["status"], report["findings"]) == ("complete", [])
    assert {result["status"] for result in report["modules"].values()} == {"done"}
    assert house.stages() == {
        "anthropic": ["plan"],
        "openai": ["distill pages"],
        "vllm": ["review"],
        "ollama": BUILT,
        "lmstudio": ["assemble", "produce prices"],
        "llamacpp": [],
    }
    # All of them said what it took, whether or not the answer was streamed.
    assert report["usage"]["input_tokens"] == 11 * 8
    assert report["usage"]["output_tokens"] == 7 * 8
    built = {path.name for path in (tmp_path / "out" / "matrioska_artifacts" / "shop").rglob("*.py")}
    assert built == {"store.py", "prices.py", "pages.py"}


def test_each_member_is_asked_as_it_is_described(cli, house: House) -> None:
    assert cli("run", "-t", "shop", "-q", TASK).code == 0
    asked = {name: server.requests[0] for name, server in house.servers.items() if server.requests}
    assert (asked["anthropic"]["model"], asked["anthropic"]["temperature"]) == ("claude-of-the-house", 0.5)
    assert asked["ollama"]["options"] == {"num_ctx": 16384, "num_predict": 900, "seed": 7}
    assert (asked["vllm"]["model"], asked["vllm"]["max_tokens"], asked["vllm"]["temperature"]) == (
        "org/reviewer",
        600,
        0.0,
    )
    # Servers that only resemble OpenAI's know the field's older name.
    assert asked["openai"]["max_tokens"] == 500
    assert not any("max_completion_tokens" in body for body in asked.values())
    assert (asked["lmstudio"]["model"], asked["lmstudio"]["top_p"]) == ("local-editor", 0.9)


def test_a_key_reaches_only_the_server_that_it_is_for(cli, house: House) -> None:
    assert cli("run", "-t", "shop", "-q", TASK).code == 0
    keys = {
        name: {headers.get("x-api-key", "") + headers.get("authorization", "") for headers in server.headers}
        for name, server in house.servers.items()
        if server.headers
    }
    # Versions of Anthropic's client differ in the header.
    assert {key.removeprefix("Bearer ") for key in keys["anthropic"]} == {"sk-of-the-house"}
    assert keys["openai"] == keys["vllm"] == keys["lmstudio"] == {"Bearer not-needed"}
    assert keys["ollama"] == {""}


def test_a_role_and_all_roles_can_be_given_for_one_command(cli, house: House) -> None:
    assert cli("run", "-t", "one", "-q", "--role", "worker=llama", TASK).code == 0
    assert house.servers["llamacpp"].stages == BUILT
    assert house.servers["ollama"].stages == []
    assert cli("redo", "one", "pages", "-q", "-M", "editor").code == 0
    # All roles are the editor's now: the one who fits no window of its own needs no boss.
    assert house.servers["lmstudio"].stages == ["assemble", "assemble", "produce pages", "produce prices", "review"]
    assert cli("redo", "one", "pages", "-q", "--role", "worker=llama").code == 0
    assert house.servers["llamacpp"].stages == [*BUILT[:2], *BUILT[1:]]


def test_a_run_that_waits_can_go_on_with_another_model(cli, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATRIOSKA_APPROVAL", "ask")
    assert cli("run", "-t", "one", "-q", TASK).code == 3
    assert cli("resume", "one", "-q", "--approve", "--role", "worker=llama").code == 0
    assert house.stages()["llamacpp"] == BUILT
    assert house.stages()["ollama"] == []


def test_a_plan_cannot_send_prompts_to_an_address(cli, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = house.servers["llamacpp"].url
    hostile = plan(reader("store", model=f"vllm:x@{elsewhere}/v1"))
    monkeypatch.setitem(globals(), "shop", lambda: hostile)
    ended = cli("run", "-t", "one", "--json", TASK)
    assert ended.code == 1
    assert "asks for a model at an address of its own" in ended.out
    assert house.servers["llamacpp"].requests == []


def test_a_member_that_is_out_of_reach_is_replaced_by_its_fallback(cli, house: House, tmp_path: Path) -> None:
    settings = (tmp_path / "matrioska.toml").read_text().replace(house.servers["llamacpp"].url, "http://127.0.0.1:9")
    (tmp_path / "matrioska.toml").write_text(
        settings.replace('fallback = "builder"', 'fallback = "builder"\nattempts = 1')
    )
    assert cli("run", "-t", "one", "-q", "--role", "worker=llama", TASK).code == 0
    assert house.servers["ollama"].stages == BUILT


async def test_every_role_and_fallback_is_checked_before_any_work(
    house: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = (tmp_path / "matrioska.toml").read_text()
    async with open_runs(tmp_path) as runs:
        runs.check_models()
        for role in ROLES:
            member = f'\n[members.broken]\nmodel = "deepseek:x"\n[members.{role}]\nmodel = "embedded"\n'
            faulty = settings.replace(f'{role} = "', f'{role} = "{role}" # "') + member + 'fallback = "broken"\n'
            (tmp_path / "matrioska.toml").write_text(faulty)
            with pytest.raises(ModelAuthError, match="key for deepseek:x is missing"):
                await runs.start(TASK)
    assert not any(server.requests for server in house.servers.values())
