"""Notified is who gets a page that names one of the incident's alerts while that alert lasts.

What is told less often here is a configuration with other groups: whatever changes what is sent is
judged alike. Pages about an incident's service: `test_told_by_service`.
"""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.aiops.alerting.config import HOUR as HOUR_OF
from pipelines.aiops.alerting.config import parse_config, with_pagers
from pipelines.aiops.alerting.config.model import Integration, Receiver, Route
from pipelines.aiops.alerting.evaluation.backtest import Backtest, Fold
from pipelines.aiops.alerting.evaluation.incidents import Ticket
from pipelines.aiops.alerting.evaluation.tables import JudgedFold, receivers
from pipelines.aiops.alerting.evidence import ReplayDetails
from pipelines.aiops.alerting.rules import Matcher
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import NO, YES
from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import read_evidence
from pipelines.core.time import DAY_US, SECOND_US
from tests.support.alert_worlds import WORLDS, judge
from tests.unit.aiops.alerting.evaluation.made_up import CONFIG, holding, labels_of
from tests.unit.aiops.alerting.replay.worlds import frame_of

HOUR, MINUTE = 3600, 60
LABELS = [{"alertname": "a"}, {"alertname": "b"}]
A, B = 0, 1
WINDOW = HistoryWindow(0, 10 * DAY_US)


def one_group(repeat=24):
    """All alerts in a group that is told every half hour, and again after so many hours."""
    route = replace(
        CONFIG.route, group_by=(), group_interval=30 * MINUTE * SECOND_US,
        repeat_interval=repeat * HOUR_OF,
    )  # fmt: skip
    return replace(CONFIG, route=route)


def effect_of(rows, ticket, changed=None, rules=(), closed=None, acted=None, labels=LABELS):
    """What another configuration, or rules, do; `ticket` has an incident's number or -1 a row."""
    names = [f"T{i}" for i in range(max(ticket, default=-1) + 1)]
    frame = frame_of(rows, labels, names, ticket)
    if acted is not None:
        frame = replace(frame, acted=np.full(len(rows), acted, np.int8))
    backtest = Backtest(frame, WINDOW, CONFIG, closed or {})
    return backtest.effect(backtest.replay(rules, changed), rules)


def only(effect):
    (incident,) = effect.incidents
    return incident


def test_a_page_long_before_the_alert_came_back_is_no_page_of_it():
    """The entry still names the alert, so Alertmanager keeps silent when it is back so soon."""
    rows = [(A, 0, 31 * HOUR), (A, 31 * HOUR + 5, 33 * HOUR), (B, 0, 40 * HOUR)]
    incident = only(effect_of(rows, [-1, 0, -1], one_group(72)))
    assert incident.starts == (31 * HOUR + 5) * SECOND_US
    assert incident.baseline_first_page > incident.starts
    assert incident.missed


def test_back_between_two_flushes_it_is_told_by_the_next_repeat_within_its_episode_or_never():
    rows = [(A, 0, 100 * MINUTE), (A, 101 * MINUTE, 9 * HOUR)]
    late = only(effect_of(rows, [-1, 0], one_group(2)))
    # Flushes at 30 s + n × 30 min: the first one more than two hours after the page at 30 s.
    assert late.candidate_first_page == (30 + 5 * 30 * MINUTE) * SECOND_US
    assert late.delay == 30 + 5 * 1800 - (101 * MINUTE + 30)
    assert only(effect_of(rows, [-1, 0], one_group())).missed
    short = [(A, 0, 100 * MINUTE), (A, 101 * MINUTE, 119 * MINUTE)]
    assert only(effect_of(short, [-1, 0], one_group(2))).missed


def test_an_incident_begins_with_the_episode_that_its_alert_is_part_of():
    """Its row begins in the middle of an alert that fires already: that alert's page is its own."""
    rows = [(A, HOUR, 3 * HOUR), (A, 2 * HOUR, 5 * HOUR)]
    incident = only(effect_of(rows, [-1, 0], one_group()))
    assert incident.starts == HOUR * SECOND_US
    assert incident.candidate_first_page == (HOUR + 30) * SECOND_US
    assert not incident.missed
    assert incident.delay == 0


@pytest.mark.parametrize("closed", [None, 1, 20 * MINUTE, 30 * HOUR])
def test_whenever_the_ticket_is_closed_the_incident_begins_with_its_alert(closed):
    """Early, late or never closed: what is paged within the alert's episode isn't missed."""
    times = {} if closed is None else {"T0": Ticket(closed=closed * SECOND_US)}
    incident = only(effect_of([(A, HOUR, 3 * HOUR)], [0], one_group(), closed=times))
    assert incident.starts == HOUR * SECOND_US
    assert not incident.missed
    assert incident.delay == 0


def test_without_a_ticket_there_is_no_incident_to_miss():
    assert effect_of([(A, 0, HOUR)], [-1]).incidents == ()


def test_a_ticket_on_the_wrong_alert_is_judged_by_that_alert_alone():
    """Nobody is paged of a five-second alert today, so there is nothing to miss."""
    rows = [(A, HOUR, 3 * HOUR), (B, HOUR, HOUR + 5)]
    incident = only(effect_of(rows, [-1, 0], one_group()))
    assert not incident.baseline_notified
    assert not incident.missed


def test_a_ticket_on_the_last_alert_alone_is_not_told_by_the_page_of_the_first_one():
    """Alerts without a service: nothing says that they belong together."""
    rows = [(A, HOUR, 5 * HOUR), (B, HOUR + 10 * MINUTE, HOUR + 20 * MINUTE)]
    incident = only(effect_of(rows, [-1, 0], one_group()))
    assert incident.starts == (HOUR + 10 * MINUTE) * SECOND_US
    assert incident.missed


def test_an_alert_that_two_incidents_share_is_the_page_of_both():
    rows = [(A, HOUR, 3 * HOUR), (A, 2 * HOUR, 4 * HOUR), (B, 3 * HOUR, 4 * HOUR)]
    incidents = effect_of(rows, [0, 1, 1], one_group()).incidents
    assert [each.candidate_first_page for each in incidents] == [(HOUR + 30) * SECOND_US] * 2
    assert not any(each.missed for each in incidents)


def test_an_alert_that_an_older_group_swallows_is_missed_with_its_incident():
    rows = [(B, 0, 6 * HOUR), (A, 2 * MINUTE, 20 * MINUTE)]
    incident = only(effect_of(rows, [-1, 0], one_group()))
    assert incident.baseline_first_page == (2 * MINUTE + 30) * SECOND_US
    assert incident.missed


@pytest.mark.parametrize("acted", [YES, NO])
def test_that_somebody_acknowledged_it_long_before_changes_nothing(acted):
    rows = [(A, 0, 100 * MINUTE), (A, 101 * MINUTE, 9 * HOUR)]
    assert only(effect_of(rows, [-1, 0], one_group(), acted=acted)).missed


def test_an_incident_at_the_end_of_a_window_may_be_told_after_it():
    """Today it is paged within the window; a page a little later isn't in it, and tells of it."""
    end = WINDOW.end // SECOND_US
    rows = [(B, end - 100, end + HOUR), (A, end - 40, end + HOUR)]
    effect = effect_of(rows, [-1, 0], one_group())
    incident = only(effect)
    assert incident.baseline_first_page < WINDOW.end < incident.candidate_first_page
    assert not incident.missed
    assert (len(effect.baseline), len(effect.candidate)) == (2, 1)


HELD = labels_of("Slow web", "Errors web", "Slow db")
SLOW, ERRORS, DB = range(3)
RULE = holding("Slow", "web", "db")


def held(rows, ticket):
    return effect_of(rows, ticket, rules=[RULE], labels=HELD)


def test_a_held_alert_that_is_over_soon_is_missed_with_its_incident():
    incident = only(held([(SLOW, HOUR, HOUR + 200)], [0]))
    assert incident.missed
    assert (incident.rules, incident.names) == ((RULE.id,), ("Slow",))


def test_a_held_alert_that_lasts_is_told_five_minutes_later():
    incident = only(held([(SLOW, HOUR, 2 * HOUR)], [0]))
    assert not incident.missed
    # Alertmanager waits 30 s today; the page of the rules is sent at once, on their tick.
    assert 240 <= incident.delay <= 300


def test_a_held_alert_in_company_is_told_at_once():
    incident = only(held([(SLOW, HOUR, HOUR + 200), (ERRORS, HOUR, HOUR + 200)], [0, -1]))
    assert incident.delay == 0


def test_a_short_held_alert_is_told_by_what_pages_of_its_service_meanwhile():
    """The rule holds one name alone; the other one pages as today."""
    rows = [(SLOW, HOUR, HOUR + 200), (ERRORS, HOUR + 700, 2 * HOUR)]
    closed = {"T0": Ticket(closed=2 * HOUR * SECOND_US)}
    found = only(effect_of(rows, [0, -1], rules=[RULE], labels=HELD, closed=closed))
    assert found.told_by_service
    assert found.strict_missed
    assert found.delay == 700


def test_chats_are_counted_apart_and_are_no_pages():
    """Of a receiver with a pager and a chat, which don't tell alike, only the pager pages."""
    both = Receiver("pager", (Integration("pagerduty", True), Integration("slack", False)))
    chat = Receiver("chat", (Integration("slack", False),), pages=False)
    child = Route("chat", (Matcher(label="alertname", op="=", value="b"),), ("...",))
    config = replace(CONFIG, receivers=(both, chat), route=replace(CONFIG.route, routes=(child,)))
    frame = frame_of([(A, HOUR, 2 * HOUR), (B, HOUR, 2 * HOUR)], LABELS, ["T0", "T1"], [0, 1])
    backtest = Backtest(frame, WINDOW, config, {})
    effect = backtest.effect(backtest.baseline, ())
    assert len(effect.baseline) == 1
    assert [each.ticket for each in effect.notified] == ["T0"]
    told = [
        (each.receiver, each.pager, each.baseline)
        for each in receivers([JudgedFold.of(Fold(backtest, (), backtest.baseline, effect))])
    ]
    assert told == [("pager", True, 1), ("chat", False, 1)]


def test_what_no_receiver_is_told_of_any_more_has_vanished():
    nobody = replace(CONFIG, receivers=(Receiver("pager", (), pages=False), CONFIG.receivers[1]))
    effect = effect_of([(A, HOUR, 3 * HOUR)], [0], nobody)
    assert [each.ticket for each in effect.vanished] == ["T0"]
    assert not effect_of([(A, HOUR, 3 * HOUR)], [0], one_group()).vanished


def test_a_receiver_that_is_named_pages_and_the_others_do_not():
    text = """
route: {receiver: pager}
receivers:
  - {name: pager, pagerduty_configs: [{}]}
  - {name: chat, slack_configs: [{}]}
"""
    config = with_pagers(parse_config(text, "am.yml"), ("chat",))
    assert [(each.name, each.pages) for each in config.receivers] == [
        ("pager", False), ("chat", True),
    ]  # fmt: skip


CHAT = "  - name: chat\n    slack_configs:\n      - api_url_file: /etc/am/slack\n"


@pytest.mark.parametrize(("world", "incidents"), [("mini_fold", 46), ("mini_guard", 55)])
def test_a_minimal_world_with_a_chat_loses_no_incident(tmp_path, monkeypatch, world, incidents):
    """Rules of older versions lost 8 of these incidents, in Alertmanager's groups and guards."""
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "alertmanager.yml"
    own.write_text((WORLDS / world / "alertmanager.yml").read_text() + CHAT)
    files = [str(path) for path in sorted((WORLDS / world / "prometheus").glob("*.yml"))]
    evidence = judge(
        WORLDS / world, tmp_path, export_rules={"alertmanager_yml": str(own), "prometheus": files}
    )
    found = ReplayDetails.model_validate(evidence.details)
    assert found.rules
    assert evidence.figure("replay_rules.missed_of_all").n >= incidents
    assert evidence.figure("replay_rules.missed_of_all").value == 0
    assert found.certificate.files


def test_mini_unexported_claims_no_saving_that_its_files_do_not_bring(tmp_path, monkeypatch):
    """Without a chat nothing can be held: no rule, no saving, the files as they are."""
    monkeypatch.chdir(tmp_path)
    evidence = judge(WORLDS / "mini_unexported", tmp_path)
    exported = read_evidence(evidence_of("export_rules"))
    rules = evidence.figure("replay_rules.rules").value
    assert exported.figure("export_rules.not_exported").value == 0
    assert exported.figure("export_rules.exported").value == rules
    saved = evidence.figure("replay_rules.deployed_saved_share").value
    assert (saved > 0) == (rules > 0)
