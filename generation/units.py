"""Complete units out of a reply, as they arrive: the members of one JSON object.

A member is a unit the moment its value closes, whatever comes after; one that does not close is never a
unit (law 5). What surrounds the object (a fence, a sentence of politeness) is passed over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One complete member: its key, its decoded value and its text. ``problem`` says why it has no value."""

    key: str
    value: Any
    text: str
    problem: str | None = None


class JsonMembers:
    """Feed it text in any pieces; it returns the members that the piece completed.

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
