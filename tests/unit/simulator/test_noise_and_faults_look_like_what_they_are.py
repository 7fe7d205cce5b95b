from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipelines.aiops.params.telemetry import SimulateParams
from pipelines.simulator import simulate
from pipelines.simulator.simulate import Simulated
from pipelines.simulator.world.alerts import OPEN
from pipelines.simulator.world.clock import local_seconds, traffic
from pipelines.simulator.world.faults import SHORTEST
from tests.unit.simulator.worlds import world

SEEDS = range(1, 6)


def rows_of(made: Simulated, family: str) -> np.ndarray:
    families = np.array([one.family for one in made.timeline.noise])
    return np.flatnonzero((made.alerts.noise >= 0) & (families[made.alerts.noise] == family))


@pytest.mark.parametrize("seed", SEEDS)
def test_nearly_all_blips_are_shorter_than_any_alert_of_a_real_fault(seed: int) -> None:
    made = world(seed)
    alerts = made.alerts
    lasts = (alerts.end - alerts.start) / 1000
    blips = rows_of(made, "blip")
    assert np.median(lasts[blips]) < 180
    assert np.quantile(lasts[blips], 0.98) < SHORTEST
    whole = [s for f in made.timeline.faults for s in f.symptoms if s.cycles == 1]
    assert min(s.end - s.start for s in whole) >= SHORTEST


@pytest.mark.parametrize("seed", SEEDS)
def test_nightly_noise_keeps_its_local_hour_when_the_clocks_change(seed: int) -> None:
    made = world(seed)
    zone = ZoneInfo(made.world.timezone)
    rows = rows_of(made, "nightly")
    assert len(rows)
    for row in rows:
        pattern = made.timeline.noise[made.alerts.noise[row]]
        at = made.world.start + timedelta(milliseconds=int(made.alerts.start[row]))
        local = at.astimezone(zone)
        minute = local.hour * 60 + local.minute
        # An alert starts at the next evaluation, and those of other instances a little later.
        assert 0 <= minute - pattern.minute <= pattern.length + 3
        assert local.weekday() in pattern.weekdays


def test_a_local_hour_moves_in_utc_when_the_clocks_change() -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    before = local_seconds(start, "Europe/Berlin", 26, 240)
    after = local_seconds(start, "Europe/Berlin", 27, 240)
    assert after - before == 23 * 3600
    assert local_seconds(start, "UTC", 27, 240) - local_seconds(start, "UTC", 26, 240) == 86400


def test_traffic_has_days_and_weeks() -> None:
    curve = traffic(world(1).world)
    days = curve.reshape(42, -1)
    assert (days.max(axis=1) > 1.5 * days.min(axis=1)).all()
    weeks = days.mean(axis=1).reshape(6, 7)
    assert (weeks[:, :5].mean(axis=1) > weeks[:, 5:].mean(axis=1)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_most_alerts_are_noise_and_there_are_about_as_many_as_asked_for(seed: int) -> None:
    made = world(seed)
    assert 0.8 < len(made.alerts) / 20_000 < 1.2
    real = (made.alerts.fault >= 0).mean()
    assert 0.005 < real < 0.3


def test_every_family_of_noise_is_there_and_hard_cases_come_up() -> None:
    families, shapes = set(), set()
    for seed in SEEDS:
        made = world(seed)
        families |= {made.timeline.noise[n].family for n in np.unique(made.alerts.noise) if n >= 0}
        shapes |= {one.shape for one in made.timeline.faults}
    assert families == {
        "blip", "flapping", "nightly", "weekly", "chronic", "deployment", "info", "legacy",
        "rare", "watchdog",
    }  # fmt: skip
    assert shapes >= {
        "cascade", "few_alerts", "recurrent", "slow_fill", "lasting_blip", "in_noise_window",
        "second_incident",
    }  # fmt: skip


def test_faults_cascade_to_callers_later_than_to_the_root() -> None:
    made = world(2)
    services = made.world.services
    deep = [one for fault in made.timeline.faults for one in fault.impacts if one.depth]
    assert deep
    for fault in made.timeline.faults:
        by_service = {one.service: one for one in fault.impacts}
        for one in fault.impacts[1:]:
            called = [by_service[c] for c in services[one.service].calls if c in by_service]
            assert any(c.start < one.start and c.depth == one.depth - 1 for c in called)


def test_what_a_deployment_breaks_breaks_soon_after_it() -> None:
    found = 0
    for seed in SEEDS:
        made = world(seed)
        for fault in made.timeline.faults:
            if fault.change >= 0:
                change = made.timeline.deployments[fault.change]
                assert change.service == fault.root
                assert 0 <= fault.start - change.at <= 900
                found += 1
    assert found


def test_services_and_rules_get_new_names_and_patterns_begin_and_end() -> None:
    renamed = [world(seed).world for seed in SEEDS]
    assert any(one.renamed_services for one in renamed)
    assert any(one.renamed_rules for one in renamed)
    for seed in SEEDS:
        made = world(seed)
        service = made.alerts.keys[made.alerts.series, 1]
        rule = made.alerts.keys[made.alerts.series, 0]
        for column, names in (
            (service, made.world.renamed_services),
            (rule, made.world.renamed_rules),
        ):
            for one in names:
                at = one.at * 1000 - 1
                # One evaluation interval late at most: the name is that of the moment it broke.
                late = made.world.interval
                assert (made.alerts.start[column == one.old] <= at + late).all()
                assert (made.alerts.start[column == one.new] >= at).all()
        starts = [one.since for one in made.timeline.noise]
        ends = [one.until for one in made.timeline.noise]
        assert max(starts) > 0
        assert min(ends) < made.world.seconds


def test_the_watchdog_still_fires_at_the_end() -> None:
    made = world(1)
    watchdogs = rows_of(made, "watchdog")
    assert (made.alerts.end[watchdogs] == OPEN).any()


def test_more_alerts_come_from_more_services() -> None:
    small = simulate.build_world(SimulateParams(seed=5))
    large = simulate.build_world(SimulateParams(seed=5, alerts=1_000_000))
    assert len(large.services) > 3 * len(small.services)
