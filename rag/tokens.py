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
from contextlib import contextmanager
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
_SEGMENT_CHARACTERS = 500
_REMEMBERED = 16_384  # texts or segments, a few hundred characters each
_TOKENIZER, _CHARACTERS = "tokenizer.json:", "characters:"
# The patterns of cl100k_base and o200k_base both split after a line break that something other than white
# space follows ("/" may belong to the line break in o200k_base): no token ever lies across such a border.
_BORDER = re.compile(r"(?<=\n)(?=[^\s/])")
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


class TiktokenCounter:
    """tiktoken's own count, remembered by segment, so that a text that grew costs only what is new in it."""

    def __init__(self, encoding: EncodingName) -> None:
        self.encoding: str = encoding
        loaded = load_encoding(encoding)
        self._count: Callable[[str], int] = lru_cache(maxsize=_REMEMBERED)(
            lambda text: len(loaded.encode_ordinary(text))
        )

    def count(self, text: str) -> int:
        """How many tokens ``text`` is. ``<|endoftext|>`` in it counts as the text that it is."""
        return sum(map(self._count, segments(text)))


def segments(text: str) -> Iterator[str]:
    """``text`` in pieces whose token counts add up to its own, in either of OpenAI's encodings.

    A paragraph ends one, and so does a line after ``_SEGMENT_CHARACTERS``: pieces of a text that is found
    again inside a longer one are mostly the same.
    """
    start = 0
    for border in _BORDER.finditer(text):
        end = border.start()
        if end - start >= _SEGMENT_CHARACTERS or text.endswith("\n\n", start, end):
            yield text[start:end]
            start = end
    yield text[start:]


class TokenizerCounter:
    """Counts by a tokenizer.json, as open models carry it; without the special tokens of a chat template."""

    def __init__(self, path: str) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415  # start-up

        try:
            loaded = Tokenizer.from_file(path)
        except Exception as error:  # the package raises nothing more precise
            raise BadInput(f"the tokenizer {path} cannot be read ({error}): name a tokenizer.json") from error
        self.encoding = _TOKENIZER + path
        self._count: Callable[[str], int] = lru_cache(maxsize=_REMEMBERED)(
            lambda text: len(loaded.encode(text, add_special_tokens=False))
        )

    def count(self, text: str) -> int:
        """How many tokens ``text`` is."""
        return self._count(text)


class CharacterCounter:
    """The most tokens a text can be where every token has ``characters`` characters or more, as was declared."""

    def __init__(self, characters: float) -> None:
        self.encoding = f"{_CHARACTERS}{characters:g}"
        self._characters = characters

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
        try:
            characters = float(encoding.removeprefix(_CHARACTERS))
        except ValueError:
            characters = 0.0
        if 0 < characters < math.inf:
            return CharacterCounter(characters)
    raise BadInput(
        f"no way to count tokens is called {encoding!r}: use {', '.join(ENCODINGS)} or declare one"
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
