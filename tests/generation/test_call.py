"""The loop: every complete unit is kept, what is missing is asked for, and every bound holds."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import WordCounter

from generation.budget import Bounds
from generation.call import Call, Outcome, complete
from generation.learned import Costs, Memory
from generation.limits import ModelLimits
from generation.model import ChatRequest, Finished, Message, PromptTokens, ScriptedModel
from generation.moves import Move
from generation.prompts import Section, leave_out
from generation.refusals import Lesson, Refused
from generation.task import Ask
from generation.texts import TextTask
from generation.units import JsonMembers, Unit
from rag.errors import DoesNotFit, ModelFailure, ServiceFailure
from rag.retry import RetryPolicy

COUNTER = WordCounter()
LIMITS = ModelLimits(
    name="words",
    context_window=20_000,
    max_output=6000,
    encoding="words",
    usd_per_million_input=10,
    usd_per_million_output=100,
)
AT_ONCE = RetryPolicy(first_window_seconds=0.001)


@dataclass
class Numbers:
    """Members ``"1": "word word"`` of one JSON object, ``wanted`` of them."""

    wanted: int
    words: int = 10
    name: str = "numbers"
    most_at_once: int = 8
    kept: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    notes: tuple[str, ...] = ()
    reasons: list[str] = field(default_factory=list)

    def missing(self) -> list[str]:
        return [str(n) for n in range(1, self.wanted + 1) if str(n) not in self.kept]

    def ask(self, keys: Sequence[str], move: Move, *, save_tokens: int) -> Ask:
        self.asked.append(tuple(keys))
        self.moves.append(move)
        parts = [
            Section(name="task", role="system", text="Write numbers."),
            Section(name="notes", role="user", text="Notes:", items=self.notes, priority=1),
            Section(name="keys", role="user", text="Keys: " + " ".join(keys)),
        ]
        staying, left, _ = leave_out(parts, save_tokens, COUNTER)
        return Ask(
            keys=tuple(keys),
            purpose="numbers",
            sections=tuple(staying),
            parser=JsonMembers(),
            left_out=tuple(left),
        )

    def content_tokens(self, units: int, costs: Costs) -> int:
        return units * (self.words + 5)

    def least_tokens(self, costs: Costs) -> int:
        return self.words

    def keep(self, unit: Unit) -> str | None:
        if unit.key not in self.asked[-1] or unit.key in self.kept:
            return f"{unit.key}: not asked for"
        self.kept[unit.key] = unit.text
        return None

    def ended(self, reason: str) -> None:
        self.reasons.append(reason)


class Writer(ScriptedModel):
    """Writes the numbers that are asked for; ``script`` says how each reply ends.

    An entry is a number of words after which it is cut, a failure to raise before anything, a pair of a
    number of words and a failure, or None.
    """

    def __init__(self, script: Sequence[Any] = (), *, limits: ModelLimits = LIMITS, words: int = 10) -> None:
        super().__init__(limits=limits, replies=[], counter=COUNTER)
        self.script = list(script)
        self.words = words

    async def stream(self, request: ChatRequest) -> Any:
        self.requests.append(request)
        entry = self.script.pop(0) if self.script else None
        if isinstance(entry, ModelFailure):
            raise entry
        keys = request.messages[-1].content.rsplit("Keys: ", 1)[1].split()
        text = json.dumps(dict.fromkeys(keys, "word " * self.words))
        cut, failure = entry if isinstance(entry, tuple) else (entry, None)
        words = text.split(" ")
        allowed = min(request.max_tokens, len(words) if cut is None else cut)
        whole = allowed >= len(words)
        yield ""
        for word in words[:allowed]:
            yield word + " "
        if failure is not None:
            raise failure
        yield Finished(
            reason="stop" if whole else "length",
            prompt_tokens=self.prompt_tokens(request.messages, None).total,
            completion_tokens=allowed,
        )


def run(task: Any, model: Any, **options: Any) -> Outcome:
    return asyncio.run(complete(task, model, counter=COUNTER, retry=AT_ONCE, **options))


def test_all_in_as_few_calls_as_carry_them() -> None:
    """Twenty units, eight a call: three calls, nothing twice."""
    task = Numbers(20)
    outcome = run(task, Writer())
    assert (outcome.status, outcome.missing, outcome.why) == ("complete", (), None)
    assert [len(keys) for keys in task.asked] == [8, 8, 4]
    assert [unit.key for unit in outcome.units] == [str(n) for n in range(1, 21)]
    assert [call.strategy for call in outcome.calls] == ["first", "continue", "continue"]


SCRIPTS = st.lists(
    st.none()
    | st.integers(0, 90)
    | st.tuples(st.integers(0, 90), st.just(ModelFailure("lost", kind="interrupted")))
    | st.sampled_from(
        [ModelFailure("busy", kind=kind) for kind in ("overloaded", "rate_limited", "interrupted")]
    ),
    max_size=25,
)


@given(SCRIPTS, st.integers(1, 30))
def test_whatever_happens_every_unit_comes_once_or_is_missing(script: list[Any], wanted: int) -> None:
    """Law 4: units kept and units missing are the units wanted; a kept one is never asked for again."""
    task = Numbers(wanted)
    model = Writer(script)
    outcome = run(task, model)
    assert len(task.kept) + len(outcome.missing) == wanted
    assert {unit.key for unit in outcome.units} == set(task.kept)
    assert sum(call.units_kept for call in outcome.calls) == len(task.kept)
    assert (outcome.why is None) == (not outcome.missing)
    known: set[str] = set()
    units = iter(outcome.units)
    for call in outcome.calls:
        known |= {next(units).key for _ in range(call.units_kept)}
    assert known == set(task.kept)
    if outcome.missing:
        assert outcome.status == ("partial" if task.kept else "failed")


def test_first_escalate_focus_then_salvage() -> None:
    """The seeds' order where nothing is ever complete; each is reported, and no cap comes twice."""
    task = Numbers(8, words=400)
    limits = replace(LIMITS, max_output=6000)
    outcome = run(task, Writer(limits=limits, words=9000))
    assert [call.strategy for call in outcome.calls] == ["first", "escalate", "focus"]
    assert [call.max_tokens for call in outcome.calls][:2] == [8 * 405, 6000]
    assert outcome.status == "failed"
    assert outcome.why == "3 rounds in a row brought nothing new, the last one: length"
    assert task.moves[1].cut_unit.startswith('"1": "word')
    assert len(task.asked[-1]) == 4


@pytest.mark.parametrize("max_retries", [0, 1, 2, 5])
def test_max_retries_counts_rounds_in_a_row_without_a_unit(max_retries: int) -> None:
    """A unit starts the count anew; what the transport repeats is not counted."""
    busy = ModelFailure("busy", kind="overloaded")
    lost = (1, ModelFailure("lost", kind="interrupted"))
    script = [*[lost] * max_retries, 30, busy, busy, *[lost] * 20]
    outcome = run(Numbers(8), Writer(script), max_retries=max_retries)
    rounds = [call for call in outcome.calls if call.finish_reason != "overloaded"]
    assert len(rounds) == max_retries + 1 + max_retries + 1
    assert outcome.status == "partial"


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        (Bounds(calls=2), "max_calls"),
        (Bounds(tokens=130), "max_total_tokens"),
        (Bounds(usd=0.007), "max_usd"),
    ],
)
def test_bounds_hold(bounds: Bounds, says: str) -> None:
    """Calls, tokens and money: the run ends partial within them, and says which it was."""
    outcome = run(Numbers(80), Writer(), bounds=bounds)
    assert outcome.status == "partial"
    assert says in str(outcome.why)
    assert len(outcome.calls) <= bounds.calls
    assert sum(call.prompt_tokens + call.completion_tokens for call in outcome.calls) <= bounds.tokens
    assert sum(call.cost_usd for call in outcome.calls) <= bounds.usd


@given(st.integers(1, 2000), st.floats(0.0001, 0.1), SCRIPTS)
def test_no_run_passes_its_bounds(tokens: int, usd: float, script: list[Any]) -> None:
    """Whatever happens on the way."""
    outcome = run(Numbers(40), Writer(script), bounds=Bounds(tokens=tokens, usd=usd, calls=9))
    paid = [call for call in outcome.calls if call.prompt_tokens]
    assert sum(call.prompt_tokens + call.completion_tokens for call in paid) <= tokens
    assert sum(call.cost_usd for call in paid) <= usd + 1e-9
    assert len(paid) <= 9


def test_a_deadline_keeps_what_came() -> None:
    """A reply that hangs is left when time is up; its whole units stay."""

    class Hanging(Writer):
        async def stream(self, request: ChatRequest) -> Any:
            async for event in super().stream(request):
                if isinstance(event, Finished):
                    await asyncio.sleep(3600)
                yield event

    outcome = run(Numbers(8), Hanging([50]), bounds=Bounds(seconds=0.2))
    assert outcome.status == "partial"
    assert [call.finish_reason for call in outcome.calls] == ["deadline"]
    assert outcome.calls[0].units_kept > 0
    assert "max_seconds" in str(outcome.why)


def test_optional_sections_give_way_first() -> None:
    """Then units, then a typed error with the sum; each section that gave way is named."""
    notes = tuple(f"note {n} " + "word " * 50 for n in range(20))
    small = replace(LIMITS, context_window=1500)
    outcome = run(Numbers(8, notes=notes), Writer(limits=small))
    assert outcome.status == "complete"
    assert outcome.calls[0].left_out[0].startswith("notes: ")
    assert len(outcome.calls) == 1
    tiny = replace(LIMITS, context_window=240)
    outcome = run(Numbers(8, notes=notes), Writer(limits=tiny))
    assert outcome.missing == ()
    assert outcome.calls[0].left_out == ("notes: left out",)
    with pytest.raises(DoesNotFit, match=r"window 40 - prompt \d+ - margin 10"):
        run(Numbers(8, notes=notes), Writer(limits=replace(LIMITS, context_window=40)))


def test_a_refusal_that_names_a_limit_teaches() -> None:
    """The next request goes by it; the same lesson again ends the run."""
    refusal = Refused("at most 100", lesson=Lesson(max_output=100))
    model = Writer([refusal])
    outcome = run(Numbers(20), model)
    assert outcome.status == "complete"
    assert model.limits.max_output == 100
    assert all(request.max_tokens <= 100 for request in model.requests[1:])
    outcome = run(Numbers(20), Writer([refusal, refusal]))
    assert (outcome.status, outcome.why) == ("failed", "at most 100")


def test_a_refusal_that_counts_the_prompt_widens_the_margin() -> None:
    """What the server counted beyond our count is kept free from then on."""
    counted = PromptTokens(exact=20).total
    refusal = Refused("too long", lesson=Lesson(prompt_tokens=counted + 3000))
    memory = Memory()
    outcome = run(Numbers(2), Writer([refusal]), memory=memory)
    assert outcome.status == "complete"
    assert memory.costs("words", "numbers").margin_tokens(2000) > 2000


def test_reasoning_that_eats_everything_is_its_own_case() -> None:
    """Less effort and a smaller task, not only a bigger cap."""

    class Thinker(Writer):
        async def stream(self, request: ChatRequest) -> Any:
            if request.effort is None:
                self.requests.append(request)
                yield ""
                yield Finished(
                    reason="length", completion_tokens=request.max_tokens, reasoning_tokens=request.max_tokens
                )
                return
            async for event in super().stream(request):
                yield event

    task = Numbers(8)
    model = Thinker(limits=replace(LIMITS, reasons=True))
    outcome = run(task, model)
    assert outcome.status == "continued"
    assert [call.strategy for call in outcome.calls] == ["first", "focus", "continue"]
    assert [request.effort for request in model.requests] == [None, "low", "low"]
    assert len(task.asked[1]) == 4
    assert outcome.calls[0].reasoning_tokens == outcome.calls[0].max_tokens


def test_what_was_learned_sets_the_next_plan() -> None:
    """A server that cuts at 60 words is known in the next run: no call is cut there any more."""
    memory = Memory()

    def cut_at_60() -> Writer:
        return Writer([60] * 30)

    first = run(Numbers(20), cut_at_60(), memory=memory)
    second = run(Numbers(20), cut_at_60(), memory=memory)
    assert first.status == "continued"
    assert first.calls[0].finish_reason == "length"
    assert second.calls[0].finish_reason == "stop"
    assert len(second.calls) <= len(first.calls)


def test_the_ledger_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Every attempt is a value, a call of ``on_call`` and a line of JSON, failed ones too."""
    told: list[Call] = []
    with caplog.at_level(logging.INFO, logger="hookline.calls"):
        outcome = run(Numbers(9), Writer([ModelFailure("busy", kind="rate_limited")]), on_call=told.append)
    assert tuple(told) == outcome.calls
    lines = [json.loads(record.message) for record in caplog.records]
    assert [line["finish_reason"] for line in lines] == ["rate_limited", "stop", "stop"]
    assert lines[0]["prompt_tokens"] == lines[0]["cost_usd"] == 0
    assert lines[1] | {"left_out": ()} == {
        field: getattr(outcome.calls[1], field) for field in Call.__dataclass_fields__
    }


def text_of(replies: Sequence[Any], **options: Any) -> tuple[str, Outcome, ScriptedModel]:
    model = ScriptedModel(limits=LIMITS, replies=list(replies), counter=COUNTER)
    task = TextTask(messages=[Message(role="user", content="Write.")], counter=COUNTER)
    outcome = run(task, model, **options)
    return task.text, outcome, model


LOST = ModelFailure("lost", kind="interrupted")


def test_a_text_goes_on_after_its_last_whole_line() -> None:
    """Joined at line borders; the cut line is written again; what is known is recognised by its number."""
    text, outcome, model = text_of(
        [
            ("one\ntwo\nthr", LOST),
            ("@@ line 3 @@\nthree\nfour\nfi", LOST),
            "@@ line 1 @@\none\ntwo\nthree\nfour\nfive",
        ]
    )
    assert text == "one\ntwo\nthree\nfour\nfive"
    assert outcome.status == "continued"
    assert "@@ line 3 @@" in model.requests[1].messages[0].content
    assert "thr" in model.requests[1].messages[0].content
    assert all(message.role != "assistant" for request in model.requests for message in request.messages)


def test_a_gap_is_not_passed_over() -> None:
    """Lines that skip one are left out, and asked for again."""
    text, outcome, _ = text_of([("one\ntw", LOST), "@@ line 4 @@\nfour", "@@ line 2 @@\ntwo"])
    assert text == "one\ntwo"
    text, _, _ = text_of(["one\n\ntwo\n\n"])
    assert text == "one\n\ntwo\n\n"
    assert any("line 4 was written where line 2 follows" in warning for warning in outcome.warnings)


LINES = st.lists(
    st.text(st.characters(exclude_characters="\n"), min_size=1).filter(str.strip), min_size=1, max_size=20
)


@given(LINES, st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_no_line_is_half_or_twice(lines: list[str], cuts: list[int], restarts: bool) -> None:
    """Law 5, for a model that goes on where it is told, and for one that begins again and says so."""

    class Going(ScriptedModel):
        async def stream(self, request: ChatRequest) -> Any:
            said = request.messages[-1].content.rsplit("Go on with line ", 1)
            line = int(said[1].split(":")[0]) if len(said) > 1 else 1
            begin = 1 if restarts else line
            text = (f"@@ line {begin} @@\n" if len(said) > 1 else "") + "\n".join(lines[begin - 1 :])
            cut = cuts.pop(0) if cuts else len(text)
            self.replies.append(text if cut >= len(text) else (text[:cut], LOST))
            async for event in super().stream(request):
                yield event

    task = TextTask(messages=[Message(role="user", content="Write.")], counter=COUNTER)
    outcome = run(task, Going(limits=LIMITS, replies=[], counter=COUNTER))
    assert task.lines == lines[: len(task.lines)]
    if outcome.why is None:
        assert task.lines == lines


def test_a_text_longer_than_its_cap_has_the_right_cap_next_time() -> None:
    """4096 first; what whole texts were seen to take, from then on."""
    memory = Memory()
    long = "\n".join(["word " * 10] * 350)
    model = ScriptedModel(limits=LIMITS, replies=[(long, LOST), f"@@ line 350 @@\n{long}"], counter=COUNTER)
    task = TextTask(messages=[Message(role="user", content="Write.")], counter=COUNTER)
    run(task, model, memory=memory)
    assert model.requests[0].max_tokens == 4096
    model = ScriptedModel(limits=replace(LIMITS, max_output=100_000), replies=["end"], counter=COUNTER)
    run(TextTask(messages=task.messages, counter=COUNTER), model, memory=memory)
    assert model.requests[0].max_tokens == pytest.approx(1.25 * 7004, abs=20)


def test_nothing_is_sent_that_cannot_be_paid_for() -> None:
    """A bound below one call: no request leaves."""
    model = Writer()
    outcome = run(Numbers(1), model, bounds=Bounds(tokens=5))
    assert (outcome.status, model.requests) == ("failed", [])


def test_nothing_that_was_learned_locks_a_model_out() -> None:
    """A prompt billed at many times our count, and caps eaten by reasoning: the next run still asks."""
    memory = Memory()
    costs = memory.costs("words", "numbers")
    costs.saw_prompt(counted=10, billed=60_000)
    for _ in range(3):
        costs.saw_reply(cap=6000, tokens=6000, reasoning_tokens=6000, cut=True)
        costs.saw_reply(cap=6000, tokens=6000, reasoning_tokens=5900, cut=False)
    outcome = run(Numbers(3), Writer(limits=replace(LIMITS, reasons=True)), memory=memory)
    assert outcome.status == "complete"


def test_a_unit_that_never_comes_does_not_stand_in_the_way() -> None:
    """The others are written first; it alone is missing."""

    class Refusing(Numbers):
        def keep(self, unit: Unit) -> str | None:
            return "refused" if unit.key == "4" else super().keep(unit)

    outcome = run(Refusing(31), Writer())
    assert outcome.missing == ("4",)
    assert outcome.status == "partial"


@pytest.mark.parametrize(
    "replies",
    [
        [("one\ntwo\nthr", LOST), "", "", ""],
        [("one\ntwo\nthr", LOST), *["@@ line 1 @@\nONE\nTWO\n"] * 3],
        [("one\ntwo\nthr", LOST), *["@@ line 5 @@\nfive\n"] * 3],
    ],
)
def test_a_text_that_was_cut_is_not_called_whole(replies: list[Any]) -> None:
    """Law 5: a reply that ends by itself and writes nothing of what was cut ends nothing."""
    text, outcome, _ = text_of(replies)
    assert text == "one\ntwo\n"
    assert outcome.status == "partial"


def test_a_text_cut_exactly_at_its_end_is_whole() -> None:
    """Nothing was cut, and nothing follows."""
    text, outcome, _ = text_of([("one\ntwo\n", LOST), ""])
    assert (text, outcome.missing) == ("one\ntwo\n", ())


@pytest.mark.parametrize(
    "again",
    [
        "```\n@@ line 3 @@\nthree\nfour\n```\n",
        "\n\n@@ line 3 @@\nthree\nfour\n",
        "`@@ line 3 @@`\nthree\nfour\n",
        "'@@ line 3 @@'\nthree\nfour\n",
        "```diff\n@@ line 2 @@\ntwo\nthree\nfour\n```",
        "three\nfour\n",
    ],
)
def test_a_mark_in_other_clothes(again: str) -> None:
    """Fences, empty lines and quotes around the mark are not part of the text."""
    text, outcome, _ = text_of([("one\ntwo\nthr", LOST), again])
    assert text == "one\ntwo\nthree\nfour\n"
    assert outcome.status == "continued"


def test_fences_of_the_text_itself_stay() -> None:
    """A fence that was not opened before the mark belongs to the text."""
    text, _, _ = text_of([("one\n```\nco", LOST), "@@ line 3 @@\ncode\n```\n"])
    assert text == "one\n```\ncode\n```\n"


def test_a_content_filter_ends_the_run() -> None:
    """Not the same again a hundred times: what came is kept, and the reason is said."""

    class Filtered(ScriptedModel):
        async def stream(self, request: ChatRequest) -> Any:
            self.requests.append(request)
            yield "one\ntwo\nthr"
            yield Finished(reason="content_filter")

    model = Filtered(limits=LIMITS, replies=[], counter=COUNTER)
    task = TextTask(messages=[Message(role="user", content="Write.")], counter=COUNTER)
    outcome = run(task, model)
    assert (task.text, len(model.requests)) == ("one\ntwo\n", 1)
    assert "content filter" in str(outcome.why)


def test_a_quota_in_the_middle_of_a_stream_loses_nothing() -> None:
    """The round is in the ledger, its lines in the outcome."""
    text, outcome, _ = text_of([("one\ntwo\nthr", ModelFailure("the quota is used up", kind="quota"))])
    assert text == "one\ntwo\n"
    assert (outcome.status, outcome.why) == ("partial", "the quota is used up")
    assert [call.units_kept for call in outcome.calls] == [2]


def test_a_counter_that_fails_costs_nothing_that_was_kept() -> None:
    """The server that counts goes away after the first request: its lines stay, and the run ends partial."""

    class Failing(WordCounter):
        left = 40

        def count(self, text: str) -> int:
            self.left -= 1
            if self.left < 0:
                raise ServiceFailure("it counts no tokens")
            return super().count(text)

    counter = Failing()
    lines = [f"line {n}" for n in range(60)]
    model = ScriptedModel(limits=LIMITS, replies=[("\n".join(lines), LOST), "end"], counter=counter)
    counter.left = 6
    task = TextTask(messages=[Message(role="user", content="Write.")], counter=counter)
    outcome = asyncio.run(complete(task, model, counter=counter, retry=AT_ONCE))
    assert task.lines == lines[:59]
    assert (outcome.status, outcome.why) == ("partial", "it counts no tokens")


def test_a_chat_is_sent_as_it_is() -> None:
    """Turns of the assistant too; what follows joins the last turn of the user."""
    chat = [
        Message(role="user", content="A?"),
        Message(role="assistant", content="Important."),
        Message(role="user", content="B?"),
    ]
    model = ScriptedModel(limits=LIMITS, replies=[("one\ntw", LOST), "@@ line 2 @@\ntwo"], counter=COUNTER)
    task = TextTask(messages=chat, counter=COUNTER)
    run(task, model)
    assert list(model.requests[0].messages) == chat
    assert list(model.requests[1].messages[:2]) == chat[:2]
    assert model.requests[1].messages[2].content.startswith("B?\n\nYou have written")
    assert len(model.requests[1].messages) == 3


def test_unseen_reasoning_counts_against_the_bounds() -> None:
    """A reasoning model's stream that broke off is counted at its cap: nobody says what it thought."""
    lost = (1, ModelFailure("lost", kind="interrupted"))
    model = Writer([lost] * 9, limits=replace(LIMITS, reasons=True))
    outcome = run(Numbers(8), model, bounds=Bounds(tokens=10_000), max_retries=9)
    assert "max_total_tokens" in str(outcome.why)
    assert sum(request.max_tokens for request in model.requests) <= 10_000


def test_a_text_is_not_continued_blind() -> None:
    """In a small window what is written stays in the prompt, its end first, beside a smaller reply."""
    lines = [f"line {n} with some words" for n in range(300)]
    small = replace(LIMITS, context_window=4096, max_output=4096)
    model = ScriptedModel(
        limits=small, replies=[("\n".join(lines), LOST), "@@ line 300 @@\nend"], counter=COUNTER
    )
    task = TextTask(messages=[Message(role="user", content="Write.")], counter=COUNTER)
    run(task, model)
    assert "line 298 with some words" in model.requests[1].messages[0].content
