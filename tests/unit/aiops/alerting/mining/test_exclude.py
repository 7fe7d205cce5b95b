"""What params exclude is neither held nor called a known fix."""

import pytest

from pipelines.aiops.alerting.mining import mine_all
from pipelines.aiops.alerting.mining.hold import EXCLUDED
from pipelines.aiops.alerting.rules import Matcher
from pipelines.aiops.params.alert_rules import ExcludedRules, MineRulesParams
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.alerting.mining.test_known_fix import known_fix_world
from tests.unit.aiops.alerting.mining.worlds import (
    CONFIG,
    PARAMS,
    WINDOW,
    World,
    mine,
    names_of,
    noisy,
    value_of,
)


def two_names():
    world = World()
    noisy(world, "One", 30, service="a", team="web", pod="x")
    noisy(world, "Two", 30, first=60, service="a", team="web", pod="x")
    noisy(world, "Two", 30, first=90, service="b", team="dba", pod="y")
    return world.frame()


FRAME = two_names()


def without(**entry) -> MineRulesParams:
    return PARAMS.model_copy(update={"exclude": [ExcludedRules(**entry)]})


def test_an_alert_name_is_left_out_and_counted():
    found = mine_all(FRAME, without(alertname="Two"), [WINDOW], config=CONFIG)["hold"]
    assert names_of(found.rules) == ["One"]
    assert found.not_held[EXCLUDED] == 60


def test_by_a_matcher_services_are_left_out_of_rules_that_stay():
    one, two = sorted(mine(FRAME, without(matchers=['team="dba"'])), key=lambda r: r.sentence)
    assert [value_of(rule, "service") for rule in (one, two)] == ["a", "a"]
    # An alert of that team on another service passes as well, whether it was seen there or not.
    assert all(Matcher(label="team", op="!=", value="dba") in r.matchers for r in (one, two))


def test_by_a_regex_services_of_any_name_are_left_out():
    rules = mine(FRAME, without(matchers=['service=~"b|c"']))
    assert [value_of(rule, "service") for rule in rules] == ["a", "a"]
    assert all(len(rule.matchers) == 3 for rule in rules)


def test_of_one_entry_everything_must_hold():
    both = without(alertname="Two", matchers=['team="web"'])
    assert {(value_of(r, "alertname"), value_of(r, "service")) for r in mine(FRAME, both)} == {
        ("One", "a"), ("Two", "b"),
    }  # fmt: skip
    assert names_of(mine(FRAME, without(matchers=['team="web"', 'pod="y"']))) == ["One", "Two"]


def test_a_rule_is_left_out_by_its_id():
    gone = next(rule for rule in mine(FRAME) if value_of(rule, "alertname") == "One")
    found = mine_all(FRAME, without(id=gone.id), [WINDOW], config=CONFIG)["hold"]
    assert names_of(found.rules) == ["Two"]
    assert found.not_held[EXCLUDED] == 30


def test_a_family_is_left_out_as_a_whole_or_for_an_alert_name():
    frame, tickets = known_fix_world()
    everything = mine(frame, tickets=tickets)
    assert {rule.family for rule in everything} == {"hold", "known_fix"}
    for family, other in (("hold", "known_fix"), ("known_fix", "hold")):
        for entry in ({"family": family}, {"family": family, "alertname": "Stuck"}):
            left = mine(frame, without(**entry), tickets=tickets)
            assert {rule.family for rule in left} == {other}
    assert mine(frame, without(alertname="Stuck"), tickets=tickets) == []


def test_an_entry_that_matches_nothing_changes_nothing():
    assert mine(FRAME, without(alertname="Three")) == mine(FRAME)


@pytest.mark.parametrize(("text", "said"), [("team", "not a matcher"), ("{}", "no matcher")])
def test_what_is_no_matcher_is_refused_by_its_key(text, said):
    with pytest.raises(SignalboxError, match=rf"exclude\[0\]\.matchers\[0\].*{said}"):
        mine(FRAME, without(matchers=[text]))


@pytest.mark.parametrize("entry", [{}, {"id": "hold-1", "family": "hold"}, {"families": "hold"}])
def test_an_entry_names_something_and_nothing_unknown(entry):
    with pytest.raises(ValueError, match="validation error"):
        MineRulesParams(exclude=[entry])
