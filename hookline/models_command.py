"""What each model allows and costs, as the table that every call reads."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from generation.limits import ModelLimits, counting_remedy, known_models
from hookline import views, wiring
from hookline.exits import DONE
from hookline.settings import OFFLINE, Settings

_NOTHING = "-"


def models(settings: Settings, name: str | None, *, as_json: bool) -> int:
    """Show every known model, declared ones first, or the one of ``name``; its server is asked if need be."""
    if name == OFFLINE:
        views.say(
            "offline needs no model, key or network: rows are composed from the creators' own sentences"
        )
        if as_json:
            _print_json([{"name": OFFLINE, "encoding": wiring.OFFLINE_ENCODING}])
    elif name is None:
        _show_all(list(known_models(settings.declared).values()), settings.model_name, as_json=as_json)
    else:
        _show(wiring.model_limits(settings, name, to_count=False), as_json=as_json)
    return DONE


def _show_all(known: Sequence[ModelLimits], chosen: str, *, as_json: bool) -> None:
    if as_json:
        _print_json([asdict(limits) for limits in known])
        return
    rows = [[*(value(limits) for value in _FIELDS.values()), _brief(limits.source)] for limits in known]
    columns = [*_FIELDS, "source"]
    shown = _fitting(columns, rows)
    views.table(columns[:shown], [row[:shown] for row in rows])
    rest = ", ".join(dict.fromkeys([*columns[shown:], *_IN_FULL]))
    views.say(
        f"'hookline models NAME' shows also {rest} in full; the model now is {chosen} ({OFFLINE!r}, the default "
        "while no key and no base URL are set, needs none of these)"
    )


def _show(limits: ModelLimits, *, as_json: bool) -> None:
    if as_json:
        _print_json([asdict(limits)])
    else:
        fields = {**_FIELDS, **_IN_FULL}
        views.fields(list(fields), [value(limits) for value in fields.values()])
    if not limits.encoding:
        views.say(f"to call it: {counting_remedy(limits)}")


def _yes(value: bool) -> str:  # noqa: FBT001  # the value to show
    return "yes" if value else "no"


def _long_prompt(limits: ModelLimits) -> str:
    price = limits.long_prompt
    if price is None:
        return _NOTHING
    return (
        f"over {price.over_tokens:,} tokens $/M in {price.usd_per_million_input:g}, "
        f"$/M out {price.usd_per_million_output:g}"
    )


def _brief(source: str) -> str:
    """The names and versions of a source, without what was read there."""
    return re.sub(r" \([^)]*\)", "", source)


def _fitting(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> int:
    """How many columns a terminal has room for: whole ones are easier to read than all of them folded."""
    if not sys.stdout.isatty():
        return len(columns)
    room = shutil.get_terminal_size().columns
    for index, column in enumerate(columns):
        cells = (f"{row[index]:,}" if isinstance(row[index], int) else str(row[index]) for row in rows)
        room -= max(len(column), *map(len, cells)) + 2
        if room < -2:  # noqa: PLR2004  # nothing stands between the last column and the edge
            return max(1, index)
    return len(columns)


def _print_json(found: list[dict[str, Any]]) -> None:
    print(json.dumps({"models": found}, ensure_ascii=False))


_FIELDS: Mapping[str, Callable[[ModelLimits], Any]] = MappingProxyType(
    {
        "model": lambda m: m.name,
        "window": lambda m: m.context_window,
        "input cap": lambda m: m.max_input or _NOTHING,
        "output cap": lambda m: m.max_output,
        "$/M in": lambda m: m.usd_per_million_input,
        "$/M out": lambda m: m.usd_per_million_output,
        "parameter": lambda m: m.output_parameter,
        "encoding": lambda m: m.encoding or _NOTHING,
        "reasons": lambda m: _yes(m.reasons),
        "schema": lambda m: _yes(m.takes_schema),
        "JSON mode": lambda m: _yes(m.takes_json_mode),
        "temperature": lambda m: "any" if m.takes_temperature else "default",
        "checked": lambda m: m.checked_on or _NOTHING,
    }
)
_IN_FULL: Mapping[str, Callable[[ModelLimits], Any]] = MappingProxyType(
    {"long prompt": _long_prompt, "source": lambda m: m.source}
)
