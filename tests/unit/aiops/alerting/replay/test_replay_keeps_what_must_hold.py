from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import HOUR, SECOND, Receiver, default_config
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.rules import Matcher

from .worlds import SPAN, alerts, configs, frame_of, hold_rule, silences

UNTIL = (SPAN + 600) * SECOND
A = Matcher(label="alertname", op="=", value="a")
HOLD = hold_rule(A, Matcher(label="host", op="=~", value="a|b"), service_label="host")
LABELS = [{"alertname": "a"}, {"alertname": "b"}]


def with_chat(config):
    return replace(config, receivers=(*config.receivers, Receiver("chat", pages=False)))


def same(one, other):
    pd.testing.assert_frame_equal(one.notifications, other.notifications)
    pd.testing.assert_frame_equal(one.alerts, other.alerts)
    assert one.stages == other.stages


@settings(max_examples=30, deadline=None)
@given(configs, alerts(), silences, st.randoms(use_true_random=False))
def test_order_of_rows_and_size_of_chunks_change_nothing(config, world, quiet, chance):
    labels, rows = world
    frame = frame_of(rows, labels)
    order = list(range(len(rows)))
    chance.shuffle(order)
    whole = replay(frame, config, until=UNTIL, silences=quiet)
    same(whole, replay(frame, config, until=UNTIL, silences=quiet, chunk=1))
    mixed = replay(
        frame.where(np.array(order, dtype=np.int64)), config, until=UNTIL, silences=quiet
    )
    pd.testing.assert_frame_equal(whole.notifications, mixed.notifications)
    back = mixed.alerts.iloc[np.argsort(order)].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole.alerts, back)


@settings(max_examples=30, deadline=None)
@given(configs, alerts(), alerts())
def test_two_parts_with_a_quiet_day_between_them_are_the_whole(config, one, other):
    labels, rows = one
    later = [(s % len(labels), a + 10**6, b + 10**6) for s, a, b in other[1]]
    config = replace(config, inhibit_rules=())
    made = [
        replay(frame_of(part, labels), config, until=until * SECOND).notifications
        for part, until in ((rows, 10**6 - 10), (later, 10**6 + 3000), (rows + later, 10**6 + 3000))
    ]
    columns = ["time", "receiver", "group", "firing", "resolved"]
    parts = pd.concat(made[:2])[columns]
    # An entry that alerts left firing when they were muted may still be in the log a day later.
    if not any(route.mute or route.active for _, route in config.route.walk()):
        assert parts.to_numpy().tolist() == made[2][columns].to_numpy().tolist()


@settings(max_examples=100, deadline=None)
@given(alerts(most=40))
def test_what_is_held_pages_no_more_than_today_and_chat_hears_of_all_of_it(world):
    """One group an alert: with groups, taking one alert out can part what one page told."""
    labels, rows = world
    config = with_chat(default_config())
    config = replace(config, route=replace(config.route, group_by=("...",), group_wait=0))
    frame = frame_of(rows, labels)
    before = replay(frame, config, until=UNTIL)
    after = replay(frame, config, rules=[HOLD], until=UNTIL)
    assert after.stages["pages"] <= before.stages["pages"]
    held = np.array(
        [each.get("alertname") == "a" and "host" in each for each in labels], dtype=bool
    )[frame.series]
    assert set(after.alerts["status"][held]) <= {"held", "folded"}
    assert (after.alerts["rule"][held] == HOLD.id).all()
    heard, hears = (each.alerts["first_notification"].to_numpy() for each in (before, after))
    assert ((hears >= 0) & (hears <= heard))[heard >= 0].all()
    same_groups = after.alerts[~held].assign(group=before.alerts["group"][~held])
    pd.testing.assert_frame_equal(before.alerts[~held], same_groups)


def status(rows, rules, until=None, labels=LABELS):
    config = with_chat(default_config())
    return replay(frame_of(rows, labels), config, rules=rules, until=until)


def test_a_ticket_knows_when_it_was_told():
    frame = frame_of([(0, 100, 900), (1, 0, 10)], LABELS, tickets=["T1", "T2", "T3"], ticket=[0, 1])
    made = replay(frame, default_config())
    assert made.tickets["first_page"].tolist() == [130 * SECOND, -1, -1]
    assert made.tickets["opened"].tolist() == [100 * SECOND, 0, -1]


def test_an_alert_that_never_ends_is_repeated_until_the_end():
    frame = frame_of([(0, 0, 1)], LABELS)
    frame.ends[0] = 2**62
    made = replay(frame, default_config(), until=13 * HOUR)
    assert made.notifications["reason"].tolist() == ["first", "repeat", "repeat", "repeat"]


def test_all_alerts_of_one_second_and_name_are_one_page():
    labels = [{"alertname": "a", "host": str(i)} for i in range(5000)]
    made = status([(i, 100, 400) for i in range(5000)], [], labels=labels)
    assert made.stages["pages"] == 1
    assert made.notifications["firing"][0] == 5000


def test_a_hundred_thousand_names_are_as_many_groups():
    labels = [{"alertname": f"a{i}"} for i in range(100_000)]
    made = status([(i, i, i + 100) for i in range(100_000)], [], labels=labels)
    assert made.stages["pages"] == 100_000


@pytest.mark.parametrize("value", ['q"uo\\te', "line\nbreak", "🚨 <b>", "x" * 10_000])
def test_odd_values_and_ten_thousand_labels_are_values_like_others(value):
    labels = [{"alertname": value, **{f"l{i}": str(i) for i in range(10_000)}}]
    labels[0]["service"] = value
    matchers = (Matcher(label=label, op="=", value=value) for label in ("alertname", "service"))
    made = status([(0, 0, 100), (0, 1000, 1500)], [hold_rule(*matchers)], labels=labels)
    assert made.alerts["status"].tolist() == ["held", "folded"]


def test_no_alerts_at_all_are_no_notifications():
    made = status([], [HOLD], labels=[])
    assert (len(made.notifications), len(made.alerts), made.stages["pages"]) == (0, 0, 0)
    assert status([], [], until=0).stages["events"] == 0


def test_of_rules_that_hold_the_same_the_first_one_decides_whatever_their_ids():
    labels = [{"alertname": "a", "host": "a"}]
    for ids in (("hold-1", "hold-2"), ("hold-2", "hold-1")):
        rules = tuple(HOLD.model_copy(update={"id": name}) for name in ids)
        made = status([(0, 600, 700), (0, 9000, 9900)], rules, labels=labels)
        assert made.alerts["status"].tolist() == ["held", "folded"]
        assert made.alerts["rule"].tolist() == [ids[0]] * 2
