"""A history that needs more memory than the setting allows is refused before it is read."""

import tracemalloc

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.aiops import mine_rules, replay_rules, select_rules
from pipelines.aiops.alerting import windows
from pipelines.aiops.alerting.config import default_config
from pipelines.aiops.alerting.evaluation import Backtest
from pipelines.aiops.alerting.mining import mine_all
from pipelines.aiops.alerting.replay import replay_files
from pipelines.aiops.alerting.replay.run import LEAST, MEMBER_BYTES, ROW_BYTES
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import NO, AlertFrame
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import MineRulesParams
from pipelines.aiops.params.artifacts import HISTORY
from pipelines.core.errors import SignalboxError
from pipelines.core.runtime import RuntimeParams
from pipelines.core.time import DAY_US, SECOND_US

ALERTS = 200_000


@pytest.fixture
def history(tmp_path, monkeypatch):
    """A file with so many rows that nobody can read: whoever reads it fails otherwise."""
    monkeypatch.chdir(tmp_path)
    HISTORY.mkdir(parents=True)
    pq.write_table(pa.table({"nothing": pa.nulls(ALERTS, pa.int8())}), HISTORY / "alerts.parquet")
    return HISTORY


def params(memory_mb):
    return AiopsParams().on(RuntimeParams(memory_mb=memory_mb))


STAGES = [
    (mine_rules.main, windows.MINING_BYTES),
    (lambda settings: select_rules.choose(settings, ()), windows.REPLAY_BYTES),
    (replay_rules.backtest_on_last, windows.REPLAY_BYTES),
]


@pytest.mark.parametrize(("stage", "alert_bytes"), STAGES)
def test_a_stage_says_how_much_it_needs_and_which_setting_forbids_it(history, stage, alert_bytes):
    needed = windows.needed_mb(ALERTS, alert_bytes)
    with pytest.raises(SignalboxError) as error:
        stage(params(needed - 1))
    said = str(error.value)
    assert "alerts.parquet" in said
    assert "200,000 alerts" in said
    assert f"{needed:,} MB" in said
    assert f"runtime.memory_mb in release.yaml ({needed - 1:,})" in said


@pytest.mark.parametrize(("stage", "alert_bytes"), STAGES)
def test_a_stage_that_may_use_as_much_goes_on_to_read(history, stage, alert_bytes):
    with pytest.raises(SignalboxError, match="not a readable alert history"):
        stage(params(windows.needed_mb(ALERTS, alert_bytes)))


def test_a_replay_of_files_refuses_what_its_alerts_alone_would_exceed(history):
    bytes_needed = ALERTS * ROW_BYTES + LEAST * MEMBER_BYTES
    least = windows.PROGRAM_MB + -(-bytes_needed // windows.MB)
    with pytest.raises(SignalboxError, match=f"takes at least {least:,} MB, more than the"):
        replay_files(history, default_config(), memory_mb=least - 1)
    with pytest.raises(SignalboxError, match="not a readable alert history"):
        replay_files(history, default_config(), memory_mb=least)


def test_what_is_needed_grows_with_the_alerts_only():
    assert windows.needed_mb(0, 400) == windows.PROGRAM_MB
    assert windows.needed_mb(2_000_000, 400) - windows.needed_mb(1_000_000, 400) == pytest.approx(
        381, abs=2
    )


def test_a_history_that_is_not_there_is_told_by_whoever_reads_it(tmp_path):
    windows.require(tmp_path, 1024, windows.MINING_BYTES)


def taken_by(work):
    """Bytes at most that arrays and objects take while `work` is done."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def noise(alerts, series=500):
    """Alerts of four weeks that come, go and repeat at random."""
    rng = np.random.default_rng(0)
    starts = np.sort(rng.integers(0, 28 * DAY_US, alerts))
    return AlertFrame(
        series=rng.integers(0, series, alerts).astype(np.int32),
        starts=starts,
        ends=starts + rng.integers(1, 600 * SECOND_US, alerts),
        acted=np.full(alerts, NO, np.int8),
        ticket=np.full(alerts, -1, np.int32),
        labels=[{"alertname": f"A{i % 20}", "host": f"h{i}", "team": "t"} for i in range(series)],
        tickets=[],
    )


def test_mining_and_replaying_take_no_more_than_that():
    settings, window = MineRulesParams(min_days=3), HistoryWindow(0, 28 * DAY_US)
    small, large = noise(100_000), noise(300_000)
    mine_all(small, settings, window)  # what is loaded once is no alert's
    more = taken_by(lambda: mine_all(large, settings, window)) - taken_by(
        lambda: mine_all(small, settings, window)
    )
    frame_bytes = 25
    assert more / 200_000 + frame_bytes < windows.MINING_BYTES
    half = HistoryWindow(0, 14 * DAY_US)
    measured = Backtest(small, half, default_config(), {})
    more = taken_by(lambda: Backtest(large, half, default_config(), {})) - taken_by(
        lambda: Backtest(small, half, default_config(), {})
    )
    assert measured.baseline.stages["pages"] > 0
    assert more / 200_000 + frame_bytes < windows.REPLAY_BYTES
