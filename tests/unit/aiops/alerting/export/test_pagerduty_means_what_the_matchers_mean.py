"""What PagerDuty gets matches the events that Alertmanager's matchers match, by its own rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import matches
from pipelines.aiops.alerting.export import pagerduty
from pipelines.aiops.alerting.export.pagerduty import orchestration
from pipelines.aiops.alerting.rules import Matcher, one_of

from .make import hold, known_fix
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
    found = orchestration([hold().model_copy(update={"matchers": (many,)})], FIELD)
    assert found["orchestration_path"]["sets"][0]["rules"] == []
    assert found["alert_grouping_setting"] is None
    assert "25 of 2,048 bytes" in found["not_expressed"][0]["reason"]


def test_held_alerts_are_paused_and_all_others_pass():
    rule = hold("alertname = A", "service =~ a|b", wait_seconds=180)
    found = orchestration([rule, known_fix("alertname = B")], FIELD)
    (one,) = found["orchestration_path"]["sets"][0]["rules"]
    assert one["actions"]["suspend"] == 180
    assert "suppress" not in one["actions"]
    (condition,) = one["conditions"]
    held = Condition(condition["expression"])
    assert held.holds(event_of({"alertname": "A", "service": "b"}))
    assert not held.holds(event_of({"alertname": "A", "service": "new"}))
    assert found["orchestration_path"]["catch_all"] == {"actions": {}}
    assert [each["rule"] for each in found["not_expressed"]] == ["known_fix-1"]
    assert "always waits 3m" in found["weaker"][0]["reason"]


@pytest.mark.parametrize(("window", "written"), [(3600, 3600), (60, 300), (10**6, 86_400)])
def test_a_service_has_one_incident_in_the_window_that_pagerduty_allows(window, written):
    found = orchestration([hold("alertname = A", window_seconds=window)], FIELD)
    assert found["alert_grouping_setting"] == {
        "type": "content_based",
        "config": {"aggregate": "all", "fields": ["custom_details.service"],
                   "time_window": written},
    }  # fmt: skip
