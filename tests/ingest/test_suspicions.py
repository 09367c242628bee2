from __future__ import annotations

import pytest

from ingest.cleaning import clean
from ingest.suspicions import is_silence
from ingest.transcripts import Segment, Transcript


def said(
    text: str,
    start: float | None = None,
    end: float | None = None,
    *,
    no_speech_prob: float | None = None,
    avg_logprob: float | None = None,
    compression_ratio: float | None = None,
) -> Segment:
    return Segment(
        text=text,
        start_seconds=start,
        end_seconds=end,
        no_speech_prob=no_speech_prob,
        avg_logprob=avg_logprob,
        compression_ratio=compression_ratio,
    )


def notes(*segments: Segment) -> tuple[str, ...]:
    return clean(Transcript(segments=segments)).notes


# --- whisper over music ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("no_speech_prob", "avg_logprob", "is_silent"),
    [(0.9, -1.4, True), (0.9, -0.4, False), (0.2, -1.4, False), (0.6, -1.4, False), (0.9, -1.0, False)],
)
def test_silence_by_whispers_own_rule(no_speech_prob: float, avg_logprob: float, is_silent: bool) -> None:
    """Both of whisper's thresholds must be passed; a sure sentence stays though nothing should be heard."""
    assert is_silence(said("hi", no_speech_prob=no_speech_prob, avg_logprob=avg_logprob)) is is_silent


def test_what_whisper_takes_for_silence_is_left_out_and_counted() -> None:
    """The words go, the note tells how many and where to listen, and cleaning again adds none."""
    raw = Transcript(
        segments=(
            said("Welcome back to the kitchen.", 0, 3, no_speech_prob=0.02, avg_logprob=-0.2),
            said("Terima kasih.", 190, 192, no_speech_prob=0.93, avg_logprob=-1.3),
            said("Thank you.", 240, 242, no_speech_prob=0.91, avg_logprob=-1.2),
        )
    )
    cleaned = clean(raw)
    assert cleaned.segments == raw.segments[:1]
    assert cleaned.notes == (
        (
            "2 segments that whisper itself takes for silence were left out (at 3:10, 4:00); "
            "listen there if words are missing"
        ),
    )
    assert clean(cleaned) == cleaned


def test_a_segment_that_repeats_itself_is_kept_and_noted() -> None:
    """Above whisper's own threshold of compression the words stay."""
    stuck = said("and then and then and then and then", 65, 80, compression_ratio=2.9)
    assert notes(said("Hello.", 0, 2, compression_ratio=2.4), stuck) == (
        (
            "1 segment so repetitive that whisper's own check fails was kept (at 1:05); "
            "listen there, and take out what nobody says"
        ),
    )


@pytest.mark.parametrize(
    ("segment", "is_noted"),
    [
        (said("one two three four five six seven eight nine", 5, 6), True),
        (said("one two three four five six seven eight", 5, 6), False),
        (said("one two three four five six seven eight nine", 5, 5.9), False),
        (said("one two three four five six seven eight nine", 5), False),
        (said("今日は家でパンを作ります今日は家でパンを作ります", 5, 6), False),
    ],
)
def test_impossibly_fast_speech_is_noted(segment: Segment, *, is_noted: bool) -> None:
    """More than eight words a second, over a second or more, of a script with spaces."""
    assert any("more than 8 words a second" in note for note in notes(segment)) is is_noted


def test_a_few_words_over_a_long_time_are_noted() -> None:
    """A window of music that became two words; not a line that stays on display beside the next."""
    assert len(notes(said("I'm sorry.", 30, 60), said("So.", 60, 61))) == 1
    assert notes(said("I'm sorry.", 30, 60), said("So.", 58, 61)) == ()
    assert notes(said("I'm sorry.", 30, 50)) == ()
    windows = [
        said("Thank you.", at, at + 30) for at in (0.0, 30.0, 60.0)
    ]  # repeats that touch are one segment
    assert len(notes(*windows, said("So, bread.", 90, 91))) == 1
    assert notes(said("I'm sorry that it took so long, the oven was cold.", 30, 60)) == ()


def test_the_same_words_in_every_window_are_noted() -> None:
    """Three times at steps of 30 seconds; at other steps it is a habit of the speaker's, twice it is chance."""
    every = [said("Okay.", at, at + 2) for at in (0.0, 30.0, 59.98, 100.0)]
    assert notes(*every) == (
        (
            "3 segments said again every 30 seconds, as whisper does over music were kept (at 0:00, 0:30, 0:59); "
            "listen there, and take out what nobody says"
        ),
    )
    assert notes(*every[:2], every[3]) == ()
    assert notes(*(said("Okay.", at, at + 2) for at in (0.0, 20.0, 40.0, 60.0))) == ()


@pytest.mark.parametrize(
    "phrase",
    [
        "Thanks for watching!",
        "ご視聴ありがとうございました。",
        "Продолжение следует...",
        "I’ll see you in the next video.",
        "Merci d'avoir regardé !",
    ],
)
def test_known_inventions_are_noted_where_nothing_is_heard(phrase: str) -> None:
    """Whisper's favourites need another sign: no speech heard, or the steps of 30 seconds. A goodbye stays a goodbye."""
    assert notes(said(phrase, 600, 602, no_speech_prob=0.8, avg_logprob=-0.5)) == (
        (
            "1 segment that whisper is known to invent over music was kept (at 10:00); "
            "listen there, and take out what nobody says"
        ),
    )
    assert notes(said(phrase, 600, 602, no_speech_prob=0.1, avg_logprob=-0.5)) == ()
    assert notes(said(phrase, 600, 602)) == ()
    assert len(notes(said(phrase, 0, 4), said(phrase, 30, 34))) == 1


def test_credits_are_noted_wherever_they_are() -> None:
    """Nobody says these; a long sentence about them is another matter."""
    assert len(notes(said("Subtitles by the Amara.org community", 0, 4))) == 1
    about = "We used Amara.org for the captions of all our videos until last year, and then it got too slow for us."
    assert notes(said(about, 0, 9)) == ()


def test_whispers_repeats_are_no_rolling_captions() -> None:
    """What whisper wrote twice stays twice, though the times touch."""
    twice = (said("No.", 0, 1, no_speech_prob=0.1), said("No.", 1, 2, no_speech_prob=0.1))
    assert clean(Transcript(segments=twice)).segments == twice
