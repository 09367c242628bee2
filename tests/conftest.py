"""Hypothesis profiles, an environment without settings, and what a test needs that may not be there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import llama_server
import pytest
from hypothesis import HealthCheck, settings
from strict_openai import StrictServer

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


@pytest.fixture
def serve(workplace: Path) -> Iterator[Callable[..., StrictServer]]:
    """Starts strict servers; the environment names the last one and a model of it."""
    with contextlib.ExitStack() as servers:

        def start(**options: Any) -> StrictServer:
            server = servers.enter_context(StrictServer(**options))
            os.environ["OPENAI_API_KEY"] = server.key  # removed with the test's environment
            os.environ["OPENAI_BASE_URL"] = server.base_url
            os.environ["HOOKLINE_MODEL"] = "gpt-4o-mini"
            return server

        yield start
