"""Stage ``mine_rules`` on a small synthetic history."""

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipelines.aiops import mine_rules
from pipelines.aiops.alerting.rules import read_rules
from pipelines.aiops.lake.contract import TABLES
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import CANDIDATES, HISTORY
from pipelines.aiops.params.telemetry import SimulateParams
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import read_evidence
from pipelines.core.files import read_json
from pipelines.simulator.simulate import simulate, write


@pytest.fixture
def project(tmp_path, monkeypatch):
    lake = tmp_path / "lake"
    write(simulate(SimulateParams(seed=20, days=16, alerts=4000)), lake)
    monkeypatch.chdir(tmp_path)
    HISTORY.mkdir(parents=True)
    for name in ("alerts", "tickets"):
        table = ds.dataset(lake / name, format="parquet", schema=TABLES[name].schema).to_table()
        pq.write_table(table, HISTORY / f"{name}.parquet")
    return tmp_path


def test_candidates_come_from_the_first_part_of_the_history_alone(project):
    mine_rules.main(AiopsParams())
    document = read_json(CANDIDATES)
    assert document["window"] == {"start": "2026-03-02T00:00:00Z", "end": "2026-03-10T00:00:00Z"}
    rules = read_rules(CANDIDATES)
    assert rules
    assert all(rule.support.first.isoformat() >= "2026-03-02" for rule in rules)
    assert all(rule.support.last.isoformat() < "2026-03-10" for rule in rules)


def test_evidence_says_how_many_candidates_were_tried(project):
    mine_rules.main(AiopsParams())
    evidence = read_evidence(project / "evidence/mine_rules.json")
    tried = read_json(CANDIDATES)["tried"]
    found = evidence.figure("mine_rules.wait")
    assert found.n == tried["wait"] > found.value > 0


def test_a_second_run_writes_the_same_bytes(project):
    mine_rules.main(AiopsParams())
    first = CANDIDATES.read_bytes(), (project / "evidence/mine_rules.json").read_bytes()
    mine_rules.main(AiopsParams())
    assert (CANDIDATES.read_bytes(), (project / "evidence/mine_rules.json").read_bytes()) == first


def test_a_missing_history_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SignalboxError, match="alert_history"):
        mine_rules.main(AiopsParams())
