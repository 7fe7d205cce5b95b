"""Pages of held alerts as intervals have them are those of the rules, evaluated tick by tick."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.alerting.config import SECOND, matches, page_label
from pipelines.aiops.alerting.replay.held_pages import add_held_pages
from pipelines.aiops.alerting.replay.lifetimes import fire
from pipelines.aiops.alerting.replay.model import HeldAlerts, LabelTable
from pipelines.aiops.alerting.rules import Matcher

from .hold_reference import Prometheus
from .worlds import frame_of, hold_rule

SPAN = 1500
LABELS = [
    {"alertname": name, "pod": pod, **where, "cluster": cluster}
    for name in "abcd"
    for pod in "12"
    for where in ({"service": "x"}, {"service": "y"}, {"service": "z"}, {})
    for cluster in ("eu", "us")
]
LENGTHS = [0, 4, 11, 29, 30, 31, 65, 100, 300, 800]


def values(label, *known):
    return Matcher(label=label, op="=~", value="|".join(known))


rule_sets = st.fixed_dictionaries({
    "wait_seconds": st.sampled_from([0, 25, 60, 300]),
    "again_seconds": st.sampled_from([30, 100, 400]),
    "fresh_seconds": st.sampled_from([10, 45, 120, 600]),
    "names": st.integers(1, 4),
    "instances": st.integers(1, 3),
    "services": st.integers(1, 4),
    "storm_seconds": st.sampled_from([10, 30, 60]),
    "rate_seconds": st.sampled_from([30, 60, 100, 300]),
    "usual_rates": st.integers(1, 4),
    "rise": st.integers(1, 3),
    "window_seconds": st.sampled_from([20, 90, 333, 900]),
})  # fmt: skip
holds = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["pager", "night"]),
              st.sampled_from([("x", "y"), ("x",), ("y", "z"), ("x", "y", "")])),
    min_size=1, max_size=5,
)  # fmt: skip
rows = st.lists(
    st.tuples(
        st.integers(0, len(LABELS) - 1), st.integers(0, SPAN), st.sampled_from(LENGTHS)
    ),
    max_size=40,
)  # fmt: skip
# Few series that come and go all the time, too.
busy = st.lists(
    st.tuples(st.sampled_from([0, 1, 8, 16, 18, 32]), st.integers(0, SPAN),
              st.sampled_from(LENGTHS[:7])),
    max_size=60,
)  # fmt: skip
# Alerts of one service, or of none, that begin and end at ticks of all steps but 7 s.
aligned = st.lists(
    st.tuples(
        st.sampled_from([0, 8, 16, 24, 32, 40, 48, 6, 14, 22]),
        st.integers(0, 45).map(lambda tick: 30 * tick - 10),
        st.sampled_from([30, 60, 120, 300, 600]),
    ),
    min_size=4, max_size=40,
)  # fmt: skip


def servers(how, settings_, step):
    """One server that has it all, or one a cluster, which adds that label."""
    rules = tuple(
        hold_rule(
            Matcher(label="alertname", op="=", value=name), values("service", *services),
            id=f"hold-{number}", receiver=receiver, **settings_,
        )
        for number, (name, receiver, services) in enumerate(how)
    )  # fmt: skip
    return rules, [
        (HeldAlerts(rules, (), {}, step),),
        tuple(
            HeldAlerts(rules, (Matcher(label="cluster", op="=", value=cluster),),
                       {"cluster": cluster}, step)
            for cluster in ("eu", "us")
        ),
    ]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(holds, rule_sets, st.sampled_from([1, 7, 10, 30]), rows | busy | aligned | aligned,
       st.integers(0, 1))  # fmt: skip
def test_pages_and_what_they_tell_of_are_those_of_the_rules(how, rule_set, step, world, which):
    # Steps so short that they look at every second are for what needs few ticks.
    length = 300 if step == 1 else SPAN
    alerts = [(series, 40 + start % length, 40 + start % length + n) for series, start, n in world]
    until = 40 + length + 700
    rules, choices = servers(how, rule_set, step)
    held = choices[which]
    frame = frame_of(alerts, LABELS)
    table, periods = LabelTable(frame.labels), fire(frame, until * SECOND)
    grown, more, pages = add_held_pages(held, table, periods, until * SECOND)

    given_alerts = [(LABELS[s], start, end) for s, start, end in alerts]
    expected = [page for one in held for page in Prometheus(one, given_alerts, 0, until).run()]
    made = [
        (labels, start / SECOND, end)
        for labels, start, end in zip(pages.labels, pages.starts.tolist(), pages.ends.tolist(),
                                      strict=True)
    ]  # fmt: skip
    as_text = sorted((sorted(labels.items()), a, min(b * SECOND, until * SECOND + 1))
                     for labels, a, b in expected)  # fmt: skip
    assert sorted((sorted(labels.items()), a, b) for labels, a, b in made) == as_text
    assert grown.labels[len(table) :] == pages.labels
    assert (more.starts[pages.page] == pages.starts[pages.page - len(periods)]).all()

    # A page tells of what is held to its pager, on its service and server, and fires at its onset.
    by = [pages.rules[number] for number in pages.rule]
    told = sorted(zip(pages.period.tolist(), pages.page.tolist(), by, strict=True))
    wanted = []
    for number, (labels, at) in enumerate(zip(pages.labels, pages.starts.tolist(), strict=True)):
        for period in range(len(periods)):
            own = LABELS[periods.series[period]]
            if own.get("service", "") != labels.get("service", ""):
                continue
            if labels.get("cluster", own["cluster"]) != own["cluster"]:
                continue
            ids = [
                rule.id for rule in rules
                if matches(rule.matchers, own) and page_label(rule) == labels["pager"]
            ]  # fmt: skip
            grid = [
                -(-times[period] // (step * SECOND)) for times in (periods.starts, periods.ends)
            ]
            if ids and grid[0] * step * SECOND <= at < grid[1] * step * SECOND:
                wanted.append((period, len(periods) + number, ids[0]))
    assert told == sorted(wanted)
