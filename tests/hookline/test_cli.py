"""The command line, end to end: real transcripts, real Chroma, real embeddings, real HTTP."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from embedding_server import MODEL, EmbeddingServer
from samples import DATA, ROOT
from schema_instances import ConformingWriter
from strict_openai import Disconnect, Status, StrictServer

from hookline import __version__
from hookline.cli import run

TRENDS = str(DATA / "trends.csv")
TEN = ["date", "format", "trend", "pattern", "title", "hook", "script", "caption", "hashtags", "sources"]
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout, and nothing else."""
        assert self.out.count("\n") == 1
        return json.loads(self.out)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store of two of the sample creators."""
    store = str(tmp_path_factory.mktemp("filled") / "store")
    paths = [str(DATA / "creators" / name) for name in ("oskar-fixes", "greenledge")]
    assert run(["ingest", *paths, "--store", store]) == 0
    return store


@pytest.fixture
def hookline(workplace: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process; what it returned and printed."""

    def command(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return command


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == TEN
    return rows


def calendar(hookline: Any, store: str, *arguments: object, month: str = "2027-02") -> Result:
    result: Result = hookline(
        "calendar",
        "--month",
        month,
        "--trends",
        TRENDS,
        "--store",
        store,
        "--out",
        "c.csv",
        *arguments,
        "--json",
    )
    return result


def asking(server: StrictServer, model: str = "gpt-4o-mini") -> Sequence[str]:
    os.environ["OPENAI_API_KEY"] = server.key  # removed with the test's environment
    os.environ["HOOKLINE_RETRY_ATTEMPTS"] = "2"
    return ("--model", model, "--base-url", server.base_url)


def passage_of(request: Any, key: str) -> list[int]:
    """A passage number that a slot may name, from the prompt, as a model without a schema would."""
    line = next(x for x in request.last_text.splitlines() if x.startswith(f"- slot {key}:"))
    return [int(line.rsplit("passages: ", 1)[1].split(",")[0])]


# the whole of it


def test_ingest_reports_and_a_second_run_leaves_all_alone(hookline: Any, tmp_path: Path) -> None:
    """Seven videos with speech and one without; again, nothing is added."""
    first = hookline("ingest", DATA / "creators/oskar-fixes", "--store", tmp_path / "s", "--json")
    assert first.code == 0
    assert (first.json["transcripts"], first.json["added"], first.json["failed"]) == (7, 7, [])
    assert first.json["skipped"][0]["reason"] == "no speech in it"
    again = hookline("ingest", DATA / "creators/oskar-fixes", "--store", tmp_path / "s", "--json")
    assert (again.json["added"], again.json["unchanged"]) == (0, 7)
    assert again.json["chunks"] == first.json["chunks"]


def test_ingest_prunes_what_is_gone(hookline: Any, tmp_path: Path) -> None:
    """Only when it is asked to; what became of each video is in the report."""
    folder = shutil.copytree(DATA / "creators/oskar-fixes", tmp_path / "oskar")
    arguments = ("ingest", folder, "--store", tmp_path / "s", "--json")
    first = hookline(*arguments).json
    assert {file["status"] for file in first["files"]} == {"added"}
    gone = Path(first["files"][0]["path"])
    gone.unlink()
    assert hookline(*arguments).json["removed"] == 0
    pruned = hookline(*arguments, "--prune").json
    assert (pruned["removed"], pruned["unchanged"]) == (1, 6)
    assert {"path": str(gone), "status": "removed"}.items() <= pruned["files"][-1].items()


def test_another_embedding_model_by_setting(
    hookline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embeddings of a server, by two settings; a store of one model refuses another with one line."""
    (tmp_path / "talk.txt").write_text("Rye bread is slow. Wheat bread is fast.")
    with EmbeddingServer() as server:
        monkeypatch.setenv("HOOKLINE_EMBEDDING_MODEL", MODEL)
        monkeypatch.setenv("HOOKLINE_EMBEDDING_BASE_URL", server.base_url)
        monkeypatch.setenv("HOOKLINE_EMBEDDING_API_KEY", server.key)
        store = ("--store", tmp_path / "s")
        assert hookline("ingest", tmp_path / "talk.txt", *store).code == 0
        assert "Rye bread" in hookline("search", "rye bread", *store).out
        assert server.requests[-1] == ["rye bread"]
        monkeypatch.delenv("HOOKLINE_EMBEDDING_BASE_URL")
        monkeypatch.setenv("HOOKLINE_EMBEDDING_MODEL", "all-MiniLM-L6-v2")
        refused = hookline("search", "rye bread", *store)
    assert refused.code == 2
    assert f"was made with the embedding model {MODEL}, not all-MiniLM-L6-v2" in refused.err
    assert refused.err.count("\n") == 1


def test_a_long_ingest_says_how_far_it_is_where_there_is_no_terminal(
    hookline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line now and then with rate and time left, for logs."""
    monkeypatch.setattr("hookline.views._SECONDS_BETWEEN_LINES", 0.0)
    done = hookline("ingest", DATA / "creators/oskar-fixes", "--store", tmp_path / "s")
    assert re.search(r"[0-9.]+ of [0-9.]+ MB, [0-9.]+ MB/s, [0-9:]+ left, at .*oskar-fixes", done.err)


def test_creators_lists_who_is_in_the_store(hookline: Any, filled: str) -> None:
    """Videos, chunks, tokens and the newest date of each."""
    found = hookline("creators", "--store", filled, "--json").json["creators"]
    assert [(c["creator"], c["videos"]) for c in found] == [("greenledge", 7), ("oskar-fixes", 7)]
    assert all(c["chunks"] > 20 and c["tokens"] > 5000 and c["newest"] > "2026-08" for c in found)
    assert "greenledge" in hookline("creators", "--store", filled).out


def test_search_finds_what_was_said_under_the_budget(hookline: Any, filled: str) -> None:
    """The passage that answers comes first; every window is kept or dropped; the tokens add up."""
    found = hookline("search", "why does my toaster lever not stay down", "--store", filled, "--json").json
    assert found["kept"][0]["video_id"] == "oT5r_Kw8vBn"
    assert "magnet" in found["context"]
    assert sum(kept["tokens"] for kept in found["kept"]) == found["tokens"] <= found["budget_tokens"] == 1000
    assert all(dropped["reason"] for dropped in found["dropped"])
    text = hookline("search", "toaster", "--store", filled, "--budget", "200", "--explain")
    assert "rank" in text.out
    assert "does not fit" in text.out
    assert "200 tokens" in text.err


def test_search_keeps_to_a_creator(hookline: Any, filled: str) -> None:
    """``--creator`` leaves the others out; an unknown one is named."""
    found = hookline("search", "toaster", "--store", filled, "--creator", "greenledge", "--json").json
    assert {kept["creator"] for kept in found["kept"]} == {"greenledge"}
    wrong = hookline("search", "toaster", "--store", filled, "--creator", "nobody")
    assert wrong.code == 2
    assert "it has greenledge, oskar-fixes" in wrong.err


def test_offline_calendar(hookline: Any, filled: str, tmp_path: Path) -> None:
    """Without a key: 28 drafted rows of ten columns, sources and all, exit code 0."""
    result = calendar(hookline, filled, "--out", "c.html", "--out", "c.json")
    assert result.code == 0
    report = result.json
    assert (report["status"], report["missing"], report["calls"], report["cost_usd"]) == (
        "complete",
        [],
        [],
        0,
    )
    rows = rows_of(tmp_path / "c.csv")
    assert [row["date"] for row in rows] == [f"2027-02-{day:02}" for day in range(1, 29)]
    assert all(all(row.values()) for row in rows)
    assert {row["status"] for row in report["rows"]} == {"drafted"}
    assert [row[column] for row in report["rows"] for column in TEN] == [
        v for row in rows for v in row.values()
    ]
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert page.count("<article") == 28
    assert "http" not in page.lower().replace("http-equiv", "")
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))["rows"] == report["rows"]


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-4-turbo-preview", "gpt-5-mini", "gpt-3.5-turbo"])
def test_a_model_writes_the_month_within_every_limit(
    hookline: Any, filled: str, tmp_path: Path, model: str
) -> None:
    """Against a server that refuses what OpenAI refuses: 28 rows, nothing refused, nothing missing."""
    with StrictServer(writer=ConformingWriter(evidence=passage_of)) as server:
        result = calendar(hookline, filled, *asking(server, model))
    assert result.code == 0
    assert result.json["status"] == "complete"
    assert {row["status"] for row in result.json["rows"]} == {"generated"}
    assert len(rows_of(tmp_path / "c.csv")) == 28
    assert all(reply.finish_reason == "stop" for reply in server.replies)
    assert len(server.replies) == len(server.requests) == len(result.json["calls"])
    for call, request in zip(result.json["calls"], server.requests, strict=True):
        assert call["max_tokens"] == request.max_tokens


def test_a_server_that_cuts_every_reply_still_gives_every_row(
    hookline: Any, filled: str, tmp_path: Path
) -> None:
    """Every reply ends at 300 tokens: 28 generated rows, and no whole row is paid for twice."""
    with StrictServer(reply_cap=300) as server:
        result = calendar(hookline, filled, *asking(server))
    assert (result.code, result.json["status"]) == (0, "complete")
    assert len(rows_of(tmp_path / "c.csv")) == 28
    assert {row["status"] for row in result.json["rows"]} == {"generated"}
    assert sum(call["units_kept"] for call in result.json["calls"]) == 28


def test_a_server_that_dies_loses_nothing_that_arrived(hookline: Any, filled: str, tmp_path: Path) -> None:
    """Two replies, then silence: their rows are kept, the rest is drafted, partial, exit code 3."""
    with StrictServer(dies_after=2) as server:
        result = calendar(hookline, filled, *asking(server))
    assert (result.code, result.json["status"]) == (3, "partial")
    kept = sum(call["units_kept"] for call in result.json["calls"])
    assert [row["status"] for row in result.json["rows"]] == ["generated"] * kept + ["drafted"] * (28 - kept)
    assert result.json["missing"] == [row["date"] for row in result.json["rows"][kept:]]
    assert len(rows_of(tmp_path / "c.csv")) == 28


def test_a_broken_stream_keeps_its_whole_rows(hookline: Any, filled: str) -> None:
    """A connection lost in the middle of a reply: what was whole stays, the rest is asked for again."""
    with StrictServer(faults=[Disconnect(after_tokens=400)]) as server:
        result = calendar(hookline, filled, *asking(server))
    assert (result.code, result.json["status"]) == (0, "complete")
    assert 0 < result.json["calls"][0]["units_kept"] < 6


def test_an_exhausted_quota_ends_partial(hookline: Any, filled: str) -> None:
    """Asking again cannot heal it: one call, every row drafted, exit code 3, and the remedy is said."""
    with StrictServer(faults=[Status(429, "insufficient_quota")] * 9) as server:
        result = calendar(hookline, filled, *asking(server))
    assert (result.code, len(server.requests)) == (3, 1)
    assert "the quota" in result.err


def test_a_run_that_ended_early_is_resumed_without_paying_twice(
    hookline: Any, filled: str, tmp_path: Path
) -> None:
    """Law 4: after a dead server, ``--resume`` asks only for the days that are missing."""
    with StrictServer(dies_after=2) as server:
        first = calendar(hookline, filled, *asking(server))
    had = [row for row in first.json["rows"] if row["status"] == "generated"]
    with StrictServer() as server:
        second = calendar(hookline, filled, *asking(server), "--resume")
        third = calendar(hookline, filled, *asking(server), "--resume")
    assert (first.code, second.code, third.code) == (3, 0, 0)
    assert sum(call["units_kept"] for call in second.json["calls"]) == 28 - len(had)
    assert second.json["rows"][: len(had)] == had
    assert third.json["calls"] == []
    assert third.json["rows"] == second.json["rows"]
    assert hookline("calendar", "--month", "2027-02", "--trends", TRENDS, "--resume", "--overwrite").code == 2


# bad input: one line, exit code 2, nothing written

BAD = [
    (["ingest", "nowhere"], "nowhere does not exist"),
    (["ingest", "empty.srt"], "empty"),
    (["ingest", str(DATA / "creators/oskar-fixes"), "--model", "gpt-9"], "unknown model 'gpt-9'"),
    (
        ["calendar", "--month", "2027-02", "--trends", TRENDS, "--out", "taken.csv/a/c.csv"],
        "cannot be written",
    ),
    (["ingest", "secret.srt"], "secret.srt"),
    (["search", "bread", "--store", "none"], "the store none is empty: fill it with 'hookline ingest PATH'"),
    (["creators", "--store", "none"], "the store none is empty"),
    (["search", "lamp", "--budget", "5"], "raise --budget to"),
    (["search", "lamp", "--budget", "0"], "budget"),
    (["search", " "], "the query is empty"),
    (
        ["calendar", "--month", "2026-13", "--trends", TRENDS],
        "'2026-13' is not a month: write it like 2027-02",
    ),
    (["calendar", "--month", "2027-02", "--trends", "no.csv"], "no.csv does not exist"),
    (["calendar", "--month", "2027-02", "--trends", "nameless.csv"], "no column of names"),
    (["calendar", "--month", "2027-02", "--trends", TRENDS, "--out", "taken.csv"], "taken.csv exists"),
    (["calendar", "--month", "2027-02", "--trends", TRENDS, "--out", "a.docx"], "no export to .docx"),
    (["calendar", "--month", "2027-02", "--trends", TRENDS, "--model", "gpt-9"], "unknown model 'gpt-9'"),
    (["calendar", "--month", "2027-02", "--trends", TRENDS, "--model", "gpt-4o"], "gpt-4o needs a key"),
    (["calendar", "--month", "2027-02", "--trends", TRENDS, "--base-url", "nowhere"], "base URL 'nowhere'"),
    (["calendar", "--month", "2027-02", "--trends", TRENDS, "--budget", "5"], "raise --budget to"),
    (["models", "gpt-9"], "unknown model 'gpt-9'"),
    (["search", "lamp", "--store", "taken.csv"], "neither a folder nor an http(s) URL"),
    (
        ["calendar", "--month", "2027-02", "--trends", TRENDS, "--resume", "--out", "taken.csv"],
        "taken.csv exists",
    ),
    (["calender"], "No such command 'calender'"),
    (["search"], "Missing argument 'QUERY'"),
    (["search", "x", "--nonsense"], "No such option"),
    (["calendar", "--month", "2027-02"], "Missing option '--trends'"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD, ids=[" ".join(a)[:50] for a, _ in BAD])
def test_bad_input_is_one_clear_line_and_nothing_is_written(
    hookline: Any, filled: str, workplace: Path, arguments: list[str], message: str
) -> None:
    """What is wrong is named with its remedy; exit code 2; no file appears or changes."""
    (workplace / "empty.srt").touch()
    (workplace / "secret.srt").write_bytes(b"\0\1\2")
    (workplace / "nameless.csv").write_text("a,b\n1,2\n")
    (workplace / "taken.csv").write_text("mine")
    before = {path: path.read_bytes() for path in workplace.rglob("*") if path.is_file()}
    if arguments[0] in {"search", "calendar"} and "--store" not in arguments:
        arguments = [*arguments, "--store", filled]
    result = hookline(*arguments)
    assert result.code == 2
    assert message in result.err
    assert result.err.count("\n") == 1
    assert result.err.startswith("error: ")
    assert result.out == ""
    assert {path: path.read_bytes() for path in workplace.rglob("*") if path.is_file()} == before


def test_a_server_that_is_not_there_is_bad_input(hookline: Any, filled: str, workplace: Path) -> None:
    """A base URL that does not answer: exit code 2, the URL and the remedy, nothing written."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    result = calendar(hookline, filled, "--model", "gpt-4o-mini", "--base-url", url)
    assert result.code == 2
    assert f"no answer from {url}" in result.err
    assert result.err.count("\n") == 1
    assert list(workplace.iterdir()) == []


def test_a_trend_without_a_row_is_said(hookline: Any, filled: str, workplace: Path) -> None:
    """Law 3: a trend that nothing was said about is a warning, not a silence."""
    (workplace / "t.txt").write_text("Toaster repair\nQuantum chromodynamics\n")
    result = hookline("calendar", "--month", "2027-02", "--trends", "t.txt", "--store", filled, "--json")
    assert [w for w in result.json["warnings"] if "has no row" in w] == [
        "trend 'Quantum chromodynamics' has no row: nothing near it was said, or its days were taken"
    ]


def test_a_refused_key_and_an_unknown_model_are_bad_input(
    hookline: Any, filled: str, workplace: Path
) -> None:
    """What the server refuses before its first reply: exit code 2 and the remedy, nothing written."""
    with StrictServer() as server:
        asking(server)
        os.environ["OPENAI_API_KEY"] = "wrong"
        refused = calendar(hookline, filled, "--model", "gpt-4o-mini", "--base-url", server.base_url)
        unknown = calendar(hookline, filled, *asking(server, "gpt-4.1"))
    assert (refused.code, unknown.code) == (2, 2)
    assert "refused the API key" in refused.err
    assert "does not know the model gpt-4.1" in unknown.err
    assert list(workplace.iterdir()) == []


def test_overwrite_replaces_an_output(hookline: Any, filled: str, workplace: Path) -> None:
    """An output that exists is replaced when told to, and only then."""
    (workplace / "c.csv").write_text("mine")
    assert calendar(hookline, filled).code == 2
    assert (workplace / "c.csv").read_text() == "mine"
    assert calendar(hookline, filled, "--overwrite").code == 0
    assert len(rows_of(workplace / "c.csv")) == 28


def test_models_shows_limits_and_prices(hookline: Any) -> None:
    """The table, one model, and the pseudo model ``offline``."""
    assert hookline("models", "gpt-4-turbo-preview", "--json").json["models"][0]["context_window"] == 128_000
    assert "gpt-5-mini" in hookline("models").out
    assert "max_completion_tokens" in hookline("models", "gpt-5-mini").out
    assert hookline("models", "offline").code == 0


def test_other_programs_variables_are_not_ours(
    hookline: Any, filled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``API_KEY`` and ``BASE_URL`` are somebody else's: without our own names the model stays offline."""
    monkeypatch.setenv("API_KEY", "foreign")
    monkeypatch.setenv("BASE_URL", "http://127.0.0.1:9")
    assert calendar(hookline, filled).json["calls"] == []


def test_settings_come_from_flags_then_environment_then_file(
    hookline: Any, filled: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``hookline.toml`` is the weakest, a flag the strongest; a wrong entry is named."""
    (workplace / "hookline.toml").write_text(f'store = "{filled}"\nbudget_tokens = 300\n')
    assert hookline("search", "lamp", "--json").json["budget_tokens"] == 300
    monkeypatch.setenv("HOOKLINE_BUDGET_TOKENS", "250")
    assert hookline("search", "lamp", "--json").json["budget_tokens"] == 250
    assert hookline("search", "lamp", "--budget", "200", "--json").json["budget_tokens"] == 200
    (workplace / "hookline.toml").write_text('stroe = "x"\n')
    wrong = hookline("creators")
    assert wrong.code == 2
    assert "setting stroe" in wrong.err


def hookline_process(*arguments: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "hookline"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, **kwargs)


def test_help_is_quick_because_it_imports_no_model() -> None:
    """Start-up loads neither torch nor Chroma nor the SDK; the version is printed."""
    code = (
        "import sys; from hookline.cli import run; run(['--help']); "
        "print([m for m in ('torch', 'chromadb', 'openai', 'pydantic', 'numpy', 'rich') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("[]\n")
    assert hookline_process("--version").stdout == f"hookline {__version__}\n"


def test_debug_shows_where(workplace: Path) -> None:
    """A traceback only with ``--debug``, wherever it stands."""
    plain = hookline_process("search", "x", "--store", "none", cwd=workplace)
    debug = hookline_process("search", "x", "--store", "none", "--debug", cwd=workplace)
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr


def test_the_demo_opens_no_connection_to_the_outside(workplace: Path) -> None:
    """Law 8: with every connection but to this machine itself refused, the demo runs to its end."""
    guard = workplace / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(
        "import os, socket, sys\n"
        "real = socket.socket.connect\n"
        "def connect(self, address):\n"
        "    if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith('127.'):\n"
        "        print('connects to', address, file=sys.stderr); os._exit(77)\n"
        "    return real(self, address)\n"
        "socket.socket.connect = connect\n"
        "def resolve(*args, **kwargs):\n"
        "    print('resolves', args, file=sys.stderr); os._exit(77)\n"
        "socket.getaddrinfo = resolve\n"
    )
    environment = os.environ | {"PYTHONPATH": str(guard)}
    demo = hookline_process("demo", cwd=workplace, env=environment)
    assert demo.returncode == 0, demo.stderr
    paths = demo.stdout.split()
    assert [Path(path).suffix for path in paths] == [".csv", ".html", ".json"]
    rows = rows_of(workplace / paths[0])
    assert len(rows) >= 28
    assert len({row["hook"] for row in rows}) == len(rows)
    assert len({source.split("/")[0] for row in rows for source in row["sources"].split("; ")}) == 6
    assert "45 videos" in demo.stderr
    assert (ROOT / "data").is_dir()
