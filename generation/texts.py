"""Plain text as a task: its units are lines, and a reply that was cut goes on after its last whole line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from generation.focusing import create_focused_prompt
from generation.learned import Costs
from generation.model import Message
from generation.moves import Move
from generation.prompts import Section, leave_out
from generation.task import Ask
from generation.units import Lines, Unit, UnitParser
from rag.tokens import TokenCounter

FIRST_CAP_TOKENS = 4096
TEMPERATURE = 0.2
_LEAST_TOKENS = 64
_HEADROOM = 1.25


@dataclass(slots=True, kw_only=True)
class TextTask:
    """The reply to ``messages``, whole when a reply has ended by itself; ``lines`` are those kept so far.

    ``cap_tokens`` is the cap of the first call, until it is known that texts of this task are longer.
    """

    messages: Sequence[Message]
    counter: TokenCounter
    cap_tokens: int = FIRST_CAP_TOKENS
    temperature: float | None = TEMPERATURE
    name: str = "text"
    parser: Callable[[int, bool], UnitParser] = Lines
    lines: list[str] = field(default_factory=list)
    most_at_once: int = 1
    _ends_with_break: bool = False
    _whole: bool = False
    _cut: bool = False
    _keys: list[int] = field(default_factory=list)
    _kept: int = 0

    @property
    def text(self) -> str:
        """The lines, joined, with the line break at the end where the reply had one."""
        return "\n".join(self.lines) + ("\n" if self._ends_with_break else "")

    def missing(self) -> list[str]:
        """The next line's number, until the text is whole."""
        return [] if self._whole and self.lines else [str(len(self.lines) + 1)]

    def ask(self, keys: Sequence[str], move: Move, *, save_tokens: int) -> Ask:
        """The messages; and, once something was cut, what is written, what was cut, and where to go on.

        What gives way: what was cut, then what is written, then of the messages what is not essential.
        """
        parts: list[Section] = []
        (line,) = keys
        self._keys, self._kept, self._cut = [], 0, self._cut or bool(move.cut_unit)
        if self.lines:
            parts.append(
                Section(
                    name="written",
                    role="user",
                    text=f"You have written the first {len(self.lines)} lines of your reply; they are kept:",
                    items=tuple(self.lines),
                    priority=2,
                )
            )
        if move.cut_unit:
            text = f"Your reply was cut off in line {line}, which is not kept:"
            parts.append(Section(name="cut", role="user", text=text, items=(move.cut_unit,), priority=1))
        if move.strategy != "first":
            parts.append(Section(name="go on", role="user", text=_go_on(line, short=move.essentials_only)))
        staying, left, still = leave_out(parts, save_tokens, self.counter)
        chat = tuple(self.messages)
        if move.essentials_only or still > 0:
            chat, gone = self._focused()
            left += [f"prompt: {gone} tokens left out"] if gone else []
        return Ask(
            keys=(line,),
            purpose=f"{self.name} from line {line}",
            chat=chat,
            sections=tuple(staying),
            parser=self.parser(int(line), move.strategy != "first"),
            temperature=self.temperature,
            left_out=tuple(left),
        )

    def _focused(self) -> tuple[tuple[Message, ...], int]:
        """The messages with their essentials only, and the tokens that are gone."""
        focused = tuple(replace(one, content=create_focused_prompt(one.content)) for one in self.messages)
        gone = sum(
            self.counter.count(whole.content) - self.counter.count(part.content)
            for whole, part in zip(self.messages, focused, strict=True)
            if whole != part
        )
        return (focused, gone) if gone > 0 else (tuple(self.messages), 0)

    def content_tokens(self, units: int, costs: Costs) -> int:  # noqa: ARG002  # nobody knows how many lines
        """The cap of the first call, or what whole texts were seen to take where that is more."""
        return max(self.cap_tokens, round(_HEADROOM * costs.whole_tokens))

    def least_tokens(self, costs: Costs) -> int:  # noqa: ARG002  # a line costs next to nothing
        """A few lines."""
        return _LEAST_TOKENS

    def keep(self, unit: Unit) -> str | None:
        """Keep the line if it is the next one."""
        number, following = int(unit.key), len(self.lines) + 1
        self._keys.append(number)
        if number != following:
            return f"line {number} was written where line {following} follows: left out"
        self.lines.append(unit.value)
        self._kept, self._cut = self._kept + 1, False
        self._ends_with_break = unit.text.endswith("\n")
        return None

    def ended(self, reason: str) -> None:
        """A reply that ended by itself ends the text, unless it left something out.

        It did if it skipped a line, if it only repeated lines that are kept, or if it was to go on with a line
        that was cut and wrote none.
        """
        skipped = any(key > len(self.lines) for key in self._keys)
        nothing_was_left = not self._keys and not self._cut and bool(self.lines)
        self._whole = reason == "stop" and not skipped and (self._kept > 0 or nothing_was_left)


def _go_on(line: str, *, short: bool) -> str:
    how = " Keep lines short." if short else ""
    return (
        f"Go on with line {line}: begin with a line that says only '@@ line {line} @@', then write line {line} "
        f"and what follows it. Repeat nothing that is kept, and say nothing about this.{how}"
    )
