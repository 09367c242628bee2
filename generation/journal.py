"""Whole rows on disk the moment they are paid for, so that a run that was killed goes on from there (law 4)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from generation.planning import Brief
from generation.rows import CalendarRow

_ROW = TypeAdapter(CalendarRow)


class RowJournal:
    """A file to which rows are only ever appended, a JSON line each, on disk before ``append`` returns.

    A row is found again by what was asked for: its day, format, trend, pattern and evidence. When any of
    these has changed, the row no longer answers it, and is asked for again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, brief: Brief, row: CalendarRow) -> None:
        """Put ``row`` on disk."""
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"brief": _digest(brief), "row": asdict(row)}, ensure_ascii=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")  # the line break in front ends what a killed writer left
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            _sync_folder(self.path.parent)

    def rows(self, briefs: Sequence[Brief]) -> dict[int, CalendarRow]:
        """The rows that answer ``briefs``, by slot; of several for one brief, the last."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")
        except FileNotFoundError:
            return {}
        found: dict[str, CalendarRow] = {}
        for line in filter(None, lines):
            entry = _entry(line)
            if entry is not None:
                found[entry[0]] = entry[1]
        return {brief.slot: found[digest] for brief in briefs if (digest := _digest(brief)) in found}


def _sync_folder(folder: Path) -> None:
    """A new file is on disk when its folder's entry is."""
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def _entry(line: str) -> tuple[str, CalendarRow] | None:
    """A line's digest and row; None for one that is not whole."""
    try:
        entry: dict[str, Any] = json.loads(line)
        return str(entry["brief"]), _ROW.validate_python(entry["row"])
    except (ValueError, KeyError, TypeError, ValidationError):
        return None


def _digest(brief: Brief) -> str:
    asked = [brief.day.isoformat(), brief.format, brief.trend, brief.pattern]
    asked += [hit.chunk.id for hit in brief.hits]
    return hashlib.sha256("\0".join(asked).encode()).hexdigest()
