"""What of a repository a model is shown for a request: files and parts of files, packed under a budget of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from generation.outlines import Symbol, outline
from generation.patching import Unreadable
from generation.placing import split_lines
from generation.repository import Repository
from rag.documents import Chunk, Hit
from rag.lexical import bm25_scores
from rag.packing import Packed, Passage, pack
from rag.tokens import TokenCounter, well_formed

SEARCHED_BYTES = 200_000  # of one file: what is longer is generated, as a rule
_FILES_FOUND = 12
_CHUNK_LINES = 60
_LEAST_LINES = 8
_MOST_CHARACTERS_A_TOKEN = 8  # of code: what has more need not be counted
_OUTLINE = " (outline)"


@dataclass(slots=True, kw_only=True)
class CodeContext:
    """The files that a request is about: those ``named``, or else those that a search for the request finds.

    ``budget_tokens`` is for what was found; files that were named are shown whole as long as the prompt fits.
    """

    repository: Repository
    request: str
    named: Sequence[str]
    counter: TokenCounter
    budget_tokens: int
    _texts: dict[str, str] = field(default_factory=dict)
    _paths: list[str] | None = None
    _parts: dict[str, list[Chunk]] = field(default_factory=dict)
    _symbols: dict[str, list[Symbol]] = field(default_factory=dict)
    _packed: dict[tuple[int | None, tuple[str, ...] | None], Packed] = field(default_factory=dict)

    def packed(self, budget_tokens: int | None = None, *, only: Iterable[str] | None = None) -> Packed:
        """As much as ``budget_tokens`` holds, of the files in ``only`` alone where that is given.

        Files that fit are shown whole. Without a budget: the files that were named, all of them; of those found,
        what their budget holds.
        """
        wanted = None if only is None else tuple(dict.fromkeys(only))
        key = (budget_tokens, wanted)
        if key not in self._packed:
            self._packed[key] = self._pack(budget_tokens, wanted)
        return self._packed[key]

    def _pack(self, budget_tokens: int | None, only: tuple[str, ...] | None) -> Packed:
        paths = [path for path in (self.paths if only is None else only) if self._text(path)]
        budget = budget_tokens or (None if self.named else self.budget_tokens)
        whole = [self._whole(path) for path in paths]
        characters = sum(len(hit.chunk.text) for hit in whole)
        if budget is None or characters <= _MOST_CHARACTERS_A_TOKEN * budget:
            total = pack(whole, 2 * characters + 400 * len(whole) + 1, self.counter, render=self._render)
            if budget is None or total.tokens <= budget:
                return total
        return pack(self._ranked(paths), budget, self.counter, render=self._render)

    @property
    def paths(self) -> list[str]:
        """The files named, or found: the best first."""
        if self._paths is None:
            self._paths = list(dict.fromkeys(self.named)) or self._found()
        return self._paths

    def lines(self, path: str) -> list[str]:
        """A file's lines; none where it is empty, not there, or not to be read."""
        return split_lines(self._text(path))

    def _text(self, path: str) -> str:
        """A file's text; an empty one for a file that is not there or not to be read."""
        if path not in self._texts:
            try:
                content = self.repository.read(path) or b""
            except Unreadable:
                content = b""
            self._texts[path] = content.decode("utf-8", "surrogateescape")
        return self._texts[path]

    def _found(self) -> list[str]:
        """Search: the files that share the rarest words with the request, their paths included."""
        texts: dict[str, str] = {}
        for path in self.repository.files:
            if (self.repository.root / path).stat().st_size <= SEARCHED_BYTES and (text := self._text(path)):
                texts[path] = text
        scores = bm25_scores(self.request, [f"{path}\n{path}\n{text}" for path, text in texts.items()])
        ranked = sorted(zip(scores, texts, strict=True), key=lambda scored: -scored[0])
        return [path for score, path in ranked[:_FILES_FOUND] if score > 0]

    def _whole(self, path: str) -> Hit:
        text = self._text(path)
        return Hit(chunk=_chunk(path, text, 0, len(text), position=0), score=1.0)

    def _ranked(self, paths: Sequence[str]) -> list[Hit]:
        """Parts of files: the best first, and before a file's first part its outline."""
        for path in paths:
            if path not in self._parts:
                self._parts[path] = self._chunks(path)
        chunks = [chunk for path in paths for chunk in self._parts[path]]
        scores = bm25_scores(self.request, [f"{chunk.title}\n{chunk.text}" for chunk in chunks])
        best = sorted(zip(scores, chunks, strict=True), key=lambda scored: -scored[0])
        hits: list[Hit] = []
        outlined: set[str] = set()
        for score, chunk in best:
            if chunk.video_id not in outlined:
                outlined.add(chunk.video_id)
                hits += self._outlined(chunk.video_id, score)
            hits.append(Hit(chunk=chunk, score=score))
        return hits

    def _chunks(self, path: str) -> list[Chunk]:
        """The parts of a file: its definitions, and what stands between them."""
        text, lines = self._text(path), self.lines(path)
        starts = {0, len(lines)}
        for symbol in self._outline(path):
            if symbol.end_line - symbol.start_line + 1 >= _LEAST_LINES:
                starts |= {symbol.start_line - 1, symbol.end_line}
        offsets = [0]
        for line in lines:
            offsets.append(offsets[-1] + len(line))
        ordered = sorted(start for start in starts if start <= len(lines))
        parts: list[tuple[int, int]] = []
        for begin, end in pairwise(ordered):
            for at in range(begin, end, _CHUNK_LINES):
                until = min(end, at + _CHUNK_LINES)
                if parts and not text[offsets[at] : offsets[until]].strip():
                    parts[-1] = (parts[-1][0], until)  # blank lines go with what they follow
                else:
                    parts.append((at, until))
        return [
            _chunk(path, text, offsets[begin], offsets[end], position=number)
            for number, (begin, end) in enumerate(parts)
        ]

    def _outline(self, path: str) -> list[Symbol]:
        if path not in self._symbols:
            self._symbols[path] = outline(path, self._text(path))
        return self._symbols[path]

    def _outlined(self, path: str, score: float) -> list[Hit]:
        symbols = self._outline(path)
        if not symbols:
            return []
        text = "".join(
            f"{symbol.start_line}: {'  ' * symbol.depth}{symbol.signature}\n" for symbol in symbols
        )
        chunk = _chunk(path + _OUTLINE, text, 0, len(text), position=0)
        return [Hit(chunk=chunk, score=score)]

    def _render(self, passages: Iterable[Passage]) -> str:
        """Each part with its file's path and lines above it, exactly as it stands in the file."""
        parts: list[str] = []
        for passage in passages:
            path = passage.video_id
            if path.endswith(_OUTLINE):
                head = f"== {path.removesuffix(_OUTLINE)}: outline, with line numbers"
            else:
                first, last, of = self.lines_of(passage)
                all_of_it = f"all {of} lines" if (first, last) == (1, of) else f"lines {first}-{last} of {of}"
                head = f"== {path}: {all_of_it}"
            parts.append(f"{head}\n{passage.text.removesuffix(chr(10))}")
        return well_formed("\n".join(parts))

    def lines_of(self, passage: Passage) -> tuple[int, int, int]:
        """The first and the last line of a passage, counted from 1, and how many its file has."""
        text = self._text(passage.video_id)
        first = text.count("\n", 0, passage.start_char) + 1
        last = text.count("\n", 0, max(passage.start_char, passage.end_char - 1)) + 1
        return first, last, text.count("\n") + (not text.endswith("\n") and bool(text))


def _chunk(path: str, text: str, start: int, end: int, *, position: int) -> Chunk:
    """A slice of a file whose sentences are lines."""
    part = text[start:end]
    ends: list[int] = []
    for line in split_lines(part):
        ends.append((ends[-1] if ends else 0) + len(line))
    return Chunk(
        id=f"{path}:{start}",
        creator="",
        video_id=path,
        title=path,
        text=part,
        start_char=start,
        end_char=end,
        sentence_ends=tuple(ends),
        position=position,
    )


def trace(packed: Packed, lines_of: Callable[[Passage], tuple[int, int, int]]) -> Mapping[str, object]:
    """What was shown and what was not, and why, as values for JSON."""
    shown = [
        {"path": passage.video_id, "start_line": first, "end_line": last}
        for passage in packed.passages
        if not passage.video_id.endswith(_OUTLINE)
        for first, last, _ in [lines_of(passage)]
    ]
    dropped = [{"id": one.hit.chunk.id, "tokens": one.tokens, "reason": one.reason} for one in packed.dropped]
    return {"tokens": packed.tokens, "kept": shown, "dropped": dropped}
