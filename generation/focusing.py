"""A long prompt without what is least needed: code becomes its outline, the middle of long prose goes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generation.languages import suffix_named
from generation.outlines import outline

_LONG_LINES = 16  # of code; what is shorter stays
_FIRST_LINES, _LAST_LINES = 6, 4  # that stay where there is no outline
_LONG_PARAGRAPHS = 10
_ENDS_PARAGRAPHS = 4  # that stay at either end
_FENCE = re.compile(
    r"(?P<mark>```|~~~)(?P<info>[^\n]*)\n(?P<code>.*?)(?P<end>\n(?P=mark)[ \t]*(?=\n|\Z)|\Z)", re.DOTALL
)


def create_focused_prompt(original_prompt: str) -> str:
    """The prompt with its essentials only: every word around code, and of long code its outline.

    Code is what stands in fences. Where no parser knows its language, its first and last lines stay. In a
    prompt without long code the middle of many paragraphs goes. What was left out is said where it stood; a
    prompt with nothing to leave out comes back as it is.
    """
    parts: list[str] = []
    at = 0
    for found in _FENCE.finditer(original_prompt):
        parts += [original_prompt[at : found.start()], _shortened(found)]
        at = found.end()
    focused = "".join([*parts, original_prompt[at:]])
    return focused if focused != original_prompt else _without_the_middle(original_prompt)


def _shortened(found: re.Match[str]) -> str:
    """A fenced block, as its outline where it is long."""
    lines = found["code"].split("\n")
    if len(lines) <= _LONG_LINES:
        return found[0]
    kept = "\n".join(_outlined(found["info"], found["code"]) or _ends(lines))
    return f"{found['mark']}{found['info']}\n{kept}{found['end']}"


def _outlined(info: str, code: str) -> list[str]:
    """The definitions in ``code``, with their lines; none where nothing is known of its language."""
    words = info.split()
    names = [word for word in words if "." in word] or [f"x{suffix_named(word)}" for word in words[:1]]
    symbols = outline(names[0], code) if names else []
    shown = [
        f"{'    ' * one.depth}{one.signature}  # lines {one.start_line}-{one.end_line}" for one in symbols
    ]
    return [*shown, _left_out(code.count("\n") + 1, "lines are shown as this outline")] if shown else []


def _ends(lines: list[str]) -> Iterator[str]:
    yield from lines[:_FIRST_LINES]
    yield _left_out(len(lines) - _FIRST_LINES - _LAST_LINES, "lines left out")
    yield from lines[-_LAST_LINES:]


def _without_the_middle(prompt: str) -> str:
    paragraphs = re.split(r"\n\s*\n", prompt)
    if len(paragraphs) <= _LONG_PARAGRAPHS:
        return prompt
    gone = len(paragraphs) - 2 * _ENDS_PARAGRAPHS
    ends = [
        *paragraphs[:_ENDS_PARAGRAPHS],
        _left_out(gone, "paragraphs left out"),
        *paragraphs[-_ENDS_PARAGRAPHS:],
    ]
    return "\n\n".join(ends)


def _left_out(count: int, what: str) -> str:
    return f"[... {count} {what} ...]"
