from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import SECOND, apply_rules
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.replay.held_pages import held_by_rules
from pipelines.aiops.alerting.rules import Matcher

from .hold_reference import Prometheus
from .reference import Reference, episodes
from .worlds import SPAN, alerts, configs, frame_of, hold_rule, silences, timings, twins

UNTIL = (SPAN + 600) * SECOND


def told_by_loop(config, labels, rows, timing, quiet):
    """(time, receiver, firing, resolved) of all notifications; one a group and tick."""
    rows = [(s, a * SECOND, b * SECOND) for s, a, b in rows]
    nodes = dict(config.route.walk())
    found = {}
    for sent in Reference(config, labels, rows, UNTIL, timing, quiet).run():
        key = (sent.time, sent.route, sent.labels)
        old = found.get(key)
        if old is None or sent.sends:
            found[key] = (
                sent.time,
                nodes[sent.route].receiver,
                len(sent.firing),
                len(sent.resolved),
            )
    return sorted(found.values())


def told(config, frame, timing, quiet, chunk=10**6):
    made = replay(frame, config, until=UNTIL, silences=quiet, timing=timing, chunk=chunk)
    columns = made.notifications[["time", "receiver", "firing", "resolved"]]
    return sorted(columns.itertuples(index=False, name=None))


@settings(max_examples=300, deadline=None)
@given(configs, alerts(), silences, timings)
def test_fast_replay_tells_what_an_event_loop_tells(config, world, quiet, timing):
    labels, rows = world
    frame = frame_of(rows, labels)
    assert told(config, frame, timing, quiet) == told_by_loop(config, labels, rows, timing, quiet)


@settings(max_examples=300, deadline=None)
@given(twins(), alerts(), silences, timings, st.sampled_from([1, 10**6]))
def test_routes_that_share_log_entries_tell_what_an_event_loop_tells(
    config, world, quiet, timing, chunk
):
    labels, rows = world
    frame = frame_of(rows, labels)
    expected = told_by_loop(config, labels, rows, timing, quiet)
    assert told(config, frame, timing, quiet, chunk) == expected


def pages(receiver, sends):
    return receiver.pages_through([i for i in receiver.integrations if i.send_resolved == sends])


def first_told(config, rows, sent, *, paging):
    """First notification that names each row's alert firing within the row's own episode."""
    nodes = dict(config.route.walk())
    found = []
    for series, start, _ in rows:
        begin, stop = next((a, b) for s, a, b in episodes(rows) if s == series and a <= start <= b)
        times = [
            each.time
            for each in sent
            if series in each.firing and begin <= each.time < stop
            and (not paging or pages(config.receiver(nodes[each.route].receiver), each.sends))
        ]  # fmt: skip
        found.append(min(times, default=-1))
    return found


@settings(max_examples=150, deadline=None)
@given(configs, alerts(), silences)
def test_a_rows_first_page_is_the_first_that_names_it_in_its_own_episode(config, world, quiet):
    labels, rows = world
    made = replay(frame_of(rows, labels), config, until=UNTIL, silences=quiet)
    rows = [(s, a * SECOND, b * SECOND) for s, a, b in rows]
    sent = Reference(config, labels, rows, UNTIL, silences=quiet).run()
    assert made.alerts["first_page"].tolist() == first_told(config, rows, sent, paging=True)
    told_at = made.alerts["first_notification"].tolist()
    assert told_at == first_told(config, rows, sent, paging=False)


SETTINGS = st.fixed_dictionaries({
    "receiver": st.sampled_from(["pager", "both"]),
    "wait_seconds": st.sampled_from([30, 90, 300]),
    "again_seconds": st.sampled_from([60, 600]),
    "fresh_seconds": st.just(60),
    "names": st.sampled_from([2, 3]),
    "instances": st.sampled_from([1, 2]),
    "services": st.sampled_from([2, 3]),
    "storm_seconds": st.just(60),
    "rate_seconds": st.just(300),
    "usual_rates": st.just(2),
    "rise": st.sampled_from([1, 5]),
    "window_seconds": st.sampled_from([60, 400]),
})  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(configs, alerts(), silences, timings, SETTINGS)
def test_held_alerts_and_their_pages_are_told_as_an_event_loop_tells(
    config, world, quiet, timing, setting
):
    labels, rows = world
    rules = [
        hold_rule(
            Matcher(label="alertname", op="=", value=name),
            Matcher(label="host", op="=~", value="a|b"),
            id=f"hold-{name}", service_label="host", **setting,
        )
        for name in "ab"
    ]  # fmt: skip
    ruled = apply_rules(config, rules)
    until = UNTIL // SECOND
    held = held_by_rules(config, rules)
    given_alerts = [(labels[s], a, b) for s, a, b in rows]
    pages = [page for one in held for page in Prometheus(one, given_alerts, 0, until).run()]
    both = [*labels, *(page for page, _, _ in pages)]
    more = [(len(labels) + i, a, b) for i, (_, a, b) in enumerate(pages)]
    loop = told_by_loop(ruled, both, rows + more, timing, quiet)
    made = replay(
        frame_of(rows, labels), config, rules=rules, until=UNTIL, silences=quiet, timing=timing
    )
    columns = made.notifications[["time", "receiver", "firing", "resolved"]]
    assert sorted(columns.itertuples(index=False, name=None)) == loop
