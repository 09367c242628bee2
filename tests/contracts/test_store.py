"""One suite for every store: the in-memory reference, Chroma in a folder, Chroma behind a server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from samples import chunk_of

from rag.chroma import ChromaStore
from rag.documents import Chunk, Video
from rag.embedding import HashingEmbedder, Vectors
from rag.errors import BadInput, StoreBusy
from rag.store import MemoryStore, Store

EMBEDDER = HashingEmbedder()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Chroma server on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("chroma-server")
    process = subprocess.Popen(
        [Path(sys.executable).parent / "chroma", "run", "--path", folder, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(150):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


@pytest.fixture(params=["memory", "folder", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    if request.param == "memory":
        return MemoryStore()
    if request.param == "folder":
        return ChromaStore(tmp_path / "store", embedding_model=EMBEDDER.name)
    served = ChromaStore(request.getfixturevalue("server"), embedding_model=EMBEDDER.name)
    for video in served.videos():
        served.remove_videos([video.key])
    return served


def video_of(
    texts: list[str], *, creator: str = "mara", video_id: str = "v1", version: str = "one"
) -> tuple[Video, list[Chunk], Vectors]:
    """A video of one-sentence chunks, with their vectors."""
    chunks = [
        chunk_of([text], creator=creator, video_id=video_id, start_char=100 * place, position=place)
        for place, text in enumerate(texts)
    ]
    video = Video(
        creator=creator,
        video_id=video_id,
        title=f"Title of {video_id}",
        path=f"{video_id}.vtt",
        content_hash=version * 16,
        chunks=len(chunks),
        tokens={"cl100k_base": 7},
        opening=texts[0],
        published="2026-08-01",
        language="en",
    )
    return video, chunks, EMBEDDER.embed_documents(texts)


def found(store: Store, query: str, *, limit: int = 5, creators: list[str] | None = None) -> list[str]:
    """The texts that a search finds, best first."""
    hits = store.search(EMBEDDER.embed_query(query), limit=limit, creators=creators)
    return [hit.chunk.text for hit in hits]


def test_what_was_written_is_read_back_whole(store: Store) -> None:
    """Videos and chunks come back as they were written, field by field."""
    video, chunks, vectors = video_of(["Rye is slow.", "Wheat is fast."])
    store.replace_videos([(video, chunks, vectors)])
    assert store.videos() == [video]
    assert store.chunks("mara", "v1") == chunks
    hit = store.search(EMBEDDER.embed_query("rye is slow"), limit=1)[0]
    assert hit.chunk == chunks[0]
    assert hit.score == pytest.approx(1.0, abs=1e-5)


def test_a_search_is_best_first_and_scored_by_cosine(store: Store) -> None:
    """Hits are in order of their cosine similarity to the question."""
    video, chunks, vectors = video_of(["rye bread today", "rye", "a lamp"])
    store.replace_videos([(video, chunks, vectors)])
    query = EMBEDDER.embed_query("rye bread")
    hits = store.search(query, limit=3)
    expected = sorted(
        ((float(v @ query), c.text) for v, c in zip(vectors, chunks, strict=True)), reverse=True
    )
    assert [hit.chunk.text for hit in hits] == [text for _, text in expected]
    assert [hit.score for hit in hits] == pytest.approx([score for score, _ in expected], abs=1e-5)


def test_the_limit_holds_for_each_creator(store: Store) -> None:
    """A talkative creator cannot crowd out another, and a filter leaves the others out."""
    store.replace_videos([video_of([f"rye bread number {n}" for n in range(8)])])
    store.replace_videos([video_of(["a lamp and rye"], creator="oskar")])
    assert len(found(store, "rye bread", limit=3)) == 4
    assert found(store, "rye bread", limit=3, creators=["oskar"]) == ["a lamp and rye"]
    assert found(store, "rye bread", creators=["nobody"]) == []


def test_a_changed_video_replaces_its_own_chunks_and_nothing_else(store: Store) -> None:
    """Law 6: after a change the old chunks are gone, and every other video is as it was."""
    store.replace_videos([video_of(["rye bread", "white bread"])])
    store.replace_videos([video_of(["rye whisky"], video_id="v2")])
    store.replace_videos([video_of(["rye crackers"], version="two")])
    assert sorted(found(store, "rye bread")) == ["rye crackers", "rye whisky"]
    assert [chunk.text for chunk in store.chunks("mara", "v1")] == ["rye crackers"]


def test_writing_twice_is_writing_once(store: Store) -> None:
    """Law 6: the same video again changes nothing."""
    for _ in range(2):
        store.replace_videos([video_of(["rye bread", "white bread"])])
    assert len(found(store, "bread")) == 2
    assert len(store.videos()) == 1


def test_a_removed_video_is_gone(store: Store) -> None:
    """Neither the video nor its chunks are found, and removing it again does nothing."""
    store.replace_videos([video_of(["rye bread"])])
    store.replace_videos([video_of(["rye whisky"], creator="oskar")])
    for _ in range(2):
        store.remove_videos([("mara", "v1")])
    assert found(store, "rye bread") == ["rye whisky"]
    assert store.chunks("mara", "v1") == []
    assert [video.creator for video in store.videos()] == ["oskar"]


def test_a_batch_is_written_whole(store: Store) -> None:
    """Videos of several creators go in at once; each has its own chunks."""
    batch = [
        video_of(["rye bread", "white bread"]),
        video_of(["a lamp"], creator="oskar"),
        video_of(["rye whisky"], video_id="v2"),
    ]
    store.replace_videos(batch)
    assert sorted(video.key for video in store.videos()) == [("mara", "v1"), ("mara", "v2"), ("oskar", "v1")]
    for video, chunks, vectors in batch:
        assert store.chunks(*video.key) == chunks
        assert np.allclose(store.vectors(*video.key), vectors)


def test_what_is_known_of_a_video_changes_without_its_chunks(store: Store) -> None:
    """A file that moved is another path in the record; chunks and vectors are as they were."""
    video, chunks, vectors = video_of(["rye bread", "white bread"])
    store.replace_videos([(video, chunks, vectors)])
    store.update_videos([replace(video, path="elsewhere.vtt")])
    assert [known.path for known in store.videos()] == ["elsewhere.vtt"]
    assert store.chunks("mara", "v1") == chunks
    assert found(store, "rye bread", limit=1) == ["rye bread"]


def test_any_name_serves_as_a_creator(store: Store) -> None:
    """Creators are named by people: spaces, slashes and other scripts are fine."""
    for name in ("Mara & Söhne", "../up", "語", "a"):
        store.replace_videos([video_of(["rye bread"], creator=name)])
    assert {video.creator for video in store.videos()} == {"Mara & Söhne", "../up", "語", "a"}
    assert len(found(store, "rye", creators=["語"])) == 1


def test_hundreds_of_creators_are_all_searched(tmp_path: Path) -> None:
    """No creator is left out because there are many."""
    store = ChromaStore(tmp_path / "store", embedding_model=EMBEDDER.name)
    for number in range(105):  # more than a page of any listing
        store.replace_videos([video_of([f"rye {number}"], creator=f"creator {number}")])
    assert len(found(store, "rye", limit=1)) == 105


def test_another_embedding_model_is_refused(tmp_path: Path) -> None:
    """One line names the model that made the store, the one that was asked for, and the remedy."""
    ChromaStore(tmp_path / "store", embedding_model="mistyped")  # an empty store has no vectors to protect
    ChromaStore(tmp_path / "store", embedding_model="hashing-256").replace_videos([video_of(["rye"])])
    with pytest.raises(BadInput, match=r"made with the embedding model hashing-256, not other: .*--store"):
        ChromaStore(tmp_path / "store", embedding_model="other")


def test_a_server_that_is_not_there_is_bad_input() -> None:
    """The error names the URL and how to start one."""
    with pytest.raises(BadInput, match=r"no Chroma server answers at http://127\.0\.0\.1:9: start one"):
        ChromaStore("http://127.0.0.1:9", embedding_model="any")


OPENER = """
import sys, time
from pathlib import Path
from rag.chroma import ChromaStore
while time.time() < float(sys.argv[2]):
    pass
print(ChromaStore(Path(sys.argv[1]), embedding_model="hashing-256").videos())
"""


@pytest.mark.slow
def test_two_processes_may_make_one_store(tmp_path: Path) -> None:
    """Opened for the first time by two at once, both find an empty store."""
    at = str(time.time() + 4)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, tmp_path / "s", at], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in both] == ["[]\n", "[]\n"]


def test_a_live_writer_of_a_server_is_left_alone(server: str) -> None:
    """On a server, which takes several writers, a second one does not take the first one's work for abandoned."""
    first = ChromaStore(server, embedding_model=EMBEDDER.name)
    second = ChromaStore(server, embedding_model=EMBEDDER.name)
    video, chunks, vectors = video_of(["rye bread"], creator="live")

    class Interrupting(list[Chunk]):
        def __len__(self) -> int:
            with second.writing():
                return super().__len__()

    first.replace_videos([(video, Interrupting(chunks), vectors)])
    assert [chunk.text for chunk in first.chunks("live", "v1")] == ["rye bread"]


WRITER = """
import sys, time
from pathlib import Path
from rag.chroma import ChromaStore
store = ChromaStore(Path(sys.argv[1]), embedding_model="hashing-256")
with store.writing():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_waits_then_gives_up_and_a_crash_leaves_no_lock(tmp_path: Path) -> None:
    """While another process writes, the wait is announced and ends in StoreBusy; killed, it holds nothing."""
    path = tmp_path / "store"
    other = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    said: list[str] = []
    store = ChromaStore(path, embedding_model="hashing-256", on_wait=said.append, lock_wait_seconds=0.3)
    with pytest.raises(StoreBusy, match="another process is writing the store"), store.writing():
        pytest.fail("two writers")
    assert len(said) == 1
    other.send_signal(signal.SIGKILL)
    other.wait(10)
    with store.writing():
        store.replace_videos([video_of(["rye bread"])])
    assert found(store, "rye") == ["rye bread"]


KILLED = """
import os, sys
from pathlib import Path
import rag.chroma
from test_store import video_of
from rag.chroma import ChromaStore
store = ChromaStore(Path(sys.argv[1]), embedding_model="hashing-256")
left = int(sys.argv[2])
from chromadb.api.models.Collection import Collection
for name in ("upsert", "delete"):
    real = getattr(Collection, name)
    def counted(self, *args, _real=real, **kwargs):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return _real(self, *args, **kwargs)
    setattr(Collection, name, counted)
with store.writing():
    store.replace_videos([video_of(["rye crackers", "rye crumbs"], version="two")])
"""


@pytest.mark.slow
@pytest.mark.parametrize("writes", range(6))
def test_a_writer_killed_between_any_two_writes_leaves_one_version(tmp_path: Path, writes: int) -> None:
    """Law 6: a search sees the old version or the new one, whole; the next writer reaches the new one."""
    path = tmp_path / "store"
    store = ChromaStore(path, embedding_model="hashing-256")
    store.replace_videos([video_of(["rye bread", "white bread"])])
    store.replace_videos([video_of(["rye whisky"], video_id="v2")])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    subprocess.run([sys.executable, "-c", KILLED, path, str(writes)], env=environment, check=False)
    code = (
        "import sys; from pathlib import Path; from test_store import *; "
        "s = ChromaStore(Path(sys.argv[1]), embedding_model='hashing-256'); print(sorted(found(s, 'rye bread'))); "
        "s.writing().__enter__(); s.replace_videos([video_of(['rye crackers', 'rye crumbs'], version='two')]); "
        "print(sorted(found(s, 'rye bread'))); print(s._unfinished.count(), s._chunks_of('mara').count())"
    )
    seen = subprocess.run(
        [sys.executable, "-c", code, path], env=environment, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    old, new = ["rye bread", "rye whisky", "white bread"], ["rye crackers", "rye crumbs", "rye whisky"]
    assert seen[0] in {str(old), str(new)}
    assert seen[1:] == [str(new), "0 3"]


def test_vectors_are_unit_length_and_their_order_is_the_texts() -> None:
    """The embedder port: shape, length one, and the same text gives the same vector in any batch."""
    texts = ["rye", "", "a longer text about rye bread", "rye"]
    vectors = EMBEDDER.embed_documents(texts)
    assert vectors.shape == (4, 256)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0)
    assert np.array_equal(vectors[0], vectors[3])
