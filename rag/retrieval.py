"""A question to a packed context: embed, search, limit, drop repeats, pack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rag.dedupe import without_repeats
from rag.documents import Hit
from rag.embedding import Embedder
from rag.errors import BadInput
from rag.packing import Dropped, Packed, Strategy, in_turn, pack
from rag.store import Store
from rag.tokens import TokenCounter

DEFAULT_BUDGET_TOKENS = 1000
VIDEOS_PER_CREATOR = 5
CHUNKS_PER_CREATOR = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What a question found: hits worth packing, best first, and those left out before packing."""

    hits: tuple[Hit, ...]
    dropped: tuple[Dropped, ...]


class Retriever:
    """Finds what was said about something, in every creator's videos."""

    def __init__(self, *, store: Store, embedder: Embedder, counter: TokenCounter) -> None:
        self._store = store
        self._embedder = embedder
        self._counter = counter

    def candidates(self, query: str, *, creators: Sequence[str] | None = None) -> Candidates:
        """The hits for ``query``: of each creator the best chunks, from at most five videos, no repeats."""
        found = self._store.search(
            self._embedder.embed_query(query), limit=CHUNKS_PER_CREATOR, creators=creators
        )
        near, far = _within_best_videos(found)
        stays, repeats = without_repeats(near)
        reasons = [(hit, f"not in the {VIDEOS_PER_CREATOR} nearest videos of its creator") for hit in far]
        reasons += [(repeat.hit, f"repeats {repeat.of}") for repeat in repeats]
        return Candidates(
            hits=tuple(stays),
            dropped=self._dropped(reasons),
        )

    def retrieve(
        self,
        query: str | Sequence[str],
        *,
        budget_tokens: int = DEFAULT_BUDGET_TOKENS,
        creators: Sequence[str] | None = None,
        strategy: Strategy = "fill",
    ) -> Packed:
        """The best passages for ``query`` in one string of at most ``budget_tokens``.

        Several queries share the budget: their hits take turns, each query's best first. Raises
        ``BadInput`` if the store found something and the budget holds no sentence of it.
        """
        queries = [query] if isinstance(query, str) else query
        found = [self.candidates(one, creators=creators) for one in queries]
        hits, repeats = without_repeats(in_turn([candidates.hits for candidates in found]))
        packed = pack(hits, budget_tokens, self._counter, strategy=strategy)
        if packed.smallest_tokens is not None:
            raise BadInput(
                f"a budget of {budget_tokens} tokens holds no sentence of what was found: "
                f"raise --budget to {packed.smallest_tokens} or more"
            )
        dropped = [*packed.dropped, *self._dropped([(r.hit, f"repeats {r.of}") for r in repeats])]
        decided = {kept.hit.chunk.id for kept in packed.kept} | {drop.hit.chunk.id for drop in dropped}
        for candidates in found:
            for hit in candidates.dropped:
                if hit.hit.chunk.id not in decided:
                    decided.add(hit.hit.chunk.id)
                    dropped.append(hit)
        return replace(packed, dropped=tuple(dropped))

    def _dropped(self, reasons: Sequence[tuple[Hit, str]]) -> tuple[Dropped, ...]:
        return tuple(
            Dropped(hit=hit, reason=reason, tokens=self._counter.count(hit.chunk.text))
            for hit, reason in reasons
        )


def _within_best_videos(hits: Sequence[Hit]) -> tuple[list[Hit], list[Hit]]:
    """Split ranked hits into those of each creator's nearest videos, and the others."""
    best: dict[str, list[str]] = {}
    for hit in hits:
        videos = best.setdefault(hit.chunk.creator, [])
        if hit.chunk.video_id not in videos and len(videos) < VIDEOS_PER_CREATOR:
            videos.append(hit.chunk.video_id)
    near = [hit for hit in hits if hit.chunk.video_id in best[hit.chunk.creator]]
    far = [hit for hit in hits if hit.chunk.video_id not in best[hit.chunk.creator]]
    return near, far
