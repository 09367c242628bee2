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
_MIN_CLAUSE_WORDS = 5
_CAPTION_CHARACTERS = 200
_TAG_WORDS = 4
# a clause that begins so is half a thought without the next one
_OPEN_CLAUSE = re.compile(
    r"(?:if|when|while|because|since|after|before|until|although|as|in|on|at|for|with|from|by|every|once)\b",
    re.IGNORECASE,
)
_FUNCTION_WORDS = frozenset(
    "about after again also always another anything because been before being both came come could does doing "  # noqa: SIM905
    "done down each even ever every everything from give goes going gone have having here into isn just keep "
    "like long look made make many mine more most much must need never next nobody nothing only other over "
    "people really right same should some somebody something still such sure take than that their them then "
    "there these they thing things think this those through time told took until upon very want wasn well went "
    "were what when where which while whole will with without word would year years your yours".split()
)
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
        added. Its sources are the passages that words were taken from.
        """
        said = list(_sentences(passages))
        about = _content_words(f"{self._query(brief)} {passages[0].title}")
        hook, opener = self._hook(said, brief, about)
        body = _body(said, opener)
        captioned, caption = self._caption(said, opener, brief, about)
        title = self._title(said, brief, hook, about)
        opens, cuts, closes = _CUES[brief.format]
        script = " ".join(
            (opens, opener.text, cuts, *(s.text for s in body), closes, _CLOSES[brief.slot % len(_CLOSES)])
        )
        taken = [opener.passage, *(s.passage for s in body), captioned.passage]
        self._used.update((hook, title))
        return finished_row(
            brief,
            title=title,
            hook=hook,
            script=script,
            caption=caption,
            hashtags=self._hashtags(brief),
            used=[passage for passage in passages if passage in taken],
            status="drafted",
        )

    def _query(self, brief: Brief) -> str:
        return next((trend.query for trend in self.trends if trend.name == brief.trend), "")

    def _hook(self, said: Sequence[_Sentence], brief: Brief, about: set[str]) -> tuple[str, _Sentence]:
        """At most twelve words that open strongly, and the sentence that they begin or are."""
        choices = [
            (hook, sentence)
            for sentence in said
            if stands_alone(sentence.text)
            for hook in _short_forms(sentence.text)
            if hook not in self._used
        ]
        if not choices:  # speech without marks: the first words that no other day opens with
            begun = [(_first_words(sentence.text), sentence) for sentence in said]
            return next((pair for pair in begun if pair[0] not in self._used), begun[0])
        order = {sentence.text: place for place, sentence in enumerate(said)}
        return max(
            choices,
            key=lambda choice: (_strength(choice[0], brief.pattern, about), -order[choice[1].text]),
        )

    def _title(self, said: Sequence[_Sentence], brief: Brief, hook: str, about: set[str]) -> str:
        """The video's own title the first time it is used, then a sentence that can head a post."""
        title = said[0].passage.title
        if title and title not in self._used and len(title) <= TITLE_CHARACTERS:
            return title
        heads = [
            s.text.rstrip(".")
            for s in said
            if stands_alone(s.text)
            and len(s.text) <= TITLE_CHARACTERS
            and not s.text.startswith(hook[:-1])
            and _content_words(s.text) & about
        ]
        fresh = [head for head in heads if head not in self._used]
        if fresh:
            return max(fresh, key=lambda head: (_strength(head, brief.pattern, about), -len(head)))
        headed = f"{brief.trend}: {hook.rstrip('.')}"
        plain = brief.trend == EVERGREEN or len(headed) > TITLE_CHARACTERS
        return hook.rstrip(".") if plain else headed

    def _caption(
        self, said: Sequence[_Sentence], opener: _Sentence, brief: Brief, about: set[str]
    ) -> tuple[_Sentence, str]:
        """A sentence that says what it is about, and what to do; with the sentence that was taken."""
        ask = _ASKS[brief.slot % len(_ASKS)]
        room = min(CAPTION_CHARACTERS[brief.format] - len(ask) - 1, _CAPTION_CHARACTERS)
        fits = [
            s
            for s in said
            if stands_alone(s.text) and len(s.text) <= room and not s.text.endswith("?") and s is not opener
        ]
        best = max(fits, key=lambda s: _strength(s.text, brief.pattern, about), default=None)
        if best is None:
            return opener, ask
        return best, f"{best.text} {ask}"

    def _hashtags(self, brief: Brief) -> list[str]:
        trend = next((t for t in self.trends if t.name == brief.trend), None)
        lead = brief.hits[0].chunk
        if trend is None:
            wanted = [lead.creator, *sorted(_content_words(lead.title), key=lambda w: (-len(w), w))[:2]]
        else:
            short = trend.name if len(trend.name.split()) <= _TAG_WORDS else re.split(r"[,:;]", trend.name)[0]
            related = [term for term in trend.related if len(term.split()) <= _TAG_WORDS]
            wanted = [short, *related[:2], lead.creator]
        return clean_hashtags([_camel(text) for text in wanted])[:HASHTAGS]


def _sentences(passages: Sequence[Passage]) -> Iterator[_Sentence]:
    """What the passages say, sentence by sentence, without advertisements."""
    for passage in passages:
        for text in without_sponsors(passage.sentences) or passage.sentences[:1]:
            yield _Sentence(text=text, passage=passage)


def _body(said: Sequence[_Sentence], opener: _Sentence) -> list[_Sentence]:
    """Sentences in the order they were said, from the first that stands alone, for about 45 seconds."""
    body: list[_Sentence] = []
    words = opener.words
    before: _Sentence | None = opener if said and said[0] is opener else None
    for sentence in said:
        if sentence is opener:
            before = sentence
            continue
        if (before is None or before.passage is not sentence.passage) and not stands_alone(sentence.text):
            continue  # it leans on a sentence that is not there
        if body and words + sentence.words > _BODY_WORDS:
            break
        body.append(sentence)
        words += sentence.words
        before = sentence
    return body


def _first_words(text: str) -> str:
    """At most twelve words, and no longer than a title, for scripts that write without spaces."""
    words = " ".join(text.split()[:HOOK_WORDS])
    return words if len(words) <= TITLE_CHARACTERS else words[:TITLE_CHARACTERS].rsplit(" ", 1)[0]


def _short_forms(sentence: str) -> Iterator[str]:
    """A sentence short enough to hook, or its first clause where that says something alone."""
    if len(sentence.split()) <= HOOK_WORDS and len(sentence) <= TITLE_CHARACTERS:
        yield sentence
        return
    first = re.split(r"\s*[,;:–—]\s+", sentence, maxsplit=1)[0]
    if _MIN_CLAUSE_WORDS <= len(first.split()) <= HOOK_WORDS and not _OPEN_CLAUSE.match(first):
        yield first + ("?" if sentence.endswith("?") else ".")


def _strength(sentence: str, pattern: str, about: set[str]) -> int:
    """How well a sentence opens: on the subject, as the pattern does, asking, contradicting, counting."""
    return (
        2 * min(3, len(_content_words(sentence) & about))
        + 3 * (opening_pattern(sentence).name == pattern)
        + 2 * sentence.endswith("?")
        + 2 * bool(re.match(r"(?:stop|don't|never|forget|throw)\b", sentence, re.IGNORECASE))
        + bool(re.search(r"\d", sentence))
    )


def _content_words(text: str) -> set[str]:
    """Words that carry a subject, roughly reduced to their stems."""
    words = re.findall(r"[^\W\d_]{4,}", text.lower())
    return {re.sub(r"(?:ing|ed|es|s)$", "", word) for word in words if word not in _FUNCTION_WORDS}


def _camel(text: str) -> str:
    """Words as one tag: ``Repair, don't replace`` is ``RepairDontReplace``."""
    words = re.findall(r"\w+", text.replace("'", "").replace("’", ""))
    return "".join(word[:1].upper() + word[1:] for word in words)
