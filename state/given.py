"""What people give in words, checked before anything is made of it."""

from __future__ import annotations

from matrioska.state.errors import TaskError
from matrioska.state.text import clean_text


def check_words(given: object, what: str, most: int) -> str:
    """Return a text, cleaned.

    Args:
        given: what was given.
        what: what it is called in complaints: ``task``, ``query``.
        most: characters that it may have.

    Raises:
        TaskError: missing, not text, empty, binary, or longer than ``most`` characters.
    """
    if given is None:
        raise TaskError(f"There is no {what}.", next_step=f"Give the {what} in words.")
    if not isinstance(given, str):
        raise TaskError(f"The {what} is a {type(given).__name__}, not a text.", next_step=f"Give the {what} in words.")
    text = clean_text(given).strip()
    if not text:
        raise TaskError(f"The {what} is empty.", next_step="Say in a sentence or more what you want to have.")
    if len(text) > most:
        raise TaskError(
            f"The {what} has {len(text):,} characters; {most:,} are the most.",
            next_step=f"Shorten it, or split it into several {'runs' if what == 'task' else 'queries'}.",
        )
    # Cleaning takes out control characters; text that loses a tenth of itself was never text.
    if len(text) < 0.9 * len(given.strip()):
        raise TaskError(f"The {what} is binary data, not text.", next_step=f"Give the {what} in words.")
    return text
