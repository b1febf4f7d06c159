"""What an adapter is, and what every kind of work is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from matrioska.nodes.context.pieces import Material, Piece, Rank
from matrioska.prompts.render import to_json
from matrioska.state.answers import fenced_file


class Adapter(Protocol):
    """A way of presenting context to one kind of work."""

    def present(self, material: Material) -> list[Piece]:
        """Return the pieces of a package, in the order in which they are to be read. It only computes."""
        ...


class BaseAdapter:
    """Presents what is common to all kinds of work: the project, the manual, what the module reads."""

    def present(self, material: Material) -> list[Piece]:
        """See `Adapter.present`."""
        return [*self.needed(material), *self.read(material), *self.helpful(material)]

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
