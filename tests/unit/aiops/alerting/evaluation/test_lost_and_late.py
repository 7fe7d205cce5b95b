import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.evaluation.attribution import RuleAttribution
from pipelines.aiops.alerting.evaluation.backtest import evaluate_outcomes
from pipelines.aiops.alerting.evaluation.tables import median_interval, saved_interval
from pipelines.aiops.alerting.windows import HistoryWindow, rows_of
from pipelines.aiops.lake.frame import NEVER
from pipelines.core.time import DAY_US
from tests.unit.aiops.alerting.evaluation.made_up import MINUTE, WINDOW, frame, replayed


def compared(rows, baseline, candidate, closed=None):
    return evaluate_outcomes(
        RuleAttribution(rows),
        window=WINDOW,
        baseline=baseline,
        candidate=candidate,
        rules=[],
        closed=closed,
    )


def test_an_incident_none_of_whose_alerts_pages_any_more_is_lost():
    rows = frame([0, MINUTE], [0, 0])
    effect = compared(rows, replayed([5], [5, 5]), replayed([], [-1, -1], ["r", "r"]))
    assert [one.ticket for one in effect.missed] == ["T0"]
    assert effect.missed[0].hidden_by == ("r",)
    assert math.isinf(effect.missed[0].delay)


def test_one_alert_that_still_pages_keeps_the_incident_and_its_delay_is_counted():
    rows = frame([0, MINUTE], [0, 0])
    candidate = replayed([3 * MINUTE], [-1, 3 * MINUTE], ["r", ""])
    effect = compared(rows, replayed([MINUTE], [MINUTE, MINUTE]), candidate)
    assert not effect.missed
    assert effect.delays().tolist() == [120.0]


def test_a_page_after_the_ticket_was_closed_comes_too_late():
    rows = frame([0], [0])
    candidate = replayed([9 * MINUTE], [9 * MINUTE])
    effect = compared(rows, replayed([5], [5]), candidate, closed={"T0": 8 * MINUTE})
    assert len(effect.missed) == 1


def test_an_incident_that_is_not_paged_today_cannot_be_lost():
    rows = frame([0], [0])
    effect = compared(rows, replayed([], [-1]), replayed([], [-1]))
    assert not effect.missed
    assert not effect.notified


def test_incidents_and_pages_outside_the_window_do_not_count():
    rows = frame([-DAY_US, 11 * DAY_US], [0, 1])
    effect = compared(rows, replayed([-1, 0, 11 * DAY_US], [5, 5]), replayed([], [-1, -1]))
    assert not effect.incidents
    assert len(effect.baseline) == 1


def test_credits_add_up_to_the_saving():
    rows = frame([0, 1, 2], [-1, -1, -1])
    candidate = replayed([7], [-1, -1, 7], ["a", "b", ""])
    effect = compared(rows, replayed([5, 6, 7], [5, 6, 7]), candidate)
    assert effect.saved == 2
    assert sum(effect.credit.values()) == 2
    assert set(effect.credit) == {"a", "b"}


def test_where_every_alert_is_still_paged_but_together_the_rule_that_paged_them_has_the_credit():
    rows = frame([0, 1, 2], [-1, -1, -1])
    candidate = replayed([7], [7, 7, 7])
    candidate.groups["rule"] = "grouping-a"
    effect = compared(rows, replayed([5, 6, 7], [5, 6, 7]), candidate)
    assert effect.credit == {"grouping-a": 2}


def test_a_window_is_replayed_with_what_already_fired_and_without_knowing_later_ends():
    rows = frame([0, 2 * DAY_US], [-1, -1])
    found = rows_of(rows, HistoryWindow(5 * MINUTE, 2 * DAY_US + MINUTE))
    assert found.starts.tolist() == [0, 2 * DAY_US]
    assert found.ends[1] == NEVER


@settings(deadline=None)  # the first call imports SciPy
@given(st.lists(st.integers(1, 50), min_size=3, max_size=20))
def test_the_interval_of_the_saving_holds_the_saving_where_every_day_saves_the_same(days):
    baseline = np.array(days) * 10
    low, high = saved_interval(baseline, baseline // 10)
    assert low <= 0.9 + 1e-9
    assert high >= 0.9 - 1e-9


def test_the_median_of_few_incidents_has_no_interval():
    assert median_interval(np.arange(5.0)) is None
    low, high = median_interval(np.arange(50.0))
    assert low < 24.5 < high
