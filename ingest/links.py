"""Blocks of links in a written transcript: the description above or below the speech, which nobody said.

A block is text between blank lines. It is one of links where each of its lines is mostly links (addresses,
handles, hashtags), a label and its link, or a title above such lines. Sentences stay, with links in them too.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.transcripts import Segment

_LINK: Final = re.compile(
    r"""[(<\["']*(?:(?:https?://|www\.)\S+|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}/\S*"""  # amzn.to/3xyz
    r"""|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|[@#][^\W\d_][\w.-]*)[)>\]"',.;:!]*""",
    re.IGNORECASE,
)
_IN_EVERY_LINK: Final = ("/", "@", "#", "www.", "WWW.")  # one of these
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_HEADING: Final = re.compile(r"[^\W\d_a-z][^\s.!?]*(?: [^\s.!?]+){0,3}:")
_BULLET: Final = re.compile(r"^[-–—•*·>\s]+")
_LABEL_WORDS: Final = 7
_JOINTS: Final = (":", "-", "–", "—", "→", "►", "▶", "👉", "|")
_ENDS_OF_SENTENCES: Final = (".", "!", "?", "…", ",", ";")
_SHOWN_LETTERS: Final = 40


class Spoken(NamedTuple):
    """What is left, and the blocks that were left out, each on one line."""

    segments: tuple[Segment, ...]
    blocks: tuple[str, ...]


def without_link_blocks(segments: Sequence[Segment]) -> Spoken:
    """Leave blocks of links out of what was written; captions, which have ends, are what was said.

    A label that stands alone above such a block (``Links:``) goes with it. Segments that change get other
    text only; those that are links throughout go.
    """
    kept: list[Segment] = []
    blocks: list[str] = []
    for segment in segments:
        if segment.end_seconds is not None or not any(map(segment.text.__contains__, _IN_EVERY_LINK)):
            kept.append(segment)
            continue
        paragraphs = _BLANK_LINES.split(segment.text)
        spoken: list[str] = []
        for paragraph in paragraphs:
            if not _is_of_links(paragraph):
                spoken.append(paragraph)
                continue
            above = spoken[-1] if spoken else kept[-1].text if kept else ""
            if _is_heading(above):
                if spoken:
                    spoken.pop()
                else:
                    kept.pop()
                paragraph = f"{above} {paragraph}"  # noqa: PLW2901  # the label is part of the block
            blocks.append(" ".join(paragraph.split()))
        if len(spoken) == len(paragraphs):
            kept.append(segment)
        elif spoken:
            kept.append(replace(segment, text="\n\n".join(spoken)))
    return Spoken(tuple(kept), tuple(blocks))


def link_notes(blocks: Sequence[str]) -> tuple[str, ...]:
    """Say how many blocks were left out, and how to keep them; nothing for none."""
    if not blocks:
        return ()
    first = blocks[0] if len(blocks[0]) <= _SHOWN_LETTERS else f"{blocks[0][: _SHOWN_LETTERS - 1].rstrip()}…"
    what = "1 block of links was" if len(blocks) == 1 else f"{len(blocks)} blocks of links were"
    return (f'{what} left out (the first: "{first}"); write it as sentences if it was said',)


def _is_of_links(paragraph: str) -> bool:
    lines = [line for line in map(str.strip, paragraph.split("\n")) if line]
    rest = [line for line in lines if not _is_mostly_links(line)]
    labels = [label for line in rest if (label := _label_of_link(line)) is not None]
    titles = [line for line in rest if _label_of_link(line) is None]
    linked = len(lines) - len(titles)
    # a single link needs a label with its colon: "go to" and an address are speech
    return linked >= max(1, len(titles)) and all(
        map(_is_label if linked == 1 else _is_title, labels + titles)
    )


def _is_mostly_links(line: str) -> bool:
    words = [word for word in line.split() if any(map(str.isalnum, word))]
    return 2 * sum(_LINK.fullmatch(word) is not None for word in words) > len(words)


def _label_of_link(line: str) -> str | None:
    """What stands before the link that ends a line, bullets off; None where it does not end in one."""
    label, _, link = _BULLET.sub("", line).rpartition(" ")
    return label.rstrip() if _LINK.fullmatch(link) else None


def _is_label(text: str) -> bool:
    """Tell whether a text is short and ends in a colon or another mark that joins it to what follows."""
    return len(text.split()) <= _LABEL_WORDS and text.endswith(_JOINTS)


def _is_title(text: str) -> bool:
    """Tell whether a text is short and begins and ends as a label or title does, not as part of a sentence."""
    is_part = text[:1].islower() or text.endswith(_ENDS_OF_SENTENCES)
    return _is_label(text) or (len(text.split()) <= _LABEL_WORDS and not is_part)


def _is_heading(text: str) -> bool:
    """Tell whether a text is a heading that needs what stands below it: ``Links:``, ``My gear:``."""
    return _HEADING.fullmatch(text.strip()) is not None
