"""Token counts: exact for OpenAI's encodings without a network, by a model's own tokenizer, or a declared floor.

The rank files are carried in ``rag/encodings``. tiktoken looks its files up in a cache folder, and deletes a
file there whose hash is not the one it expects, so it is only ever handed a copy.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args

if TYPE_CHECKING:
    import tiktoken

from rag.errors import BadInput, HooklineError

EncodingName = Literal["cl100k_base", "o200k_base"]
ENCODINGS: tuple[EncodingName, ...] = get_args(EncodingName)

RANK_FILES = Path(__file__).parent / "encodings"
_RANK_URL = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
RANK_SHA256: dict[EncodingName, str] = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
_TOKENIZER, _CHARACTERS = "tokenizer.json:", "characters:"
# cl100k_base and o200k_base first split a text by a pattern of theirs, and no token lies across such a split.
# Both always split between a character and a space after it, and after a line break before a character ("/"
# may belong to the line break in o200k_base). Neither looks behind, nor ahead beyond a run of white space.
_BORDER = r"(?:(?<=\S)(?= )|(?<=\n)(?=[^\s/]))"
# From 128 characters on a segment ends with its line, from 384 on at the next border: what follows a line that
# changed is cut as it was before.
_SEGMENT = re.compile(rf"(?s:.{{128}}[^\n]{{0,256}}+.*?{_BORDER}|.+)")
_LONG_CHARACTERS = 10_000
_BLANKS = re.compile(r"(?<!\s)\s{900000}")  # tiktoken 0.14 panics at 999,999 in a row
_loading = threading.Lock()


class TokenCounter(Protocol):
    """Counts the tokens of a text in one encoding."""

    @property
    def encoding(self) -> str:
        """The encoding's name."""
        ...

    def count(self, text: str) -> int:
        """How many tokens ``text`` is. Special tokens' names in it count as ordinary text."""
        ...


def remembered(
    count: Callable[[str], int], *, texts: int = 16_384, longest: int = 1000
) -> Callable[[str], int]:
    """``count``, which keeps its last ``texts`` answers for texts of up to ``longest`` characters."""
    kept = lru_cache(maxsize=texts)(count)
    return lambda text: kept(text) if len(text) <= longest else count(text)


def well_formed(text: str) -> str:
    """``text`` with U+FFFD for every half of a surrogate pair, which is what tiktoken counts."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class TiktokenCounter:
    """tiktoken's own count, remembered by segment, so that a text that grew costs only what is new in it.

    Of the last long text, all but its last segment is remembered as one: what goes on from there is neither
    cut nor looked up again.
    """

    def __init__(self, encoding: EncodingName) -> None:
        self.encoding: str = encoding
        self._encode = load_encoding(encoding).encode_ordinary
        self._count = remembered(self._whole)
        self._settled = ("", 0)  # a text's segments with the character after them, and their tokens

    def count(self, text: str) -> int:
        """How many tokens ``text`` is. ``<|endoftext|>`` in it counts as the text that it is.

        Raises ``HooklineError`` for a text with about a million blanks in a row, which tiktoken cannot count.
        """
        settled, tokens = self._settled
        start = len(settled) - 1
        if start < 0 or not text.startswith(settled):
            start = tokens = 0
        parts = segments(text[start:])
        counts = [self._count(part) for part in parts]
        tokens += sum(counts)
        if len(text) > _LONG_CHARACTERS:
            self._settled = (text[: len(text) - len(parts[-1]) + 1], tokens - counts[-1])
        return tokens

    def _whole(self, text: str) -> int:
        if _BLANKS.search(text):
            raise HooklineError("a text has 900,000 blanks in a row, which cannot be counted: leave some out")
        return len(self._encode(text))


def segments(text: str) -> list[str]:
    """``text`` in pieces whose token counts add up to its own, in either of OpenAI's encodings.

    They are a few hundred characters long where the text has spaces or lines, and mostly the same again where
    the text has grown or changed elsewhere.
    """
    found: list[str] = _SEGMENT.findall(text)
    return found


class TokenizerCounter:
    """Counts by a tokenizer.json, as open models carry it; without the special tokens of a chat template.

    What the file says about cutting and filling up inputs, as files of embedding models do, is left aside.
    """

    def __init__(self, path: str) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415  # start-up

        try:
            self._tokenizer = Tokenizer.from_file(path)
        except Exception as error:  # the package raises nothing more precise
            raise BadInput(f"the tokenizer {path} cannot be read ({error}): name a tokenizer.json") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._tokenizer.encode_special_tokens = True  # as the text that they are
        self.encoding = _TOKENIZER + path
        self._count = remembered(self._whole)

    def count(self, text: str) -> int:
        """How many tokens ``text`` is."""
        return self._count(text)

    def _whole(self, text: str) -> int:
        return len(self._tokenizer.encode(well_formed(text), add_special_tokens=False))


class CharacterCounter:
    """The most tokens a text can be where a token is never fewer than ``characters`` characters, as was declared.

    >>> CharacterCounter("2.5").count("Hello there")
    5
    """

    def __init__(self, characters: str) -> None:
        self.encoding = _CHARACTERS + characters
        self._characters = Fraction(str(float(characters)))  # the decimal as it was written
        if self._characters <= 0:
            raise ValueError(characters)

    def count(self, text: str) -> int:
        """How many tokens ``text`` is at most."""
        return math.ceil(len(text) / self._characters)


@cache
def counter_for(encoding: str) -> TokenCounter:
    """The shared counter for ``encoding``.

    It is ``cl100k_base`` or ``o200k_base`` (the rank file is read on the first call, about 0.2 s),
    ``tokenizer.json:PATH``, or ``characters:2.5``, a declared floor of characters a token. ``BadInput`` for
    anything else, and for a file that cannot be read.
    """
    if encoding in ENCODINGS:
        return TiktokenCounter(encoding)
    if encoding.startswith(_TOKENIZER):
        return TokenizerCounter(encoding.removeprefix(_TOKENIZER))
    if encoding.startswith(_CHARACTERS):
        with suppress(ValueError):
            return CharacterCounter(encoding.removeprefix(_CHARACTERS))
    raise BadInput(
        f"no way to count tokens is called {encoding!r}: use {', '.join(ENCODINGS)}, {_TOKENIZER}PATH or "
        f"{_CHARACTERS}NUMBER"
    )


def load_encoding(name: EncodingName) -> tiktoken.Encoding:
    """Tiktoken's encoding ``name``, from the rank file carried here.

    Raises ``HooklineError`` if that file is not the one tiktoken expects.
    """
    import tiktoken  # noqa: PLC0415  # start-up: many commands count nothing

    ranks = RANK_FILES / f"{name}.tiktoken"
    if not ranks.is_file() or hashlib.sha256(ranks.read_bytes()).hexdigest() != RANK_SHA256[name]:
        raise HooklineError(f"{ranks} is missing or damaged: install hookline again")
    with _loading, tempfile.TemporaryDirectory(prefix="hookline-") as copy:
        shutil.copyfile(ranks, Path(copy) / hashlib.sha1(_RANK_URL.format(name=name).encode()).hexdigest())  # noqa: S324  # tiktoken's cache key
        with _cache_folder(copy):
            return tiktoken.get_encoding(name)


@contextmanager
def _cache_folder(folder: str) -> Iterator[None]:
    """Point tiktoken at ``folder`` for one load; it offers no argument for this."""
    before = os.environ.get("TIKTOKEN_CACHE_DIR")
    os.environ["TIKTOKEN_CACHE_DIR"] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ["TIKTOKEN_CACHE_DIR"]
        else:
            os.environ["TIKTOKEN_CACHE_DIR"] = before
