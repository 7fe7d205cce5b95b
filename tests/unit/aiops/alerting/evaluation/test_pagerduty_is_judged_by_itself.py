"""PagerDuty's form of the rules is a target of its own: judged on thirds, in the gate, apart."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.aiops.alerting import judging
from pipelines.aiops.alerting.config import parse_config, with_pagers
from pipelines.aiops.alerting.evaluation import BacktestResult, figures, together
from pipelines.aiops.alerting.evaluation.incidents import Ticket
from pipelines.aiops.alerting.evidence import ReplayDetails
from pipelines.aiops.gate_rules import asked
from pipelines.core.evidence import Evidence, Figure, write_evidence
from pipelines.core.params import Check
from pipelines.core.time import SECOND_US
from tests.support.alert_worlds import WORLDS, judge, with_chat

from .test_judging import DAY, HOUR, SLOW, TEXT, case

DETAILS = (
    "{details: {alertname: '{{ .CommonLabels.alertname }}', "
    "service: '{{ .CommonLabels.service }}'}}"
)
FIX = {"fix": "restart", "service": "web"}
CHECK = {"protects": "x", "compare": "at_most", "threshold": 1, "owner": "x", "reason": "x"}


def sending(given: judging.Case) -> judging.Case:
    """The same case, whose pager sends PagerDuty the labels that rules ask for."""
    text = TEXT.replace("[{}]", f"[{DETAILS}]", 1)
    config = with_pagers(parse_config(text, "alertmanager.yml"), ())
    return replace(given, config=config, sources=replace(given.sources, alertmanager=text))


def in_pagerduty(given: judging.Case) -> BacktestResult:
    return together(judging.cross_fit(given, judging.Unseen.in_pagerduty))


def others(given: judging.Case) -> BacktestResult:
    return together([fold.effect for fold in judging.cross_fit(given, judging.Unseen.fold)])


def test_an_alert_that_comes_back_is_told_by_prometheus_and_missed_by_pagerduty():
    at = 4 * DAY + HOUR
    back = [(SLOW, at, at + 100), (SLOW, at + 600, at + 700)]
    opened = Ticket(**FIX, opened=at * SECOND_US, closed=(at + 3000) * SECOND_US)
    given = sending(case(back, [0, 0], {"T": opened}))
    left, held = others(given), in_pagerduty(given)
    assert [each.missed for each in left.credible] == [False]
    assert [(each.ticket, each.missed) for each in held.credible] == [("T", True)]
    assert len(held.baseline) == len(left.baseline)  # each alert is a group: an incident each
    assert 0 < len(held.candidate) < len(held.baseline)
    assert held.saved > left.saved


def test_an_alert_that_lasts_is_told_when_its_pause_is_over():
    at = 4 * DAY + HOUR
    opened = Ticket(**FIX, opened=at * SECOND_US, closed=(at + 3000) * SECOND_US)
    given = sending(case([(SLOW, at, at + 2000)], [0], {"T": opened}))
    (incident,) = in_pagerduty(given).credible
    assert incident.delay == 300
    assert incident.candidate_own_page == (at + 30 + 300) * SECOND_US


def test_without_the_labels_nothing_is_exported_and_nothing_changes():
    given = case()
    files, rules, _ = given.deploy(given.mine([given.whole], None), ())
    assert rules
    assert files.pagerduty == {}
    held = in_pagerduty(given)
    assert held.saved == 0
    assert len(held.candidate) > 0


def test_figures_stand_where_something_is_exported_alone():
    (count,) = figures.pagerduty_figures(None, 0)
    assert (count.id, count.value) == ("replay_rules.pagerduty_rules", 0)
    effect = in_pagerduty(sending(case()))
    found = {figure.id.partition("pagerduty_")[2]: figure for figure in
             figures.pagerduty_figures(effect, 2)}  # fmt: skip
    assert found["rules"].value == 2
    assert found["saved_share"].value == pytest.approx(effect.saved_share, abs=1e-6)
    assert found["saved_share"].low < found["saved_share"].value <= found["saved_share"].high
    assert (found["missed"].value, found["missed_share"].value) == (0, None)
    assert found["late_5m_share"].value == 0


def checks() -> list[Check]:
    return [
        Check(id=name, figure=f"replay_rules.{name}", **CHECK)
        for name in ("missed", "pagerduty_missed")
    ]


@pytest.mark.parametrize(("rules", "wanted"), [
    (0, ["missed"]), (1, ["missed", "pagerduty_missed"]), (None, ["missed", "pagerduty_missed"]),
])  # fmt: skip
def test_pagerdutys_check_is_asked_where_rules_are_exported_to_it(tmp_path, rules, wanted):
    path = tmp_path / "evidence/replay_rules.json"
    assert asked(checks(), path) == checks()
    count = Figure(id="replay_rules.pagerduty_rules", label="x", value=rules, method="x", n=1,
                   missing="" if rules is not None else "x")  # fmt: skip
    write_evidence(path, Evidence(stage="replay_rules", inputs={}, figures=[count], details={}))
    assert [check.id for check in asked(checks(), path)] == wanted


def test_the_stages_judge_both_targets_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    world = with_chat(WORLDS / "mini_fold", tmp_path / "world")
    config = world / "alertmanager.yml"
    text = config.read_text()
    lines = "        details:\n" + "".join(
        f"          {name}: '{{{{ .CommonLabels.{name} }}}}'\n"
        for name in ("alertname", "service", "severity", "cluster", "region", "team")
    )
    config.write_text(text.replace("/etc/am/pd\n", f"/etc/am/pd\n{lines}"))
    evidence = judge(world, tmp_path)
    details = ReplayDetails.model_validate(evidence.details)
    assert details.pagerduty is not None
    assert details.pagerduty.services == ["pagerduty-shop"]
    # Each alert is a group of its own here, and none is told twice: both count the same today.
    assert details.pagerduty.baseline_pages == evidence.figure("replay_rules.baseline_pages").value
    saved = evidence.figure("replay_rules.pagerduty_saved_share").value
    assert details.pagerduty.saved_share == saved > 0.5
    assert 0 < details.pagerduty.deployed.pages < details.pagerduty.baseline_pages
    assert evidence.figure("replay_rules.pagerduty_rules").value == 1
