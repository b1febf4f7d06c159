"""What an adapter is, and what every kind of work is told.

A package holds its own domain: what the repository has of other kinds of work is left out, and
pictures and sounds among the files that a module reads are told of in a line to all who do not
work on them. A text that a module declared to read is for the module, whatever its domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from matrioska.nodes.adapters.glossary import glossary
from matrioska.nodes.adapters.rendering import Unshown, document_text
from matrioska.nodes.context.pieces import Material, Piece, Rank
from matrioska.prompts.render import to_json
from matrioska.state.answers import fenced_file
from matrioska.state.architecture import Modality
from matrioska.state.jobs import Job
from matrioska.state.repository import Asset
from matrioska.store.kinds import is_text

#: Bytes of a text that are looked at: more than any model's context takes.
_MOST_TEXT = 1_000_000
#: What is as well known from its first rows. Other data, an interface in YAML among it, is not.
_TABLES = frozenset({"text/csv", "text/tab-separated-values"})
_MEDIA_DOMAINS = {"image": "vision", "audio": "audio"}


class Adapter(Protocol):
    """A way of presenting context to one kind of work."""

    def present(self, material: Material) -> list[Piece]:
        """Return the pieces of a package, in the order in which they are to be read.

        It may read stored files, and take seconds where assets, pages and pictures are shown: no
        event loop should wait for it then.
        """
        ...


class BaseAdapter:
    """Presents what is common to all kinds of work: the project, the manual, what the module reads."""

    has_style = False
    """Whether the project's style guidelines concern this kind of work."""
    rows = 50
    """Lines that are shown of a large table."""

    def present(self, material: Material) -> list[Piece]:
        """See `Adapter.present`."""
        return [
            *self.needed(material),
            *self.read(material),
            *self.helpful(material),
            *self.assets(material),
            *self.project(material),
            *self.remembered(material),
        ]

    def needed(self, material: Material) -> Iterator[Piece]:
        """Yield what always goes in word for word."""
        job = material.job
        yield _needed("project", job.project.brief())
        yield _needed("module", _manual(material))

    def read(self, material: Material) -> Iterator[Piece]:
        """Yield the values that the module reads, and the contract that it has promised."""
        job = material.job
        for key, value in job.values.items():
            yield Piece("values", f"values.{key}", to_json(value), Rank.READ, key=key, value=value)
        if job.promised:
            yield _needed("contract", job.promised)

    def helpful(self, material: Material) -> Iterator[Piece]:
        """Yield the files of the modules that it reads whole."""
        for module, files in sorted(material.files.items()):
            for file in files:
                path = f"{module}/{file.path}"
                yield Piece("artifacts", f"artifacts.{path}", fenced_file(f"../{path}", file.text), Rank.HELPFUL)

    def assets(self, material: Material) -> Iterator[Piece]:
        """Yield what the module's assets are, a line each, and then what of them can be shown."""
        lines, shown = [], list[Piece]()
        for asset in given_files(material.job):
            line = f"- {asset.ref.path}: {asset.description}"
            try:
                shown += self.shown(asset, material)
            except Unshown as reason:
                line += f" (not shown: {reason})"
            lines.append(line)
        if lines:
            yield Piece("assets", "assets", "\n".join(lines), Rank.READ)
        yield from shown

    def shown(self, asset: Asset, material: Material) -> Sequence[Piece]:
        """Return an asset's content in the form in which this kind of work takes it; nothing where it takes none.

        Raises:
            Unshown: it should be shown and cannot be.
        """
        if asset.ref.media_type == "application/pdf":
            return [_content(asset, document_text(material.store.root, asset.ref.sha256))]
        if is_text(asset.ref.media_type):
            return [_content(asset, self._text(asset, material))]
        return []

    def _text(self, asset: Asset, material: Material) -> str:
        # What is cut off may end within a character.
        text = material.store.head(asset.ref, _MOST_TEXT).decode("utf-8-sig", errors="ignore")
        lines = text.split("\n")
        if asset.ref.media_type in _TABLES and len(lines) > self.rows:
            cut = "\n".join(lines[: self.rows])
            return f"{cut}\n… (the first {self.rows} lines)"
        if asset.ref.size > _MOST_TEXT:
            return f"{text}\n… (the first {_MOST_TEXT:,} of {asset.ref.size:,} bytes)"
        return text

    def project(self, material: Material) -> Iterator[Piece]:
        """Yield what the project says besides its goal: style, for those who have one, and terms."""
        project, domain = material.job.project, material.job.spec.modality
        if self.has_style and project.guidelines:
            yield Piece("guidelines", "guidelines", bullets(project.guidelines), Rank.READ)
        if project.glossary:
            text = f"{to_json(_manual(material))}\n{to_json(material.job.values)}"
            if (terms := glossary(project.glossary, domain, text)) is not None:
                yield terms

    def remembered(self, material: Material) -> Iterator[Piece]:
        """Yield what the project's repository holds for this kind of work, and recent decisions."""
        for entry in material.related:
            if entry.domain in ("", material.job.spec.modality):
                text = f"{entry.section}: {entry.title}\n{entry.text}"
                yield Piece("related", f"related.{entry.id}", text, Rank.RELATED)
        for number, made in enumerate(material.decisions, 1):
            why = f" ({made.why})" if made.why else ""
            yield Piece("history", f"history.{number}", f"- {made.who}: {made.what}{why}", Rank.RELATED)


def given_files(job: Job) -> list[Asset]:
    """Return the assets of a job, and the pictures and sounds of modules whose files it reads, under their paths."""
    made = [
        Asset(
            ref=ref.model_copy(update={"path": f"../{module}/{ref.path}"}),
            domain=domain,
            description=f"{ref.media_type}, {ref.size:,} bytes",
        )
        for module, refs in sorted(job.readable.items())
        for ref in refs
        if (domain := _MEDIA_DOMAINS.get(ref.media_type.partition("/")[0])) and not is_text(ref.media_type)
    ]
    return [*job.assets, *made]


def takes(kind: Modality, material: Material) -> bool:
    """Return whether the module's member is sent pictures (``vision``) or sounds (``audio``) as they are.

    A member whose settings say nothing is trusted with what its module works on: whoever gave it the
    module thought it fit, and most models that see are known by no setting.
    """
    return kind in material.modalities if material.modalities else kind == material.job.spec.modality


def _content(asset: Asset, text: str) -> Piece:
    return Piece("assets", f"assets.{asset.ref.path}", fenced_file(asset.ref.path, text), Rank.HELPFUL)


def bullets(lines: Sequence[str]) -> str:
    """Return lines as a list."""
    return "\n".join(f"- {line}" for line in lines)


def _needed(name: str, value: Any) -> Piece:
    return Piece(name, name, to_json(value), Rank.NEEDED)


def _manual(material: Material) -> dict[str, Any]:
    return material.job.spec.model_dump(
        include={
            "id",
            "name",
            "description",
            "inputs",
            "outputs",
            "rules",
            "shared_state_reads",
            "shared_state_writes",
            "modality",
        }
    )
