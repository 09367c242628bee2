"""Transcripts written as text, Markdown or plain, to segments: who speaks, from when, and the words.

What opens a turn is decided here: ``**Name:**`` always, ``Name:`` where the file has several such turns. A
turn, or what follows a time stamp, is one segment; text that has neither is one segment a paragraph.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ingest.front_matter import METADATA_KEYS, metadata_of, split_front_matter
from ingest.transcripts import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

_TIME: Final = r"(?:[0-9]{1,2}:)?[0-9]{1,3}:[0-5][0-9](?:[.,][0-9]{1,3})?"
_STAMP: Final = rf"\\?[\[(]\s*{_TIME}\s*\\?[\])](?:\(https?://[^()\s]+\))?"  # a stamp may be a link
_ONLY_TIME: Final = re.compile(rf"\s*(?:{_STAMP}|{_TIME})\s*")
_LEADING_TIME: Final = re.compile(
    rf"\s*(?:{_STAMP}|[0-9]{{1,2}}:[0-5][0-9]:[0-5][0-9](?:[.,][0-9]{{1,3}})?(?=\s))"
)
# inside a line only what cannot be said: "meet me (10:30)" is speech
_INNER_TIME: Final = re.compile(
    rf"\\?\[\s*{_TIME}\s*\\?\](?:\(https?://[^()\s]+\))?|\([0-9]{{1,2}}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,3}})?\)"
)
_BOLD_TURN: Final = re.compile(
    rf"\s*(?P<before>{_STAMP})?\s*(?P<mark>\*\*|__)(?P<name>[^*\n:]{{1,60}}?)\s*(?P<inside>{_STAMP})?"
    rf"(?:\s*:\s*(?P=mark)|(?P=mark)\s*(?P<after>{_STAMP})?\s*:)(?P<rest>.*)"
)
_PLAIN_TURN: Final = re.compile(
    rf"\s*(?P<before>{_STAMP}\s+)?(?P<name>[^\W\d_](?:[\w .'\u2019&/-]|\([\w .'\u2019-]{{1,20}}\)){{0,48}}?)"
    rf"\s*(?P<inside>{_STAMP})?\s*:(?P<rest>\s.*|)"
)
_TIMED_NAME: Final = re.compile(
    rf"\s*(?P<name>[^\W\d_][\w .'\u2019-]{{0,48}}?)\s+(?P<time>{_STAMP}|{_TIME})\s*"
)
_ALIAS: Final = re.compile(r"(.+?)\s*\(([^()]{1,20})\)")
_PARTICLES: Final = frozenset(
    {"van", "von", "der", "den", "de", "da", "di", "del", "la", "le", "bin", "al", "and", "&"}
)
_NAME_WORDS: Final = 5
_SEVERAL: Final = 3
_NEARLY_EVERY: Final = 0.8
_NOBODY: Final = frozenset({"break", "jingle"})  # thechangelog's marks for what is not speech

_FENCE: Final = re.compile(r"\s*(?:```|~~~)")
_HEADING: Final = re.compile(r" {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*")
_RULE: Final = re.compile(r"\s*(?:(?:\*\s*){3,}|(?:-\s*){3,}|(?:_\s*){3,}|={3,})")
_DEFINITION: Final = re.compile(r" {0,3}\[[^\]\n]{1,200}\]:\s+\S+.*")
_BULLET: Final = re.compile(r"(?:\s*>)*\s*(?:[-*+]\s+)?")
_TARGET: Final = r"\((?:[^()\n]|\([^()\n]{0,500}\)){0,2000}\)"
_MARKUP: Final = (
    (re.compile(rf"(?<!\\)!\[[^\[\]]{{0,500}}\]{_TARGET}"), ""),
    (re.compile(rf"(?<!\\)\[((?:[^\[\]\\]|\\.|\[[^\[\]]{{0,200}}\]){{0,500}})\]{_TARGET}"), r"\1"),
    (re.compile(r"(?<!\\)\[([^\[\]\\]{1,500})\]\[[^\[\]]{0,200}\]"), r"\1"),
    (re.compile(r"<(https?://[^<>\s]+)>"), r"\1"),
    (re.compile(r"<br\s*/?>", re.IGNORECASE), " "),
    (
        re.compile(
            r"</?(?:a|b|i|u|s|q|p|em|strong|strike|del|ins|sub|sup|div|span|small|mark|code|kbd|cite|font|img"
            r"|blockquote|center|details|summary|h[1-6]|[ou]l|li|hr)(?:\s[^<>]*)?/?>",
            re.IGNORECASE,
        ),
        "",
    ),
    (re.compile(r"(?<!\\)\*\*(?=[^\s*])((?:[^*]|\*(?!\*)){1,2000}?)(?<=[^\s\\])\*\*"), r"\1"),
    (re.compile(r"(?<![\\\w])__(?=[^\s_])((?:[^_]|_(?!_)){1,2000}?)(?<=[^\s\\])__(?!\w)"), r"\1"),
    (re.compile(r"(?<!\\)\*(?=[^\s*])([^*]{1,2000}?)(?<=[^\s\\])\*"), r"\1"),
    (re.compile(r"(?<![\\\w])_(?=[^\s_])([^_]{1,2000}?)(?<=[^\s\\])_(?!\w)"), r"\1"),
    (re.compile(r"~~(?=\S)([^~]{1,2000}?)(?<=\S)~~"), r"\1"),
    (re.compile(r"(?<!\\)`+"), ""),
    (re.compile(r"\\([!-/:-@\[-`{-~])"), r"\1"),
)
_MAY_HAVE_MARKUP: Final = re.compile(r"[\\\[<*_~`]")


def is_markdown(text: str) -> bool:
    """Tell whether ``text`` has front matter, begins with a heading, or has ``**Name:**`` turns."""
    return bool(
        re.match(r"---[ \t]*\n\s*[\w-]+\s*:", text)
        or re.match(r"\s*#{1,6}\s+\S", text)
        or _bold_turns(text.split("\n"))
    )


def read_markdown(text: str) -> Transcript:
    """Read Markdown: front matter, turns, stamps; links become their text, marks and headings go.

    The first ``# heading`` is the title where the front matter has none. ``video_id`` may come from a
    ``media`` or ``url`` field that links to a YouTube video as a whole. Raises ``FrontMatterError``.
    """
    front, body = split_front_matter(text)
    metadata, notes = metadata_of(front)
    lines, heading = _blocks(body)
    if heading:
        metadata.setdefault("title", heading)
    speakers = front.get("speakers")
    turns = _bold_turns(lines) or _plain_turns(lines, speakers if isinstance(speakers, list) else [])
    return Transcript(segments=_segments(lines, turns, inline=_without_marks), notes=notes, **metadata)


def _without_comments(text: str) -> str:
    """Leave out what stands between ``<!--`` and ``-->``; a comment without an end is text."""
    kept: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return "".join((*kept, text[at:]))


def read_plain(text: str) -> Transcript:
    """Read plain text: paragraphs, or turns and stamps where there are any.

    ``Key: value`` lines before the first empty line are metadata if the first key is a known one.
    """
    head, *rest = re.split(r"\n\s*\n", text.strip("\n"), maxsplit=1)
    pairs = [line.partition(":") for line in head.split("\n")]
    fields = {re.sub(r"[ -]", "_", key.strip().lower()): value.strip() for key, _, value in pairs}
    known = {key for keys in METADATA_KEYS.values() for key in keys}
    metadata: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if next(iter(fields)) in known and all(colon for _, colon, _ in pairs):
        metadata, notes = metadata_of(fields)
        text = "".join(rest)
        unknown = [key for key in fields if key not in known]
        if unknown:
            notes += (f"unknown fields at the top were left out: {', '.join(unknown)}",)
    lines = text.split("\n")
    return Transcript(segments=_segments(lines, _plain_turns(lines, []), inline=str), notes=notes, **metadata)


def _blocks(body: str) -> tuple[list[str], str | None]:
    """Take away what is no speech: headings, rules, fences, link targets, bullets; and find the first heading."""
    title: str | None = None
    lines: list[str] = []
    fenced = False
    for line in _without_comments(body).split("\n"):
        heading = _HEADING.fullmatch(line)
        if _FENCE.match(line):
            fenced = not fenced
        elif fenced:
            lines.append(line)
        elif heading:
            if title is None and len(heading[1]) == 1:
                title = _without_marks(heading[2] or "").strip() or None
            lines.append("")
        elif _RULE.fullmatch(line):
            lines.append("")
        elif not _DEFINITION.fullmatch(line):
            lines.append(_BULLET.sub("", line, count=1))
    return lines, title


def _without_marks(text: str) -> str:
    """Reduce links to their text, and remove emphasis, code marks, tags and escapes."""
    for mark, instead in _MARKUP if _MAY_HAVE_MARKUP.search(text) else ():
        text = mark.sub(instead, text)
    return text


class _Turn(NamedTuple):
    """The line that opens a turn: who, and what is left of the line, its stamp in front."""

    speaker: str | None
    rest: str


class _Candidate(NamedTuple):
    """A line that may open a turn. ``strong``: it has a time and a colon. ``opens``: no text runs on into it."""

    name: str
    rest: str
    strong: bool
    opens: bool


def _bold_turns(lines: Sequence[str]) -> dict[int, _Turn]:
    """Find the lines that begin with ``**Name:**``."""
    turns: dict[int, _Turn] = {}
    for index, line in enumerate(lines):
        found = _BOLD_TURN.fullmatch(line)
        if found and any(map(str.isalpha, found["name"])):
            name = _without_marks(found["name"]).strip()
            stamp = found["before"] or found["inside"] or found["after"] or ""
            turns[index] = _Turn(None if name.lower() in _NOBODY else name, f"{stamp} {found['rest']}")
    return turns


def _plain_turns(lines: Sequence[str], named: Collection[Any]) -> dict[int, _Turn]:
    """Find the lines that begin with ``Name:``, if the file has several turns.

    A name counts if it comes with a time, recurs, or is in ``named``. Where that makes a file of turns, so
    does one that comes once, if it is of several capitalised words or nearly every paragraph opens a turn.
    ``Anna Blum (AB):`` makes every ``AB`` Anna Blum.
    """
    candidates = _candidates(lines)
    often = Counter(candidate.name for candidate in candidates.values() if candidate.opens)
    listed = {str(name).casefold() for name in named}
    sure = {name for name, count in often.items() if count > 1 or name.casefold() in listed}
    openings = sum(
        bool(line.strip()) and _opens(lines, index, candidates) for index, line in enumerate(lines)
    )
    dense = often.total() >= _NEARLY_EVERY * openings
    taken = {
        index: candidate
        for index, candidate in candidates.items()
        if candidate.strong
        or (
            candidate.opens
            and (candidate.name in sure or " " in candidate.name or (dense and candidate.name[0].isupper()))
        )
    }
    certain = [name.casefold() in listed or strong for name, _, strong, _ in taken.values()]
    if not (sure or any(certain)) or len(certain) + sum(certain) < _SEVERAL:
        return {}
    whole = {alias[2]: alias[1] for name in often if (alias := _ALIAS.fullmatch(name)) and alias[2] in sure}
    turns: dict[int, _Turn] = {}
    for index, candidate in taken.items():
        alias = _ALIAS.fullmatch(candidate.name)
        speaker = alias[1] if alias and alias[2] in whole else whole.get(candidate.name, candidate.name)
        turns[index] = _Turn(speaker, candidate.rest)
    return turns


def _opens(lines: Sequence[str], index: int, candidates: Collection[int]) -> bool:
    """Tell whether a paragraph or, right after a possible turn, another turn may begin at a line."""
    return index == 0 or not lines[index - 1].strip() or index - 1 in candidates


def _candidates(lines: Sequence[str]) -> dict[int, _Candidate]:
    """Find the lines that look like the opening of a turn."""
    candidates: dict[int, _Candidate] = {}
    for index, line in enumerate(lines):
        timed = _TIMED_NAME.fullmatch(line)
        found = timed or _PLAIN_TURN.fullmatch(line)
        if found is None or not _is_name(found["name"]):
            continue
        if timed:
            stamp, rest = timed["time"], ""
        else:
            stamp, rest = found["before"] or found["inside"] or "", found["rest"]
        if re.match(r"\s*<?https?://", rest):
            continue
        candidates[index] = _Candidate(
            name=" ".join(found["name"].split()),
            rest=f"{stamp} {rest}",
            strong=not timed and bool(stamp or _ONLY_TIME.fullmatch(rest) or _LEADING_TIME.match(rest)),
            opens=_opens(lines, index, candidates),
        )
    return candidates


def _is_name(name: str) -> bool:
    """Tell whether ``name`` is one word, or a few that are capitalised, numbers or particles."""
    words = re.sub(r"\([^()]*\)", "", name).split()
    return len(words) == 1 or (
        1 < len(words) <= _NAME_WORDS
        and all(word[0].isupper() or word[0].isdigit() or word in _PARTICLES for word in words)
    )


@dataclass(slots=True)
class _SegmentBuilder:
    """Segments out of turns, stamps, lines and ends of paragraphs, in the order of the file."""

    inline: Callable[[str], str]
    segments: list[Segment] = field(default_factory=list)
    _speaker: str | None = None
    _start_seconds: float | None = None
    _awaits_turn: bool = False  # a stamp on a line of its own also dates the turn that follows it
    _lines: list[str] = field(default_factory=list)

    def turn(self, speaker: str | None, rest: str) -> None:
        """Take the line that opens a turn."""
        self.flush()
        self._speaker = speaker
        if not self._awaits_turn:
            self._start_seconds = None
        self.line(rest)
        self._awaits_turn = False

    def line(self, line: str) -> None:
        """Take a line of text, with or without stamps."""
        leading = _ONLY_TIME.fullmatch(line) or _LEADING_TIME.match(line)
        at = 0
        for stamp in (
            *([leading] if leading else []),
            *_INNER_TIME.finditer(line, leading.end() if leading else 0),
        ):
            self._add(line[at : stamp.start()])
            self.flush()
            self._start_seconds = _seconds(stamp[0])
            self._awaits_turn = True
            at = stamp.end()
        self._add(line[at:])

    def end_paragraph(self) -> None:
        """Take an empty line: a turn goes on over it."""
        if self._speaker is None:
            self.flush()
        else:
            self._lines.append("")

    def flush(self) -> None:
        """End the segment."""
        text = self.inline("\n".join(self._lines)).strip()
        self._lines.clear()
        if text:
            self.segments.append(Segment(text=text, start_seconds=self._start_seconds, speaker=self._speaker))
            self._start_seconds = None
            self._awaits_turn = False

    def _add(self, text: str) -> None:
        if text.strip():
            self._lines.append(text)


def _segments(
    lines: Iterable[str], turns: Mapping[int, _Turn], *, inline: Callable[[str], str]
) -> tuple[Segment, ...]:
    """Build the segments; ``inline`` takes what is markup out of a segment's text."""
    build = _SegmentBuilder(inline)
    for index, line in enumerate(lines):
        if index in turns:
            build.turn(*turns[index])
        elif line.strip():
            build.line(line)
        else:
            build.end_paragraph()
    build.flush()
    return tuple(build.segments)


def _seconds(stamp: str) -> float:
    """Turn the first ``[hours:]minutes:seconds`` in ``stamp`` into seconds."""
    total = 0.0
    for part in re.findall(_TIME, stamp)[0].replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return round(total, 3)
