"""What do faults cost? Tokens paid under a script of faults, against the same work undisturbed.

    python benchmarks/recovery.py [--calls 200] [--seed 20261124] [--json]

The script has an entry for each request. Of every forty, twenty are in order; the others are faults: three
rate limits (Retry-After in seconds, in milliseconds, as a date, or none), a used-up quota, a 500, a 503, a
short silence, two silences that outlast the client's patience (in the middle of a reply, before one), three
broken connections, two replies each that are no JSON, that repeat their units, that hold units nobody asked
for, and that are all reasoning. The seed shuffles each forty and draws where a reply breaks off. No model
here takes a prefill: a request that ends with the assistant's words is refused, and counted as refused.

Three schemes write months of 28 to 31 rows, one after another, against the strict server over HTTP, until
the script is used up; the models take turns: one with schemas, one that reasons, one without schemas.

hookline   The engine. Each run has a process's memory: the journal, the learned costs, nothing else. A run
           that ends with rows missing, as at each quota, is started again on its journal.
retry      Retry from scratch, as with tenacity or instructor. The engine's prompts and schemas, the batches
           that it asks for at first, the seeds' cap of 3000 tokens a reply. A reply counts if it ended by
           itself, is JSON and has every row; otherwise the whole batch is asked for again, six times at most.
seeds      The scheme of the documents that this project grew from. A main call for the whole month, capped
           at 4000 tokens; then supplements for the days that are missing, 120 tokens a day, in chunks of what
           4096 tokens carry, without the main prompt's evidence, patterns and days: cheap rows that rest on
           nothing. Rows are known by their key here, and every whole one in a cut reply is kept. Three rounds
           that bring nothing end the month.

The two baselines throw a reply away that broke off, have 4000 tokens for reasoning where the model reasons,
as the engine has at first, try an answer that fails six times with exponential backoff whatever Retry-After
says, and take a used-up quota for a failure that heals.

paid     by the server's count: the prompt of every request that was answered, and the reply as far as it was
         sent. A request that was left in silence before anything came is not counted, nor what vendors bill
         for a schema: the server does not count it.
arrived  rows that were asked for and stand whole in what was sent, as json's own decoder reads it; one that
         was sent in two replies arrived twice
kept     rows delivered / arrived
ratio    paid / what the rows delivered cost undisturbed, by model: the price of a row in six months without
         faults that begin with nothing remembered, by the scheme itself and by hookline
over     tokens paid beyond the scheme's own undisturbed price of the rows that arrived, by what was met
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import httpx2
import openai

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests" / "servers"), str(ROOT / "tests" / "support")]

from calendars import TRENDS, briefs_of, store_of  # noqa: E402
from fault_script import (  # noqa: E402
    OVERLOADED,
    QUOTA,
    SERVER_ERROR,
    Disconnect,
    Fault,
    Hang,
    Malformed,
    Ok,
    ReasoningEatsAll,
    RepeatedUnits,
    Status,
    UnaskedUnits,
    rate_limited,
)
from schema_instances import ConformingWriter  # noqa: E402
from served_models import ChatRequest, Reply, text_of  # noqa: E402
from strict_openai import DEFAULT_MODELS, StrictServer  # noqa: E402

from generation.budget import REASONING_TOKENS, content_cap  # noqa: E402
from generation.calendars import write_calendar  # noqa: E402
from generation.journal import RowJournal  # noqa: E402
from generation.learned import Memory  # noqa: E402
from generation.limits import ModelLimits, limits_of  # noqa: E402
from generation.model import Message, count_prompt  # noqa: E402
from generation.moves import Move  # noqa: E402
from generation.openai_model import OpenAIModel  # noqa: E402
from generation.patterns import MeasuredPattern, measure  # noqa: E402
from generation.planning import Brief  # noqa: E402
from generation.prompts import messages, sections  # noqa: E402
from generation.row_writing import RowTask, passages_of  # noqa: E402
from rag.errors import ModelFailure  # noqa: E402
from rag.packing import in_turn, pack  # noqa: E402
from rag.retry import Circuit, RetryPolicy  # noqa: E402
from rag.store import MemoryStore  # noqa: E402
from rag.tokens import TokenCounter, counter_for  # noqa: E402

MODELS = ("gpt-4o-mini", "gpt-5-mini", "gpt-4-turbo-preview")
BUDGET_TOKENS = 1000  # the default of --budget
PATIENCE_SECONDS = 2.0  # 120 outside of this benchmark
FOREVER_SECONDS = 600.0
FAILURES = (openai.OpenAIError, httpx2.HTTPError)
TRIES = 6
FRUITLESS = 3
RUNS = 20
UNDISTURBED_MONTHS = 6
MOST_TOKENS = 4096  # the seeds' models write no more
SUPPLEMENT_TOKENS = 120
SUPPLEMENT_SECTIONS = {"instructions", "keys"}
BETWEEN = re.compile(r"[\s,:]*")
POLICY = RetryPolicy(first_window_seconds=0.01, longest_window_seconds=0.05)


def script(calls: int, seed: int) -> list[Fault]:
    """The first ``calls`` entries of the script: the mix is the same in every forty."""
    rng = random.Random(seed)
    waits = [rate_limited("1"), rate_limited("0.05"), rate_limited(date_in=0.2), *[rate_limited("0.02")] * 3]
    entries: list[Fault] = []
    while len(entries) < calls:
        forty: list[Fault] = [Ok() for _ in range(20)]
        forty += [waits[len(entries) // 40 % len(waits)], rate_limited(ms=20), rate_limited(None)]
        forty += [QUOTA, SERVER_ERROR, OVERLOADED]
        forty += [Hang(0.1, rng.randrange(1, 800)), Hang(FOREVER_SECONDS, rng.randrange(1, 800))]
        forty += [Hang(FOREVER_SECONDS), *(Disconnect(rng.randrange(800)) for _ in range(3))]
        forty += [Malformed(), Malformed("I'm sorry, I can't write these as JSON.")]
        forty += [fault() for fault in (RepeatedUnits, UnaskedUnits, ReasoningEatsAll) for _ in range(2)]
        rng.shuffle(forty)
        entries += forty
    return entries[:calls]


def kind_of(fault: Fault) -> str:
    """A fault in a word."""
    match fault:
        case Status(code=code):
            return "quota" if fault is QUOTA else str(code)
        case Hang():
            return "hang, left" if fault.seconds > PATIENCE_SECONDS else "hang, waited"
        case _:
            return type(fault).__name__


@dataclass(slots=True)
class Exchange:
    """A request, what it met, and the reply if one was begun."""

    request: ChatRequest
    fault: Fault
    reply: Reply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What one exchange cost, and the keys of the rows that it brought."""

    kind: str
    model: str
    refused: bool
    prompt: int
    reasoning: int
    words: int
    row_words: int
    rows: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.prompt + self.reasoning + self.words


class Recorder(StrictServer):
    """A strict server that knows which reply answered which request."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.exchanges: list[Exchange] = []
        self._at_hand = threading.local()
        models = [replace(model, takes_prefill=False) for model in DEFAULT_MODELS if model.name in MODELS]
        super().__init__(models, faults=faults, writer=ConformingWriter(evidence=passages_named))

    def take(self, request: ChatRequest) -> Fault:
        """The script's entry, noted."""
        fault = super().take(request)
        self._at_hand.exchange = Exchange(request, fault)
        self.exchanges.append(self._at_hand.exchange)
        return fault

    def claim(self, reply: Reply) -> bool:
        """Note the reply beside its request."""
        self._at_hand.exchange.reply = reply
        return super().claim(reply)

    def paid(self, exchange: Exchange) -> Paid:
        """What was sent of the reply before somebody left, and what it held."""
        request, fault, reply = exchange.request, exchange.fault, exchange.reply
        left = isinstance(fault, Hang) and fault.seconds > PATIENCE_SECONDS
        encoding = self.encoding_of(self.models[request.model])
        text = reply.text if reply else ""
        if reply and isinstance(fault, Hang) and left:
            text = encoding.decode(encoding.encode_ordinary(text)[: fault.after_tokens])
        asked = set(keys_asked(request))
        found = {key: row for key, row in whole_members(text) if key in asked}
        return Paid(
            kind=kind_of(fault),
            model=request.model,
            refused=not reply and not left and not isinstance(fault, Status),
            prompt=request.prompt_tokens if reply else 0,
            reasoning=reply.reasoning_tokens if reply else 0,
            words=len(encoding.encode_ordinary(text)),
            row_words=sum(len(encoding.encode_ordinary(row)) for row in found.values()),
            rows=tuple(found),
        )


def passages_named(request: ChatRequest, key: str) -> list[int]:
    """The passages that the prompt gives slot ``key``; the first where it names none."""
    text = "\n".join(text_of(message["content"]) for message in request.messages)
    line = re.search(rf"^- slot {key}: .* passages: (.+)$", text, flags=re.MULTILINE)
    return [int(number) for number in line[1].split(", ")] if line else [1]


def keys_asked(request: ChatRequest) -> list[str]:
    """The keys that ``request`` wants in the reply."""
    wanted = request.response_format or {}
    if "json_schema" in wanted:
        return list(wanted["json_schema"]["schema"]["properties"])
    *_, line = re.findall(r"^Keys: (.+)$", request.last_text, flags=re.MULTILINE)
    return re.findall(r'"([^"]+)"', line)


def whole_members(text: str) -> Iterator[tuple[str, str]]:
    """The keys and texts of the members of the object in ``text`` that are whole objects, as json reads them."""
    decoder = json.JSONDecoder()
    ends = [text.find("{") + 1]

    def decoded() -> Any:
        between = BETWEEN.match(text, ends[-1])
        value, end = decoder.raw_decode(text, between.end() if between else ends[-1])
        ends.append(end)
        return value

    with suppress(ValueError):
        while ends[0]:
            key, value = decoded(), decoded()
            if isinstance(key, str) and isinstance(value, dict):
                yield key, text[ends[-2] : ends[-1]]


@dataclass(frozen=True, kw_only=True)
class Month:
    """What every scheme is given: a month's briefs, and the model that writes it."""

    number: int
    briefs: Sequence[Brief]
    patterns: Sequence[MeasuredPattern]
    limits: ModelLimits

    @cached_property
    def counter(self) -> TokenCounter:
        """The model's own."""
        return counter_for(self.limits.encoding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The days of a month that a scheme delivered, one that came twice twice; and those that it says are missing."""

    days: Sequence[str]
    missing: Sequence[str]


Scheme = Callable[[Month, StrictServer, Path], Delivered]


class _Process(OpenAIModel):
    """A model of a process that has just begun: nothing is known yet of the server and the key."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._circuit = Circuit()

    @property
    def circuit(self) -> Circuit:
        """Its own."""
        return self._circuit


def hookline(month: Month, server: StrictServer, folder: Path) -> Delivered:
    """Runs of the engine, until one misses nothing."""
    journal = RowJournal(folder / f"{month.number}.jsonl")
    missing: Sequence[str] = [str(brief.slot) for brief in month.briefs]
    for _ in range(RUNS):
        model = _Process(
            month.limits,
            api_key=server.key,
            base_url=server.base_url,
            count_prompt=partial(count_prompt, counter=month.counter),
            timeout_seconds=PATIENCE_SECONDS,
        )
        writing = write_calendar(
            "month",
            month.briefs,
            model=model,
            trends=TRENDS,
            patterns=month.patterns,
            counter=month.counter,
            budget_tokens=BUDGET_TOKENS,
            kept=journal.rows(month.briefs),
            journal=journal,
            memory=Memory(folder / "learned.json"),
            retry=POLICY,
        )
        with suppress(ModelFailure):  # a server that does not answer at all is said at once
            missing = [str(int(day[-2:])) for day in asyncio.run(writing).missing]
        if not missing:
            break
    lines = journal.path.read_text().split("\n") if journal.path.exists() else []
    dates = [json.loads(line)["row"]["date"] for line in filter(None, lines)]
    return Delivered(days=[str(int(day[-2:])) for day in dates], missing=missing)


def retry(month: Month, server: StrictServer, _: Path) -> Delivered:
    """A batch again and again, until a reply is what was asked for."""
    task = RowTask(
        briefs=month.briefs,
        patterns=month.patterns,
        counter=month.counter,
        budget_tokens=BUDGET_TOKENS,
        limits=lambda: month.limits,
        journal=None,
        on_row=lambda _: None,
        rows={},
    )
    left, days, missing = task.missing(), list[str](), list[str]()
    while left:
        move = Move(at_once=task.most_at_once)
        ask = task.ask(left[: task.most_at_once], move, save_tokens=0)
        response_format: dict[str, Any] = {"type": "json_object"}
        if ask.schema:
            reply = {"name": "reply", "strict": True, "schema": ask.schema}
            response_format = {"type": "json_schema", "json_schema": reply}
        arguments = {"response_format": response_format}
        for attempt in range(TRIES):
            time.sleep(0.01 * 2**attempt if attempt else 0)
            with suppress(*FAILURES, ValueError):
                text, ended = _said(month, server, ask.messages, content_cap(len(ask.keys)), arguments)
                if ended == "stop" and json.loads(text).keys() >= set(ask.keys):
                    days += ask.keys
                    break
        else:
            missing += ask.keys
        left = [key for key in left if key not in ask.keys]
    return Delivered(days=days, missing=missing)


def seeds(month: Month, server: StrictServer, _: Path) -> Delivered:
    """A main call, then supplements."""
    packed = pack(in_turn([brief.hits for brief in month.briefs]), BUDGET_TOKENS, month.counter)

    def rows_of(briefs: Sequence[Brief], cap: int, only: set[str] | None = None) -> list[str]:
        parts = sections(
            briefs=briefs,
            allowed={brief.slot: list(passages_of(brief, packed)) for brief in briefs},
            evidence=packed.text,
            patterns=month.patterns,
            done=[],
            cut="",
            name_keys=True,
        )
        prompt = messages([part for part in parts if only is None or part.name in only])
        for attempt in range(TRIES):
            time.sleep(0.01 * 2**attempt if attempt else 0)
            with suppress(*FAILURES):
                text, _ = _said(month, server, prompt, cap, {})
                keys = {str(brief.slot) for brief in briefs}
                return [key for key, _ in whole_members(text) if key in keys]
        return []

    days = dict.fromkeys(rows_of(month.briefs, content_cap(len(month.briefs))))
    fruitless = 0
    while fruitless < FRUITLESS:
        missing = [brief for brief in month.briefs if str(brief.slot) not in days]
        if not missing:
            break
        before, chunk = len(days), MOST_TOKENS // SUPPLEMENT_TOKENS
        for start in range(0, len(missing), chunk):
            some = missing[start : start + chunk]
            days |= dict.fromkeys(rows_of(some, SUPPLEMENT_TOKENS * len(some), SUPPLEMENT_SECTIONS))
        fruitless = fruitless + 1 if len(days) == before else 0
    left = [str(brief.slot) for brief in month.briefs if str(brief.slot) not in days]
    return Delivered(days=list(days), missing=left)


def _said(
    month: Month, server: StrictServer, prompt: Sequence[Message], cap: int, arguments: Mapping[str, Any]
) -> tuple[str, str]:
    """The reply to a plain call of the SDK, and why it ended."""
    reserve = REASONING_TOKENS if month.limits.reasons else 0
    body: dict[str, Any] = {
        "model": month.limits.name,
        "messages": [{"role": message.role, "content": message.content} for message in prompt],
        "max_completion_tokens": cap + reserve,
        "stream": True,
    }
    text, ended = "", ""
    with (
        openai.OpenAI(
            base_url=server.base_url, api_key=server.key, max_retries=0, timeout=PATIENCE_SECONDS
        ) as client,
        client.chat.completions.with_streaming_response.create(**body, **arguments) as reply,
    ):
        for line in reply.iter_lines():  # the SDK's own objects take most of a run's time
            if line.startswith("data: {"):
                (choice,) = json.loads(line.removeprefix("data: "))["choices"]
                text += choice["delta"].get("content") or ""
                ended = choice["finish_reason"] or ended
    return text, ended


SCHEMES: Mapping[str, Scheme] = {"hookline": hookline, "retry": retry, "seeds": seeds}


@dataclass(kw_only=True)
class Work:
    """What a scheme did in some months, and what it paid. ``unaccounted``: neither delivered nor said to be missing."""

    months: int = 0
    asked: int = 0
    twice: int = 0
    missing: int = 0
    unaccounted: int = 0
    delivered: Counter[str] = field(default_factory=Counter)  # by model
    paid: list[Paid] = field(default_factory=list)

    def add(self, month: Month, delivered: Delivered, paid: Sequence[Paid]) -> None:
        """Count one month."""
        asked = {str(brief.slot) for brief in month.briefs}
        days, missing = set(delivered.days), set(delivered.missing)
        self.months += 1
        self.asked += len(asked)
        self.twice += len(delivered.days) - len(days)
        self.missing += len(missing)
        self.unaccounted += len(asked ^ (days | missing)) + len(days & missing)
        self.delivered[month.limits.name] += len(days)
        self.paid += paid

    @property
    def rows(self) -> int:
        """Those that were delivered."""
        return self.delivered.total()

    @property
    def arrived(self) -> int:
        """Rows that came whole, one that came again counted again."""
        return sum(len(one.rows) for one in self.paid)

    @property
    def tokens(self) -> int:
        """All that were paid."""
        return sum(one.tokens for one in self.paid)

    def prices(self) -> dict[str, float]:
        """Tokens for a row, by model."""
        tokens = Counter[str]()
        for one in self.paid:
            tokens[one.model] += one.tokens
        return {model: tokens[model] / rows for model, rows in self.delivered.items()}

    def ratio(self, undisturbed: Work) -> float:
        """Tokens paid, to what the rows delivered cost ``undisturbed``."""
        prices = undisturbed.prices()
        return self.tokens / sum(prices[model] * rows for model, rows in self.delivered.items())

    def over(self, undisturbed: Work) -> dict[str, tuple[int, int]]:
        """By what was met: how many requests, and the tokens paid beyond the price of the rows that they brought."""
        prices, met, over = undisturbed.prices(), Counter[str](), defaultdict[str, float](float)
        for one in self.paid:
            met[one.kind] += 1
            over[one.kind] += one.tokens - prices[one.model] * len(one.rows)
        return {kind: (met[kind], round(over[kind])) for kind in met}

    def parts(self) -> dict[str, float]:
        """What a row delivered is paid for: prompts, reasoning, rows, and words that are no row."""
        parts = {
            "prompts": sum(one.prompt for one in self.paid),
            "reasoning": sum(one.reasoning for one in self.paid),
            "rows": sum(one.row_words for one in self.paid),
            "other words": sum(one.words - one.row_words for one in self.paid),
        }
        return {name: tokens / self.rows for name, tokens in parts.items()}


def worked(
    scheme: Scheme, months: Callable[[int], Month], *, faults: Iterable[Fault] = (), least: int = 0
) -> Work:
    """Month after month until ``faults`` are used up and ``least`` months are done."""
    work = Work()
    with tempfile.TemporaryDirectory() as folder, Recorder(faults) as server:
        while server.faults or work.months < least:
            month, before = months(work.months), len(server.exchanges)
            delivered = scheme(month, server, Path(folder))
            work.add(month, delivered, [server.paid(one) for one in server.exchanges[before:]])
    return work


class Months:
    """Months from January 2027 on, each planned once; the models take turns."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self._store: MemoryStore = store_of(Path(folder))
        self._patterns = measure(self._store.videos())
        self._made: dict[int, Month] = {}

    def __call__(self, number: int) -> Month:
        if number not in self._made:
            self._made[number] = Month(
                number=number,
                briefs=briefs_of(self._store, date(2027 + number // 12, number % 12 + 1, 1)),
                patterns=self._patterns,
                limits=limits_of(MODELS[number % len(MODELS)]),
            )
        return self._made[number]


def both(name: str, calls: int, seed: int) -> tuple[Work, Work]:
    """A scheme's work under the script, and undisturbed."""
    months, scheme = Months(), SCHEMES[name]
    disturbed = worked(scheme, months, faults=script(calls, seed))
    return disturbed, worked(scheme, months, least=UNDISTURBED_MONTHS)


def result(work: Work, own: Work, ours: Work) -> dict[str, Any]:
    """The figures of one scheme."""
    return {
        "months": work.months,
        "requests": len(work.paid),
        "refused": sum(one.refused for one in work.paid),
        "rows asked for": work.asked,
        "arrived": work.arrived,
        "delivered": work.rows,
        "missing": work.missing,
        "unaccounted for": work.unaccounted,
        "twice": work.twice,
        "kept": round(work.rows / work.arrived, 3),
        "paid": work.tokens,
        "ratio to own": round(work.ratio(own), 3),
        "ratio to hookline": round(work.ratio(ours), 3),
        "a row": {name: round(tokens, 1) for name, tokens in work.parts().items()},
        "a row, undisturbed": {name: round(tokens, 1) for name, tokens in own.parts().items()},
        "over": work.over(own),
    }


def table(results: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """A column for each scheme."""

    def line(name: str, values: Iterable[object]) -> str:
        return f"{name:26}" + "".join(f"{value:>12}" for value in values)

    columns = list(results.values())
    yield line("", results)
    for name, first in columns[0].items():
        if name == "over":
            yield "\ntokens over, by what the requests met (number of requests)"
            for kind in sorted({kind for column in columns for kind in column[name]}):
                met = [column[name].get(kind, (0, 0)) for column in columns]
                yield line(f"  {kind} ({', '.join(str(n) for n, _ in met)})", [tokens for _, tokens in met])
        elif isinstance(first, dict):
            yield line(f"\ntokens for {name}", [round(sum(column[name].values()), 1) for column in columns])
            for part in first:
                yield line(f"  {part}", [column[name][part] for column in columns])
        else:
            yield line(name, [column[name] for column in columns])


def main() -> None:
    """Measure, each scheme in a process, and print one table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with ProcessPoolExecutor(len(SCHEMES)) as pool:
        running = {name: pool.submit(both, name, options.calls, options.seed) for name in SCHEMES}
        works = {name: future.result() for name, future in running.items()}
    _, ours = works["hookline"]
    results = {name: result(work, own, ours) for name, (work, own) in works.items()}
    if options.json:
        print(json.dumps({"calls": options.calls, "seed": options.seed, "schemes": results}))
        return
    print(f"{options.calls} calls, seed {options.seed}", *table(results), sep="\n")


if __name__ == "__main__":
    main()
