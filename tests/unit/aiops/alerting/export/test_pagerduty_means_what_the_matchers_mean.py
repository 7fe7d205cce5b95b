"""What PagerDuty gets matches the events that Alertmanager's matchers match, by its own rules."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import MINUTE, SECOND, matches, parse_config
from pipelines.aiops.alerting.export import pagerduty
from pipelines.aiops.alerting.export.bundle import Sources, make_bundle
from pipelines.aiops.alerting.export.pagerduty import orchestration, read_condition, read_services
from pipelines.aiops.alerting.export.read_back import files_of, read_back
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.replay.model import Grouping, Orchestration, PauseRule
from pipelines.aiops.alerting.replay.pagerduty import path_of
from pipelines.aiops.alerting.rules import Matcher, one_of
from pipelines.core.errors import SignalboxError
from pipelines.core.files import canonical_json
from tests.unit.aiops.alerting.replay.worlds import frame_of

from .make import KNOWN, hold, known_fix
from .pcl_reference import Condition

FIELD = "event.custom_details.{label}"
AM = """\
route:
  receiver: team
  group_by: [alertname, service]
  group_wait: 0s
  group_interval: 1m
  routes:
    - {matchers: ['severity="db"'], receiver: db, group_by: ['...']}
    - {matchers: ['severity="info"'], receiver: chat}
receivers:
  - name: team
    pagerduty_configs:
      - routing_key: x
        details: &common
          alertname: '{{ .CommonLabels.alertname }}'
          service: '{{ .CommonLabels.service }}'
          host: '{{- .CommonLabels.host -}}'
          severity: '{{ .CommonLabels.severity }}'
          runbook: 'see {{ .CommonLabels.alertname }}'
  - name: db
    pagerduty_configs: [{routing_key: y, details: *common}]
  - name: bare
    pagerduty_configs: [{routing_key: z}]
  - name: both
    pagerduty_configs: [{routing_key: y, details: *common}, {routing_key: x, details: *common}]
  - name: silent
    pagerduty_configs: [{routing_key: y, details: *common, send_resolved: false}]
  - name: phone
    opsgenie_configs: [{api_key: x}]
  - name: chat
    slack_configs: [{channel: '#x', api_url: http://127.0.0.1:1/}]
"""
CONFIG = parse_config(AM, "am.yml")
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


@given(
    matchers=st.lists(MATCHERS, min_size=1, max_size=4),
    labels=st.dictionaries(LABELS, WORDS, max_size=4),
)
def test_conditions_are_read_back_as_the_overview_reads_them(matchers, labels):
    for written in pagerduty.blocks(matchers, FIELD):
        event = event_of(labels)
        assert read_condition(written, "x")(event) == Condition(written).holds(event)


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


def services_of(found):
    return {each["receiver"]: each for each in found["services"]}


def test_what_is_too_long_is_left_out_and_told():
    many = one_of("host", [f"host-{number:06d}" for number in range(20_000)])
    found = orchestration([hold().model_copy(update={"matchers": (many,)})], FIELD, CONFIG)
    assert found["services"] == []
    assert "25 of 2,048 bytes" in found["not_expressed"][0]["reason"]


def test_held_alerts_are_paused_and_all_others_pass():
    rule = hold("alertname = A", "service =~ a|b", wait_seconds=180)
    other = hold("alertname = A", "service = c", n=2, to="db")
    found = orchestration([rule, known_fix("alertname = B"), other], FIELD, CONFIG)
    assert sorted(services_of(found)) == ["db", "team"]
    made = services_of(found)["team"]["orchestration_path"]
    (one,) = made["sets"][0]["rules"]
    assert one["actions"]["suspend"] == 180
    assert "suppress" not in one["actions"]
    (condition,) = one["conditions"]
    held = Condition(condition["expression"])
    assert held.holds(event_of({"alertname": "A", "service": "b"}))
    assert not held.holds(event_of({"alertname": "A", "service": "new"}))
    assert made["catch_all"] == {"actions": {}}
    assert [each["rule"] for each in found["not_expressed"]] == ["known_fix-1"]
    assert "always waits 3m" in found["weaker"][0]["reason"]


@pytest.mark.parametrize(("window", "written"), [(3600, 3600), (60, 300), (10**6, 86_400)])
def test_a_service_has_one_incident_in_the_window_that_pagerduty_allows(window, written):
    found = orchestration([hold("alertname = A", window_seconds=window)], FIELD, CONFIG)
    assert services_of(found)["team"]["alert_grouping_setting"] == {
        "type": "content_based",
        "config": {"aggregate": "all", "fields": ["custom_details.service"],
                   "time_window": written},
    }  # fmt: skip


@pytest.mark.parametrize(("rule", "field", "says"), [
    (hold("alertname = A", to="bare"), FIELD, "{alertname: '{{ .CommonLabels.alertname }}'"),
    (hold("alertname = A", "zone = x"), FIELD, "labels zone: put into its pagerduty_configs"),
    (hold("alertname = A", "runbook = x"), FIELD, "labels runbook"),
    (hold("alertname = A"), "event.custom_details.all.{label}", "details: {all: {alertname:"),
    (hold("alertname = A"), "event.{label}", "nobody knows what is outside"),
    (hold("alertname = A", to="both"), FIELD, "2 pagerduty_configs"),
    (hold("alertname = A", to="silent"), FIELD, "doesn't send resolved alerts"),
    (hold("alertname = A", to="phone"), FIELD, "has no pagerduty_configs"),
    (hold("alertname = A", to="nobody"), FIELD, "there is no receiver nobody"),
    (hold("alertname = A", "host =~ \\pL+"), FIELD, "can't be read back"),
])  # fmt: skip
def test_what_pagerduty_can_not_express_says_why(rule, field, says):
    found = orchestration([rule], field, CONFIG)
    assert found["services"] == []
    assert says in found["not_expressed"][0]["reason"]


def test_a_service_groups_its_alerts_in_one_way():
    rules = [hold("alertname = A"), hold("alertname = B", n=2, window_seconds=600)]
    found = orchestration(rules, FIELD, CONFIG)
    assert [each["rule"] for each in found["weaker"]] == ["hold-1"]
    assert "grouped already in another way" in found["not_expressed"][0]["reason"]


def test_labels_are_read_from_nested_details():
    text = AM.replace("details: *common}]", "details: {labels: *common}}]")
    config = parse_config(text, "am.yml")
    rule = hold("alertname = A", to="db")
    found = orchestration([rule], "event.custom_details.labels.{label}", config)
    assert not found["not_expressed"]
    (grouping,) = [each["alert_grouping_setting"]["config"] for each in found["services"]]
    assert grouping["fields"] == ["custom_details.labels.service"]


NAMES = ["a", "b", "c'"]
ALERTS = [
    {"alertname": name, "service": service, "host": host, "severity": severity}
    for name in NAMES for service in ("x", "y") for host in ("1", "2")
    for severity in ("page", "db")
]  # fmt: skip


@st.composite
def rule_sets(draw):
    """Rules of two services, each with one setting."""
    own = {
        to: {"wait_seconds": draw(st.sampled_from([1, 60, 180, 600])),
             "window_seconds": draw(st.sampled_from([60, 300, 900])),
             "service_label": draw(st.sampled_from(["service", "host"]))}
        for to in ("team", "db")
    }  # fmt: skip
    found = [known_fix("alertname = a")]
    for n in range(1, draw(st.integers(1, 5)) + 1):
        to = draw(st.sampled_from(["team", "db"]))
        names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True))
        where = [one_of("alertname", names)]
        for label, values in (("service", ["x", "y"]), ("host", ["1", "2", ""])):
            if draw(st.booleans()):
                some = draw(st.lists(st.sampled_from(values), min_size=1, unique=True))
                where.append(one_of(label, some))
        rule = hold("a = b", n=n, to=to, **own[to])
        found.append(rule.model_copy(update={"matchers": tuple(where)}))
    return found


def meant(rules):
    """What PagerDuty does with rules: each event is asked for the labels that its alerts share."""

    def of(event, matchers):
        labels = {name: event[path_of((name,))] for name in ALERTS[0]}
        return matches(matchers, labels)

    found = {}
    for rule in rules:
        if rule.family != "hold":
            continue
        window = min(max(rule.window_seconds, 300), 86_400)
        known = found.get(rule.receiver, Orchestration((), None))
        pause = PauseRule((lambda event, m=rule.matchers: of(event, m),), rule.wait_seconds)
        found[rule.receiver] = Orchestration(
            (*known.rules, pause), Grouping(path_of((rule.service_label,)), window)
        )
    return found


@settings(max_examples=150, deadline=None)
@given(
    rules=rule_sets(),
    rows=st.lists(
        st.tuples(st.integers(0, len(ALERTS) - 1), st.integers(0, 3000),
                  st.sampled_from([30, 90, 170, 400, 2000])),
        min_size=1, max_size=25,
    ),
)  # fmt: skip
def test_files_read_back_notify_as_the_rules_do(rules, rows):
    sources = Sources(AM, "am.yml", KNOWN)
    files = files_of(make_bundle(sources, rules, 30, FIELD), sources)
    services = read_back(files, rules).pagerduty
    wanted = meant(rules)
    assert sorted(services) == sorted(wanted)
    frame = frame_of([(series, start, start + length) for series, start, length in rows], ALERTS)
    found = replay(frame, CONFIG, until=6000 * SECOND, pagerduty=True).pagerduty
    times = found.notified(services)
    assert times.tolist() == found.notified(wanted).tolist()
    assert len(found.opened) > 0
    assert (found.first_pages(times) <= 6000 * SECOND).all()


def test_longer_waits_and_grouping_notify_less():
    rows = [(0, start, start + 100) for start in range(0, 3000, 600)]
    found = replay(frame_of(rows, ALERTS), CONFIG, until=6000 * SECOND, pagerduty=True).pagerduty

    def pages(wait):
        rules = [hold("alertname = a", "service = x", wait_seconds=wait)]
        text = canonical_json(orchestration(rules, FIELD, CONFIG))
        return int((found.notified(read_services(text, "x")) >= 0).sum())

    assert (len(found.opened), pages(30), pages(240)) == (5, 5, 0)
    assert MINUTE == 60 * SECOND


@pytest.mark.parametrize("change", [
    ('"suspend": 300', '"suspend": 300, "suppress": true'), ('"suspend": 300', '"suspend": -1'),
    ('"type": "service"', '"type": "unrouted"'), ('"all"', '"any"'), ("matches exactly", "matches"),
    ("custom_details.alertname matches exactly 'A'", "severity ?"),
    ('"time_window": 3600', '"time_window": 10'), ('"content_based"', '"time"'),
    ('"receiver": "team"', '"whom": "team"'), ('"disabled": false,', '"disabled": false, "x": 1,'),
    ("'A'", "'A' )"), ("'A'", "'A"), ("matches exactly 'A'", "matches regex exactly 'A.*'"),
])  # fmt: skip
def test_what_was_changed_by_hand_is_not_judged_as_ours(change):
    text = canonical_json(orchestration([hold("alertname = A")], FIELD, CONFIG))
    assert read_services(text, "pd.json")
    changed = text.replace(*change)
    assert changed != text
    with pytest.raises(SignalboxError, match=r"pd\.json"):
        read_services(changed, "pd.json")


def test_a_receiver_that_stands_there_twice_is_an_error():
    found = orchestration([hold("alertname = A")], FIELD, CONFIG)
    with pytest.raises(SignalboxError, match="team stands there twice"):
        read_services(json.dumps({"services": found["services"] * 2}), "pd.json")


def test_without_a_file_nothing_is_held_in_pagerduty():
    assert read_services("", "x") == {}
