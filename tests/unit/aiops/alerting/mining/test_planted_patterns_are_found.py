"""What is planted in a synthetic history is found, with the right settings."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pipelines.aiops.alerting.mining import mine
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.core.time import DAY_US
from tests.unit.aiops.alerting.mining.worlds import MONDAY, WINDOW, World, only, times


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def blips(rng, acted=False):
    world = World()
    for at in times(rng, 12):
        world.add(at, rng.uniform(10, 50), "Blip", acted, service="a", severity="warning")
    return world


def test_a_blip_waits_until_most_are_over(rng):
    rules = mine(blips(rng).frame(), only("wait"), WINDOW)
    assert max(rule.for_seconds for rule in rules) == 60
    assert {m.label: m.value for m in rules[0].matchers} == {
        "alertname": "Blip", "service": "a", "severity": "warning",
    }  # fmt: skip


def test_a_label_that_tells_blips_from_faults_divides_the_name(rng):
    world = World()
    for at in times(rng, 12):
        world.add(at, rng.uniform(10, 50), "Down", disk="scratch")
    for n, at in enumerate(times(rng, 12)):
        world.add(at, rng.uniform(20, 9000), "Down", True, f"T{n}", disk="main")
    (matchers,) = {rule.matchers for rule in mine(world.frame(), only("wait"), WINDOW)}
    assert [m.value for m in matchers if m.label == "disk"] == ["scratch"]


def test_what_comes_and_goes_is_held_over_its_gaps(rng):
    world = World()
    for at in times(rng, 2):
        for k in range(6):
            world.add(at + k * 400, 120, "Flap", service="b")
    rules = mine(world.frame(), only("keep_firing"), WINDOW)
    assert min(rule.keep_firing_for_seconds for rule in rules) == 300


def cascade(rng):
    world = World()
    for n, at in enumerate(times(rng, 6)):
        place = f"s{rng.integers(4)}"
        world.add(at, 1800, "Down", True, f"T{n}", service=place, severity="critical")
        for k in range(3):
            world.add(
                at + rng.uniform(0, 20), 1700, "Slow", service=place, instance=f"{place}-{k}",
                severity="warning",
            )  # fmt: skip
    for at in times(rng, 6):
        world.add(at, 600, "Other", service=f"s{rng.integers(4)}", severity="warning")
    return world


def test_a_consequence_is_told_by_its_cause_in_the_same_place(rng):
    (rule,) = mine(cascade(rng).frame(), only("inhibition"), WINDOW)
    assert rule.equal == ("service",)
    assert [m.value for m in rule.source if m.label == "alertname"] == ["Down"]
    assert [m.value for m in rule.matchers if m.label == "alertname"] == ["Slow"]


def test_two_severities_of_one_name_imply_each_other_one_way_only(rng):
    world = World()
    for n, at in enumerate(times(rng, 6)):
        place = f"s{n % 5}"
        world.add(at, 1800, "DiskFull", service=place, severity="critical")
        world.add(at, 1800, "DiskFull", service=place, severity="warning")
    (rule,) = mine(world.frame(), only("inhibition"), WINDOW)
    sides = [
        {m.value for m in part if m.label == "severity"} for part in (rule.source, rule.matchers)
    ]
    assert sides in ([{"critical"}, {"warning"}], [{"warning"}, {"critical"}])


def test_alerts_of_one_place_are_grouped_by_it(rng):
    rules = mine(cascade(rng).frame(), only("grouping"), WINDOW)
    assert ("service",) in {rule.group_by for rule in rules}
    assert all(
        rule.group_wait_seconds <= 60 and rule.group_interval_seconds <= 1800 for rule in rules
    )
    assert {rule.group_interval_seconds for rule in rules} == {300, 900, 1800}  # to choose among


def test_nightly_alerts_get_their_hours(rng):
    world = World()
    for day in range(28):
        world.add(day * 86_400 + 7200 + rng.uniform(0, 1500), 2400, "Batch", job="export")
    (rule,) = mine(world.frame(), only("mute_time"), WINDOW)
    assert (rule.start_minute, rule.end_minute, rule.timezone) == (120, 150, "UTC")
    assert rule.weekdays == tuple(range(7))


def test_a_nightly_alert_that_lasts_or_multiplies_is_heard_all_the_same(rng):
    world = World()
    for day in range(28):
        world.add(day * 86_400 + 7200 + rng.uniform(0, 1500), 2400, "Batch", job="export")
    (rule,) = mine(world.frame(), only("mute_time"), WINDOW)
    assert rule.guard.max_seconds == 3600
    assert 1 <= rule.guard.max_count <= 5


def test_hours_that_move_with_a_clock_are_found_on_it(rng):
    before = datetime(2026, 10, 12, tzinfo=ZoneInfo("Europe/Berlin"))  # clocks change on the 25th
    start = int(before.timestamp() * 1_000_000) // DAY_US * DAY_US
    window, world = HistoryWindow(start, start + 28 * DAY_US), World()
    for day in range(1, 28):
        local = (before + timedelta(days=day)).replace(hour=3, minute=2)
        at = local.timestamp() - MONDAY / 1e6 + rng.uniform(0, 1500)
        world.add(at, 600, "Batch", job="export")
    rules = mine(world.frame(), only("mute_time"), window)
    assert {(r.timezone, r.start_minute) for r in rules} == {("Europe/Berlin", 180)}


def test_alerts_of_working_days_get_no_weekend(rng):
    world = World()
    for day in range(28):
        if day % 7 < 5:
            world.add(day * 86_400 + 7200 + rng.uniform(0, 1500), 2400, "Batch", job="export")
        world.add(day * 86_400 + 50_000, 60, "Other")
    rules = mine(world.frame(), only("mute_time"), WINDOW)
    (weekdays,) = {r.weekdays for r in rules if "Batch" in r.sentence}
    assert weekdays == (0, 1, 2, 3, 4)


def test_a_fix_that_ended_nearly_all_tickets_is_a_candidate_for_automation():
    world, tickets = World(), []
    for n in range(27):
        world.add(n * 86_400, 900, "Stuck", True, f"T{n}", service="q")
        opened = pd.Timestamp((MONDAY // 1_000_000) + n * 86_400, unit="s", tz="UTC")
        fix = "rollback" if n == 3 else "restart"
        tickets.append((f"T{n}", opened, opened + pd.Timedelta(minutes=12), fix))
    table = pd.DataFrame(tickets, columns=["ticket_id", "opened_at", "closed_at", "fix"])
    (rule,) = mine(world.frame(), only("known_fix"), WINDOW, table)
    assert (rule.fix, rule.median_minutes, rule.bound.n) == ("restart", 12.0, 27)


def test_every_rule_says_why(rng):
    world = cascade(rng)
    for at in times(rng, 12):
        world.add(at, rng.uniform(10, 50), "Blip", service="a", severity="warning", team="web")
    rules = mine(world.frame(), only("grouping", "wait", "inhibition"), WINDOW)
    assert {rule.family for rule in rules} == {"grouping", "wait", "inhibition"}
    for rule in rules:
        assert rule.sentence.endswith(".")
        assert 1 <= len(rule.examples) <= 3
        assert 0 < rule.bound.low <= rule.bound.value <= 1
        assert rule.bound.level >= 0.95
        assert rule.bound.tried > 0
        assert rule.support.days <= 28
        assert str(rule.expires) == "2026-09-27"
    assert {r.team for r in rules if r.matchers[0].value == "Blip"} == {"web"}
