"""This month's trends, from a CSV, JSON or text file, or from plain values."""

from __future__ import annotations

import calendar
import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from rag.errors import BadInput

EVERGREEN = "evergreen"
_NAME_COLUMNS = ("name", "trend", "topic")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What people talk about this month.

    ``from_`` and ``until`` bound the days it is worth a post: a day of the month, or an ISO date, or None.
    """

    name: str
    description: str = ""
    related: tuple[str, ...] = ()
    from_: int | date | None = None
    until: int | date | None = None

    @property
    def query(self) -> str:
        """What to search for: the name, the description and the related terms."""
        return ". ".join(part for part in (self.name, self.description, ", ".join(self.related)) if part)

    def is_on(self, day: date) -> bool:
        """Whether ``day`` lies within the trend's days, both ends included."""
        return (self.from_ is None or _at(self.from_, day) <= day) and (
            self.until is None or day <= _at(self.until, day)
        )


def _at(bound: int | date, day: date) -> date:
    """A bound as a date in the month of ``day``; the 31st of a short month is its last day."""
    if isinstance(bound, date):
        return bound
    _, days = calendar.monthrange(day.year, day.month)
    return day.replace(day=min(bound, days))


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(";") if part.strip()]
    return () if value is None else value


def _bound(value: Any) -> Any:
    if value is None or value == "":
        return None
    text = str(value).strip()
    if not text.isdecimal():
        return text
    if not 1 <= int(text) <= 31:  # noqa: PLR2004  # days
        raise ValueError(f"{text} is no day of a month")
    return int(text)


class _Row(BaseModel):
    """One trend as a file gives it. Columns of other names are the reader's own business and left alone."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=200)
    description: str = ""
    related: Annotated[list[str], BeforeValidator(_split)] = Field(default_factory=list)
    from_: Annotated[int | date | None, BeforeValidator(_bound)] = Field(default=None, alias="from")
    until: Annotated[int | date | None, BeforeValidator(_bound)] = None


def read_trends(path: Path) -> list[Trend]:
    """The trends in a CSV (a ``name`` column), JSON (a list) or text file (one a line).

    Raises ``BadInput`` naming the file, and the row and field where there is one.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist: name a trends file (CSV, JSON or text)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} cannot be read ({error}): save it as UTF-8 text") from error
    rows: Iterable[Any]
    match path.suffix.lower():
        case ".json":
            try:
                loaded = json.loads(text)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"{path} is not valid JSON: {error}") from error
            rows = loaded.get("trends", ()) if isinstance(loaded, dict) else loaded
        case ".csv":
            rows = _csv_rows(path, text)
        case _:
            rows = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not isinstance(rows, list):
        raise BadInput(f"{path} holds no list of trends: give a list of names, or of objects with a name")
    return trends_from(rows, where=str(path))


def _csv_rows(path: Path, text: str) -> list[Any]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    columns = {(column or "").strip().lower(): column for column in reader.fieldnames or ()}
    name = next((columns[column] for column in _NAME_COLUMNS if column in columns), None)
    if name is None:
        raise BadInput(f"{path} has no column of names: call one of its columns 'name'")
    try:
        return [
            {key.strip().lower(): value for key, value in row.items() if key and value is not None}
            | {"name": row[name]}
            for row in reader
            if any(value for value in row.values())
        ]
    except csv.Error as error:
        raise BadInput(f"{path} is not a readable CSV: {error}") from error


def trends_from(values: Iterable[str | Mapping[str, Any] | Trend], *, where: str = "trends") -> list[Trend]:
    """Names, mappings with a ``name``, or ``Trend`` values, as trends; a name that comes again is left out.

    Raises ``BadInput`` if there is none, or one has no name or an impossible field.
    """
    trends: dict[str, Trend] = {}
    for number, value in enumerate(values, 1):
        if isinstance(value, Trend):
            trend = value
        else:
            try:
                row = _Row.model_validate({"name": value} if isinstance(value, str) else value)
            except ValidationError as error:
                first = error.errors()[0]
                field = str(first["loc"][0]) if first["loc"] else "row"
                raise BadInput(
                    f"{where}, trend {number}: {field}: {first['msg']}: every trend needs a name, and 'from' "
                    f"and 'until' are a day of the month or a date like 2027-02-14"
                ) from error
            trend = Trend(
                name=" ".join(row.name.split()),
                description=" ".join(row.description.split()),
                related=tuple(row.related),
                from_=row.from_,
                until=row.until,
            )
        trends.setdefault(trend.name.lower(), trend)
    if not trends:
        raise BadInput(f"{where} names no trend: give at least one name")
    return list(trends.values())
