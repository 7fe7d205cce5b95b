"""Notified is who gets a page that names one of the incident's alerts while that alert lasts."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from pipelines.aiops.alerting.config import (
    apply_rules,
    default_config,
    parse_config,
    with_pagers,
)
from pipelines.aiops.alerting.config.model import Integration, Receiver, Route
from pipelines.aiops.alerting.evaluation.backtest import Backtest, TicketedIncident
from pipelines.aiops.alerting.evaluation.tables import receivers
from pipelines.aiops.alerting.evidence import ReplayDetails
from pipelines.aiops.alerting.export.alertmanager import merge_config
from pipelines.aiops.alerting.export.config_tree import without_origin
from pipelines.aiops.alerting.mining.grouping import EVERY_ALERT
from pipelines.aiops.alerting.rules import (
    Bound,
    DemotionRule,
    GroupingRule,
    Guard,
    KeepFiringRule,
    Matcher,
    Support,
)
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import NO, YES
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import read_evidence
from pipelines.core.time import DAY_US, MINUTE_US, SECOND_US
from tests.support.alert_worlds import WORLDS, judge
from tests.unit.aiops.alerting.replay.worlds import frame_of

WHY = {
    "sentence": "Synthetic.",
    "support": Support(
        alerts=9, episodes=9, days=9,
        first=datetime(2026, 1, 1, tzinfo=UTC), last=datetime(2026, 2, 1, tzinfo=UTC),
    ),
    "bound": Bound(measures="x", value=1.0, n=9, level=0.95, method="none", tried=1),
    "expires": date(2027, 1, 1),
}  # fmt: skip
HOUR, MINUTE = 3600, 60
LABELS = [{"alertname": "a"}, {"alertname": "b"}]
A, B = 0, 1
ONE_GROUP = GroupingRule(
    id="grouping-1", matchers=(), group_by=(), group_wait_seconds=30,
    group_interval_seconds=1800, repeat_interval_seconds=86_400, **WHY,
)  # fmt: skip
KEPT = KeepFiringRule(id="keep_firing-1", matchers=(), keep_firing_for_seconds=1800, **WHY)
HIDDEN = DemotionRule(
    id="demotion-1", matchers=(Matcher(label="alertname", op="=", value="a"),), **WHY
)
# Each alert is a group of its own today, told after 30 seconds and then every minute.
OWN_GROUPS = replace(
    default_config(),
    route=Route(receiver="default", group_by=("...",), group_interval=MINUTE_US),
)


def effect_of(rows, ticket, rules=(), config=OWN_GROUPS, closed=None, acted=None):
    """What rules do to incidents of one window; `ticket` has an incident's number or -1 a row."""
    names = [f"T{i}" for i in range(max(ticket, default=-1) + 1)]
    frame = frame_of(rows, LABELS, names, ticket)
    if acted is not None:
        frame = replace(frame, acted=np.full(len(rows), acted, np.int8))
    backtest = Backtest(frame, HistoryWindow(0, 10 * DAY_US), config, closed or {})
    return backtest(rules)


def only(effect):
    (incident,) = effect.incidents
    return incident


def test_a_page_long_before_the_alert_came_back_is_no_page_of_it():
    """The entry still names the alert, so Alertmanager keeps silent when it is back so soon."""
    rows = [(A, 0, 31 * HOUR), (A, 31 * HOUR + 5, 33 * HOUR), (B, 0, 40 * HOUR)]
    yearly = ONE_GROUP.model_copy(update={"repeat_interval_seconds": 72 * HOUR})
    incident = only(effect_of(rows, [-1, 0, -1], [yearly]))
    assert incident.starts == (31 * HOUR + 5) * SECOND_US
    assert incident.baseline_first_page > incident.starts
    assert incident.missed


def test_back_between_two_flushes_it_is_told_by_the_next_repeat_within_its_episode_or_never():
    rows = [(A, 0, 100 * MINUTE), (A, 101 * MINUTE, 9 * HOUR)]
    soon = ONE_GROUP.model_copy(update={"repeat_interval_seconds": 2 * HOUR})
    late = only(effect_of(rows, [-1, 0], [soon]))
    # Flushes at 30 s + n × 30 min: the first one more than two hours after the page at 30 s.
    assert late.candidate_first_page == (30 + 5 * 30 * MINUTE) * SECOND_US
    assert late.delay == 30 + 5 * 1800 - (101 * MINUTE + 30)
    assert only(effect_of(rows, [-1, 0], [ONE_GROUP])).missed
    short = [(A, 0, 100 * MINUTE), (A, 101 * MINUTE, 119 * MINUTE)]
    assert only(effect_of(short, [-1, 0], [soon])).missed


def test_an_incident_begins_with_the_episode_that_its_alert_is_part_of():
    """Its row begins in the middle of an alert that fires already: that alert's page is its own."""
    rows = [(A, HOUR, 3 * HOUR), (A, 2 * HOUR, 5 * HOUR)]
    incident = only(effect_of(rows, [-1, 0], [ONE_GROUP]))
    assert incident.starts == HOUR * SECOND_US
    assert incident.candidate_first_page == (HOUR + 30) * SECOND_US
    assert not incident.missed
    assert incident.delay == 0


@pytest.mark.parametrize("closed", [None, 1, 20 * MINUTE, 30 * HOUR])
def test_whenever_the_ticket_is_opened_or_closed_the_incident_begins_with_its_alert(closed):
    """Early, late or never closed: what is paged within the alert's episode isn't missed."""
    rows = [(A, HOUR, 3 * HOUR)]
    times = {} if closed is None else {"T0": closed * SECOND_US}
    incident = only(effect_of(rows, [0], [ONE_GROUP], closed=times))
    assert incident.starts == HOUR * SECOND_US
    assert not incident.missed
    assert incident.delay == 0


def test_a_page_that_comes_only_after_the_ticket_was_closed_is_too_late():
    rows = [(B, 0, 6 * HOUR), (A, MINUTE, 3 * HOUR)]
    times = {"T0": 20 * MINUTE * SECOND_US}
    incident = only(effect_of(rows, [-1, 0], [ONE_GROUP], closed=times))
    assert incident.candidate_first_page == (30 + 30 * MINUTE) * SECOND_US
    assert incident.missed


def test_without_a_ticket_there_is_no_incident_to_miss():
    assert effect_of([(A, 0, HOUR)], [-1], [HIDDEN]).incidents == ()


def test_a_ticket_on_the_wrong_alert_is_judged_by_that_alert_alone():
    """Nobody is paged of a five-second alert today, so there is nothing to miss."""
    rows = [(A, HOUR, 3 * HOUR), (B, HOUR, HOUR + 5)]
    incident = only(effect_of(rows, [-1, 0], [HIDDEN]))
    assert not incident.baseline_notified
    assert not incident.missed


def test_a_ticket_on_the_last_alert_alone_is_not_told_by_the_page_of_the_first_one():
    rows = [(A, HOUR, 5 * HOUR), (B, HOUR + 10 * MINUTE, HOUR + 20 * MINUTE)]
    incident = only(effect_of(rows, [-1, 0], [ONE_GROUP]))
    assert incident.starts == (HOUR + 10 * MINUTE) * SECOND_US
    assert incident.missed


def test_an_alert_that_two_incidents_share_is_the_page_of_both():
    rows = [(A, HOUR, 3 * HOUR), (A, 2 * HOUR, 4 * HOUR), (B, 3 * HOUR, 4 * HOUR)]
    incidents = effect_of(rows, [0, 1, 1], [ONE_GROUP]).incidents
    assert [each.candidate_first_page for each in incidents] == [(HOUR + 30) * SECOND_US] * 2
    assert not any(each.missed for each in incidents)


def test_an_alert_that_an_older_group_swallows_is_missed_with_its_incident():
    rows = [(B, 0, 6 * HOUR), (A, 2 * MINUTE, 20 * MINUTE)]
    incident = only(effect_of(rows, [-1, 0], [ONE_GROUP]))
    assert incident.baseline_first_page == (2 * MINUTE + 30) * SECOND_US
    assert incident.missed


@pytest.mark.parametrize("acted", [YES, NO])
def test_that_somebody_acknowledged_it_long_before_changes_nothing(acted):
    rows = [(A, 0, 100 * MINUTE), (A, 101 * MINUTE, 9 * HOUR)]
    assert only(effect_of(rows, [-1, 0], [ONE_GROUP], acted=acted)).missed


def test_what_keeps_firing_is_one_alert_but_not_one_episode():
    """The page of the first episode is no page of the second, though the alert never ended."""
    rows = [(A, 0, 10 * MINUTE), (A, 20 * MINUTE, HOUR)]
    incident = only(effect_of(rows, [-1, 0], [KEPT]))
    assert incident.missed
    assert incident.touched_by == (KEPT.id,)


def test_a_guard_tells_of_what_it_hides_while_that_lasts():
    guard = Guard(window_seconds=600, max_count=1)
    rule = HIDDEN.model_copy(update={"guard": guard})
    labels = [{"alertname": "a", "host": "x"}, {"alertname": "a", "host": "y"}]
    rows = [(0, 0, 60), (1, 100, 5 * HOUR)]
    frame = frame_of(rows, labels, ["T0", "T1"], [0, 1])
    effect = Backtest(frame, HistoryWindow(0, DAY_US), OWN_GROUPS, {})([rule])
    first, second = effect.incidents
    assert first.missed
    assert second.candidate_first_page == (100 + 30) * SECOND_US


def test_a_page_before_its_incident_is_an_error_that_names_it():
    with pytest.raises(SignalboxError, match="incident T7 begins at 1970-01-01T00:01:40Z"):
        TicketedIncident("T7", 100 * SECOND_US, None, 130 * SECOND_US, 99 * SECOND_US)


def test_an_earlier_page_than_today_is_no_negative_delay():
    assert TicketedIncident("T7", 0, None, 130 * SECOND_US, 99 * SECOND_US).delay == 0


def test_what_no_receiver_is_told_of_any_more_has_vanished():
    chat = replace(OWN_GROUPS, receivers=(Receiver("default", pages=False),))
    effect = effect_of([(A, HOUR, 3 * HOUR)], [0], [HIDDEN], config=chat)
    assert not effect.notified
    assert [each.ticket for each in effect.vanished] == ["T0"]
    assert not effect_of([(A, HOUR, 3 * HOUR)], [0], [ONE_GROUP], config=chat).vanished


def test_chats_are_counted_apart_and_are_no_pages():
    """Of a receiver with a pager and a chat, which don't tell alike, only the pager pages."""
    both = Receiver("default", (Integration("pagerduty", True), Integration("slack", False)))
    chat = Receiver("chat", (Integration("slack", False),), pages=False)
    child = Route("chat", (Matcher(label="alertname", op="=", value="b"),), ("...",))
    config = replace(
        OWN_GROUPS, receivers=(both, chat), route=replace(OWN_GROUPS.route, routes=(child,))
    )
    frame = frame_of([(A, HOUR, 2 * HOUR), (B, HOUR, 2 * HOUR)], LABELS, ["T0", "T1"], [0, 1])
    backtest = Backtest(frame, HistoryWindow(0, 10 * DAY_US), config, {})
    effect = backtest([])
    assert len(effect.baseline) == 1
    assert [each.ticket for each in effect.notified] == ["T0"]
    told = [
        (each.receiver, each.pager, each.baseline)
        for each in receivers(backtest, backtest.baseline)
    ]
    assert told == [("default", True, 2), ("chat", False, 1)]


def test_what_chats_are_sent_is_not_regrouped_and_the_exported_file_says_the_same():
    text = """
route:
  receiver: pager
  group_by: [alertname]
  routes: [{receiver: chat, matchers: ['alertname="b"'], continue: false}]
receivers:
  - {name: pager, pagerduty_configs: [{}]}
  - {name: chat, slack_configs: [{}]}
"""
    rule = ONE_GROUP.model_copy(update={"matchers": EVERY_ALERT, "group_by": ("service",)})
    config = with_pagers(parse_config(text, "am.yml"), ())
    assert config.spared == {"chat"}
    rows = [(n % 2, HOUR * n, HOUR * n + 600) for n in range(20)]
    backtest = Backtest(frame_of(rows, LABELS), HistoryWindow(0, DAY_US), config, {})
    found = {each.receiver: each for each in receivers(backtest, backtest.replay([rule]))}
    assert found["chat"].baseline == found["chat"].candidate == 10
    for pagers in ((), ("pager",)):
        merged = merge_config(text, "am.yml", [rule], pagers)
        assert merged.placed == {rule.id: ["route.routes"]}  # below the pager's route alone
        wanted = apply_rules(with_pagers(parse_config(text, "am.yml"), pagers), [rule])
        assert without_origin(parse_config(merged.text, "am.yml")) == without_origin(wanted)
    assert with_pagers(config, ("chat",)).spared == {"pager"}
    nobody = parse_config(text.replace("pagerduty", "slack"), "am.yml")
    assert with_pagers(nobody, ()).spared == frozenset()


QUARTERS = {"group_interval_seconds": [900, 1800], "repeat_interval_seconds": [86_400]}


def judged(tmp_path, monkeypatch, **mining):
    """What the stages make of mini_fold: evidence, its incidents, and those that alerts fold."""
    world = WORLDS / "mini_fold"
    truth = json.loads((world / "truth.json").read_text())
    of_test = [each for each in truth["incidents"] if each["start"] >= truth["test_from"]]
    folds = {each["ticket"] for each in of_test if each["kind"] == "fold"}
    assert (len(folds), len(of_test)) == (8, 48)
    monkeypatch.chdir(tmp_path)
    evidence = judge(world, tmp_path, mine_rules=mining)
    return evidence, ReplayDetails.model_validate(evidence.details), folds


def test_mini_fold_is_judged_as_it_was_measured_and_not_approved(tmp_path, monkeypatch):
    """Grouped every quarter of an hour, a real Alertmanager never pages eight of 48 incidents."""
    evidence, found, folds = judged(tmp_path, monkeypatch, grouping=QUARTERS)
    assert [each.rule.family for each in found.rules] == ["grouping"]
    assert {each.ticket for each in found.incidents if each.missed} == folds
    assert evidence.figure("replay_rules.missed").value == 8
    assert evidence.figure("replay_rules.missed").n == 48
    assert evidence.figure("replay_rules.median_delay").value >= 0


def test_a_shorter_interval_that_folds_none_is_found_for_mini_fold(tmp_path, monkeypatch):
    """Each of its incidents is paged while its own two hours last."""
    evidence, found, folds = judged(tmp_path, monkeypatch)
    assert evidence.figure("replay_rules.missed").value == 0
    assert evidence.figure("replay_rules.saved_share").value > 0.5
    paged = {each.ticket: each for each in found.incidents}
    assert all(
        0 <= (paged[ticket].candidate_first_page - paged[ticket].starts).total_seconds() < 7200
        for ticket in folds
    )


def test_mini_guard_keeps_its_incidents_because_its_guard_is_heard(tmp_path, monkeypatch):
    """Judged with ``cluster`` in the guard, which no series of Prometheus has, eight are lost."""
    monkeypatch.chdir(tmp_path)
    evidence = judge(WORLDS / "mini_guard", tmp_path)
    assert evidence.figure("replay_rules.missed").value == 0
    assert evidence.figure("replay_rules.missed").n == 54
    guards = Path("rules/export/prometheus_rules.yml").read_text()
    assert "ALERTS{" in guards
    assert "cluster" not in guards


def test_mini_guard_without_prometheus_yml_hides_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world = WORLDS / "mini_guard"
    evidence = judge(
        world, tmp_path, export_rules={"alertmanager_yml": str(world / "alertmanager.yml")}
    )
    assert evidence.figure("replay_rules.missed").value == 0
    assert "demotion" not in Path("rules/rule_set.json").read_text()
    dropped = read_evidence(evidence_of("select_rules")).details["dropped"]
    assert any("name every prometheus.yml" in each["reason"] for each in dropped)


def test_mini_unexported_claims_no_saving_that_its_files_do_not_bring(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evidence = judge(WORLDS / "mini_unexported", tmp_path)
    dropped = read_evidence(evidence_of("select_rules")).details["dropped"]
    assert any("can't be exported" in each["reason"] for each in dropped)
    exported = read_evidence(evidence_of("export_rules"))
    assert exported.figure("export_rules.not_exported").value == 0
    assert (
        evidence.figure("replay_rules.rules").value
        == exported.figure("export_rules.exported").value
    )
