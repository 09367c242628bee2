"""Settings: what was passed, then the environment, then ``hookline.toml``, then defaults.

This is the only module that reads the environment.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from generation.budget import CODE_CONTEXT_TOKENS, Bounds
from generation.limits import ModelLimits, OutputParameter
from rag.errors import BadInput
from rag.tokens import EncodingName

OFFLINE = "offline"
MODEL_WITH_A_KEY = "gpt-4.1-mini"
FILE = Path("hookline.toml")
_BOUNDS = Bounds()

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
AboveZero = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class DeclaredModel(BaseModel):
    """A model of the user's own, the table ``[models.NAME]``: lengths in tokens, US dollars a million tokens.

    Its tokens are counted in exactly one way: in an ``encoding``, by a ``tokenizer`` (the path of its
    tokenizer.json), by its server (``server_tokenizer``), or at ``characters_per_token``, which no text of
    it may fall below.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    context_window: PositiveInt
    max_output: PositiveInt
    max_input: PositiveInt | None = None
    encoding: EncodingName | None = None
    tokenizer: str | None = Field(default=None, min_length=1)
    characters_per_token: AboveZero | None = None
    server_tokenizer: bool = False
    output_parameter: OutputParameter | None = None
    reasons: bool = False
    takes_schema: bool = True
    takes_json_mode: bool = True
    takes_temperature: bool | None = None
    usd_per_million_input: Price = 0.0
    usd_per_million_output: Price = 0.0

    @field_validator("max_output", "max_input")
    @classmethod
    def _inside_the_window(cls, tokens: int | None, info: ValidationInfo) -> int | None:
        window = info.data.get("context_window")
        if tokens is not None and window is not None and tokens > window:
            raise ValueError(f"{tokens} is more than the context_window of {window}")
        return tokens

    @model_validator(mode="after")
    def _counted_in_one_way(self) -> Self:
        if len(ways := self._ways) != 1:
            raise ValueError(
                "give exactly one of encoding, tokenizer, characters_per_token and server_tokenizer, by which "
                f"its tokens are counted: it has {' and '.join(ways) or 'none'}"
            )
        return self

    @property
    def _ways(self) -> dict[str, str]:
        """The fields that say how tokens are counted, and what they say as ``ModelLimits.encoding``."""
        said = {
            "encoding": self.encoding,
            "tokenizer": self.tokenizer and f"tokenizer.json:{self.tokenizer}",
            "characters_per_token": self.characters_per_token and f"characters:{self.characters_per_token}",
            "server_tokenizer": "server" if self.server_tokenizer else None,
        }
        return {field: encoding for field, encoding in said.items() if encoding}

    def limits(self, name: str) -> ModelLimits:
        """The same as a row of the table of models."""
        inner = self.max_input is not None and self.max_input < self.context_window
        return ModelLimits(
            name=name,
            context_window=self.context_window,
            max_output=self.max_output,
            max_input=self.max_input if inner else None,
            encoding=next(iter(self._ways.values())),
            output_parameter=self.output_parameter
            or ("max_completion_tokens" if self.reasons else "max_tokens"),
            reasons=self.reasons,
            takes_schema=self.takes_schema,
            takes_json_mode=self.takes_json_mode,
            takes_temperature=not self.reasons if self.takes_temperature is None else self.takes_temperature,
            usd_per_million_input=self.usd_per_million_input,
            usd_per_million_output=self.usd_per_million_output,
            source=f"declared in {FILE}",
        )


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
    embedding_model: str = Field(default="all-MiniLM-L6-v2", min_length=1)
    embedding_base_url: str | None = Field(default=None, pattern="^https?://")
    embedding_api_key: SecretStr | None = None
    models: dict[str, DeclaredModel] = Field(default_factory=dict)
    timeout_seconds: AboveZero = 120.0
    retry_attempts: PositiveInt = 7
    max_retries: int = Field(default=2, ge=0)
    max_calls: PositiveInt = _BOUNDS.calls
    max_total_tokens: PositiveInt = _BOUNDS.tokens
    max_usd: AboveZero = _BOUNDS.usd
    max_seconds: AboveZero = _BOUNDS.seconds
    codegen_max_tokens: PositiveInt = Field(
        default=4096, validation_alias=AliasChoices("HOOKLINE_CODEGEN_MAX_TOKENS", "CODEGEN_MAX_TOKENS")
    )
    codegen_context_tokens: PositiveInt = CODE_CONTEXT_TOKENS
    learned: str = ".hookline/learned.json"
    call_log: str | None = None

    @field_validator("models")
    @classmethod
    def _offline_is_ours(cls, models: dict[str, DeclaredModel]) -> dict[str, DeclaredModel]:
        if OFFLINE in models:
            raise ValueError(f"{OFFLINE!r} is the name for no model: choose another")
        return models

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

    @property
    def declared(self) -> dict[str, ModelLimits]:
        """The limits of the models that the user declared, by name."""
        return {name: model.limits(name) for name, model in self.models.items()}


def load_settings(**given: Any) -> Settings:
    """The settings; a value of None counts as not given. Raises ``BadInput`` naming the setting."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        field, *inner = map(str, first["loc"])
        name = ".".join([field.removeprefix("HOOKLINE_").lower(), *inner])
        unknown = first["type"] == "extra_forbidden"
        why = "there is no such setting" if unknown else first["msg"].removeprefix("Value error, ")
        raise BadInput(f"setting {name}: {why} (flags, HOOKLINE_* variables, {FILE})") from error
    except SettingsError as error:  # a variable that should hold JSON
        raise BadInput(f"HOOKLINE_* variables: {error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{FILE} is not valid TOML: {error}") from error
