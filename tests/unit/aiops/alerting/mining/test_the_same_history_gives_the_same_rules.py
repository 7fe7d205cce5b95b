"""Order of rows and numbering of series don't matter, and bad history neither breaks nor blinds."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.mining.episodes import find_episodes
from pipelines.aiops.alerting.rules import RULES
from pipelines.aiops.alerting.windows import HistoryWindow, whole_window
from pipelines.core.errors import SignalboxError
from pipelines.core.time import DAY_US
from tests.unit.aiops.alerting.mining.test_known_fix import COLUMNS
from tests.unit.aiops.alerting.mining.worlds import (
    MONDAY,
    PARAMS,
    WINDOW,
    World,
    mine,
    names_of,
    shuffled,
    times,
)


def mixed():
    rng = np.random.default_rng(5)
    world, tickets = World(), []
    for n, at in enumerate(times(rng, 5)):
        place = f"s{rng.integers(3)}"
        world.add(at, 1800, "Down", True, f"T{n}", service=place, severity="critical")
        opened = pd.Timestamp(MONDAY // 1_000_000 + at, unit="s", tz="UTC")
        tickets.append((f"T{n}", opened, opened + pd.Timedelta(minutes=n % 7), "restart"))
        for k in range(3):
            world.add(at + k, 1700, "Slow", True, f"T{n}", service=place, instance=f"{place}-{k}")
    for at in times(rng, 10):
        world.add(at, rng.uniform(10, 50), "Blip", service="a", severity="warning")
        world.add(at, rng.uniform(10, 50), "Blip", service="b", severity="warning", team="x")
    return world.frame(), pd.DataFrame(tickets, columns=COLUMNS)


FRAME, TICKETS = mixed()
EXPECTED = RULES.dump_json(tuple(mine(FRAME, tickets=TICKETS)))


def test_there_is_something_to_compare():
    families = [rule.family for rule in RULES.validate_json(EXPECTED)]
    assert families.count("hold") == 3
    assert families.count("known_fix") == 2


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_permuted_rows_and_series_give_the_same_bytes(seed):
    again = mine(shuffled(FRAME, seed), tickets=TICKETS)
    assert RULES.dump_json(tuple(again)) == EXPECTED


def test_rules_survive_being_written():
    assert RULES.dump_json(RULES.validate_json(EXPECTED)) == EXPECTED


def test_windows_without_alerts_have_no_rules():
    assert mine(World().frame(), PARAMS, [WINDOW], TICKETS) == []
    before = HistoryWindow(MONDAY - 9 * DAY_US, MONDAY - DAY_US)
    assert mine(FRAME, PARAMS, [before], TICKETS) == []


def test_an_empty_history_is_said():
    with pytest.raises(SignalboxError, match="empty"):
        whole_window(World().frame())


def test_alerts_whose_end_nobody_saw_say_nothing_of_how_long_they_last():
    from dataclasses import replace

    world = World()
    for n in range(30):
        world.add(n * 18_000, 60, "Often", service="a")
    (seen,) = mine(world.frame())
    assert (seen.bound.n, seen.bound.value) == (30, 1.0)
    (assumed,) = mine(replace(world.frame(), end_observed=np.zeros(30, bool)))
    assert (assumed.bound.n, assumed.bound.low) == (0, 0.0)


def test_an_alert_reported_while_it_fires_is_one_episode():
    world = World()
    for start in (100, 3600, 7200):
        world.add(start, 2 * 86_400, "Long")
    episodes = find_episodes(world.frame(), WINDOW)
    assert episodes.rows.tolist() == [3]


def test_all_alerts_in_one_second_are_rules_like_others():
    world = World()
    for n in range(500):
        world.add(1000, 20, f"A{n % 7}", service=f"s{n % 11}", pod=str(n))
    assert names_of(mine(world.frame())) == [f"A{n}" for n in range(7)]


def test_hostile_labels_are_mined_like_any_others():
    rng = np.random.default_rng(0)
    world = World()
    labels = {f"l{n}": "x" for n in range(10_000)}
    for at in times(rng, 6):
        world.add(at, 20, 'It\'s "<b>down</b>"\n🔥', service="a|b\\(", it='say "no"')
        world.add(at, 20, "Wide", service="", **labels)
        world.add(at, 20, "Wide", service="(", **labels)
        world.add(at, 20, "", service="a")
    rules = mine(world.frame())
    assert names_of(rules) == ['It\'s "<b>down</b>"\n🔥', "Wide"]
    assert RULES.validate_json(RULES.dump_json(tuple(rules))) == tuple(rules)
