"""A task for the engine: members of one JSON object, with notes in its prompt that may give way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from generation.learned import Costs
from generation.moves import Move
from generation.prompts import Section, leave_out
from generation.task import Ask
from generation.units import JsonMembers, Unit


@dataclass
class Members:
    """``wanted`` members of a JSON object, after so many words of prompt and of notes that may give way."""

    words: int
    notes: int
    wanted: int
    each: int
    counter: Any
    schema: bool
    value: dict[str, Any] = field(default_factory=lambda: {"type": "string"})
    name: str = "members"
    most_at_once: int = 12
    kept: list[str] = field(default_factory=list)

    def missing(self) -> list[str]:
        return [str(n) for n in range(1, self.wanted + 1) if str(n) not in self.kept]

    def ask(self, keys: Sequence[str], move: Move, *, save_tokens: int) -> Ask:
        notes = tuple(f"note {n}: " + "words that may go. " * 20 for n in range(self.notes))
        parts = [
            Section(name="task", role="system", text="Write JSON. " + "word " * self.words),
            Section(name="notes", role="user", text="Notes:", items=notes, priority=1),
            Section(name="keys", role="user", text="Keys: " + ", ".join(f'"{key}"' for key in keys)),
        ]
        staying, left, _ = leave_out(parts, save_tokens, self.counter)
        schema = {
            "type": "object",
            "properties": dict.fromkeys(keys, self.value),
            "required": list(keys),
            "additionalProperties": False,
        }
        return Ask(
            keys=tuple(keys),
            purpose="members",
            sections=tuple(staying),
            parser=JsonMembers(),
            schema=schema if self.schema else None,
            json_mode=True,
            left_out=tuple(left),
        )

    def content_tokens(self, units: int, costs: Costs) -> int:
        return units * self.each

    def least_tokens(self, costs: Costs) -> int:
        return min(20, self.each)

    def keep(self, unit: Unit) -> str | None:
        self.kept.append(unit.key)
        return None

    def ended(self, reason: str) -> None:
        pass
