from __future__ import annotations

import pytest

from matrioska.state.shown import shown_model


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("openai:gpt-4o", "openai:gpt-4o"),
        ("embedded", "embedded"),
        ("huggingface:org/model@main", "huggingface:org/model@main"),
        ("huggingface:/home/ana/model", "huggingface:model"),
        ("huggingface:~/model", "huggingface:model"),
        ("gguf:./x.gguf", "gguf:x.gguf"),
        ("gguf:C:\\Users\\ana\\x.gguf", "gguf:x.gguf"),
        ("ollama:llama3:8b@https://u:p@host/v1", "ollama:llama3:8b"),
        ("/home/ana/model", "model"),
        ("", ""),
        ("openai:m@http://user:secret@10.0.0.5/v1?key=abc", "openai:m"),
        ("gguf:/home/me/models/small.gguf", "gguf:small.gguf"),
        ("gguf:~/models/small.gguf", "gguf:small.gguf"),
        ("gguf:../models/small.gguf", "gguf:small.gguf"),
        ("gguf:models/small.gguf", "gguf:small.gguf"),
        ("gguf:C:\\models\\small.gguf", "gguf:small.gguf"),
        ("huggingface:/data/llama/", "huggingface:llama"),
        ("huggingface:meta-llama/Llama-3", "huggingface:meta-llama/Llama-3"),
        ("a-member", "a-member"),
    ],
)
def test_a_models_name_is_shown_without_its_place(name: str, shown: str) -> None:
    assert shown_model(name) == shown
