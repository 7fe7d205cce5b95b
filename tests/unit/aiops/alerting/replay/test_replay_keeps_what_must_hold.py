from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import HOUR, QUIET_RECEIVER, SECOND, Process, default_config
from pipelines.aiops.alerting.replay import GUARD_NAME, replay
from pipelines.aiops.alerting.rules import (
    Bound,
    DemotionRule,
    Guard,
    InhibitionRule,
    KeepFiringRule,
    Matcher,
    MuteTimeRule,
    Support,
    WaitRule,
)

from .worlds import SPAN, alerts, configs, frame_of, silences

UNTIL = (SPAN + 600) * SECOND
WHY = {
    "sentence": "Synthetic.",
    "support": Support(
        alerts=9, episodes=9, days=9,
        first=datetime(2026, 1, 1, tzinfo=UTC), last=datetime(2026, 2, 1, tzinfo=UTC),
    ),
    "bound": Bound(measures="x", value=1.0, n=9, level=0.95, method="none", tried=1),
    "expires": date(2027, 1, 1),
}  # fmt: skip
A = Matcher(label="alertname", op="=", value="a")
B = Matcher(label="alertname", op="=", value="b")
QUIET = DemotionRule(id="demotion-1", matchers=(A,), **WHY)
TRANSIENT = WaitRule(id="wait-1", matchers=(A,), for_seconds=15, **WHY)
FLAPPING = KeepFiringRule(id="keep_firing-1", matchers=(A,), keep_firing_for_seconds=3600, **WHY)
IMPLIED = InhibitionRule(id="inhibition-1", matchers=(A,), source=(B,), equal=(), **WHY)
NIGHT = MuteTimeRule(
    id="mute_time-1", matchers=(A,), weekdays=tuple(range(7)), start_minute=0, end_minute=5, **WHY
)
LABELS = [{"alertname": "a"}, {"alertname": "b"}]


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


@settings(max_examples=30, deadline=None)
@given(alerts(), st.sampled_from([QUIET]))
def test_a_demotion_rule_only_lowers_pages(world, rule):
    """One group an alert: with groups, taking one alert out can part what one page told."""
    labels, rows = world
    config = default_config()
    config = replace(config, route=replace(config.route, group_by=("...",)))
    frame = frame_of(rows, labels)
    before = replay(frame, config, until=UNTIL)
    after = replay(frame, config, rules=[rule], until=UNTIL)
    assert after.stages["pages"] <= before.stages["pages"]
    names = np.array([each.get("alertname", "") for each in labels])[frame.series]
    assert set(after.alerts["status"][names == "a"]) <= {"demoted"}
    assert (after.alerts["rule"][names == "a"] == rule.id).all()


def status(rows, rules, until=None, labels=LABELS, config=None):
    return replay(frame_of(rows, labels), config or default_config(), rules=rules, until=until)


def test_an_alert_that_ends_before_its_longer_for_never_fires():
    made = status([(0, 0, 10), (0, 1000, 1200)], [TRANSIENT])
    assert made.alerts["status"].tolist() == ["not_fired", "paged"]
    assert made.alerts["rule"].tolist() == ["wait-1", ""]
    assert made.alerts["first_page"][1] == (1000 + 15 + 30) * SECOND


def test_a_longer_for_can_raise_pages_where_a_blip_had_made_a_group_for_others():
    """The blip's group ticks at 240 and 540 s; what comes and goes between is never told.

    Until 0.31: since then a group that a flush leaves empty is gone at once.
    """
    rows = [(0, 210, 210), (0, 241, 331)]
    sweeping = default_config(Process((0, 31)))
    assert status(rows, [], config=sweeping).stages["pages"] == 0
    assert status(rows, [TRANSIENT], config=sweeping).stages["pages"] == 1
    assert status(rows, []).stages["pages"] == 1


def test_an_alert_that_flaps_is_one_alert_while_it_keeps_firing():
    rows = [(0, k * 1200, k * 1200 + 60) for k in range(5)]
    assert status(rows, []).stages["pages"] == 5
    made = status(rows, [FLAPPING])
    assert (made.stages["episodes"], made.stages["pages"]) == (1, 1)


def test_an_implied_alert_is_inhibited_while_its_source_fires():
    made = status([(0, 100, 500), (1, 0, 600), (0, 5000, 5500)], [IMPLIED])
    assert made.alerts["status"].tolist() == ["inhibited", "paged", "paged"]
    assert made.alerts["rule"].tolist() == ["inhibition-1", "", ""]


def test_an_alert_of_the_night_is_muted_in_the_night_only():
    made = status([(0, 10, 100), (0, 4000, 4100), (1, 10, 100)], [NIGHT])
    assert made.alerts["status"].tolist() == ["muted", "paged", "paged"]
    assert made.alerts["rule"][0] == "mute_time-1"


def test_a_storm_of_quiet_alerts_is_told_by_the_guard():
    rule = QUIET.model_copy(update={"guard": Guard(window_seconds=600, max_count=2)})
    rows = [(0, 5000 + k * 60, 5000 + k * 60 + 20) for k in range(5)] + [(0, 50_000, 50_020)]
    made = status(rows, [rule])
    assert made.alerts["status"].tolist() == ["folded"] * 5 + ["demoted"]
    assert (made.alerts["first_page"] == -1).all()  # each was over before the guard's page
    assert made.stages["pages"] == 1
    assert GUARD_NAME not in {each.get("alertname") for each in LABELS}
    assert set(made.groups["receiver"]) == {"default", QUIET_RECEIVER}


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
    rule = QUIET.model_copy(update={"matchers": (Matcher(label="alertname", op="=", value=value),)})
    assert status([(0, 0, 100)], [rule], labels=labels).alerts["status"].tolist() == ["demoted"]


def test_no_alerts_at_all_are_no_notifications():
    made = status([], [TRANSIENT, QUIET, IMPLIED], labels=[])
    assert (len(made.notifications), len(made.alerts), made.stages["pages"]) == (0, 0, 0)
    assert status([], [], until=0).stages["events"] == 0


def test_of_rules_that_mute_at_the_same_moment_the_first_one_decides_whatever_their_ids():
    frame = frame_of([(0, 10, 200)], LABELS)
    config = default_config()
    for ids in (("mute_time-1", "mute_time-2"), ("mute_time-2", "mute_time-1")):
        rules = tuple(NIGHT.model_copy(update={"id": name}) for name in ids)
        implied = tuple(IMPLIED.model_copy(update={"id": name}) for name in ids)
        muted = replay(frame, config, rules=rules, until=UNTIL)
        assert muted.alerts["rule"].tolist() == [ids[0]]
        both = frame_of([(0, 10, 200), (1, 5, 300)], LABELS)
        inhibited = replay(both, config, rules=implied, until=UNTIL)
        assert inhibited.alerts["rule"].tolist()[0] == ids[0]
