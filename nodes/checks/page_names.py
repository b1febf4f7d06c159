"""Ids and classes: those that are looked up or styled must exist somewhere in the tree."""

from __future__ import annotations

from collections.abc import Iterator

from matrioska.nodes.checks.site import Place, Site
from matrioska.nodes.checks.wording import listed, shorten, word_set
from matrioska.state.wording import did_you_mean, near_match

#: Classes that state or helper scripts set, and that stylesheets keep in stock.
_STATES = word_set(
    "active open closed hidden visible show hide disabled enabled selected checked current done completed loading "
    "loaded error success warning danger info primary secondary dark light focus hover invalid valid empty expanded "
    "collapsed dragging sr-only visually-hidden container wrapper row col grid flex clearfix print-only "
    "no-print"
)
_STOCK_PREFIXES = ("is-", "has-", "js-", "no-", "u-", "theme-", "text-", "mt-", "mb-", "p-", "m-")


def looked_up_names(site: Site) -> Iterator[tuple[Place, str]]:
    """Yield ids and classes that scripts and attributes look up and that nothing has."""
    # Without a page, the elements are made elsewhere.
    if not site.pages:
        return
    for place in site.id_uses:
        if not site.has_id(place.target):
            hint = did_you_mean(place.target, site.known_ids)
            yield place, f"{place.what} looks for the id '{shorten(place.target)}', which no element has{hint}"
    styled = {place.target for place in site.styled_classes}
    for place in site.class_uses:
        if place.target in site.classes or place.target in styled or site.words.hold(place.target):
            continue
        hint = did_you_mean(place.target, site.classes)
        # Code from outside brings classes of its own: then only a likely slip is worth a word.
        if hint or not site.foreign:
            yield place, f"{place.what} looks for the class '{shorten(place.target)}', which no element has{hint}"


def styled_names(site: Site) -> Iterator[tuple[Place, str]]:
    """Yield ids and classes that stylesheets style and that nothing has."""
    if not site.pages:
        return
    for place in site.styled_ids:
        if not site.has_id(place.target):
            hint = did_you_mean(place.target, site.known_ids)
            yield place, f"the stylesheet styles the id '{shorten(place.target)}', which no element has{hint}"
    styled = {place.target for place in site.styled_classes}
    unstyled = site.classes - styled
    # "btn-danger" beside "btn" is kept in stock.
    blocks = {_block(name) for name in site.classes | site.words.whole}
    unused: dict[str, dict[str, Place]] = {}
    for place in site.styled_classes:
        name = place.target
        if name in site.classes or site.words.hold(name):
            continue
        if meant := near_match(name, unstyled, 0.8):
            hint = f" (did you mean '{meant}'?)"
            yield place, f"the stylesheet styles the class '{shorten(name)}', which no element has{hint}"
        elif not (site.foreign or name in _STATES or name.startswith(_STOCK_PREFIXES) or _block(name) in blocks):
            unused.setdefault(place.path, {}).setdefault(name, place)
    # One finding per file: what is merely unused is tidied in one go.
    for places in unused.values():
        words = f"the classes {listed(places)}, which" if len(places) > 1 else f"the class {listed(places)}, which"
        yield next(iter(places.values())), f"the stylesheet styles {words} no element has"


def _block(name: str) -> str:
    """Return the first part of a class name: ``btn`` of ``btn-danger``, ``btn--big`` and ``btn__icon``."""
    return name.replace("_", "-").split("-")[0]
