from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.mlops.monitoring.watch import held_back, last_request

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Entry:
    time: str
    data: dict[str, Any] = field(default_factory=lambda: {"retrain": True})
    kind: str = "alarm"
    subject: str = "model_release"
    seq: int = 0


def at(days: float) -> datetime:
    return START + timedelta(days=days)


def alarm(days: float, **changes: Any) -> Entry:
    return Entry(at(days).isoformat(timespec="microseconds"), **changes)


@given(st.integers(1, 20), st.integers(1, 60))
def test_a_storm_asks_once_in_so_many_days(every: int, storm: int) -> None:
    entries: list[Entry] = []
    asked = []
    for day in range(storm):
        allowed = not held_back(entries, "model_release", at(day), every)
        entries.append(alarm(day, data={"retrain": allowed}))
        if allowed:
            asked.append(day)
    assert asked == list(range(0, storm, every))


def test_only_requests_of_this_product_count() -> None:
    entries = [
        alarm(1, data={"retrain": False}),
        alarm(2, data={}),
        alarm(3, subject="rules"),
        alarm(4, kind="release"),
    ]
    assert last_request(entries, "model_release") is None
    assert held_back(entries, "model_release", at(4), 7) == ""


def test_a_clock_set_back_does_not_open_the_gate() -> None:
    entries = [alarm(20), alarm(3)]
    assert last_request(entries, "model_release") == at(20)
    assert "next from 2026-01-28" in held_back(entries, "model_release", at(5), 7)
    assert held_back(entries, "model_release", at(27), 7) == ""


def release(seq: int, days: float, step: str = "made", stage: str = "production") -> Entry:
    data: dict[str, Any] = {"step": step, "stage": stage, "version": "v2.0.0"}
    if step == "withdrawn":
        data = {"step": step, "of": seq}
    return alarm(days, kind="release", data=data, seq=seq)


@given(st.integers(1, 20), st.floats(0, 20), st.floats(0, 20))
def test_a_release_begins_anew(every: int, asked: float, released: float) -> None:
    entries = [alarm(asked), release(2, released)]
    now = at(asked)
    assert last_request(entries, "model_release") is None
    assert held_back(entries, "model_release", now, every) == ""
    # The new model's own request counts again.
    assert held_back([*entries, alarm(asked)], "model_release", now, every)


def test_only_a_release_to_production_that_stands_begins_anew() -> None:
    asked = alarm(1)
    for others in (
        [release(2, 2, stage="staging")],
        [release(2, 2), release(2, 2, step="withdrawn")],
        [alarm(2, kind="release", subject="rules", data=release(2, 2).data)],
        [release(2, 2, step="completed")],
    ):
        assert last_request([asked, *others], "model_release") == at(1)
