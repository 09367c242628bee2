"""A calendar as CSV, JSON or a web page: dispatch by the file's suffix."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import jinja2

from generation.calendars import Calendar
from generation.planning import days_of, parse_month
from generation.rows import COLUMNS, CalendarRow
from rag.errors import BadInput

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def to_csv(calendar: Calendar) -> str:
    """The ten columns under their names, a row a day. A cell that a spreadsheet would run gets a ``'``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in calendar.rows:
        writer.writerow([_harmless(cell) for cell in row.cells().values()])
    return text.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def report(calendar: Calendar, *, out: list[str]) -> dict[str, Any]:
    """The calendar as the object that ``--json`` prints. Hashtags and sources are lists in it."""
    return {
        "month": calendar.month,
        "status": calendar.status,
        "rows": [_row(row) for row in calendar.rows],
        "missing": list(calendar.missing),
        "calls": [asdict(call) for call in calendar.calls],
        "tokens": {"input": calendar.input_tokens, "output": calendar.output_tokens},
        "cost_usd": round(calendar.cost_usd, 6),
        "warnings": list(calendar.warnings),
        "out": out,
    }


def _row(row: CalendarRow) -> dict[str, Any]:
    return {str(column): cell for column, cell in row.cells().items()} | {"status": row.status}


def to_json(calendar: Calendar) -> str:
    """The report, indented."""
    return json.dumps(report(calendar, out=[]), ensure_ascii=False, indent=2) + "\n"


def to_html(calendar: Calendar) -> str:
    """One page without scripts or outside links: the month as a grid, then every row in full."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    first = parse_month(calendar.month)
    rows = [(date.fromisoformat(row.date), row) for row in calendar.rows]
    return environment.get_template("calendar.html").render(
        title=f"{first:%B %Y}",
        blank_days=days_of(first)[0].weekday(),
        rows=rows,
        calendar=calendar,
        drafts=sum(row.status == "drafted" for row in calendar.rows),
        creators=sorted({source.split("/")[0] for row in calendar.rows for source in row.sources}),
        formats=sorted({row.format for row in calendar.rows}),
    )


EXPORTERS: dict[str, Callable[[Calendar], str]] = {".csv": to_csv, ".json": to_json, ".html": to_html}


def exporter_for(path: Path) -> Callable[[Calendar], str]:
    """The exporter for ``path`` by its suffix; ``BadInput`` names those there are."""
    try:
        return EXPORTERS[path.suffix.lower()]
    except KeyError:
        raise BadInput(
            f"{path}: no export to {path.suffix or 'a file without suffix'}: end it in {', '.join(EXPORTERS)}"
        ) from None
