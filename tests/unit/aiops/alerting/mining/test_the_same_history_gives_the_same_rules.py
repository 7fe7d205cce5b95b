"""Order of rows and numbering of series don't matter, and bad history neither breaks nor blinds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.mining import mine
from pipelines.aiops.alerting.rules import RULES
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.core.time import DAY_US
from tests.unit.aiops.alerting.mining.worlds import (
    MONDAY,
    PARAMS,
    WINDOW,
    World,
    only,
    shuffled,
    times,
)


def mixed():
    rng = np.random.default_rng(5)
    world = World()
    for n, at in enumerate(times(rng, 5)):
        place = f"s{rng.integers(3)}"
        world.add(at, 1800, "Down", True, f"T{n}", service=place, severity="critical")
        for k in range(3):
            world.add(at + k, 1700, "Slow", service=place, instance=f"{place}-{k}")
    for at in times(rng, 10):
        world.add(at, rng.uniform(10, 50), "Blip", service="a", severity="warning")
        world.add(at, rng.uniform(10, 50), "Blip", service="b", severity="warning")
    for day in range(28):
        world.add(day * 86_400 + 7200 + rng.uniform(0, 1500), 2400, "Batch", job="export")
    return world.frame()


FRAME = mixed()
MINED_FAMILIES = only("grouping", "wait", "keep_firing", "inhibition", "mute_time", "known_fix")
EXPECTED = RULES.dump_json(tuple(mine(FRAME, MINED_FAMILIES, WINDOW)))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_permuted_rows_and_series_give_the_same_bytes(seed):
    again = mine(shuffled(FRAME, seed), MINED_FAMILIES, WINDOW)
    assert RULES.dump_json(tuple(again)) == EXPECTED


def test_rules_survive_being_written():
    assert RULES.dump_json(RULES.validate_json(EXPECTED)) == EXPECTED


def test_an_empty_window_has_no_rules():
    assert mine(World().frame(), PARAMS, WINDOW) == []
    assert mine(FRAME, PARAMS, HistoryWindow(MONDAY - 9 * DAY_US, MONDAY - DAY_US)) == []


def test_a_day_without_any_data_is_not_a_day_without_the_alert():
    rng = np.random.default_rng(0)
    world = World()
    for day in range(28):
        if day not in (4, 12):
            world.add(day * 86_400 + 7200 + rng.uniform(0, 1500), 2400, "Batch", job="export")
    (rule,) = mine(world.frame(), only("mute_time"), WINDOW)
    assert (rule.bound.n, rule.bound.value) == (26, 1.0)


def test_an_alert_that_never_ended_is_no_blip():
    rng = np.random.default_rng(0)
    world = World()
    for at in times(rng, 12):
        world.add(at, None, "Stuck", service="x")
    assert mine(world.frame(), only("wait"), WINDOW) == []


def test_all_alerts_in_one_second_support_nothing():
    world = World()
    for n in range(5000):
        world.add(1000, 20, f"A{n % 7}", service=f"s{n}")
    assert mine(world.frame(), MINED_FAMILIES, WINDOW) == []


def test_hostile_labels_are_mined_like_any_others():
    rng = np.random.default_rng(0)
    world = World()
    labels = {f"l{n}": "x" for n in range(10_000)}
    for at in times(rng, 6):
        world.add(at, 20, 'It\'s "<b>down</b>"\n🔥', path="a|b\\(", it='say "no"')
        world.add(at, 20, "Wide", **labels)
    rules = mine(world.frame(), only("wait"), WINDOW)
    assert {rule.matchers[0].value for rule in rules} == {'It\'s "<b>down</b>"\n🔥', "Wide"}


def test_very_many_names_are_cut_to_the_noisiest():
    rng = np.random.default_rng(0)
    world = World()
    for n in range(3000):
        world.add(float(rng.uniform(0, 28 * 86_400)), 20, f"N{n}")
    for at in times(rng, 10):
        world.add(at, 20, "Noisy")
    params = only("wait").model_copy(update={"max_patterns": 5})
    assert {rule.matchers[0].value for rule in mine(world.frame(), params, WINDOW)} == {"Noisy"}


@pytest.mark.parametrize("shift", ["2026-03-29", "2026-10-25"])
def test_hours_of_a_local_clock_survive_a_change_of_time(shift):
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("Europe/Berlin")
    first = datetime.fromisoformat(shift).replace(tzinfo=zone) - timedelta(days=13)
    world = World()
    for day in range(28):
        local = (first + timedelta(days=day)).replace(hour=4, minute=10)
        world.add(local.timestamp() - MONDAY / 1e6, 2400, "Batch", job="export")
        world.add(local.timestamp() - MONDAY / 1e6 + 30_000, 60, "Other")
    params = only("mute_time")
    params = params.model_copy(
        update={"mute_time": params.mute_time.model_copy(
            update={"timezones": ["UTC", "Europe/Berlin"]})}
    )  # fmt: skip
    start = int(first.timestamp() * 1_000_000)
    rules = mine(world.frame(), params, HistoryWindow(start, start + 28 * DAY_US))
    (rule,) = [rule for rule in rules if "Batch" in rule.sentence]
    assert (rule.timezone, rule.start_minute, rule.end_minute) == ("Europe/Berlin", 240, 270)
    assert rule.bound.value == 1.0
