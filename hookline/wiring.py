"""Which adapters a command gets. The only module that names them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from generation.limits import ModelLimits, limits_of
from hookline.settings import OFFLINE, Settings
from rag.documents import tidy_name
from rag.errors import BadInput
from rag.tokens import ENCODINGS, EncodingName, TokenCounter, counter_for

if TYPE_CHECKING:
    from generation.budget import Bounds
    from generation.codegen import CodegenJournal
    from generation.journal import RowJournal
    from generation.learned import Memory
    from generation.model import ChatModel
    from rag.documents import Video
    from rag.embedding import Embedder
    from rag.retrieval import Retriever
    from rag.retry import RetryPolicy
    from rag.server_tokens import ServerCounter
    from rag.store import Store

OFFLINE_ENCODING: EncodingName = "cl100k_base"


def model_limits(settings: Settings, name: str | None = None, *, to_count: bool = True) -> ModelLimits:
    """What model ``name`` allows, or the chosen one; ``BadInput`` for one that nobody knows."""
    return limits_of(
        name or settings.model_name,
        declared=settings.declared,
        base_url=settings.base_url,
        api_key=_key(settings),
        to_count=to_count,
    )


def _key(settings: Settings) -> str | None:
    return settings.api_key.get_secret_value() if settings.api_key else None


def counter(settings: Settings) -> TokenCounter:
    """The counter for the encoding of the chosen model."""
    if settings.model_name == OFFLINE:
        return counter_for(OFFLINE_ENCODING)
    return _servers_counter(settings) or counter_for(model_limits(settings).encoding)


def _servers_counter(settings: Settings) -> ServerCounter | None:
    """The server's own counter, where the model is counted by it."""
    limits = model_limits(settings)
    if limits.encoding != "server":
        return None
    if settings.base_url is None:
        raise BadInput(f"{limits.name} is counted by its server: give its --base-url")
    from rag.server_tokens import server_counter  # noqa: PLC0415  # start-up

    return server_counter(settings.base_url, _key(settings), limits.name)


def stored_encoding(settings: Settings, on_other: Callable[[str], None]) -> EncodingName:
    """The encoding of the chosen model, where the store holds counts in it; else OpenAI's, which is said."""
    chosen = OFFLINE_ENCODING if settings.model_name == OFFLINE else model_limits(settings).encoding
    for encoding in ENCODINGS:
        if encoding == chosen:
            return encoding
    on_other(f"tokens are counted in {OFFLINE_ENCODING}: the store holds no counts of {settings.model_name}")
    return OFFLINE_ENCODING


def embedder(settings: Settings) -> Embedder:
    """The chosen embedding model, one a process; it loads on first use."""
    key = settings.embedding_api_key or settings.api_key
    return _embedder(
        settings.embedding_model,
        settings.embedding_base_url,
        key.get_secret_value() if key else None,
        settings.timeout_seconds,
    )


@cache
def _embedder(model: str, base_url: str | None, api_key: str | None, timeout_seconds: float) -> Embedder:
    from rag.minilm import DEFAULT_MODEL, MiniLMEmbedder, weights_folder  # noqa: PLC0415  # start-up

    if base_url is not None:
        from rag.openai_embedding import OpenAIEmbedder  # noqa: PLC0415

        return OpenAIEmbedder(model, base_url=base_url, api_key=api_key, timeout_seconds=timeout_seconds)
    if model == DEFAULT_MODEL:
        return MiniLMEmbedder()
    from rag.sbert import SbertEmbedder  # noqa: PLC0415

    if model == f"sentence-transformers/{DEFAULT_MODEL}":
        return SbertEmbedder(weights_folder(), name=model)
    return SbertEmbedder(model)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """A store with videos in it: those of ``creators``, or of all where that is None."""

    store: Store
    videos: list[Video]
    creators: list[str] | None


def filled_store(settings: Settings, embedder: Embedder, creators: Sequence[str] | None) -> Filled:
    """The store and the videos of ``creators``; ``BadInput`` if there are none, or a creator is unknown."""
    store = open_store(settings, embedder, to_write=False)
    videos = store.videos()
    if not videos:
        raise _empty(settings)
    known = sorted({video.creator for video in videos})
    wanted = [tidy_name(creator) for creator in creators or ()]
    for creator in wanted:
        if creator not in known:
            raise BadInput(f"no creator {creator!r} in the store: it has {', '.join(known)}")
    theirs = [video for video in videos if not wanted or video.creator in wanted]
    return Filled(store=store, videos=theirs, creators=wanted or None)


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


def codegen_journal(settings: Settings, token: str) -> CodegenJournal:
    """Where the hunks and replies of the run ``token`` are kept; ``BadInput`` if it cannot be written."""
    from generation.codegen import CodegenJournal  # noqa: PLC0415  # start-up

    if not re.fullmatch(r"[\w-]+", token):
        raise BadInput(
            f"--resume {token!r} is no token: it is in the report of the run, like 20261124-093000-1a2b3c"
        )
    path = Path(settings.journal) / f"codegen-{token}.jsonl"
    check_writable(path)
    return CodegenJournal(path)


def check_writable(path: Path) -> None:
    """Raise ``BadInput`` if a file could not be written at ``path``, without making anything."""
    folder = path.parent
    while not folder.exists():
        folder = folder.parent
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise BadInput(f"{path} cannot be written: name a file in a folder that can be")


def memory(settings: Settings) -> Memory:
    """What earlier runs learned of costs."""
    from generation.learned import Memory  # noqa: PLC0415  # start-up

    return Memory(Path(settings.learned))


def bounds(settings: Settings) -> Bounds:
    """What a run may spend."""
    from generation.budget import Bounds  # noqa: PLC0415  # start-up

    return Bounds(
        calls=settings.max_calls,
        tokens=settings.max_total_tokens,
        usd=settings.max_usd,
        seconds=settings.max_seconds,
    )


def retry(settings: Settings) -> RetryPolicy:
    """How often a server that could not answer is asked again."""
    from rag.retry import RetryPolicy  # noqa: PLC0415  # start-up

    return RetryPolicy(attempts=settings.retry_attempts)


def log_calls(settings: Settings) -> None:
    """Append every attempt to ``call_log`` as a line of JSON, where that is set."""
    if settings.call_log is None:
        return
    path = Path(settings.call_log)
    check_writable(path)
    calls = logging.getLogger("hookline.calls")
    name = str(path.resolve())
    if all(handler.get_name() != name for handler in calls.handlers):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8", delay=True)
        handler.set_name(name)
        calls.addHandler(handler)
        calls.setLevel(logging.INFO)


def chat_model(settings: Settings) -> ChatModel | None:
    """The model to ask; None for ``offline``. Raises ``BadInput`` for a model or base URL that cannot be."""
    if settings.model_name == OFFLINE:
        return None
    if settings.base_url is not None and urlsplit(settings.base_url).scheme not in {"http", "https"}:
        raise BadInput(f"base URL {settings.base_url!r} does not begin with http:// or https://")
    limits = model_limits(settings)
    if settings.api_key is None and settings.base_url is None:
        raise BadInput(f"{limits.name} needs a key: set OPENAI_API_KEY, or use --model offline")
    from generation.model import count_prompt  # noqa: PLC0415  # start-up
    from generation.openai_model import OpenAIModel  # noqa: PLC0415

    servers = _servers_counter(settings)
    count = partial(
        count_prompt, counter=counter(settings), count_chat=servers.count_chat if servers else None
    )
    return OpenAIModel(
        limits,
        api_key=_key(settings),
        base_url=settings.base_url,
        count_prompt=count,
        timeout_seconds=settings.timeout_seconds,
    )
