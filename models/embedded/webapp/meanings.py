"""What names mean to the eye: an icon for each kind of thing, a colour for each choice."""

from __future__ import annotations

from collections.abc import Sequence

from matrioska.models.embedded.tables import words
from matrioska.models.embedded.understanding.nouns import fold

_ICONS = {
    "person": "member reader author patient doctor customer client user student teacher trainer contact agent guest "
    "veterinarian employee candidate driver participant speaker volunteer owner lead supplier team person",
    "book": "book course lesson class article post note exam grade prescription recipe album song movie game",
    "calendar": "appointment reservation booking visit event enrollment trip workout habit",
    "box": "product item equipment asset ingredient warehouse plant vaccine",
    "money": "sale payment deal expense income account transaction invoice donation subscription plan",
    "exchange": "loan order movement rental application",
    "place": "property room table company department",
    "check": "task project goal ticket inspection job service campaign",
    "heart": "pet animal",
    "car": "vehicle car",
    "food": "dish menu",
}
_ICON_OF = {name: icon for icon, names in _ICONS.items() for name in names.split()}

#: Colours by number, as the style sheet's series has them.
_ACCENT, _AMBER, _GREEN, _RED, _VIOLET, _SLATE = range(6)
_TONES = {
    _GREEN: "done completed returned paid active available delivered won hired passed confirmed resolved published "
    "watched free vaccinated concluida feito devolvido pago ativo disponivel entregue ganho contratado aprovada "
    "confirmada resolvido publicado visto livre qualified qualificado yes sim low baixa",
    _RED: "overdue cancelled lost rejected failed high urgent expired atrasado cancelada cancelado perdido recusado "
    "reprovada alta urgente vencido",
    _AMBER: "pending medium waiting reserved occupied negotiation maintenance in progress doing borrowed pendente "
    "media aguardando reservado ocupado negociacao manutencao em andamento emprestado interview entrevista checked in "
    "hospedado",
    _SLATE: "inactive closed draft sold inativo fechado rascunho vendido checked out encerrado",
}
_TONE_OF = {word: tone for tone, meant in _TONES.items() for word in meant.split()}
_ORDER = (_ACCENT, _VIOLET, _AMBER, _GREEN, _SLATE, _RED)

#: Choices that end the story of a record: its due date no longer matters.
_CLOSED = words("closed")


def icon_of(entity_name: str) -> str:
    """Return the icon for an entity; a plain list when its name says nothing."""
    return _ICON_OF.get(entity_name, "records")


def tones_of(options: Sequence[str]) -> list[int]:
    """Return a colour for each choice: by what it means, and different ones as far as there are enough."""
    tones: list[int] = []
    for option in options:
        meant = _TONE_OF.get(fold(option).split(" ")[0]) if option.strip() else None
        free = [tone for tone in _ORDER if tone not in tones and tone not in _meant(options)]
        spare = free or [tone for tone in _ORDER if tone not in tones] or list(_ORDER)
        tones.append(meant if meant is not None and meant not in tones else spare[0])
    return tones


def _meant(options: Sequence[str]) -> set[int]:
    return {_TONE_OF[word] for option in options if (word := fold(option).split(" ")[0]) in _TONE_OF}


def closed_options(options: Sequence[str]) -> list[str]:
    """Return the choices after which a record needs no more attention."""
    return [option for option in options if fold(option).replace(" ", "_") in _CLOSED]
