"""Members: what they are when only a name is given."""

from __future__ import annotations

from matrioska.state.members import Member


def test_a_model_in_this_process_is_given_a_day() -> None:
    hosted, local = Member(model="openai:gpt-x"), Member(model="huggingface:./folder")
    assert (hosted.deadline, hosted.idle_timeout) == (900.0, 300.0)
    assert (local.deadline, local.idle_timeout) == (86_400.0, 86_400.0)
    assert Member(model="huggingface:./folder", deadline=5.0).deadline == 5.0


def test_equal_members_are_one_key() -> None:
    one, other = (Member(model="openai:x", modalities=["code"], options={"top_p": 0.5}) for _ in range(2))
    assert len({one, other}) == 1
    assert len({one, other.model_copy(update={"options": {}})}) == 2
