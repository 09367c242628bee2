"""The exit codes of the command line, in one place."""

from __future__ import annotations

DONE = 0
FAILED = 1
USAGE = 2
PARTIAL = 3
INTERRUPTED = 130
