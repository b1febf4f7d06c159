"""Modules that no recipe knows, because a person put them into the plan: written from their own spec."""

from __future__ import annotations

import html
import re
from pathlib import PurePosixPath
from typing import Any

from matrioska.models.embedded.context import Work
from matrioska.models.embedded.understanding.nouns import identifier

_FILE_NAME = re.compile(r"(?<![\w/.-])([\w-]+\.(?:html?|md|css|js|json|txt|csv|svg))\b")
_WORDS = {
    "en": {
        "tasks": "What this part covers",
        "rules": "Rules kept",
        "values": "What it builds on",
        "back": "Open the application",
    },
    "pt": {
        "tasks": "O que esta parte cobre",
        "rules": "Regras seguidas",
        "values": "Em que se apoia",
        "back": "Abrir a aplicação",
    },
}
_NOTE = {
    "en": "Written by rules from the module's own description. A language model would write it out more fully.",
    "pt": "Escrito por regras a partir da descrição do módulo. Um modelo de linguagem o desenvolveria melhor.",
}


def fallback_value(work: Work, key: str) -> Any:
    """Return a whiteboard value for a key that no recipe knows: what the spec itself can promise."""
    return {
        "module": work.module_id,
        "title": _title(work),
        "about": str(work.spec.get("description") or "")[:500],
        "files": [f"{work.module_id}/{_file_name(work)}"],
    }


def fallback_files(work: Work, contract: dict[str, Any]) -> list[tuple[str, str]]:
    """Return one file made of the spec: a page beside an application, else Markdown, or as its outputs say."""
    name = _file_name(work)
    names = _promised_names(contract)
    writers = {".html": _page, ".htm": _page, ".css": _style, ".js": _script, ".json": _json, ".svg": _drawing}
    write = writers.get(PurePosixPath(name).suffix, _markdown)
    return [(name, write(work, names))]


def _file_name(work: Work) -> str:
    texts = [*(work.spec.get("outputs") or ()), str(work.spec.get("description") or "")]
    for text in texts:
        if match := _FILE_NAME.search(str(text)):
            return match[1]
    return (
        "index.html" if work.brief.kind == "webapp" else f"{identifier(work.module_id).replace('_', '-') or 'text'}.md"
    )


def _title(work: Work) -> str:
    return str(work.spec.get("name") or "") or work.module_id.replace("-", " ").replace("_", " ").capitalize()


def _promised_names(contract: dict[str, Any]) -> list[str]:
    """Return the plain names that the module's own contract lists: each must occur in its files."""
    names: dict[str, None] = {}
    for value in contract.values():
        for key in ("ids", "classes", "functions", "keys"):
            listed = value.get(key) if isinstance(value, dict) else None
            names |= dict.fromkeys(str(name) for name in listed) if isinstance(listed, list) else {}
    return list(names)


def _sentences(work: Work) -> list[str]:
    text = str(work.spec.get("description") or work.spec.get("name") or work.module_id)
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text) if part.strip()]


def _styles(work: Work) -> list[str]:
    """Return the style sheets that the values it reads name."""
    files = [name for value in work.values.values() if isinstance(value, dict) for name in value.get("files") or ()]
    return [str(name) for name in files if str(name).endswith(".css")]


def _page(work: Work, names: list[str]) -> str:
    words = _WORDS[work.brief.language]
    escape = html.escape
    links = "".join(f'  <link rel="stylesheet" href="../{escape(name)}">\n' for name in _styles(work))
    body = "".join(f"    <p>{escape(sentence)}</p>\n" for sentence in _sentences(work))
    rules = _items(work.spec.get("rules"), words["rules"])
    listed = "".join(f'    <span id="{escape(name)}"></span>\n' for name in names)
    language = "pt-BR" if work.brief.language == "pt" else "en"
    things = _items([_entity_line(entity) for entity in work.brief.entities], words["values"])
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n  <meta charset="utf-8">\n'
        '  <meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"  <title>{escape(_title(work))} · {escape(work.brief.title)}</title>\n{links}</head>\n<body>\n"
        f'  <main class="content">\n    <h1>{escape(_title(work))}</h1>\n{body}{rules}{things}{listed}'
        f'    <p class="muted">{_NOTE[work.brief.language]}</p>\n  </main>\n</body>\n</html>\n'
    )


def _entity_line(entity: Any) -> str:
    return f"{entity.plural}: {', '.join(field.label for field in entity.fields)}"


def _items(items: Any, heading: str) -> str:
    lines = "".join(f"      <li>{html.escape(str(item))}</li>\n" for item in items or ())
    return f"    <h2>{heading}</h2>\n    <ul>\n{lines}    </ul>\n" if lines else ""


def _markdown(work: Work, names: list[str]) -> str:
    words = _WORDS[work.brief.language]
    parts = [f"# {_title(work)}", *_sentences(work)]
    for heading, items in ((words["rules"], work.spec.get("rules")), (words["values"], names)):
        if items:
            parts += [f"## {heading}", "\n".join(f"- {item}" for item in items)]
    return "\n\n".join([*parts, f"*{_NOTE[work.brief.language]}*"]) + "\n"


def _style(work: Work, names: list[str]) -> str:
    rules = "".join(f".{name} {{\n  display: block;\n}}\n\n" for name in names)
    accent = f":root {{\n  --accent: {work.brief.accent};\n}}\n\n" if work.brief.accent else ""
    return f"{_comment(work)}\n{accent}{rules}"


def _script(work: Work, names: list[str]) -> str:
    functions = "".join(f"function {name}(value) {{\n  return value;\n}}\n\n" for name in names if name.isidentifier())
    return f"{_comment(work)}\n{functions}"


def _comment(work: Work) -> str:
    text = " ".join(_sentences(work)).replace("*/", "* /")
    return f"/* {_title(work)}\n   {text}\n   {_NOTE[work.brief.language]} */\n"


def _json(work: Work, names: list[str]) -> str:
    from matrioska.models.embedded.webapp.rendering import to_js

    return str(to_js({"title": _title(work), "about": _sentences(work), "names": names})) + "\n"


def _drawing(work: Work, names: list[str]) -> str:
    title = html.escape(_title(work))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 120" role="img" aria-label="{title}">\n'
        f'  <rect width="400" height="120" rx="12" fill="{work.brief.accent or "#2457d6"}"/>\n'
        f'  <text x="200" y="66" text-anchor="middle" font-size="22" fill="#fff">{title}</text>\n</svg>\n'
    )
