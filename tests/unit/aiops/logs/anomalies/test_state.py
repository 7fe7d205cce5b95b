"""State by day: the same findings on time and filled in later."""

from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.aiops.lake.store import upsert
from pipelines.aiops.logs.anomalies import Outcome, anomalies_between
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.lake.rows import content
from tests.unit.aiops.logs.anomalies.world import HISTORY, START, clean, noon, table

DAY = START + timedelta(days=HISTORY)


def rows(day: int) -> list[tuple[int, str, str, str]]:
    own = clean(day, per_day=300)
    extra = [(noon(70 * i), "cart", "error", f"disk {i} is gone for good") for i in range(3)]
    return own + extra if day == HISTORY else own


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lakes: one that ends with the window, one that goes on."""
    folder = tmp_path_factory.mktemp("lakes")
    for name, days in (("then", HISTORY + 1), ("now", HISTORY + 2)):
        for day in range(days):
            upsert(folder / name, {"logs": table(rows(day))})
    return folder


def summary(found: Outcome) -> list[dict[str, object]]:
    return [finding.as_json() for finding in found.findings]


def test_a_window_filled_in_later_gives_what_it_gave_on_time(lakes: Path, tmp_path: Path) -> None:
    end = DAY + timedelta(days=1)
    on_time = anomalies_between(lakes / "then", tmp_path / "a", DAY, end)
    # The state of the other has all days already when the window is asked for.
    anomalies_between(lakes / "now", tmp_path / "b", end, end + timedelta(days=1))
    later = anomalies_between(lakes / "now", tmp_path / "b", DAY, end)
    assert summary(later) == summary(on_time)
    assert [f.kind for f in on_time.findings] == ["new_template"]
    assert on_time.history_days == HISTORY
    days = [f"day={(START + timedelta(days=i)).date()}/{name}.parquet"
            for i in range(HISTORY + 1) for name in ("counts", "values")]  # fmt: skip
    one, two = content(tmp_path / "a"), content(tmp_path / "b")
    assert [one[day] for day in days] == [two[day] for day in days]


def test_an_hour_sees_only_what_was_before_its_end(lakes: Path, tmp_path: Path) -> None:
    noon_ = DAY + timedelta(hours=12)
    before = anomalies_between(lakes / "now", tmp_path / "s", noon_ - timedelta(hours=1), noon_)
    after = anomalies_between(lakes / "now", tmp_path / "s", noon_, noon_ + timedelta(hours=3))
    assert before.findings == []
    assert [f.kind for f in after.findings] == ["new_template"]


def test_state_is_made_once_and_anew_if_the_lake_changes(lakes: Path, tmp_path: Path) -> None:
    lake, state = tmp_path / "lake", tmp_path / "state"
    upsert(lake, {"logs": table(rows(0))})
    upsert(lake, {"logs": table(rows(1))})
    first, last = START + timedelta(days=1), START + timedelta(days=2)
    anomalies_between(lake, state, first, last)
    times = {path: path.stat().st_mtime_ns for path in state.rglob("*.*")}
    anomalies_between(lake, state, first, last)
    assert {path: path.stat().st_mtime_ns for path in state.rglob("*.*")} == times
    key = (state / "day=2026-03-02/key.txt").read_text()
    upsert(lake, {"logs": table([*rows(0), (noon(-HISTORY * 1440), "cart", "info", "late one")])})
    anomalies_between(lake, state, first, last)
    assert (state / "day=2026-03-02/key.txt").read_text() != key


def test_a_window_is_of_whole_bins(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="whole bins"):
        anomalies_between(tmp_path, tmp_path, DAY, DAY + timedelta(seconds=7))
    assert anomalies_between(tmp_path, tmp_path, DAY, DAY + timedelta(days=1)).findings == []
