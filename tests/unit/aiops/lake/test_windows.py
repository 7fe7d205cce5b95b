"""Windows: names that sort by time, places of results, and which time params mean."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.lake.store import upsert
from pipelines.aiops.lake.window import (
    Window,
    earlier_windows,
    gaps,
    result_dir,
    window_of,
    windows_in,
)
from pipelines.aiops.map_services import partitions
from pipelines.aiops.params.analysis import AnalysisParams
from pipelines.core.errors import SignalboxError
from tests.support.aiops_world import World, logs

NOON = datetime(2026, 4, 12, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TIMES = st.datetimes(
    min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC)
).map(lambda at: at.replace(microsecond=0))
WINDOWS = st.builds(lambda at, seconds: Window(at, at + timedelta(seconds=seconds)), TIMES,
                    st.integers(1, 40 * 86_400))  # fmt: skip


def analysed(results: Path, window: Window) -> None:
    """Pretend that a window was analysed."""
    for name in ("anomalies/metric_anomalies.json", "anomalies/log_anomalies.json",
                 "service_map/moved.json"):  # fmt: skip
        path = result_dir(results, window) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


@given(WINDOWS)
def test_a_name_leads_back_to_its_window(window: Window) -> None:
    assert Window.parse(window.name) == window


@given(WINDOWS, WINDOWS)
def test_names_sort_as_windows_do(one: Window, other: Window) -> None:
    assert (one < other) == (one.name < other.name)


@given(WINDOWS)
def test_pieces_cover_a_window_without_overlap(window: Window) -> None:
    parts = partitions(window)
    assert parts[0].start == window.start
    assert parts[-1].end == window.end
    assert all(a.end == b.start for a, b in pairwise(parts))
    long = window.end - window.start > timedelta(days=3)
    assert all(one.end - one.start <= (timedelta(days=1) if long else HOUR) for one in parts)


def test_a_window_is_told_in_utc() -> None:
    there = timezone(timedelta(hours=2))
    window = Window(NOON.astimezone(there), (NOON + HOUR).astimezone(there))
    assert window.name == "20260412T120000Z_20260412T130000Z"
    assert window.as_json() == {"start": "2026-04-12T12:00:00Z", "end": "2026-04-12T13:00:00Z"}
    assert window.end_us - window.start_us == 3_600_000_000


def test_a_window_is_of_plain_times_whatever_was_given() -> None:
    class Odd(datetime):
        """A kind of datetime that loses its zone when it is added to."""

        def __add__(self, other: timedelta) -> datetime:  # type: ignore[override]
            return (datetime(self.year, self.month, self.day, self.hour) + other).replace(
                tzinfo=None
            )

    window = Window(Odd(2026, 4, 12, 12, tzinfo=UTC), Odd(2026, 4, 12, 13, tzinfo=UTC))
    assert window.moved(HOUR) == Window(NOON + HOUR, NOON + 2 * HOUR)


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [
        (NOON, NOON, "the end must be later"),
        (NOON, NOON - HOUR, "the end must be later"),
        (NOON.replace(tzinfo=None), NOON, "give whole seconds and a time zone"),
        (NOON, NOON + timedelta(microseconds=1), "give whole seconds and a time zone"),
    ],
)
def test_what_is_no_window_is_refused(start: datetime, end: datetime, says: str) -> None:
    with pytest.raises(SignalboxError, match=says):
        Window(start, end)


@pytest.mark.parametrize("name", ["", "20260412", "20261312T100000Z_20261312T110000Z", "../x"])
def test_what_names_no_window_is_refused(name: str) -> None:
    with pytest.raises(SignalboxError, match="names no window"):
        Window.parse(name)


def test_params_may_say_the_time() -> None:
    window = window_of(AnalysisParams(lake="nowhere", until="2026-04-12T13:00", hours=1))
    assert window == Window(NOON, NOON + HOUR)
    with pytest.raises(SignalboxError, match=r"aiops\.analysis\.until"):
        window_of(AnalysisParams(until="2026-02-30T13:00"))


def test_without_a_time_the_latest_complete_day_or_hour_counts(tmp_path: Path) -> None:
    world = World(days=2, fault=False)
    upsert(tmp_path, {"logs": logs(world)})
    settings = AnalysisParams(lake=str(tmp_path))
    assert window_of(settings) == Window(world.at(0), world.at(24))
    rest = logs(world).filter(
        [at < world.at(9) + timedelta(minutes=30) for at in logs(world)["at"].to_pylist()]
    )
    part = tmp_path / "part"
    upsert(part, {"logs": rest})
    cut = settings.model_copy(update={"lake": str(part)})
    assert window_of(cut) == Window(world.at(-24), world.at(0))
    assert window_of(cut.model_copy(update={"hours": 1})) == Window(world.at(8), world.at(9))


def test_a_lake_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match=r"nothing: no such lake \(aiops\.analysis\.lake\)"):
        window_of(AnalysisParams(lake=str(tmp_path / "nothing")))
    with pytest.raises(SignalboxError, match="has no metrics, logs or spans"):
        window_of(AnalysisParams(lake=str(tmp_path)))


def test_results_are_found_by_time_and_other_folders_are_left_alone(tmp_path: Path) -> None:
    hours = [Window(NOON + n * HOUR, NOON + (n + 1) * HOUR) for n in (2, 0, 1)]
    for window in hours:
        analysed(tmp_path, window)
    (tmp_path / "notes").mkdir()
    assert windows_in(tmp_path) == sorted(hours)
    assert windows_in(tmp_path / "missing") == []


def test_earlier_windows_are_whole_end_before_and_are_not_too_old(tmp_path: Path) -> None:
    def at(n: float) -> Window:
        return Window(NOON + n * HOUR, NOON + (n + 1) * HOUR)

    for n in (-30, -2, -1, 0, 1, -0.5):
        analysed(tmp_path, at(n))
    (result_dir(tmp_path, at(-2)) / "service_map/moved.json").unlink()
    assert earlier_windows(tmp_path, at(0)) == [at(-1)]


def test_gaps_between_windows_are_named() -> None:
    def at(n: int) -> Window:
        return Window(NOON + n * HOUR, NOON + (n + 1) * HOUR)

    assert gaps([at(3), at(0), at(1)]) == [at(2).name]
    assert gaps([at(0), at(1)]) == gaps([at(0)]) == gaps([]) == []
