from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import (
    QUIET_RECEIVER,
    SECOND,
    STILL_NAME,
    apply_rules,
    default_config,
    sparing_guards,
)
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.rules import DemotionRule, Guard, Matcher, MuteTimeRule

from .guards_reference import Hearing
from .reference import episodes
from .test_replay_equals_event_loop import UNTIL, told_by_loop
from .test_replay_keeps_what_must_hold import LABELS, NIGHT, QUIET, WHY
from .worlds import alerts, configs, frame_of, matchers, timings

LAST = UNTIL // SECOND + 1
guards = st.builds(
    Guard,
    by=st.sampled_from([(), ("host",), ("alertname", "host", "severity")]),
    window_seconds=st.sampled_from([20, 100, 700]),
    max_count=st.integers(0, 3),
    max_seconds=st.sampled_from([None, 0, 15, 90, 300]),
)
quiets = st.builds(
    DemotionRule, id=st.just("demotion-1"), matchers=matchers, guard=guards, **{
        key: st.just(value) for key, value in WHY.items()
    }
)  # fmt: skip
recurrings = st.builds(
    MuteTimeRule, id=st.just("mute_time-1"), matchers=matchers, guard=guards,
    weekdays=st.sampled_from([(3,), (0, 1), tuple(range(7))]),
    start_minute=st.sampled_from([0, 3]), end_minute=st.sampled_from([5, 12, 1440]),
    timezone=st.just("UTC"), **{key: st.just(value) for key, value in WHY.items()},
)  # fmt: skip


def hear(rules, labels, rows):
    return Hearing(rules, labels, episodes(rows), LAST)


@settings(max_examples=100, deadline=None)
@given(configs, alerts(most=12), timings, quiets, recurrings, st.booleans())
def test_replay_with_guards_tells_what_an_event_loop_tells(
    config, world, timing, quiet, recurring, own
):
    labels, rows = world
    if own:
        # Labels that the guard's alerts set as well: alerts that differ in them only are one.
        labels = [{**each, "rule": str(i % 2)} for i, each in enumerate(labels)]
    rules = [quiet, recurring]
    found = hear(rules, labels, rows)
    config = replace(config, inhibit_rules=config.inhibit_rules[:1])
    ruled = apply_rules(config, rules)
    loop = told_by_loop(ruled, found.labels, rows + found.alerts, timing, ())
    made = replay(frame_of(rows, labels), config, rules=rules, until=UNTIL, timing=timing)
    columns = made.notifications[["time", "receiver", "firing", "resolved"]]
    assert sorted(columns.itertuples(index=False, name=None)) == loop


@settings(max_examples=100, deadline=None)
@given(alerts(), st.sampled_from([0, 15, 90, 300]), st.booleans())
def test_an_alert_that_is_hidden_for_longer_than_ever_is_always_told(world, limit, mute):
    labels, rows = world
    guard = Guard(window_seconds=1, max_count=1000, max_seconds=limit)
    rule = (NIGHT if mute else QUIET).model_copy(
        update={"guard": guard, "matchers": (Matcher(label="alertname", op="=~", value="a|b|"),)}
    )
    if mute:
        rule = rule.model_copy(update={"end_minute": 1440})
    config = default_config()
    route = replace(config.route, group_by=("...",), group_wait=0, group_interval=SECOND)
    config = replace(config, route=route)
    made = replay(frame_of(rows, labels), config, rules=[rule], until=UNTIL)
    for series, start, end in episodes(rows):
        mine = [i for i, (s, a, _) in enumerate(rows) if s == series and start <= a <= end]
        told = made.alerts.iloc[mine]
        if end - start > limit:
            assert (told["status"] == "folded").all()
            assert (told["first_page"] == (start + limit) * SECOND).all()
        else:
            assert (told["status"] == ("muted" if mute else "demoted")).all()
        assert (told["rule"] == rule.id).all()


def guarded(rule, **guard):
    return rule.model_copy(
        update={"guard": Guard(**{"window_seconds": 60, "max_count": 99} | guard)}
    )


def status(rows, rules, labels=LABELS):
    return replay(frame_of(rows, labels), default_config(), rules=rules)


def test_a_quiet_alert_that_goes_on_over_several_rows_is_told_by_its_labels():
    labels = [{"alertname": "a", "host": "h", "severity": "low"}]
    made = status(
        [(0, 5000, 5100), (0, 5090, 5250), (0, 5250, 5400), (0, 9000, 9200)],
        [guarded(QUIET, max_seconds=300)],
        labels,
    )
    assert made.alerts["status"].tolist() == ["folded"] * 3 + ["demoted"]
    assert set(made.alerts["rule"]) == {QUIET.id}
    assert made.alerts["first_page"].tolist() == [(5300 + 30) * SECOND] * 3 + [-1]
    assert made.stages["pages"] == 1
    receiver = dict(zip(made.groups["group"], made.groups["receiver"], strict=True))
    assert receiver[made.alerts["group"][0]] == "default"
    assert receiver[made.alerts["group"][3]] == QUIET_RECEIVER


def test_a_muted_alert_is_heard_for_its_muted_time_only():
    made = status([(0, 10, 250), (0, 4000, 4200)], [guarded(NIGHT, max_seconds=100)])
    assert made.alerts["status"].tolist() == ["folded", "paged"]
    assert made.alerts["rule"].tolist() == [NIGHT.id, ""]
    assert made.alerts["first_page"].tolist() == [140 * SECOND, 4030 * SECOND]


def test_an_alert_that_is_heard_while_muted_and_shown_later_was_told_at_first():
    made = status([(0, 10, 900)], [guarded(NIGHT, max_seconds=100)])
    assert made.alerts["status"].tolist() == ["paged"]
    assert made.alerts["first_page"].tolist() == [140 * SECOND]


def test_starts_outside_a_mute_time_rules_hours_dont_count():
    rows = [(0, 10, 20), (0, 100, 110), (0, 4000, 4010), (0, 4020, 4100)]
    rule = guarded(NIGHT, max_count=1, window_seconds=50)
    assert status(rows, [rule]).alerts["status"].tolist()[:2] == ["muted", "muted"]
    storm = guarded(NIGHT, max_count=1, window_seconds=200)
    assert status(rows, [storm]).alerts["status"].tolist()[:2] == ["folded", "folded"]


@pytest.mark.parametrize("rule", [QUIET, NIGHT])
def test_a_rule_that_names_no_alert_doesnt_hide_what_tells_of_it(rule):
    wide = rule.model_copy(update={"matchers": (Matcher(label="host", op="=", value="h"),)})
    made = status(
        [(0, 10, 250)], [guarded(wide, max_seconds=60)], [{"alertname": "a", "host": "h"}]
    )
    assert made.alerts["status"].tolist() == ["folded"]


def test_matchers_that_no_guard_meets_stay_as_they_are():
    one = (Matcher(label="alertname", op="=~", value="a|b"),)
    assert sparing_guards(one) == one
    other = (Matcher(label="alertname", op="!=", value=STILL_NAME),)
    assert sparing_guards(other)[1].value == "SignalboxGuard"


def test_guards_of_many_series_cost_little_more_than_none():
    """Fifty thousand series, all hidden and all too long: whole columns, not series by series."""
    labels = [{"alertname": "a", "host": str(i)} for i in range(50_000)]
    rows = [(i, i, i + 1000) for i in range(50_000)]
    made = status(rows, [guarded(QUIET, max_seconds=400)], labels)
    assert set(made.alerts["status"]) == {"folded"}
    assert (np.diff(made.alerts["first_page"]) >= 0).all()
