"""``hookline codegen``: settings in, a diff on stdout or in a file, exit code out."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from hookline import views, wiring
from hookline.exits import DONE, PARTIAL
from hookline.settings import Settings
from rag.errors import BadInput
from rag.files import write_all

if TYPE_CHECKING:
    from generation.call import Call
    from generation.codegen import Codegen


def codegen(
    settings: Settings,
    request: str | None,
    repo: Path,
    *,
    files: Sequence[str],
    out: Path | None,
    apply: bool,
    resume: str | None,
    as_json: bool,
) -> int:
    """The diff for ``request``; with ``apply`` it is written into the work tree where nothing is missing."""
    from generation.codegen import new_token  # noqa: PLC0415  # start-up
    from generation.repository import Repository  # noqa: PLC0415
    from hookline.api import codegen as run  # noqa: PLC0415

    if out is not None:
        wiring.check_writable(out)
        if out.exists() and not (resume is not None and _is_a_diff(out)):
            raise BadInput(f"{out} exists: choose another --out")
    token = resume or new_token()
    tell, begun = views.ledger(), False

    def on_call(call: Call) -> None:
        nonlocal begun
        if not begun:
            views.say(f"run {token}: whatever ends it, --resume {token} goes on")
        begun = True
        tell(call)

    with views.hunk_progress() as on_hunk:
        result = asyncio.run(
            run(
                request,
                repo,
                files=files,
                resume=resume,
                token=token,
                settings=settings,
                on_call=on_call,
                on_hunk=on_hunk,
            )
        )
    if out is not None and result.diff:
        try:
            write_all({out: result.diff.encode("utf-8", "surrogateescape")})
        except OSError as error:
            raise BadInput(
                f"{out} cannot be written ({error.strerror}): --resume {token} and another --out"
            ) from error
    applied: list[str] = []
    refusal: BadInput | None = None
    if apply and not result.missing:
        try:
            applied = Repository(repo).apply(result.patch)
            wiring.codegen_journal(settings, token).applied()
        except BadInput as error:
            refusal = error  # what was paid for is printed first
    _print(result, applied=applied, out=out, as_json=as_json)
    views.codegen_report(result, applied=applied, wanted=apply)
    if refusal is not None:
        raise BadInput(f"{refusal}; then --resume {result.resume_token} --apply") from refusal
    return PARTIAL if result.missing else DONE


def _is_a_diff(path: Path) -> bool:
    """Whether a file that exists was written here: ``--resume`` replaces nothing else."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(11) in {"", "diff --git "}


def _print(result: Codegen, *, applied: Sequence[str], out: Path | None, as_json: bool) -> None:
    if as_json:
        report = {
            "status": result.status,
            "diff": result.diff,
            "files": [asdict(file) for file in result.files],
            "missing": [asdict(one) for one in result.missing],
            "verified": result.verified,
            "calls": [asdict(call) for call in result.calls],
            "tokens": result.tokens,
            "cost_usd": result.cost_usd,
            "resume_token": result.resume_token,
            "warnings": list(result.warnings),
            "context": dict(result.context),
            "applied": list(applied),
            "out": str(out) if out and result.diff else None,
        }
        print(json.dumps(report))
    elif out is not None:
        if result.diff:
            print(out)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(
            result.diff.encode("utf-8", "surrogateescape")
        )  # to the byte, or it does not apply
        sys.stdout.buffer.flush()
