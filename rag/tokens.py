"""Exact token counts for OpenAI's encodings, without a network.

The rank files are carried in ``rag/encodings``. tiktoken looks its files up in a cache folder, and deletes a
file there whose hash is not the one it expects, so it is only ever handed a copy.
"""

from __future__ import annotations

import hashlib
import os
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

from rag.errors import HooklineError

EncodingName = Literal["cl100k_base", "o200k_base"]
ENCODINGS: tuple[EncodingName, ...] = get_args(EncodingName)

RANK_FILES = Path(__file__).parent / "encodings"
_RANK_URL = "https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
RANK_SHA256: dict[EncodingName, str] = {
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
}
_REMEMBERED_CHARACTERS = 1000  # a window; whole transcripts and contexts are counted once
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
    """tiktoken's own count, remembered for short texts, which are asked for again."""

    def __init__(self, encoding: EncodingName) -> None:
        self.encoding: str = encoding
        loaded = load_encoding(encoding)
        self._count: Callable[[str], int] = lambda text: len(loaded.encode_ordinary(text))
        self._remembered = lru_cache(maxsize=4096)(self._count)

    def count(self, text: str) -> int:
        """How many tokens ``text`` is. ``<|endoftext|>`` in it counts as the text that it is."""
        return self._remembered(text) if len(text) <= _REMEMBERED_CHARACTERS else self._count(text)


@cache
def counter_for(encoding: EncodingName) -> TiktokenCounter:
    """The shared counter for ``encoding``; the rank file is read on the first call (about 0.2 s)."""
    return TiktokenCounter(encoding)


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
