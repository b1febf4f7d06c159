"""What a file of a deliverable is served as: its media type, its content, and what it may do. Pure.

A page made by a model runs in a frame without an origin (``sandbox`` without ``allow-same-origin``,
in the frame and in the header), and its policy names the folder of its own deliverable as the only
place to load from. So pages of several files work, with their styles, scripts, pictures and links,
and nothing can be sent: no request of a script, no form, no socket, no picture from elsewhere.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache
from pathlib import PurePosixPath

from markdown_it import MarkdownIt

#: Pages, and the only files whose scripts run.
_PAGES = (".html", ".htm", ".xhtml")
_MARKDOWN = (".md", ".markdown")
#: What pages load. A browser takes a script or a style only under its own media type.
_PARTS = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".otf": "font/otf",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".wav": "audio/wav",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
#: The largest text that is drawn as Markdown, in bytes; a larger one is shown as it is.
MAX_MARKDOWN = 250_000
#: What a frame may do. With ``allow-forms`` a script hears that a form is sent; ``form-action`` then stops it.
SANDBOX = "allow-scripts allow-forms"
# All that may stand before: the first ">" ends a doctype, whatever it holds.
_DOCTYPE = re.compile(r"\s*<!doctype[^>]*>", re.IGNORECASE)
# Runs before all others. Calls are taken from a page, so that one that does not mean harm finds none and goes on.
# Without an origin there is no storage, and a script that reads it ends there: this one lives as long as the frame,
# whose window keeps a name from page to page.
_PRELUDE = """<script>(() => {
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection", "mozRTCPeerConnection"])
    Object.defineProperty(window, name, { value: undefined, writable: false, configurable: false });
  try { localStorage; return; } catch (refused) { /* no origin, no storage */ }
  let kept = {};
  try { kept = JSON.parse(window.name) || {}; } catch (fresh) { /* the first page of this frame */ }
  const storage = (area) => {
    const items = new Map(Array.isArray(kept[area]) ? kept[area] : []);
    const keep = () => { kept[area] = [...items]; window.name = JSON.stringify(kept); };
    return {
      get length() { return items.size; },
      key: (index) => [...items.keys()][index] ?? null,
      getItem: (key) => items.get(String(key)) ?? null,
      setItem: (key, value) => { items.set(String(key), String(value)); keep(); },
      removeItem: (key) => { items.delete(String(key)); keep(); },
      clear: () => { items.clear(); keep(); },
    };
  };
  for (const area of ["localStorage", "sessionStorage"])
    Object.defineProperty(window, area, { value: storage(area), configurable: true });
})();</script>"""
_PROSE = """<!doctype html>
<html lang="und">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>
body {{ font: 16px/1.6 system-ui, sans-serif; max-width: 44rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: break-word; }}
pre {{ overflow-x: auto; padding: 0.75rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent); }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
td, th {{ border: 1px solid color-mix(in srgb, currentColor 25%, transparent); padding: 0.25rem 0.6rem; }}
img {{ max-width: 100%; }}
</style></head>
<body>
{body}</body>
</html>
"""


@dataclass(frozen=True)
class Page:
    """What is sent for one file."""

    content: bytes
    media_type: str
    headers: dict[str, str]


def page_of(path: str, content: bytes, folder: str, *, opened: bool = True) -> Page:
    """Return what a file is served as.

    Args:
        path: its path in the deliverable.
        content: its bytes.
        folder: address below which the deliverable stands, with the slash at its end.
        opened: whether it is opened as a page, not loaded as a part of one. Only then is Markdown drawn, which takes
            its time: a page may name a thousand pictures.
    """
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in _PAGES:
        return Page(_with_prelude(content), "text/html; charset=utf-8", _headers(folder, scripts=True))
    if suffix in _MARKDOWN and opened and len(content) <= MAX_MARKDOWN:
        return Page(_prose(path, content), "text/html; charset=utf-8", _headers(folder, scripts=False))
    return Page(content, _PARTS.get(suffix, "text/plain; charset=utf-8"), _headers(folder, scripts=False))


def _headers(folder: str, *, scripts: bool) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy(folder, scripts=scripts),
        # Holds calls (WebRTC) and connections made ahead, which policies of content know nothing of. Chromium heeds
        # it; to other browsers a hostile page can still say that it was opened.
        "Connection-Allowlist": "(response-origin)",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        # Scripts of type "module" and fonts are asked for by the origin of the page: none.
        "Access-Control-Allow-Origin": "null",
        "Cache-Control": "no-store",
        # A name that is looked up tells its owner: by that alone a page could send words.
        "X-DNS-Prefetch-Control": "off",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=(), clipboard-read=(), display-capture=()",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def policy(folder: str, *, scripts: bool) -> str:
    """Return the policy of a page: it loads from its own deliverable only, and sends nothing."""
    rules = {
        "sandbox": SANDBOX if scripts else "",
        "default-src": "'none'",
        "script-src": f"'unsafe-inline' {folder}" if scripts else "'none'",
        "style-src": f"'unsafe-inline' {folder}",
        "img-src": f"data: blob: {folder}",
        "font-src": f"data: {folder}",
        "media-src": f"data: blob: {folder}",
        "frame-src": "'none'",
        "form-action": "'none'",
        "base-uri": "'none'",
    }
    return "; ".join(f"{name} {rule}".strip() for name, rule in rules.items())


def _with_prelude(content: bytes) -> bytes:
    """Return a page with what runs before its own scripts, in the encoding that its header names."""
    # Marks of another encoding would be believed above the header.
    text = content.decode("utf-8-sig", errors="replace")
    found = _DOCTYPE.match(text)
    end = found.end() if found else 0
    return f"{text[:end]}{_PRELUDE}{text[end:]}".encode()


def _prose(path: str, content: bytes) -> bytes:
    """Return Markdown as a page. Markup in it stays text."""
    text = content.decode("utf-8", errors="replace")
    title = html.escape(PurePosixPath(path).name)
    return _PROSE.format(title=title, body=_markdown().render(text)).encode()


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
