"""Groupings are alternatives: the best harmless one is found, and gives way to a closer one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.noise.judging.effect import Effect, Incident
from pipelines.aiops.noise.rules import DuplicateRule
from pipelines.aiops.noise.selection import select
from pipelines.aiops.noise.selection.groupings import add_groupings, in_order
from pipelines.aiops.params.select_rules import SelectRulesParams
from tests.unit.aiops_judging.made_up import WINDOW
from tests.unit.aiops_selection.test_selection import _COMMON, QUIET

SECOND = 1_000_000
LIMITS = SelectRulesParams()


def grouping(name, by, interval=300):
    return DuplicateRule(
        id=f"duplicate-{name}", group_by=by, group_wait=30, group_interval=interval,
        repeat_interval=86_400, **_COMMON,
    )  # fmt: skip


WIDE = grouping("wide", ("zone",), 900)
WIDE_SOON = grouping("wide-soon", ("zone",), 300)
CLOSE = grouping("close", ("service",), 300)


def first_wins(saves, delays=None):
    """Only the first grouping of a set has the alerts, as in a routing tree."""
    delays = delays or {}

    def measure(rules):
        first = next((rule.id for rule in rules if rule.family == "duplicate"), "")
        saved = saves.get(first, 0)
        late = delays.get(first, 0)
        incident = Incident("T1", 0, None, 10, 10 + late * SECOND, (), (first,))
        calm = tuple(Incident(f"T{i}", 0, None, 10, 10) for i in range(2, 5))
        credit = {first: float(saved)} if saved else {}
        return Effect(WINDOW, np.arange(100), np.arange(100 - saved), (incident, *calm), credit)

    return measure


def test_the_grouping_that_saves_most_is_chosen():
    measure = first_wins({WIDE.id: 40, WIDE_SOON.id: 30, CLOSE.id: 35})
    assert add_groupings([], [CLOSE, WIDE, WIDE_SOON], measure, LIMITS) == [WIDE]


def test_where_the_best_times_make_an_incident_wait_others_are_taken():
    measure = first_wins({WIDE.id: 40, WIDE_SOON.id: 30, CLOSE.id: 20}, {WIDE.id: 1000})
    assert add_groupings([], [CLOSE, WIDE, WIDE_SOON], measure, LIMITS) == [WIDE_SOON]


def test_an_incident_that_waits_in_another_window_counts_as_well():
    saves = {WIDE.id: 40, WIDE_SOON.id: 30}
    other = first_wins(saves, {WIDE.id: 1000})
    assert add_groupings([], [WIDE, WIDE_SOON], first_wins(saves), LIMITS, [other]) == [WIDE_SOON]


def test_a_grouping_that_raises_pages_is_not_chosen():
    found = select([WIDE], first_wins({WIDE.id: -5}), LIMITS)
    assert found.rules == ()
    assert [one.rule for one in found.dropped] == [WIDE.id]


def test_a_closer_grouping_stands_before_the_wide_one_that_it_takes_alerts_from():
    def measure(rules):
        ids = [rule.id for rule in rules]
        saved = 30 * (WIDE.id in ids) + 10 * (CLOSE.id in ids and ids.index(CLOSE.id) == 0)
        credit = {WIDE.id: 30.0, CLOSE.id: 10.0}
        return Effect(
            WINDOW, np.arange(100), np.arange(100 - saved), (), {i: credit[i] for i in ids}
        )

    found = select([WIDE, CLOSE], measure, LIMITS)
    assert found.rules == (CLOSE, WIDE)
    assert found.effect.saved == 40


@given(st.permutations([*QUIET[:3], WIDE, CLOSE]))
def test_groupings_keep_their_order_and_their_places(rules):
    ordered = in_order(rules, [CLOSE, WIDE])
    assert [r.id for r in ordered if r.family == "duplicate"] == [CLOSE.id, WIDE.id]
    assert [r for r in ordered if r.family == "quiet"] == [r for r in rules if r.family == "quiet"]
    assert [r.family for r in ordered] == [r.family for r in rules]
