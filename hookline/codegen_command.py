"""``hookline codegen``: settings in, a diff on stdout or in a file, exit code out."""

from __future__ import annotations

import asyncio
import json
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
    from generation.repository import Repository  # noqa: PLC0415  # start-up
    from hookline.api import codegen as run  # noqa: PLC0415

    if out is not None:
        wiring.check_writable(out)
        if out.exists() and resume is None:
            raise BadInput(f"{out} exists: choose another --out")
    with views.hunk_progress() as on_hunk:
        result = asyncio.run(
            run(
                request,
                repo,
                files=files,
                resume=resume,
                settings=settings,
                on_call=views.ledger(),
                on_hunk=on_hunk,
            )
        )
    if out is not None and result.diff:
        write_all({out: result.diff.encode("utf-8", "surrogateescape")})
    applied: list[str] = []
    refusal: BadInput | None = None
    if apply and not result.missing:
        try:
            applied = Repository(repo).apply(result.patch)
        except BadInput as error:
            refusal = error  # what was paid for is printed first
    _print(result, applied=applied, out=out, as_json=as_json)
    views.codegen_report(result, applied=applied, wanted=apply)
    if refusal is not None:
        raise BadInput(f"{refusal}; then --resume {result.resume_token} --apply") from refusal
    return PARTIAL if result.missing else DONE


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
    elif result.diff:
        print(result.diff.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), end="")
