"""The code generator: a request and a repository in, a diff that git applies out, whatever happens to the replies."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from filelock import FileLock, Timeout

from generation.budget import CODE_CONTEXT_TOKENS, Bounds
from generation.call import MAX_RETRIES, Call, Outcome, complete
from generation.code_context import CodeContext, trace
from generation.diff_writing import DiffTask
from generation.diffs import Header, Hunk
from generation.journal import Journal
from generation.judging import judged
from generation.learned import Memory
from generation.model import ChatModel
from generation.outlines import syntax_errors
from generation.patching import Patch
from generation.repository import Repository
from generation.texts import FIRST_CAP_TOKENS
from rag.errors import BadInput
from rag.files import make_own_folder
from rag.retry import RetryPolicy
from rag.tokens import TokenCounter

Status = Literal["complete", "continued", "partial", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """A file of the diff: how many hunks of it are in, and how many are not."""

    path: str
    hunks_kept: int
    hunks_dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something that the diff should have and has not, and why. An empty ``path``: nobody knows of which file."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Codegen:
    """What came of a request.

    ``diff`` has whole hunks only, and git applies it if ``verified``. ``status``: ``complete`` (one reply was
    enough), ``continued``, ``partial`` (see ``missing``) or ``failed`` (there is no hunk). ``patch`` is what
    the diff is made of, ``context`` what of the repository was last shown to the model and what was not.
    """

    status: Status
    diff: str
    files: tuple[FileReport, ...]
    missing: tuple[Missing, ...]
    verified: bool
    calls: tuple[Call, ...]
    warnings: tuple[str, ...]
    resume_token: str
    context: Mapping[str, Any]
    patch: Patch

    @property
    def tokens(self) -> dict[str, int]:
        """Tokens that were paid for."""
        return {
            "input": sum(call.prompt_tokens for call in self.calls),
            "output": sum(call.completion_tokens for call in self.calls),
        }

    @property
    def cost_usd(self) -> float:
        """US dollars that were paid."""
        return sum(call.cost_usd for call in self.calls)


class CodegenJournal(Journal):
    """What a run was asked and what it got: hunks as they come, then each reply as it was."""

    def begin(self, request: str, repository: Repository, files: Sequence[str]) -> None:
        """Say what is asked."""
        self.append({"request": request, "repo": str(repository.root.resolve()), "files": list(files)})

    def applied(self) -> None:
        """Say that the diff is in the files."""
        self.append({"applied": True})

    @property
    def is_applied(self) -> bool:
        """Whether it is."""
        return any("applied" in entry for entry in self.entries())

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from going on with the same run; ``BadInput`` if one does already."""
        make_own_folder(self.path.parent)
        lock = FileLock(f"{self.path}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise BadInput(f"another process goes on with {self.path}: wait for it to end") from None
        try:
            yield
        finally:
            lock.release()

    def asked(self) -> dict[str, Any] | None:
        """What was asked: ``request``, ``repo`` and ``files``; None where there is no such run."""
        return next((entry for entry in self.entries() if "request" in entry), None)

    def keep(self, text: str) -> None:
        """Put a unit on disk."""
        self.append({"unit": text})

    def reply(self, text: str, reason: str) -> None:
        """Put a reply on disk, as it was."""
        self.append({"reply": text, "reason": reason})

    def into(self, task: DiffTask) -> int:
        """Have ``task`` take in everything; the number of replies."""
        replies = 0
        units: list[str] = []  # of a reply that was never put down whole: the run was killed
        for entry in self.entries():
            if "reply" in entry:
                units = []
                replies += 1
                task.replay(str(entry["reply"]), str(entry.get("reason")))
            elif "unit" in entry:
                units.append(str(entry["unit"]))
        if units:
            task.restore(units)
        return replies


def new_token() -> str:
    """A name for a run, by which it can be resumed.

    >>> new_token() != new_token()
    True
    """
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


async def write_diff(
    request: str,
    repository: Repository,
    *,
    files: Sequence[str],
    model: ChatModel,
    counter: TokenCounter,
    journal: CodegenJournal,
    token: str,
    context_tokens: int = CODE_CONTEXT_TOKENS,
    cap_tokens: int = FIRST_CAP_TOKENS,
    memory: Memory | None = None,
    bounds: Bounds | None = None,
    retry: RetryPolicy | None = None,
    max_retries: int = MAX_RETRIES,
    on_call: Callable[[Call], None] = lambda _: None,
    on_hunk: Callable[[Hunk | Header], None] = lambda _: None,
) -> Codegen:
    """Have ``model`` write the diff that ``request`` asks for; go on where ``journal`` has something already.

    ``files`` are the paths to show; without any they are searched for. Nothing is written but the journal.
    Raises ``BadInput`` for files that cannot be read, and what ``complete`` raises before the first reply.
    """
    task = DiffTask(
        context=CodeContext(
            repository=repository,
            request=request,
            named=_checked(files, repository),
            counter=counter,
            budget_tokens=context_tokens,
        ),
        patch=Patch(repository.read, repository.files),
        counter=counter,
        on_unit=journal.keep,
        on_reply=journal.reply,
        on_hunk=on_hunk,
        cap_tokens=cap_tokens,
    )
    await asyncio.to_thread(task.context.packed)  # reading and searching a repository takes its time
    with journal.held():
        earlier = 0
        if journal.asked():
            earlier = journal.into(task)
        else:
            journal.begin(request, repository, files)
        outcome = await complete(
            task,
            model,
            counter=counter,
            memory=memory,
            bounds=bounds,
            retry=retry,
            max_retries=max_retries,
            on_call=on_call,
        )
    return await asyncio.to_thread(_result, task, outcome, token, earlier)


def _checked(files: Sequence[str], repository: Repository) -> list[str]:
    for path in files:
        if repository.read(path) is None:
            raise BadInput(f"--file {path} is not in {repository.root}: give paths relative to --repo")
    return list(files)


def _result(task: DiffTask, outcome: Outcome, token: str, earlier: int) -> Codegen:
    patch = task.patch
    missing = [Missing(path=one.path, reason=f"{one.kind}: {one.reason}") for one in task.pending]
    waiting = [one.path for one in task.pending]
    missing += [
        Missing(path=path, reason="announced, and nothing of it came")
        for path in task.not_begun()
        if path not in waiting
    ]
    if not task.is_ended:
        why = outcome.why or "the run ended"
        missing.append(Missing(path="", reason=f"the end of the diff never came: {why}"))
    left_out = [path for path in task.unfinished() if path in patch.files and patch.files[path].is_new]
    missing += [
        Missing(
            path=path, reason="it is new and not whole, so it is left out: its lines are kept for --resume"
        )
        for path in left_out
    ]
    judgement = judged(patch.without(left_out))
    missing += [
        Missing(path=path, reason=f"git refuses it: {words}") for path, words in judgement.refused.items()
    ]
    final = patch.without([*left_out, *judgement.refused])
    diff = final.diff()
    if not diff and not missing:
        there = any(note.endswith("is in the file already") for note in task.notes)
        reason = "all of it is in the files already" if there else "the model wrote no change"
        missing.append(Missing(path="", reason=reason))
    files = tuple(
        FileReport(
            path=path,
            hunks_kept=len(patch.files[path].kept) if path in final.files else 0,
            hunks_dropped=waiting.count(path)
            + (0 if path in final.files or path not in patch.files else len(patch.files[path].kept)),
        )
        for path in dict.fromkeys([*patch.files, *filter(None, waiting)])
    )
    replies = earlier + sum(call.completion_tokens > 0 for call in outcome.calls)
    status: Status = "complete" if outcome.status == "complete" and replies <= 1 else "continued"
    if missing:
        status = "partial" if diff else "failed"
    return Codegen(
        status=status,
        diff=diff,
        files=files,
        missing=tuple(missing),
        verified=bool(diff),
        calls=outcome.calls,
        warnings=(*outcome.warnings, *task.notes, *_regressions(final)),
        resume_token=token,
        context=trace(task.shown, task.context.lines_of) if task.shown else {},
        patch=final,
    )


def _regressions(patch: Patch) -> list[str]:
    """A line for each file that has more syntax errors than before, or can no longer be parsed at all."""
    found: list[str] = []
    for path, file in patch.files.items():
        if file.after is None:
            continue
        before = syntax_errors(path, (file.before or b"").decode("utf-8", "replace"))
        after = syntax_errors(path, file.after.decode("utf-8", "replace"))
        if before is None or after == before or (after is not None and after < before):
            continue
        parsed = "parsed before and does not any more" if not before else f"had {before} syntax errors"
        parsed = "is new and does not parse" if file.is_new else parsed
        found.append(
            f"{path} {parsed}: {'no parser gets through it' if after is None else f'{after} syntax errors'}"
        )
    return found
