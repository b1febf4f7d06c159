"""Settings from the environment (``MATRIOSKA_*``) and from ``matrioska.toml``, in this order."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from matrioska.state.context import ROLES, RunContext, RunOptions
from matrioska.state.errors import ConfigError
from matrioska.state.members import Member
from matrioska.state.wording import did_you_mean
from matrioska.store.environment import file_stamp, load_environment
from matrioska.store.members import read_members, toml_line

CONFIG_FILE = "matrioska.toml"
# Settings that are no options of a run: its checkpoints do not hold them.
_NO_OPTIONS = {"members", "ensemble", "cascade", "journal"}


class Settings(BaseSettings):
    """What a person sets once for many runs. Every field of `RunOptions` may be set."""

    model_config = SettingsConfigDict(env_prefix="MATRIOSKA_", extra="forbid", env_ignore_empty=True)

    approval: str | None = None
    direct: bool | None = None
    model: str | None = None
    roles: dict[str, str] = Field(default_factory=dict)
    members: dict[str, Any] = Field(default_factory=dict)
    base_path: str | None = None
    language: str | None = None
    slots: int | None = None
    max_mends: int | None = None
    plan_repairs: int | None = None
    refine_rounds: int | None = None
    review_rounds: int | None = None
    project: str | None = None
    embedder: str | None = None
    token_budget: int | None = None
    budget_tokens: int | None = None
    budget_cost: float | None = None
    timeout: float | None = None
    ensemble: dict[str, Any] = Field(default_factory=dict)
    cascade: dict[str, Any] = Field(default_factory=dict)
    journal: str | None = None
    """SQLAlchemy URL of the journal, or "off"; None for a SQLite file below the base path."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file; the file is the one that `config_path` finds."""
        return (env_settings, TomlConfigSettingsSource(settings_cls, config_path()))


def config_path() -> Path:
    """Return the settings file in use: ``MATRIOSKA_CONFIG``, or ``matrioska.toml`` here."""
    return Path(os.environ.get("MATRIOSKA_CONFIG") or CONFIG_FILE)


def load_settings() -> Settings:
    """Read the settings, and take over the keys of a ``.env`` file here.

    Raises:
        ConfigError: the file is not TOML, a value is of the wrong kind, or a setting is unknown;
            names which and, where the file says it, the line.
    """
    load_environment()
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{config_path()} is not valid TOML: {error}.", next_step="Correct that line.") from error
    except ValidationError as error:
        raise _wrong_setting(error) from error
    except (ValueError, OSError) as error:
        raise ConfigError(f"A setting is wrong: {error}", next_step=f"Correct it in {config_path()}.") from error


def _wrong_setting(error: ValidationError) -> ConfigError:
    first = error.errors(include_input=False, include_url=False)[0]
    table, name = (["", *map(str, first["loc"])])[-2:]
    where = toml_line(config_path(), table, name)
    known = sorted(set(Settings.model_fields) - {name})
    unknown = first["type"] == "extra_forbidden"
    says = f"there is no such setting{did_you_mean(name, known, 0.6)}" if unknown else first["msg"]
    source = f"{config_path()}{where}" if where else f"MATRIOSKA_{(table or name).upper()}"
    return ConfigError(
        f"The setting {'.'.join(filter(None, (table, name)))} is wrong: {says}.",
        next_step=f"Correct it in {source}.",
    )


def load_members() -> Mapping[str, Member]:
    """Return the members that the settings describe, by name. Read again only once their file changed.

    Raises:
        ConfigError: the settings are faulty, a member too; names member, field and line.
    """
    load_environment()
    path = config_path().absolute()
    return _members_of(path, file_stamp(path), os.environ.get("MATRIOSKA_MEMBERS", ""))


@lru_cache(maxsize=8)
def _members_of(path: Path, stamp: tuple[int, int] | None, environment: str) -> Mapping[str, Member]:
    return MappingProxyType(read_members(load_settings().members, path))


def find_member(name: str) -> Member:
    """Return the member of that name; without a table of its own, the model of that name with the defaults.

    Raises:
        ConfigError: the settings are faulty, or only a member could have this name and there is none.
    """
    members = load_members()
    if found := members.get(name):
        return found
    if members and ":" not in name and name != "embedded":
        raise ConfigError(
            f"There is no model {name!r}{did_you_mean(name, members, 0.6)}.",
            next_step=f"Members are {', '.join(members)}; or give embedded or provider:model.",
        )
    if not 0 < len(name) <= 400:
        raise ConfigError(f"{name[:80]!r} is no name of a model.", next_step="Give embedded or provider:model.")
    return Member(model=name)


def find_fallbacks(member: Member) -> dict[str, Member]:
    """Return by name whom a member falls back to, whom that one falls back to, and so on, in this order.

    Raises:
        ConfigError: the settings are faulty.
    """
    found: dict[str, Member] = {}
    while (name := member.fallback) is not None and name not in found:
        member = found[name] = find_member(name)
    return found


def resolve_options(context: RunContext | None, saved: dict[str, Any] | None = None) -> RunOptions:
    """Join every source into the options that a run goes by.

    Precedence: ``context`` (what the caller gave) > ``saved`` (what the thread began with) >
    environment > file > default. Model objects count by their class name here; the object
    itself stays with the caller.

    Raises:
        ConfigError: a value is not allowed.
    """
    layers: list[dict[str, Any]] = [saved] if saved is not None else [_settings_as_options()]
    if context is not None:
        given = context.model_dump(exclude_none=True, exclude={"model", "roles"})
        if context.model is not None:
            given["model"] = _model_name(context.model)
        layers.append(given)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {key: value for key, value in layer.items() if key != "roles"}
    # A model that the caller gives is for every role, whatever file or thread say of single ones.
    whole = context is not None and context.model is not None
    roles = {} if whole else {r: n for layer in layers for r, n in layer.get("roles", {}).items()}
    roles |= {r: _model_name(m) for r, m in (context.roles if context else {}).items()}
    if unknown := set(roles) - set(ROLES):
        raise ConfigError(f"Unknown role {sorted(unknown)[0]!r}.", next_step=f"Roles are {', '.join(ROLES)}.")
    try:
        # The bounds are written down once, where a caller gives the same options.
        RunContext.model_validate(merged)
        return RunOptions.model_validate({**merged, "roles": roles})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"The option {place} is wrong: {first['msg']}.", next_step="Correct it and try again."
        ) from error


def _settings_as_options() -> dict[str, Any]:
    load_members()
    return load_settings().model_dump(exclude_none=True, exclude=_NO_OPTIONS)


def _model_name(model: Any) -> str:
    return model if isinstance(model, str) else f"object:{type(model).__name__}"
