from datetime import UTC, date, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.alerting.evaluation import select
from pipelines.aiops.alerting.evaluation.backtest import BacktestResult, TicketedIncident
from pipelines.aiops.alerting.rules import Bound, DemotionRule, KnownFixRule, Matcher, Support
from pipelines.aiops.params.alert_rules import SelectRulesParams
from tests.unit.aiops.alerting.evaluation.made_up import WINDOW

SECOND = 1_000_000
_COMMON = {
    "matchers": (Matcher(label="alertname", op="=", value="A"),),
    "sentence": "s",
    "support": Support(
        alerts=1,
        episodes=1,
        days=1,
        first=datetime(2026, 1, 1, tzinfo=UTC),
        last=datetime(2026, 1, 2, tzinfo=UTC),
    ),
    "bound": Bound(measures="m", value=1, n=1, level=0.95, method="x", tried=1),
    "expires": date(2026, 12, 1),
}
QUIET = [DemotionRule(id=f"demotion-{i}", **_COMMON) for i in range(8)]


def world(saves, hides=None, delays=None, pages=100):
    """Measures sets of rules in a world where each rule saves, hides or delays what is said."""
    hides, delays = hides or {}, delays or {}

    def measure(rules):
        ids = {rule.id for rule in rules}
        credit = {one: float(saves[one]) for one in ids if saves.get(one)}
        left = pages - int(sum(credit.values()))
        incidents = []
        for ticket in sorted({*hides.values(), *delays, "T-calm"}):
            guilty = tuple(sorted(one for one in ids if hides.get(one) == ticket))
            rule, seconds = delays.get(ticket, ("", 0))
            late = seconds * SECOND if rule in ids else 0
            first = -1 if guilty else 10 + late
            blamed = guilty or ((rule,) if late else ())
            incidents.append(TicketedIncident(ticket, 0, None, 10, first, guilty, blamed))
        return BacktestResult(WINDOW, np.arange(pages), np.arange(left), tuple(incidents), credit)

    return measure


def chosen(found):
    return {rule.id for rule in found.rules}


def test_a_rule_that_hides_an_incident_is_never_chosen_however_much_it_saves():
    found = select(
        QUIET,
        world({"demotion-1": 50, "demotion-2": 20}, {"demotion-1": "T1"}),
        SelectRulesParams(),
    )
    assert chosen(found) == {"demotion-2"}
    assert not found.effect.missed
    assert any(d.rule == "demotion-1" and "T1" in d.why for d in found.dropped)


def test_rules_that_save_nothing_are_left_out():
    found = select(QUIET, world({"demotion-3": 10}), SelectRulesParams())
    assert chosen(found) == {"demotion-3"}
    assert len(found.dropped) == len(QUIET) - 1


def test_the_set_is_no_larger_than_the_tolerance_needs():
    saves = {"demotion-0": 50, "demotion-1": 30, "demotion-2": 1}
    assert chosen(select(QUIET, world(saves), SelectRulesParams(tolerance=0.05))) == {
        "demotion-0",
        "demotion-1",
    }
    assert len(chosen(select(QUIET, world(saves), SelectRulesParams(tolerance=0.0)))) == 3


def test_a_single_incident_may_not_wait_longer_than_its_bound():
    measure = world({"demotion-0": 50, "demotion-1": 5}, delays={"T9": ("demotion-0", 1000)})
    limits = SelectRulesParams(max_incident_delay_seconds=900)
    assert chosen(select(QUIET, measure, limits)) == {"demotion-1"}


def test_the_median_incident_may_not_wait_longer_than_its_bound():
    delays = {
        "T7": ("demotion-0", 200),
        "T8": ("demotion-0", 300),
    }  # two of three, T-calm beside them
    found = select(
        QUIET, world({"demotion-0": 50, "demotion-1": 5}, delays=delays), SelectRulesParams()
    )
    assert chosen(found) == {"demotion-1"}


def test_harm_in_the_window_learned_from_counts_as_well():
    saves = {"demotion-0": 50, "demotion-1": 5}
    found = select(
        QUIET, world(saves), SelectRulesParams(), also=[world(saves, {"demotion-0": "T1"})]
    )
    assert chosen(found) == {"demotion-1"}


def test_known_fixes_change_no_page_and_pass():
    fix = KnownFixRule(id="known_fix-1", fix="restart", median_minutes=5, **_COMMON)
    found = select([*QUIET, fix], world({"demotion-0": 5}), SelectRulesParams())
    assert chosen(found) == {"demotion-0", "known_fix-1"}


def test_without_candidates_nothing_is_chosen():
    found = select([], world({}), SelectRulesParams())
    assert found.rules == ()
    assert found.effect.saved == 0


@given(st.permutations(QUIET), st.lists(st.integers(0, 9), min_size=8, max_size=8))
def test_the_order_of_candidates_does_not_matter(order, savings):
    saves = {f"demotion-{i}": saving for i, saving in enumerate(savings)}
    one = select(QUIET, world(saves), SelectRulesParams())
    other = select(order, world(saves), SelectRulesParams())
    assert one.rules == other.rules
    assert one.curve == other.curve
