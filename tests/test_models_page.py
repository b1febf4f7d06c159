"""What docs/models.md says is true: its settings load, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from matrioska.models.providers import EMBEDDED, providers
from matrioska.models.registry import parse_name
from matrioska.state.context import ROLES
from matrioska.state.members import Member
from matrioska.store.settings import find_member, load_members, resolve_options

PAGE = (Path(__file__).parent.parent / "docs" / "models.md").read_text(encoding="utf-8")
_TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("settings", _TOML, ids=range(len(_TOML)))
def test_the_settings_load(settings: str) -> None:
    Path("matrioska.toml").write_text(settings)
    options = resolve_options(None)
    members = load_members()
    assert members
    for name in [options.model, *options.roles.values(), *members]:
        parse_name(find_member(name).model)


def test_every_provider_field_and_role_is_named() -> None:
    assert all(f"`{name}:" in PAGE for name in providers())
    assert f"`{EMBEDDED}`" in PAGE
    assert all(f"`{name}`" in PAGE for name in (*Member.model_fields, *ROLES))
