"""Time stamps in written text: what is one, alone on a line, before one or inside it."""

from __future__ import annotations

import re
from typing import Final

TIME: Final = r"(?:[0-9]{1,2}:)?[0-9]{1,3}:[0-5][0-9](?:[.,][0-9]{1,3})?"
STAMP: Final = rf"\\?[\[(]\s*{TIME}\s*\\?[\])](?:\(https?://[^()\s]+\))?"  # a stamp may be a link
ONLY_TIME: Final = re.compile(rf"\s*(?:{STAMP}|{TIME})\s*")
LEADING_TIME: Final = re.compile(
    rf"\s*(?:{STAMP}|[0-9]{{1,2}}:[0-5][0-9]:[0-5][0-9](?:[.,][0-9]{{1,3}})?(?=\s))"
)
# inside a line only what cannot be said: "meet me (10:30)" is speech
INNER_TIME: Final = re.compile(
    rf"\\?\[\s*{TIME}\s*\\?\](?:\(https?://[^()\s]+\))?|\([0-9]{{1,2}}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{1,3}})?\)"
)


def stamped_seconds(stamp: str) -> float:
    """Turn the first ``[hours:]minutes:seconds`` in ``stamp`` into seconds."""
    total = 0.0
    for part in re.findall(TIME, stamp)[0].replace(",", ".").split(":"):
        total = total * 60 + float(part)
    return round(total, 3)
