"""A history that needs more memory than the setting allows is refused before it is read."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.aiops import mine_rules, select_rules
from pipelines.aiops.alerting import windows
from pipelines.aiops.alerting.config import Receiver, default_config
from pipelines.aiops.alerting.evaluation import Backtest
from pipelines.aiops.alerting.judging import Case
from pipelines.aiops.alerting.mining import mine_all
from pipelines.aiops.alerting.replay import replay, replay_files
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
CHAT = Receiver("chat", pages=False)


@pytest.fixture
def history(tmp_path, monkeypatch):
    """A file with so many rows that nobody can read: whoever reads it fails otherwise."""
    monkeypatch.chdir(tmp_path)
    HISTORY.mkdir(parents=True)
    pq.write_table(pa.table({"nothing": pa.nulls(ALERTS, pa.int8())}), HISTORY / "alerts.parquet")
    return HISTORY


def params(memory_mb):
    return AiopsParams().on(RuntimeParams(memory_mb=memory_mb))


STAGES = [mine_rules.main, select_rules.main, Case.read]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_says_how_much_it_needs_and_which_setting_forbids_it(history, stage):
    needed = windows.needed_mb(ALERTS, windows.REPLAY_BYTES)
    with pytest.raises(SignalboxError) as error:
        stage(params(needed - 1))
    said = str(error.value)
    assert "alerts.parquet" in said
    assert "200,000 alerts" in said
    assert f"{needed:,} MB" in said
    assert f"runtime.memory_mb in release.yaml ({needed - 1:,})" in said


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_may_use_as_much_goes_on_to_read(history, stage):
    with pytest.raises(SignalboxError, match="not a readable alert history"):
        stage(params(windows.needed_mb(ALERTS, windows.REPLAY_BYTES)))


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
    windows.require(tmp_path, 1024, windows.REPLAY_BYTES)


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
        labels=[
            {"alertname": f"A{i % 20}", "service": f"h{i}", "team": "t"} for i in range(series)
        ],
        tickets=[],
    )


SMALL, LARGE = 100_000, 300_000


def bytes_of_an_alert(work):
    """Bytes that each further alert of a history takes, beside what is loaded once."""
    work(noise(SMALL))
    more = taken_by(lambda: work(noise(LARGE))) - taken_by(lambda: work(noise(SMALL)))
    return more / (LARGE - SMALL)


def mined(alerts):
    config = replace(default_config(), receivers=(Receiver("default"), CHAT))
    found = mine_all(alerts, MineRulesParams(), [HistoryWindow(0, 28 * DAY_US)], config=config)
    assert len(found["hold"].rules) == 20
    return found["hold"].rules


def test_mining_and_replaying_take_no_more_than_that():
    assert bytes_of_an_alert(mined) < windows.REPLAY_BYTES

    half = HistoryWindow(0, 14 * DAY_US)

    def judged(alerts):
        assert Backtest(alerts, half, default_config(), {}).baseline.stages["pages"] > 0

    assert bytes_of_an_alert(judged) < windows.REPLAY_BYTES


def test_a_replay_with_rules_takes_no_more_than_one_of_files_counts_on():
    config = replace(default_config(), receivers=(Receiver("default"), CHAT))
    rules = mined(noise(SMALL))

    def replayed(alerts):
        made = replay(alerts, config, rules=rules)
        assert {"held", "folded"} <= set(made.alerts["status"])

    assert bytes_of_an_alert(replayed) < ROW_BYTES + MEMBER_BYTES
