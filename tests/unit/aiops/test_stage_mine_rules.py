"""Stage ``mine_rules`` on a small synthetic history."""

from datetime import UTC, datetime

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipelines.aiops import mine_rules
from pipelines.aiops.alerting.evidence import MiningDetails
from pipelines.aiops.alerting.judging import Case
from pipelines.aiops.alerting.rules import read_rules
from pipelines.aiops.alerting.windows import thirds
from pipelines.aiops.lake.contract import TABLES
from pipelines.aiops.lake.feedback import Answer, add, freeze
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import HoldMining, MineRulesParams
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


CONFIG = """
route:
  receiver: pager
  group_by: ['...']
receivers:
  - name: pager
    pagerduty_configs: [{}]
  - name: slack
    slack_configs: [{}]
"""


@pytest.fixture
def params(project):
    path = project / "alertmanager.yml"
    path.write_text(CONFIG, encoding="utf-8")
    return AiopsParams(export_rules={"alertmanager_yml": str(path)})


def test_candidates_come_from_the_whole_history(project, params):
    mine_rules.main(params)
    document = read_json(CANDIDATES)
    assert document["window"] == {"start": "2026-03-02T00:00:00Z", "end": "2026-03-18T00:00:00Z"}
    rules = read_rules(CANDIDATES)
    assert max(rule.support.last.isoformat() for rule in rules) > "2026-03-17"


def test_evidence_says_which_names_are_noisy_and_what_is_not_held(project, params):
    mine_rules.main(params)
    evidence = read_evidence(project / "evidence/mine_rules.json")
    tried = read_json(CANDIDATES)["tried"]
    assert evidence.figure("mine_rules.hold").n == tried["hold"]
    details = MiningDetails.model_validate(evidence.details)
    assert 0 < len(details.noisy) == evidence.figure("mine_rules.noisy_names").value
    assert all(name.pages >= 20 for name in details.noisy)
    held = sum(name.held_pages for name in details.noisy)
    assert 0 < held == details.pages - sum(details.not_held.values())
    share = evidence.figure("mine_rules.held_share").value
    assert share == pytest.approx(held / details.pages)
    rules = [rule for rule in read_rules(CANDIDATES) if rule.family == "hold"]
    assert {rule.chat for rule in rules} == {"slack"}
    assert {r.matchers[0].value for r in rules} <= {name.alertname for name in details.noisy}


def test_what_is_excluded_is_in_the_evidence(project, params):
    mine_rules.main(params)
    loudest = read_rules(CANDIDATES)[0].matchers[0].value
    settings = {"exclude": [{"alertname": loudest}, {"family": "known_fix"}]}
    mine_rules.main(params.model_copy(update={"mine_rules": MineRulesParams(**settings)}))
    rules = read_rules(CANDIDATES)
    assert {rule.family for rule in rules} == {"hold"}
    assert loudest not in {rule.matchers[0].value for rule in rules}
    details = read_evidence(project / "evidence/mine_rules.json").details
    first, second = details["left_out"]
    assert (first["entry"], first["pairs"] > 0) == ({"alertname": loudest}, True)
    assert second == {"entry": {"family": "known_fix"}, "pairs": 0}
    assert details["not_held"]["excluded by params"] > 0


def test_without_a_chat_nothing_is_held_where_a_setting_says_so(project):
    settings = MineRulesParams(hold=HoldMining(without_chat=False))
    mine_rules.main(AiopsParams(mine_rules=settings))
    assert not [rule for rule in read_rules(CANDIDATES) if rule.family == "hold"]
    details = read_evidence(project / "evidence/mine_rules.json").details
    assert details["pages"] == sum(details["not_held"].values()) > 0


def test_a_second_run_writes_the_same_bytes(project, params):
    mine_rules.main(params)
    first = CANDIDATES.read_bytes(), (project / "evidence/mine_rules.json").read_bytes()
    mine_rules.main(params)
    assert (CANDIDATES.read_bytes(), (project / "evidence/mine_rules.json").read_bytes()) == first


def test_a_missing_history_is_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SignalboxError, match="alert_history"):
        mine_rules.main(AiopsParams())


def test_a_name_whose_held_alert_people_call_an_incident_is_not_held(project, params):
    mine_rules.main(params)
    (first, *_) = [rule for rule in read_rules(CANDIDATES) if rule.family == "hold"]
    (name,) = (m.value for m in first.matchers if m.label == "alertname")
    harmful = Answer(
        at=datetime(2026, 3, 18, tzinfo=UTC), by="ann", about="rule", subject=first.id,
        verdict="harmful", names=(name,),
    )  # fmt: skip
    add(project / "own", harmful)
    freeze(project / "own", HISTORY)
    mine_rules.main(params)
    held = {
        m.value
        for rule in read_rules(CANDIDATES)
        if rule.family == "hold"
        for m in rule.matchers
        if m.label == "alertname"
    }
    assert held
    assert name not in held
    said = read_evidence(project / "evidence/mine_rules.json").details["feedback"]
    assert said["spared"] == [name]
    assert said["judged"][0]["harmful"] == 1
    # Judging mines anew on two thirds of the history, and must not hold the name either.
    case = Case.read(params)
    mined = case.mine(thirds(case.whole)[:2], None)
    assert name not in {m.value for rule in mined for m in rule.matchers if m.label == "alertname"}


def test_noise_holds_nothing_by_itself(project, params):
    mine_rules.main(params)
    before = CANDIDATES.read_bytes()
    said = Answer(
        at=datetime(2026, 3, 18, tzinfo=UTC), by="ann", about="finding", subject="f",
        verdict="noise", names=("Never",),
    )  # fmt: skip
    add(project / "own", said)
    freeze(project / "own", HISTORY)
    mine_rules.main(params)
    assert CANDIDATES.read_bytes() == before
    details = read_evidence(project / "evidence/mine_rules.json").details
    assert details["feedback"]["spared"] == []
