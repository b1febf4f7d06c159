"""What each module promises: names of functions, classes, storage keys and files."""

from __future__ import annotations

import re
import zlib
from functools import cache
from typing import Any

from matrioska.models.embedded.recipe import Brief
from matrioska.models.embedded.webapp.parts import Part
from matrioska.models.embedded.webapp.rendering import template_text
from matrioska.models.embedded.webapp.schema import entities_to_json

FUNCTIONS: dict[str, dict[str, str]] = {
    "domain": {
        "findEntity": "(name) -> entity, or undefined",
        "findField": "(entityName, fieldName) -> field, or undefined",
        "referrersOf": "(entityName) -> [{entity, field}] that refer to it",
    },
    "store": {
        "loadData": "() reads what is stored; true when there was nothing yet",
        "seedData": "(samplesByEntity) fills an empty store; dates are days from today, references are row numbers",
        "listRecords": "(entityName) -> records",
        "getRecord": "(entityName, id) -> record, or undefined",
        "recordLabel": "(entityName, id) -> text that names the record",
        "validateRecord": "(entityName, values) -> {fieldName: problem}, empty when all is well",
        "saveRecord": "(entityName, values, id?) -> saved record; throws when values are not valid",
        "deleteRecord": "(entityName, id) removes a record; throws when others refer to it",
        "countReferrers": "(entityName, id) -> [{entity, count}]",
        "exportData": "() -> everything as one plain object",
        "importData": "(object) replaces everything; throws when it is not an export",
        "clearData": "() removes all records",
        "onChange": "(listener) calls it after every change; returns a function that stops it",
    },
    "ui": {
        "el": "(tag, attributes, ...children) -> element; children are text or elements, never HTML",
        "icon": "(name) -> svg element",
        "toast": "(message, tone?) shows a passing message",
        "openDialog": "({title, body, actions, testid}) -> {close}",
        "confirmDialog": "({title, message, action, onConfirm})",
        "t": "(key, values?) -> text in the application's language",
        "formatValue": "(field, value) -> text",
        "buildForm": "({entity, record, onDone}) -> form element",
        "registerPage": "({entity, columns, sort, filters, samples}) adds a record page",
        "renderRecords": "(container, entityName) shows the list of one entity",
        "samplesByEntity": "() -> sample records of all registered pages",
        "barChart": "({title, items}) -> element; items are {label, value}",
        "donutChart": "({title, items}) -> element",
        "lineChart": "({title, items}) -> element",
    },
    "auth": {
        "signIn": "(name, password) -> promise of the account; rejects with a message for people",
        "signUp": "(name, password) -> promise of the account",
        "signOut": "() ends the session",
        "currentUser": "() -> promise of the signed-in account, or null",
        "renderLogin": "(container, onSignedIn) shows the sign-in screen",
    },
    "dashboard": {"renderDashboard": "(container) shows figures and charts"},
}
NAMESPACES = {
    "domain": "App.schema",
    "store": "App.store",
    "ui": "App.ui",
    "auth": "App.auth",
    "dashboard": "App.dashboard",
}

#: Accents dark enough for white text; a project keeps the one its name leads to.
_ACCENTS = ("#2457d6", "#6d3fc4", "#0f7173", "#16794c", "#b0413e", "#4046c8")

_CLASS = re.compile(r"\.([a-z][a-z0-9-]*)(?=[^{}]*\{)")


def storage_keys(brief: Brief) -> dict[str, str]:
    """Return the names in the browser's storage, all under the project's own."""
    return {part: f"{brief.slug}.{part}.v1" for part in ("data", "accounts", "session", "secret", "theme")}


@cache
def style_classes() -> list[str]:
    """Return the classes that the style sheet defines."""
    source = re.sub(r"/\*.*?\*/", "", template_text("style.css.jinja"), flags=re.DOTALL)
    return sorted(set(_CLASS.findall(source)))


def accent_of(brief: Brief) -> str:
    """Return the accent colour: the one asked for, or one that follows from the project's name."""
    return brief.accent or _ACCENTS[zlib.crc32(brief.slug.encode()) % len(_ACCENTS)]


def contract_of(part: Part, brief: Brief) -> dict[str, Any]:
    """Return the value that a module publishes under its key."""
    value: dict[str, Any] = {"files": [f"{part.id}/{name}" for name in part.files]}
    if part.key in FUNCTIONS:
        value["namespace"] = NAMESPACES[part.key]
        value["functions"] = list(FUNCTIONS[part.key])
        value["signatures"] = FUNCTIONS[part.key]
    keys = storage_keys(brief)
    if part.key == "domain":
        value["entities"] = entities_to_json(brief.entities)
        value["keys"] = [entity.name for entity in brief.entities]
    elif part.key == "design":
        value["classes"] = style_classes()
        value["accent"] = accent_of(brief)
    elif part.key == "store":
        value["keys"] = [keys["data"]]
    elif part.key == "auth":
        value["keys"] = [keys["accounts"], keys["session"]]
        value["demo_account"] = {"name": "admin", "password": "admin123"}
    elif part.entity:
        value["entity"] = part.entity
        value["keys"] = [part.entity]
    return value
