"""What plans may say to pipelines, and that the table of tasks is that of transformers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matrioska.models.local.pipeline_tasks import ALIASES, GENERATION, REFUSED, TASKS
from matrioska.state.errors import ConfigError
from matrioska.workers.pipeline.options import MAX_OPTIONS, read_options


def test_the_table_is_that_of_transformers() -> None:
    import transformers
    from transformers.pipelines import PIPELINE_REGISTRY

    theirs = set(PIPELINE_REGISTRY.get_supported_tasks()) - set(ALIASES)
    ours = {name for name, task in TASKS.items() if not task.own}
    assert ours <= theirs
    # What they can and we do not is refused with a word on what to do instead.
    assert theirs - ours <= set(REFUSED)
    assert set(ALIASES.values()) <= set(TASKS)
    for task in TASKS.values():
        if not task.own:
            cls, auto = PIPELINE_REGISTRY.check_task(task.name)[1]["impl"], task.models[0]
            assert str(getattr(cls, "__name__", cls)).endswith(task.pipeline)
            assert hasattr(transformers, auto)


def test_nothing_that_fetches_code_or_weights_may_be_told() -> None:
    told = GENERATION.union(*(task.parameters for task in TASKS.values()))
    assert not told & {
        "assistant_model",
        "custom_generate",
        "generation_config",
        "tesseract_config",
        "timeout",
        "tokenizer",
        "trust_remote_code",
    }


@pytest.mark.parametrize("name", sorted(TASKS))
def test_every_task_reads_what_it_needs(name: str) -> None:
    values: dict[str, Any] = {"candidate_labels": ["sea", "wind"], "question": "Who sings?"}
    parameters = {need: values[need] for need in TASKS[name].needs}
    assert read_options({"task": name, "parameters": parameters}).task is TASKS[name]
    for need in TASKS[name].needs:
        with pytest.raises(ConfigError, match=f"needs the parameter '{need}'"):
            read_options({"task": name})


@pytest.mark.parametrize(("told", "most"), [({}, 10), ({"chunk_length_s": 1}, 1 / 3)])
def test_pieces_cannot_overlap_so_far_that_there_is_no_end_of_them(told: dict[str, float], most: float) -> None:
    speech = {"task": "automatic-speech-recognition"}
    assert read_options({**speech, "parameters": {**told, "stride_length_s": most}})
    with pytest.raises(ConfigError, match="more than a third"):
        read_options({**speech, "parameters": {**told, "stride_length_s": most * 1.1}})


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"task": "speech"}, "there is no task 'speech'"),
        ({"task": 7}, "'task' is no text"),
        ({"task": "image-clasification"}, "did you mean 'image-classification'"),
        ({"task": "summarization"}, "text-generation with a prompt"),
        ({"task": "translation_en_to_fr"}, "'translation' is not done"),
        ({"task": "video-classification"}, "videos are not read"),
        ({"parameters": []}, "no JSON object"),
        ({"model": "x"}, "there is no field 'model'"),
        ({"task": "text-generation", "parameters": {"custom_generate": "a/b"}}, "no parameter 'custom_generate'"),
        ({"task": "text-generation", "parameters": {"trust_remote_code": True}}, "no parameter 'trust_remote_code'"),
        ({"task": "text-generation", "parameters": {"max_new_tokens": 10**6}}, "from 1 to 8192"),
        ({"task": "text-generation", "parameters": {"max_new_tokens": 1.5}}, "a whole number"),
        ({"task": "text-generation", "parameters": {"max_new_tokens": True}}, "a whole number"),
        ({"task": "text-generation", "parameters": {"temperature": "hot"}}, "a number from 0.01 to 10"),
        ({"task": "text-generation", "parameters": {"temperature": float("nan")}}, "a number from"),
        ({"task": "text-generation", "parameters": {"do_sample": "yes"}}, "true or false"),
        ({"task": "text-generation", "parameters": {"prompt": ""}}, "1 to 4,000"),
        ({"task": "automatic-speech-recognition", "parameters": {"return_timestamps": "all"}}, "'word' or 'char'"),
        ({"task": "zero-shot-classification", "parameters": {"candidate_labels": []}}, "a list of 1 to 200"),
        ({"task": "zero-shot-classification", "parameters": {"candidate_labels": ["a", 1]}}, "a list of 1 to 200"),
        (
            {
                "task": "zero-shot-classification",
                "parameters": {"candidate_labels": ["a"], "hypothesis_template": "{0.__class__}"},
            },
            "no other braces",
        ),
        ({"task": "x" * MAX_OPTIONS}, "more than 20,000 characters"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_is_wrong_is_said(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_options(raw)
    assert words in str(caught.value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
_names = st.sampled_from(sorted(GENERATION.union(*(task.parameters for task in TASKS.values()))))


@given(st.sampled_from(sorted(TASKS)), st.dictionaries(_names, _json, max_size=4))
def test_nothing_but_a_config_error_is_ever_raised(task: str, parameters: dict[str, Any]) -> None:
    raw = {"task": task, "parameters": parameters}
    try:
        options = read_options(raw)
    except ConfigError as error:
        assert error.next_step
    else:
        assert json.dumps(options.parameters) == json.dumps(parameters)
