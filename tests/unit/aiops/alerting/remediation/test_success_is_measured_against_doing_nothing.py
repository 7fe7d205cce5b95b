"""The share of treated alerts that ended, against untreated ones that lived as long."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.aiops.alerting.remediation import ActionEffect, live_alerts, measure
from pipelines.aiops.alerting.remediation.limits import episode_of, series_of
from pipelines.aiops.lake.frame import NEVER, UNKNOWN, AlertFrame
from pipelines.release.ledger import Ledger
from pipelines.release.ledger.keys import Keys
from tests.unit.aiops.alerting.export.make import known_fix

RULE = known_fix("alertname = Stuck")
MINUTE = 60_000_000
BEGIN = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000


def frame(minutes: list[float], name: str = "Stuck") -> AlertFrame:
    """One alert an hour; the i-th fires for ``minutes[i]``."""
    size = len(minutes)
    starts = BEGIN + np.arange(size, dtype=np.int64) * 60 * MINUTE
    ends = np.array([
        NEVER if m == np.inf else start + int(m * MINUTE)
        for start, m in zip(starts, minutes, strict=True)
    ])  # fmt: skip
    return AlertFrame(
        np.zeros(size, dtype=np.int32), starts, ends, np.full(size, UNKNOWN),
        np.full(size, -1, dtype=np.int32), [{"alertname": name}], [],
    )  # fmt: skip


def found(
    place: Path, history: AlertFrame, treated: list[int], age: int = 5, **more: Any
) -> list[ActionEffect]:
    """Treat rows `age` minutes after they began."""
    now = [0]

    def clock() -> datetime:
        return datetime.fromtimestamp(now[0] / 1e6, UTC)

    ledger = Ledger(place / "ledger/ledger.jsonl", Keys(place / "keys", place / "ledger"), clock)
    series = series_of(history.labels[0])
    for row in treated:
        start = int(history.starts[row])
        now[0] = start + age * MINUTE
        data = {
            "rule": RULE.id, "action": "restart", "step": "ended", "outcome": "done",
            "series": series, "episode": episode_of(series, start), "age_seconds": age * 60,
        }  # fmt: skip
        ledger.append("remediation", "alert_noise_reduction", {**data, **more})
    return measure(ledger.entries(), history, [RULE], minutes=15)


def test_only_untreated_alerts_that_lived_as_long_are_compared_with(tmp_path: Path) -> None:
    treated, short, long = [7.0] * 10, [2.0] * 50, [10.0] * 5 + [90.0] * 15
    (effect,) = found(tmp_path, frame([*treated, *short, *long]), list(range(10)))
    assert (effect.n, effect.ended, effect.controls) == (10, 10, 20)
    assert effect.control_share == pytest.approx(0.25)
    assert effect.difference == pytest.approx(0.75)
    assert effect.low is not None
    assert effect.high is not None
    assert 0.3 < effect.low < 0.75 < effect.high <= 1


def test_an_action_that_does_nothing_has_an_interval_around_zero(tmp_path: Path) -> None:
    (effect,) = found(tmp_path, frame([10.0, 90.0] * 30), list(range(20)))
    assert effect.low is not None
    assert effect.high is not None
    assert effect.low < 0 < effect.high


def test_alerts_that_never_ended_did_not_end_in_time(tmp_path: Path) -> None:
    (effect,) = found(tmp_path, frame([np.inf, np.inf, 90.0]), [0])
    assert (effect.n, effect.ended, effect.controls) == (1, 0, 2)


def test_without_anything_to_compare_with_there_is_no_figure_but_a_reason(tmp_path: Path) -> None:
    (effect,) = found(tmp_path, frame([7.0, 2.0]), [0])
    assert (effect.share, effect.difference) == (1.0, None)
    assert effect.missing
    (later,) = found(tmp_path / "b", frame([7.0]), [0], episode="0" * 32)
    assert (later.n, later.share) == (0, None)
    assert later.missing


def test_dry_runs_and_failures_are_no_treatment(tmp_path: Path) -> None:
    history = frame([7.0] * 4)
    assert found(tmp_path / "a", history, [0], step="dry_run") == []
    assert found(tmp_path / "b", history, [0], outcome="failed") == []


def test_alerts_that_fire_now_are_found_oldest_first() -> None:
    history = frame([30.0, np.inf, 10.0])
    now = int(history.starts[2]) + 5 * MINUTE
    alerts = live_alerts(history, now)
    assert [one.starts for one in alerts] == history.starts[1:].tolist()
    assert live_alerts(history, BEGIN - 1) == []
    assert alerts[0].series == alerts[1].series
    assert alerts[0].episode != alerts[1].episode
