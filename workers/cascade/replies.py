"""What a mind hands up, also where its own model does not: replies joined by rule, and who is missing, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matrioska.state.cascade import CascadeAnswer, MindReply, MindTree, Thought
from matrioska.state.results import Usage
from matrioska.workers.cascade.asking import CUT_OFF
from matrioska.workers.cascade.fit import shortened
from matrioska.workers.cascade.language import own_words
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
        "first": "{name} could not write an answer. What follows are its first thoughts.",
        "cut off": "This answer was cut off before its end.",
        "missing": "Missing in this answer",
        "more": "and {count} more",
        "why": "it gave no answer",
    },
    "pt": {
        "joined": "{name} não conseguiu juntar o que se segue.",
        "first": "{name} não conseguiu escrever uma resposta. O que se segue são as suas primeiras ideias.",
        "cut off": "Esta resposta foi cortada antes do fim.",
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
    # What was wrong with a first answer is nothing to say of the one that was written after it.
    rewritten = thought.text != position.analysis.text
    told = [step for step in position.thoughts if not (rewritten and step is position.analysis)]
    return MindReply(
        mind=position.spec.id,
        question=shortened(position.asked, _ASKED),
        text=thought.text,
        error=thought.error,
        missing=list(dict.fromkeys([*([] if has_own_word else [position.spec.id]), *below])),
        remarks=[remark for step in (*told, thought) for remark in step.remarks],
        usage=sum((step.usage for step in (*position.thoughts, thought)), Usage()),
    )


def joined(position: Position) -> str:
    """Return a mind's reply made without its model: its first analysis, and its children's replies below it.

    '' when there is nothing of either. One reply that stands alone is handed on as it is, and so is the answer of a
    mind without children; first thoughts of one with children are no answer, and it is said that they are not.
    """
    words, called = _WORDS[own_words(position.question)], position.spec.called
    names = {child.id: child.called for child in position.children}
    answered = [(names[reply.mind], reply.text) for reply in position.replies if reply.text]
    sections = [(called, position.analysis.text), *answered] if position.analysis.text else answered
    if not answered and position.children and sections:
        return f"_{words['first'].format(name=called)}_\n\n{position.analysis.text}"
    if len(sections) < 2:
        return "".join(text for _, text in sections)
    shown = [f"**{name}**\n\n{text}" for name, text in sections]
    return shortened("\n\n".join([f"_{words['joined'].format(name=called)}_", *shown]), _JOINED)


def answer_of(tree: MindTree, question: str, replies: Sequence[MindReply]) -> CascadeAnswer:
    """Return the whole answer, with a notice of what it lacks whatever the root wrote.

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
    """Return whether the root's answer was cut off, who is missing in it and why, in Portuguese for a question in
    Portuguese and else in English; '' when it lacks nothing.
    """
    words, root = _WORDS[own_words(question)], replies[0]
    told = [words["cut off"]] if CUT_OFF in root.remarks else []
    if root.missing:
        told.append(f"{words['missing']}: {'; '.join(_absent(tree, replies, words))}.")
    return f"_{' '.join(told)}_" if told else ""


def _absent(tree: MindTree, replies: Sequence[MindReply], words: Mapping[str, str]) -> list[str]:
    """Return each missing mind with the reason, as many as a notice names."""
    missing, errors = replies[0].missing, {reply.mind: reply.error for reply in replies}
    told = [_missing(tree, mind, errors[mind] or words["why"]) for mind in missing[:_NAMED]]
    if more := len(missing) - len(told):
        told.append(words["more"].format(count=more))
    return told


def _missing(tree: MindTree, mind: str, why: str) -> str:
    spec = tree.mind(mind)
    speciality = f", {spec.speciality}" if spec.speciality else ""
    return f"{spec.called}{speciality} ({why.rstrip('.')})"
