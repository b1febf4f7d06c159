"""The assembler's role: a README that says what there is, how to open it, and what is missing."""

from __future__ import annotations

from typing import Any

from matrioska.models.embedded.brief import read_brief
from matrioska.models.embedded.request import Request

_WORDS = {
    "en": {
        "open": "## How to open it", "start": "Open [{name}]({path}).",
        "webapp": "It needs no installation and no network: a double click on the file is enough.",
        "demo": "The sign-in screen shows a demo account; you can also create your own.",
        "parts": "## Parts", "limits": "## Known limits", "missing": "Could not be built: {name}.",
        "asked": "The task was:",
        "browser": "Data stays in the browser in which it is entered; export it in the settings to keep a copy.",
        "author": "Written by Matrioska's embedded model, which works by rules and not by understanding. "
                  "Read it before you rely on it; a language model can do more.",
    },
    "pt": {
        "open": "## Como abrir", "start": "Abra [{name}]({path}).",
        "webapp": "Não precisa de instalação nem de rede: basta um clique duplo no arquivo.",
        "demo": "A tela de entrada mostra uma conta de demonstração; você também pode criar a sua.",
        "parts": "## Partes", "limits": "## Limites conhecidos", "missing": "Não foi possível construir: {name}.",
        "asked": "A tarefa era:",
        "browser": "Os dados ficam no navegador em que são digitados; exporte-os nos ajustes para guardar uma cópia.",
        "author": "Escrito pelo modelo embutido do Matrioska, que trabalha por regras e não por compreensão. "
                  "Leia antes de confiar; um modelo de linguagem pode fazer mais.",
    },
}  # fmt: skip


def readme_text(request: Request) -> str:
    """Return the README of a deliverable, linking only to files that the request lists."""
    project = request.section_object("project")
    brief = read_brief(str(project.get("goal") or ""), str(project.get("language") or ""))
    words = _WORDS[brief.language]
    modules = [module for module in request.section_list("modules") if isinstance(module, dict)]
    listed = {path for module in modules for path in _files(module)}
    lines = [f"# {project.get('name') or brief.title}", "", words["asked"], "", *_quote(brief.task), ""]
    if request.entry_point:
        linked = request.entry_point in listed
        start = words["start"].format(name=request.entry_point, path=_link(request.entry_point))
        lines += [words["open"], "", start if linked else start.replace(f"({_link(request.entry_point)})", "")]
        if brief.kind == "webapp":
            lines += ["", words["webapp"], *([words["demo"]] if "login" in brief.features else [])]
        lines.append("")
    lines += [words["parts"], "", *(_part(module) for module in modules), "", words["limits"], ""]
    limits = list(brief.unsupported)
    if brief.kind == "webapp":
        limits.append(words["browser"])
    limits += [words["missing"].format(name=name) for name in _missing(request)]
    lines += [f"- {limit}" for limit in [*limits, words["author"]]]
    return "\n".join(lines) + "\n"


def _files(module: dict[str, Any]) -> list[str]:
    listed = module.get("files")
    return [str(path) for path in listed] if isinstance(listed, list) else []


def _quote(task: str) -> list[str]:
    return [f"> {_plain(line)}".rstrip() for line in task[:2_000].splitlines()]


def _plain(text: str) -> str:
    """Return text that Markdown shows as it is: a task may hold links and markup of its own."""
    return "".join("\\" + char if char in "\\`*_[]<>#|!" else char for char in text)


def _link(path: str) -> str:
    return f"<{path}>" if " " in path else path


def _part(module: dict[str, Any]) -> str:
    paths = ", ".join(f"[{path.partition('/')[2] or path}]({_link(path)})" for path in _files(module))
    name = _plain(str(module.get("name") or module.get("id") or ""))
    return f"- **{name}**: {paths}" if paths else f"- **{name}**"


def _missing(request: Request) -> list[str]:
    return [
        _plain(str(item.get("name") or item.get("id")) if isinstance(item, dict) else str(item))
        for item in request.section_list("missing")
    ]
