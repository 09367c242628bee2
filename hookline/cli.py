"""The command line. Data goes to stdout, everything else to stderr; heavy imports wait for their command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hookline import __version__
from hookline.exits import FAILED, INTERRUPTED, USAGE
from rag.errors import BadInput, DoesNotFit, HooklineError, ServiceFailure

if TYPE_CHECKING:
    from hookline.settings import Settings

app = typer.Typer(
    name="hookline",
    help="Creators' video transcripts in, next month's content calendar out. '--debug' anywhere shows tracebacks.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Store = Annotated[str | None, typer.Option("--store", metavar="DIR|URL", help="Where the vectors are.")]
Model = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="The model; 'offline' needs none.")
]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="An OpenAI-compatible server.")
]
Creators = Annotated[
    list[str] | None, typer.Option("--creator", metavar="NAME", help="Only this creator; may be repeated.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Budget = Annotated[int | None, typer.Option("--budget", min=1, metavar="TOKENS", help="Tokens of context.")]


def main() -> None:
    """Run the command line and exit: 0 done, 2 bad input, 3 partial, 1 anything else."""
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")
    sys.exit(run(arguments, debug=debug))


def run(arguments: Sequence[str], *, debug: bool = False) -> int:
    """Run one command; its exit code. What goes wrong is one line on stderr, unless ``debug``."""
    try:
        code = app(args=list(arguments), standalone_mode=False, prog_name="hookline")
    except BaseException as error:
        if debug and not isinstance(error, SystemExit | typer.Exit):
            raise
        return _explain(error)
    if code == INTERRUPTED:
        _say("stopped")
    return code if isinstance(code, int) else 0


def _explain(error: BaseException) -> int:
    """One line on stderr for an error, and its exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, KeyboardInterrupt) or type(error).__name__ == "Abort":
        _say("stopped")
        return INTERRUPTED
    if type(error).__name__ == "NoArgsIsHelpError":
        print(error, file=sys.stderr)
        return USAGE
    if hasattr(error, "format_message"):  # the parser's own: wrong usage
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "hookline"
        _say(f"error: {error.format_message().rstrip('.')}: see '{command} --help'")
        return USAGE
    if isinstance(error, HooklineError):
        _say(f"error: {error}")
        return USAGE if isinstance(error, BadInput | DoesNotFit | ServiceFailure) else FAILED
    _say(f"error: {type(error).__name__}: {error} (--debug shows where)")
    return FAILED


def _say(line: str) -> None:
    print(" ".join(line.split("\n")), file=sys.stderr, flush=True)


def _settings(**given: Any) -> Settings:
    from hookline.settings import load_settings  # noqa: PLC0415

    return load_settings(**given)


def _version(wanted: bool) -> None:  # noqa: FBT001  # the parser's callback
    if wanted:
        print(f"hookline {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the calendar goes, in place of the last one.")
    ] = Path("demo"),
    store: Store = None,
    model: Model = None,
    base_url: BaseUrl = None,
) -> None:
    """Do the main job on the sample data: ingest, plan next month, write the calendar."""
    from hookline import commands  # noqa: PLC0415

    settings = _settings(store=store or ".hookline/demo", model=model or "offline", base_url=base_url)
    raise typer.Exit(commands.demo(settings, out))


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Transcripts, or folders of them.")],
    creator: Annotated[
        str | None, typer.Option("--creator", metavar="NAME", help="Whose videos these are.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove videos whose file was in PATH and is gone.")
    ] = False,
    store: Store = None,
    model: Model = None,
    base_url: BaseUrl = None,
    json: Json = False,
) -> None:
    """Put transcripts into the store; what is there already is left alone."""
    from hookline import commands  # noqa: PLC0415

    settings = _settings(store=store, model=model, base_url=base_url)
    raise typer.Exit(commands.ingest(settings, paths, creator=creator, prune=prune, as_json=json))


@app.command()
def creators(
    store: Store = None,
    model: Model = None,
    base_url: BaseUrl = None,
    json: Json = False,
) -> None:
    """Show who is in the store: videos, chunks, tokens, newest."""
    from hookline import commands  # noqa: PLC0415

    settings = _settings(store=store, model=model, base_url=base_url)
    raise typer.Exit(commands.creators(settings, as_json=json))


@app.command()
def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.")],
    budget: Budget = None,
    creator: Creators = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what was kept and dropped, and why.")
    ] = False,
    store: Store = None,
    model: Model = None,
    base_url: BaseUrl = None,
    json: Json = False,
) -> None:
    """Print the best passages for QUERY that fit the budget."""
    from hookline import commands  # noqa: PLC0415

    settings = _settings(store=store, model=model, base_url=base_url, budget_tokens=budget)
    raise typer.Exit(commands.search(settings, query, creators=creator, explain=explain, as_json=json))


@app.command()
def calendar(
    month: Annotated[str, typer.Option("--month", metavar="YYYY-MM", help="The month to plan.")],
    trends: Annotated[Path, typer.Option("--trends", metavar="FILE", help="CSV, JSON or text, a name each.")],
    creator: Creators = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", metavar="FILE", help="A .csv, .json or .html file; may be repeated."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the rows that an earlier run got; replace its outputs.")
    ] = False,
    budget: Budget = None,
    store: Store = None,
    model: Model = None,
    base_url: BaseUrl = None,
    json: Json = False,
) -> None:
    """Write one row for every day of the month, each with its sources."""
    from hookline import commands  # noqa: PLC0415

    settings = _settings(store=store, model=model, base_url=base_url, budget_tokens=budget)
    raise typer.Exit(
        commands.calendar(
            settings,
            month,
            trends,
            creators=creator,
            out=out,
            overwrite=overwrite,
            resume=resume,
            as_json=json,
        )
    )


@app.command()
def codegen(
    repo: Annotated[Path, typer.Option("--repo", metavar="DIR", help="The git repository to change.")],
    request: Annotated[
        str | None, typer.Argument(metavar="REQUEST", help="What to change; may be left out with --resume.")
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file", metavar="PATH", help="A file that it is about, relative to --repo; may be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the diff goes; stdout without it.")
    ] = None,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Change the work tree, if the diff is whole and overwrites nothing."),
    ] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="TOKEN", help="Go on with a run that was partial.")
    ] = None,
    store: Store = None,
    model: Model = None,
    base_url: BaseUrl = None,
    json: Json = False,
) -> None:
    """Have a model change a repository: a diff that git applies, however often its replies are cut."""
    from hookline import codegen_command  # noqa: PLC0415

    settings = _settings(store=store, model=model, base_url=base_url)
    raise typer.Exit(
        codegen_command.codegen(
            settings, request, repo, files=file or [], out=out, apply=apply, resume=resume, as_json=json
        )
    )


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One model only.")] = None,
    store: Store = None,
    model: Model = None,
    base_url: BaseUrl = None,
    json: Json = False,
) -> None:
    """Show each model's limits, prices and the output parameter that a call will use.

    A NAME that is not known is asked for at the server of --base-url.
    """
    from hookline import models_command  # noqa: PLC0415

    settings = _settings(store=store, model=model, base_url=base_url)
    raise typer.Exit(models_command.models(settings, name, as_json=json))
