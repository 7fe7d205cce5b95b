"""What PagerDuty gets matches the events that Alertmanager's matchers match, by its own rules."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import matches
from pipelines.aiops.alerting.export import pagerduty
from pipelines.aiops.alerting.export.pagerduty import orchestration
from pipelines.aiops.alerting.rules import Guard, Matcher, one_of

from .make import quiet, recurring, transient
from .pcl_reference import Condition

FIELD = "event.custom_details.{label}"
WORDS = st.sampled_from(["", "a", "A", "b", "a b", "it's", "x\ny", "a\\", "a.b", "axb", "e(1)"])
LABELS = st.sampled_from(["alertname", "host", "9lives", "é"])
MATCHERS = st.one_of(
    st.builds(Matcher, label=LABELS, op=st.sampled_from(["=", "!="]), value=WORDS),
    st.builds(one_of, LABELS, st.lists(WORDS, min_size=1, max_size=4, unique=True)),
    st.builds(
        Matcher, label=LABELS, op=st.sampled_from(["=~", "!~"]),
        value=st.sampled_from(["a.*", ".*", "a|b", "|a", "[ab]+", ".+"]),
    ),
)  # fmt: skip


def event_of(labels):
    return {pagerduty.path(FIELD, name): value for name, value in labels.items()}


@given(
    matchers=st.lists(MATCHERS, min_size=1, max_size=4),
    labels=st.dictionaries(LABELS, WORDS, max_size=4),
)
def test_conditions_match_what_matchers_match(matchers, labels):
    written = pagerduty.blocks(matchers, FIELD)
    assert any(Condition(one).holds(event_of(labels)) for one in written) == matches(
        matchers, labels
    )


def test_capital_letters_and_lines_make_other_values():
    (condition,) = pagerduty.blocks([one_of("host", ["web", "db"])], FIELD)
    assert Condition(condition).holds(event_of({"host": "db"}))
    assert not Condition(condition).holds(event_of({"host": "DB"}))
    assert not Condition(condition).holds(event_of({"host": "x\ndb"}))


def test_long_lists_are_divided_into_conditions_that_fit():
    values = [f"host-{number:04d}" for number in range(900)]
    named = [one_of("alertname", ["A"]), one_of("host", values)]
    written = pagerduty.blocks(named, FIELD)
    assert 1 < len(written) <= pagerduty.BLOCKS
    assert all(len(one.encode()) <= pagerduty.BLOCK_BYTES for one in written)
    for host in (values[0], values[450], values[-1]):
        event = event_of({"alertname": "A", "host": host})
        assert sum(Condition(one).holds(event) for one in written) == 1
    assert not any(Condition(one).holds(event_of({"alertname": "A"})) for one in written)


def test_what_is_too_long_is_left_out_and_told():
    many = one_of("host", [f"host-{number:06d}" for number in range(20_000)])
    found = orchestration([transient().model_copy(update={"matchers": (many,)})], FIELD)
    assert found["orchestration_path"]["sets"][0]["rules"] == []
    assert "25 of 2,048 bytes" in found["not_expressed"][0]["reason"]


def rules_of(*rules):
    found = orchestration(rules, FIELD)
    return found, found["orchestration_path"]["sets"][0]["rules"]


def test_a_guard_lets_too_many_through():
    guard = Guard(window_seconds=5400, max_count=7, max_seconds=600)
    found, (rule,) = rules_of(quiet("alertname = Chatter", guard=guard))
    (condition,) = rule["conditions"]
    assert "trigger_count over 1 hour 30 minutes <= 7" in condition["expression"]
    event = event_of({"alertname": "Chatter"})
    assert Condition(condition["expression"], count=7).holds(event)
    assert not Condition(condition["expression"], count=8).holds(event)
    (weaker,) = found["weaker"]
    assert "600 s" in weaker["reason"]


@pytest.mark.parametrize(
    ("guard", "why"),
    [
        (Guard(window_seconds=60, max_count=0), "first event"),
        (Guard(window_seconds=60, max_count=3, by=("host",)), "counts by host"),
    ],
)
def test_a_guard_that_pagerduty_cannot_keep_leaves_the_rule_out(guard, why):
    found, rules = rules_of(quiet("alertname = Chatter", guard=guard))
    assert rules == []
    assert why in found["not_expressed"][0]["reason"]


def test_what_is_suppressed_does_not_wait_first():
    given_rules = transient("alertname = A"), quiet("alertname = B"), recurring("alertname = C")
    _, rules = rules_of(*given_rules)
    assert ["suppress" in rule["actions"] for rule in rules] == [True, True, False]


def test_hours_end_with_their_last_second():
    _, (rule,) = rules_of(recurring("alertname = C"))
    assert re.search(r" to \d\d:59:59 ", rule["conditions"][0]["expression"])
