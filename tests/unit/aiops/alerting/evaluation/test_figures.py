"""What a gate may ask: pages saved, credible incidents missed and delayed, and their bounds."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.evaluation.backtest import BacktestResult, together
from pipelines.aiops.alerting.evaluation.figures import (
    figures,
    late_share,
    median_interval,
    missed_bound,
    outcome,
    saved_interval,
)
from pipelines.aiops.alerting.evaluation.incidents import NOT_PAGED, TicketedIncident
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.core.params import Check
from pipelines.core.time import DAY_US, SECOND_US
from pipelines.release.gating import decide, judge
from tests.unit.aiops.alerting.evaluation.made_up import WINDOW


def incident(number, delay=0.0, *, credible=True):
    """An incident that is told so many seconds later than today; None: never."""
    page = 30 * SECOND_US
    told = NOT_PAGED if delay is None else page + round(delay * SECOND_US)
    return TicketedIncident(f"T{number}", 0, DAY_US, page, told, told, credible=credible)


def effect(delays, pages=(100, 40), window=WINDOW, others=()):
    found = [incident(n, delay) for n, delay in enumerate(delays)]
    found += [incident(f"-{n}", delay, credible=False) for n, delay in enumerate(others)]
    times = [np.linspace(window.start, window.end - 1, count).astype(np.int64) for count in pages]
    return BacktestResult(window, *times, tuple(found))


class Judged:
    """A fold, as far as figures look at it."""

    def __init__(self, found):
        self.effect, self.alerts, self.points = found, 1, 0

    def changing_heartbeats(self, _):
        return {}


def figures_of(found):
    judged = Judged(found)
    return {figure.id.split(".")[1]: figure for figure in figures([judged], judged, [])}


def test_parts_are_added_up():
    halves = [
        effect([10, None], window=HistoryWindow(0, 5 * DAY_US)),
        effect([400], window=HistoryWindow(5 * DAY_US, 10 * DAY_US)),
    ]
    whole = together(halves)
    assert whole.window == WINDOW
    assert (len(whole.baseline), len(whole.candidate), whole.saved) == (200, 80, 120)
    found = outcome(whole)
    assert (found.incidents, found.missed, found.saved_share) == (3, 1, 0.6)
    assert found.late_5m_share == pytest.approx(1 / 3, abs=1e-6)
    assert found.longest_delay_seconds == 400


def test_late_is_later_by_more_than_the_minutes_and_missed_is_not_late():
    found = effect([60, 61, 300, 301, 901, None]).credible
    assert late_share(found, 1) == 4 / 6
    assert late_share(found, 5) == 2 / 6
    assert late_share(found, 15) == 1 / 6
    assert late_share([], 5) is None


def test_only_credible_incidents_are_counted_and_the_others_are_reported():
    found = figures_of(effect([0] * 40, others=[None, None, 0]))
    assert found["missed"].value == 0
    assert found["credible_incidents"].value == 40
    assert (found["missed_of_all"].value, found["missed_of_all"].n) == (2, 43)


def test_the_bound_on_what_is_missed_is_that_of_the_issue():
    assert missed_bound(0, 30) == pytest.approx(0.095, abs=1e-3)
    assert missed_bound(0, 100) == pytest.approx(0.03, abs=1e-3)
    assert missed_bound(0, 0) is None


def checks():
    with open("params.yaml", encoding="utf-8") as file:
        policy = yaml.safe_load(file)["aiops"]["gate_rules"]["checks"]
    return [Check.model_validate(check) for check in policy]


def decision(found):
    """What the project's own policy decides on these figures."""
    known = figures_of(found)
    asked = [
        (check, judge(check, known[name]))
        for check in checks()
        if (name := check.figure.split(".")[1]) in known and check.figure.startswith("replay")
    ]
    return decide(asked), [check.id for check, verdict in asked if verdict != "pass"]


def test_a_good_set_passes_the_policy():
    assert decision(effect([20] * 70 + [200] * 25 + [400] * 4 + [1000])) == ("approve", [])


def test_one_missed_incident_of_many_is_let_through_and_two_are_not():
    assert decision(effect([0] * 99 + [None]))[0] == "approve"
    assert decision(effect([0] * 39 + [None])) == ("review", ["risk"])
    assert decision(effect([0] * 98 + [None] * 2)) == ("reject", ["no_incident_missed"])


def test_few_incidents_are_looked_at_by_a_person_and_never_rejected_for_being_few():
    for count in (0, 1, 12, 29):
        what, why = decision(effect([0] * count))
        assert what == "review"
        assert "enough_incidents" in why


def test_a_set_that_holds_alerts_until_they_are_over_is_rejected():
    """As measured for lone alerts held for ten minutes, without company or a second beginning."""
    bad = effect([500] * 40 + [20] * 55 + [None] * 8, pages=(100, 20))
    what, why = decision(bad)
    assert what == "reject"
    assert {"no_incident_missed", "held_for_too_long"} <= set(why)
    # Even if its misses weren't credible.
    late = effect([500] * 40 + [20] * 60, pages=(100, 20))
    assert decision(late)[0] == "reject"


def test_many_misses_that_are_not_credible_are_rejected_too():
    what, why = decision(effect([0] * 10, others=[None] * 12 + [0] * 60))
    assert what == "reject"
    assert "most_are_told" in why


def test_without_pages_the_figure_says_why():
    found = figures_of(replace(effect([]), baseline=np.empty(0, np.int64)))
    assert found["saved_share"].value is None
    assert "sends no page in this history" in found["saved_share"].missing


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
