"""Groupings are alternatives: the best harmless one is found, and gives way to a closer one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.alerting.evaluation import select
from pipelines.aiops.alerting.evaluation.backtest import BacktestResult, TicketedIncident
from pipelines.aiops.alerting.evaluation.select import Search, add_groupings, in_order
from pipelines.aiops.alerting.rules import GroupingRule, Matcher
from pipelines.aiops.params.alert_rules import SelectRulesParams
from tests.unit.aiops.alerting.evaluation.made_up import WINDOW
from tests.unit.aiops.alerting.evaluation.test_selection import _COMMON, QUIET

SECOND = 1_000_000
LIMITS = SelectRulesParams()


def grouping(name, by, interval=300):
    return GroupingRule(
        id=f"grouping-{name}", group_by=by, group_wait_seconds=30, group_interval_seconds=interval,
        repeat_interval_seconds=86_400, **_COMMON,
    )  # fmt: skip


WIDE = grouping("wide", ("zone",), 900)
WIDE_SOON = grouping("wide-soon", ("zone",), 300)
CLOSE = grouping("close", ("service",), 300)


def first_wins(saves, delays=None):
    """Only the first grouping of a set has the alerts, as in a routing tree."""
    delays = delays or {}

    def measure(rules):
        first = next((rule.id for rule in rules if rule.family == "grouping"), "")
        saved = saves.get(first, 0)
        late = delays.get(first, 0)
        incident = TicketedIncident("T1", 0, None, 10, 10 + late * SECOND, (), (first,))
        calm = tuple(TicketedIncident(f"T{i}", 0, None, 10, 10) for i in range(2, 5))
        credit = {first: float(saved)} if saved else {}
        return BacktestResult(
            WINDOW, np.arange(100), np.arange(100 - saved), (incident, *calm), credit
        )

    return measure


def test_the_grouping_that_saves_most_is_chosen():
    measure = first_wins({WIDE.id: 40, WIDE_SOON.id: 30, CLOSE.id: 35})
    assert add_groupings([], [CLOSE, WIDE, WIDE_SOON], Search(measure, LIMITS)).groupings == [WIDE]


def test_where_the_best_times_make_an_incident_wait_others_are_taken():
    measure = first_wins({WIDE.id: 40, WIDE_SOON.id: 30, CLOSE.id: 20}, {WIDE.id: 1000})
    assert add_groupings([], [CLOSE, WIDE, WIDE_SOON], Search(measure, LIMITS)).groupings == [
        WIDE_SOON
    ]


def test_an_incident_that_waits_in_another_window_counts_as_well():
    saves = {WIDE.id: 40, WIDE_SOON.id: 30}
    other = first_wins(saves, {WIDE.id: 1000})
    search = Search(first_wins(saves), LIMITS, [other])
    assert add_groupings([], [WIDE, WIDE_SOON], search).groupings == [WIDE_SOON]


def test_a_grouping_that_saves_pages_is_chosen_although_its_alerts_are_all_still_named():
    def measure(rules):
        names = {rule.id for rule in rules}
        left = 100 - 60 * (WIDE.id in names) - 5 * (QUIET[0].id in names)
        credit = {QUIET[0].id: 5.0} if QUIET[0].id in names else {}
        return BacktestResult(WINDOW, np.arange(100), np.arange(left), (), credit)

    found = select([QUIET[0], WIDE], measure, LIMITS)
    assert {rule.id for rule in found.rules} == {QUIET[0].id, WIDE.id}
    assert found.effect.saved == 65


def test_a_grouping_that_raises_pages_is_not_chosen():
    found = select([WIDE], first_wins({WIDE.id: -5}), LIMITS)
    assert found.rules == ()
    assert [one.rule for one in found.dropped] == [WIDE.id]


def test_a_closer_grouping_stands_before_the_wide_one_that_it_takes_alerts_from():
    def measure(rules):
        ids = [rule.id for rule in rules]
        saved = 30 * (WIDE.id in ids) + 10 * (CLOSE.id in ids and ids.index(CLOSE.id) == 0)
        credit = {WIDE.id: 30.0, CLOSE.id: 10.0}
        return BacktestResult(
            WINDOW, np.arange(100), np.arange(100 - saved), (), {i: credit[i] for i in ids}
        )

    found = select([WIDE, CLOSE], measure, LIMITS)
    assert found.rules == (CLOSE, WIDE)
    assert found.effect.saved == 40


@given(st.permutations([*QUIET[:3], WIDE, CLOSE]))
def test_groupings_keep_their_order_and_their_places(rules):
    ordered = in_order(rules, [CLOSE, WIDE])
    assert [r.id for r in ordered if r.family == "grouping"] == [CLOSE.id, WIDE.id]
    assert [r for r in ordered if r.family == "demotion"] == [
        r for r in rules if r.family == "demotion"
    ]
    assert [r.family for r in ordered] == [r.family for r in rules]


def busy(late_if_both):
    """A grouping saves 30; of two demotion rules one saves 20, one 5 and makes an incident wait."""
    saves = {WIDE.id: 30, QUIET[0].id: 20, QUIET[1].id: 5}

    def measure(rules):
        ids = {rule.id for rule in rules}
        credit = {one: float(saves[one]) for one in ids if one in saves}
        late = 100 if {WIDE.id, QUIET[1].id} <= ids else 0
        touched = tuple(sorted(ids - {QUIET[0].id}))
        incidents = [
            TicketedIncident(
                f"T{i}", 0, None, 10, 10 + late * (i < late_if_both) * SECOND, (), touched
            )
            for i in range(4)
        ]
        saved = int(sum(credit.values()))
        return BacktestResult(
            WINDOW, np.arange(100), np.arange(100 - saved), tuple(incidents), credit
        )

    return measure


def test_a_rule_that_makes_people_wait_makes_room_for_a_grouping_that_saves_more():
    found = select([WIDE, *QUIET[:2]], busy(late_if_both=2), LIMITS)
    assert set(found.rules) == {WIDE, QUIET[0]}
    assert {one.rule for one in found.dropped} == {QUIET[1].id}


def test_where_not_too_many_wait_all_of_them_stay():
    found = select([WIDE, *QUIET[:2]], busy(late_if_both=1), LIMITS)
    assert set(found.rules) == {WIDE, *QUIET[:2]}


NEW = grouping("new", ("alertname",), 900).model_copy(
    update={"matchers": (Matcher(label="alertname", op="!=", value=""),)}
)


def test_what_is_new_gets_a_grouping_although_known_windows_show_no_saving():
    found = select([WIDE, NEW], first_wins({WIDE.id: 40}), LIMITS)
    assert found.rules == (WIDE, NEW)


def test_a_grouping_for_what_is_new_must_not_cost_pages_or_make_incidents_wait():
    def measure(rules, late, more):
        wide, new = WIDE in rules, NEW in rules
        incident = TicketedIncident(
            "T1", 0, None, 10, 10 + late * new * SECOND, (), (NEW.id,) * new
        )
        left = 100 - 40 * wide + more * new
        return BacktestResult(
            WINDOW, np.arange(100), np.arange(left), (incident,), {WIDE.id: 40.0} if wide else {}
        )

    for late, more in ((1000, 0), (0, 1)):
        found = select([WIDE, NEW], lambda rules, d=late, m=more: measure(rules, d, m), LIMITS)
        assert found.rules == (WIDE,)
