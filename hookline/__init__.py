"""Hookline: transcripts in, a sourced content calendar out.

>>> from hookline import generate_calendar, content_for_trends, call_model
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookline.api import call_model, content_for_trends, generate_calendar, write_text

__version__ = "0.1.0"
__all__ = ["__version__", "call_model", "content_for_trends", "generate_calendar", "write_text"]


def __getattr__(name: str) -> Any:
    """Load the functions on first use: importing the package must stay quick."""
    if name in __all__:
        from hookline import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module 'hookline' has no attribute {name!r}")
