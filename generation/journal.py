"""Whole units on disk the moment they are paid for, so that a run that was killed goes on from there (law 4)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from generation.planning import Brief
from generation.rows import CalendarRow
from rag.files import make_own_folder
from rag.tokens import well_formed

_ROW = TypeAdapter(CalendarRow)


class Journal:
    """A file to which entries are only ever appended, a JSON line each, on disk before ``append`` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entry: Mapping[str, Any]) -> None:
        """Put ``entry`` on disk."""
        is_new = not self.path.exists()
        make_own_folder(self.path.parent)
        line = well_formed(json.dumps(entry, ensure_ascii=False))
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # the line break in front ends what a killed writer left
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(self.path.parent)

    def entries(self) -> list[dict[str, Any]]:
        """The entries that are whole, in order; none where there is no such file."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return []
        return [entry for line in lines if line and isinstance(entry := _decoded(line), dict)]


class RowJournal(Journal):
    """The rows of a month.

    A row is found again by what was asked for: its day, format, trend, pattern and evidence. When any of
    these has changed, the row no longer answers it, and is asked for again.
    """

    def keep(self, brief: Brief, row: CalendarRow) -> None:
        """Put ``row`` on disk."""
        self.append({"brief": _digest(brief), "row": asdict(row)})

    def rows(self, briefs: Sequence[Brief]) -> dict[int, CalendarRow]:
        """The rows that answer ``briefs``, by slot; of several for one brief, the last."""
        found: dict[str, CalendarRow] = {}
        for entry in self.entries():
            try:
                found[str(entry["brief"])] = _ROW.validate_python(entry["row"])
            except (KeyError, ValidationError):
                continue
        return {brief.slot: found[digest] for brief in briefs if (digest := _digest(brief)) in found}


def _sync_folder(folder: Path) -> None:
    """A new file is on disk when its folder's entry is."""
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def _decoded(line: str) -> Any:
    """A line's value; None for one that is not whole."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _digest(brief: Brief) -> str:
    asked = [brief.day.isoformat(), brief.format, brief.trend, brief.pattern]
    asked += [hit.chunk.id for hit in brief.hits]
    return hashlib.sha256("\0".join(asked).encode()).hexdigest()
