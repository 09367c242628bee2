"""Hookline: transcripts in, a sourced content calendar out; a request and a repository in, a diff out.

>>> from hookline import generate_calendar, content_for_trends, call_model, codegen
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hookline.api import (
        call_model,
        codegen,
        content_for_trends,
        create_focused_prompt,
        generate_calendar,
        is_diff_salvageable,
        write_text,
    )

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "call_model",
    "codegen",
    "content_for_trends",
    "create_focused_prompt",
    "generate_calendar",
    "is_diff_salvageable",
    "write_text",
]


def __getattr__(name: str) -> Any:
    """Load the functions on first use: importing the package must stay quick."""
    if name in __all__:
        from hookline import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module 'hookline' has no attribute {name!r}")
