"""A whole run through a server that we did not write: llama.cpp's, over OpenAI's protocol.

Its model is made by hand; see `tests.tiny_gguf`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from matrioska.models.gateway import client_for
from matrioska.nodes.numbered import expand_plan
from matrioska.nodes.schemas import plan_form
from matrioska.orchestrator import MatrioskaOrchestrator
from matrioska.state.answers import parse_files
from matrioska.state.members import Member
from tests.tiny_gguf import write_tiny_gguf

_SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.model_alias = sys.argv[1], {"tiny"}
params.n_ctx, params.n_parallel, params.warmup, params.verbosity = 32768, 2, False, 0
params.cpuparams.n_threads = 2
server = xllamacpp.Server(params)
print("SERVING", server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server with the model, in a process of its own."""
    model = write_tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdin and server.stdout
    found = next((line.split()[1] for line in server.stdout if line.startswith("SERVING")), "")
    assert found, f"the server ended with {server.poll()}"
    yield f"{found}/v1"
    server.kill()
    server.communicate()


def _member(address: str, **fields: object) -> Member:
    return Member.model_validate({"model": f"openai:tiny@{address}", "max_tokens": 500, "temperature": 0.0, **fields})


async def test_a_schema_binds_the_model_and_without_one_it_is_free(address: str) -> None:
    client, messages = client_for(_member(address)), [HumanMessage("Build something.")]
    form = plan_form(client, "Build something.")
    assert form is not None
    free, bound = await client.ask(messages), await client.ask(messages, form)
    assert [file.path for file in parse_files(free.text)] == ["notes.md", "README.md"]
    # Both modules are called "a".
    assert [spec.id for spec in expand_plan(json.loads(bound.text)).modules] == ["a", "a-2"]
    assert not free.fault and not bound.fault
    assert free.usage.output_tokens > 0 and bound.usage.output_tokens > 100


async def test_a_member_that_is_asked_by_prompt_alone_is_sent_no_schema(address: str) -> None:
    client = client_for(_member(address, structured="prompt"))
    assert plan_form(client, "Build something.") is None


def test_a_whole_run_ends_with_a_deliverable_on_disk(address: str, tmp_path: Path) -> None:
    (tmp_path / "matrioska.toml").write_text(
        f'[members.tiny]\nmodel = "openai:tiny@{address}"\nmax_tokens = 500\ntemperature = 0.0\n', encoding="utf-8"
    )
    report = MatrioskaOrchestrator("tiny", base_path=tmp_path).run("Write two notes about trees.")
    assert report.status == "complete", report
    place = tmp_path / "matrioska_artifacts" / report.thread_id
    written = {str(path.relative_to(place)) for path in place.rglob("*.md")}
    assert written == {"README.md", *(f"{folder}/{name}.md" for folder in ("a", "a-2") for name in ("README", "notes"))}
    assert (place / "README.md").read_text(encoding="utf-8") == "A page, short and plain.\n"
