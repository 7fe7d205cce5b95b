"""A rule matches the history that it was learned from and no other labels."""

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import GUARD_NAME, STILL_NAME
from pipelines.aiops.alerting.config.matching import value_matches
from pipelines.aiops.alerting.mining import mine
from pipelines.aiops.alerting.rules import one_of
from pipelines.aiops.params.alert_rules import GroupingMining
from tests.unit.aiops.alerting.mining.worlds import WINDOW, World, only, times


def matches(matchers, labels):
    return all(
        labels.get(m.label, "") == m.value if m.op == "=" else bool(
            re.fullmatch(m.value, labels.get(m.label, ""), re.DOTALL)
        )
        for m in matchers
    )  # fmt: skip


def hosts(count):
    rng, world = np.random.default_rng(0), World()
    for n, at in enumerate(times(rng, 40)):
        labels = {} if n % 3 else {"zone": "eu"}
        world.add(at, 20, "Blip", host=f"h{n % count}", run=f"r{n}", **labels)
    return world.frame()


def test_known_alerts_match_and_new_values_names_and_severities_do_not():
    frame = hosts(20)
    (matchers,) = {rule.matchers for rule in mine(frame, only("wait"), WINDOW)}
    assert all(matches(matchers, labels) for labels in frame.labels)
    known = frame.labels[0]
    assert not matches(matchers, {**known, "host": "new"})
    assert not matches(matchers, {**known, "alertname": "New"})
    assert not matches(matchers, {**known, "zone": "us"})


def test_a_running_number_does_not_keep_a_rule_from_matching():
    (matchers,) = {rule.matchers for rule in mine(hosts(20), only("wait"), WINDOW)}
    assert "run" not in {m.label for m in matchers}


def test_a_label_with_too_many_known_values_makes_no_rule():
    params = only("wait").model_copy(update={"max_values": 10})
    assert mine(hosts(20), params, WINDOW) == []


@settings(max_examples=60, deadline=None)
@given(st.sets(st.text(max_size=12), min_size=1, max_size=5), st.text(max_size=12))
def test_a_list_of_values_matches_them_alone(values, other):
    matcher = one_of("label", sorted(values))
    assert all(matches((matcher,), {"label": value}) for value in values)
    assert matches((matcher,), {"label": other}) == (other in values)


def pods(lifetime_days):
    """Two services whose pods are renamed when they are deployed, every so many days."""
    rng, world = np.random.default_rng(0), World()
    for at in times(rng, 60):
        place = rng.integers(2)
        life = int(at / 86_400 + place * 3) // lifetime_days
        world.add(at, 20, "Blip", service=f"s{place}", pod=f"s{place}-{life}")
    return world.frame()


def test_names_that_are_renewed_all_the_time_are_not_listed():
    (matchers,) = {rule.matchers for rule in mine(pods(7), only("wait"), WINDOW)}
    assert {m.label for m in matchers} == {"alertname", "service"}


def test_a_demotion_rule_outlives_names_that_are_renewed_all_the_time():
    (matchers,) = {rule.matchers for rule in mine(pods(7), only("demotion"), WINDOW)}
    assert {m.label for m in matchers} == {"alertname", "service"}
    assert not matches(matchers, {"alertname": "Blip", "service": "new"})


def test_names_that_stay_are_listed():
    (matchers,) = {rule.matchers for rule in mine(pods(1000), only("wait"), WINDOW)}
    assert {m.label for m in matchers} == {"alertname", "service", "pod"}


def test_one_migration_is_not_a_habit():
    (matchers,) = {rule.matchers for rule in mine(pods(17), only("wait"), WINDOW)}
    assert {m.label for m in matchers} == {"alertname", "service", "pod"}


def test_where_a_name_has_too_many_values_its_parts_get_rules():
    rng, world = np.random.default_rng(0), World()
    for n, at in enumerate(times(rng, 60)):
        zone = n % 2
        world.add(at, 20 + 400 * zone, "Blip", host=f"z{zone}-h{n % 12}", zone=f"z{zone}")
    params = only("wait").model_copy(update={"max_values": 8})
    rules = mine(world.frame(), params, WINDOW)
    zones = {m.value for rule in rules for m in rule.matchers if m.label == "zone"}
    assert zones == {"z0", "z1"}


def test_new_names_are_grouped_only_where_they_are_groups_of_their_own():
    rng, world = np.random.default_rng(0), World()
    for n, at in enumerate(times(rng, 30)):
        place = f"s{n % 6}"
        for name in ("Slow", "Errors", "Queue"):
            world.add(at + rng.uniform(0, 20), 300, name, service=place)
    rules = mine(world.frame(), only("grouping"), WINDOW)
    new = {"alertname": "New", "service": "s1"}
    takes = {"alertname" in rule.group_by: set() for rule in rules}
    for rule in rules:
        takes["alertname" in rule.group_by].add(taken_by(rule, new))
    assert takes == {True: {True}, False: {False}}


def test_where_a_group_tells_within_a_minute_new_names_join_it():
    rng, world = np.random.default_rng(0), World()
    for n, at in enumerate(times(rng, 30)):
        for name in ("Slow", "Errors", "Queue"):
            world.add(at + rng.uniform(0, 20), 300, name, service=f"s{n % 6}")
    new, guard = {"alertname": "New", "service": "s1"}, {"alertname": GUARD_NAME}
    for wait, interval, joins in ((30, 60, True), (30, 61, False), (61, 60, False)):
        params = only("grouping")
        times_tried = {"group_wait_seconds": [wait], "group_interval_seconds": [interval]}
        params = params.model_copy(update={"grouping": GroupingMining(**times_tried)})
        rules = mine(world.frame(), params, WINDOW)
        wide = [rule for rule in rules if taken_by(rule, {"alertname": "Slow", "service": "s1"})]
        wide = [rule for rule in wide if taken_by(rule, {"alertname": "Queue", "service": "s1"})]
        known = [rule for rule in wide if "alertname" not in rule.group_by]
        assert known
        assert {taken_by(rule, new) for rule in known} == {joins}
        assert not any(taken_by(rule, guard) for rule in known)


def taken_by(rule, labels):
    return all(value_matches(one, labels.get(one.label, "")) for one in rule.matchers)


def test_no_grouping_takes_what_guards_tell():
    rng, world = np.random.default_rng(0), World()
    for n, at in enumerate(times(rng, 30)):
        for name in ("Slow", "Errors"):
            world.add(at + rng.uniform(0, 20), 300, name, service=f"s{n % 6}")
    for rule in mine(world.frame(), only("grouping"), WINDOW):
        assert not any(taken_by(rule, {"alertname": one}) for one in (GUARD_NAME, STILL_NAME))
