"""What a server's refusal teaches: a 400 that names a limit, or a parameter that the model does not take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from generation.limits import ModelLimits
from rag.errors import ModelFailure

_CONTEXT_WINDOW = re.compile(r"maximum context length is (\d+)")
_MAX_OUTPUT = re.compile(
    r"supports at most (\d+) (?:completion|output) tokens|above maximum value. Expected a value <= (\d+)"
)
_MAX_INPUT = re.compile(r"configured limit of (\d+) tokens")
_NOT_TAKEN = {
    "max_tokens": "takes_max_tokens",
    "temperature": "takes_temperature",
    "reasoning_effort": "takes_low_effort",
    "reasoning.effort": "takes_low_effort",
}
_PROMPT = re.compile(
    r"resulted in (\d+) tokens|\((\d+) in the messages|has (\d+) input tokens|at least (\d+) input tokens"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What was learned, None where nothing was: limits in tokens, and what the model does not take.

    ``prompt_tokens`` is the server's own count of the prompt that it refused.
    """

    context_window: int | None = None
    max_output: int | None = None
    max_input: int | None = None
    prompt_tokens: int | None = None
    takes_max_tokens: bool = True
    takes_temperature: bool = True
    takes_schema: bool = True
    takes_json_mode: bool = True
    takes_low_effort: bool = True

    def applied_to(self, limits: ModelLimits) -> ModelLimits:
        """``limits`` as they are known now: of two values for one limit, the smaller."""
        return replace(
            limits,
            context_window=min(limits.context_window, self.context_window or limits.context_window),
            max_output=min(limits.max_output, self.max_output or limits.max_output),
            max_input=min((v for v in (limits.max_input, self.max_input) if v is not None), default=None),
            output_parameter=limits.output_parameter if self.takes_max_tokens else "max_completion_tokens",
            takes_temperature=limits.takes_temperature and self.takes_temperature,
            takes_schema=limits.takes_schema and self.takes_schema,
            takes_json_mode=limits.takes_json_mode and self.takes_json_mode,
            takes_low_effort=limits.takes_low_effort and self.takes_low_effort,
        )


class Refused(ModelFailure):
    """The server refused the request as it was; ``lesson`` is what it said about the next one."""

    def __init__(self, message: str, *, lesson: Lesson) -> None:
        super().__init__(message, kind="rejected")
        self.lesson = lesson


def lesson_of(message: str, body: Mapping[str, Any]) -> Lesson | None:
    """The lesson of a refusal's message and error body; None if it names nothing of the kind.

    Understands OpenAI's words, vLLM's, which are alike, and llama.cpp's ``exceed_context_size_error``.
    """
    code, param = str(body.get("code")), str(body.get("param"))
    if body.get("type") == "exceed_context_size_error":
        lesson = Lesson(
            context_window=_whole(body.get("n_ctx")), prompt_tokens=_whole(body.get("n_prompt_tokens"))
        )
    elif param in _NOT_TAKEN and ("not support" in message or code.startswith("unsupported")):
        lesson = Lesson(**{_NOT_TAKEN[param]: False})
    elif "JSON schema error" in message:
        lesson = Lesson(takes_schema=False)
    elif ("response_format" in message or "text.format" in message) and "not supported" in message:
        # a server that takes no schema may still take JSON mode
        lesson = Lesson(takes_schema=False, takes_json_mode="json_object" not in message)
    else:
        lesson = Lesson(
            context_window=_found(_CONTEXT_WINDOW, message),
            max_output=_found(_MAX_OUTPUT, message),
            max_input=_found(_MAX_INPUT, message),
            prompt_tokens=_found(_PROMPT, message),
        )
    return None if lesson == Lesson() else lesson


def _found(pattern: re.Pattern[str], message: str) -> int | None:
    match = pattern.search(message)
    return _whole(next(filter(None, match.groups()))) if match else None


def _whole(value: Any) -> int | None:
    """A positive whole number out of something untrusted."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number > 0 else None
