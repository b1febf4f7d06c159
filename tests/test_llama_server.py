"""A whole run through a server that we did not write: llama.cpp's, over OpenAI's protocol.

Its model is made by hand. Embeddings are one-hot and attention and feed-forward give nothing, so
the output matrix is a table: what follows a token depends on that token alone. Left free, the
model answers with two files; where a schema forbids those it writes the shortest JSON it may.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFWriter, TokenType
from langchain_core.messages import HumanMessage

from matrioska.models.gateway import client_for
from matrioska.nodes.numbered import expand_plan
from matrioska.nodes.schemas import plan_form
from matrioska.orchestrator import MatrioskaOrchestrator
from matrioska.state.answers import parse_files
from matrioska.state.members import Member

_ANSWER = "<|answer|>"
_PHRASES = (
    "````text path=notes.md\n",
    "A note, short and plain.\n",
    "````\n",
    "````markdown path=README.md\n",
    "A page, short and plain.\n",
    "````",
)
#: Wide enough for every token to have a direction of its own; heads of 64.
_WIDTH = 384
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


def _table(at: dict[str, int]) -> np.ndarray:
    """Return how likely each token (row) follows each other (column)."""
    table = np.full((len(at), _WIDTH), -8.0, dtype=np.float32)
    for letter in map(chr, range(ord("a"), ord("z") + 1)):
        table[at[letter]] = 0
        # One letter, and the text ends.
        table[at['"'], at[letter]] = 5
    table[at["]"]], table[at["}"]] = 2, 4
    table[at["a"], at['"']], table[at["]"], at["["]] = 5, 6
    # As many modules as may be.
    table[at[","], at["}"]] = 6
    for before, after in pairwise([_ANSWER, *_PHRASES, "</s>"]):
        table[at[after], at[before]] = 20
    # What a schema forces arrives as tokens of single bytes.
    for mark in map(chr, range(33, 127)):
        table[:, at[f"<0x{ord(mark):02X}>"]] = table[:, at[mark]]
    return table


def _write_model(place: Path) -> Path:
    tokens = [("<unk>", TokenType.UNKNOWN), *((name, TokenType.CONTROL) for name in ("<s>", "</s>", _ANSWER))]
    tokens += [(f"<0x{byte:02X}>", TokenType.BYTE) for byte in range(256)]
    tokens += [("▁" if mark == " " else mark, TokenType.NORMAL) for mark in map(chr, range(32, 127))]
    tokens += [(phrase, TokenType.USER_DEFINED) for phrase in _PHRASES]
    writer = GGUFWriter(place, "llama")
    writer.add_context_length(32768)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(6)
    writer.add_head_count_kv(6)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(64)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token for token, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([int(kind) for _, kind in tokens])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template("{% for m in messages %}{{ m.content }}\n{% endfor %}" + _ANSWER)
    table = _table({token: index for index, (token, _) in enumerate(tokens)})
    # In 16 bits: with 32, this server's matrix product calls a function that is not there.
    writer.add_tensor("token_embd.weight", np.eye(len(tokens), _WIDTH, dtype=np.float16))
    writer.add_tensor("output.weight", (table / math.sqrt(_WIDTH)).astype(np.float16))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(_WIDTH, dtype=np.float32))
    shapes = {"attn_q": (_WIDTH, _WIDTH), "attn_k": (_WIDTH, _WIDTH), "attn_v": (_WIDTH, _WIDTH)}
    shapes |= {
        "attn_output": (_WIDTH, _WIDTH),
        "ffn_gate": (32, _WIDTH),
        "ffn_up": (32, _WIDTH),
        "ffn_down": (_WIDTH, 32),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return place


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server with the model, in a process of its own."""
    model = _write_model(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
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
