"""What stands beside a transcript about its video: yt-dlp's ``.info.json``, and catalogues of a folder.

A catalogue is ``index.json``, ``catalog.json`` or ``catalog.jsonl`` in the file's folder or up to two above it:
a list of objects, or objects by the video's id or the file's name. Whatever a link or a path in it says, it is
only compared, never opened.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from ingest.formats.decoding import text_of
from ingest.formats.front_matter import LINK_KEYS, metadata_of, youtube_id
from ingest.formats.json_shapes import parsed
from ingest.formats.record_fields import FILE_KEYS, RECORD_KEYS, fields_of
from ingest.formats.segmenting import number
from ingest.reading import BrokenTranscript
from rag.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INFO_SUFFIX: Final = ".info.json"
CATALOGUE_NAMES: Final = tuple(
    f"{stem}.{kind}" for stem in ("index", "catalog", "catalogue") for kind in ("json", "jsonl")
)
_FOLDERS_ABOVE: Final = 2
_EXTENSIONS: Final = 3
_LISTS: Final = (
    "videos",
    "items",
    "entries",
    "transcripts",
    "episodes",
    "records",
    "results",
    "files",
    "data",
)
_FIELDS: Final = ("title", "creator", "video_id", "published", "language")
_EPOCH_KEYS: Final = ("timestamp", "release_timestamp", "uploaded_epoch", "published_epoch", "epoch")
_LAST_YEAR: Final = 4_000_000_000  # seconds: the year 2096
_PATH_KEYS: Final = (*FILE_KEYS, "transcript_path", "transcript_file", "transcript", "captions", "subtitles")


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is said beside a file of its video; None for what is not. ``published`` is an ISO date.

    ``fingerprint`` is what was used as canonical JSON, empty where nothing was: while it stays the same, the
    file need not be read again.
    """

    title: str | None = None
    creator: str | None = None
    video_id: str | None = None
    published: str | None = None
    language: str | None = None
    notes: tuple[str, ...] = ()
    fingerprint: str = ""


Fields = dict[str, str]


class Catalogues:
    """Metadata beside files, each metadata file read once; a broken one is a note for the first who asks."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder] = {}

    def about(self, path: Path, video_id: str | None) -> Beside:
        """Return what stands beside ``path`` about its video; ``video_id`` is the one known so far.

        The file's own ``.info.json`` goes first, then the nearest catalogue. Never raises: a file of metadata
        that cannot be read is a note.
        """
        where = Path(os.path.abspath(path))  # noqa: PTH100  # links stay: the catalogue is beside the link
        notes: list[str] = []
        used: Fields = {}
        folder = self._folder(str(where.parent))
        for info in folder.infos_of(where.name):
            about = folder.info(info, notes)
            if _is_track(where.name, info):  # it may be a translation
                about = {key: value for key, value in about.items() if key != "language"}
            used = {**about, **used}
        above = [where.parent, *where.parent.parents][: _FOLDERS_ABOVE + 1]
        for place in above:
            for catalogue in self._folder(str(place)).catalogues(notes):
                inside = where.relative_to(place).as_posix()
                used = {**catalogue.about(inside, used.get("video_id") or video_id), **used}
        fingerprint = json.dumps(used, sort_keys=True, ensure_ascii=True) if used else ""
        return Beside(
            **{name: used.get(name) for name in _FIELDS},
            notes=tuple(notes),
            fingerprint=fingerprint,
        )

    def _folder(self, place: str) -> _Folder:
        if place not in self._folders:
            self._folders[place] = _Folder(place)
        return self._folders[place]


class _Folder:
    """The files of metadata in one folder, listed once."""

    def __init__(self, place: str) -> None:
        self._place = Path(place)
        try:
            names = {entry.name for entry in os.scandir(place)}
        except OSError:
            names = set()
        self._infos = {name for name in names if name.endswith(INFO_SUFFIX)}
        self._catalogue_names = [name for name in CATALOGUE_NAMES if name in names]
        self._read: dict[str, Fields] = {}
        self._catalogues: list[_Catalogue] | None = None

    def infos_of(self, name: str) -> Iterator[str]:
        """Yield the names of the files of metadata that belong to the file ``name``, the closest name first."""
        for _ in range(_EXTENSIONS if self._infos else 0):
            name = name.rpartition(".")[0]
            if f"{name}{INFO_SUFFIX}" in self._infos:
                yield f"{name}{INFO_SUFFIX}"

    def info(self, name: str, notes: list[str]) -> Fields:
        """Return what an ``.info.json`` says."""
        if name not in self._read:
            self._read[name] = {}
            data = _data_in(self._place / name, notes)
            if isinstance(data, dict):
                self._read[name] = _about(data)
            elif data is not None:
                notes.append(f"{name} is no object of metadata and was left out")
        return self._read[name]

    def catalogues(self, notes: list[str]) -> list[_Catalogue]:
        """Return the folder's catalogues."""
        if self._catalogues is None:
            self._catalogues = []
            for name in self._catalogue_names:
                data = _data_in(self._place / name, notes)
                if data is not None:
                    self._catalogues.append(_catalogue_of(data))
        return self._catalogues


@dataclass(slots=True)
class _Catalogue:
    """Entries by the video's id, by the file's path as the catalogue has it, and by its name alone."""

    by_id: dict[str, Fields] = field(default_factory=dict)
    by_path: dict[str, Fields] = field(default_factory=dict)
    by_name: dict[str, Fields] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)  # names of more than one entry say nothing

    def add(self, entry: Mapping[str, Any], key: str | None, common: Fields) -> None:
        """Take an entry, under its key where the catalogue has keys."""
        fields = fields_of(entry)
        about = {**common, **_about(entry)}
        if key is not None:
            if "." not in key and "/" not in key:
                about.setdefault("video_id", key)
            self.by_id.setdefault(key, about)
        if "video_id" in about:
            self.by_id.setdefault(about["video_id"], about)
        for path in (key, *(fields.get(name) for name in _PATH_KEYS)):
            if isinstance(path, str) and path and len(path) < 1000 and "://" not in path:  # noqa: PLR2004
                self._add_path(PurePosixPath(path.replace("\\", "/")), about)

    def _add_path(self, path: PurePosixPath, about: Fields) -> None:
        self.by_path.setdefault(path.as_posix(), about)
        for name in {path.name, _stem(path.name)}:
            if self.by_name.setdefault(name, about) != about:
                self.shared.add(name)

    def about(self, inside: str, video_id: str | None) -> Fields:
        """Return what is said of the file at ``inside`` the catalogue's folder, or of its video."""
        if video_id is not None and video_id in self.by_id:
            return self.by_id[video_id]
        found = self._by_file(inside)
        # a file that is known to be another video shares only its name
        return found if video_id is None or found.get("video_id", video_id) == video_id else {}

    def _by_file(self, inside: str) -> Fields:
        if inside in self.by_path:
            return self.by_path[inside]
        name = inside.rpartition("/")[2]
        for wanted in (name, _stem(name)):
            if wanted in self.by_name and wanted not in self.shared:
                return self.by_name[wanted]
        return self.by_id.get(_stem(name), {})


def _is_track(name: str, info: str) -> bool:
    """Tell whether a file's name has a language that the name of its ``.info.json`` has not."""
    return "." in name.removeprefix(info.removesuffix(INFO_SUFFIX)).strip(".")


def _stem(name: str) -> str:
    """Return a name without its extension, and without the language before that: ``Rye.en.vtt`` is ``Rye``."""
    stem, _, extension = name.rpartition(".")
    if not stem or not extension.isalnum():
        return name
    inner, _, language = stem.rpartition(".")
    short = language.replace("-", "")
    return inner if inner and short.isalpha() and len(short) <= 8 else stem  # noqa: PLR2004


def _catalogue_of(data: Any) -> _Catalogue:
    """Read the entries of a catalogue, whichever way they are listed."""
    catalogue = _Catalogue()
    common: Fields = {}
    if isinstance(data, dict):
        inner = next((data[key] for key in _LISTS if isinstance(data.get(key), list | dict)), None)
        if inner is not None:
            common = {key: value for key, value in _about(data).items() if key in {"creator", "language"}}
            data = inner
    if isinstance(data, dict):
        for key, value in data.items():
            if isinstance(value, dict):
                catalogue.add(value, key, common)
            elif isinstance(value, str):
                catalogue.add({"title": value}, key, common)
    elif isinstance(data, list):
        for item in data:
            if isinstance(item, dict):
                catalogue.add(item, None, common)
    return catalogue


def _about(entry: Mapping[str, Any]) -> Fields:
    """Return the fields that can be used of an object; what cannot is left out silently, as it is no transcript's."""
    fields = fields_of(entry)
    snippet = fields.get("snippet")  # YouTube's own API
    if isinstance(snippet, dict):
        fields = {**fields_of(snippet), **fields}
    if isinstance(fields.get("id"), dict):
        fields["id"] = fields_of(fields["id"]).get("video_id")
    fields = {key: value for key, value in fields.items() if not isinstance(value, list)}
    for key in RECORD_KEYS["creator"]:
        if isinstance(fields.get(key), dict):
            fields[key] = fields[key].get("name") or fields[key].get("title")
    metadata, _ = metadata_of(fields, RECORD_KEYS)
    linked = next((found for key in LINK_KEYS if (found := youtube_id(fields.get(key)))), None)
    if linked is not None and not fields.get("video_id"):
        metadata["video_id"] = linked
    if "published" not in metadata and (day := _day(fields)):
        metadata["published"] = day
    return {key: text for key, value in metadata.items() if (text := _printable(value))}


def _day(fields: Mapping[str, Any]) -> str | None:
    """Return the day of a time in seconds since 1970, as an ISO date."""
    for key in _EPOCH_KEYS:
        found = number(fields.get(key))
        if found is not None and 0 < found < _LAST_YEAR:
            return datetime.fromtimestamp(found, UTC).date().isoformat()
    return None


def _printable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _data_in(path: Path, notes: list[str]) -> Any:
    """Return the JSON, or the list of JSON Lines, in a file; None and a note where it cannot be read."""
    name = " ".join(path.name.split())
    try:
        text, _ = text_of(path)
        if path.suffix == ".jsonl":
            return [parsed(line) for line in text.split("\n") if line.strip()]
        return parsed(text)
    except BrokenTranscript as error:
        reason = str(error).partition(";")[0]
        notes.append(f"the metadata beside it in {name} was left out: it {reason}")
    except BadInput as error:
        notes.append(f"the metadata beside it in {name} was left out: it {error}")
    except OSError as error:
        notes.append(f"the metadata beside it in {name} was left out: it cannot be read ({error.strerror})")
    return None
