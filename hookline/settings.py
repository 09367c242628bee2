"""Settings: what was passed, then the environment, then ``hookline.toml``, then defaults.

This is the only module that reads the environment.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from rag.errors import BadInput

OFFLINE = "offline"
MODEL_WITH_A_KEY = "gpt-4.1-mini"
FILE = Path("hookline.toml")


class Settings(BaseSettings):
    """One field a setting; ``HOOKLINE_`` and its name is the variable, except where another name is usual."""

    model_config = SettingsConfigDict(
        env_prefix="HOOKLINE_", toml_file=FILE, extra="forbid", populate_by_name=True, env_ignore_empty=True
    )

    store: str = ".hookline/store"
    journal: str = ".hookline/journal"
    model: str = ""
    base_url: str | None = Field(
        default=None, validation_alias=AliasChoices("HOOKLINE_BASE_URL", "OPENAI_BASE_URL")
    )
    api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("HOOKLINE_API_KEY", "OPENAI_API_KEY")
    )
    budget_tokens: int = Field(default=1000, ge=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # no .env file is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # nor a folder of secrets
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What was passed wins over the environment, the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def model_name(self) -> str:
        """The model that was chosen; without a choice, ``offline`` while no key and no base URL are set."""
        return self.model or (MODEL_WITH_A_KEY if self.api_key or self.base_url else OFFLINE)


def load_settings(**given: Any) -> Settings:
    """The settings; a value of None counts as not given. Raises ``BadInput`` naming the setting."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise BadInput(f"setting {name}: {first['msg']} (flags, HOOKLINE_* variables, {FILE})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{FILE} is not valid TOML: {error}") from error
