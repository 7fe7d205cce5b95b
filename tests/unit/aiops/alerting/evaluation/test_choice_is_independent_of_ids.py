"""Ids are made from names of families and parameters; renaming them must choose the same rules."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.alerting.evaluation import select
from pipelines.aiops.alerting.evaluation.backtest import BacktestResult, TicketedIncident
from pipelines.aiops.alerting.rules import DemotionRule, GroupingRule, Matcher, content_key
from pipelines.aiops.params.alert_rules import SelectRulesParams
from tests.unit.aiops.alerting.evaluation.made_up import WINDOW
from tests.unit.aiops.alerting.evaluation.test_selection import _COMMON

SECOND = 1_000_000
NAMES = "ABCDEF"
LATE = 600


def _common(name):
    return {**_COMMON, "matchers": (Matcher(label="alertname", op="=", value=name),)}


def _rules(ids):
    ids = iter(ids)
    quiet = [DemotionRule(id=next(ids), **_common(name)) for name in NAMES]
    groupings = [
        GroupingRule(
            id=next(ids), group_by=(by,), group_wait_seconds=30, group_interval_seconds=interval,
            repeat_interval_seconds=86_400, **_common("A|B"),
        )
        for by in ("zone", "service")
        for interval in (300, 900)
    ]  # fmt: skip
    return [*quiet, *groupings]


COUNT = len(_rules(map(str, range(20))))


def _measure(saves, late):
    """Quiet rules save by their alert's name and delay one incident each; groupings save alike."""

    def measure(rules):
        saved = {rule.id: float(saves[rule.matchers[0].value[0]]) for rule in rules}
        slow = {rule.matchers[0].value: rule.id for rule in rules if rule.family == "demotion"}
        incidents = tuple(
            TicketedIncident(
                f"T{name}", 0, None, 10, 10 + LATE * SECOND * (name in slow), (),
                (slow[name],) if name in slow else (),
            )
            for name in late
        )  # fmt: skip
        left = 200 - int(sum(saved.values()))
        credit = {rule: pages for rule, pages in saved.items() if pages}
        return BacktestResult(WINDOW, np.arange(200), np.arange(left), incidents, credit)

    return measure


def _does(rules):
    return [content_key(rule)[:-1] for rule in rules]


@given(
    ids=st.permutations([f"rule-{i}" for i in range(COUNT)]),
    saves=st.fixed_dictionaries({name: st.integers(0, 2).map(lambda n: 5 * n) for name in NAMES}),
    late=st.sets(st.sampled_from(NAMES)),
)
def test_other_ids_choose_the_same_rules_in_the_same_order(ids, saves, late):
    measure = _measure(saves, sorted(late))
    plain = select(_rules(sorted(ids)), measure, SelectRulesParams())
    other = select(_rules(ids), measure, SelectRulesParams())
    assert _does(other.rules) == _does(plain.rules)
    assert repr(other.curve) == repr(plain.curve)  # nan is not equal to itself
    known, renamed = ({r.id: r for r in _rules(names)} for names in (sorted(ids), ids))
    assert sorted(_does(renamed[d.rule] for d in other.dropped)) == sorted(
        _does(known[d.rule] for d in plain.dropped)
    )


def test_of_rules_that_are_equally_good_the_one_that_rests_on_more_comes_first():
    few, many = (
        DemotionRule(
            id=name,
            **{**_common("A"), "support": _COMMON["support"].model_copy(update={"episodes": n})},
        )
        for name, n in (("a", 3), ("b", 9))
    )
    assert sorted([few, many], key=content_key) == [many, few]


def test_rules_of_one_family_can_be_put_in_order_whatever_is_left_out():
    bare = DemotionRule(id="a", **_common("A"))
    guard = {"by": (), "window_seconds": 60, "max_count": 2}
    some = DemotionRule.model_validate({**bare.model_dump(), "guard": guard})
    full = DemotionRule.model_validate({**bare.model_dump(), "guard": {**guard, "max_seconds": 5}})
    assert sorted([full, some, bare], key=content_key) == [bare, some, full]
