"""Under a script with every fault: nothing that arrived is lost, nothing comes twice, and it costs little more."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest
from samples import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def recovery() -> ModuleType:
    """The benchmark, as a module."""
    spec = importlib.util.spec_from_file_location("recovery", ROOT / "benchmarks" / "recovery.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recovery"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def test_every_fault_in_forty_requests(recovery: ModuleType) -> None:
    """Half of the requests go wrong: every row is delivered or missing, every whole one kept, none twice."""
    work, undisturbed = recovery.both("hookline", 40, 7)
    met = {kind for kind, _ in work.over(undisturbed).items()}
    assert met >= {"429", "500", "503", "quota", "Disconnect", "Malformed", "RepeatedUnits", "UnaskedUnits"}
    assert met >= {"ReasoningEatsAll", "hang, left", "hang, waited"}
    assert work.unaccounted == work.twice == 0
    assert work.rows == work.arrived
    assert work.rows + work.missing == work.asked
    assert not any(one.refused for one in work.paid)
    assert work.ratio(undisturbed) <= 1.4
