"""A calendar row: what the model may write of it, the checks, and the ten columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from generation.planning import Brief, Format
from rag.documents import source_of
from rag.packing import Passage

Column = Literal[
    "date", "format", "trend", "pattern", "title", "hook", "script", "caption", "hashtags", "sources"
]
COLUMNS: tuple[Column, ...] = (
    "date",
    "format",
    "trend",
    "pattern",
    "title",
    "hook",
    "script",
    "caption",
    "hashtags",
    "sources",
)
Status = Literal["generated", "drafted"]

TITLE_CHARACTERS = 100
HOOK_WORDS = 12
HASHTAGS = 5
SCRIPT_WORDS = (60, 170)  # 30 to 60 seconds, from slow to fast speech
CAPTION_CHARACTERS: dict[Format, int] = {
    "instagram_reel": 2200,
    "tiktok_video": 2200,
    "youtube_short": 5000,
    "linkedin_post": 3000,
    "x_post": 280,
    "carousel": 2200,
}


class WrittenRow(BaseModel):
    """The six cells that a model writes, and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)

    title: str = Field(min_length=1, max_length=TITLE_CHARACTERS)
    hook: str = Field(min_length=1)
    script: str = Field(min_length=1)
    caption: str = Field(min_length=1)
    hashtags: list[str]
    evidence: list[int] = Field(min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRow:
    """One day of the calendar: the ten columns, and beside them the status and warnings."""

    date: str
    format: Format
    trend: str
    pattern: str
    title: str
    hook: str
    script: str
    caption: str
    hashtags: tuple[str, ...]
    sources: tuple[str, ...]
    status: Status
    warnings: tuple[str, ...] = ()

    def cells(self) -> dict[Column, str]:
        """The ten columns as text: hashtags joined by spaces, sources by ``; ``."""
        return {
            "date": self.date,
            "format": self.format,
            "trend": self.trend,
            "pattern": self.pattern,
            "title": self.title,
            "hook": self.hook,
            "script": self.script,
            "caption": self.caption,
            "hashtags": " ".join(self.hashtags),
            "sources": "; ".join(self.sources),
        }


def reply_schema(slots: Mapping[int, Sequence[int]]) -> dict[str, Any]:
    """The JSON Schema of a reply: every slot required, each with the passage numbers it may name.

    It keeps to what strict response schemas allow; the limits that those cannot state are in descriptions.
    """
    return _object({str(slot): _row_schema(numbers) for slot, numbers in slots.items()})


def _row_schema(numbers: Sequence[int]) -> dict[str, Any]:
    def text(description: str) -> dict[str, Any]:
        return {"type": "string", "description": description}

    return _object(
        {
            "title": text(f"at most {TITLE_CHARACTERS} characters"),
            "hook": text(f"the first three seconds, at most {HOOK_WORDS} words"),
            "script": text("30 to 60 seconds, spoken"),
            "caption": text("ends with a call to action"),
            "hashtags": {"type": "array", "items": {"type": "string"}, "maxItems": HASHTAGS},
            "evidence": {
                "type": "array",
                "items": {"type": "integer", "enum": list(numbers)},
                "minItems": 1,
            },
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def check(value: Any, brief: Brief, passages: Mapping[int, Passage]) -> CalendarRow | str:
    """A model's row for ``brief`` as a calendar row, or the reason why it is refused.

    ``passages`` are those its slot was given, by number. What a machine can set right is set right, with
    a warning (hashtags, a passage number that was not given beside one that was); the rest is refused.
    """
    try:
        written = WrittenRow.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'row'}: {first['msg']}"
    words = len(written.hook.split())
    if words > HOOK_WORDS:
        return f"hook: {words} words, {HOOK_WORDS} are allowed"
    allowed = CAPTION_CHARACTERS[brief.format]
    if len(written.caption) > allowed:
        return f"caption: {len(written.caption)} characters, {brief.format} allows {allowed}"
    known = [number for number in dict.fromkeys(written.evidence) if number in passages]
    if not known:
        return f"evidence: {written.evidence} names no passage that this slot was given"
    warnings: list[str] = []
    if len(known) < len(set(written.evidence)):
        warnings.append(f"evidence {sorted(set(written.evidence) - set(known))} was not given and left out")
    tags = clean_hashtags(written.hashtags)
    if len(tags) > HASHTAGS:
        warnings.append(f"{len(tags)} hashtags, the first {HASHTAGS} kept")
    return finished_row(
        brief,
        title=_one_line(written.title),
        hook=_one_line(written.hook),
        script=written.script,
        caption=written.caption,
        hashtags=tags[:HASHTAGS],
        used=[passages[number] for number in known],
        status="generated",
        warnings=warnings,
    )


def finished_row(
    brief: Brief,
    *,
    title: str,
    hook: str,
    script: str,
    caption: str,
    hashtags: Sequence[str],
    used: Sequence[Passage],
    status: Status,
    warnings: Sequence[str] = (),
) -> CalendarRow:
    """The row of ``brief``: code's columns from the brief and the passages used, words from the caller."""
    notes = list(warnings)
    spoken = len(re.sub(r"\[[^\]]*\]", " ", script).split())
    if not SCRIPT_WORDS[0] <= spoken <= SCRIPT_WORDS[1]:
        notes.append(f"script: {spoken} words are about {spoken * 60 // 150} seconds, not 30 to 60")
    limit = CAPTION_CHARACTERS[brief.format]
    if len(caption) + 1 + len(" ".join(hashtags)) > limit:
        notes.append(f"caption and hashtags together pass the {limit} characters of {brief.format}")
    return CalendarRow(
        date=brief.day.isoformat(),
        format=brief.format,
        trend=brief.trend,
        pattern=brief.pattern,
        title=title,
        hook=hook,
        script=script,
        caption=caption,
        hashtags=tuple(hashtags),
        sources=tuple(dict.fromkeys(source_of(p.creator, p.video_id, p.start_seconds) for p in used)),
        status=status,
        warnings=tuple(notes),
    )


def clean_hashtags(tags: Sequence[str]) -> list[str]:
    """Hashtags as platforms read them: ``#`` and letters, digits or underscores, each once.

    >>> clean_hashtags(["Slow living", "#bread!", "bread", ""])
    ['#Slowliving', '#bread']
    """
    cleaned: dict[str, str] = {}
    for tag in tags:
        word = re.sub(r"[^\w]", "", tag)
        if word and not word.isdecimal():
            cleaned.setdefault(word.lower(), f"#{word}")
    return list(cleaned.values())


def _one_line(text: str) -> str:
    return " ".join(text.split())
