"""The same from Python, in a notebook's running loop, too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from samples import DATA
from strict_openai import StrictServer

from hookline import content_for_trends, generate_calendar
from hookline.cli import run
from hookline.settings import MODEL_WITH_A_KEY, OFFLINE, load_settings
from rag.errors import BadInput, ModelFailure
from rag.tokens import counter_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("api") / "store")
    assert run(["ingest", str(DATA / "creators" / "quiet-counter"), "--store", path]) == 0
    return path


def test_content_for_trends_shares_one_budget(workplace: Path, store: str) -> None:
    """Trends take turns under one hard cap, and every hit is decided once."""
    packed = content_for_trends(
        ["Slow weekends", "Honest numbers"], budget_tokens=600, settings=load_settings(store=store)
    )
    assert packed.tokens == counter_for("cl100k_base").count(packed.text) <= 600
    decided = [k.hit.chunk.id for k in packed.kept] + [d.hit.chunk.id for d in packed.dropped]
    assert len(decided) == len(set(decided))
    assert {p.video_id for p in packed.passages} >= {"b1scu1t-TIn", "y3aR_nUmb3r"}


def test_a_calendar_inside_a_running_loop(workplace: Path, store: str) -> None:
    """A notebook's cell runs in a loop; the call works there, and its errors come through."""
    with StrictServer() as server:
        settings = load_settings(
            store=store, model="gpt-4o-mini", base_url=server.base_url, api_key=server.key
        )
        refused = load_settings(store=store, model="gpt-4o-mini", base_url=server.base_url, api_key="wrong")

        async def cell() -> int:
            with pytest.raises(ModelFailure, match="refused the API key"):
                generate_calendar(["Slow weekends"], "2027-02", settings=refused)
            return len(generate_calendar(["Slow weekends"], "2027-02", settings=settings).rows)

        assert asyncio.run(cell()) == 28


def test_creators_can_be_chosen_and_must_exist(workplace: Path, store: str) -> None:
    """Only the named creators' videos are used; an unknown name is an error."""
    settings = load_settings(store=store)
    with pytest.raises(BadInput, match="no creator 'mara'"):
        generate_calendar(["Slow weekends"], "2027-02", creators=["mara"], settings=settings)
    calendar = generate_calendar(["Slow weekends"], "2027-02", creators=["quiet-counter"], settings=settings)
    assert {source.split("/")[0] for row in calendar.rows for source in row.sources} == {"quiet-counter"}


def test_the_default_model_depends_on_what_is_set(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline while no key and no base URL are set, and whatever is named otherwise."""
    assert load_settings().model_name == OFFLINE
    assert load_settings(base_url="http://127.0.0.1:1/v1").model_name == MODEL_WITH_A_KEY
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    assert load_settings().model_name == MODEL_WITH_A_KEY
    assert load_settings(model="offline").model_name == OFFLINE
    assert "k" not in repr(load_settings(api_key="k").api_key)
