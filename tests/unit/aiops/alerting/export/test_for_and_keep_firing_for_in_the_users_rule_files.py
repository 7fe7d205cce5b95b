"""Only ``for`` and ``keep_firing_for`` change, where the alert is found; the rest is told."""

import pytest
import yaml

from pipelines.aiops.alerting.export.prometheus import Merged, merge_rule_files
from pipelines.core.errors import SignalboxError

from .make import AWKWARD, KNOWN, flapping, m, transient

FILE = "rules.yml"
TEXT = """\
# alerts of the shop
groups:
- name: shop
  rules:
  # latency
  - for: 1m   # why not
    alert: Latency
    expr: |
      # per service
      sum by (service) (rate(slow[5m])) > 1
    labels: {severity: page}   # wakes someone
    annotations:
      summary: "slow {{ $labels.service }}"
      text: |
        two

        # paragraphs
  - record: job:x
    expr: sum(x)
  - alert: "Down"
    expr: up == 0
    keep_firing_for: 2m
    labels:
      severity: '{{ if eq $value 0.0 }}page{{ end }}'
# end
"""


def merged(*rules: object, text: str = TEXT) -> Merged:
    return merge_rule_files({FILE: text}, list(rules), KNOWN)  # type: ignore[arg-type]


def alerts(result: Merged) -> list[dict[str, object]]:
    return [
        rule for rule in yaml.safe_load(result.texts[FILE])["groups"][0]["rules"] if "alert" in rule
    ]


def test_times_come_on_top_of_what_is_there() -> None:
    found = alerts(merged(
        transient("alertname = Latency", wait=120), flapping("alertname = Down", keep=60),
        transient("alertname = Down", wait=30, n=2),
    ))  # fmt: skip
    assert [(rule.get("for"), rule.get("keep_firing_for")) for rule in found] == [
        ("3m", None),
        ("30s", "3m"),
    ]


def test_taking_out_gives_the_file_back() -> None:
    result = merged(
        transient("alertname = Latency"), flapping("alertname = Latency", "service =~ a|b")
    )
    assert result.texts[FILE] != TEXT
    assert merge_rule_files(result.texts, [], KNOWN).texts[FILE] == TEXT
    windows = TEXT.replace("\n", "\r\n")
    result = merged(transient("alertname = Latency"), text=windows)
    assert result.placed
    assert merge_rule_files(result.texts, [], KNOWN).texts[FILE] == windows


def test_a_rule_for_some_services_splits_the_alert_in_two() -> None:
    found = alerts(merged(flapping("alertname = Latency", "service =~ a|b\\.c", keep=300)))
    rest, part = found[0], found[1]
    assert (rest["for"], rest.get("keep_firing_for")) == ("1m", None)
    assert (part["for"], part["keep_firing_for"]) == ("1m", "5m")
    assert (part["labels"], part["annotations"]) == (rest["labels"], rest["annotations"])
    assert '"a|b\\\\.c"' in str(part["expr"])
    assert str(part["expr"]) in str(rest["expr"])
    assert "unless" in str(rest["expr"])


def test_what_is_set_by_the_rules_own_labels_needs_no_split() -> None:
    result = merged(transient("alertname = Latency", "severity = page"),
                    transient("alertname = Latency", "severity = info", n=2))  # fmt: skip
    assert len(alerts(result)) == 2
    assert result.placed == {"wait-1": ["rules.yml: alert Latency"]}


def test_overlapping_parts_are_refused_in_words() -> None:
    result = merged(flapping("alertname = Latency", "service =~ a|b"),
                    flapping("alertname = Latency", "service = b", n=2),
                    flapping("alertname = Latency", "service = c", n=3))  # fmt: skip
    assert sorted(result.placed) == ["keep_firing-1", "keep_firing-3"]
    assert "keep_firing-1" in result.refused["keep_firing-2"][0]
    assert len(alerts(result)) == 4


def test_a_templated_label_is_not_guessed() -> None:
    result = merged(transient("alertname = Down", "severity = page"))
    assert "template" in result.refused["wait-1"][0]
    assert result.texts[FILE] == TEXT


@pytest.mark.parametrize("text", [
    "groups: [{name: g, rules: [{alert: Latency, expr: x > 1, for: 1m}]}]\n",
    "groups:\n- name: g\n  rules:\n  - alert: Latency\n    expr: x > 1\n    for: 1m",
])  # fmt: skip
def test_where_there_is_no_safe_place_the_file_stays_and_the_reason_is_told(text: str) -> None:
    result = merged(transient("alertname = Latency"), text=text)
    assert result.texts[FILE] == text
    assert result.refused["wait-1"]


def test_awkward_values_in_a_split() -> None:
    rule = transient("alertname = Latency").model_copy(
        update={"matchers": (*m("alertname = Latency"), m(f"service = {AWKWARD}")[0])}
    )
    result = merged(rule)
    assert result.placed
    assert merge_rule_files(result.texts, [], KNOWN).texts[FILE] == TEXT


@pytest.mark.parametrize(
    "text", ["groups: 1\n", "groups: [1]\n", "a: [", "[]\n", "groups:\n- {rules: [{}]}\nx"]
)
def test_what_is_no_rule_file_is_an_error_that_names_it(text: str) -> None:
    with pytest.raises(SignalboxError, match=FILE):
        merged(transient("alertname = Latency"), text=text)
