"""What a mind hands up, also where its own model does not: replies joined by rule, and who is missing, by name."""

from __future__ import annotations

from collections.abc import Sequence

from matrioska.models.embedded.understanding.language import detect_language
from matrioska.state.cascade import CascadeAnswer, MindReply, MindTree, Thought
from matrioska.state.results import Usage
from matrioska.workers.cascade.fit import shortened
from matrioska.workers.cascade.position import Position

#: Longest question that is kept with a reply, in characters.
_ASKED = 2_000
#: Longest text made by joining, in characters: what is joined level by level must not grow without end.
_JOINED = 100_000
#: Missing minds that a notice names.
_NAMED = 20
_WORDS = {
    "en": {
        "joined": "{name} could not join what follows.",
        "missing": "Missing in this answer",
        "more": "and {count} more",
        "why": "it gave no answer",
    },
    "pt": {
        "joined": "{name} não conseguiu juntar o que se segue.",
        "missing": "Falta nesta resposta",
        "more": "e mais {count}",
        "why": "não deu resposta",
    },
}


def reply_of(position: Position, thought: Thought) -> MindReply:
    """Return what a mind cascades up once its last step is taken.

    Args:
        position: what it knew before that step.
        thought: what the step brought.
    """
    if not position.asked:
        return MindReply(mind=position.spec.id)
    has_own_word = bool(position.analysis.text) or not thought.error
    below = [mind for reply in position.replies for mind in reply.missing]
    return MindReply(
        mind=position.spec.id,
        question=shortened(position.asked, _ASKED),
        text=thought.text,
        error=thought.error,
        missing=list(dict.fromkeys([*([] if has_own_word else [position.spec.id]), *below])),
        remarks=[remark for step in (*position.thoughts, thought) for remark in step.remarks],
        usage=sum((step.usage for step in (*position.thoughts, thought)), Usage()),
    )


def joined(position: Position) -> str:
    """Return a mind's reply made without its model: its first analysis, and its children's replies below it.

    '' when there is nothing of either. What stands alone is handed on as it is.
    """
    words = _WORDS[detect_language(position.question)]
    names = {child.id: child.called for child in position.children}
    answered = [(names[reply.mind], reply.text) for reply in position.replies if reply.text]
    sections = [(position.spec.called, position.analysis.text), *answered] if position.analysis.text else answered
    if len(sections) < 2:
        return "".join(text for _, text in sections)
    shown = [f"**{name}**\n\n{text}" for name, text in sections]
    return shortened("\n\n".join([f"_{words['joined'].format(name=position.spec.called)}_", *shown]), _JOINED)


def answer_of(tree: MindTree, question: str, replies: Sequence[MindReply]) -> CascadeAnswer:
    """Return the whole answer, with a notice of who is missing whatever the root wrote.

    Args:
        tree: all minds.
        question: what the person asked.
        replies: one of each mind, in the tree's order; the root's has a text.
    """
    root = replies[0]
    told = notice(tree, question, replies)
    return CascadeAnswer(
        answer=f"{root.text}\n\n{told}" if told else root.text,
        minds=list(replies),
        missing=root.missing,
        usage=sum((reply.usage for reply in replies), Usage()),
    )


def notice(tree: MindTree, question: str, replies: Sequence[MindReply]) -> str:
    """Return who is missing in the root's answer and why, in the language of the question; '' when nobody is."""
    missing = replies[0].missing
    if not missing:
        return ""
    words, errors = _WORDS[detect_language(question)], {reply.mind: reply.error for reply in replies}
    told = [_missing(tree, mind, errors[mind] or words["why"]) for mind in missing[:_NAMED]]
    if more := len(missing) - len(told):
        told.append(words["more"].format(count=more))
    return f"_{words['missing']}: {'; '.join(told)}._"


def _missing(tree: MindTree, mind: str, why: str) -> str:
    spec = tree.mind(mind)
    speciality = f", {spec.speciality}" if spec.speciality else ""
    return f"{spec.called}{speciality} ({why.rstrip('.')})"
