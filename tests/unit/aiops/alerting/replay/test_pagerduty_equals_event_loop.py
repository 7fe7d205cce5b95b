"""PagerDuty behind the replay does what an event loop of its documents does, event by event."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import (
    MINUTE,
    SECOND,
    Config,
    InhibitRule,
    Integration,
    Receiver,
    Route,
)
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.replay.model import Grouping, Orchestration, PauseRule
from pipelines.aiops.alerting.replay.pagerduty import PagerdutyAlerts, events_of, path_of
from pipelines.aiops.alerting.rules import Matcher
from pipelines.core.time import DAY_US

from .reference import Reference, episodes
from .worlds import NAMES, SPAN, alerts, configs, frame_of, silences

UNTIL = (SPAN + 600) * SECOND
DETAILS = tuple(((name,), name) for name in NAMES)
PAGERDUTY = Integration("pagerduty", True, DETAILS)
RECEIVERS = (
    Receiver("pager", (PAGERDUTY,)),
    Receiver("chat", (Integration("slack", False),), pages=False),
    Receiver("both", (PAGERDUTY, Integration("slack", False))),
    Receiver("null", (), pages=False),
)


def path(label: str) -> str:
    return path_of((label,))


def is_at(label: str, value: str):
    return lambda event: event[path(label)] == value


orchestrations = st.builds(
    Orchestration,
    rules=st.lists(
        st.builds(
            PauseRule,
            conditions=st.lists(
                st.builds(is_at, st.sampled_from(NAMES), st.sampled_from(["a", "b", ""])),
                min_size=1, max_size=2,
            ).map(tuple),
            seconds=st.sampled_from([0, 5, 60, 200]),
        ),
        max_size=2,
    ).map(tuple),
    grouping=st.none()
    | st.builds(
        Grouping, field=st.sampled_from(NAMES).map(path), window_seconds=st.sampled_from([30, 300])
    ),
)  # fmt: skip


def by_loop(config, labels, rows, quiet, services):
    """(time, receiver, named series, label that they share) of every incident that is created."""
    nodes = dict(config.route.walk())
    model = Reference(config, labels, [(s, a * SECOND, b * SECOND) for s, a, b in rows], UNTIL,
                      None, quiet)  # fmt: skip
    agenda = {}
    for sent in model.run():
        name = nodes[sent.route].receiver
        if sent.sends and name in ("pager", "both") and (sent.firing or sent.resolved):
            key = (name, model.log_key((sent.route, sent.labels), True))
            agenda.setdefault(sent.time, []).append((key, sent))
    state, incidents, told, due = {}, {}, [], {}

    def shared(sent):
        sets = [set(labels[series].items()) for series in sent.firing | sent.resolved]
        common = dict(set.intersection(*sets))
        return {path(name): common.get(name, "") for name in NAMES}

    def begins(now, key):
        alert = state[key]
        doing = services.get(key[0], Orchestration(()))
        if doing.grouping:
            group = (key[0], alert["event"][doing.grouping.field])
            known = incidents.get(group)
            if (
                known and any(state.get(k) is a for k, a in known["alerts"])
                and now - known["last"] <= doing.grouping.window_seconds * SECOND
                and now - known["first"] <= DAY_US
            ):  # fmt: skip
                known["alerts"].append((key, alert))
                known["last"] = now
                return
            incidents[group] = {"alerts": [(key, alert)], "first": now, "last": now}
        told.append((now, key[0], frozenset(alert["named"])))

    times = sorted(agenda)
    while times or due:
        now = min([*times[:1], *due])
        events = agenda[times.pop(0)] if times[:1] == [now] else []
        for key, sent in events:
            if not sent.firing:
                state.pop(key, None)
        for key, sent in events:
            if not sent.firing:
                continue
            if key in state:
                state[key]["named"] = sent.firing
                continue
            state[key] = {"event": shared(sent), "named": sent.firing}
            doing = services.get(key[0], Orchestration(()))
            pause = doing.pause(state[key]["event"])
            if not pause:
                begins(now, key)
            elif now + pause * SECOND <= UNTIL:
                due.setdefault(now + pause * SECOND, []).append((key, state[key]))
        for key, alert in due.pop(now, []):
            if state.get(key) is alert:
                begins(now, key)
    return told


def opened(config, labels, rows, quiet, chunk=10**6) -> PagerdutyAlerts:
    found = replay(
        frame_of(rows, labels), config, until=UNTIL, silences=quiet, pagerduty=True, chunk=chunk
    ).pagerduty
    assert found is not None
    return found


def shares_logs(config, labels, rows) -> bool:
    model = Reference(config, labels, rows, UNTIL)
    keys = {key for series, *_ in rows for key in model.keys_of(series)}
    return len({model.log_key(key, True) for key in keys}) < len(keys)


def hold_equal(config, labels, rows, quiet, services, chunk=10**6):
    """Compare incidents with the event loop's, and who is told where each alert has its own."""
    found = opened(config, labels, rows, quiet, chunk)
    times = found.notified(services)
    some = np.flatnonzero(times >= 0)
    expected = by_loop(config, labels, rows, quiet, services)
    assert sorted((int(times[i]), found.services[found.service[i]]) for i in some) == sorted(
        told[:2] for told in expected
    )
    if any(each.grouping for each in services.values()):
        return  # of alerts that come at once any may be the first of their incident
    first = []
    for series, start, _ in rows:
        begin, stop = next((a, b) for s, a, b in episodes(rows) if s == series and a <= start <= b)
        names = [
            t for t, _, named in expected
            if series in named and begin * SECOND <= t < stop * SECOND
        ]  # fmt: skip
        first.append(min(names, default=-1))
    assert found.first_pages(times).tolist() == first


@settings(max_examples=200, deadline=None)
@given(
    configs, alerts(), silences,
    st.dictionaries(st.sampled_from(["pager", "both"]), orchestrations),
    st.sampled_from([1, 10**6]),
)  # fmt: skip
def test_people_are_notified_when_an_event_loop_notifies_them(
    config, world, quiet, services, chunk
):
    labels, rows = world
    config = replace(config, receivers=RECEIVERS)
    assume(not shares_logs(config, labels, rows))
    hold_equal(config, labels, rows, quiet, services, chunk)


CROWD = [
    {"alertname": name, "host": host, "severity": severity}
    for name in "ab" for host in "ab" for severity in "ab"
]  # fmt: skip
busy = st.builds(
    Orchestration,
    rules=st.lists(
        st.builds(
            PauseRule,
            conditions=st.builds(is_at, st.sampled_from(NAMES), st.sampled_from("ab")).map(
                lambda each: (each,)
            ),
            seconds=st.sampled_from([45, 60, 120]),
        ),
        min_size=1, max_size=2,
    ).map(tuple),
    grouping=st.none()
    | st.builds(Grouping, st.sampled_from(NAMES).map(path), st.sampled_from([90, 150, 240])),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([("...",), ("alertname",), ("host", "severity")]),
    # Starts, lengths, flushes and pauses often meet.
    st.lists(
        st.tuples(
            st.integers(0, len(CROWD) - 1), st.integers(0, 20).map(lambda n: 30 * n),
            st.sampled_from([40, 55, 90, 100, 115, 175, 240, 500]),
        ),
        min_size=10, max_size=30,
    ),
    busy,
)  # fmt: skip
def test_a_crowd_is_paused_and_grouped_as_an_event_loop_does(by, alerts, doing):
    route = Route("pager", group_by=by, group_wait=0, group_interval=MINUTE)
    rows = [(series, start, start + length) for series, start, length in alerts]
    hold_equal(Config(route, RECEIVERS), CROWD, rows, (), {"pager": doing})


SHOP = [
    {"alertname": "Slow", "host": "a"}, {"alertname": "Slow", "host": "b"},
    {"alertname": "Down", "host": "a"}, {"alertname": "Late", "host": "a"},
]  # fmt: skip
BY_NAME = Config(
    Route("pager", group_by=("alertname",), group_wait=0, group_interval=MINUTE), RECEIVERS
)
ALONE = replace(BY_NAME, route=replace(BY_NAME.route, group_by=("...",)))


def told(config, rows, doing) -> list[int]:
    """Seconds at which people are notified of each row first; -1 = never."""
    found = opened(config, SHOP, rows, ())
    pages = found.first_pages(found.notified({"pager": doing}))
    return [page // SECOND if page >= 0 else -1 for page in pages.tolist()]


def pausing(label: str, value: str, seconds: int = 120) -> Orchestration:
    return Orchestration((PauseRule((is_at(label, value),), seconds),))


def test_what_ends_within_its_pause_notifies_nobody_and_what_lasts_does_at_its_end():
    rows = [(0, 0, 100), (1, 0, 300), (2, 0, 60)]
    assert told(ALONE, rows, pausing("alertname", "Slow")) == [-1, 120, 0]


def test_what_comes_back_is_paused_anew_every_time():
    rows = [(0, 0, 100), (0, 200, 300), (0, 400, 500)]
    assert told(ALONE, rows, pausing("alertname", "Slow")) == [-1, -1, -1]


def test_a_group_of_several_hosts_has_no_host_that_a_rule_could_ask_for():
    rows = [(0, 0, 100), (1, 0, 100)]
    assert told(BY_NAME, rows, pausing("host", "a")) == [0, 0]
    assert told(BY_NAME, rows[:1], pausing("host", "a")) == [-1]
    assert told(BY_NAME, rows, pausing("alertname", "Slow")) == [-1, -1]


def test_what_joins_an_open_alert_notifies_nobody_and_is_told_at_the_end_of_a_pause():
    rows = [(0, 0, 300), (1, 70, 300)]
    assert told(BY_NAME, rows, Orchestration(())) == [0, -1]
    assert told(BY_NAME, rows, pausing("alertname", "Slow", 150)) == [150, 150]


def test_a_paused_alert_names_what_it_named_while_all_of_its_group_is_inhibited():
    down, slow = (
        Matcher(label="alertname", op="=", value="Down"),
        Matcher(label="alertname", op="=", value="Slow"),
    )
    config = replace(
        ALONE,
        route=replace(ALONE.route, group_by=()),
        inhibit_rules=(InhibitRule((down,), (slow,), ()), InhibitRule((slow,), (down,), ())),
    )
    rows = [(0, 0, 300), (2, 1, 300)]
    assert told(config, rows, pausing("alertname", "Slow")) == [120, -1]
    hold_equal(config, SHOP, rows, (), {"pager": pausing("alertname", "Slow")})


def test_alerts_of_a_service_share_an_open_incident_for_a_window_that_each_one_renews():
    rows = [(0, 0, 900), (2, 200, 900), (1, 0, 900)]
    grouping = Grouping(path("host"), 300)
    assert told(ALONE, rows, Orchestration((), grouping)) == [0, -1, 0]
    later = [(0, 0, 900), (2, 301, 900)]
    assert told(ALONE, later, Orchestration((), grouping)) == [0, 301]
    chain = [(0, 0, 900), (2, 200, 900), (3, 450, 900)]
    assert told(ALONE, chain, Orchestration((), grouping)) == [0, -1, -1]
    one_open = [(0, 0, 900), (2, 100, 150), (3, 250, 900)]
    assert told(ALONE, one_open, Orchestration((), grouping)) == [0, -1, -1]
    closed = [(0, 0, 50), (2, 200, 900)]
    assert told(ALONE, closed, Orchestration((), grouping)) == [0, 200]


@pytest.mark.parametrize(("integrations", "says"), [
    ((Integration("slack", True),), "no pagerduty_configs"),
    ((PAGERDUTY, PAGERDUTY), "2 pagerduty_configs"),
    ((Integration("pagerduty", False),), "doesn't send resolved"),
])  # fmt: skip
def test_receivers_of_which_nobody_knows_what_pagerduty_does_are_left_out(integrations, says):
    receiver = Receiver("pager", integrations)
    assert says in events_of(receiver)
    config = replace(ALONE, receivers=(receiver, *RECEIVERS[1:]))
    assert not len(opened(config, SHOP, [(0, 0, 100)], ()).opened)


def test_paths_are_written_as_conditions_name_them():
    assert path_of(("labels", "9's")) == "event.custom_details.labels['9\\'s']"


def test_an_alert_without_the_field_has_an_incident_of_its_own():
    rows = [(0, 0, 900), (2, 10, 900)]
    assert told(ALONE, rows, Orchestration((), Grouping("event.custom_details.x", 300))) == [0, 10]
