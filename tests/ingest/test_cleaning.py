from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from samples import PUBLIC_DATA, needs_public_data

from ingest.cleaning import clean
from ingest.formats.captions import read_subrip, read_webvtt
from ingest.links import without_link_blocks
from ingest.readers import read_transcripts
from ingest.transcripts import Segment, Transcript

if TYPE_CHECKING:
    from collections.abc import Iterator


def of(*lines: str | tuple[str, float, float]) -> Transcript:
    """Lines without times, or with their start and end in seconds."""
    return Transcript(
        segments=tuple(
            Segment(text=line)
            if isinstance(line, str)
            else Segment(text=line[0], start_seconds=line[1], end_seconds=line[2])
            for line in lines
        )
    )


def texts(transcript: Transcript) -> list[str]:
    return [segment.text for segment in transcript.segments]


def said(transcript: Transcript) -> list[str]:
    return " ".join(texts(transcript)).split()


def timed(transcript: Transcript) -> list[tuple[str, float | None, float | None]]:
    return [(segment.text, segment.start_seconds, segment.end_seconds) for segment in transcript.segments]


# --- properties -----------------------------------------------------------------------------------------


def clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def rolling(lines: list[list[str]], gaps: list[int]) -> str:
    """Render lines as YouTube's automatic captions do.

    The line before stays above each new one, which comes word by word; then 10 ms in which the new line
    stands alone. ``gaps`` are milliseconds of silence after a line: after one the display is empty, and
    where they are negative the line comes back with the next.
    """
    cues = ["WEBVTT\nKind: captions\nLanguage: en"]
    for start, end, shown in showings(lines, gaps):
        stamped = [" ".join(words) for words in shown]
        if len(shown) == 2 and end - start > 10 and shown[1]:
            first, *others = shown[1]
            stamped[1] = first + "".join(f"<{clock(start + 100)}><c> {word}</c>" for word in others)
        text = "\n".join(line or " " for line in stamped)
        cues.append(f"{clock(start)} --> {clock(end)} align:start position:0%\n{text}")
    return "\n\n".join(cues)


def converted(lines: list[list[str]], gaps: list[int], blank: str) -> str:
    """Render the same as ``yt-dlp --convert-subs srt`` leaves it: every showing a cue, the stamps gone."""
    cues = []
    for number, (start, end, shown) in enumerate(showings(lines, gaps), 1):
        times = f"{clock(start)} --> {clock(end)}".replace(".", ",")
        cues.append(f"{number}\n{times}\n" + "\n".join(" ".join(words) or blank for words in shown))
    return "\n\n".join(cues)


def showings(lines: list[list[str]], gaps: list[int]) -> Iterator[tuple[int, int, list[list[str]]]]:
    """Yield what the display shows, from and to a time in milliseconds, each word as a file holds it."""
    at = 0
    above: list[str] = []
    for words, gap in zip(lines, gaps, strict=True):
        line = [html.escape(word) for word in words]
        yield at, at + 2000, [above, line]
        yield at + 2000, at + 2010, [line, []]
        at += 2010 + abs(gap)
        above = [] if gap > 0 else line


WORDS = st.sampled_from(["no", "so", "I'm", "na\u00efve", "Tom&Jerry", "<3", "2", "\u4e2d", "o[k]", ">>"])


@st.composite
def rolls(draw: st.DrawFn) -> tuple[list[list[str]], list[int]]:
    lines = draw(st.lists(st.lists(WORDS, min_size=2, max_size=3), min_size=1))
    return lines, draw(
        st.lists(st.sampled_from([0, 0, 0, 3000, -3000]), min_size=len(lines), max_size=len(lines))
    )


@given(rolls())
@example(([["no", "no"], ["no", "no"], ["no", "no"]], [0, 0, 0]))
@example(([["no", "no"], ["no", "no"]], [3000, 0]))
@example(([["no", "no"], ["no", "no", "no", "no"], ["so", "so"]], [0, 0, 0]))
@example(([["no", "no"], [">>", ">>"], ["no", "no"]], [0, 0, 0]))
@example(([[">>", "no"], ["no", ">>"], [">>", "no"]], [0, 0, 0]))
def test_a_rolling_rendering_cleans_back_to_its_words(roll: tuple[list[list[str]], list[int]]) -> None:
    """Whatever is said, lines said twice in a row too, each word comes back as often as it was said."""
    lines, gaps = roll
    cleaned = clean(read_webvtt(rolling(lines, gaps)))
    assert said(cleaned) == [word for line in lines for word in line if word != ">>"]


@given(rolls(), st.sampled_from(["", " "]))
@example(([["no", "no"], ["no", "no"], ["no", "no"]], [0, 0, 3000]), "")
def test_rolling_captions_made_into_subrip_clean_back_too(
    roll: tuple[list[list[str]], list[int]], blank: str
) -> None:
    """A conversion keeps the showings and loses the stamps, which are not needed."""
    lines, gaps = roll
    lines = [["well", *line] for line in lines]  # a line that is a number reads as a cue's number
    cleaned = clean(read_subrip(converted(lines, gaps, blank)))
    assert said(cleaned) == [word for line in lines for word in line if word != ">>"]


@given(rolls())
def test_rolling_lines_end_with_their_last_repeat(roll: tuple[list[list[str]], list[int]]) -> None:
    """A line lasts from its first word until it leaves the display: through the next line, if one follows."""
    lines = [[f"line{number}", *words] for number, words in enumerate(roll[0])]
    expected: list[tuple[str, float, float]] = []
    at = 0
    for number, (words, gap) in enumerate(zip(lines, roll[1], strict=True)):
        is_carried = gap <= 0 and number + 1 < len(lines)
        text = " ".join(word for word in words if word != ">>")
        expected.append((text, at / 1000, (at + 2010 + (abs(gap) + 2000 if is_carried else 0)) / 1000))
        at += 2010 + abs(gap)
    assert timed(clean(read_webvtt(rolling(lines, roll[1])))) == expected


PIECES = st.sampled_from([
    "no", "so", "na\u0131\u0308ve", "e\u0301", "&gt;&gt;", "&amp;gt;&amp;gt;", ">>", "&amp;", "[Music]", "[", "]",
    "(", ")", "(laughs)", "laughs", "music", "\u266a", "\u200b", "\u00ad", "\ufeff", "\u200d", "&#8203;", " ", "  ",
    "\n", "\n\n", "Links:", "https://example.com/a", "#bread", "thank you", ".", ",", "-", "&", "amp;", "&#x5b;", "\u0301", "\x00", "\U0001f44d\u200d\u2640", "\u2026",
])  # fmt: skip
TIMES = st.none() | st.integers(0, 12).map(lambda tick: tick / 4)


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Any mixture of marks and words, with and without times, in any order."""
    segments = draw(
        st.lists(
            st.builds(
                Segment,
                text=st.lists(PIECES, max_size=6).map("".join),
                start_seconds=TIMES,
                end_seconds=TIMES,
                speaker=st.sampled_from([None, None, "A", " A", "&amp;"]),
                no_speech_prob=st.sampled_from([None, None, 0.1, 0.9]),
                avg_logprob=st.sampled_from([None, -0.2, -1.5]),
                compression_ratio=st.sampled_from([None, 1.2, 3.0]),
            ),
            max_size=12,
        )
    )
    return Transcript(segments=tuple(segments), title=draw(st.none() | PIECES), notes=("kept",))


@settings(deadline=None, max_examples=500)
@given(transcripts())
@example(of(("no", 0, 1), ("no", 0, 1), ("no", 1, 2), ("no no", 1, 2)))
@example(of(("a", 0, 1), ("[Music]", 1, 1.01), ("a", 1.01, 2)))
@example(of("&amp;amp;gt;&amp;amp;gt; a"))
@example(of("[ [Music] ]", "( (laughs) )"))
def test_cleaning_is_idempotent(transcript: Transcript) -> None:
    """Cleaning what is clean changes nothing, and leaves neither empty text, marks nor decomposed letters."""
    cleaned = clean(transcript)
    assert clean(transcript) == cleaned
    assert clean(cleaned) == cleaned
    assert cleaned.notes[: len(transcript.notes)] == transcript.notes
    assert len(set(cleaned.notes)) == len(cleaned.notes)
    for segment in cleaned.segments:
        assert re.search(r"[^\W_]", segment.text)
        assert segment.text == " ".join(segment.text.split())
        assert not re.search(
            r"&amp;|&gt;|[\u200b\u00ad\ufeff\x00\u266a]|e\u0301|(?<!\S)>>(?!\S)", segment.text
        )
        assert "[Music]" not in segment.text
        assert "(laughs)" not in segment.text


@given(
    st.lists(
        st.builds(
            Segment,
            text=st.lists(st.sampled_from(["no", "so", "I'm", "a[0]", "(2)", "x>>y", "music"]), min_size=1).map(" ".join),
            start_seconds=st.integers(0, 5).map(float),
            speaker=st.sampled_from([None, "A"]),
        )
    )
)  # fmt: skip
def test_words_without_an_end_time_are_never_dropped(segments: list[Segment]) -> None:
    """Only captions, which have a start and an end, can be shown again; all other text stays as it is."""
    transcript = Transcript(segments=tuple(segments))
    assert clean(transcript).segments == transcript.segments


# --- rolling captions -----------------------------------------------------------------------------------


def test_the_settled_and_carried_line_is_one_line() -> None:
    """YouTube's three showings of a line are one segment over the time of all three."""
    shown = of(
        ("welcome back to", 0.08, 2.31),
        ("welcome back to", 2.31, 2.32),
        ("welcome back to", 2.32, 4.0),
        ("the show", 2.32, 4.0),
        ("the show", 4.0, 4.01),
    )
    assert timed(clean(shown)) == [("welcome back to", 0.08, 4.0), ("the show", 2.32, 4.01)]


def test_a_display_that_rolls_carries_lines_over_pauses() -> None:
    """In rolling captions a line above a new one was carried over, though a pause lies between the cues."""
    shown = [("a", 0, 2), ("a", 2, 4), ("b", 2, 4), ("b", 4.5, 6), ("c", 4.5, 6), ("c", 6, 7)]
    segments = tuple(Segment(text=t, start_seconds=s, end_seconds=e) for t, s, e in shown)
    assert texts(clean(Transcript(segments=segments))) == ["a", "b", "c"]


def test_a_repetition_seconds_later_stays() -> None:
    """Equal lines whose times do not touch were said twice."""
    lines = of(("no no", 0, 1), ("no no", 3, 4))
    assert clean(lines) == lines


def test_a_repetition_without_times_stays() -> None:
    """In a text without times nothing is a repeat, nor where an end is not known."""
    assert texts(clean(of("no no", "no no"))) == ["no no", "no no"]
    open_ended = Transcript(segments=tuple(Segment(text="no", start_seconds=start) for start in (0.0, 1.0)))
    assert clean(open_ended) == open_ended


def test_a_line_twice_in_one_cue_was_said_twice() -> None:
    """The second of two equal lines shown at once is no repeat; the words stay, in one segment."""
    lines = of(("no no", 0, 2), ("no no", 0, 2), ("no no", 2, 4), ("so", 2, 4))
    assert timed(clean(lines)) == [("no no no no", 0, 4), ("so", 2, 4)]


def test_parts_of_lines_are_never_repeats() -> None:
    """A line that begins, ends or contains another, or differs in case, is a line of its own."""
    lines = of(
        ("so today", 0, 1), ("so today we", 1, 2), ("today we", 2, 3), ("Today we", 3, 4), ("we", 4, 5)
    )
    assert clean(lines) == lines


def test_a_line_that_is_not_the_last_one_kept_stays() -> None:
    """Only the last line kept can be shown again: a refrain stays, however close in time."""
    lines = of(("yes", 0, 1), ("no", 1, 2), ("yes", 2, 3))
    assert clean(lines) == lines


def test_two_speakers_may_say_the_same() -> None:
    """The same words by another speaker are no repeat."""
    lines = of(("yes", 0, 1), ("yes", 1, 2))
    by_two = replace(lines, segments=(lines.segments[0], replace(lines.segments[1], speaker="Bo")))
    assert clean(by_two) == by_two


def test_noise_between_equal_lines_keeps_both() -> None:
    """A sound between two equal lines shows that the words were said twice."""
    lines = of(("thank you", 0, 1), ("[Applause]", 1, 1.02), ("thank you", 1.02, 2))
    assert timed(clean(lines)) == [("thank you thank you", 0, 2)]


def test_repeats_are_found_whatever_their_marks() -> None:
    """Lines are compared as they read, not as they are written."""
    assert timed(clean(of(("&gt;&gt; Tom &amp; I", 0, 1), (">> Tom &amp;  I\u200b", 1, 2)))) == [
        ("Tom & I", 0, 2)
    ]


def test_a_mark_alone_between_equal_lines_keeps_both() -> None:
    """What follows a line that is only ``>>`` is no repeat of the line before it."""
    shown = of(
        ("no no", 0, 2), ("no no", 2, 2.01), ("no no", 2.01, 4), (">>", 2.01, 4), (">>", 4, 4.01), (">>", 4.01, 6), ("no no", 4.01, 6)
    )  # fmt: skip
    assert said(clean(shown)) == ["no", "no", "no", "no"]


# --- text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("Tom &amp; Jerry&#39;s &quot;show&quot;", 'Tom & Jerry\'s "show"'),
        ("it&amp;#39;s", "it's"),
        ("a&nbsp;b\u00a0c\n\n d\t e", "a b c d e"),
        (">> Hi. >> Hello.", "Hi. Hello."),
        ("&gt;&gt;&gt; NEWS: hi", "NEWS: hi"),
        (">>Hi", "Hi"),
        ("shift x>>y", "shift x>>y"),
        ("> quoted", "> quoted"),
        ("zero\u200bwidth so\u00adft \ufeffmark", "zerowidth soft mark"),
        ("e\u0301", "\u00e9"),
        ("mi\u200c\u062e\u0648\u0627\u0647\u0645", "mi\u062e\u0648\u0627\u0647\u0645"),
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),
        ("\U0001f469\u200d\U0001f4bb coder", "\U0001f469\u200d\U0001f4bb coder"),
        ("bell\x07 and \x00null", "bell and null"),
    ],
)
def test_marks_go_and_words_stay(raw: str, cleaned: str) -> None:
    """Entities are unescaped, marks of a change of speaker and invisible characters go, nothing else changes."""
    assert texts(clean(of(raw))) == [cleaned]


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("[Music]", None),
        ("[M\u00fasica]", None),
        ("[upbeat music playing]", None),
        ("[JOHN SLAMS THE DOOR]", None),
        ("\u266a la la la \u266a", None),
        ("\u266a I want to", None),
        ("\U0001f3b5", None),
        ("(Laughs)", None),
        ("(audience laughing and applause)", None),
        ("[laughs] Well [Applause] yes.", "Well yes."),
        ("Well (laughs), yes (sighs).", "Well, yes."),
        ("and \u266a la \u266a then", "and then"),
        ("stay tuned \u266a", "stay tuned"),
        ("[ __ ] that", "[ __ ] that"),
        ("what it [is] like", "what it [is] like"),
        ("(And that is the point.)", "(And that is the point.)"),
        ("I love music (and laughter too)", "I love music (and laughter too)"),
        ("a list [1, 2] , spaced", "a list [1, 2] , spaced"),
        ("[unintelligible 00:03:41] he said", "[unintelligible 00:03:41] he said"),
        ("that\u2019s fine , [Music] ok", "that\u2019s fine , ok"),
    ],
)
def test_noise_goes_and_speech_in_brackets_stays(raw: str, cleaned: str | None) -> None:
    """Sounds and sung lines go wherever they stand; a line that is one square bracket goes; other brackets stay."""
    assert texts(clean(of(raw))) == ([] if cleaned is None else [cleaned])


@pytest.mark.parametrize(
    "raw", ["", " \n", "...", "-", "&gt;&gt;", "\u200b", "\u266a\u266a", "[ ]", "\U0001f49a"]
)
def test_what_has_no_word_is_dropped(raw: str) -> None:
    """A segment without a letter or digit is no speech."""
    assert texts(clean(of(raw, "word", raw))) == ["word"]


def test_a_transcript_without_speech_has_no_segments() -> None:
    """Music alone leaves nothing, and everything else of the transcript stays."""
    silent = replace(of(("[Music]", 0, 9), ("\u266a", 9, 10)), video_id="kR3v_9TqLxA", notes=("a note",))
    assert clean(silent) == Transcript(segments=(), video_id="kR3v_9TqLxA", notes=("a note",))


def test_names_are_tidied_too() -> None:
    """Speakers, title and creator are unescaped and spaced like text; an empty one is none."""
    raw = Transcript(
        segments=(Segment(text="hi", speaker=" Tom &amp;  J "), Segment(text="so", speaker="\u200b")),
        title="A &amp; B",
        creator=" ",
    )
    cleaned = clean(raw)
    assert [segment.speaker for segment in cleaned.segments] == ["Tom & J", None]
    assert (cleaned.title, cleaned.creator) == ("A & B", None)


def test_cleaning_changes_nothing_it_is_given() -> None:
    """The transcript given is left as it was."""
    raw = of((">> a", 0, 1), ("a", 1, 2))
    clean(raw)
    assert raw == of((">> a", 0, 1), ("a", 1, 2))


# --- real files -----------------------------------------------------------------------------------------


@needs_public_data
def test_youtube_dls_rolling_file() -> None:
    """webvtt-py's file from youtube-dl loses its repeats, over their whole time, and no word."""
    path = PUBLIC_DATA / "captions" / "webvtt-py" / "tests" / "subtitles" / "youtube_dl.vtt"
    assert timed(clean(read_transcripts(path).transcripts[0])) == [
        ("yeah", 286.07, 304.08),
        ("what", 286.47, 304.08),
        ("this will happen is I'm telling", 304.08, 305.4),
    ]


@needs_public_data
def test_subtitles_of_a_film_keep_their_words() -> None:
    """In a file without rolling captions cleaning only takes whole-line sounds and marks, never a spoken word."""
    path = PUBLIC_DATA / "captions" / "webvtt-py" / "tests" / "subtitles" / "netflix_chicas_del_cable.vtt"
    raw = read_transcripts(path).transcripts[0]
    lost = Counter(" ".join(texts(raw)).split()) - Counter(" ".join(texts(clean(raw))).split())
    sounds = Counter(word for text in texts(raw) if re.fullmatch(r"\[.*\]", text) for word in text.split())
    in_line = re.compile(r"\[(?:risas|m\u00fasica|aplausos|r\u00ede|v\u00edtores|y|\s)+\]", re.IGNORECASE)
    inner = Counter(word for text in texts(raw) for found in in_line.findall(text) for word in found.split())
    assert not lost - sounds - inner
    assert len(clean(raw).segments) > 1200


@needs_public_data
def test_real_transcripts_lose_only_noise() -> None:
    """In the public transcripts no turn with a word but a whole bracket or a link disappears, and no word changes."""
    paths = sorted((PUBLIC_DATA / "transcripts").glob("*/*/*.md"))
    assert len(paths) == 86
    for path in paths:
        raw = read_transcripts(path).transcripts[0]
        cleaned = clean(raw)
        written, blocks = without_link_blocks(raw.segments)
        kept = [
            segment
            for segment in written
            if re.search(r"[^\W_]", re.sub(r"\[[^\]]*\]|\(laugh\w*\)", "", segment.text))
        ]
        assert [segment.speaker for segment in cleaned.segments] == [segment.speaker for segment in kept], (
            path
        )
        lost = Counter(re.findall(r"[^\W_]+", html.unescape(" ".join(segment.text for segment in written))))
        lost.subtract(re.findall(r"[^\W_]+", " ".join(texts(cleaned))))
        assert set(+lost) <= {"laughs", "laughter", "laughing", "unintelligible", "chuckles", "applause"} | {
            word for word in +lost if word.isdigit()
        }, path
        assert not -lost, path
        assert cleaned.language == ("es" if path.name.endswith(".es.md") else "en"), path
        assert len(cleaned.notes) == len(raw.notes) + bool(blocks), path
