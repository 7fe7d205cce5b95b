"""Suggestions for an alert's owner follow from the rules that hit it and from its figures."""

import pytest

from pipelines.aiops.alerting.evidence import NoisyAlert
from pipelines.aiops.alerting.rules import RULES as OF_RULES
from pipelines.aiops.report.rules.history import kind_of
from pipelines.aiops.report.rules.source import advice

from . import cases

RULES = {rule.family: rule for rule in OF_RULES.validate_python(cases.rules())}


def alert(acted: int = 0, **more) -> NoisyAlert:
    return NoisyAlert.model_validate(cases.noisy("disk_full", acted, [], **more))


@pytest.mark.parametrize(
    ("family", "acted", "said"),
    [
        ("wait", 1, "<code>for: 5m</code>"),
        ("wait", 1, "half of all are over within 1\N{NO-BREAK SPACE}min"),
        ("keep_firing", 1, "<code>keep_firing_for: 1h30m</code>"),
        ("demotion", 0, "lower its severity or delete it: people acted on 0 of 100"),
        ("demotion", 4, "split it"),
        ("mute_time", 1, "05:00 to 06:30 UTC"),
        ("grouping", 1, "group"),
        ("inhibition", 1, "<code>unless on (…)</code>"),
        ("known_fix", 1, "let the fix run by itself: disk_full"),
    ],
)
def test_each_family_has_its_change(family, acted, said):
    (told,) = advice(alert(acted), [RULES[family]])
    assert said in told


def test_several_families_give_several_changes_in_the_order_of_reports():
    told = advice(alert(), [RULES["demotion"], RULES["wait"]])
    assert ["for: 5m" in told[0], "severity" in told[1]] == [True, True]


def test_the_longest_wait_of_several_rules_is_suggested():
    longer = RULES["wait"].model_copy(update={"for_seconds": 900})
    (told,) = advice(alert(1), [RULES["wait"], longer])
    assert "for: 15m" in told


@pytest.mark.parametrize(
    ("acted", "seconds", "said"),
    [(0, 60, "ask whether it is needed"), (1, 60, "try a longer wait"), (1, 600, "look at it"),
     (50, 60, "look at it")],
)  # fmt: skip
def test_without_a_rule_the_figures_speak(acted, seconds, said):
    (told,) = advice(alert(acted, median_seconds=seconds), [])
    assert said in told


def test_a_fix_from_a_ticket_is_text():
    fix = RULES["known_fix"].model_copy(update={"fix": "<b>restart</b>"})
    (told,) = advice(alert(), [fix])
    assert not hasattr(told, "__html__")


@pytest.mark.parametrize(
    ("why", "kind"),
    [
        ("incident INC-1 would be missed", "an incident would be missed"),
        ("incident a\nb would be notified 1000 s later", "an incident would be notified too late"),
        ("the median incident would be notified 106 s later",
         "the median incident would be notified too late"),
        ("23 of 37 incidents would be notified late", "too many incidents would be notified late"),
        ("something new", "something new"),
    ],
)  # fmt: skip
def test_reasons_are_counted_without_the_incident_they_name(why, kind):
    assert kind_of(why) == kind
