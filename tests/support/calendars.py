"""A small collection of videos, and plans made from it without a model."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from generation.planning import Brief, plan
from generation.trends import Trend, trends_from
from ingest.files import find_files
from ingest.job import ingest
from rag.embedding import HashingEmbedder
from rag.retrieval import Retriever
from rag.store import MemoryStore
from rag.tokens import counter_for

COUNTER = counter_for("cl100k_base")
VIDEOS = {
    "mara/rye.txt": "Why is rye bread so slow? Rye bread needs eighteen hours in a cold kitchen. "
    "My rye bread costs one euro and thirty cents. I weigh every gram of rye flour on Sunday. "
    "Never slice a rye loaf before the next morning.",
    "mara/oven.txt": "Stop opening the oven. Every look costs twenty degrees of heat. "
    "I use a cast iron pot with a lid for thirty minutes. The crust gets its colour in the last ten minutes.",
    "oskar/lamp.txt": "I broke three lamps before I learned this. A flickering lamp has a tired switch. "
    "The switch costs three euros eighty. Pull the plug before you open any lamp. "
    "If it has screws, it has a second life.",
    "oskar/bike.txt": "Here's how to save your bike chain in five minutes. Wipe the chain every Sunday. "
    "One drop of oil on each link is enough. A new chain costs twenty-two euros.",
}
TRENDS = trends_from(
    [
        {"name": "Rye bread", "description": "slow rye loaf flour"},
        {"name": "Repair", "related": "lamp;switch;plug;chain"},
    ]
)


def store_of(folder: Path) -> MemoryStore:
    """The videos above, ingested for real."""
    for name, text in VIDEOS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    store = MemoryStore()
    ingest(find_files([folder]), store=store, embedder=HashingEmbedder(), counters=[COUNTER])
    return store


def briefs_of(store: MemoryStore, first: date, trends: list[Trend] | None = None) -> list[Brief]:
    """A month's briefs from ``store``."""
    retriever = Retriever(store=store, embedder=HashingEmbedder(), counter=COUNTER)
    return plan(
        first,
        TRENDS if trends is None else trends,
        store.videos(),
        search=lambda query: retriever.candidates(query).hits,
        read=store.chunks,
        relevant_score=0.15,
    )
