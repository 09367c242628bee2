"""A short file of every format that transcripts come in, and damage done to files, by a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any, Final

SAID: Final = (
    "Welcome back to the bakery, everyone.",
    "Today we feed the starter, twice.",
    "It doubles in four hours at 26 degrees.",
    "Then the dough rests overnight.",
)
_STARTS: Final = (0.5, 3.25, 6.0, 9.5)
_SECONDS: Final = 2.5


def _clock(seconds: float, point: str = ".") -> str:
    whole = round(seconds * 1000)
    return (
        f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{point}{whole % 1000:03}"
    )


def _cues(arrow: str, point: str = ".", *, numbered: bool = False, names: tuple[str, ...] = ("",)) -> str:
    blocks = []
    for at, (start, text) in enumerate(zip(_STARTS, SAID, strict=True)):
        number = f"{at + 1}\n" if numbered else ""
        name = names[at % len(names)]
        blocks.append(f"{number}{_clock(start, point)}{arrow}{_clock(start + _SECONDS, point)}\n{name}{text}")
    return "\n\n".join(blocks) + "\n"


def _rolling() -> str:
    blocks = ["WEBVTT\nKind: captions\nLanguage: en"]
    last = " "
    for start, text in zip(_STARTS, SAID, strict=True):
        words = text.split()
        times = [f"<{_clock(start + 0.2 * at)}><c> {word}</c>" for at, word in enumerate(words[1:], start=1)]
        end = start + _SECONDS
        line = f"{_clock(start)} --> {_clock(end)} align:start position:0%"
        blocks.append(f"{line}\n{last}\n{words[0]}{''.join(times)}")
        blocks.append(f"{_clock(end)} --> {_clock(end + 0.01)} align:start position:0%\n{text}\n ")
        last = text
    return "\n\n".join(blocks) + "\n"


def _segments(**more: Any) -> list[dict[str, Any]]:
    return [
        {"id": at, "start": start, "end": start + _SECONDS, "text": f" {text}", **more}
        for at, (start, text) in enumerate(zip(_STARTS, SAID, strict=True))
    ]


def _words(key: str, scale: float = 1, **more: Any) -> list[dict[str, Any]]:
    words = []
    for start, text in zip(_STARTS, SAID, strict=True):
        for at, word in enumerate(text.split()):
            begin = (start + 0.3 * at) * scale
            words.append({key: word, "start": begin, "end": begin + 0.25 * scale, **more})
    return words


def _snippets() -> list[dict[str, Any]]:
    return [
        {"text": text, "start": start, "duration": _SECONDS}
        for start, text in zip(_STARTS, SAID, strict=True)
    ]


_CERTAINTY: Final = {"avg_logprob": -0.21, "compression_ratio": 1.4, "no_speech_prob": 0.02}
_TEXT: Final = " ".join(SAID)
_ABOUT: Final = {
    "video_id": "kR3v_9TqLxA",
    "title": "Feeding a starter",
    "channel": "Mara Bakes",
    "date": "2026-08-14",
}


def _whisper() -> dict[str, Any]:
    return {
        "text": _TEXT,
        "language": "en",
        "segments": [
            {**part, "seek": 0, "tokens": [50364, 440], "temperature": 0.0}
            for part in _segments(**_CERTAINTY)
        ],
    }


def _whisperx() -> dict[str, Any]:
    segments = []
    for at, part in enumerate(_segments()):
        words = [
            {"word": word, "start": part["start"], "end": part["end"], "speaker": f"SPEAKER_0{at % 2}"}
            for word in part["text"].split()
        ]
        segments.append({**part, "words": [*words, {"word": "26"}]})
    return {"segments": segments, "word_segments": [], "language": "en"}


def _json3() -> dict[str, Any]:
    events: list[dict[str, Any]] = [{"tStartMs": 0, "dDurationMs": 90_000, "id": 1, "wpWinPosId": 1}]
    for start, text in zip(_STARTS, SAID, strict=True):
        first, *words = text.split()
        segs = [
            {"utf8": first},
            *({"utf8": f" {word}", "tOffsetMs": 200 * at} for at, word in enumerate(words)),
        ]
        events += [
            {"tStartMs": start * 1000, "dDurationMs": 2500, "segs": segs},
            {"tStartMs": start * 1000 + 2490, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        ]
    return {"wireMagic": "pb3", "events": events}


def _assembly() -> dict[str, Any]:
    utterances = [
        {
            "speaker": "AB"[at % 2],
            "text": text,
            "confidence": 0.97,
            "start": round(start * 1000),
            "end": round((start + _SECONDS) * 1000),
            "words": [],
        }
        for at, (start, text) in enumerate(zip(_STARTS, SAID, strict=True))
    ]
    return {
        "id": "5551722-f677-48a6",
        "status": "completed",
        "language_code": "en_us",
        "audio_url": "https://example.org/a.mp3",
        "text": _TEXT,
        "words": _words("text", 1000, speaker="A", confidence=0.9),
        "utterances": utterances,
    }


def _row_a_video() -> list[dict[str, str]]:
    return [
        {**_ABOUT, "transcript": _TEXT},
        {
            **_ABOUT,
            "video_id": "pQ8w-2ZnRmE",
            "title": "Scoring",
            "transcript": 'She said, "cut once".\nDeep.',
        },
    ]


def _row_a_segment() -> list[dict[str, Any]]:
    return [
        {"video_id": video, "start": start, "end": start + _SECONDS, "speaker": "Mara", "text": text}
        for video in ("kR3v_9TqLxA", "pQ8w-2ZnRmE")
        for start, text in zip(_STARTS, SAID, strict=True)
    ]


def _csv(rows: list[dict[str, Any]], delimiter: str) -> str:
    def cell(value: Any) -> str:
        text = str(value)
        return (
            '"' + text.replace('"', '""') + '"' if any(mark in text for mark in f'{delimiter}"\n') else text
        )

    lines = [[*rows[0]], *([*row.values()] for row in rows)]
    return "".join(delimiter.join(map(cell, line)) + "\n" for line in lines)


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _srv1() -> str:
    cues = "".join(
        f'<text start="{start}" dur="{_SECONDS}">{text.replace("the", "&lt;i&gt;the&lt;/i&gt;")}</text>'
        for start, text in zip(_STARTS, SAID, strict=True)
    )
    return f'<?xml version="1.0" encoding="utf-8" ?><transcript>{cues}</transcript>'


def _srv3() -> str:
    cues = "".join(
        f'<p t="{start * 1000:.0f}" d="2500">'
        + "".join(f'<s t="{200 * at}">{word} </s>' for at, word in enumerate(text.split()))
        + "</p>"
        for start, text in zip(_STARTS, SAID, strict=True)
    )
    return (
        f'<?xml version="1.0" encoding="utf-8" ?><timedtext format="3"><head/><body>{cues}</body></timedtext>'
    )


def _ttml() -> str:
    cues = "".join(
        f'<p begin="{_clock(start)}" end="{_clock(start + _SECONDS)}">{text}<br/></p>'
        for start, text in zip(_STARTS, SAID, strict=True)
    )
    return f'<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en"><body><div>{cues}</div></body></tt>'


_MARKDOWN: Final = f"""---
title: "Feeding a starter"
channel: Mara Bakes
date: 2026-08-14
---

# Feeding a starter

**Mara Lind:** \\[00:00:01\\] {SAID[0]} {SAID[1]}

**Bo:** [0:06](https://youtu.be/kR3v_9TqLxA?t=6) {SAID[2]}

**Mara Lind:** *{SAID[3]}*
"""

_NAMED: Final = ("<v Mara Lind>", "<v Bo>")
_ZOOM: Final = ("Mara Lind: ", "Bo Dale: ")

SAMPLES: Final[dict[str, tuple[str, str]]] = {
    "WebVTT": ("talk.vtt", "WEBVTT\n\nNOTE by hand\n\nSTYLE\n::cue { color: red }\n\n" + _cues(" --> ")),
    "WebVTT, YouTube's rolling": ("talk.en.vtt", _rolling()),
    "WebVTT, Teams' voices": ("teams.vtt", "WEBVTT\n\n" + _cues(" --> ", names=_NAMED)),
    "WebVTT, Zoom's names": ("zoom.vtt", "WEBVTT\n\n" + _cues(" --> ", numbered=True, names=_ZOOM)),
    "SubRip": ("talk.srt", _cues(" --> ", ",", numbered=True)),
    "SBV": ("talk.sbv", _cues(",")),
    "YouTube json3": ("talk.en.json3", json.dumps(_json3())),
    "YouTube srv1": ("talk.srv1", _srv1()),
    "YouTube srv3": ("talk.srv3", _srv3()),
    "TTML": ("talk.ttml", _ttml()),
    "youtube-transcript-api, list": ("talk.json", json.dumps(_snippets())),
    "youtube-transcript-api, object": (
        "talk.json",
        json.dumps({"snippets": _snippets(), "video_id": "kR3v_9TqLxA", "language_code": "en"}),
    ),
    "youtube-transcript-api, many": (
        "talks.json",
        json.dumps([{"snippets": _snippets(), "video_id": f"kR3v_9TqLx{at}"} for at in range(3)]),
    ),
    "openai-whisper": ("talk.json", json.dumps(_whisper())),
    "openai-whisper TSV": (
        "talk.tsv",
        "start\tend\ttext\n"
        + "".join(
            f"{round(start * 1000)}\t{round((start + _SECONDS) * 1000)}\t{text}\n"
            for start, text in zip(_STARTS, SAID, strict=True)
        ),
    ),
    "whisper-1, segments": (
        "talk.json",
        json.dumps({**_whisper(), "task": "transcribe", "duration": 12.0}),
    ),
    "whisper-1, words": ("talk.json", json.dumps({"text": _TEXT, "duration": 12.0, "words": _words("word")})),
    "whisper-1, text": ("talk.json", json.dumps({"text": _TEXT, "usage": {"type": "tokens"}})),
    "faster-whisper, objects": ("talk.json", json.dumps(_segments(**_CERTAINTY, words=None))),
    "faster-whisper, tuples": (
        "talk.json",
        json.dumps(
            [
                [at, 0, start, start + _SECONDS, text, [1], 0.0, -0.2, 1.4, 0.02, None]
                for at, (start, text) in enumerate(zip(_STARTS, SAID, strict=True))
            ]
        ),
    ),
    "whisperX": ("talk.json", json.dumps(_whisperx())),
    "whisperX, words": (
        "talk.json",
        json.dumps({"word_segments": [*_words("word", speaker="SPEAKER_00"), {"word": "26"}]}),
    ),
    "AssemblyAI": ("talk.json", json.dumps(_assembly())),
    "AssemblyAI, words": ("talk.json", json.dumps({**_assembly(), "utterances": None})),
    "AssemblyAI, text": ("talk.json", json.dumps({**_assembly(), "utterances": None, "words": []})),
    "JSON by id": ("talks.json", json.dumps({"kR3v_9TqLxA": _snippets(), "pQ8w-2ZnRmE": _snippets()})),
    "CSV, a row a video": ("talks.csv", _csv(_row_a_video(), ",")),
    "CSV, a row a segment": ("talks.csv", "\ufeff" + _csv(_row_a_segment(), ";")),
    "TSV, a row a video": ("talks.tsv", _csv(_row_a_video(), "\t")),
    "JSON Lines, a line a video": ("talks.jsonl", _lines(_row_a_video())),
    "JSON Lines, a line a segment": ("talks.jsonl", _lines(_row_a_segment())),
    "JSON list of videos": ("talks.json", json.dumps({"videos": _row_a_video()})),
    "Zoom's text": (
        "meeting.txt",
        "".join(
            f"{_clock(start)[:8]}\tMara Lind\t{text}\n" for start, text in zip(_STARTS, SAID, strict=True)
        ),
    ),
    "Markdown": ("talk.md", _MARKDOWN),
    "Markdown, plain turns": ("talk.md", "\n\n".join(f"Mara Lind: {text}" for text in SAID)),
    "plain text": ("talk.txt", "title: Feeding a starter\n\n" + "\n\n".join(SAID)),
    "plain text, YouTube's panel": (
        "talk.txt",
        "\n".join(f"0:{start:02.0f}\n{text}" for start, text in zip(_STARTS, SAID, strict=True)),
    ),
}

_MOST_BYTES: Final = 1 << 18  # damage upon damage may repeat what is repeated

Damage = Callable[[random.Random, bytes], bytes]


def _cut(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _flip(chance: random.Random, data: bytes) -> bytes:
    hurt = bytearray(data)
    for _ in range(chance.randrange(1, 9)):
        if hurt:
            hurt[chance.randrange(len(hurt))] = chance.randrange(256)
    return bytes(hurt)


def _insert(pieces: tuple[bytes, ...]) -> Damage:
    def damage(chance: random.Random, data: bytes) -> bytes:
        for _ in range(chance.randrange(1, 5)):
            at = chance.randrange(len(data) + 1)
            data = data[:at] + chance.choice(pieces) + data[at:]
        return data

    return damage


def _lines_again(chance: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(lines))
        lines[at:at] = [chance.choice(lines)] * chance.choice((1, 2, 300))
    return b"".join(lines)


def _lines_out(chance: random.Random, data: bytes) -> bytes:
    return b"".join(line for line in data.splitlines(keepends=True) if chance.random() > 0.2)


def _shuffle(chance: random.Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    chance.shuffle(lines)
    return b"".join(lines)


def _numbers(chance: random.Random, data: bytes) -> bytes:
    digits = [at for at, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    huge = (b"9" * 5000, b"1e400", b"-1", b"NaN", b"Infinity", b"-0.0", b"0x10", b"1_0", b"")
    for at in sorted(chance.sample(digits, min(len(digits), chance.randrange(1, 5))), reverse=True):
        data = data[:at] + chance.choice(huge) + data[at + 1 :]
    return data


def _recode(chance: random.Random, data: bytes) -> bytes:
    text = data.decode("utf-8", "replace").replace("bakery", "bäckerei – панорама 店")
    encoding = chance.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "cp1252", "cp932"))
    return text.encode(encoding, "replace")


def _repeat(chance: random.Random, data: bytes) -> bytes:
    at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    piece = data[at : min(end, at + 40)] or b"["
    return data[:at] + piece * chance.choice((3, 200, 2000)) + data[at:]


DAMAGE: Final[tuple[Damage, ...]] = (
    _cut,
    _flip,
    _insert((b"\0", b"\x1b", b"\x07", b"\x85", b"\xff", b"\xe2\x80\xa8", b"\x0c")),
    _insert((b"\xed\xa0\x80", b"\\ud800", b"&#0;", b"&#xD800;", b"\\u0000")),
    _insert(
        (b'"', b"'", b"{", b"[", b"<", b"]", b"-->", b"\t", b",", b"---\n", b"**", b"```", b"<!--", b"&a;")
    ),
    _lines_again,
    _lines_out,
    _shuffle,
    _numbers,
    _recode,
    _repeat,
)


def damaged(name: str, seed: int) -> bytes:
    """The sample ``name`` after one to three kinds of damage; the same for the same seed."""
    chance = random.Random(f"{name} {seed}")
    data = SAMPLES[name][1].encode()
    for _ in range(chance.randrange(1, 4)):
        data = chance.choice(DAMAGE)(chance, data)[:_MOST_BYTES]
    return data
