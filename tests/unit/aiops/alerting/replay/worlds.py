"""Random small worlds: configurations, alerts, silences, in seconds."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import (
    SECOND,
    Config,
    InhibitRule,
    Integration,
    Range,
    Receiver,
    Route,
    Silence,
    TimeInterval,
    TimeRange,
)
from pipelines.aiops.alerting.replay import Timing
from pipelines.aiops.alerting.rules import Bound, HoldRule, Matcher, Support
from pipelines.aiops.lake.frame import AlertFrame

WHY = {
    "sentence": "Synthetic.",
    "support": Support(
        alerts=9, episodes=9, days=9,
        first=datetime(2026, 1, 1, tzinfo=UTC), last=datetime(2026, 2, 1, tzinfo=UTC),
    ),
    "bound": Bound(measures="x", value=1.0, n=9, level=0.95, method="none", tried=1),
    "expires": date(2027, 1, 1),
}  # fmt: skip


def hold_rule(*matchers, **settings):
    """A rule that holds what matches to ``default``, with the settings of the parameters."""
    known = {
        "id": "hold-1", "service_label": "service", "receiver": "default", "chat": "chat",
        "wait_seconds": 300, "again_seconds": 1800, "fresh_seconds": 600, "names": 2,
        "instances": 3, "window_seconds": 3600,
        "services": 3, "storm_seconds": 60, "rate_seconds": 86_400, "usual_rates": 7, "rise": 5,
    }  # fmt: skip
    return HoldRule(matchers=matchers, **{**known, **settings}, **WHY)


NAMES, VALUES = ("alertname", "host", "severity"), ("a", "b", "")
SPAN = 900


def frame_of(rows, labels, tickets=(), ticket=None):
    """Frame from (series, start, end) in seconds."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    size = len(table)
    return AlertFrame(
        table[:, 0].astype(np.int32),
        table[:, 1] * SECOND,
        table[:, 2] * SECOND,
        np.full(size, -1, np.int8),
        np.full(size, -1, np.int32) if ticket is None else np.array(ticket, np.int32),
        labels,
        list(tickets),
    )


matcher = st.builds(
    Matcher,
    label=st.sampled_from(NAMES),
    op=st.sampled_from(["=", "!=", "=~", "!~"]),
    value=st.sampled_from(["a", "b", "", "a|b", "."]).filter(bool),
)
matchers = st.lists(matcher, min_size=1, max_size=2).map(tuple)
group_bys = st.sampled_from([(), ("alertname",), ("host", "severity"), ("...",)])
names = st.lists(st.sampled_from(["early", "odd"]), max_size=1).map(tuple)
# Among them multiples of each other and, with the drift and answers, times around them.
SETTINGS = {
    "receiver": st.sampled_from(["pager", "chat", "both", "null"]),
    "group_by": group_bys,
    "group_wait": st.sampled_from([0, 7 * SECOND, 30 * SECOND]),
    "group_interval": st.sampled_from([10 * SECOND, 33 * SECOND, 60 * SECOND]),
    "repeat_interval": st.sampled_from([5 * SECOND, 60 * SECOND, 150 * SECOND, 100_000 * SECOND]),
}
leaf = st.builds(
    Route, matchers=matchers, continues=st.booleans(), mute=names, active=names, **SETTINGS
)
inner = st.builds(
    Route,
    matchers=matchers,
    continues=st.booleans(),
    mute=names,
    routes=st.lists(leaf, max_size=2).map(tuple),
    **SETTINGS,
)
top = st.builds(Route, routes=st.lists(inner | leaf, max_size=3).map(tuple), **SETTINGS)
RECEIVERS = (
    Receiver("pager"),
    Receiver("chat", (Integration("slack", False),), pages=False),
    Receiver("both", (Integration("slack", False), Integration("webhook", True))),
    Receiver("null", (), pages=False),
)
INTERVALS = (
    TimeInterval("early", (TimeRange(times=(Range(0, 5), Range(8, 9))),)),
    TimeInterval(
        "odd", (TimeRange(times=(Range(63, 64), Range(66, 71)), location="Europe/Paris"),)
    ),
)
inhibit = st.builds(
    InhibitRule,
    source=matchers,
    target=matchers,
    equal=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
)
configs = st.builds(
    Config,
    route=top,
    receivers=st.just(RECEIVERS),
    inhibit_rules=st.lists(inhibit, max_size=2).map(tuple),
    time_intervals=st.just(INTERVALS),
)


@st.composite
def twins(draw):
    """Configurations in which sibling routes have equal matchers and the same receiver."""
    config = draw(configs)
    child = draw(inner | leaf)
    one = replace(child, continues=True)
    other = {key: draw(value) for key, value in SETTINGS.items() if key != "receiver"}
    same = {"mute": draw(names), **other} if draw(st.booleans()) else {}
    # The order of matchers doesn't count; a third may have another receiver.
    two = replace(child, matchers=child.matchers[::-1], continues=draw(st.booleans()), **same)
    rest = config.route.routes[:1]
    routes = draw(st.permutations([one, two, *rest]))
    return replace(config, route=replace(config.route, routes=tuple(routes)))


label_sets = st.lists(
    st.fixed_dictionaries({}, optional={name: st.sampled_from(VALUES[:2]) for name in NAMES}),
    min_size=1,
    max_size=6,
    unique_by=lambda labels: tuple(sorted(labels.items())),
)


@st.composite
def alerts(draw, most=25):
    labels = draw(label_sets)
    row = st.tuples(
        st.integers(0, len(labels) - 1), st.integers(0, SPAN), st.sampled_from([0, 3, 20, 90, 400])
    )
    rows = draw(st.lists(row, max_size=most))
    return labels, [(series, start, start + length) for series, start, length in rows]


silences = st.lists(
    st.builds(
        lambda m, s, n: Silence(m, s * SECOND, (s + n) * SECOND),
        matchers,
        st.integers(0, SPAN),
        st.sampled_from([10, 200]),
    ),
    max_size=1,
)
timings = st.builds(
    Timing,
    sweep=st.sampled_from([30 * SECOND, 4 * SECOND, 0]),
    sweep_at=st.sampled_from([0, 11 * SECOND]),
    retention=st.sampled_from([120 * 3600 * SECOND, 100 * SECOND]),
    log_sweep=st.sampled_from([900 * SECOND, 20 * SECOND]),
    answer=st.sampled_from([0, 3_000, 4 * SECOND, 25 * SECOND]),
    drift=st.sampled_from([0, 700, SECOND]),
)
