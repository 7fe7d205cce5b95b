"""An alarm of the latest day says on which day in a row it first went off."""

from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_json
from pipelines.mlops.monitoring.result import (
    LabelCounts,
    Retrain,
    State,
    Watched,
    Watching,
    result_path,
    standing_alarms,
)


def day(project: Path, date: str, **states: State) -> None:
    watches = [
        Watched(id=name, owner="us", state=state, sentence=f"{name}: {state}", figure=None,
                compare="at_most", threshold=0.1, retrain=False)
        for name, state in states.items()
    ]  # fmt: skip
    found = Watching(
        date=date, after="", until=f"{date}T05:00:00+00:00", product="model_release",
        model_version="v1.0.0", commit="a" * 40, batches={}, other_rows=0, figures=[],
        watches=watches, drift=None, kpis=[],
        labels=LabelCounts(predictions=0, matched=0, waiting=0, unmatched=0),
        retrain=Retrain(requested=False, because=[], held_back=""),
    )  # fmt: skip
    write_json(result_path(project, date), found.model_dump(mode="json"))


def test_the_streak_ends_at_the_first_day_without_it(tmp_path: Path) -> None:
    day(tmp_path, "2026-01-01", drift="alarm", strange="alarm")
    day(tmp_path, "2026-01-02", drift="well", strange="alarm")
    day(tmp_path, "2026-01-03", drift="alarm", strange="alarm")
    day(tmp_path, "2026-01-05", drift="alarm", strange="inconclusive")
    (found,) = standing_alarms(tmp_path)
    assert (found.watched.id, found.since, found.date) == ("drift", "2026-01-03", "2026-01-05")


def test_without_a_day_there_is_no_alarm(tmp_path: Path) -> None:
    assert standing_alarms(tmp_path) == []
    write_json(result_path(tmp_path, "2026-01-01"), {"date": 1})
    with pytest.raises(SignalboxError, match=r"2026-01-01\.json: not a result of monitoring"):
        standing_alarms(tmp_path)
