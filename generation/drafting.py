"""Rows without a model: composed from the creators' own sentences, and said to be."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from generation.patterns import opening_pattern
from generation.planning import Brief, Format
from generation.rows import (
    CAPTION_CHARACTERS,
    HASHTAGS,
    HOOK_WORDS,
    TITLE_CHARACTERS,
    CalendarRow,
    clean_hashtags,
    finished_row,
)
from generation.sentences import stands_alone, without_sponsors
from generation.trends import EVERGREEN, Trend
from rag.packing import Passage

_BODY_WORDS = 115
_MIN_CLAUSE_WORDS = 4
_CAPTION_SENTENCE = 200
# spoken at the end of a script, and written under the post
_CLOSES = (
    "Save this for the day you need it.",
    "Tell me in the comments how you do it.",
    "Send this to the one friend who needs to hear it.",
    "Follow along, there is more where this came from.",
)
_ASKS = (
    "Save this for later.",
    "How do you do it? Tell us in the comments.",
    "Send it to somebody who needs it today.",
    "Which part will you try first?",
    "Follow for the next one.",
)
_CUES: dict[Format, tuple[str, str, str]] = {
    "instagram_reel": ("[To camera]", "[Hands at work]", "[To camera, smile]"),
    "tiktok_video": ("[Close to camera]", "[Cut to the work]", "[Back to camera]"),
    "youtube_short": ("[To camera, text on screen]", "[B-roll, voice goes on]", "[To camera]"),
    "linkedin_post": ("[Desk, to camera]", "[Close-up of the thing itself]", "[To camera]"),
    "x_post": ("[To camera, one take]", "[Same shot]", "[Same shot]"),
    "carousel": ("[Slide 1, voice over]", "[Slides 2 to 4]", "[Last slide]"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sentence:
    text: str
    passage: Passage

    @property
    def words(self) -> int:
        return len(self.text.split())


@dataclass(slots=True)
class Drafter:
    """Composes rows, and remembers what it has used so that no two days of a month open alike."""

    trends: Sequence[Trend]
    _used: set[str] = field(default_factory=set)

    def draft(self, brief: Brief, passages: Sequence[Passage]) -> CalendarRow:
        """The row of ``brief`` in the words of ``passages``, which are its evidence, best first.

        Words are taken as they were said. Only cues in brackets, the call to action and the hashtags are
        added. ``sources`` are the passages that words were taken from.
        """
        said = list(_sentences(passages))
        hook = self._hook(said, brief)
        body = _body(said, hook.text)
        caption = self._caption(said, hook, body, brief)
        title = self._title(said, brief, hook)
        opens, cuts, closes = _CUES[brief.format]
        script = " ".join(
            (opens, hook.text, cuts, *(s.text for s in body), closes, _CLOSES[brief.slot % len(_CLOSES)])
        )
        words_of = [hook.passage, *(s.passage for s in body), *([caption[0].passage] if caption[0] else [])]
        used = [passage for passage in passages if passage in words_of]
        self._used.update((hook.text, title))
        return finished_row(
            brief,
            title=title,
            hook=hook.text,
            script=script,
            caption=caption[1],
            hashtags=self._hashtags(brief),
            used=used,
            status="drafted",
        )

    def _hook(self, said: Sequence[_Sentence], brief: Brief) -> _Sentence:
        """The strongest short sentence, or clause of one, that was not a hook yet."""
        short = [s for s in said if s.words <= HOOK_WORDS and stands_alone(s.text)]
        clauses = [clause for s in said if stands_alone(s.text) for clause in _clauses(s)]
        for choices in (short, clauses):
            fresh = [s for s in choices if s.text not in self._used]
            if fresh:
                return max(fresh, key=lambda s: (_strength(s.text, brief.pattern), -s.words))
        title = " ".join(said[0].passage.title.split()[:HOOK_WORDS])
        return _Sentence(text=title, passage=said[0].passage)

    def _title(self, said: Sequence[_Sentence], brief: Brief, hook: _Sentence) -> str:
        """The video's own title the first time it is used, then a sentence that can head a post."""
        title = " ".join(said[0].passage.title.split())
        if title not in self._used and len(title) <= TITLE_CHARACTERS:
            return title
        heads = [
            s.text.rstrip(".")
            for s in said
            if stands_alone(s.text) and len(s.text) <= TITLE_CHARACTERS and s.text != hook.text
        ]
        fresh = [head for head in heads if head not in self._used]
        if fresh:
            return max(fresh, key=lambda head: (_strength(head, brief.pattern), -len(head)))
        lead = f"{brief.trend}: {hook.text}" if brief.trend != EVERGREEN else hook.text
        return lead[:TITLE_CHARACTERS].rstrip()

    def _caption(
        self, said: Sequence[_Sentence], hook: _Sentence, body: Sequence[_Sentence], brief: Brief
    ) -> tuple[_Sentence | None, str]:
        """A sentence that says it all, and what to do; with the sentence that was taken."""
        ask = _ASKS[brief.slot % len(_ASKS)]
        room = min(CAPTION_CHARACTERS[brief.format] - len(ask) - 1, _CAPTION_SENTENCE)
        fits = [
            s
            for s in (*body, *said)
            if stands_alone(s.text) and len(s.text) <= room and hook.text.rstrip(".?!") not in s.text
        ]
        if not fits:
            return None, f"{hook.text} {ask}"
        best = max(fits, key=lambda s: _strength(s.text, brief.pattern))
        return best, f"{best.text} {ask}"

    def _hashtags(self, brief: Brief) -> list[str]:
        trend = next((t for t in self.trends if t.name == brief.trend), None)
        lead = brief.hits[0].chunk
        wanted = [trend.name, *trend.related[:2]] if trend else []
        wanted += [lead.creator, *sorted(_key_words(lead.title), key=len, reverse=True)[:2]]
        tags = clean_hashtags([_camel(text) for text in wanted if len(text.split()) <= 4])  # noqa: PLR2004
        return tags[:HASHTAGS]


def _sentences(passages: Sequence[Passage]) -> Iterator[_Sentence]:
    """What the passages say, sentence by sentence, without advertisements."""
    for passage in passages:
        for text in without_sponsors(passage.sentences) or passage.sentences[:1]:
            yield _Sentence(text=text, passage=passage)


def _body(said: Sequence[_Sentence], hook: str) -> list[_Sentence]:
    """Sentences in the order they were said, from the first that stands alone, for about 45 seconds."""
    start = next((i for i, s in enumerate(said) if stands_alone(s.text) and s.text != hook), 0)
    body: list[_Sentence] = []
    words = len(hook.split())
    for sentence in said[start:]:
        if sentence.text == hook:
            continue
        if body and words + sentence.words > _BODY_WORDS:
            break
        if body and sentence.passage is not body[-1].passage and not stands_alone(sentence.text):
            continue  # it leans on a sentence that is not there
        body.append(sentence)
        words += sentence.words
    return body


def _clauses(sentence: _Sentence) -> Iterator[_Sentence]:
    """The first clause of a sentence, where it is long enough to say something and short enough to hook."""
    first = re.split(r"\s*[,;:–—]\s+", sentence.text, maxsplit=1)[0]
    if first != sentence.text and _MIN_CLAUSE_WORDS <= len(first.split()) <= HOOK_WORDS:
        yield _Sentence(text=first.rstrip(".") + ".", passage=sentence.passage)


def _strength(sentence: str, pattern: str) -> int:
    """How well a sentence opens: as the pattern does, as a question, with a number, by contradicting."""
    return (
        3 * (opening_pattern(sentence).name == pattern)
        + 2 * sentence.endswith("?")
        + 2 * bool(re.match(r"(?:stop|don't|never|forget|throw)\b", sentence, re.IGNORECASE))
        + bool(re.search(r"\d", sentence))
    )


def _key_words(title: str) -> list[str]:
    return [
        word
        for word in re.findall(r"[^\W\d_]{5,}", title)
        if word.lower() not in {"about", "after", "before", "because", "every", "isn't", "their", "there", "these",
                                "thing", "things", "until", "which", "while", "whole", "without", "would", "really",
                                "almost", "never", "bought", "earned", "started", "evening", "under"}
    ]


def _camel(text: str) -> str:
    """Words as one tag: ``Repair, don't replace`` is ``RepairDontReplace``."""
    words = re.findall(r"\w+", text.replace("'", "").replace("’", ""))
    return "".join(word[:1].upper() + word[1:] for word in words)
