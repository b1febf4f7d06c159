"""A model made by hand, as a GGUF file of 2 MB.

Embeddings are one-hot and attention and feed-forward give nothing, so the output matrix is a
table: what follows a token depends on that token alone. Left free, the model answers with two
files; where a schema forbids those it writes the shortest JSON it may.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

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


def write_tiny_gguf(place: Path) -> Path:
    """Write the model to a file and return the file."""
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
