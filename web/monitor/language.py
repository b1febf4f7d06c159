"""Whose language a page speaks: as the person chose, else the service, else as the browser asks for."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from gettext import NullTranslations
from typing import Any, cast
from urllib.parse import parse_qs

from nicegui import Client, ui
from nicegui.language import Language
from nicegui.slot import Slot, get_task_id
from nicegui.translations import translations
from starlette.requests import Request

from matrioska.i18n import ENGLISH, N_, ask_for_words, known, languages, spoken, wanted, words_of

#: Cookie with the language that a person chose.
LANGUAGE_COOKIE = "matrioska-language"
#: What is spoken: our name for it, its own, and Quasar's, which is that of the web.
SPOKEN = {"en": ("English", "en-US"), "pt_BR": ("Português", "pt-BR")}
#: Seconds that a page may take until it stands: NiceGUI's three are few on a machine that works hard.
RESPONSE_TIMEOUT = 20.0
#: What NiceGUI says by itself, by its names for that.
_SAID_BY_NICEGUI = {
    "connection_lost": N_("Connection lost."),
    "trying_to_reconnect": N_(
        "It is being tried again. If the service was started anew since, open the address that it printed."
    ),
    "message_too_long": N_("Too much was entered."),
    "message_too_long_body": N_("The service does not take as much at once, and did not get it."),
}
_MOST_ASKED = 20
_KEY = "words"

_building: ContextVar[NullTranslations | None] = ContextVar("words of a page", default=None)


class Page(ui.page):
    """NiceGUI's page, in the language that `settle` found for who asks for it."""

    def resolve_language(self) -> Language | None:
        """See `ui.page`."""
        return cast(Language, SPOKEN.get(spoken(), SPOKEN[ENGLISH])[1])


def speak_for_nicegui() -> None:
    """Have what NiceGUI's own notices say be said in our words and languages. Called once, before the first page."""
    for ours in languages():
        words = words_of(ours)
        said = {name: words.gettext(text) for name, text in _SAID_BY_NICEGUI.items()}
        translations[cast(Language, SPOKEN.get(ours, SPOKEN[ENGLISH])[1])] = said


def page(path: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorated function a page of the monitor."""
    ask_for_words(words_here)

    def registered(build: Callable[..., Any]) -> Callable[..., Any]:
        # Not async: what is settled here must be known where NiceGUI writes the page's head as well.
        @wraps(build)
        def begun(*args: Any, **kwargs: Any) -> Any:
            settle(ui.context.client)
            return build(*args, **kwargs)

        return Page(path, response_timeout=RESPONSE_TIMEOUT)(begun)

    return registered


def settle(client: Client) -> None:
    """Have a page, and all that it does from here on, speak the language that its request asks for."""
    client.storage[_KEY] = words = words_of(language_for(client.request))
    _building.set(words)


def words_here() -> NullTranslations | None:
    """Return the words of the page on whose behalf this runs; None where it is on nobody's.

    A handler runs in a slot of its page's tree, whatever context it was begun in.
    """
    if stack := Slot.stacks.get(get_task_id()):
        words = stack[-1].parent.client.storage.get(_KEY)
        if isinstance(words, NullTranslations):
            return words
    return _building.get()


def language_for(request: Request) -> str:
    """Return the language that answers a request.

    Its address may choose one (``?lang=``), a cookie remembers that; then comes what the service was started in,
    if a person chose that, and then what the browser likes.
    """
    chosen = (request.query_params.get("lang", ""), request.cookies.get(LANGUAGE_COOKIE, ""), wanted() or "")
    liked = _by_liking(request.headers.get("accept-language", ""))
    return next((found for name in (*chosen, *liked) if (found := known(name))), ENGLISH)


def remembered(query: bytes) -> bytes | None:
    """Return the value of ``Set-Cookie`` by which a language chosen in an address is kept; None for none chosen."""
    chosen = known(parse_qs(query.decode("latin-1")).get("lang", [""])[-1])
    return f"{LANGUAGE_COOKIE}={chosen}; Path=/; Max-Age=31536000; SameSite=Strict".encode() if chosen else None


def language_switch() -> None:
    """Build links to the page in the other languages; they are remembered."""
    for ours in languages():
        name, web = SPOKEN.get(ours, (ours, ours))
        if ours != spoken():
            link = ui.link(ours[:2].upper(), f"?lang={ours}").classes("quiet")
            link.props["aria-label"], link.props["title"] = name, name
            link.props["lang"] = link.props["hreflang"] = web
            link.props["data-testid"] = f"language-{ours}"


def _by_liking(header: str) -> list[str]:
    """Return the languages of an ``Accept-Language`` (RFC 9110), the one liked best first."""
    liked = []
    for part in header.split(",")[:_MOST_ASKED]:
        name, _, weight = part.partition(";")
        try:
            liking = float(weight.partition("=")[2]) if weight else 1.0
        except ValueError:
            continue
        if liking > 0:
            liked.append((liking, name.strip()))
    return [name for _, name in sorted(liked, key=lambda one: -one[0])]
