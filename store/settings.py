"""Settings from the environment (``MATRIOSKA_*``) and from ``matrioska.toml``, in this order."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
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

CONFIG_FILE = "matrioska.toml"


class Settings(BaseSettings):
    """What a person sets once for many runs. Every field of `RunOptions` may be set."""

    model_config = SettingsConfigDict(env_prefix="MATRIOSKA_", extra="ignore", env_ignore_empty=True)

    approval: str | None = None
    direct: bool | None = None
    model: str | None = None
    roles: dict[str, str] = Field(default_factory=dict)
    base_path: str | None = None
    language: str | None = None
    slots: int | None = None
    max_mends: int | None = None
    plan_repairs: int | None = None
    refine_rounds: int | None = None
    token_budget: int | None = None

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
    """Read the settings.

    Raises:
        ConfigError: the file is not TOML, or a value is of the wrong kind; names which.
    """
    try:
        return Settings()
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{config_path()} is not valid TOML: {error}.", next_step="Correct that line.") from error
    except (ValidationError, ValueError) as error:
        raise ConfigError(f"A setting is wrong: {error}", next_step=f"Correct it in {config_path()}.") from error


def resolve_options(context: RunContext | None, saved: dict[str, Any] | None = None) -> RunOptions:
    """Join every source into the options that a run goes by.

    Precedence: ``context`` (what the caller gave) > ``saved`` (what the thread began with) >
    environment > file > default. Model objects count by their class name here; the object
    itself stays with the caller.

    Raises:
        ConfigError: a value is not allowed.
    """
    layers: list[dict[str, Any]] = [saved] if saved else [load_settings().model_dump(exclude_none=True)]
    if context is not None:
        given = context.model_dump(exclude_none=True, exclude={"model", "roles"})
        if context.model is not None:
            given["model"] = _model_name(context.model)
        layers.append(given)
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= {key: value for key, value in layer.items() if key != "roles"}
    roles = {r: n for layer in layers for r, n in layer.get("roles", {}).items()}
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


def _model_name(model: Any) -> str:
    return model if isinstance(model, str) else f"object:{type(model).__name__}"
