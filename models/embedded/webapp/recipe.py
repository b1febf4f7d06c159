"""The web application as a recipe: plan, contracts and files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matrioska.models.embedded.recipe import Brief, Kind
from matrioska.models.embedded.webapp import figures
from matrioska.models.embedded.webapp.colours import palette
from matrioska.models.embedded.webapp.contracts import accent_of, contract_of, storage_keys
from matrioska.models.embedded.webapp.parts import Part, parts_of, plan_of
from matrioska.models.embedded.webapp.rendering import render
from matrioska.models.embedded.webapp.samples import samples_of
from matrioska.models.embedded.webapp.schema import read_entities
from matrioska.models.embedded.webapp.texts import TEXTS

Files = list[tuple[str, str]]


class WebAppRecipe:
    """A complete application that keeps records, without a server."""

    kind: Kind = "webapp"

    def plan(self, brief: Brief) -> dict[str, Any]:
        """Return the architecture: foundations first, then every screen side by side, then the shell."""
        return plan_of(brief)

    def contract(self, brief: Brief, module_id: str, keys: list[str], values: dict[str, Any]) -> dict[str, Any]:
        """Return the values that the module publishes, by key."""
        part = _part(brief, module_id)
        return {key: contract_of(part, brief) for key in keys if key == part.key}

    def files(self, brief: Brief, module_id: str, contract: dict[str, Any], values: dict[str, Any]) -> Files:
        """Return the module's files; what they build on comes from the whiteboard when it is there."""
        return _Writing(brief, {**values, **contract}).files_of(_part(brief, module_id), root="../")

    def whole(self, brief: Brief) -> Files:
        """Return the whole application: the modules' folders, with index.html above them."""
        values = {part.key: contract_of(part, brief) for part in parts_of(brief) if part.key}
        writing = _Writing(brief, values)
        files: Files = []
        for part in parts_of(brief):
            is_shell = part.id == "app-shell"
            for name, text in writing.files_of(part, root="" if is_shell else "../", shell_root=""):
                files.append((name if is_shell else f"{part.id}/{name}", text))
        return files


def _part(brief: Brief, module_id: str) -> Part:
    return next(part for part in parts_of(brief) if part.id == module_id)


class _Writing:
    """The writing of files from one set of whiteboard values."""

    def __init__(self, brief: Brief, values: dict[str, Any]) -> None:
        self.brief = brief
        self.values = values
        self.entities = read_entities(values.get("domain"), brief)

    def files_of(self, part: Part, root: str, shell_root: str = "../app-shell/") -> Files:
        common = {
            "title": self.brief.title,
            "language": self.brief.language,
            "lang_tag": "pt-BR" if self.brief.language == "pt" else "en",
            "keys": self._storage(),
            "root": root,
        }
        own = self._own_values(part, root, shell_root)
        return [(name, render(f"{name}.jinja", **common, **own)) for name in part.files]

    def _storage(self) -> dict[str, str]:
        keys = storage_keys(self.brief)
        listed = _names(self.values.get("store"), "keys")
        # The store's promise decides where data lies, so that every file agrees with it.
        return keys | ({"data": listed[0]} if listed else {})

    def _own_values(self, part: Part, root: str, shell_root: str) -> dict[str, Any]:
        if part.entity:
            return self._page(part.entity)
        writers: dict[str, Callable[[], dict[str, Any]]] = {
            "domain-model": lambda: {"entities": self.entities, "slug": self.brief.slug},
            "design-system": self._design,
            "ui-components": lambda: {"texts": TEXTS[self.brief.language]},
            "auth": lambda: {"demo": _mapping(self.values.get("auth"), "demo_account") or _DEMO},
            "dashboard": self._dashboard,
            "documentation": lambda: self._guide(shell_root),
            "app-shell": lambda: self._shell(root),
        }
        return writers.get(part.id, dict)()

    def _page(self, name: str) -> dict[str, Any]:
        entity = next((item for item in self.entities if item["name"] == name), None)
        if entity is None:
            # The domain model dropped this entity after the plan: the page then says nothing of it.
            return {"entity": name, "columns": [], "sort": {}, "filters": [], "samples": []}
        return {
            "entity": name,
            "columns": figures.choose_columns(entity),
            "sort": figures.choose_sort(entity),
            "filters": figures.choose_filters(entity),
            "samples": samples_of(entity, self.entities, self.brief.language),
        }

    def _design(self) -> dict[str, Any]:
        design = self.values.get("design")
        stated = str(design.get("accent", "")) if isinstance(design, dict) else ""
        # A colour in the edited spec outranks the one promised before the edit.
        accent = self.brief.accent or stated or accent_of(self.brief)
        return palette(accent)

    def _dashboard(self) -> dict[str, Any]:
        return {"charts": figures.choose_charts(self.entities), "due": figures.choose_due(self.entities)}

    def _guide(self, shell_root: str) -> dict[str, Any]:
        return {
            "entities": self.entities,
            "unsupported": self.brief.unsupported,
            "notes": self.brief.notes,
            "shell_root": shell_root or "../",
            "has_login": "login" in self.brief.features,
            "texts": TEXTS[self.brief.language],
            "styles": _names(self.values.get("design"), "files") or ["design-system/style.css"],
            "task": self.brief.task,
            "demo": _DEMO,
        }

    def _shell(self, root: str) -> dict[str, Any]:
        own = parts_of(self.brief)[:-1]
        known = self.values or {part.key: {} for part in own}
        files: list[str] = []
        for part in own:
            if part.key in known:
                files += _names(known[part.key], "files") or [f"{part.id}/{name}" for name in part.files]
        # Values that a person added to the plan may bring further files.
        for key in known:
            if key not in {part.key for part in own}:
                files += _names(known[key], "files")
        guide = next((name for name in files if name.endswith("guide.html")), "")
        return {
            "styles": [name for name in files if name.endswith(".css") and not name.endswith("guide.css")],
            "scripts": [name for name in files if name.endswith(".js")],
            "guide": root + guide if guide else "",
            "texts": TEXTS[self.brief.language],
            "pages": [name for name in files if name.endswith(".html") and name != guide],
        }


_DEMO = {"name": "admin", "password": "admin123"}


def _mapping(value: Any, key: str) -> dict[str, Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def _names(value: Any, key: str) -> list[str]:
    listed = value.get(key) if isinstance(value, dict) else None
    return [str(name) for name in listed] if isinstance(listed, list) else []
