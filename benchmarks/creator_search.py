"""Where should a creator's chunks lie? One collection with a filter, or a collection each?

    python benchmarks/creator_search.py [--chunks 20000] [--creators 40]

Synthetic unit vectors in embedded Chroma, the same in both layouts. Printed: the median of repeated queries
for one creator's ten nearest chunks, and for every creator's, and the ratio of the two layouts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chromadb
import numpy as np
from chromadb.config import Settings

DIMENSIONS = 384
NEAREST = 10
REPEATS = 30


def main() -> None:
    """Fill both layouts, then time both kinds of query on each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--creators", type=int, default=40)
    arguments = parser.parse_args()
    random = np.random.default_rng(7)
    vectors = random.normal(size=(arguments.chunks, DIMENSIONS)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = np.arange(arguments.chunks) % arguments.creators
    with tempfile.TemporaryDirectory() as folder:
        client = chromadb.PersistentClient(str(Path(folder) / "store"), Settings(anonymized_telemetry=False))
        shared = _collection(client, "shared")
        each = [_collection(client, f"creator-{creator}") for creator in range(arguments.creators)]
        _fill(shared, vectors, owners)
        for creator, own in enumerate(each):
            _fill(own, vectors[owners == creator], owners[owners == creator])
        query = vectors[:1]
        filtered: Any = {"creator": 3}
        results = {
            "one creator": (
                _median(lambda: shared.query(query_embeddings=query, n_results=NEAREST, where=filtered)),
                _median(lambda: each[3].query(query_embeddings=query, n_results=NEAREST)),
            ),
            "all creators": (
                _median(lambda: shared.query(query_embeddings=query, n_results=NEAREST)),
                _median(lambda: [own.query(query_embeddings=query, n_results=NEAREST) for own in each]),
            ),
        }
    print(f"{arguments.chunks} chunks, {arguments.creators} creators, median of {REPEATS} queries")
    for name, (together, apart) in results.items():
        print(
            f"{name:13} one collection with a filter {together * 1000:7.2f} ms   a collection each "
            f"{apart * 1000:7.2f} ms   ratio {together / apart:6.2f}"
        )


def _collection(client: Any, name: str) -> chromadb.Collection:
    collection: chromadb.Collection = client.create_collection(
        name, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
    )
    return collection


def _fill(collection: chromadb.Collection, vectors: np.ndarray, owners: np.ndarray) -> None:
    for start in range(0, len(vectors), 5000):
        part = vectors[start : start + 5000]
        collection.add(
            ids=[str(start + number) for number in range(len(part))],
            embeddings=part,
            documents=["x" * 500] * len(part),
            metadatas=[{"creator": int(owner)} for owner in owners[start : start + 5000]],
        )


def _median(query: Callable[[], object]) -> float:
    query()
    seconds = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        query()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
