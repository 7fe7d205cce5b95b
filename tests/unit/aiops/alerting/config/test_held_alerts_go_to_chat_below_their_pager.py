"""Where a rule set changes the routing tree, with trees that can be followed on paper."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import (
    PAGE_NAME,
    QUIET_RECEIVER,
    apply_rules,
    leaves_of,
    matches,
    page_label,
    parse_config,
    placements,
    routes_of,
)
from pipelines.aiops.alerting.config.apply import changes_heartbeat
from pipelines.aiops.alerting.rules import Matcher
from tests.unit.aiops.alerting.replay.worlds import alerts, configs, hold_rule, matchers

TEXT = """
route:
  receiver: pager
  group_by: [alertname]
  repeat_interval: 6h
  routes:
    - matchers: [severity="info"]
      receiver: chat
    - matchers: [severity="warning"]
      group_wait: 2m
      repeat_interval: 3h
      routes:
        - matchers: [team="db"]
          receiver: pager-db
          mute_time_intervals: [night]
    - matchers: [severity="audit"]
      receiver: chat
      continue: true
receivers:
  - name: pager
    pagerduty_configs: [{}]
  - name: pager-db
    pagerduty_configs: [{}]
  - name: chat
    slack_configs: [{}]
time_intervals:
  - name: night
    time_intervals: [{times: [{start_time: 00:00, end_time: 06:00}]}]
"""
CONFIG = parse_config(TEXT.replace("00:00", "'00:00'").replace("06:00", "'06:00'"), "am.yml")
SLOW = Matcher(label="alertname", op="=", value="Slow")


def severity(*values):
    return Matcher(label="severity", op="=~", value="|".join(values))


def rule(*more, **settings):
    return hold_rule(SLOW, *more, **{"receiver": "pager", **settings})


def bare(route):
    return replace(route, routes=())


def ends(config, **labels):
    nodes = dict(config.route.walk())
    return [bare(nodes[path]) for path in routes_of(config.route, {"alertname": "Slow", **labels})]


def test_a_held_alert_ends_at_chat_and_inherits_the_rest():
    ruled = apply_rules(CONFIG, [rule(severity("warning", "page"))])
    for labels, wait in (({"severity": "warning"}, 120), ({"severity": "page"}, 30)):
        (end,) = ends(ruled, **labels)
        (today,) = ends(CONFIG, **labels)
        assert (end.receiver, end.origin, end.group_wait) == ("chat", "hold-1", wait * 10**6)
        assert (end.group_by, end.repeat_interval) == (today.group_by, today.repeat_interval)
        assert (end.active, end.mute) == ((), ())
    # Another pager, a chat, and what is new stay as they are.
    for labels in ({"severity": "warning", "team": "db"}, {"severity": "info"}, {"severity": "x"}):
        assert ends(ruled, **labels) == ends(CONFIG, **labels)


def test_the_pages_of_a_pager_have_the_first_route_and_those_of_one_moment_are_one_group():
    other = rule(severity("warning"), id="hold-2", receiver="pager-db", mute=("night",))
    ruled = apply_rules(CONFIG, [rule(severity("warning", "page")), other])
    assert [each.receiver for each in ruled.route.routes] == [
        "pager", "pager-db", "chat", "pager", "chat", "chat",
    ]  # fmt: skip
    labels = [page_label(each) for each in (rule(), other)]
    assert labels == ["pager", "pager-db not in night"]
    for label, receiver, mute, hours in zip(
        labels, ("pager", "pager-db"), ((), ("night",)), (3, 3), strict=True
    ):
        (end,) = ends(ruled, alertname=PAGE_NAME, pager=label, severity="info")
        assert (end.receiver, end.mute, end.group_by) == (receiver, mute, ("since",))
        assert (end.group_wait, end.group_interval) == (10**6, 300 * 10**6)
        # The shortest of the routes to the pager.
        assert end.repeat_interval == hours * 3600 * 10**6


def test_a_pagers_label_names_the_intervals_of_its_route():
    both = rule(active=("work", "day"), mute=("night",))
    assert page_label(both) == "pager in work,day not in night"


def test_a_rule_whose_pager_is_gone_changes_nothing():
    for gone in (rule(receiver="sms"), rule(mute=("night",)), rule(severity("info"))):
        assert leaves_of(CONFIG, gone) == ()
        assert apply_rules(CONFIG, [gone]) == CONFIG


def test_the_receiver_that_tells_nobody_is_there_if_a_rule_needs_it():
    ruled = apply_rules(CONFIG, [rule(severity("page"), chat=QUIET_RECEIVER)])
    assert not ruled.receiver(QUIET_RECEIVER).integrations
    assert not ruled.receiver(QUIET_RECEIVER).pages
    assert apply_rules(CONFIG, [rule()]).receivers == CONFIG.receivers


def test_a_route_with_a_child_that_continues_and_may_match_is_no_end():
    assert placements(CONFIG, (SLOW, severity("audit", "page"))) == ((2,),)
    assert placements(CONFIG, (SLOW, severity("page"))) == ((),)
    assert placements(CONFIG, (SLOW, severity("warning"))) == ((1, 0), (1,))


def test_a_heartbeat_that_a_rule_holds_is_changed_and_others_arent():
    beats = [{"alertname": "Watchdog", "severity": "page"}, {"alertname": "Slow", "severity": "x"}]
    assert changes_heartbeat(CONFIG, rule(severity("page")), beats) == ""
    beat = [*beats, {"alertname": "Slow", "severity": "page"}]
    assert changes_heartbeat(CONFIG, rule(severity("page")), beat) == "Slow"


@settings(max_examples=200, deadline=None)
@given(configs, alerts(), matchers, st.sampled_from(["pager", "both"]))
def test_only_what_a_rule_matches_goes_elsewhere_and_only_from_its_pager_to_its_chat(
    config, world, some, receiver
):
    holds = hold_rule(*some, receiver=receiver)
    ruled = apply_rules(config, [holds])
    today, then = dict(config.route.walk()), dict(ruled.route.walk())
    for labels in world[0]:
        before = [bare(today[path]) for path in routes_of(config.route, labels)]
        after = [bare(then[path]) for path in routes_of(ruled.route, labels)]
        for old, new in zip(before, after, strict=True):
            if new == old:
                continue
            assert matches(holds.matchers, labels)
            assert (old.receiver, old.active, old.mute) == (receiver, (), ())
            assert new == replace(old, receiver="chat", matchers=holds.matchers, continues=False,
                                  origin="hold-1")  # fmt: skip
