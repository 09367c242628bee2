"""Make `.venv`: the project, its pinned dependencies and its tools, in one editable installation.

Standard library only: it runs on whatever Python 3.11+ the machine has, before anything is installed.

    set_up.py             make `.venv`, or bring it up to date
    set_up.py --check     exit 0 when `.venv` is up to date; run by the Python inside it
    set_up.py --lock      compile constraints.txt anew, keeping its pins; with --upgrade: newest versions

uv installs, pip brings uv. uv reads none of pip's settings, so those of `pip config list` are passed on.
Why torch needs the care it gets here: docs/decisions/003-set-up-and-torch.md
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
import time
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
STAMPED = ("pyproject.toml", "constraints.txt", "tools/set_up.py")
VENV = ".venv"
PYTHON = f"{VENV}/bin/python"
UV = f"{VENV}/bin/uv"
STAMP = ROOT / VENV / "set-up.stamp"

CUDA_PACKAGE = re.compile(r"(nvidia|cuda|triton)\b")
CONSTRAINTS_HEADER = """\
# Pins for every platform and Python 3.11+, written by `make lock`. They constrain, they do not require.
# torch's GPU packages are left out: torch's own metadata pins them where its GPU build is installed.
"""


class SetUpError(Exception):
    """The set-up cannot go on; the message is one line that says what to do."""


def main(arguments: Sequence[str]) -> int:
    """Run one of the three commands of the module's docstring; return the exit code."""
    if arguments == ["--check"]:
        if read_stamp() != stamp(ROOT):
            return 1
        say(f"{VENV} is up to date")
        return 0
    try:
        if "--lock" in arguments:
            lock(upgrade="--upgrade" in arguments)
        else:
            set_up()
    except SetUpError as error:
        print(f"set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("set-up: interrupted; the next call starts afresh", file=sys.stderr)
        return 130
    return 0


def set_up() -> None:
    """Make `.venv` or bring it up to date; an unfinished or broken one is made anew."""
    started = time.monotonic()
    if missing := [name for name in STAMPED if not (ROOT / name).exists()]:
        raise SetUpError(
            f"{', '.join(missing)} is missing: take it from git again (constraints.txt: or make lock)"
        )
    old, new, works = read_stamp(), stamp(ROOT), venv_works()
    if old == new and works:
        say(f"{VENV} is up to date")
        return
    STAMP.unlink(missing_ok=True)  # written last, so that whatever is cut short now is made anew next time
    if not works or must_rebuild(old, new):
        create_venv()
    uv_environment = bring_uv()
    if uv_environment is None:
        install_with_pip()
    else:
        install_with_uv(uv_environment)
    STAMP.write_text(new, encoding="utf-8")
    say(f"done in {time.monotonic() - started:.0f} s: {torch_summary(installed(ROOT / VENV))}")


def lock(*, upgrade: bool) -> None:
    """Compile constraints.txt from pyproject.toml; pins that still fit stay, unless `upgrade`."""
    if not venv_works():
        create_venv()
    settings = bring_uv()
    if settings is None:
        raise SetUpError("make lock needs uv, and pip could not install it")
    # A pin must hold on every machine: what lies in this one's own folders and extra indexes has no say.
    environment = {name: text for name, text in settings.items() if name not in {"UV_FIND_LINKS", "UV_INDEX"}}
    constraints, compiled = ROOT / "constraints.txt", ROOT / VENV / "constraints.compiled"
    compiled.write_text(constraints.read_text("utf-8") if constraints.exists() else "", "utf-8")
    say(
        f"compiling constraints.txt {'with the newest versions' if upgrade else '(UPGRADE=1: newest versions)'}"
    )
    run(
        [UV, "pip", "compile", "pyproject.toml", "--group", "dev", "--group", "set-up", "--quiet"]
        + ["--universal", "--python-version", "3.11", "--fork-strategy", "fewest"]
        + ["--no-emit-index-url", "--no-annotate", "--no-header", "--output-file", str(compiled)]
        + (["--upgrade"] if upgrade else []),
        environment,
        or_else="uv found no set of versions that fits pyproject.toml (its reason is above)",
    )
    constraints.write_text(portable_pins(compiled.read_text("utf-8")), "utf-8")
    compiled.unlink()


# What is already there


def stamp(root: Path, python: tuple[int, int] = sys.version_info[:2]) -> str:
    """All that a finished `.venv` depends on: what can't be updated in place first, then the files."""
    digests = (f"{name} {hashlib.sha256((root / name).read_bytes()).hexdigest()}" for name in STAMPED)
    return "\n".join(["python {}.{}".format(*python), f"folder {root}", *digests, ""])


def must_rebuild(old: str | None, new: str) -> bool:
    """Whether `.venv` must be made anew: it was never finished, has another Python, or was moved."""
    return old is None or old.splitlines()[:2] != new.splitlines()[:2]


def read_stamp() -> str | None:
    """Return the stamp of the last finished set-up, if there was one."""
    try:
        return STAMP.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def venv_works() -> bool:
    """Whether the Python in `.venv` runs, has pip, and is of the version that runs this."""
    probe = "import pip, sys; sys.exit(sys.version_info[:2] != ({}, {}))".format(*sys.version_info[:2])
    try:
        return not subprocess.run(
            [PYTHON, "-I", "-c", probe], cwd=ROOT, capture_output=True, check=False
        ).returncode
    except OSError:
        return False


def installed(venv: Path) -> dict[str, str]:
    """Name and version of each distribution in a virtual environment."""
    folders = venv.glob("lib/python*/site-packages/*.dist-info")
    return {name: version for name, _, version in (folder.stem.partition("-") for folder in folders)}


def torch_summary(distributions: Mapping[str, str]) -> str:
    """One line about the torch that was installed and what came along with it."""
    cuda = sum(1 for name in distributions if CUDA_PACKAGE.match(name.replace("_", "-")))
    along = f"{cuda} GPU packages came along" if cuda else "no GPU packages"
    return f"torch {distributions.get('torch', 'missing')}, {along}"


# The steps


def create_venv() -> None:
    """Make an empty `.venv` with pip in it, in place of whatever is there."""
    if importlib.util.find_spec("ensurepip") is None:
        raise SetUpError(f"{sys.executable} lacks its venv module (on Debian: apt install python3-venv)")
    say("making {} with Python {}.{}".format(VENV, *sys.version_info[:2]))
    run([sys.executable, "-m", "venv", "--clear", VENV], {}, or_else=f"python -m venv {VENV} failed")


def bring_uv() -> dict[str, str] | None:
    """Install uv with pip; return the environment it needs to look where pip looks, None without uv."""
    say("installing uv, with pip")
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check"]
    constraints = ["--constraint", "constraints.txt"] if (ROOT / "constraints.txt").exists() else []
    if complaint := attempt([*pip, "install", "--quiet", *constraints, "uv"], {}, quiet=True):
        say(f"uv is not to be had here ({reason(complaint)})")
        return None
    listing = subprocess.run([*pip, "config", "list"], cwd=ROOT, capture_output=True, text=True, check=False)
    return uv_environment(read_pip_settings(listing.stdout), os.environ)


def install_with_uv(environment: Mapping[str, str]) -> None:
    """Install everything with uv: with the CPU build of torch, if there is a way to get it."""
    install = [
        UV,
        "pip",
        "install",
        "--python",
        PYTHON,
        "--build-constraints",
        "constraints.txt",
    ]
    links = environment.get("UV_FIND_LINKS", os.environ.get("UV_FIND_LINKS", "")).split(",")
    choices = torch_choices(
        find_cpu_wheel(links, pinned_torch((ROOT / "constraints.txt").read_text("utf-8")))
    )
    complaint = ""
    for announcement, flags in choices:
        if complaint:
            say(f"that did not work ({reason(complaint)})")
        say(f"installing Hookline, its dependencies and tools, with uv; torch: {announcement}")
        complaint = attempt([*install, *flags, *requirements()], environment)
        if not complaint:
            return
    print(complaint, file=sys.stderr)
    raise SetUpError("uv could not install the dependencies (its reason is above)")


def install_with_pip() -> None:
    """Install everything with pip alone, from the same pins."""
    say(
        "installing Hookline, its dependencies and tools, with pip (minutes; torch may be the large GPU build)"
    )
    run(
        [PYTHON, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *requirements()],
        {},
        or_else="pip could not install the dependencies (its reason is above)",
    )


def requirements() -> list[str]:
    """Return what to install, for uv and pip alike: the project as it lies here and its dev group, within the pins."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return ["--constraint", "constraints.txt", "--editable", ".", *groups["dev"]]


# What pip is told on this machine, for uv


def read_pip_settings(listing: str) -> dict[str, str]:
    r"""Return the settings in force for `pip install`, out of what `pip config list` prints.

    Later files override earlier ones in pip itself; of the sections, the environment is the strongest.

    >>> read_pip_settings("global.find-links='/a'\n:env:.find-links='/b /c'")
    {'find-links': '/b /c'}
    """
    settings = {}
    for section in ("global", "install", ":env:"):
        for line in listing.splitlines():
            name, _, value = line.partition("=")
            where, _, key = name.rpartition(".")
            if where == section and value[:1] in {"'", '"'}:
                settings[key] = str(ast.literal_eval(value)).strip()
    return settings


def uv_environment(pip: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make uv look where pip looks; those that are set already win.

    Folders that do not exist are left out: pip warns about them, uv gives up.
    """
    links = [str(local_path(link) or link) for link in pip.get("find-links", "").split() if is_there(link)]
    indexes = [index for index in pip.get("extra-index-url", "").split() if is_there(index)]
    wanted = {
        "UV_FIND_LINKS": ",".join(links),
        "UV_DEFAULT_INDEX": pip.get("index-url", ""),
        "UV_INDEX": " ".join(indexes),
        # pip takes the best version of all indexes; uv by default only looks at the first that has the name
        "UV_INDEX_STRATEGY": "unsafe-best-match" if indexes else "",
        "UV_NO_INDEX": "true" if pip.get("no-index", "").lower() in {"1", "true", "yes", "on"} else "",
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
        "UV_HTTP_TIMEOUT": pip.get("timeout", pip.get("default-timeout", "")),
        "SSL_CERT_FILE": pip.get("cert", ""),
        "ALL_PROXY": pip.get("proxy", ""),
    }
    return {name: value for name, value in wanted.items() if value and name not in environment}


def local_path(location: str) -> Path | None:
    """Return the path that a find-links or index location names on this machine, None for one elsewhere."""
    if location.startswith("file:"):
        return Path(unquote(urlsplit(location).path))
    return None if "://" in location else Path(location).expanduser()


def is_there(location: str) -> bool:
    """Whether uv can use a location: it is elsewhere, or it is a folder that exists."""
    path = local_path(location)
    return path is None or (ROOT / path).is_dir()


# torch


def torch_choices(cpu_wheel: Path | None) -> list[tuple[str, list[str]]]:
    """Return the ways to get torch, best first: what to say, and the flags for uv."""
    if cpu_wheel is not None:
        return [(f"the CPU build in pip's find-links ({cpu_wheel.name})", [])]
    return [
        ("the build that fits this machine, CPU where there is no GPU", ["--torch-backend=auto"]),
        ("the default build after all (on Linux with CUDA: gigabytes more)", []),
    ]


def pinned_torch(constraints: str) -> str:
    """Return the version that constraints.txt pins torch to."""
    if pin := re.search(r"^torch==([^\s;]+)", constraints, re.MULTILINE):
        return pin[1]
    raise SetUpError(
        "constraints.txt does not pin torch: unpinned it brings gigabytes of CUDA; run make lock"
    )


def find_cpu_wheel(
    links: Iterable[str],
    version: str,
    python: str = "cp{}{}".format(*sys.version_info[:2]),
    platform: str = sysconfig.get_platform(),
) -> Path | None:
    """Find a wheel of this torch for this Python and platform that asks for no GPU package."""
    system, *_, machine = platform.split("-")
    for folder in filter(None, map(local_path, filter(None, links))):
        for wheel in sorted((ROOT / folder).glob(f"torch-{version}*-{python}-{python}-*.whl")):
            base, build_for = wheel.name.split("-")[1].split("+")[0], wheel.stem.split("-")[-1]
            if (
                base == version
                and system in build_for
                and build_for.endswith(machine)
                and not needs_gpu(wheel)
            ):
                return wheel
    return None


def needs_gpu(wheel: Path) -> bool:
    """Whether a wheel's own metadata asks for GPU packages; one that cannot be read counts as doing so."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = archive.read(name).decode()
    except (OSError, zipfile.BadZipFile, StopIteration):
        return True
    required = re.findall(r"^Requires-Dist: (\S+)", metadata, re.MULTILINE)
    return any(CUDA_PACKAGE.match(name) for name in required)


def portable_pins(compiled: str) -> str:
    """Return what constraints.txt says: the compiled pins without torch's GPU packages."""
    pins = (line for line in compiled.splitlines() if line and not line.startswith("#"))
    return CONSTRAINTS_HEADER + "".join(f"{pin}\n" for pin in pins if not CUDA_PACKAGE.match(pin))


# Commands


def say(step: str) -> None:
    """Announce a step in one line."""
    print(f"set-up: {step}", flush=True)


def reason(complaint: str) -> str:
    """Return the line of what pip or uv said that names the error."""
    lines = complaint.splitlines()
    return next((line for line in lines if line.lower().startswith("error")), lines[-1])


def attempt(command: Sequence[str], environment: Mapping[str, str], *, quiet: bool = False) -> str:
    """Run a command in the project's folder; return "" when it worked, else what it said.

    At a terminal the command shows its progress itself, unless `quiet`.
    """
    seen = sys.stderr.isatty() and not quiet
    finished = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=not seen,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if finished.returncode == 0:
        return ""
    return (
        finished.stderr or finished.stdout or ""
    ).strip() or f"{command[0]} exited with {finished.returncode}"


def run(command: Sequence[str], environment: Mapping[str, str], *, or_else: str) -> None:
    """Run a command that must work; when it does not, show what it said and raise `or_else`."""
    if complaint := attempt(command, environment):
        print(complaint, file=sys.stderr)
        raise SetUpError(or_else)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
