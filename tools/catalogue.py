"""The catalogue of translations: ``python tools/catalogue.py`` brings it up to date with the source.

Three kinds of text go into it: what is marked where it is shown (``_``, ``N_``, ``counted``), the help of the
commands, and the sentences that are built where something fails (`tools.sentences`). A translator then edits
``matrioska/locale/LANGUAGE/LC_MESSAGES/matrioska.po`` and runs this again, which compiles it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from matrioska.templates import NOUNS  # noqa: E402 - the path is set before
from tools.sentences import sentences  # noqa: E402

LOCALES = ROOT / "matrioska" / "locale"
LANGUAGES = ("pt_BR",)
ROOMS = ("matrioska", "graph", "models", "nodes", "state", "store", "web", "workers")
_KEYWORDS = {"_": None, "N_": None, "counted": (1, 2)}

#: What Typer's parser, pydantic and the system say: it is shown through `matrioska.i18n.told`.
OTHERS = (
    "Missing argument {name}.",
    "Missing option {name}.",
    "Missing parameter: {name}",
    "Missing command.",
    "No such command {name}.",
    "No such command {name}",
    "Did you mean {suggestions}?",
    "No such option: {name}",
    "No such option: {name} (Possible options: {options})",
    "Got unexpected extra argument(s) ({arguments})",
    "Option {name} requires an argument.",
    "Option {name} requires {number} arguments.",
    "Option {name} does not take a value.",
    "Invalid value: {reason}",
    "Invalid value for {name}: {reason}",
    "Value {value} is not a valid {kind}.",
    "{value} is not one of {choices}.",
    "{value} is not in the range {range}.",
    "Value {value} is not in the range {range}.",
    "Choose from:\n\t{choices}",
    "Field required",
    "Extra inputs are not permitted",
    "Input should be greater than {limit}",
    "Input should be greater than or equal to {limit}",
    "Input should be less than {limit}",
    "Input should be less than or equal to {limit}",
    "Input should be {choices}",
    "Input should be a finite number",
    "Input should be a valid boolean",
    "Input should be a valid dictionary",
    "Input should be a valid integer",
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid list",
    "Input should be a valid number",
    "Input should be a valid number, unable to parse string as a number",
    "Input should be a valid string",
    "String should have at least {number} character",
    "String should have at least {number} characters",
    "String should have at most {number} characters",
    "Value error, {reason}",
    "Address already in use",
    "Connection refused",
    "File exists",
    "Is a directory",
    "No space left on device",
    "No such file or directory",
    "Not a directory",
    "Permission denied",
    "Read-only file system",
)


def sources() -> Iterator[Path]:
    """Yield the Python files of the package, each room once."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            links = (parent for parent in path.relative_to(ROOT).parents if (ROOT / parent).is_symlink())
            if next(links, None) is None:
                yield path


def template() -> Catalog:
    """Return every text of the tree, without translations."""
    catalogue = Catalog(project="matrioska", charset="utf-8", fuzzy=False)
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        for line, text, comments, _context in extract_from_file("python", path, _KEYWORDS, ["Translators:"]):
            catalogue.add(text, locations=[(name, line)], auto_comments=comments)
        for line, text in sentences(path.read_text(encoding="utf-8"), name):
            catalogue.add(text, locations=[(name, line)])
    for text in helps():
        catalogue.add(text, locations=[("matrioska/cli/app.py", 1)])
    for text in (*OTHERS, *NOUNS):
        catalogue.add(text, locations=[("tools/catalogue.py", 1)])
    return catalogue


def helps() -> Iterator[str]:
    """Yield the help of every command, argument and option, as the parser holds it."""
    from typer.main import get_command

    from matrioska.cli.app import app
    from matrioska.cli.spoken import texts

    yield from texts(get_command(app))


def place(language: str) -> Path:
    """Return where the catalogue of a language lies."""
    return LOCALES / language / "LC_MESSAGES" / "matrioska.po"


def read(path: Path, language: str) -> Catalog:
    """Return the catalogue in a file; an empty one where there is none."""
    if not path.exists():
        return Catalog(locale=language, project="matrioska", charset="utf-8", fuzzy=False)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(language: str, fragments: list[Path]) -> list[Message]:
    """Bring the catalogue of a language up to date, compile it, and return what it leaves untranslated.

    Args:
        language: such as ``pt_BR``.
        fragments: files whose translations are taken in before, over those that are there.
    """
    catalogue = read(place(language), language)
    for fragment in fragments:
        for message in read(fragment, language):
            if message.id and message.string:
                catalogue.add(message.id, message.string)
                catalogue[message.id].string = message.string
    # Without what an earlier version said, and without guesses: a wrong translation is worse than English.
    catalogue.update(template(), no_fuzzy_matching=True, update_creation_date=False)
    place(language).parent.mkdir(parents=True, exist_ok=True)
    with place(language).open("wb") as file:
        # Without line numbers, which every edit of the source would change.
        write_po(file, catalogue, width=100, sort_output=True, ignore_obsolete=True, include_lineno=False)
    with place(language).with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)
    return [message for message in catalogue if message.id and not _translated(message)]


def _translated(message: Message) -> bool:
    return all(message.string) if isinstance(message.string, list | tuple) else bool(message.string)


def main(arguments: list[str]) -> int:
    """Update every catalogue; ``merge FILE…`` takes translations of pt_BR in before."""
    fragments = [Path(name) for name in arguments[1:]] if arguments[:1] == ["merge"] else []
    for language in LANGUAGES:
        missing = update(language, fragments)
        sys.stdout.write(f"{language}: {len(missing)} texts without a translation\n")
        for message in missing:
            sys.stdout.write(f"  {message.id}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
