"""Markdown's marks: what of them is no speech, and text without them."""

from __future__ import annotations

import re
from typing import Final

_LONG_SPACE: Final = re.compile(r"[^\S\n]{16,}")
_FENCE: Final = re.compile(r"\s*(?:```|~~~)")
_HEADING: Final = re.compile(r" {0,3}(#{1,6})(?:\s(.*))?")
_HEADING_END: Final = re.compile(r"(?:^|\s)#+$")
_RULE: Final = re.compile(r"\s*(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,}|={3,})")
_DEFINITION: Final = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:\s+\S+.*")
_BULLET: Final = re.compile(r"(?:\s*>)*\s*(?:[-*+]\s+)?")
_TARGET: Final = r"\((?:[^()\n]|\([^()\n]{0,500}\)){0,2000}\)"
_MARKUP: Final = (  # what must be in the text, the mark, and what stays of it
    ("![", re.compile(rf"(?<!\\)!\[[^\[\]]{{0,500}}\]{_TARGET}"), ""),
    ("[", re.compile(rf"(?<!\\)\[((?:[^\[\]\\]|\\.|\[[^\[\]]{{0,200}}\]){{0,500}})\]{_TARGET}"), r"\1"),
    ("][", re.compile(r"(?<!\\)\[([^\[\]\\]{1,500})\]\[[^\[\]]{0,200}\]"), r"\1"),
    ("<http", re.compile(r"<(https?://[^<>\s]+)>"), r"\1"),
    ("<", re.compile(r"<br\s*/?>", re.IGNORECASE), " "),
    (
        "<",
        re.compile(
            r"</?(?:a|b|i|u|s|q|p|em|strong|strike|del|ins|sub|sup|div|span|small|mark|code|kbd|cite|font|img"
            r"|blockquote|center|details|summary|h[1-6]|[ou]l|li|hr)(?:\s[^<>]*)?/?>",
            re.IGNORECASE,
        ),
        "",
    ),
    ("**", re.compile(r"(?<!\\)\*\*(?=[^\s*])((?:[^*]|\*(?!\*)){1,2000}?)(?<=[^\s\\])\*\*"), r"\1"),
    ("__", re.compile(r"(?<![\\\w])__(?=[^\s_])((?:[^_]|_(?!_)){1,2000}?)(?<=[^\s\\])__(?!\w)"), r"\1"),
    ("*", re.compile(r"(?<!\\)\*(?=[^\s*])([^*]{1,2000}?)(?<=[^\s\\])\*"), r"\1"),
    ("_", re.compile(r"(?<![\\\w])_(?=[^\s_])([^_]{1,2000}?)(?<=[^\s\\])_(?!\w)"), r"\1"),
    ("~~", re.compile(r"~~(?=\S)([^~]{1,2000}?)(?<=\S)~~"), r"\1"),
    ("`", re.compile(r"(?<!\\)`+"), ""),
    ("\\", re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)
_MAY_HAVE_MARKUP: Final = re.compile(r"[\\\[<*_~`]")


def without_long_spaces(text: str) -> str:
    """Make long runs of spaces one: nobody says them, and patterns may go over them again and again."""
    return _LONG_SPACE.sub(" ", text)


def blocks(body: str) -> tuple[list[str], str | None]:
    """Take away what is no speech: headings, rules, fences, link targets, bullets; and find the first heading."""
    title: str | None = None
    lines: list[str] = []
    fenced = False
    for line in _without_comments(body).split("\n"):
        if not fenced and line[:1].isalnum():  # most lines of speech
            lines.append(line)
            continue
        heading = _HEADING.fullmatch(line)
        if _FENCE.match(line):
            fenced = not fenced
        elif fenced:
            lines.append(line)
        elif heading:
            if title is None and len(heading[1]) == 1:
                title = without_marks(_HEADING_END.sub("", (heading[2] or "").strip())).strip() or None
            lines.append("")
        elif _RULE.fullmatch(line):
            lines.append("")
        elif not _DEFINITION.fullmatch(line):
            lines.append(_BULLET.sub("", line, count=1))
    return lines, title


def without_marks(text: str) -> str:
    """Reduce links to their text, and remove emphasis, code marks, tags and escapes."""
    for needle, mark, instead in _MARKUP if _MAY_HAVE_MARKUP.search(text) else ():
        if needle in text:
            text = mark.sub(instead, text)
    return text


def _without_comments(text: str) -> str:
    """Leave out what stands between ``<!--`` and ``-->``; a comment without an end is text."""
    kept: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return "".join((*kept, text[at:]))
