import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import default_config
from pipelines.aiops.alerting.mining.demotion import mine_demotion
from pipelines.aiops.alerting.mining.history import history_of
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.params.alert_rules import DemotionMining
from pipelines.core.time import DAY_US

from .worlds import MONDAY, PARAMS, WINDOW, World, shuffled, times

SHORT = HistoryWindow(MONDAY, MONDAY + 3 * DAY_US)
SPARSE = PARAMS.model_copy(
    update={
        "min_days": 2,
        "min_episodes": 1,
        "demotion": DemotionMining(
            max_acted_share=0.9, max_silence_hours=24, rare_window_seconds=3600
        ),
    }
)


def routine(world, rng, name="DiskSlow", per_day=12, acted=False, **labels):
    for start in times(rng, per_day):
        world.add(start, 60, name, acted=acted, **labels)


def rules_of(frame, params=PARAMS, window=WINDOW):
    return mine_demotion(history_of(frame, params, window)).rules


def judged(world, rules):
    """Replay of a day after the learning window."""
    frame = world.frame()
    return replay(frame, default_config(), rules=rules)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), per_day=st.integers(4, 40))
def test_planted_routine_noise_becomes_quiet_with_a_guard(seed, per_day):
    world = World()
    routine(world, np.random.default_rng(seed), per_day=per_day, host="a")
    (rule,) = rules_of(world.frame())
    values = {m.label: (m.op, m.value) for m in rule.matchers}
    assert values == {"alertname": ("=", "DiskSlow"), "host": ("=", "a")}
    assert rule.guard is not None
    assert rule.guard.max_seconds >= 90
    # A window of the same noise stays below the guard, ten times as much doesn't.
    assert rule.guard.max_count >= 1
    assert rule.guard.max_count < 10 * per_day


def test_the_same_noise_later_wakes_nobody():
    rng = np.random.default_rng(1)
    world, later = World(), World()
    routine(world, rng, host="a")
    for start in times(rng, 12, days=7):
        later.add(28 * 86_400 + start, 60, "DiskSlow", host="a")
    assert judged(later, rules_of(world.frame())).stages["pages"] == 0


def test_a_rate_excess_pages():
    world, later = World(), World()
    routine(world, np.random.default_rng(2), host="a")
    rules = rules_of(world.frame())
    start = 28 * 86_400
    for i in range(rules[0].guard.max_count + 1):
        later.add(start + 70 * i, 60, "DiskSlow", host="a")
    told = judged(later, rules)
    assert told.stages["pages"] > 0
    assert set(told.alerts["rule"]) == {rules[0].id}
    later = World()
    for i in range(rules[0].guard.max_count):
        later.add(start + 70 * i, 60, "DiskSlow", host="a")
    assert judged(later, rules).stages["pages"] == 0


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("DiskSlow", {"host": "never seen"}),
        ("DiskSlow", {}),
        ("DiskSlow", {"host": "a", "mount": "new"}),
        ("NeverSeen", {"host": "a"}),
    ],
)
def test_values_never_seen_page(name, labels):
    world, later = World(), World()
    routine(world, np.random.default_rng(3), host="a", mount="/")
    later.add(28 * 86_400, 600, name, **labels)
    rules = rules_of(world.frame())
    assert rules
    told = judged(later, rules)
    assert told.alerts["status"].tolist() == ["paged"]


def test_what_is_new_pages_even_where_history_saw_each_value_only_once():
    world, later = World(), World()
    for day in (0, 1, 2):
        world.add(day * 86_400 + 60, 10, "Odd", host=f"h{day}")
    rules = rules_of(world.frame(), SPARSE, SHORT)
    assert len(rules) == 1
    later.add(3 * 86_400, 600, "Odd", host="h9")
    assert judged(later, rules).alerts["status"].tolist() == ["paged"]


def test_unknown_acts_teach_nothing():
    world = World()
    routine(world, np.random.default_rng(4), acted=None, host="a")
    assert rules_of(world.frame()) == []
    assert rules_of(world.frame(), SPARSE) == []


def test_of_a_pattern_partly_unknown_only_the_known_values_are_quiet():
    rng = np.random.default_rng(5)
    world = World()
    routine(world, rng, host="known")
    routine(world, rng, acted=None, host="unknown")
    rules = rules_of(world.frame())
    assert rules
    for rule in rules:
        assert "unknown" not in {m.value for m in rule.matchers}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), ticketed=st.booleans(), where=st.floats(0, 27))
def test_a_pattern_that_was_ever_acted_on_or_ticketed_is_never_quiet(seed, ticketed, where):
    rng = np.random.default_rng(seed)
    world = World()
    routine(world, rng, host="a")
    routine(world, rng, host="b")
    ticket = "INC-1" if ticketed else None
    world.add(where * 86_400, 60, "DiskSlow", acted=not ticketed, ticket=ticket, host="b")
    frame = world.frame()
    touched = frame.where((frame.acted == 1) | (frame.ticket >= 0))
    for params in (PARAMS, SPARSE):
        rules = rules_of(frame, params)
        told = replay(touched, default_config(), rules=rules)
        assert (told.alerts["rule"] == "").all()


def test_half_a_day_of_noise_is_not_routine_of_three_days():
    world = World()
    for start in range(0, 40_000, 600):
        world.add(start, 60, "WarmUp", host="a")
    (rule,) = rules_of(world.frame(), SPARSE, SHORT)
    assert rule.guard is not None
    assert (rule.guard.max_count, rule.guard.window_seconds) == (0, 3600)
    no_rare = SPARSE.demotion.model_copy(update={"rare_window_seconds": 0})
    assert rules_of(world.frame(), SPARSE.model_copy(update={"demotion": no_rare}), SHORT) == []


def test_a_rare_alert_pages_at_its_first_and_once_within_its_window():
    world, later = World(), World()
    world.add(60, 10, "Rare", host="a")
    world.add(90_000, 10, "Rare", host="a")
    for hour in range(72):
        world.add(hour * 3600, 10, "Usual", host="a")
    rules = rules_of(world.frame(), SPARSE, SHORT)
    for minute in range(0, 50, 5):
        later.add(3 * 86_400 + 60 * minute, 10, "Rare", host="a")
    told = judged(later, rules)
    pages = told.notifications[told.notifications["page"]]
    group_wait = 30_000_000
    assert pages["time"].tolist()[0] == MONDAY + 3 * DAY_US + group_wait
    assert (pages["reason"] != "resolved").sum() == 1


def test_an_alert_that_goes_on_all_the_time_is_routine():
    world = World()
    world.add(0, 3 * 86_400, "Always", host="a")
    for hour in range(0, 72, 2):
        world.add(hour * 3600, 60, "Always", host="a")
    (rule,) = rules_of(world.frame(), SPARSE, SHORT)
    assert rule.guard is not None
    assert rule.guard.max_count > 0


def test_the_order_and_numbering_of_the_history_change_nothing():
    rng = np.random.default_rng(6)
    world = World()
    for host in "abc":
        routine(world, rng, host=host)
        routine(world, rng, name="Other", per_day=3, host=host)
    world.add(86_400, 60, "Other", acted=True, host="c")
    expected = rules_of(world.frame())
    assert expected
    assert rules_of(shuffled(world.frame(), 1)) == expected
