"""What goes wrong, and the scripts that say when: one fault a request, in order.

    [Ok(), rate_limited("1"), rate_limited(ms=250), rate_limited(date_in=2), QUOTA, SERVER_ERROR, OVERLOADED,
     Hang(1, after_tokens=40), Disconnect(40), Malformed(), RepeatedUnits(), UnaskedUnits(), ReasoningEatsAll()]

The same for a command line: ``ok,429:1,429:250ms,429:date+2,quota,500,503,hang:1@40,disconnect:40,malformed,
repeated,unasked,reasoning``; or a JSON list of such words and of objects, ``{"fault": "hang", "seconds": 1}``.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from served_models import Refusal

SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True)
class Ok:
    """Nothing goes wrong."""


@dataclass(frozen=True, slots=True)
class Status:
    """An error instead of an answer, whatever the request says.

    ``error_type`` is guessed from the code where it is None. ``date_in`` adds a Retry-After that is an HTTP
    date, so many seconds after the answer is sent. ``in_stream`` makes it the first event of a streamed
    answer, after a status of 200, as OpenAI's Responses API sends ``insufficient_quota``.
    """

    code: int
    error_code: str | None = None
    message: str = "The fault script says so."
    headers: Mapping[str, str] = field(default_factory=dict)
    error_type: str | None = None
    date_in: float | None = None
    in_stream: bool = False

    @property
    def refusal(self) -> Refusal:
        guessed = "server_error" if self.code >= SERVER_ERRORS else self.error_code or "invalid_request_error"
        due = {} if self.date_in is None else {"Retry-After": http_date(time.time() + self.date_in)}
        return Refusal(
            self.message,
            code=self.error_code,
            error_type=self.error_type or guessed,
            status=self.code,
            headers={**self.headers, **due},
            in_stream=self.in_stream,
        )


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The socket closes after so many visible tokens of a stream, or in the middle of an unstreamed body."""

    after_tokens: int


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing is sent for so long; then the rest, to whoever still waits.

    The silence comes after so many tokens of a stream, if it has them; with 0 of them, and where nothing is
    streamed, it comes before the answer.
    """

    seconds: float
    after_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Malformed:
    """The model says this instead of what it should."""

    text: str = '{"1": {"title": unquoted}}'


@dataclass(frozen=True, slots=True)
class RepeatedUnits:
    """After the last member of the reply's JSON object all come again: the same keys, in other words."""


@dataclass(frozen=True, slots=True)
class UnaskedUnits:
    """The reply's JSON object has members nobody asked for: half of them before the others, half after."""

    keys: Sequence[str] = ("0", "999")


@dataclass(frozen=True, slots=True)
class ReasoningEatsAll:
    """All of the cap goes to reasoning, whatever the effort and the model: nothing is said."""


Fault = Ok | Status | Disconnect | Hang | Malformed | RepeatedUnits | UnaskedUnits | ReasoningEatsAll

QUOTA = Status(
    *(429, "insufficient_quota"),
    "You exceeded your current quota, please check your plan and billing details. For more information on this"
    " error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
)
SERVER_ERROR = Status(500, message="The server had an error while processing your request. Sorry about that!")
OVERLOADED = Status(503, message="The engine is currently overloaded, please try again later.")


def rate_limited(
    retry_after: str | None = "1", *, ms: int | None = None, date_in: float | None = None
) -> Status:
    """A rate limit that says when to come back: in seconds, in ``ms`` or at a date; with None it does not say."""
    wait, headers = f"{retry_after or 1}s", {"Retry-After": retry_after} if retry_after else {}
    if ms is not None:
        wait, headers = f"{ms}ms", {"retry-after-ms": str(ms)}
    elif date_in is not None:
        wait, headers = f"{date_in:g}s", {}
    return Status(
        *(429, "rate_limit_exceeded"),
        "Rate limit reached in organization org-strict on tokens per min (TPM): Limit 30000, Used 30000,"
        f" Requested 1000. Please try again in {wait}. Visit"
        " https://platform.openai.com/account/rate-limits to learn more.",
        headers=headers,
        error_type="tokens",
        date_in=date_in,
    )


def http_date(timestamp: float) -> str:
    """In whole seconds, as HTTP has it, and not before ``timestamp``."""
    return formatdate(math.ceil(timestamp), usegmt=True)


def spoiled(text: str, fault: Fault, another: Callable[..., Any]) -> str:
    """What the model says with ``fault`` instead of ``text``.

    ``another`` writes one more unit: ``another(key)`` or, in other words, ``another(key, draft="again")``.
    Raises ValueError where ``fault`` is about units and ``text`` has none.
    """
    match fault:
        case Malformed():
            return fault.text
        case RepeatedUnits():
            members = _members(text, fault)
            return _object([*members, *((key, another(key, draft="again")) for key, _ in members)])
        case UnaskedUnits():
            members = _members(text, fault)
            if asked := {key for key, _ in members} & set(fault.keys):
                raise ValueError(f"somebody did ask for {asked}: give UnaskedUnits other keys")
            unasked = [(key, another(key)) for key in fault.keys]
            half = (len(unasked) + 1) // 2
            return _object([*unasked[:half], *members, *unasked[half:]])
        case _:
            return text


def _members(text: str, fault: Fault) -> list[tuple[str, Any]]:
    if not text.startswith("{"):
        raise ValueError(f"{type(fault).__name__} needs a reply that is a JSON object, not {text[:40]!r}")
    return list(json.loads(text).items())


def _object(members: Sequence[tuple[str, Any]]) -> str:
    """JSON text of an object that may have a key twice."""
    parts = (f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in members)
    return f"{{{', '.join(parts)}}}"


KINDS: Mapping[str, Callable[..., Fault]] = {
    "ok": Ok,
    "status": Status,
    "disconnect": Disconnect,
    "hang": Hang,
    "malformed": Malformed,
    "repeated": RepeatedUnits,
    "unasked": UnaskedUnits,
    "reasoning": ReasoningEatsAll,
}
NAMED = {"quota": QUOTA, "500": SERVER_ERROR, "503": OVERLOADED}


def parse_script(script: str) -> list[Fault]:
    """The faults of a command line's ``script``. Raises ValueError at a word that it does not know."""
    entries = json.loads(script) if script.startswith("[") else script.split(",")
    return [_from_word(entry) if isinstance(entry, str) else _from_object(entry) for entry in entries]


def _from_object(fields: Mapping[str, Any]) -> Fault:
    kind = KINDS.get(fields.get("fault", ""))
    if kind is None:
        raise ValueError(f"unknown fault {fields}: expected one of {', '.join(KINDS)} under 'fault'")
    return kind(**{name: value for name, value in fields.items() if name != "fault"})


def _from_word(word: str) -> Fault:
    name, _, argument = word.strip().partition(":")
    match name:
        case "429":
            return _rate_limited(argument)
        case "disconnect":
            return Disconnect(int(argument or 0))
        case "hang":
            seconds, _, tokens = argument.partition("@")
            return Hang(float(seconds or 1), int(tokens or 0))
        case "malformed" | "unasked" if argument:
            return Malformed(argument) if name == "malformed" else UnaskedUnits(argument.split("+"))
        case _ if name in NAMED:
            return NAMED[name]
        case "ok" | "malformed" | "repeated" | "unasked" | "reasoning":
            return KINDS[name]()
        case _:
            raise ValueError(f"unknown fault {word!r}: expected one of 429, {', '.join([*NAMED, *KINDS])}")


def _rate_limited(argument: str) -> Status:
    if argument.endswith("ms"):
        return rate_limited(ms=int(argument.removesuffix("ms")))
    if argument.startswith("date"):
        return rate_limited(date_in=float(argument.removeprefix("date") or 1))
    return rate_limited(argument or "1")
