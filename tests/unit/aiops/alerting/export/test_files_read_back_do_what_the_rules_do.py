"""What is judged is what is deployed: files are read back from their bytes and replayed."""

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import parse_config
from pipelines.aiops.alerting.export.bundle import (
    Sources,
    export_problems,
    guard_files,
    make_bundle,
)
from pipelines.aiops.alerting.export.read_back import files_of, read_back
from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers
from pipelines.aiops.alerting.export.spelling import matchers_in, matching
from pipelines.aiops.alerting.export.write import unexported
from pipelines.aiops.alerting.replay import Replay, replay
from pipelines.aiops.alerting.rules import Guard, Matcher, Rule
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.alerting.replay.worlds import SPAN, frame_of

from .make import AWKWARD, duplicate, flapping, implied, quiet, recurring, transient

FIELD = "event.custom_details.{label}"
UNTIL = (SPAN + 600) * 1_000_000
AM = """\
route:
  receiver: pager
  group_by: [alertname]
  group_wait: 5s
  group_interval: 30s
  repeat_interval: 5m
receivers:
  - name: pager
    pagerduty_configs:
      - routing_key: x
"""
RULE_FILE = """\
groups:
  - name: shop
    rules:
      - alert: a
        expr: metric_a > 1
        for: 10s
        labels: {severity: page}
      - alert: b
        expr: |
          # two lines
          metric_b > 1
        labels: {severity: ticket}
"""


def servers(**external: str) -> Servers:
    return Servers((PrometheusServer("prometheus.yml", external, {}, ("rules.yml",)),))


def replayed(rules: list[Rule], known: Servers, frame: object) -> tuple[Replay, Replay]:
    """Replay rules as they are meant, and the files that they become."""
    sources = Sources(AM, "am.yml", {"rules.yml": RULE_FILE}, known)
    bundle = make_bundle(sources, rules, 30, FIELD)
    left = unexported(bundle)
    # A rule that is refused at one alert only isn't what was meant: the next tests look at that.
    assume(not any(rule.id in bundle.rule_files.refused for rule in rules if rule.id not in left))
    kept = [rule for rule in rules if rule.id not in left]
    deployed = read_back(files_of(bundle, sources), kept)
    config = parse_config(AM, "am.yml")
    assert deployed.today == config
    meant = replay(frame, config, rules=kept, until=UNTIL)  # type: ignore[arg-type]
    done = replay(
        frame,  # type: ignore[arg-type]
        deployed.config,
        rules=deployed.rules,
        until=UNTIL,
        applied=True,
    )
    return meant, done


def which(label: str, *values: str) -> st.SearchStrategy[tuple[str, ...]]:
    texts = [f"{label} {op} {value}" for value in values for op in ("=", "!=", "=~")]
    return st.sampled_from([(), *((text,) for text in texts)])


@st.composite
def rule_sets(draw: st.DrawFn, cluster: bool) -> list[Rule]:
    """Up to four rules of any family."""
    rules: list[Rule] = []
    guards = st.builds(
        Guard,
        by=st.sampled_from([("cluster",), ("cluster", "host")] if cluster else [(), ("host",)]),
        window_seconds=st.sampled_from([60, 300]),
        max_count=st.integers(1, 3),
        max_seconds=st.sampled_from([None, 60]),
    )
    for number in range(draw(st.integers(1, 4))):
        where = (
            f"alertname = {draw(st.sampled_from(['a', 'b']))}",
            *draw(which("host", "x", "y|z")),
            *(draw(which("cluster", "eu", "us|eu")) if cluster else ()),
            *draw(which("severity", "page")),
        )
        kind = draw(st.sampled_from("gwkidm"))
        rules.append({
            "g": lambda w=where, n=number: duplicate(*w, n=n, group_wait_seconds=20),
            "w": lambda w=where, n=number: transient(*w, n=n, wait=30 + 10 * n),
            "k": lambda w=where, n=number: flapping(*w, n=n, keep=40 + 10 * n),
            "i": lambda w=where, n=number: implied("alertname = b", *w, n=n),
            "d": lambda w=where, n=number: quiet(*w, n=n, guard=draw(guards)),
            "m": lambda w=where, n=number: recurring(*w, n=n, guard=draw(guards)),
        }[kind]())  # fmt: skip
    return rules


@st.composite
def histories(draw: st.DrawFn, cluster: bool) -> object:
    """Alerts as Alertmanager has them: with static and, where there are, external labels."""
    more = {"cluster": "eu"} if cluster else {}
    severity = {"a": "page", "b": "ticket"}
    labels = [
        {"alertname": name, "severity": severity[name], **({"host": host} if host else {}), **more}
        for name in ("a", "b")
        for host in ("x", "y", "")
    ]
    row = st.tuples(
        st.integers(0, len(labels) - 1), st.integers(0, SPAN), st.sampled_from([0, 20, 90, 400])
    )
    rows = draw(st.lists(row, min_size=1, max_size=20))
    return frame_of([(s, begin, begin + length) for s, begin, length in rows], labels)


@pytest.mark.parametrize("cluster", [False, True])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_files_do_what_the_rules_do(cluster: bool, data: st.DataObject) -> None:
    rules = data.draw(rule_sets(cluster))
    known = servers(cluster="eu") if cluster else servers()
    meant, done = replayed(rules, known, data.draw(histories(cluster)))
    pd.testing.assert_frame_equal(meant.notifications, done.notifications)
    columns = ["status", "first_page", "pages", "group"]
    pd.testing.assert_frame_equal(meant.alerts[columns], done.alerts[columns])
    assert meant.stages == done.stages


@given(
    st.lists(
        st.builds(
            Matcher,
            label=st.sampled_from(["a", "b_c"]),
            op=st.sampled_from(["=", "!=", "=~", "!~"]),
            value=st.sampled_from(["x", "x|y.z", AWKWARD, '")', "\nunless\n", ""]),
        ),
        max_size=4,
    )
)
def test_matchers_around_an_expression_are_read_back(wanted: list[Matcher]) -> None:
    inner = "(\nsum by (a) (x) unless\non () y\n)"
    found = matchers_in(matching(inner, wanted), inner)
    assert found is not None
    from pipelines.aiops.alerting.export.spelling import as_regex

    assert found == tuple(map(as_regex, wanted))
    assert matchers_in(matching(inner, wanted) + " ", inner) is None


EU_US = Servers((
    PrometheusServer("eu.yml", {"cluster": "eu"}, {}, ("rules.yml",)),
    PrometheusServer("us.yml", {"cluster": "us"}, {}, ("rules.yml",)),
))  # fmt: skip
GUARD = Guard(window_seconds=300, max_count=1, max_seconds=None)
LABELS = [
    {"alertname": "a", "severity": "page", "cluster": cluster, "host": host}
    for cluster in ("eu", "us")
    for host in ("x", "y")
]


def problems(rule: Rule, known: Servers) -> str:
    sources = Sources(AM, "am.yml", {"rules.yml": RULE_FILE}, known)
    return export_problems(sources, [rule]).get(rule.id, "")


def test_each_prometheus_counts_its_own_alerts_without_the_labels_it_adds() -> None:
    rule = quiet("alertname = a", "cluster =~ eu|us", guard=GUARD)
    sources = Sources(AM, "am.yml", {"rules.yml": RULE_FILE}, EU_US)
    bundle = make_bundle(sources, [rule], 30, FIELD)
    assert list(bundle.guards) == ["prometheus_rules-eu.yml", "prometheus_rules-us.yml"]
    assert all("cluster" not in text.split("groups:")[1] for text in bundle.guards.values())
    deployed = read_back(files_of(bundle, sources), [rule])
    # One start in each cluster trips nobody; two in one cluster trip the guard of that one.
    for rows, pages in (([(0, 0, 9), (2, 9, 19)], []), ([(0, 0, 9), (1, 9, 19)], ["eu"])):
        frame = frame_of(rows, LABELS)
        done = replay(frame, deployed.config, rules=deployed.rules, until=UNTIL, applied=True)
        assert done.stages["pages"] == len(pages)


def test_a_guard_that_no_prometheus_can_evaluate_keeps_its_rule_out() -> None:
    rule = quiet("alertname = a", "cluster = asia", guard=GUARD)
    assert "eu.yml: cluster=eu; us.yml: cluster=us" in problems(rule, EU_US)
    assert "aiops.export_rules.prometheus" in problems(rule, Servers())
    assert not problems(quiet("alertname = a", "cluster = eu", guard=GUARD), EU_US)


def test_a_split_that_servers_of_one_file_see_differently_is_refused() -> None:
    assert "differ in what they add (cluster)" in problems(
        transient("alertname = a", "cluster = eu"), EU_US
    )
    assert not problems(transient("alertname = a", "cluster =~ eu|us"), EU_US)
    assert not problems(transient("alertname = a", "host = x"), EU_US)
    assert "aiops.export_rules.prometheus" in problems(
        transient("alertname = a", "host = x"), Servers()
    )
    assert not problems(transient("alertname = a", "severity = page"), Servers())


@pytest.mark.parametrize(("expr", "lost"), [
    ("sum by (job) (x) > 1", True),
    ("sum(x)", True),
    ("max(x) by (job, host) > bool 2", False),
    ("count without (host) (x) >= 0.5", True),
    ("sum by (host) (rate(x{a=\")\"}[5m])) * 100 > 1e3", False),
    ("sum by (job) (x) / on (job) group_left (host) y", False),
    ("x > 1", False),
])  # fmt: skip
def test_a_label_that_an_aggregation_drops_can_not_be_asked_for(expr: str, lost: bool) -> None:
    text = f"groups:\n- name: g\n  rules:\n  - alert: a\n    expr: {expr}\n"
    sources = Sources(AM, "am.yml", {"rules.yml": text}, servers())
    found = export_problems(sources, [transient("alertname = a", "host = x")])
    assert bool(found) is lost
    if lost:
        assert "drops the label host" in found["wait-1"]


def test_what_was_changed_by_hand_is_not_judged_as_ours() -> None:
    rules: list[Rule] = [
        transient("alertname = a", "host = x"),
        quiet("alertname = b", guard=GUARD),
    ]
    sources = Sources(AM, "am.yml", {"rules.yml": RULE_FILE}, servers())
    files = files_of(make_bundle(sources, rules, 30, FIELD), sources)
    read_back(files, rules)
    name = next(iter(guard_files(sources.servers)))
    for changed in (
        replace(files, guards={name: files.guards[name].replace("> 1", "> 1 + 5")}),
        replace(files, guards={name: files.guards[name].replace("[5m:", "[6m :")}),
        replace(files, rule_files={
            "rules.yml": files.rule_files["rules.yml"].replace('"x")', '"x.*")', 1)
        }),
    ):  # fmt: skip
        assert changed != files
        with pytest.raises(SignalboxError, match="last publication"):
            read_back(changed, rules)


def test_a_rule_that_is_in_no_file_saves_nothing() -> None:
    """As in a company whose rule files were never named: all was judged, nothing was exported."""
    rule = transient("alertname = c", wait=300)
    sources = Sources(AM, "am.yml", {"rules.yml": RULE_FILE}, servers())
    bundle = make_bundle(sources, [rule], 30, FIELD)
    deployed = read_back(files_of(bundle, sources), [rule])
    frame = frame_of([(0, 0, 100)], [{"alertname": "c"}])
    done = replay(frame, deployed.config, rules=deployed.rules, until=UNTIL, applied=True)
    assert done.stages["pages"] == 1
    assert replay(frame, parse_config(AM, "x"), rules=[rule], until=UNTIL).stages["pages"] == 0


def test_a_history_without_the_added_labels_is_judged_as_well() -> None:
    rule = transient("alertname = a", wait=300)
    sources = Sources(AM, "am.yml", {"rules.yml": RULE_FILE}, servers(cluster="eu"))
    files = files_of(make_bundle(sources, [rule], 30, FIELD), sources)
    frame = frame_of([(0, 0, 100)], [{"alertname": "a", "severity": "page"}])
    deployed = read_back(files, [rule], labels={"alertname", "severity"})
    done = replay(frame, deployed.config, rules=deployed.rules, until=UNTIL, applied=True)
    assert done.stages["pages"] == 0
