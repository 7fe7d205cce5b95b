from hypothesis import given, settings

from pipelines.aiops.alerting.config import SECOND
from pipelines.aiops.alerting.replay import replay

from .reference import Reference
from .worlds import SPAN, alerts, configs, frame_of, silences, timings

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
