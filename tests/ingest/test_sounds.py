# ruff: noqa: RUF001  # other languages' letters are meant
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sounds import without_sounds

MARKS = [
    "[Music]", "[Applause]", "(upbeat music)", "(audience laughing)", "[Musik]", "[Applaus]", "(leise Musik)", "(Gelächter)",
    "[Musique]", "[Applaudissements]", "(Rires)", "[Música]", "(música de fondo)", "[Aplausos]", "(Risas)", "[Risos]",
    "[Musica]", "(applausi)", "[Muziek]", "[Muzyka]", "[Oklaski]", "[Музыка]", "[Аплодисменты]", "(смех)", "[Müzik]",
    "[Alk\u0131\u015f]", "[موسيقى]", "[תשואות]", "[संगीत]", "[âm nhạc]", "(vỗ tay)", "[Tepuk tangan]", "[เพลง]",
    "[音楽]", "（拍手）", "(拍手と笑い)", "【音楽】", "[音乐]", "[掌聲]", "[음악]", "(웃음)", "♪ la la la ♪",
]  # fmt: skip


@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_sounds_go_in_any_language(mark: str) -> None:
    """Alone, in capitals and between words; the words around stay, and so does a comma after the mark."""
    assert without_sounds(mark) == ""
    assert without_sounds(mark.upper()) == ""
    assert without_sounds(f"well {mark}, yes") == "well, yes"
    assert without_sounds(f"{mark} and so on") == "and so on"


@pytest.mark.parametrize(
    "speech",
    [
        "(and that is the music I mean)",
        "(the latter)",
        "(a public static method)",
        "he plays music (badly)",
        "what it [is] like",
        "[ __ ] that",
        "(la musique, c'est tout)",
        "das Lachen (von Anna)",
        "a list [1, 2]",
        "数字（一）です",
        "【重要なお知らせ】",
        "music",
    ],
)
def test_speech_in_brackets_stays(speech: str) -> None:
    """Brackets hold speech unless they hold nothing but sounds and how they sound."""
    assert without_sounds(speech) == speech


@given(st.text(st.sampled_from("ab [](),.♪（】")))
def test_only_marks_are_taken(text: str) -> None:
    """What is left are letters of the text, in its order; a text without brackets or notes is left as it is."""
    left = without_sounds(text)
    letters = iter(text)
    assert all(letter in letters for letter in left.replace(" ", ""))
    if not set(text) & set("[(♪（】"):
        assert left == text
