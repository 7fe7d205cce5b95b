"""The merged ``alertmanager.yml`` means what was proven, and holds every byte of the user's."""

import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import (
    PAGE_NAME,
    QUIET_RECEIVER,
    SECOND,
    apply_rules,
    page_label,
    parse_config,
    routes_of,
)
from pipelines.aiops.alerting.export.alertmanager import merge_config
from pipelines.aiops.alerting.export.config_tree import without_origin
from pipelines.aiops.alerting.rules import Rule
from pipelines.core.errors import SignalboxError

from . import configs
from .make import ALL, AWKWARD, hold, known_fix, m

FILE = "alertmanager.yml"


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("#")]


def in_order(wanted: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(any(one == other for other in rest) for one in wanted)


@pytest.mark.parametrize("text", configs.ALL.values(), ids=configs.ALL)
@pytest.mark.parametrize("count", [1, 3, 4])
def test_it_means_what_the_replay_proved(text: str, count: int) -> None:
    for rules in combinations(ALL, count):
        merged = merge_config(text, FILE, rules)
        bare = text.removeprefix("\ufeff")
        wanted = apply_rules(parse_config(bare, FILE), rules)
        found = parse_config(merged.text.removeprefix("\ufeff"), FILE)
        assert without_origin(found) == without_origin(wanted)
        assert not merged.refused


@pytest.mark.parametrize("text", configs.ALL.values(), ids=configs.ALL)
def test_merging_again_changes_nothing_and_merging_nothing_gives_the_file_back(text: str) -> None:
    merged = merge_config(text, FILE, ALL).text
    assert merged != text
    assert merge_config(merged, FILE, ALL).text == merged
    assert merge_config(merged, FILE, ()).text == text
    fewer = merge_config(merged, FILE, ALL[:1]).text
    assert fewer == merge_config(text, FILE, ALL[:1]).text != merged


@pytest.mark.parametrize("text", configs.ALL.values(), ids=configs.ALL)
def test_all_lines_of_the_user_are_there_in_order(text: str) -> None:
    merged = merge_config(text, FILE, ALL).text
    assert in_order(comments(text), comments(merged))
    if text not in (configs.FLOW, configs.FULL):
        assert in_order([x for x in text.splitlines() if "{" not in x], merged.splitlines())


def test_every_rule_is_marked_with_sentence_and_expiry() -> None:
    merged = merge_config(configs.FULL, FILE, ALL).text
    for rule in ALL[:3]:
        assert f"{rule.id} (expires 2026-06-01): {rule.sentence}" in merged
    assert merged.count("pages for alerts that are held back") == 2


def receivers(text: str, **labels: str) -> list[str]:
    top = parse_config(text, FILE).route
    nodes = dict(top.walk())
    return [nodes[path].receiver for path in routes_of(top, labels)]


def test_held_alerts_go_to_chat_and_all_others_as_before() -> None:
    after = merge_config(configs.FULL, FILE, ALL).text
    assert receivers(after, alertname="Latency", service="b.c") == ["chat"]
    assert receivers(after, alertname="Latency", service="a", team="db") == ["team"]
    assert receivers(after, alertname="Blip", service="a") == ["chat"]
    for labels in (
        {"alertname": "Latency", "service": "new"},
        {"alertname": "Latency", "service": "a", "severity": "critical"},
        {"alertname": "Blip", "service": "a", "team": "new"},
        {"alertname": "New", "service": "a"},
    ):
        assert receivers(after, **labels) == receivers(configs.FULL, **labels)


def test_pages_of_one_moment_and_prometheus_go_to_the_pager_together_and_at_once() -> None:
    merged = merge_config(configs.FULL, FILE, ALL, apart=("cluster",))
    config = parse_config(merged.text, FILE)
    nodes = dict(config.route.walk())
    for rule in ALL[:2]:
        labels = {"alertname": PAGE_NAME, "pager": page_label(rule), "team": "db", "service": "a"}  # type: ignore[arg-type]
        (path,) = routes_of(config.route, labels)
        found = nodes[path]
        assert (found.receiver, found.mute) == (rule.receiver, rule.mute)  # type: ignore[union-attr]
        assert (found.group_wait, found.group_by) == (SECOND, ("cluster", "since"))


def test_what_chat_hears_of_anyway_goes_to_a_receiver_that_tells_nobody() -> None:
    rule = hold("alertname = X", chat=QUIET_RECEIVER)
    config = parse_config(merge_config(configs.FULL, FILE, [rule]).text, FILE)
    assert not config.receiver(QUIET_RECEIVER).integrations
    assert not config.receiver(QUIET_RECEIVER).pages


def test_awkward_values_survive_both_syntaxes() -> None:
    rule = hold("alertname = X").model_copy(
        update={"matchers": (*m("alertname = X"), m(f"label = {AWKWARD}")[0])}
    )
    config = parse_config(merge_config(configs.SMALL, FILE, [rule]).text, FILE)
    assert config.route.routes[-1].matchers == rule.matchers


label_values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(value=label_values, other=label_values, text=st.sampled_from(sorted(configs.ALL)))
def test_any_value_reads_back_as_it_was(value: str, other: str, text: str) -> None:
    matchers = (m("alertname = X")[0], m("l = v")[0].model_copy(update={"value": value}),
                m("k != v")[0].model_copy(update={"value": other}))  # fmt: skip
    rules: list[Rule] = [
        hold("a = b").model_copy(update={"matchers": matchers, "sentence": value + other}),
    ]
    merged = merge_config(configs.ALL[text], FILE, rules)
    assert not merged.refused
    assert merge_config(merged.text, FILE, ()).text == configs.ALL[text]
    config = parse_config(merged.text.removeprefix("\ufeff"), FILE)
    assert matchers in [route.matchers for _, route in config.route.walk()]


def test_a_list_of_a_thousand_values_is_one_matcher() -> None:
    values = "|".join(f"host-{n}\\.example" for n in range(1000))
    rule = hold("alertname = X", f"service =~ {values}")
    config = parse_config(merge_config(configs.SMALL, FILE, [rule]).text, FILE)
    assert config.route.routes[-1].matchers[1].value == values


def test_routes_behind_an_anchor_refuse_the_rule_and_keep_the_file() -> None:
    text = (
        "route:\n  receiver: team\n  routes:\n  - matchers: ['x=\"1\"']\n    routes: &r\n"
        "    - {receiver: b, matchers: ['y=\"1\"']}\n  - matchers: ['x=\"2\"']\n    routes: *r\n"
        "receivers:\n- name: team\n- name: chat\n- name: b\n"
    )
    rules = [hold("alertname = X", "x = 2", n=1, to="b"), hold("alertname = Y", "x = 3", n=2)]
    merged = merge_config(text, FILE, rules)
    assert "a" in merged.refused["hold-1"]
    assert list(merged.placed) == ["hold-2"]
    assert merge_config(merged.text, FILE, ()).text == text


@pytest.mark.parametrize(("text", "says"), [
    ("route: [", "not valid YAML"),
    ("- a\n", FILE),
    ("", FILE),
    ("route:\n  receiver: gone\nreceivers:\n- name: a\n", "gone"),
    ("route:\n  receiver: a\n  routes:\n  - matchers: ['%%']\nreceivers:\n- name: a\n", "%%"),
    ("route:\n  receiver: a\n---\nroute: {}\n", FILE),
])  # fmt: skip
def test_a_file_we_cannot_read_is_an_error_that_names_it(text: str, says: str) -> None:
    with pytest.raises(SignalboxError, match=re.escape(says)) as caught:
        merge_config(text, FILE, ALL)
    assert FILE in str(caught.value)


def test_a_lost_mark_is_an_error_and_not_a_guess() -> None:
    merged = merge_config(configs.FULL, FILE, ALL).text
    broken = merged.replace("# <<< signalbox\n", "", 1)
    lost = merged[: merged.rindex("# <<< signalbox")]
    for text in (lost, "# <<< signalbox\n" + configs.FULL):
        with pytest.raises(SignalboxError, match="mark of Signalbox"):
            merge_config(text, FILE, ALL)
    with pytest.raises(SignalboxError):  # would swallow what stands between two blocks
        merge_config(broken, FILE, ALL)


@pytest.mark.parametrize("rule", [
    hold("alertname =~ (?=x)y"),
    hold("alertname != Known"),
    hold("alertname =~ (a)\\1"),
])  # fmt: skip
def test_what_alertmanager_would_refuse_or_take_too_much_of_stays_out(rule: Rule) -> None:
    merged = merge_config(configs.FULL, FILE, [rule, known_fix("alertname = Stuck")])
    assert list(merged.refused) == [rule.id]
    assert merged.text == configs.FULL
