"""A history that needs more memory than the setting allows is refused before it is read."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.aiops import mine_rules, replay_rules, select_rules
from pipelines.aiops.artifacts import HISTORY
from pipelines.aiops.noise import memory
from pipelines.aiops.noise.alertmanager import default_config
from pipelines.aiops.noise.replay import replay_files
from pipelines.aiops.noise.replay.files import LEAST, MEMBER_BYTES, ROW_BYTES
from pipelines.aiops.params import AiopsParams
from pipelines.base.errors import SignalboxError

ALERTS = 200_000


@pytest.fixture
def history(tmp_path, monkeypatch):
    """A file with so many rows that nobody can read: whoever reads it fails otherwise."""
    monkeypatch.chdir(tmp_path)
    HISTORY.mkdir(parents=True)
    pq.write_table(pa.table({"nothing": pa.nulls(ALERTS, pa.int8())}), HISTORY / "alerts.parquet")
    return HISTORY


def params(memory_mb):
    return AiopsParams.model_validate({"mine_rules": {"memory_mb": memory_mb}})


STAGES = [
    mine_rules.main,
    lambda settings: select_rules.choose(settings, ()),
    replay_rules.measured_on_last,
]


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_says_how_much_it_needs_and_which_setting_forbids_it(history, stage):
    needed = memory.needed_mb(ALERTS)
    with pytest.raises(SignalboxError) as error:
        stage(params(needed - 1))
    said = str(error.value)
    assert "alerts.parquet" in said
    assert "200,000 alerts" in said
    assert f"{needed:,} MB" in said
    assert f"aiops.mine_rules.memory_mb ({needed - 1:,})" in said


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_that_may_use_as_much_goes_on_to_read(history, stage):
    with pytest.raises(SignalboxError, match="not a readable alert history"):
        stage(params(memory.needed_mb(ALERTS)))


def test_a_replay_of_files_refuses_what_its_alerts_alone_would_exceed(history):
    bytes_needed = ALERTS * ROW_BYTES + LEAST * MEMBER_BYTES
    least = memory.PROGRAM_MB + -(-bytes_needed // memory.MB)
    with pytest.raises(SignalboxError, match=f"takes at least {least:,} MB, more than the"):
        replay_files(history, default_config(), memory_mb=least - 1)
    with pytest.raises(SignalboxError, match="not a readable alert history"):
        replay_files(history, default_config(), memory_mb=least)


def test_what_is_needed_grows_with_the_alerts_only():
    assert memory.needed_mb(0) == memory.PROGRAM_MB
    assert memory.needed_mb(2_000_000) - memory.needed_mb(1_000_000) == pytest.approx(572, abs=2)


def test_a_history_that_is_not_there_is_told_by_whoever_reads_it(tmp_path):
    memory.require(tmp_path, 1024, memory.MINING)
