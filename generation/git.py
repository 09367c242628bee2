"""Git, asked from outside: nothing of the user's configuration that could change or run anything is heeded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rag.errors import BadInput

_CONFIG = {
    "core.fsmonitor": "false",  # would run a program that a repository names
    "core.hooksPath": "/dev/null",
    "core.quotePath": "false",
    "core.autocrlf": "false",
    "apply.whitespace": "nowarn",
    "apply.ignoreWhitespace": "no",
    "diff.external": "",
}


def git(
    folder: Path, *arguments: str, stdin: bytes = b"", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run git in ``folder``; what it printed, and how it ended. Raises ``BadInput`` where there is no git."""
    # a hook or an editor that started us may have set GIT_DIR and the like for a repository of its own
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", **(variables or {})}
    config = [part for name, value in _CONFIG.items() for part in ("-c", f"{name}={value}")]
    try:
        return subprocess.run(  # noqa: S603  # its name and options are ours, and no shell reads them
            ["git", *config, *arguments],  # noqa: S607  # wherever it is installed
            cwd=folder,
            input=stdin,
            env=environment,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise BadInput("git is not installed, and it is the judge of every diff: install it") from error
