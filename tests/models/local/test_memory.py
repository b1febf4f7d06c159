"""What a model needs is known from its headers, and agrees with what it takes once loaded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from matrioska.models.local import memory
from matrioska.models.local.folder import Tensor
from matrioska.models.local.memory import GIB, NF4_BYTES, describe, free_bytes, not_enough, requirements

#: Of the model in ``tiny_folder`` and of Mistral-7B-Instruct-v0.3, as their configurations say.
_MISTRAL: dict[str, Any] = {
    "model_type": "mistral",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
}


def _mistral_tensors() -> list[Tensor]:
    shapes = {
        "self_attn.q_proj": (4096, 4096),
        "self_attn.k_proj": (1024, 4096),
        "self_attn.v_proj": (1024, 4096),
        "self_attn.o_proj": (4096, 4096),
        "mlp.gate_proj": (14336, 4096),
        "mlp.up_proj": (14336, 4096),
        "mlp.down_proj": (4096, 14336),
        "input_layernorm": (4096,),
        "post_attention_layernorm": (4096,),
    }
    layers = [
        Tensor(f"model.layers.{n}.{part}.weight", "BF16", shape) for n in range(32) for part, shape in shapes.items()
    ]
    ends = [
        ("model.embed_tokens.weight", (32768, 4096)),
        ("lm_head.weight", (32768, 4096)),
        ("model.norm.weight", (4096,)),
    ]
    return [*layers, *(Tensor(name, "BF16", shape) for name, shape in ends)]


def test_the_default_model_on_a_gpu() -> None:
    need = describe("mistral", "hub", _MISTRAL, _mistral_tensors(), load_in_4bit=True, gpu=True)
    assert need.parameters == 7_248_023_552  # as its model card says: 7.25 B
    assert need.half_bytes == 14_496_047_104  # the sum of its three files, less their headers
    assert need.kv_bytes_per_token == 131_072
    assert need.weight_bytes is not None
    assert 3.8 * GIB < need.weight_bytes < 4.0 * GIB
    assert need.total(8000) == need.weight_bytes + need.passing_bytes + 8000 * 131_072
    assert (need.context, need.quantised) == (32768, "nf4")


def test_a_folder_needs_what_it_takes_once_loaded(tiny_folder: Path) -> None:
    from transformers import AutoModelForCausalLM

    need = requirements(str(tiny_folder), load_in_4bit=False)
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    assert need.source == "folder"
    assert need.weight_bytes == sum(p.numel() * 4 for p in model.parameters())
    assert need.weight_bytes == need.full_bytes
    assert need.quantised == ""
    config = model.config
    width = config.hidden_size // config.num_attention_heads
    assert need.kv_bytes_per_token == 2 * config.num_hidden_layers * config.num_key_value_heads * width * 4


def test_a_quantised_checkpoint_is_counted_as_it_lies() -> None:
    config = {**_MISTRAL, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    tensors = [Tensor("model.layers.0.q_proj.qweight", "I32", (512, 4096)), Tensor("lm_head.weight", "F16", (8, 4))]
    need = describe("m", "folder", config, tensors, load_in_4bit=True, gpu=True)
    assert need.weight_bytes == 512 * 4096 * 4 + 8 * 4 * 2
    assert need.quantised == "gptq"


def test_experts_are_not_counted_in_4_bits() -> None:
    tensors = [
        Tensor("model.layers.0.mlp.experts.0.w1.weight", "BF16", (64, 64)),
        Tensor("model.layers.0.self_attn.q_proj.weight", "BF16", (64, 64)),
    ]
    need = describe("m", "folder", _MISTRAL, tensors, load_in_4bit=True, gpu=True)
    assert need.weight_bytes == 64 * 64 * 2 + int(64 * 64 * NF4_BYTES)
    assert "experts" in need.note


def test_grouped_and_nested_configurations() -> None:
    gpt2 = {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_positions": 1024}
    need = describe("gpt2", "folder", {"text_config": gpt2}, [], load_in_4bit=False, gpu=False)
    assert need.kv_bytes_per_token == 2 * 12 * 768 * 4
    assert need.context == 1024
    latent = {**_MISTRAL, "kv_lora_rank": 512}
    assert describe("m", "folder", latent, [], load_in_4bit=False, gpu=False).kv_bytes_per_token is None


def test_what_is_unknown_is_said_and_not_raised(tmp_path: Path, tiny_folder: Path) -> None:
    assert requirements(str(tmp_path / "nowhere")).source == "unknown"
    assert "folder" in requirements(str(tmp_path / "nowhere")).note
    empty = requirements(str(tmp_path))
    assert (empty.source, empty.weight_bytes, empty.total(100)) == ("unknown", None, None)
    assert empty.note
    assert requirements("nobody/nothing-of-the-kind", online=False).note
    assert requirements("not a name", online=False).source == "unknown"
    broken = tmp_path / "broken"
    shutil.copytree(tiny_folder, broken)
    (broken / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    assert "broken" in requirements(str(broken)).note


def test_the_hub_out_of_reach_is_unknown() -> None:
    assert requirements("nobody/nothing-of-the-kind").source == "unknown"


def test_a_model_in_the_hubs_cache(tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0123456789012345678901234567890123456789"
    snapshot = tmp_path / "models--some--model" / "snapshots" / commit
    shutil.copytree(tiny_folder, snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    need = requirements(f"some/model@{commit}", online=False)
    assert need.source == "hub cache"
    assert need.weight_bytes == requirements(str(tiny_folder)).weight_bytes


def test_an_index_cannot_lead_out_of_its_folder(tiny_folder: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_folder / "config.json", tmp_path)
    index = {"weight_map": {"lm_head.weight": "../elsewhere.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names no files of this folder" in requirements(str(tmp_path)).note


def test_the_refusal_names_the_numbers_and_the_ways_out() -> None:
    need = describe("mistral", "hub", _MISTRAL, _mistral_tensors(), load_in_4bit=False, gpu=True)
    error = not_enough(need, 8000, 6 * GIB, "cuda:0")
    assert (error.needed, error.available) == (need.total(8000), 6 * GIB)
    assert "14.5 GiB" in error.message
    assert "6.0 GiB" in error.message
    assert "load_in_4bit=True" in error.next_step
    assert "smaller model" in error.next_step


def test_main_memory_is_bounded_by_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_bytes("cpu") > 0
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 200000\n")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert free_bytes("cpu") == 500_000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes("cpu") > 1_000_000
