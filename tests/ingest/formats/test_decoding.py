# ruff: noqa: RUF001  # text in other alphabets
from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats import decoding
from ingest.formats.decoding import text_of
from ingest.readers import BrokenTranscript, NotATranscript, read_transcripts
from rag.errors import BadInput

SPOKEN = {
    "cp1252": "Vous êtes déjà prêts à écouter l\u2019épisode ? Ça va être génial, à bientôt.",
    "cp1250": "Cześć wszystkim, dziś porozmawiamy o tym, jak upiec chleb w domu, żeby był świeży.",
    "cp1251": "Привет, друзья, сегодня мы говорим о том, как печь хлеб дома.",
    "koi8_r": "Привет, друзья, сегодня мы говорим о том, как печь хлеб дома.",
    "cp1253": "Γεια σας, σήμερα θα μιλήσουμε για το πώς να ψήσετε ψωμί στο σπίτι.",
    "cp1254": "Merhaba arkadaşlar, bugün evde ekmek pişirmeyi konuşacağız, çok güzel.",
    "cp1255": "שלום לכולם, היום נדבר על איך לאפות לחם בבית.",
    "cp1256": "مرحبا بكم اليوم سنتحدث عن كيفية خبز الخبز في المنزل.",
    "cp932": "みなさん、こんにちは。今日は家でパンを焼く方法についてお話しします。",
    "euc_jp": "みなさん、こんにちは。今日は家でパンを焼く方法についてお話しします。",
    "gb18030": "大家好，今天我们来谈谈如何在家里烤面包。",
    "big5": "大家好，今天我們來談談如何在家裡烤麵包。",
    "cp949": "안녕하세요 여러분, 오늘은 집에서 빵을 굽는 방법에 대해 이야기하겠습니다.",
}  # fmt: skip
CAPTIONS = "1\n00:00:01,000 --> 00:00:02,000\n{}\n\n2\n00:00:02,000 --> 00:00:03,000\nand on\n"


@pytest.mark.parametrize("encoding", SPOKEN)
def test_captions_in_any_common_encoding_are_read_and_said(encoding: str, tmp_path: Path) -> None:
    """What is not Unicode is recognised by its words, and the notes name what was assumed."""
    path = tmp_path / "talk.srt"
    path.write_bytes(CAPTIONS.format(SPOKEN[encoding]).encode(encoding))
    (transcript,) = read_transcripts(path).transcripts
    assert transcript.segments[0].text == SPOKEN[encoding]
    assert "it is not UTF-8 and was read as" in transcript.notes[0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_its_mark_is_read_and_said(encoding: str, tmp_path: Path) -> None:
    """Half the bytes being zero says which of the two it is."""
    path = tmp_path / "talk.srt"
    path.write_bytes(CAPTIONS.format("naïve 中").encode(encoding))
    (transcript,) = read_transcripts(path).transcripts
    assert transcript.segments[0].text == "naïve 中"
    assert transcript.notes == ("it has no byte order mark and was read as UTF-16",)


def test_a_damaged_byte_does_not_make_utf8_another_encoding(tmp_path: Path) -> None:
    """One bad byte among good ones is replaced and counted, and the accents around it stay."""
    path = tmp_path / "talk.txt"
    path.write_bytes("été à la plage".encode() + b"\xff.")
    text, notes = text_of(path)
    assert text == "été à la plage\ufffd."
    assert notes == ("1 byte that is not UTF-8 was replaced: check the text, or save it as UTF-8",)


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1))
def test_any_utf8_comes_back_without_a_note(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Valid UTF-8 is never guessed at, whatever it holds."""
    path = tmp_path_factory.mktemp("utf8") / "talk.txt"
    path.write_text(text, "utf-8", newline="")
    if text.strip():
        assert text_of(path) == (text.removeprefix("\ufeff"), ())
    else:
        with pytest.raises(BrokenTranscript, match="is empty"):
            text_of(path)


def test_a_file_over_the_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says how long it is, how long it may be, and what to do; a binary of that size is another kind."""
    path = tmp_path / "talk.txt"
    with path.open("wb") as file:
        file.write(b"hello ")
        file.truncate(65 << 20)
    with pytest.raises(NotATranscript, match="binary"):
        read_transcripts(path)
    monkeypatch.setattr(decoding, "MAX_BYTES", 1 << 20)
    path.write_bytes(b"hello " * 400_000)
    with pytest.raises(BrokenTranscript, match="has 2 MiB, more than the 1 that are read; split it"):
        read_transcripts(path)


def test_nothing_but_a_plain_file_is_opened(tmp_path: Path) -> None:
    """A pipe that nobody writes to would block for ever; it, a socket and a device are refused at once."""
    pipe = tmp_path / "talk.vtt"
    os.mkfifo(pipe)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.vtt"))
        for path in (pipe, tmp_path / "socket.vtt", Path("/dev/zero")):
            with pytest.raises(BadInput, match=r"is a pipe, a device or a socket; name a file"):
                read_transcripts(path)


def test_a_link_to_a_file_is_that_file(tmp_path: Path) -> None:
    """Links are followed, and one to nowhere is a path that cannot be read."""
    (tmp_path / "talk.txt").write_text("hello there")
    (tmp_path / "link.txt").symlink_to(tmp_path / "talk.txt")
    (tmp_path / "loop.txt").symlink_to(tmp_path / "loop.txt")
    assert read_transcripts(tmp_path / "link.txt").transcripts[0].segments[0].text == "hello there"
    with pytest.raises(BadInput, match="check the path"):
        read_transcripts(tmp_path / "loop.txt")
