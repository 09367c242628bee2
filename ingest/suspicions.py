"""What looks invented by a speech recogniser: said in notes, and left out only where whisper itself would.

Whisper writes words where there is only music: the same line in every window of 30 seconds, thanks for
watching, credits of subtitlers. A person may have said any of it, so a note says where to listen.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.transcripts import Segment

# openai-whisper's own thresholds
_NO_SPEECH: Final = 0.6
_LOW_LOGPROB: Final = -1.0
_HIGH_COMPRESSION: Final = 2.4

_WORDS_A_SECOND: Final = 8.0
_LEAST_SECONDS: Final = 1.0
_LONG_SECONDS: Final = 25.0
_FEW_LETTERS: Final = 30
_SHORT_LETTERS: Final = 80
_WINDOW_SECONDS: Final = 30.0
_STEP_TOLERANCE_SECONDS: Final = 0.25
_RUN: Final = 3  # of the same text, a window apart: two may be chance
_TIMES_SHOWN: Final = 3

_KNOWN_PHRASES: Final = """
    thank you|thanks|thank you very much|thank you so much|thanks for watching|thank you for watching
    thank you so much for watching|thank you for watching and see you next time|see you next time|see you in the next video
    i'll see you in the next video|please subscribe|please subscribe to my channel|like and subscribe
    don't forget to like and subscribe|bye|bye bye|you|the end|music|subtitles|untertitel|sous titres|subtítulos
    vielen dank|vielen dank fürs zuschauen|vielen dank für die aufmerksamkeit|bis zum nächsten mal|das war's
    merci|merci d'avoir regardé|merci d'avoir regardé cette vidéo|abonnez vous|à bientôt
    gracias|gracias por ver|gracias por ver el video|gracias por ver el vídeo|suscríbete|suscríbete al canal
    obrigado|obrigado por assistir|obrigada por assistir|inscreva se no canal|tchau
    grazie|grazie per la visione|grazie a tutti|iscrivetevi al canale|bedankt voor het kijken|tack för att ni tittade
    dziękuję|dziękuję za uwagę|dziękuję za oglądanie|děkuji|děkuji za pozornost|titulky
    продолжение следует|спасибо за просмотр|спасибо за внимание|подписывайтесь на канал|подпишись на канал|дякую за перегляд
    izlediğiniz için teşekkürler|izlediğiniz için teşekkür ederim|abone olmay\u0131 unutmay\u0131n
    terima kasih|terima kasih telah menonton|terima kasih sudah menonton|sampai jumpa
    cảm ơn các bạn đã theo dõi|cảm ơn các bạn đã xem|hẹn gặp lại|hẹn gặp lại các bạn
    ご視聴ありがとうございました|ご覧いただきありがとうございました|ご清聴ありがとうございました|チャンネル登録お願いします|ありがとうございました|おやすみなさい
    시청해주셔서 감사합니다|시청해 주셔서 감사합니다|감사합니다|구독과 좋아요 부탁드립니다|다음 영상에서 만나요
    谢谢观看|謝謝觀看|感谢观看|感謝觀看|谢谢大家
    شكرا للمشاهدة|شكرا على المشاهدة|اشتركوا في القناة|देखने के लिए धन्यवाद|धन्यवाद
"""
_PHRASES: Final = frozenset(
    phrase.strip() for line in _KNOWN_PHRASES.strip().split("\n") for phrase in line.split("|")
)
# nobody says these
_CREDITS: Final = (
    "amara.org",
    "dimatorzok",
    "субтитры сделал",
    "субтитры создавал",
    "редактор субтитров",
    "字幕by",
    "字幕志愿者",
    "字幕志願者",
    "明鏡與點點",
    "sottotitoli creati dalla",
    "sottotitoli e revisione",
    "legendas pela comunidade",
    "untertitel im auftrag",
    "untertitelung des zdf",
    "sous-titres réalisés",
    "sous-titrage société",
    "sous-titrage st",
    "napisy stworzone przez",
    "نانسي قنقر",
)


def is_silence(segment: Segment) -> bool:
    """Tell whether whisper itself takes a segment for silence, by its own rule and thresholds."""
    return (
        segment.no_speech_prob is not None
        and segment.avg_logprob is not None
        and segment.no_speech_prob > _NO_SPEECH
        and segment.avg_logprob < _LOW_LOGPROB
    )


def silence_notes(segments: Sequence[Segment]) -> tuple[str, ...]:
    """Say that segments, which whisper takes for silence, were left out; nothing for none."""
    if not segments:
        return ()
    return (
        _noted(
            segments,
            "that whisper itself takes for silence",
            "listen there if words are missing",
            was="left out",
        ),
    )


def suspicions(segments: Sequence[Segment]) -> tuple[str, ...]:
    """Say what a person should look at, one line each with how many, the first times and what to do.

    Words that nobody said are told by what whisper says of itself, by their times and by what they are.
    Depends on ``segments`` alone, which should be clean.
    """
    text = " ".join(segment.text for segment in segments)
    steps = _at_steps(segments)
    stepping = {place for run in steps for place in run}
    repeated = sorted(place for run in steps if len(run) >= _RUN for place in run)
    invented = [
        segment
        for place, segment in enumerate(segments)
        if _is_known_phrase(segment, is_stepping=place in stepping)
    ]
    if _has_credit(text):
        invented += [segment for segment in segments if _is_credit(segment)]
    listen = "listen there, and take out what nobody says"
    kinds = (
        (
            [one for one in segments if (one.compression_ratio or 0.0) > _HIGH_COMPRESSION],
            "so repetitive that whisper's own check fails",
            listen,
        ),
        (
            [one for one in segments if _is_too_fast(one)],
            f"of more than {_WORDS_A_SECOND:g} words a second",
            "listen there: the words or their times are wrong",
        ),
        (_stretched(segments), f"of a few words over more than {_LONG_SECONDS:g} seconds", listen),
        (
            [segments[place] for place in repeated],
            "said again every 30 seconds, as whisper does over music",
            listen,
        ),
        (invented, "that whisper is known to invent over music", listen),
    )
    return tuple(_noted(found, what, remedy) for found, what, remedy in kinds if found)


def _is_too_fast(segment: Segment) -> bool:
    seconds = _seconds(segment)
    if seconds is None or seconds < _LEAST_SECONDS:
        return False
    # a word is two letters and a space or more: most segments need no counting
    return len(segment.text) > 2 * _WORDS_A_SECOND * seconds and (
        len(segment.text.split()) > _WORDS_A_SECOND * seconds
    )


def _stretched(segments: Sequence[Segment]) -> list[Segment]:
    """Find the segments that last too long for their words; a line that stays on display beside the next does not count."""
    return [
        segment
        for segment, after in zip(segments, (*segments[1:], None), strict=False)
        if len(segment.text) <= _FEW_LETTERS
        and (_seconds(segment) or 0.0) > _LONG_SECONDS
        and (after is None or (after.start_seconds or 0.0) >= (segment.end_seconds or 0.0))
    ]


def _at_steps(segments: Sequence[Segment]) -> list[list[int]]:
    """Find the places of short segments that say the same at steps of 30 seconds, two or more in a row."""
    same: dict[str, list[int]] = {}
    for place, segment in enumerate(segments):
        if segment.start_seconds is not None and len(segment.text) <= _SHORT_LETTERS:
            same.setdefault(segment.text.casefold(), []).append(place)
    runs: list[list[int]] = []
    for places in same.values():
        run = places[:1]
        for place, following in pairwise(places):
            if not _is_a_window_apart(segments[place], segments[following]):
                runs.append(run)
                run = []
            run.append(following)
        runs.append(run)
    return [run for run in runs if len(run) > 1]


def _is_a_window_apart(segment: Segment, following: Segment) -> bool:
    step = (following.start_seconds or 0.0) - (segment.start_seconds or 0.0)
    return abs(step - _WINDOW_SECONDS) <= _STEP_TOLERANCE_SECONDS


def _is_known_phrase(segment: Segment, *, is_stepping: bool) -> bool:
    """Tell whether a segment is such a phrase and there is another sign that nobody said it."""
    return (
        (is_stepping or (segment.no_speech_prob or 0.0) > _NO_SPEECH)
        and len(segment.text) <= _SHORT_LETTERS
        and _bare(segment.text) in _PHRASES
    )


def _is_credit(segment: Segment) -> bool:
    return len(segment.text) <= _SHORT_LETTERS and _has_credit(segment.text)


def _has_credit(text: str) -> bool:
    folded = text.casefold()
    return any(credit in folded for credit in _CREDITS)


def _bare(text: str) -> str:
    """A text in lower case, without marks but those inside of words."""
    return " ".join(re.findall(r"\w+(?:['’]\w+)*", text.casefold())).replace("’", "'")


def _seconds(segment: Segment) -> float | None:
    if segment.start_seconds is None or segment.end_seconds is None:
        return None
    return segment.end_seconds - segment.start_seconds


def _noted(segments: Sequence[Segment], what: str, remedy: str, *, was: str = "kept") -> str:
    """Word a note: "2 segments of a few words over more than 25 seconds were kept (at 0:30, 1:00); listen there"."""
    times = sorted(one.start_seconds for one in segments if one.start_seconds is not None)
    shown = ", ".join(map(_clock, times[:_TIMES_SHOWN]))
    where = f" (at {shown}{', ...' if len(times) > _TIMES_SHOWN else ''})" if shown else ""
    one = len(segments) == 1
    return f"{len(segments)} segment{'' if one else 's'} {what} {'was' if one else 'were'} {was}{where}; {remedy}"


def _clock(seconds: float) -> str:
    """Minutes and seconds, as a player shows them.

    >>> _clock(65.4), _clock(3725)
    ('1:05', '62:05')
    """
    return f"{int(seconds // 60)}:{int(seconds % 60):02}"
