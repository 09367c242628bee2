"""The port between the loop and what it writes: a task says what is missing, how to ask for it, and keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from generation.learned import Costs
from generation.model import Message
from generation.moves import Move
from generation.prompts import Section
from generation.prompts import messages as compose
from generation.units import Unit, UnitParser


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request of a task: the units it asks for by key, the prompt, and how the reply is read.

    ``chat`` goes before the sections as it is. ``left_out`` has a line for each section that gave way, so that
    the prompt fits.
    """

    keys: tuple[str, ...]
    purpose: str
    sections: tuple[Section, ...]
    parser: UnitParser
    chat: tuple[Message, ...] = ()
    schema: dict[str, Any] | None = None
    json_mode: bool = False
    temperature: float | None = None
    left_out: tuple[str, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        """The prompt; what follows a user's turn of the chat is part of that turn."""
        composed = compose(self.sections)
        if self.chat and composed and self.chat[-1].role == composed[0].role == "user":
            joined = Message(role="user", content=f"{self.chat[-1].content}\n\n{composed[0].content}")
            return (*self.chat[:-1], joined, *composed[1:])
        return (*self.chat, *composed)


class Task(Protocol):
    """What is to be written, as units that are known by a key."""

    @property
    def name(self) -> str:
        """What its costs are remembered under."""
        ...

    @property
    def most_at_once(self) -> int:
        """How many units one call may ask for."""
        ...

    def missing(self) -> Sequence[str]:
        """The keys of the units that are still to be written, in order."""
        ...

    def ask(self, keys: Sequence[str], move: Move, *, save_tokens: int) -> Ask:
        """A request for ``keys``, or for as many of them as it can carry.

        The prompt is ``save_tokens`` shorter than it would be, as far as optional sections give way.
        """
        ...

    def content_tokens(self, units: int, costs: Costs) -> int:
        """The cap of a reply with so many units, before any escalation."""
        ...

    def least_tokens(self, costs: Costs) -> int:
        """The shortest reply that is worth a call."""
        ...

    def keep(self, unit: Unit) -> str | None:
        """Keep ``unit``, on disk before this returns where there is a journal; or say why it is refused.

        An empty string for what is nothing new, and not worth a word.
        """
        ...

    def ended(self, reason: str) -> None:
        """A reply ended for ``reason``, and all its units were handed to ``keep``."""
        ...
