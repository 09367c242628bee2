"""Which adapters a command gets. The only module that names them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from generation.limits import limits_of
from hookline.settings import OFFLINE, Settings
from rag.documents import tidy_name
from rag.errors import BadInput
from rag.tokens import EncodingName, TiktokenCounter, counter_for

if TYPE_CHECKING:
    from generation.journal import RowJournal
    from generation.model import ChatModel
    from rag.documents import Video
    from rag.embedding import Embedder
    from rag.retrieval import Retriever
    from rag.store import Store

OFFLINE_ENCODING: EncodingName = "cl100k_base"


def counter(settings: Settings) -> TiktokenCounter:
    """The counter for the encoding of the chosen model."""
    name = settings.model_name
    return counter_for(OFFLINE_ENCODING if name == OFFLINE else limits_of(name).encoding)


@cache
def embedder() -> Embedder:
    """The default embedding model, one a process; it loads on first use."""
    from rag.sbert import SbertEmbedder  # noqa: PLC0415  # start-up

    return SbertEmbedder()


def open_store(
    settings: Settings, embedder: Embedder, *, to_write: bool, on_wait: Callable[[str], None] | None = None
) -> Store:
    """The store at ``settings.store``: a folder, or the URL of a Chroma server.

    A folder is made only ``to_write``; otherwise a store that does not exist is ``BadInput``.
    """
    from rag.chroma import ChromaStore, embedded_exists  # noqa: PLC0415  # start-up

    location: Path | str = settings.store
    if urlsplit(settings.store).scheme not in {"http", "https"}:
        location = Path(settings.store)
        if location.is_file() or "://" in settings.store:
            raise BadInput(
                f"the store {settings.store} is neither a folder nor an http(s) URL: choose another --store"
            )
        if not to_write and not embedded_exists(location):
            raise _empty(settings)
    return ChromaStore(location, embedding_model=embedder.name, on_wait=on_wait)


def _empty(settings: Settings) -> BadInput:
    return BadInput(f"the store {settings.store} is empty: fill it with 'hookline ingest PATH'")


def filled_store(
    settings: Settings, embedder: Embedder, creators: Sequence[str] | None
) -> tuple[Store, list[Video]]:
    """The store and the videos of ``creators``; ``BadInput`` if there are none, or a creator is unknown."""
    store = open_store(settings, embedder, to_write=False)
    videos = store.videos()
    if not videos:
        raise _empty(settings)
    known = sorted({video.creator for video in videos})
    creators = [tidy_name(creator) for creator in creators or ()]
    for creator in creators:
        if creator not in known:
            raise BadInput(f"no creator {creator!r} in the store: it has {', '.join(known)}")
    return store, [video for video in videos if not creators or video.creator in creators]


def retriever(settings: Settings, store: Store, embedder: Embedder) -> Retriever:
    """A retriever that counts in the encoding of the chosen model."""
    from rag.retrieval import Retriever  # noqa: PLC0415  # start-up

    return Retriever(store=store, embedder=embedder, counter=counter(settings))


def journal(settings: Settings, month: str) -> RowJournal:
    """Where the rows of ``month`` are kept as they come; ``BadInput`` if it cannot be written."""
    from generation.journal import RowJournal  # noqa: PLC0415  # start-up

    path = Path(settings.journal) / f"calendar-{month}.jsonl"
    check_writable(path)
    return RowJournal(path)


def check_writable(path: Path) -> None:
    """Raise ``BadInput`` if a file could not be written at ``path``, without making anything."""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"{path} cannot be written: name a file in a folder that can be")


def chat_model(settings: Settings) -> ChatModel | None:
    """The model to ask; None for ``offline``. Raises ``BadInput`` for a model or base URL that cannot be."""
    if settings.model_name == OFFLINE:
        return None
    limits = limits_of(settings.model_name)
    if settings.base_url is not None and urlsplit(settings.base_url).scheme not in {"http", "https"}:
        raise BadInput(f"base URL {settings.base_url!r} does not begin with http:// or https://")
    if settings.api_key is None and settings.base_url is None:
        raise BadInput(f"{limits.name} needs a key: set OPENAI_API_KEY, or use --model offline")
    from generation.openai_model import OpenAIModel  # noqa: PLC0415  # start-up

    key = settings.api_key.get_secret_value() if settings.api_key else None
    return OpenAIModel(limits, api_key=key, base_url=settings.base_url)
