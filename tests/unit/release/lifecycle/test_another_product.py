"""A product whose gate has another name goes the same way."""

import json
from pathlib import Path

import pytest
import yaml

from pipelines.release.approval import Answer, ApprovalParams, outcome
from pipelines.release.kpis.formula import Kpi
from pipelines.release.kpis.values import trend
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import (
    production,
    read_candidate,
    record_gate,
    record_outcome,
    release,
)
from pipelines.release.released import read_released

from .product import commit, git, make_project, write_lock

RULES = "alert_rules"
FILES = {
    "rules/alertmanager.yml": "route: {}",
    "evidence/simulate.json": json.dumps({"figures": [{"id": "simulate.saved", "value": 0.5}]}),
    "evidence/evaluate.json": json.dumps({"figures": [{"id": "evaluate.auc", "value": 0.9}]}),
    "evidence/gate_rules.json": json.dumps(
        {
            "inputs": {"evidence/simulate.json": "0" * 64},
            "figures": [{"id": "gate_rules.passed", "value": 1}],
            "details": {
                "decision": "approve",
                "checks": [{"id": "recall", "verdict": "pass", "sentence": "Good."}],
            },
        }
    ),
    "metrics/gate_rules.json": json.dumps({"verdict": "approve"}),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = make_project(tmp_path / "project")
    policy = yaml.safe_load((place / "release.yaml").read_text())
    policy["registry"] = {
        "products": {
            RULES: {
                "artifacts": ["rules/alertmanager.yml"],
                "gate": "gate_rules",
                "pointer": "released/alert_rules.json",
            }
        }
    }
    (place / "release.yaml").write_text(yaml.safe_dump(policy))
    (place / "released/alert_rules.json").write_text('{"released": null}')
    for path, text in FILES.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    write_lock(place, list(FILES))
    commit(place, "run")
    return place


def test_it_is_judged_approved_and_released_by_its_own_gate(project: Path) -> None:
    made = git(project, "rev-parse", "HEAD")
    decision = record_gate(project, RULES, made)
    assert (decision.verdict, decision.checks) == ("approve", {"recall": "pass"})
    policy = ApprovalParams(approvers=["alice"])
    here = Answer(who="alice", approves=True, channel="command_line")
    decided = outcome([here], "approve", policy)
    record_outcome(project, read_candidate(project, RULES, made), decided)
    done = release(project, RULES, made)
    assert git(project, "tag").split() == ["alert_rules#production#1", "alert_rules@v1.0.0"]
    pointer = read_released(project / "released/alert_rules.json")
    assert pointer == production(project, RULES)
    assert pointer is not None
    assert pointer.name == f"alert_rules@{done.version}"


def test_its_entry_and_trend_hold_the_figures_that_its_gate_judged(project: Path) -> None:
    record_gate(project, RULES, git(project, "rev-parse", "HEAD"))
    entries = Ledger.of(project).entries()
    assert entries[-1].data["figures"] == {"gate_rules.passed": 1, "simulate.saved": 0.5}
    kpi = Kpi(id="saved", owner="ops", measures="pages saved", formula="simulate.saved",
              target=0.3, direction="at_least")  # fmt: skip
    assert [point.value for point in trend(kpi, entries, RULES)] == [0.5]
    assert trend(kpi, entries, "model_release") == []
