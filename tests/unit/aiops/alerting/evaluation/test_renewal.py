"""Rules mined anew compete with those that were chosen first."""

from pipelines.aiops.alerting.evaluation import renew, select
from pipelines.aiops.params.alert_rules import SelectRulesParams
from tests.unit.aiops.alerting.evaluation.test_selection import QUIET, chosen, world

LIMITS = SelectRulesParams()
SAVES = {"demotion-0": 30, "demotion-1": 10, "demotion-5": 20}


def test_what_was_chosen_first_stays_and_what_is_new_joins_it():
    first = select(QUIET[:2], world(SAVES), LIMITS)
    final = renew(first, QUIET[5:6], world(SAVES), LIMITS)
    assert chosen(final) == {"demotion-0", "demotion-1", "demotion-5"}


def test_a_new_rule_may_harm_nobody_either():
    first = select(QUIET[:2], world(SAVES), LIMITS)
    final = renew(first, QUIET[5:6], world(SAVES, {"demotion-5": "T1"}), LIMITS)
    assert chosen(final) == {"demotion-0", "demotion-1"}
    learned = [world(SAVES, {"demotion-5": "T1"})]
    assert chosen(renew(first, QUIET[5:6], world(SAVES), LIMITS, also=learned)) == {
        "demotion-0",
        "demotion-1",
    }


def test_what_was_dropped_first_is_still_said():
    first = select(QUIET[:3], world(SAVES), LIMITS)
    final = renew(first, [], world(SAVES), LIMITS)
    assert [one.rule for one in final.dropped] == ["demotion-2"]
