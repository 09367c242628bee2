"""The set-up's decisions, its pins, and the Makefile's help."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
import zipfile
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools import audit, set_up

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PINS = [Requirement(line) for line in CONSTRAINTS.splitlines() if line and not line.startswith("#")]

DECLARED = [
    *PYPROJECT["build-system"]["requires"],
    *PYPROJECT["project"]["dependencies"],
    *(text for group in PYPROJECT["dependency-groups"].values() for text in group),
]


# pip's settings


def test_pip_settings_are_read_with_the_environment_on_top() -> None:
    """Sections that hold for `pip install` are read, `:env:` beats `install` beats `global`, others are ignored."""
    listing = """\
:env:.find-links='/from/environment'
download.find-links='/never'
global.cert='/certs/all.pem'
global.find-links='/from/file'
global.index-url='https://one/simple'
install.index-url='https://two/simple'
WARNING: something that is no setting
"""
    assert set_up.read_pip_settings(listing) == {
        "cert": "/certs/all.pem",
        "find-links": "/from/environment",
        "index-url": "https://two/simple",
    }


def test_what_pip_really_prints_is_understood(tmp_path: Path) -> None:
    """A value over several lines, as `pip config list` prints it, comes back as its parts."""
    configuration = tmp_path / "pip.conf"
    configuration.write_text("[global]\nextra-index-url =\n    https://one/simple\n    https://two/simple\n")
    listing = subprocess.run(
        [ROOT / set_up.PYTHON, "-m", "pip", "config", "list"],
        env={"PIP_CONFIG_FILE": str(configuration), "PIP_TRUSTED_HOST": "one two", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    settings = set_up.read_pip_settings(listing)
    assert settings["extra-index-url"].split() == ["https://one/simple", "https://two/simple"]
    assert settings["trusted-host"].split() == ["one", "two"]


def test_every_setting_reaches_uv(tmp_path: Path) -> None:
    """Indexes, find-links, certificate, hosts, proxy and time limit of pip become the variables uv reads."""
    pip = {
        "cert": "/certs/all.pem",
        "default-timeout": "180",
        "extra-index-url": f"https://extra/simple {tmp_path.as_uri()}",
        "find-links": f"{tmp_path} https://links/page",
        "index-url": "https://main/simple",
        "no-index": "true",
        "proxy": "http://proxy:3128",
        "trusted-host": "main extra",
    }
    assert set_up.uv_environment(pip, {}) == {
        "ALL_PROXY": "http://proxy:3128",
        "SSL_CERT_FILE": "/certs/all.pem",
        "UV_DEFAULT_INDEX": "https://main/simple",
        "UV_FIND_LINKS": f"{tmp_path},https://links/page",
        "UV_HTTP_TIMEOUT": "180",
        "UV_INDEX": f"https://extra/simple {tmp_path.as_uri()}",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "main extra",
        "UV_NO_INDEX": "true",
    }


def test_folders_that_do_not_exist_are_not_passed_on(tmp_path: Path) -> None:
    """A missing find-links folder or file: index, which pip only warns about, never reaches uv, an error there."""
    gone = tmp_path / "gone"
    pip = {"find-links": f"{gone} {gone.as_uri()}", "extra-index-url": gone.as_uri()}
    assert set_up.uv_environment(pip, {}) == {}


def test_what_is_set_for_uv_already_wins() -> None:
    """A variable in the environment is left as it is."""
    assert set_up.uv_environment({"cert": "/pip.pem"}, {"SSL_CERT_FILE": "/mine.pem"}) == {}


# torch


def make_wheel(folder: Path, name: str, requires: str = "numpy") -> Path:
    """Write a wheel that has nothing but metadata."""
    wheel = folder / name
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("torch.dist-info/METADATA", f"Name: torch\nRequires-Dist: {requires}\n")
    return wheel


@pytest.mark.parametrize("version", ["2.13.0", "2.13.0+cpu"])
def test_a_cpu_wheel_of_the_pinned_torch_is_found(tmp_path: Path, version: str) -> None:
    """With or without a local version, among folders that are missing, elsewhere or empty."""
    wheel = make_wheel(tmp_path, f"torch-{version}-cp311-cp311-manylinux_2_28_x86_64.whl")
    links = ["", "https://links/page", str(tmp_path / "gone"), tmp_path.as_uri()]
    assert set_up.find_cpu_wheel(links, "2.13.0", "cp311", "linux-x86_64") == wheel


@pytest.mark.parametrize(
    ("name", "requires"),
    [
        ("torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl", "numpy"),
        ("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_aarch64.whl", "numpy"),
        ("torch-2.13.0-cp311-cp311-macosx_11_0_x86_64.whl", "numpy"),
        ("torch-2.13.01-cp311-cp311-manylinux_2_28_x86_64.whl", "numpy"),
        ("torch-2.12.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "numpy"),
        (
            "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            "nvidia-cublas==13.1 ; sys_platform == 'linux'",
        ),
        ("torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", "triton==3.7.1"),
    ],
)
def test_other_wheels_are_passed_over(tmp_path: Path, name: str, requires: str) -> None:
    """Another Python, machine, system or version, and a build that asks for GPU packages, are not taken."""
    make_wheel(tmp_path, name, requires)
    assert set_up.find_cpu_wheel([str(tmp_path)], "2.13.0", "cp311", "linux-x86_64") is None


def test_a_wheel_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A file that is no archive does not stop the set-up."""
    (tmp_path / "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl").write_text("half a download")
    assert set_up.find_cpu_wheel([str(tmp_path)], "2.13.0", "cp311", "linux-x86_64") is None


def test_uv_chooses_the_build_only_where_no_cpu_wheel_lies_ready() -> None:
    """A wheel at hand is the only choice; else uv's own choice of build comes first, and the plain one last."""
    assert [flags for _, flags in set_up.torch_choices(Path("torch.whl"))] == [[]]
    assert [flags for _, flags in set_up.torch_choices(None)] == [["--torch-backend=auto"], []]


def test_constraints_without_torch_are_refused() -> None:
    """An unpinned torch stops the set-up, naming the remedy, instead of bringing gigabytes."""
    assert set_up.pinned_torch("numpy==2.4.6\ntorch==2.13.0 ; python_version > '3'\n") == "2.13.0"
    with pytest.raises(set_up.SetUpError, match="make lock"):
        set_up.pinned_torch("torchvision==0.29.1\n")


def test_the_summary_counts_gpu_packages() -> None:
    """Whatever came along with torch is said in the last line, under the names that wheels are installed by."""
    assert set_up.torch_summary({"torch": "2.13.0+cpu", "numpy": "2"}) == "torch 2.13.0+cpu, no GPU packages"
    came = {"torch": "2.13.0", "nvidia_cublas": "13", "cuda_bindings": "13", "triton": "3"}
    assert set_up.torch_summary(came) == "torch 2.13.0, 3 GPU packages came along"


def test_the_reason_is_the_line_that_names_the_error() -> None:
    """Of what pip and uv say, the first error line is shown; without one, the last line."""
    assert (
        set_up.reason("WARNING: slow\nERROR: no such version\nERROR: see the manual")
        == "ERROR: no such version"
    )
    assert set_up.reason("error: Request failed\n  cause: dns") == "error: Request failed"
    assert set_up.reason("killed") == "killed"


# The stamp


def test_the_stamp_depends_on_each_file_the_folder_and_the_python(tmp_path: Path) -> None:
    """The same inputs give the same stamp; a change in any of them gives another one."""

    def project(name: str, changed: str = "") -> Path:
        for file in set_up.STAMPED:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("changed" if file == changed else "as it was")
        return tmp_path / name

    original = set_up.stamp(project("a"), (3, 11))
    stamps = {set_up.stamp(project("a", changed=file), (3, 11)) for file in set_up.STAMPED}
    others = {*stamps, set_up.stamp(project("a"), (3, 12)), set_up.stamp(project("b"), (3, 11))}
    assert original not in others
    assert len(others) == len(set_up.STAMPED) + 2
    assert set_up.stamp(project("a"), (3, 11)) == original


def test_only_a_finished_venv_of_this_python_in_this_folder_is_kept() -> None:
    """Changed files are installed in place; no stamp, another Python or another folder mean a new `.venv`."""
    old = "python 3.11\nfolder /here\npyproject.toml 1\n"
    assert not set_up.must_rebuild(old, old.replace("toml 1", "toml 2"))
    assert set_up.must_rebuild(None, old)
    assert set_up.must_rebuild("", old)
    assert set_up.must_rebuild(old, old.replace("3.11", "3.12"))
    assert set_up.must_rebuild(old, old.replace("/here", "/there"))


# The pins


@pytest.mark.parametrize("declared", DECLARED)
def test_every_declared_dependency_is_pinned_within_its_range(declared: str) -> None:
    """constraints.txt has a pin for each requirement in pyproject.toml, and the pin satisfies it."""
    requirement = Requirement(declared)
    pinned = [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
    assert pinned, f"{requirement.name} has no pin: run make lock"
    for pin in pinned:
        (specifier,) = pin.specifier
        assert requirement.specifier.contains(specifier.version, prereleases=True), f"{pin}: run make lock"


def test_extras_pin_themselves() -> None:
    """They are installed without what they depend on, so constraints.txt has nothing to say of them."""
    for extra in PYPROJECT["project"]["optional-dependencies"].values():
        assert all(re.fullmatch(r"[\w-]+==[\d.]+", text) for text in extra), extra


def test_each_pin_is_one_exact_public_version() -> None:
    """Every line reads name==version, with a marker at most; no version is one machine's local build."""
    for pin in PINS:
        (specifier,) = pin.specifier
        assert specifier.operator == "=="
        assert Version(specifier.version).local is None, pin
        assert not pin.extras
    names = defaultdict(list)
    for pin in PINS:
        names[canonicalize_name(pin.name)].append(pin)
    assert not [name for name, pins in names.items() if len(pins) > 1]


def test_constraints_name_no_place_and_no_gpu_package() -> None:
    """No path, host, index or option is in constraints.txt, and none of the packages of torch's GPU build."""
    pins = "\n".join(str(pin) for pin in PINS)
    assert not re.search(r"[/\\@]|file:|^-|--", pins, re.MULTILINE)
    assert not [pin.name for pin in PINS if set_up.CUDA_PACKAGE.match(canonicalize_name(pin.name))]


def test_gpu_packages_and_comments_are_left_out_of_the_pins() -> None:
    """What uv compiles is kept line by line, less what only torch's GPU build needs."""
    compiled = (
        "# by uv\nnumpy==2.4.6\ncuda-toolkit==13.0 ; x\nnvidia-cublas==13.1\ntorch==2.13.0\ntriton==3.7.1\n"
    )
    assert set_up.portable_pins(compiled) == set_up.CONSTRAINTS_HEADER + "numpy==2.4.6\ntorch==2.13.0\n"


# The audit


def dependency(name: str, *vulnerabilities: str) -> dict[str, object]:
    """Make an entry as pip-audit reports it."""
    found = [{"id": name, "aliases": [f"alias-{name}"], "fix_versions": ["2.0"]} for name in vulnerabilities]
    return {"name": name, "version": "1.0", "vulns": found}


def test_a_known_vulnerability_fails_the_audit() -> None:
    """It is named with the version that mends it, and the exit code is 1."""
    lines, exit_code = audit.verdict([dependency("numpy"), dependency("jinja2", "CVE-1")], {})
    assert exit_code == 1
    assert lines[0] == "audit: jinja2 1.0: CVE-1 / alias-CVE-1, fixed in 2.0"
    assert lines[-1] == "audit: 2 pins audited, 0 unknown to the service, 1 to mend"


def test_an_accepted_vulnerability_is_said_with_its_reason() -> None:
    """Accepted by its id or an alias it fails nothing, and the reason is printed."""
    lines, exit_code = audit.verdict(
        [dependency("jinja2", "CVE-1")], {"alias-CVE-1": "no template is untrusted"}
    )
    assert exit_code == 0
    assert lines[0].endswith("accepted: no template is untrusted")


def test_a_service_that_knows_nothing_is_no_clean_bill() -> None:
    """When every pin is unknown to the service, the line says that nothing was audited."""
    skipped: list[dict[str, object]] = [{"name": "numpy", "skip_reason": "not found"}]
    assert audit.verdict(skipped, {}) == (
        ["audit: the service knows none of the 1 pins: nothing was audited"],
        0,
    )


# The Makefile


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a shell, even where these tests themselves were started by make."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_help_lists_every_target() -> None:
    """Plain `make` prints one described line for each target that is .PHONY, and no other."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = [name for line in re.findall(r"^\.PHONY:(.*)$", makefile, re.MULTILINE) for name in line.split()]
    shown = make().stdout
    listed = re.findall(r"^  make (\S+) +\S.*$", shown, re.MULTILINE)
    assert sorted(listed) == sorted(phony)
    assert len(listed) == len(shown.splitlines())


def test_a_python_that_is_too_old_is_refused_in_one_line(tmp_path: Path) -> None:
    """A Python that does not pass the probe ends the set-up with one line that says what to do."""
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    refused = make("setup", f"PYTHON={old}")
    assert refused.returncode != 0
    (line,) = [line for line in refused.stderr.splitlines() if not line.startswith("make")]
    assert line.startswith("Hookline needs Python 3.11 or newer")
