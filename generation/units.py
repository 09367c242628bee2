"""Complete units out of a reply, as they arrive: the members of one JSON object, or lines of text.

A member is a unit the moment its value closes, a line the moment it ends; what does not close is never a
unit (law 5).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One complete unit: its key, its decoded value and its text. ``problem`` says why it has no value."""

    key: str
    value: Any
    text: str
    problem: str | None = None


class UnitParser(Protocol):
    """Finds the units of one reply."""

    def feed(self, piece: str) -> list[Unit]:
        """Read ``piece``, any piece of the reply; return the units that are complete now, in order."""
        ...

    def finish(self, *, cut: bool) -> list[Unit]:
        """The units that are complete although nothing follows: the reply ended by itself, or it was ``cut``."""
        ...

    @property
    def cut(self) -> str:
        """The text of the unit that is not complete."""
        ...


class JsonMembers:
    """The members of one JSON object. What surrounds it (a fence, a sentence of politeness) is passed over.

    >>> members = JsonMembers()
    >>> [unit.key for unit in members.feed('Sure! {"1": {"a": 2}, "2": {"a"')]
    ['1']
    >>> members.feed(': 3}}')[0].value
    {'a': 3}
    """

    def __init__(self) -> None:
        self._text = ""
        self._at = 0  # how far _text was read
        self._start = 0  # where the member at hand begins
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def feed(self, piece: str) -> list[Unit]:
        """Read ``piece``; return the units that are complete now, in order."""
        self._text += piece
        units: list[Unit] = []
        while self._at < len(self._text):
            char = self._text[self._at]
            self._at += 1
            if self._in_string:
                self._read_string(char)
            elif char == '"':
                self._in_string = self._depth > 0  # a quotation mark in prose opens nothing
            elif char == "{" or (char == "[" and self._depth):
                if not self._depth:
                    self._start = self._at
                self._depth += 1
            elif char in "}]" and self._depth:
                self._depth -= 1
                if self._depth == 1:  # an object or a list closed: whole, whatever follows
                    units.extend(self._member(self._at))
                elif not self._depth:
                    units.extend(self._member(self._at - 1))
            elif char == "," and self._depth == 1:
                units.extend(self._member(self._at - 1))
        return units

    def finish(self, *, cut: bool) -> list[Unit]:  # noqa: ARG002  # it makes no difference here
        """None: a member that did not close is not whole, however the reply ended."""
        return []

    @property
    def cut(self) -> str:
        """The member that has begun and not closed."""
        return self._text[self._start :].strip() if self._depth else ""

    def _read_string(self, char: str) -> None:
        if self._escaped:
            self._escaped = False
        elif char == "\\":
            self._escaped = True
        elif char == '"':
            self._in_string = False

    def _member(self, end: int) -> list[Unit]:
        """The member between the last one and ``end``, if anything stands there."""
        text = self._text[self._start : end].strip()
        self._start = self._at
        if not text:
            return []
        try:
            ((key, value),) = json.loads("{" + text + "}").items()
        except (ValueError, RecursionError) as error:
            return [Unit(key=_key_of(text), value=None, text=text, problem=f"not JSON: {error}")]
        return [Unit(key=key, value=value, text=text)]


def _key_of(text: str) -> str:
    """The key of a member that cannot be decoded, as far as it can be read."""
    try:
        key, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return ""
    return key if isinstance(key, str) else ""


class Lines:
    r"""The lines of a text, by their number, counted on from ``first``.

    In a continuation (``may_be_marked``) a line ``@@ line 12 @@`` at its beginning says that the reply goes on
    from there: models that begin again may say so, and what is known already is recognised by its number.
    Empty lines and a fence before that line, and the fence's end, are not part of the text.

    >>> lines = Lines(first=1)
    >>> [(unit.key, unit.value) for unit in lines.feed("one\ntw")], lines.cut
    ([('1', 'one')], 'tw')
    """

    _MARK = re.compile(r"[\s`'\"*]*@@ line ([0-9]{1,9}) @@[\s`'\"*]*")
    _FENCE = re.compile(r"\s*(```|~~~)\S*\s*")

    def __init__(self, first: int, may_be_marked: bool = False) -> None:  # noqa: FBT001, FBT002  # it is the other half of where
        self._number = first
        self._rest = ""
        self._held: list[str] = []  # what stands before the mark, or may be the fence's end
        self._begun = not may_be_marked
        self._fenced = False

    def feed(self, piece: str) -> list[Unit]:
        """Read ``piece``; return the lines that are complete now."""
        *lines, self._rest = (self._rest + piece).split("\n")
        return [unit for line in lines for unit in self._line(line + "\n")]

    def finish(self, *, cut: bool) -> list[Unit]:
        """The last line needs no line break where the reply ended by itself."""
        if cut:
            return []
        rest, self._rest = self._rest, ""
        units = self._line(rest) if rest else []
        return units if self._fenced else [*units, *self._released()]

    @property
    def cut(self) -> str:
        """The line that has begun and not ended."""
        return self._rest

    def _line(self, text: str) -> list[Unit]:
        if not self._begun:
            if mark := self._MARK.fullmatch(text):
                self._fenced = any(self._FENCE.fullmatch(line) for line in self._held)
                self._held, self._begun, self._number = [], True, int(mark[1])
                return []
            if not text.strip() or self._FENCE.fullmatch(text):
                self._held.append(text)
                return []
            self._begun = True
        elif self._fenced and self._FENCE.fullmatch(text):
            units = self._released()
            self._held.append(text)
            return units
        return [*self._released(), self._unit(text)]

    def _released(self) -> list[Unit]:
        """What was held back is text after all."""
        held, self._held = self._held, []
        return [self._unit(line) for line in held]

    def _unit(self, text: str) -> Unit:
        self._number += 1
        return Unit(key=str(self._number - 1), value=text.removesuffix("\n"), text=text)
