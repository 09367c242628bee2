"""Ask PyPI's vulnerability service about every pin in constraints.txt, with pip-audit.

Exit 1 only for a known vulnerability that is not in `ACCEPTED`. A service that cannot be reached, or that
knows none of the pins (as behind a mirror: pip-audit itself calls that "No known vulnerabilities found"),
is said in one line and fails nothing: the checks must pass offline.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_SECONDS = 60
# Vulnerability id or alias -> why it does no harm here, and when the line can go.
ACCEPTED: dict[str, str] = {}

COMMAND = [
    *(sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--format", "json", "--timeout", "5"),
    # The pins, not the environment: they are what the project answers for, and a local version such as
    # 2.13.0+cpu is unknown to the service.
    *("--disable-pip", "--no-deps", "--requirement", "constraints.txt"),
]


def main() -> int:
    """Run the audit within its time, print its verdict, return the exit code."""
    try:
        audit = subprocess.run(
            COMMAND, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
        dependencies = json.loads(audit.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        print(f"audit: the vulnerability service did not finish in {TIMEOUT_SECONDS} s: nothing was audited")
        return 0
    except ValueError:
        reason = (audit.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"audit: the vulnerability service cannot be reached: nothing was audited ({reason[:120]})")
        return 0
    lines, exit_code = verdict(dependencies, ACCEPTED)
    print("\n".join(lines))
    return exit_code


def verdict(dependencies: list[dict[str, Any]], accepted: dict[str, str]) -> tuple[list[str], int]:
    """Return the lines to print and the exit code, from pip-audit's list of dependencies."""
    audited = [dependency for dependency in dependencies if "skip_reason" not in dependency]
    lines, harmful = [], 0
    for dependency in audited:
        for found in dependency["vulns"]:
            names = [found["id"], *found.get("aliases", [])]
            reason = next((accepted[name] for name in names if name in accepted), None)
            harmful += reason is None
            fixed = ", ".join(found.get("fix_versions", [])) or "no version yet"
            remark = f"accepted: {reason}" if reason else f"fixed in {fixed}"
            lines.append(
                f"audit: {dependency['name']} {dependency['version']}: {' / '.join(names)}, {remark}"
            )
    if audited:
        unknown = len(dependencies) - len(audited)
        lines.append(
            f"audit: {len(audited)} pins audited, {unknown} unknown to the service, {harmful} to mend"
        )
    else:
        lines.append(f"audit: the service knows none of the {len(dependencies)} pins: nothing was audited")
    return lines, min(harmful, 1)


if __name__ == "__main__":
    sys.exit(main())
