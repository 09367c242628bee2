"""One file to the videos that it is: read, cleaned, named, and cut into windows unless the store has them already."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any

from ingest.catalogues import Beside, Catalogues
from ingest.chunking import WINDOW_PIECES, Script, chunks_of, script_of, windows_of
from ingest.cleaning import clean
from ingest.file_names import Named
from ingest.files import hash_of, printable, size_of, stem_of
from ingest.readers import NotATranscript, Reading, identity_from_name, read_transcripts
from ingest.repeats import sketch_of
from ingest.transcripts import Transcript
from rag.documents import Chunk, Video, tidy_name
from rag.embedding import Embedder, WindowedText
from rag.errors import BadInput
from rag.tokens import TokenCounter

# part of every hash: raise it when reading, cleaning or chunking changes what a file becomes
PIPELINE_VERSION = f"3:{WINDOW_PIECES}"
NOT_SPEECH = {"readme", "license", "licence", "copying", "notice", "changelog", "contributing", "authors"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A video out of a file. ``windowed`` is None where the store has just these chunks already."""

    video: Video
    chunks: Sequence[Chunk] = ()
    windowed: WindowedText | None = None


@dataclass(slots=True, kw_only=True)
class ParsedFile:
    """What a file is: its videos, and what could not be read and why.

    ``before`` are the videos that the store knows it as. ``skipped`` are reasons for which something in it is
    no video, ``failed`` those for which something could not be read. ``size`` is in bytes.
    """

    path: Path
    size: int
    before: Sequence[Video]
    videos: list[Parsed] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class Parser:
    """Reads files against what a store held when the run began."""

    def __init__(
        self,
        known: Iterable[Video],
        *,
        embedder: Embedder,
        counters: Sequence[TokenCounter],
        creator: str | None,
    ) -> None:
        self._by_path: dict[str, list[Video]] = {}
        self._by_key: dict[tuple[str, str], Video] = {}
        for video in known:
            self._by_path.setdefault(video.path, []).append(video)
            self._by_key[video.key] = video
        self._embedder = embedder
        self._counters = counters
        self._creator = creator
        self._catalogues = Catalogues()
        self._version = f"{PIPELINE_VERSION}:{embedder.name}"

    def parse(self, path: Path) -> ParsedFile:
        """Read one file; what is wrong with it is in the result, and only the embedder's own errors are raised."""
        where = str(path.resolve())
        before = self._by_path.get(where, [])
        file = ParsedFile(path=path, size=size_of(path), before=before)
        named = identity_from_name(path)
        beside = self._catalogues.about(path, named.video_id)
        file.notes += beside.notes
        try:
            file_hash = hash_of(path, self._version, self._creator or "", beside.fingerprint)
            if before and all((v.file_hash, v.file_videos) == (file_hash, len(before)) for v in before):
                file.videos = [Parsed(video=video) for video in before]
                return file
            reading = _read(path)
        except NotATranscript as error:
            file.skipped.append(str(error))
            return file
        except (BadInput, OSError) as error:
            file.failed.append(str(error))
            return file
        file.failed += reading.failures
        for transcript in map(clean, reading.transcripts):
            at = f"{transcript.record}: " if transcript.record else ""
            file.notes += [at + note for note in transcript.notes]
            if transcript.segments:
                file.videos.append(self._video(path, transcript, named, beside, file_hash))
            else:
                file.skipped.append(f"{at}no speech in it")
        return file

    def _video(
        self, path: Path, transcript: Transcript, named: Named, beside: Beside, file_hash: str
    ) -> Parsed:
        """Name a cleaned transcript's video and, unless the store has it, cut it into chunks."""
        where, stem = str(path.resolve()), stem_of(path)
        of_many = transcript.record is not None
        if of_many:  # the file's name and what stands beside it are about no single video
            named, beside = Named(), Beside()
        creator = self._creator or transcript.creator or beside.creator or path.resolve().parent.name
        creator = tidy_name(creator) or "unnamed"
        record = f"{stem} {transcript.record}" if of_many else stem
        video_id = tidy_name(transcript.video_id or beside.video_id or named.video_id or record)
        video_id = video_id.replace("@", " ")
        title = tidy_name(transcript.title or beside.title or named.title or re.sub(r"[-_]", " ", record))
        known: dict[str, Any] = {
            "path": where,
            "published": transcript.published or beside.published or named.published,
            "language": transcript.language or beside.language,
            "file_hash": file_hash,
        }
        segments = [astuple(segment)[:4] for segment in transcript.segments]
        content_hash = _digest(self._version, creator, video_id, title, transcript.language, segments)
        same = self._by_key.get((creator, video_id))
        if same is not None and same.content_hash == content_hash:
            return Parsed(video=replace(same, **known))
        window = min(WINDOW_PIECES, self._embedder.max_pieces)
        script = script_of(transcript, self._embedder.pieces, window_pieces=window)
        windowed = _windowed(script, windows_of(script, window_pieces=window))
        chunks = chunks_of(
            script, windowed.windows, self._counters, creator=creator, video_id=video_id, title=title
        )
        video = Video(
            creator=creator,
            video_id=video_id,
            title=title,
            path=where,
            content_hash=content_hash,
            chunks=len(chunks),
            tokens={counter.encoding: counter.count(script.text) for counter in self._counters},
            opening=script.opening(),
            vectors_hash=_digest(self._embedder.name, script.text, windowed.sentences, windowed.windows),
            sketch=sketch_of(script.text),
        )
        return Parsed(video=replace(video, **known), chunks=chunks, windowed=windowed)


def _read(path: Path) -> Reading:
    """The transcripts in a file; raises for a name that says that it is none, or that cannot be stored."""
    if printable(path) != str(path):
        raise BadInput(f"{printable(path)} has a name that is not UTF-8: rename it")
    if path.stem.lower() in NOT_SPEECH:
        raise NotATranscript(f"{path} is no transcript, by its name")
    return read_transcripts(path)


def _windowed(script: Script, windows: Sequence[tuple[int, int]]) -> WindowedText:
    return WindowedText(
        text=script.text,
        sentences=[(sentence.start, sentence.end) for sentence in script.sentences],
        windows=windows,
    )


def _digest(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()
