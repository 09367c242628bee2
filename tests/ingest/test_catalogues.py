from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import catalogues
from ingest.catalogues import Beside, Catalogues
from ingest.formats.decoding import text_of
from ingest.readers import NotATranscript, read_transcripts

ID = "kR3v_9TqLxA"
INFO = {
    "id": ID,
    "title": "Rye",
    "channel": "Mara Bakes",
    "uploader": "mara",
    "upload_date": "20260814",
    "language": "en",
    "description": "buy this",
    "formats": [{"url": "https://e.org/1"}] * 3,
    "automatic_captions": {"en": [{"ext": "vtt", "url": "https://e.org/2"}]},
}


def write(path: Path, data: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(data if isinstance(data, str) else json.dumps(data))


def about(path: Path, video_id: str | None = None) -> Beside:
    return Catalogues().about(path, video_id)


@pytest.mark.parametrize("name", ["Rye [x].vtt", "Rye [x].en.vtt", "Rye [x].en-orig.json3"])
def test_yt_dlps_metadata_stands_beside_every_track(name: str, tmp_path: Path) -> None:
    """``NAME.info.json`` belongs to ``NAME.vtt`` and ``NAME.en.vtt``; its language only to the former."""
    write(tmp_path / "Rye [x].info.json", INFO)
    beside = about(tmp_path / name)
    assert (beside.title, beside.creator, beside.video_id, beside.published) == (
        "Rye",
        "Mara Bakes",
        ID,
        "2026-08-14",
    )
    assert beside.language == ("en" if name == "Rye [x].vtt" else None)
    assert beside.notes == ()
    assert json.loads(beside.fingerprint)["title"] == "Rye"


def test_nothing_beside_is_nothing(tmp_path: Path) -> None:
    """Without metadata all is None and the fingerprint is empty; another file's metadata is not used."""
    write(tmp_path / "Other.info.json", INFO)
    write(tmp_path / "index.json", {"zzzzzzzzzzz": {"title": "Another"}})
    assert about(tmp_path / "Rye.vtt") == Beside()
    assert about(tmp_path / "nowhere" / "Rye.vtt") == Beside()


@pytest.mark.parametrize(
    "data",
    [
        {ID: {"title": "Rye", "channel": "Mara", "lang": "de", "uploaded_epoch": 1786700000}},
        [{"video_id": ID, "title": "Rye", "account": "Mara", "date": "2026-08-14", "language": "de"}],
        {"videos": [{"id": ID, "title": "Rye", "published": "2026-08-14", "language": "de"}], "channel": "Mara"},
        [{"url": f"https://www.youtube.com/watch?v={ID}", "title": "Rye", "author": "Mara", "date": "20260814",
          "language": "de"}],
        [{"file": f"talks/{ID}.en.vtt", "id": ID, "title": "Rye", "creator": {"name": "Mara"}, "date": "2026-08-14",
          "language": "de"}],
        {"items": [{"id": {"videoId": ID}, "snippet": {"title": "Rye", "channelTitle": "Mara",
                                                       "publishedAt": "2026-08-14T09:00:00Z"}, "language": "de"}]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["index.json", "catalog.json"])
@pytest.mark.parametrize("above", [0, 1, 2])
def test_catalogues_of_many_shapes(data: Any, name: str, above: int, tmp_path: Path) -> None:
    """By id, as a list, under a key, by link, by file or as YouTube's API: up to two folders above the file."""
    path = tmp_path / "a" / "talks" / f"{ID}.en.vtt"
    write([path.parent, *path.parents[1:]][above] / name, data)
    for known in (ID, None):
        beside = about(path, known)
        assert (beside.title, beside.creator, beside.video_id, beside.published, beside.language) == (
            "Rye",
            "Mara",
            ID,
            "2026-08-14",
            "de",
        )


def test_a_file_is_known_by_its_path_or_its_name(tmp_path: Path) -> None:
    """A path in a catalogue is compared with the file's; a name alone counts only where it is one entry's."""
    lines = [
        {"path": "talks/mara/Rye.md", "title": "Mara's"},
        {"path": "talks/bo/Rye.md", "title": "Bo's"},
        {"path": "elsewhere/Wheat.md", "title": "Wheat"},
    ]
    write(tmp_path / "catalog.jsonl", "\n".join(map(json.dumps, lines)))
    assert about(tmp_path / "talks" / "mara" / "Rye.md").title == "Mara's"
    assert about(tmp_path / "talks" / "bo" / "Rye.md").title == "Bo's"
    assert about(tmp_path / "talks" / "cy" / "Rye.md").title is None
    assert about(tmp_path / "talks" / "cy" / "Wheat.en.vtt").title == "Wheat"


def test_a_name_does_not_make_a_file_another_video(tmp_path: Path) -> None:
    """A file whose id is known takes nothing from an entry of the same name with another id."""
    write(tmp_path / "index.json", [{"file": "Rye.vtt", "id": "pQ8w-2ZnRmE", "title": "Another"}])
    assert about(tmp_path / "Rye.vtt", ID).title is None
    assert about(tmp_path / "Rye.vtt").title == "Another"


def test_the_nearest_goes_first(tmp_path: Path) -> None:
    """The file's own metadata, then its folder's catalogue, then those above; each fills what is missing."""
    folder = tmp_path / "talks"
    write(folder / "Rye.info.json", {"id": ID, "title": "Own"})
    write(folder / "index.json", {ID: {"title": "Near", "channel": "Near"}})
    write(tmp_path / "index.json", {ID: {"title": "Far", "channel": "Far", "date": "2026-08-14"}})
    beside = about(folder / "Rye.vtt")
    assert (beside.title, beside.creator, beside.published) == ("Own", "Near", "2026-08-14")


@pytest.mark.parametrize("content", ["{", "[" * 100_000, "\x00\x01", "", '"text"'])
def test_broken_metadata_is_a_note(content: str, tmp_path: Path) -> None:
    """The transcript is read all the same; who asks first is told, in one line."""
    write(tmp_path / "Rye.info.json", content)
    write(tmp_path / "index.json", content)
    os.mkfifo(tmp_path / "catalog.json")
    found = Catalogues()
    beside = found.about(tmp_path / "Rye.vtt", None)
    assert (beside.title, beside.fingerprint) == (None, "")
    assert len(beside.notes) >= 2
    assert all("\n" not in note and ".json" in note for note in beside.notes)
    assert found.about(tmp_path / "Rye.vtt", None).notes == ()


def test_fields_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    """Numbers, lists, dates that are none, lone surrogates and endless titles are no metadata."""
    odd = {
        "id": 7,
        "title": ["x"],
        "channel": {"a": 1},
        "upload_date": "soon",
        "language": "\ud800",
        "timestamp": 1e400,
    }
    write(tmp_path / "Rye.info.json", odd)
    beside = about(tmp_path / "Rye.vtt")
    assert (beside.title, beside.creator, beside.video_id, beside.published) == (None, None, None, None)
    beside.fingerprint.encode()
    write(tmp_path / "Wheat.info.json", {"title": "x" * 100_000})
    assert about(tmp_path / "Wheat.vtt") == Beside()


def test_links_and_paths_in_a_catalogue_are_not_opened(tmp_path: Path) -> None:
    """What they name is not read, wherever it is."""
    secret = tmp_path / "secret.json"
    write(secret, {"title": "Secret"})
    write(tmp_path / "talks" / "index.json", {"a": {"file": "../secret.json", "url": f"file://{secret}"}})
    assert about(tmp_path / "talks" / "a.vtt").title is None


def test_a_catalogue_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files stand in a folder and below it, each file of metadata is parsed once."""
    write(tmp_path / "index.json", {f"video-{at}": {"title": f"t{at}"} for at in range(200)})
    parsed: list[Path] = []

    def counts(path: Path) -> tuple[str, tuple[str, ...]]:
        parsed.append(path)
        return text_of(path)

    monkeypatch.setattr(catalogues, "text_of", counts)
    found = Catalogues()
    titles = [
        found.about(tmp_path / folder / f"video-{at}.vtt", None).title
        for at in range(200)
        for folder in (".", "b")
    ]
    assert titles == [f"t{at}" for at in range(200) for _ in range(2)]
    assert len(parsed) == 1


def test_what_is_used_has_a_fingerprint(tmp_path: Path) -> None:
    """It changes with what is used, and not with what is not."""
    write(tmp_path / "index.json", {"a": {"title": "A", "views": 1}, "b": {"title": "B"}})
    before = about(tmp_path / "a.vtt").fingerprint
    write(tmp_path / "index.json", {"b": {"title": "C"}, "a": {"views": 2, "title": "A"}})
    assert about(tmp_path / "a.vtt").fingerprint == before
    write(tmp_path / "index.json", {"a": {"title": "A2"}})
    assert about(tmp_path / "a.vtt").fingerprint != before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["id", "title", "videos", "file", "date", "channel", "a", "snippet"]), inner
        )
    ),
    max_leaves=12,
)


@given(data=JSON)
def test_any_json_beside_a_file_is_used_or_passed_over(
    data: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No catalogue and no metadata of any shape raises."""
    folder = tmp_path_factory.mktemp("beside")
    for name in ("a.info.json", "index.json", "catalog.jsonl"):
        write(folder / name, json.dumps(data))
    about(folder / "a.vtt").fingerprint.encode()
    about(folder / "a.vtt", "a")


@pytest.mark.parametrize("name", ["Rye.info.json", "index.json", "catalog.jsonl"])
def test_metadata_itself_is_no_transcript(name: str, tmp_path: Path) -> None:
    """A run over a folder passes such files over, and says what they are for."""
    write(tmp_path / name, INFO)
    with pytest.raises(NotATranscript, match=r"is metadata.*; it is used for the transcripts beside it"):
        read_transcripts(tmp_path / name)
