"""What isn't there isn't found."""

import numpy as np
import pytest

from pipelines.aiops.alerting.mining import mine
from tests.unit.aiops.alerting.mining.worlds import WINDOW, World, only, times


def noise(seed):
    """Independent Poisson processes of long, rare-enough alerts on several services."""
    rng = np.random.default_rng(seed)
    world = World()
    for name in "ABCDEF":
        for service in ("x", "y"):
            for at in times(rng, 3):
                world.add(at, rng.exponential(1500), name, service=service, severity="warning")
    return world.frame()


def test_pure_noise_brings_false_claims_in_less_than_the_level():
    families = only("inhibition", "mute_time", "keep_firing")
    seeds = 40
    wrong = sum(bool(mine(noise(seed), families, WINDOW)) for seed in range(seeds))
    assert wrong <= seeds * 0.05


def test_a_source_that_always_fires_implies_nothing():
    rng = np.random.default_rng(0)
    world = World()
    for day in range(28):
        world.add(day * 86_400, 86_000, "AlwaysOn", service="x")
    for at in times(rng, 10):
        world.add(at, 300, "Rare", service="x")
    assert mine(world.frame(), only("inhibition"), WINDOW) == []


def test_two_nightly_alerts_of_unrelated_causes_do_not_imply_each_other():
    rng = np.random.default_rng(0)
    world = World()
    for day in range(28):
        for _ in range(2):
            world.add(day * 86_400 + rng.uniform(3600, 5000), 4000, "BackupSlow", service="x")
            world.add(day * 86_400 + rng.uniform(5000, 6800), 1000, "ExportSlow", service="x")
    assert mine(world.frame(), only("inhibition"), WINDOW) == []


def test_many_alerts_on_few_days_are_not_enough():
    world = World()
    for day in (3, 9):
        for k in range(2000):
            world.add(day * 86_400 + k * 43, 20, "Storm", service="x", severity="warning")
            world.add(day * 86_400 + k * 43, 20, "Echo", service="x", severity="warning")
    assert mine(world.frame(), only("wait", "keep_firing", "inhibition", "grouping"), WINDOW) == []


@pytest.mark.parametrize("family", ["wait", "mute_time"])
def test_alerts_of_which_nobody_knows_whether_people_acted_teach_nothing(family):
    rng = np.random.default_rng(1)
    world = World()
    for day in range(28):
        world.add(day * 86_400 + 7200 + rng.uniform(0, 900), 20, "Batch", None, job="x")
        for k in range(3):
            world.add(day * 86_400 + 7200 + k * 20_000, 20, "Blip", None, job="x")
    assert mine(world.frame(), only(family), WINDOW) == []


@pytest.mark.parametrize("family", ["wait", "mute_time", "inhibition", "keep_firing"])
def test_one_alert_that_was_acted_on_forbids_what_would_have_hidden_it(family):
    rng = np.random.default_rng(2)

    def world(acted):
        made = World()
        for day in range(28):
            at = day * 86_400 + 7200 + rng.uniform(0, 900)
            mine_own = acted and day == 11
            made.add(at, 400, "Cause", service="x")
            made.add(at, 50, "Blip", service="x")
            made.add(at + 100, 50, "Blip", mine_own, "T" if mine_own else None, service="x")
        return made.frame()

    named = [r for r in mine(world(False), only(family), WINDOW) if "Blip" in r.matchers[0].value]
    assert named
    named = [r for r in mine(world(True), only(family), WINDOW) if "Blip" in r.matchers[0].value]
    assert named == []


def test_a_ticket_that_the_source_tells_of_too_does_not_forbid():
    rng = np.random.default_rng(3)
    world = World()
    for n, at in enumerate(times(rng, 5)):
        world.add(at, 900, "Cause", True, f"T{n}", service="x")
        world.add(at + 5, 900, "Effect", True, f"T{n}", service="x")
    rules = mine(world.frame(), only("inhibition"), WINDOW)
    assert len(rules) == 1


def test_what_comes_after_the_learning_window_is_not_seen():
    rng = np.random.default_rng(4)
    world = World()
    for at in times(rng, 12):
        world.add(at + 28 * 86_400, 20, "Blip", service="x")
    assert mine(world.frame(), only("wait"), WINDOW) == []
