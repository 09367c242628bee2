"""What a task's units really cost on a model, remembered between runs: it sets the next plan.

A file of JSON, replaced whole. It holds costs only, never text; deleting it costs one more careful run.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from rag.files import make_own_folder

MARGIN_FLOOR_TOKENS = 200
REASONING_FLOOR_TOKENS = 1000
_ENOUGH = 3  # observations before what was seen replaces what was assumed
_FADES = 0.8  # how much of an old peak stays with each new observation
_TRIES_MORE = 1.25  # a whole reply lets the next be longer than the one that was cut: it may be over
_WEIGHT = 0.1  # of one more unit in the running mean, once there are ten
_Tokens = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Count = Annotated[int, Field(ge=0)]


@dataclass(slots=True, kw_only=True)
class Costs:
    """Of one model and task, in tokens.

    ``unit_tokens`` is the running mean of what a unit takes; ``reasoning_tokens`` and ``undercount_tokens``
    (what the server billed for a prompt beyond our count) are peaks that fade. ``cut_at_tokens`` is where
    replies ended with ``length`` below the cap that was asked for, 0 where that was not seen.
    ``whole_tokens`` is what all replies of a run that missed nothing took together, a peak as well.
    """

    units: _Count = 0
    unit_tokens: _Tokens = 0.0
    replies: _Count = 0
    reasoning_tokens: _Tokens = 0.0
    prompts: _Count = 0
    undercount_tokens: _Tokens = 0.0
    cut_at_tokens: _Count = 0
    whole_tokens: _Tokens = 0.0

    def saw_unit(self, tokens: int) -> None:
        """A unit of ``tokens`` arrived whole."""
        self.units += 1
        self.unit_tokens += (tokens - self.unit_tokens) * max(1 / self.units, _WEIGHT)

    def saw_reply(self, *, cap: int, tokens: int, reasoning_tokens: int, cut: bool) -> None:
        """A reply ended by itself after ``tokens`` of the ``cap``, or was ``cut``."""
        self.replies += 1
        if cut and reasoning_tokens >= tokens:  # all of the cap: what it would have needed is not known
            return
        self.reasoning_tokens = max(reasoning_tokens, self.reasoning_tokens * _FADES)
        if cut and is_cut_below(cap, tokens):
            self.cut_at_tokens = tokens
        elif tokens > self.cut_at_tokens:
            self.cut_at_tokens = 0
        elif not cut:
            self.cut_at_tokens = int(self.cut_at_tokens * _TRIES_MORE)

    def saw_prompt(self, *, counted: int, billed: int) -> None:
        """The server's own count of a prompt."""
        self.prompts += 1
        self.undercount_tokens = max(billed - counted, self.undercount_tokens * _FADES, 0)

    def saw_whole(self, tokens: int) -> None:
        """A run that missed nothing took ``tokens`` of replies."""
        self.whole_tokens = max(tokens, self.whole_tokens * _FADES)

    def margin_tokens(self, unmeasured: int) -> int:
        """The safety margin: ``unmeasured`` until enough prompts were billed; then twice the worst undercount.

        Never below the floor; an undercount that passes ``unmeasured`` counts at once.
        """
        seen = max(MARGIN_FLOOR_TOKENS, 2 * round(self.undercount_tokens))
        return seen if self.prompts >= _ENOUGH else max(unmeasured, seen)

    def reserve_tokens(self, unmeasured: int) -> int:
        """What a reasoning model spends before its answer."""
        if self.replies < _ENOUGH:
            return max(unmeasured, round(self.reasoning_tokens))
        return max(REASONING_FLOOR_TOKENS, round(1.5 * self.reasoning_tokens))


def is_cut_below(cap: int, tokens: int) -> bool:
    """Whether a reply that ended with ``length`` was cut by something other than our ``cap``.

    Servers count the last token now and then differently.
    """
    return tokens < cap - max(8, cap // 50)


_FILE: TypeAdapter[dict[str, Costs]] = TypeAdapter(dict[str, Costs])


@dataclass(slots=True)
class Memory:
    """The costs by model and task; on disk where there is a ``path``."""

    path: Path | None = None
    _costs: dict[str, Costs] = field(default_factory=dict)

    def costs(self, model: str, task: str) -> Costs:
        """What is known of ``task`` on ``model``: a value that may be added to, then ``save``."""
        name = f"{model} {task}"
        if name not in self._costs:
            self._costs[name] = self._on_disk().get(name, Costs())
        return self._costs[name]

    def save(self) -> None:
        """Put it on disk, beside what others learned. What cannot be written is not remembered.

        Nothing fails for it.
        """
        if self.path is None:
            return
        try:
            make_own_folder(self.path.parent)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self.path.parent, prefix=f".{self.path.name}.", delete=False
            ) as file:
                costs = {**self._on_disk(), **self._costs}
                values: dict[str, Any] = {name: asdict(costs[name]) for name in sorted(costs)}
                json.dump(values, file, indent=1)
            os.replace(file.name, self.path)  # noqa: PTH105
        except OSError:
            return

    def _on_disk(self) -> dict[str, Costs]:
        """What the file holds; nothing where it is missing or damaged."""
        if self.path is None:
            return {}
        try:
            return _FILE.validate_json(self.path.read_bytes())
        except (OSError, ValidationError):
            return {}
