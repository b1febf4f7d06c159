"""Schemas and grammars: bounded, understood by llguidance, and free where a model must be free."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from matrioska.models.gateway import Client, client_of
from matrioska.models.local import LocalLLM
from matrioska.models.testing import ScriptedChatModel
from matrioska.nodes.checks.contract import value_complaints
from matrioska.nodes.checks.files import file_complaints
from matrioska.nodes.schemas import (
    LISTS,
    answer_budget,
    answer_tokens,
    contract_form,
    contract_schema,
    files_form,
    files_grammar,
    findings_form,
    findings_schema,
    longest,
    plan_form,
    plan_schema,
    settlement_form,
    settlement_schema,
)
from matrioska.state.answers import parse_contract, parse_files, parse_json_object
from matrioska.state.artifacts import SourceFile
from matrioska.state.errors import ConfigError
from matrioska.state.members import Member
from tests.nodes.shapes import anything

KEYS = ["store.contract", "page.contract"]
END = 256
WORD = ("hello ", "```js\n", "x", "\n", "````", "```", "    ````", "\t", " ", "é", "<|end|>")


class _Bytes:
    """A vocabulary of single bytes, as llguidance wants to see one."""

    eos_token_id = END
    bos_token_id = None
    tokens = [bytes([byte]) for byte in range(END)] + [b"<end>"]
    special_token_ids = [END]  # noqa: RUF012

    def __call__(self, text: Any) -> list[int]:
        return list(text if isinstance(text, bytes) else text.encode())


TOKENS = LLTokenizer(TokenizerWrapper(_Bytes()), n_vocab=END + 1)


def _random_answer(grammar: str, seed: int, most: int) -> str:
    """Return what a model writes that likes every token as well as any other."""
    random, matcher = np.random.default_rng(seed), LLMatcher(TOKENS, grammar)
    assert not matcher.is_error(), matcher.get_error()
    written, mask = bytearray(), allocate_token_bitmask(1, END + 1)
    while len(written) < most:
        fill_next_token_bitmask(matcher, mask)
        allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")[: END + 1])
        token = int(random.choice(allowed))
        if token == END:
            return written.decode(errors="replace")
        assert matcher.consume_token(token), matcher.get_error()
        written.append(token)
        if matcher.is_stopped():
            return written.decode(errors="replace")
    raise AssertionError(f"cut off: {written[-80:]!r}")


def _accepts(grammar: str, text: str) -> bool:
    matcher = LLMatcher(TOKENS, grammar)
    tokens = list(text.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


@pytest.mark.parametrize("budget", [1_000, 1_500, 4_000, 9_600, 40_000, 1_000_000])
def test_the_longest_answer_fits_the_budget_and_grows_with_it(budget: int) -> None:
    plan, contract = plan_schema(budget), contract_schema(KEYS, budget)
    settlement, findings = settlement_schema(["core", "page"], budget), findings_schema(["core", "page"], 30, budget)
    assert longest(plan_schema(budget * 2)) >= longest(plan)
    for schema in (plan, contract, settlement, findings):
        assert longest(schema) <= budget
        grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults={"whitespace_flexible": False})
        assert LLMatcher.validate_grammar(grammar, TOKENS) == ""


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([plan_schema(1_000), plan_schema(4_000), contract_schema(KEYS, 1_500)]).flatmap(
    lambda schema: st.tuples(st.just(schema), anything(schema))
))  # fmt: skip
def test_no_value_is_longer_than_the_longest_but_for_its_escapes(given_: tuple[dict[str, Any], Any]) -> None:
    schema, value = given_
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    escapes = sum(len(json.dumps(mark, ensure_ascii=False)) - 3 for mark in text if ord(mark) < 32 or mark == "\x7f")
    assert len(text) - escapes - text.count("\\") * 5 <= longest(schema)


@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=50)
@given(anything(contract_schema(KEYS, 3_000)))
def test_whatever_the_schema_allows_is_a_contract(values: dict[str, Any]) -> None:
    assert value_complaints(values, KEYS) == []


def test_a_budget_too_small_is_told_with_the_numbers() -> None:
    crowd = [f"module-{number}" for number in range(50)]
    for make in (
        lambda: plan_schema(100),
        lambda: contract_schema(KEYS, 100),
        lambda: findings_schema(crowd, 30, 100),
    ):
        with pytest.raises(ConfigError, match=r"about 100 characters.*needs \d{3}.*max_tokens"):
            make()
    with pytest.raises(ConfigError, match="max_tokens"):
        files_grammar(1, 0)


def test_random_tokens_make_valid_contracts_of_the_very_keys() -> None:
    schema = contract_schema(KEYS, 700)
    grammar = LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults={"whitespace_flexible": False})
    for seed in range(20):
        answer = _random_answer(grammar, seed, 4_000)
        assert value_complaints(parse_json_object(answer), KEYS) == []


@pytest.mark.parametrize("contract", [None, contract_schema(KEYS, 700)], ids=["files", "with-contract"])
def test_random_tokens_make_files_that_are_closed(contract: dict[str, Any] | None) -> None:
    grammar = files_grammar(3, 120, contract)
    for seed in range(20):
        answer = _random_answer(grammar, seed, 8_000)
        files = parse_files(answer)
        assert 1 <= len(files) <= 3
        assert file_complaints([SourceFile(path=file.path, text=file.text) for file in files[:1]]) == []
        if contract:
            assert value_complaints(parse_contract(answer), KEYS) == []


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(WORD), max_size=12).map("".join))
def test_a_file_may_hold_anything_but_its_own_closing_fence(text: str) -> None:
    body = text.rstrip("\n")
    answer = f"````md path=a/b-1.md\n{body}\n````\n"
    read = parse_files(answer) if _accepts(files_grammar(1, 4_000), answer) else []
    lines = body.split("\n")
    if any(line.lstrip(" \t").startswith("````") for line in lines):
        assert read == []
    else:
        assert [(file.path, file.text) for file in read] == [("a/b-1.md", body + "\n")]


def test_several_files_and_a_contract_are_accepted() -> None:
    grammar = files_grammar(2, 500, contract_schema(["k"], 400))
    value = {"summary": "s", **{kind: [] for kind in LISTS}}
    contract = "````json contract\n" + json.dumps({"k": value}, separators=(",", ":")) + "\n````\n"
    page, style = "````html path=index.html\n<p>\n````\n", "````css path=css/s.css\np {}\n````\n"
    assert _accepts(grammar, page + style + contract) and _accepts(grammar, page + contract)
    assert not _accepts(grammar, page + style) and not _accepts(grammar, contract)
    assert not _accepts(grammar, page * 3 + contract)


@pytest.mark.parametrize("path", ["../x.md", "/x.md", ".git/config", "a//b.md", "a b.md", "C:x", "a/b/c/d.md"])
def test_only_safe_paths_can_be_written(path: str) -> None:
    assert not _accepts(files_grammar(1, 500), f"````md path={path}\nx\n````\n")


def test_one_certain_file_can_be_asked_for() -> None:
    grammar = files_grammar(1, 500, path="README.md")
    assert _accepts(grammar, "````markdown path=README.md\n# T\n````\n")
    assert not _accepts(grammar, "````markdown path=OTHER.md\n# T\n````\n")


def _local(**fields: Any) -> Client:
    # Counting tokens would load the tokenizer of a model that is not there.
    class Uncounted(LocalLLM):
        def get_num_tokens(self, text: str) -> int:
            return len(text) // 4 + 1

    return client_of(Uncounted(model_name="nowhere", **fields))


def test_a_local_model_is_held_to_all_forms() -> None:
    client = _local(max_tokens=4_000)
    plan = plan_form(client, "Build a shop.")
    assert plan is not None and plan.schema is not None
    assert 4_000 < longest(plan.schema) <= answer_budget(client, "Build a shop.") <= 4_000 * 4
    assert contract_form(client, ["k"], "A shop.").schema is not None
    assert settlement_form(client, ["core"], "A shop.").schema is not None
    assert findings_form(client, ["core"], 30, "A shop.").schema is not None
    assert "contract" in files_form(client, 2, ["k"], material="A shop.").grammar
    assert "contract" not in files_form(client, 2).grammar
    assert " path=README.md" in files_form(client, 5, path="README.md").grammar


def test_the_tokens_of_all_files_together_are_those_of_an_answer() -> None:
    for count in (1, 3, 50):
        grammar = files_form(_local(max_tokens=1_000), count).grammar
        most = int(grammar.partition("max_tokens=")[2].partition("]")[0])
        files = int(grammar.partition("{1,")[2].partition("}")[0]) if "{1," in grammar.splitlines()[0] else 1
        assert files <= count and files * most <= 1_000


def test_a_model_without_structured_output_gets_forms_in_name_only() -> None:
    client = client_of(ScriptedChatModel(script=lambda *_: ""))
    assert plan_form(client, "x") is None
    assert contract_form(client, ["k"], "x").schema is None
    assert files_form(client, 3).grammar == ""


def test_fewer_characters_a_token_make_a_smaller_budget() -> None:
    class Dense(ScriptedChatModel):
        max_tokens: int = 1_000

    client = Client(Member(model="object:x", max_tokens=500), Dense(script=lambda *_: ""))
    assert answer_tokens(client) == 500
    assert answer_tokens(client_of(Dense(script=lambda *_: ""))) == 1_000
    assert answer_tokens(client_of(ScriptedChatModel(script=lambda *_: ""))) > 1_000
    assert answer_budget(client, "") < 500 * 4
