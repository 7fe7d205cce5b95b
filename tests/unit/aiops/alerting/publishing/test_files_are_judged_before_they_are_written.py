"""What is written was replayed on the newest history, or says in the ledger that it was not."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest

from pipelines.aiops.alerting.config import QUIET_RECEIVER
from pipelines.aiops.alerting.publishing import judging_of, publish, withdraw
from pipelines.aiops.alerting.rules import HoldRule
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import ExportRulesParams
from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from tests.support.alert_worlds import WORLDS, freeze
from tests.unit.aiops.alerting.export.make import hold

from .project import live, make, params, released

TODAY = date(2026, 3, 1)
WORLD = WORLDS / "mini_fold"
SPIKE = {"to": "pagerduty-shop", "chat": QUIET_RECEIVER}
MINUTES = hold("alertname = Spike", **SPIKE)
HOURS = hold(
    "alertname = Spike", n=2, wait_seconds=10_800, again_seconds=60, names=99, instances=99,
    **SPIKE,
)  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    project = make(tmp_path / "project")
    (tmp_path / "live/alertmanager.yml").write_text((WORLD / "alertmanager.yml").read_text())
    return project


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """The world's history; its tickets name a fix, so that nobody doubts them."""
    copied = tmp_path / "world"
    shutil.copytree(WORLD, copied)
    head, *rows = (copied / "tickets.csv").read_text().splitlines()
    fixed = [f"{row.rpartition(',')[0]},restart" for row in rows]
    (copied / "tickets.csv").write_text("\n".join([head, *fixed, ""]))
    return copied


def all_params(project: Path) -> AiopsParams:
    checks = [
        {"id": name, "protects": "people", "figure": f"replay_rules.{name}", "compare": compare,
         "threshold": threshold, "owner": "operations", "reason": "made up"}
        for name, compare, threshold in (
            ("missed", "at_most", 0), ("saved_share", "at_least", 0.99)
        )
    ]  # fmt: skip
    return AiopsParams.model_validate(
        {"export_rules": params(project).model_dump(), "gate_rules": {"checks": checks}}
    )


def kinds(project: Path) -> list[str]:
    return [entry.kind for entry in Ledger.of(project).entries()]


def test_what_would_hide_incidents_now_is_not_written(project: Path, world: Path) -> None:
    released(project, [HOURS])
    freeze(world, project)
    before = live(project)
    with pytest.raises(SignalboxError, match=r"no longer hold.*missed: .*--unjudged"):
        publish(
            project, params(project), today=TODAY, judging=judging_of(project, all_params(project))
        )
    assert live(project) == before
    assert "publication" not in kinds(project)


def test_what_holds_is_written_and_the_ledger_has_its_figures(project: Path, world: Path) -> None:
    released(project, [MINUTES])
    freeze(world, project)
    judging = judging_of(project, all_params(project), harm=True)
    publish(project, params(project), today=TODAY, judging=judging)
    (entry,) = [e for e in Ledger.of(project).entries() if e.kind == "publication"]
    judged = entry.data["judged"]["figures"]
    assert judged["replay_rules.missed"] == 0
    assert judged["replay_rules.saved_share"] > 0.5
    assert len(entry.data["judged"]["history"]) == 64
    # Taking a rule out saves less; that is what it is for.
    withdraw(
        project, params(project), MINUTES.id, reason="test", who="a", today=TODAY, judging=judging
    )
    (entry,) = [e for e in Ledger.of(project).entries()[-2:] if e.kind == "publication"]
    assert entry.data["judged"]["figures"]["replay_rules.saved_share"] == 0


def test_what_the_release_was_not_asked_its_files_are_not_asked(project: Path, world: Path) -> None:
    """The gate's record has the check of missed incidents alone; 99 % saved is a later wish."""
    released(project, [MINUTES])
    freeze(world, project)
    done = publish(
        project, params(project), today=TODAY, judging=judging_of(project, all_params(project))
    )
    assert done.rules == [MINUTES.id]


def test_without_a_history_nothing_is_written(project: Path) -> None:
    released(project, [MINUTES])
    before = live(project)
    with pytest.raises(SignalboxError, match=r"no history to judge.*dvc pull"):
        publish(
            project, params(project), today=TODAY, judging=judging_of(project, all_params(project))
        )
    assert live(project) == before


def test_the_ledger_says_when_nobody_judged(project: Path) -> None:
    released(project, [MINUTES])
    publish(project, params(project), today=TODAY, reason="no history here")
    assert Ledger.of(project).entries()[-1].data["judged"] == {"why": "not judged"}


def test_a_source_that_only_the_release_has_is_read_from_its_commit(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in Airflow, where a stage's outs are in the run's work tree and not in the project's."""
    monkeypatch.chdir(project)
    (project / "conf").mkdir()
    (project / "conf/prometheus.yml").write_text("rule_files: [rules.yml]\n")
    released(project, [MINUTES])
    (project / "conf/prometheus.yml").unlink()
    own = params(project).model_copy(update={"prometheus": ["conf/prometheus.yml"]})
    done = publish(project, own, today=TODAY)
    assert done.rules == ["hold-1"]
    assert not done.unplaced
    gone = own.model_copy(update={"prometheus": ["conf/other.yml"]})
    with pytest.raises(SignalboxError, match=r"conf/other.yml: cannot be read"):
        publish(project, gone, today=TODAY)


DETAILS = "".join(
    f"          {name}: '{{{{ .CommonLabels.{name} }}}}'\n"
    for name in ("alertname", "service", "team")
)


def in_pagerduty(project: Path) -> ExportRulesParams:
    """PagerDuty's form alone is published."""
    path = project.parent / "live/alertmanager.yml"
    path.write_text(
        path.read_text().replace("/etc/am/pd\n", f"/etc/am/pd\n        details:\n{DETAILS}")
    )
    own = params(project).model_dump()
    own["publish"] |= {
        "alertmanager_yml": None, "hold_rules_yml": None,
        "pagerduty_json": str(project.parent / "live/pagerduty.json"),
    }  # fmt: skip
    return ExportRulesParams.model_validate(own)


@pytest.mark.parametrize(("rule", "refused"), [(MINUTES, False), (HOURS, True)])
def test_pagerdutys_form_is_judged_by_itself_before_it_is_written(
    project: Path, world: Path, rule: HoldRule, refused: bool
) -> None:
    own = in_pagerduty(project)
    released(project, [rule])
    freeze(world, project)
    check = {
        "id": "missed", "protects": "people", "figure": "replay_rules.pagerduty_missed",
        "compare": "at_most", "threshold": 0, "owner": "operations", "reason": "made up",
    }  # fmt: skip
    asked = AiopsParams.model_validate(
        {"export_rules": own.model_dump(), "gate_rules": {"checks": [check]}}
    )
    written = project.parent / "live/pagerduty.json"
    judging = judging_of(project, asked)
    if refused:
        with pytest.raises(SignalboxError, match="missed with PagerDuty's form"):
            publish(project, own, today=TODAY, judging=judging)
        assert not written.exists()
        return
    done = publish(project, own, today=TODAY, judging=judging)
    assert done.rules == [rule.id]
    (entry,) = [e for e in Ledger.of(project).entries() if e.kind == "publication"]
    assert entry.data["judged"]["figures"]["replay_rules.pagerduty_saved_share"] > 0.5
    assert "replay_rules.saved_share" not in entry.data["judged"]["figures"]
    (service,) = json.loads(written.read_text())["services"]
    assert service["receiver"] == "pagerduty-shop"


def test_pagerdutys_form_is_not_published_beside_the_other_files(project: Path) -> None:
    released(project, [MINUTES])
    own = params(project, pagerduty_json=str(project.parent / "live/pagerduty.json"))
    with pytest.raises(SignalboxError, match="name the ones or the other"):
        publish(project, own, today=TODAY, reason="no history here")
