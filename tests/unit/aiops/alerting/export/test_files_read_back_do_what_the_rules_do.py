"""What is judged is what is deployed: files are read back from their bytes, and mean the rules."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import apply_rules, parse_config
from pipelines.aiops.alerting.export.bundle import Sources, export_problems, make_bundle
from pipelines.aiops.alerting.export.config_tree import without_origin
from pipelines.aiops.alerting.export.hold_rules import SETTINGS, held_in, hold_rules
from pipelines.aiops.alerting.export.read_back import exported_files, files_of, read_back
from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers, read_servers
from pipelines.aiops.alerting.export.write import export, unexported
from pipelines.aiops.alerting.replay.model import Deployed
from pipelines.aiops.alerting.rules import HoldRule, Matcher, Rule, one_of
from pipelines.core.errors import SignalboxError

from .make import AWKWARD, hold, known_fix, m

FIELD = "event.custom_details.{label}"
AM = """\
route:
  receiver: pager
  group_by: [alertname]
  routes:
    - matchers: ['severity="db"']
      receiver: db
      active_time_intervals: [day]
    - matchers: ['severity="info"']
      receiver: chat
receivers:
  - name: pager
    pagerduty_configs: [{routing_key: x}]
  - name: db
    pagerduty_configs: [{routing_key: x}]
  - name: chat
    slack_configs: [{channel: '#x', api_url: http://127.0.0.1:1/}]
time_intervals:
  - name: day
    time_intervals: [{weekdays: ['monday:friday']}]
"""
EU_US = Servers((
    PrometheusServer("eu.yml", {"cluster": "eu"}),
    PrometheusServer("us.yml", {"cluster": "us"}),
))  # fmt: skip


def servers(**external: str) -> Servers:
    return Servers((PrometheusServer("prometheus.yml", external),))


def sources(known: Servers) -> Sources:
    return Sources(AM, "am.yml", known)


def deployed(rules: list[Rule], known: Servers, step: int = 30) -> Deployed:
    made = make_bundle(sources(known), rules, step, FIELD)
    return read_back(files_of(made, sources(known)), rules)


VALUES = st.one_of(st.sampled_from(["a", "b", "", AWKWARD, "$1", '")', "x|y", "\r\x85"]),
                   st.text(st.characters(exclude_categories=["Cs"]), max_size=6))  # fmt: skip
SOME = st.lists(VALUES, min_size=1, max_size=3, unique=True)


@st.composite
def rule_sets(draw: st.DrawFn) -> list[Rule]:
    """Up to four rules of one setting, two pagers, awkward values."""
    told = {
        "service_label": draw(st.sampled_from(["service", "job"])),
        "wait_seconds": draw(st.integers(1, 4000)),
        "again_seconds": draw(st.integers(400, 90_000)),
        "fresh_seconds": draw(st.integers(1, 4000)),
        "names": draw(st.integers(1, 5)),
        "instances": draw(st.integers(1, 5)),
        "services": draw(st.integers(2, 50)),
        "storm_seconds": draw(st.integers(1, 4000)),
        "rate_seconds": draw(st.integers(400, 90_000)),
        "usual_rates": draw(st.integers(1, 30)),
        "rise": draw(st.integers(1, 30)),
        "window_seconds": draw(st.integers(1, 90_000)),
    }
    found: list[Rule] = [known_fix("alertname = Stuck")]
    for n in range(draw(st.integers(1, 4))):
        db = draw(st.booleans())
        more = [one_of("severity", ["db"] if db else draw(st.sampled_from([["page"], ["", "x"]])))]
        if draw(st.booleans()):
            more.append(one_of("team", draw(SOME)))
        if draw(st.booleans()):
            more.append(one_of("cluster", draw(st.sampled_from([["eu"], ["eu", "us"], ["us"]]))))
        rule = hold("a = b", n=n, to="db" if db else "pager", active=("day",) if db else (), **told)
        name = draw(VALUES.filter(bool))
        where = (one_of("alertname", [name]), one_of(told["service_label"], draw(SOME)), *more)
        found.append(rule.model_copy(update={"matchers": where}))
    return found


@settings(max_examples=100, deadline=None)
@given(
    rules=rule_sets(),
    known=st.sampled_from([servers(), servers(cluster="eu"), EU_US]),
    step=st.sampled_from([1, 15, 30, 60]),
)
def test_what_is_held_is_what_was_meant(rules: list[Rule], known: Servers, step: int) -> None:
    left = unexported(make_bundle(sources(known), rules, step, FIELD))
    rules = [rule for rule in rules if rule.id not in left]
    found = deployed(rules, known, step)
    config = parse_config(AM, "am.yml")
    assert found.today == config
    assert found.config == apply_rules(config, rules, known.labels)
    meant = [rule for rule in rules if isinstance(rule, HoldRule)]
    each = iter(found.held)
    for server in known.all:
        seen = {rule.id: server.seen(rule.matchers) for rule in meant}
        mine = {rule_id: own for rule_id, own in seen.items() if isinstance(own, tuple)}
        if not mine:
            continue
        held = next(each)
        assert (held.step_seconds, held.external) == (step, server.external)
        assert held.added == m(*(f"{k} = {v}" for k, v in server.external.items()))
        assert sorted(map(str, mine.values())) == sorted(str(rule.matchers) for rule in held.rules)
        for rule in held.rules:
            like = next(one for one in meant if one.id == rule.id)
            assert rule == like.model_copy(update={"matchers": rule.matchers})
    assert next(each, None) is None


def test_settings_that_every_rule_has_are_read_from_the_text() -> None:
    rule = hold("alertname = a", "service = x", to="pager")
    (held,) = deployed([rule], servers(cluster="eu")).held
    stranger = rule.model_copy(update=dict.fromkeys(SETTINGS[1:], 7))
    made = make_bundle(sources(servers(cluster="eu")), [rule], 30, FIELD)
    found = read_back(files_of(made, sources(servers(cluster="eu"))), [stranger])
    assert found.held == (held,)
    assert held.rules[0].wait_seconds == 300


def test_every_prometheus_sees_its_own_alerts_without_the_labels_it_adds() -> None:
    rule = hold("alertname = a", "service = x", "cluster =~ eu|us", to="pager")
    other = hold("alertname = b", "service = x", "cluster = us", n=2, to="pager")
    made = make_bundle(sources(EU_US), [rule, other], 30, FIELD)
    assert list(made.prometheus) == ["prometheus_rules-eu.yml", "prometheus_rules-us.yml"]
    assert all("cluster" not in text.split("groups:")[1] for text in made.prometheus.values())
    eu, us = read_back(files_of(made, sources(EU_US)), [rule, other]).held
    assert [each.id for each in eu.rules] == ["hold-1"]
    assert [each.id for each in us.rules] == ["hold-1", "hold-2"]
    assert us.added == m("cluster = us")
    assert made.rules[1].locations[-1] == "prometheus_rules-us.yml"


def test_labels_that_the_history_lacks_tell_nothing_apart() -> None:
    rule = hold("alertname = a", "service = x", to="pager")
    made = make_bundle(sources(EU_US), [rule], 30, FIELD)
    files = files_of(made, sources(EU_US))
    held = read_back(files, [rule], labels={"alertname", "service"}).held
    assert [each.added for each in held] == [(), ()]
    assert [each.external for each in held] == [{"cluster": "eu"}, {"cluster": "us"}]


def problem(rule: Rule, known: Servers) -> str:
    (found,) = [*export_problems(sources(known), [rule]).values(), ""][:1]
    left = unexported(make_bundle(sources(known), [rule], 30, FIELD))
    assert bool(found) == bool(left)
    assert not found or left[rule.id] == found
    return found


RELABELLED = read_servers(
    {
        "p.yml": """\
alerting:
  alert_relabel_configs:
    - {source_labels: [team], target_label: owner}
"""
    }
)


@pytest.mark.parametrize(("rule", "known", "says"), [
    (hold("alertname = a", to="pager"), Servers(), "aiops.export_rules.prometheus"),
    (hold("alertname = a", "cluster = asia", to="pager"), EU_US,
     "eu.yml: cluster=eu; us.yml: cluster=us"),
    (hold("alertname = a", "owner = x", to="pager"), RELABELLED, "label owner: alert_relabel"),
    (hold("alertname = a", to="pager", service_label="owner"), RELABELLED, "label owner"),
    (hold("alertname = a", to="pager"), servers(service="x"), "this Prometheus adds it"),
    (hold("alertname = a", "a-b = c", to="pager"), servers(), 'label name "a-b"'),
    (hold("alertname = a", to="nobody"), servers(), "no route to its pager"),
    (hold("alertname != a", to="pager"), servers(), "lack every label"),
    (hold("alertname = a", to="pager"), servers(cluster="eu"), ""),
    (hold("alertname = a", "cluster = eu", to="pager"), EU_US, ""),
    (hold("alertname = a", "team = x", to="pager"), RELABELLED, ""),
])  # fmt: skip
def test_what_no_file_can_take_says_why(rule: Rule, known: Servers, says: str) -> None:
    found = problem(rule, known)
    assert says in found
    assert bool(found) == bool(says)


def test_what_alertmanager_does_not_take_prometheus_does_not_hold() -> None:
    """Else nobody would route its pages: they would go wherever the top route sends them."""
    rules = [hold("alertname = a", to="pager"), hold("alertname = b", n=2, to="nobody")]
    made = make_bundle(sources(servers()), rules, 30, FIELD)
    (text,) = made.prometheus.values()
    assert "hold-1" in text
    assert "hold-2" not in text


def test_rules_of_different_settings_are_not_written_together() -> None:
    rules = [
        hold("alertname = a", to="pager"),
        hold("alertname = b", n=2, to="pager", wait_seconds=180),
        hold("alertname = c", n=3, to="pager"),
    ]
    made = make_bundle(sources(servers()), rules, 30, FIELD)
    assert list(unexported(made)) == ["hold-2"]
    assert "settings aren't those of hold-1" in unexported(made)["hold-2"]


RULES = "groups:\n- name: g\n  rules:\n  - alert: {name}\n    expr: x > 0\n"


def test_servers_of_equal_labels_are_told_apart_by_the_alerts_of_their_rule_files(
    tmp_path: Path,
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.yml").write_text(RULES.replace("{name}", name))
    texts = {str(tmp_path / f"p{name}.yml"): f"rule_files: [{name}.yml]" for name in "ab"}
    known = read_servers(texts)
    rule = hold("alertname = a", to="pager")
    held = deployed([rule], known).held
    assert [each.added for each in held] == [m("alertname = a"), m("alertname = b")]
    (tmp_path / "b.yml").write_text(RULES.replace("{name}", "a"))
    assert "add the same external labels" in problem(rule, read_servers(texts))
    (tmp_path / "b.yml").unlink()
    assert "add the same external labels" in problem(rule, read_servers(texts))


@pytest.mark.parametrize("change", [
    ("> 1", ">= 1"), (">= 270", ">= 271.5"), ("[29m45s]", "[29m44s1ms]"), ("< 3600", "< 3601", 1),
    ('"a"', '"a.*"'), ("offset 30s", "offset 31s", 1), ("* 0 + 2", "* 0 + 1"),
    ('"pager", "pager"', '"pager", "other"'), ("signalbox:due\n", "signalbox:odd\n"),
    ("interval: 30s", "interval: 31s"),
    ("- alert:", "- record: x\n        expr: y\n      - alert:"),
])  # fmt: skip
def test_what_was_changed_by_hand_is_not_judged_as_ours(change: tuple[str, ...]) -> None:
    rules: list[Rule] = [hold("alertname = a", "service = x", to="pager")]
    files = files_of(make_bundle(sources(servers()), rules, 30, FIELD), sources(servers()))
    read_back(files, rules)
    ((name, text),) = files.prometheus.items()
    changed = text.replace(*change[:2], 1 if len(change) > 2 else -1)
    if change[0] == "> 1":
        changed = text.replace(">= 2)", "> 2)")
    assert changed != text
    with pytest.raises(SignalboxError, match="last publication"):
        read_back(replace(files, prometheus={name: changed}), rules)


def test_a_rule_that_is_in_no_file_saves_nothing() -> None:
    known: list[Rule] = [hold("alertname = a", to="pager")]
    made = make_bundle(sources(servers()), [], 30, FIELD)
    found = read_back(files_of(made, sources(servers())), known)
    assert found.held == ()
    assert found.config == found.today
    stray = files_of(make_bundle(sources(servers()), known, 30, FIELD), sources(servers()))
    with pytest.raises(SignalboxError, match="last publication"):
        read_back(stray, [])


def test_written_files_are_read_as_those_that_are_not_written_yet(tmp_path: Path) -> None:
    rules: list[Rule] = [hold("alertname = a", f"service =~ {'x|y'}", to="pager")]
    own = sources(EU_US)
    _, checks = export(tmp_path / "out", own, rules, step=30, label_field=FIELD)
    assert {one.outcome for one in checks} <= {"ok", "not checked"}
    found = read_back(exported_files(tmp_path / "out", own), rules)
    assert found == read_back(files_of(make_bundle(own, rules, 30, FIELD), own), rules)
    assert without_origin(found.config) != without_origin(found.today)


def test_selectors_are_read_as_they_are_written() -> None:
    rules = [
        hold("alertname = a", to="$x {{ y }}", mute=("a,b", "c")),
        hold("alertname = b", n=2, to="pager").model_copy(
            update={"matchers": (*m("alertname = b"), Matcher(label="l", op="=~", value=AWKWARD))}
        ),
    ]
    found = held_in(hold_rules(rules, 30)[0].expression)
    assert found == [("$x {{ y }} not in a,b,c", m("alertname = a")), ("pager", rules[1].matchers)]
