"""Hypothesis profiles, an environment without settings, and what a test needs that may not be there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import llama_server
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile(
    "ci", max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test against llama.cpp is skipped where that is not installed."""
    if item.get_closest_marker("llama") and (complaint := llama_server.lacking()):
        pytest.skip(complaint)


@pytest.fixture
def workplace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty working folder, and an environment without any setting of ours, which ends with the test."""
    with mock.patch.dict(os.environ):
        for name in list(os.environ):
            if name.startswith(("HOOKLINE_", "OPENAI_", "CODEGEN_")):
                del os.environ[name]
        monkeypatch.chdir(tmp_path)
        yield tmp_path
