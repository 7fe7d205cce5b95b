"""Maps are compared, and the time before a change with that after it."""

import random
from typing import Any

import pytest

from pipelines.aiops.service_map.change_impact import as_findings, change_impact
from pipelines.aiops.service_map.edge_changes import Diff, diff_maps
from pipelines.aiops.service_map.statistics import only_in
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.service_map.spans import NOON_US, SECOND, built, client, span

Rows = list[dict[str, Any]]
HOUR = 3600


def busy(
    seed: int, start: float, *, slower: float = 1, failing: float = 0.02, minutes: int = 60
) -> Rows:
    """Two services and a database; each minute has its own pace, as in real life."""
    chance = random.Random(seed)
    rows: Rows = []
    for minute in range(minutes):
        pace = chance.lognormvariate(0, 0.15)
        for i in range(chance.randint(3, 6)):
            at = start + 60 * minute + 7 * i
            took = int(20_000 * pace * chance.lognormvariate(0, 0.4))
            trace = f"{seed}-{minute}-{i}"
            rows += [
                span("web", "1", trace_id=trace, at=at, duration_us=int(took * slower) + 5000),
                client("web", "2", "1", trace_id=trace, at=at, duration_us=int(took * slower)),
                span("shop", "3", "2", trace_id=trace, at=at, duration_us=took // 2,
                     status="error" if chance.random() < failing else "ok"),
                client("shop", "4", "3", trace_id=trace, at=at, duration_us=took // 4,
                       attributes={"db.system": "redis"}),
            ]  # fmt: skip
    return rows


def kinds(found: Diff) -> list[tuple[str, str, str]]:
    return [(one.kind, one.source, one.target) for one in found.moved]


def test_the_same_twice_has_not_moved() -> None:
    assert kinds(diff_maps(built(*busy(1, 0)), built(*busy(2, 86_400)))) == []


def test_an_edge_that_slowed_is_found_and_nothing_else() -> None:
    found = diff_maps(built(*busy(1, 0)), built(*busy(2, 86_400, slower=1.6)))
    assert kinds(found) == [("slowed", "user:", "web"), ("slowed", "web", "shop")]
    slowed = found.moved[1].compared
    assert slowed is not None
    assert slowed.low < 1.6 < slowed.high
    assert slowed.by_windows
    assert "became slower: median" in found.moved[1].sentence


def test_more_errors_are_found_with_their_interval() -> None:
    found = diff_maps(built(*busy(1, 0)), built(*busy(2, 86_400, failing=0.2)))
    assert kinds(found) == [("more_errors", "web", "shop")]
    errors = found.moved[0].compared
    assert errors is not None
    assert errors.low < 0.18 < errors.high


def test_what_appeared_and_vanished_is_told_with_its_chance() -> None:
    old, new = busy(1, 0), busy(2, 86_400)
    cut = [row for row in new if dict(row["attributes"]) == {}]
    seldom = client("web", "9", trace_id="x", at=86_400, attributes={"peer.service": "new"})
    found = diff_maps(built(*old), built(*cut, seldom))
    assert kinds(found) == [
        ("appeared", "web", "external:new"), ("vanished", "shop", "database:redis"),
    ]  # fmt: skip
    assert [one.certain for one in found.moved] == [False, True]
    assert "may be chance" in found.moved[0].sentence
    assert (found.appeared, found.vanished) == (["external:new"], ["database:redis"])


def test_maps_with_other_windows_are_not_compared() -> None:
    with pytest.raises(SignalboxError, match="build them alike"):
        diff_maps(built(window_seconds=60), built(window_seconds=300))


def test_after_a_change_what_moved_is_found_on_it_and_upstream() -> None:
    rows = busy(1, 0) + busy(2, HOUR, slower=2, failing=0.3)
    change = NOON_US + HOUR * SECOND
    found = change_impact(built(*rows), "shop", change)
    # The last window ends with the last call, so it isn't whole.
    assert found.windows == (12, 11)
    assert {(one.where, one.kind, one.target) for one in found.moved} >= {
        ("on it", "slowed", "shop"), ("on it", "more_errors", "shop"), ("upstream", "slowed", "web")
    }  # fmt: skip
    assert all(one.where in ("on it", "upstream") for one in found.moved)
    findings = as_findings(found.moved, change, change + HOUR * SECOND)
    assert len({one.id for one in findings}) == len(findings)
    assert all(one.score > 2 for one in findings)


def test_after_a_change_that_changed_nothing_nothing_moved() -> None:
    rows = busy(1, 0) + busy(2, HOUR)
    assert change_impact(built(*rows), "shop", NOON_US + HOUR * SECOND).moved == []


@pytest.mark.parametrize("hours", [-5, 50])
def test_a_change_outside_the_map_moves_nothing_and_says_so(hours: int) -> None:
    found = change_impact(built(*busy(1, 0)), "shop", NOON_US + hours * HOUR * SECOND)
    assert (found.moved, found.tests) == ([], 0)
    assert "nothing to compare" in found.note


def test_false_alarms_stay_within_what_is_asked_for() -> None:
    """Slow and fast minutes make calls hang together; taking calls as independent would fail."""
    alarms = 0
    for seed in range(4):
        old = built(*busy(100 + seed, 0, minutes=20), window_seconds=60)
        new = built(*busy(200 + seed, 86_400, minutes=20), window_seconds=60)
        alarms += bool(diff_maps(old, new).moved)
    assert alarms <= 1


def test_calls_on_one_side_only_are_judged_by_windows() -> None:
    assert only_in(1000, 1, 10, 10) == pytest.approx(0.5)
    assert only_in(1000, 3, 10, 10) == pytest.approx(10 * 9 * 8 / (20 * 19 * 18))
    assert only_in(3, 1, 1, 1) == pytest.approx(1 / 8)
