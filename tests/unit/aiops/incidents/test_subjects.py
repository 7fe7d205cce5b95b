"""What alerts are about, what is related to it, and what that makes one incident."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.incidents.assemble import incidents
from pipelines.aiops.incidents.contract import (
    lifted_graph,
    read_relations,
    relations_of,
    subject_of,
)
from pipelines.aiops.incidents.deduplication import (
    HABIT_BIN,
    SEVERAL,
    AlertHistory,
    deduplicate_findings,
    subject_signals,
)
from pipelines.aiops.incidents.grouping import Grouping, group, places_of
from pipelines.aiops.incidents.model import Graph, Subject
from pipelines.aiops.lake.contract import service_of
from pipelines.aiops.lake.findings import Finding, finding_id
from pipelines.core.errors import SignalboxError
from pipelines.core.time import MINUTE_US

T0 = 1_700_000_000_000_000
GRAPH = Graph(
    calls=frozenset({("web", "cart"), ("cart", "database:redis")}),
    instance_of=frozenset({("web-0", "web"), ("cart-0", "cart"), ("mail-0", "mail")}),
    runs_on=frozenset({("web-0", "n1"), ("cart-0", "n2"), ("mail-0", "n3")}),
    mapped=frozenset({"mail"}),
)


def alert(minute: float, name: str = "Slow", **labels: str) -> Finding:
    start = T0 + int(minute * MINUTE_US)
    own = {"alertname": name, **{key.replace("__", "."): value for key, value in labels.items()}}
    return Finding(
        finding_id("alert", "alert", own, start), "alert", "alert", service_of(own),
        own.get("instance", ""), own, start, start, 2.0, name,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "subject"),
    [
        ({"service": "cart"}, Subject("service", "cart")),
        ({"service": "cart", "pod": "cart-0", "node": "n2"}, Subject("instance", "cart-0")),
        ({"node": "n2"}, Subject("host", "n2")),
        ({"job": "node", "node": "n2"}, Subject("host", "n2")),
        ({"job": "node", "instance": "n2:9100"}, Subject("host", "n2")),
        ({"job": "node", "instance": "unheard:9100"}, Subject("instance", "unheard:9100")),
        ({"service": "web", "node": "n1"}, Subject("service", "web")),
        ({"from": "web", "to": "cart"}, Subject.edge("web", "cart")),
        ({"from": "web-0", "to": "cart-0"}, Subject.edge("web", "cart")),
        ({"from": "cart-0", "to": "cart-0"}, Subject("instance", "cart-0")),
        ({"from": "user:", "to": "web", "service": "web"}, Subject("service", "web")),
        ({"datname": "orders"}, Subject("database", "orders")),
        ({"service": "external:pay.example"}, Subject("third_party", "external:pay.example")),
        ({"provider": "pay.example"}, Subject("third_party", "pay.example")),
        ({"component": "n3"}, Subject("host", "n3")),
        ({"component": "cart-0"}, Subject("instance", "cart-0")),
        ({"component": "unheard"}, Subject("service", "unheard")),
        ({"severity": "page"}, None),
    ],
)
def test_the_narrowest_subject_that_labels_name_is_meant(
    labels: dict[str, str], subject: Subject | None
) -> None:
    assert subject_of(alert(0, **labels), GRAPH) == subject


def test_labels_side_by_side_are_relations() -> None:
    found = relations_of(
        [{"service": "cart", "pod": "cart-0", "node": "n2"}, {"service": "web", "node": "n1"},
         {"from": "web", "to": "cart"}, {"service": "cart", "db": "orders"},
         {"from": "user:", "to": "web"}, {"node": "n9"}]
    )  # fmt: skip
    assert found == Graph(
        calls=frozenset({("web", "cart")}),
        instance_of=frozenset({("cart-0", "cart")}),
        runs_on=frozenset({("cart-0", "n2"), ("web", "n1")}),
        depends_on=frozenset({("cart", "orders")}),
    )


def test_instances_that_call_let_their_services_call_and_pods_bear_their_service_s_name() -> None:
    seen = Graph(
        calls=frozenset({("web-0", "cart-7f9c-x2x4z")}), instance_of=frozenset({("web-0", "web")})
    )
    found = lifted_graph(seen, ["cart-7f9c-x2x4z", "stranger"], ["cart", "car"])
    assert found.calls == {("web", "cart")}
    assert found.instance_of == {("web-0", "web"), ("cart-7f9c-x2x4z", "cart")}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_of_relations_is_read(tmp_path: Path, suffix: str) -> None:
    rows = [("cart-0", "runs_on", "n2"), ("cart-0", "instance_of", "cart")]
    path = tmp_path / f"relations{suffix}"
    if suffix == ".csv":
        path.write_text("source,relation,target\n" + "".join(f"{','.join(r)}\n" for r in rows))
    else:
        names = ("source", "relation", "target")
        pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), path)
    assert read_relations(path) == Graph(
        instance_of=frozenset({("cart-0", "cart")}), runs_on=frozenset({("cart-0", "n2")})
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("source,relation,target\na,owns,b\n", "row 1: 'a', 'owns', 'b'.*one of the relations"),
        ("source,relation,target\na,calls\n", "row 1"),
        ("source,target\na,b\n", "no column relation"),
        (None, "aiops.group_incidents.relations"),
    ],
)
def test_a_bad_table_of_relations_says_where_and_what_to_do(
    tmp_path: Path, text: str | None, says: str
) -> None:
    path = tmp_path / "relations.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SignalboxError, match=says):
        read_relations(path)


def groups_of(*found: Finding, graph: Graph = GRAPH) -> list[set[str]]:
    name = {one.id: one.labels["alertname"] for one in found}
    return [{name[i] for i in one.findings} for one in incidents(found, graph)]


def test_a_host_belongs_to_the_incident_of_what_runs_on_it() -> None:
    node = alert(0, "Disk", node="n2")
    pod = alert(3, "Pod", pod="cart-0", service="cart")
    whole = alert(4, "Slow", service="cart")
    other = alert(3, "Other", service="mail")
    assert groups_of(node, pod, whole, other) == [{"Disk", "Pod", "Slow"}, {"Other"}]
    assert groups_of(node, whole, other) == [{"Disk", "Slow"}, {"Other"}]


def test_an_incident_names_its_subjects_and_tells_services_from_hosts() -> None:
    (one,) = incidents([alert(0, node="n2"), alert(1, pod="cart-0")], GRAPH)
    assert one.affected == ("n2", "cart")
    assert one.services == ("cart",)
    assert one.subjects == (Subject("host", "n2"), Subject("instance", "cart-0"))
    assert one.as_json()["subjects"][0] == {"kind": "host", "name": "n2"}
    assert one.title.startswith("n2: Slow")


def test_an_instance_alone_belongs_to_its_service_and_its_callers() -> None:
    assert groups_of(alert(0, "Oom", pod="cart-0"), alert(2, "Slow", service="web")) == [
        {"Oom", "Slow"}
    ]


def test_an_instance_suffers_from_its_own_host_not_from_another_of_its_service() -> None:
    two = GRAPH | Graph(
        instance_of=frozenset({("cart-1", "cart")}), runs_on=frozenset({("cart-1", "n4")})
    )
    assert groups_of(alert(0, "Disk", node="n4"), alert(1, "Oom", pod="cart-0"), graph=two) == [
        {"Disk"}, {"Oom"},
    ]  # fmt: skip


def test_a_fault_of_an_edge_goes_to_both_ends() -> None:
    edge = alert(1, "Loss", **{"from": "web", "to": "cart"})
    apart = replace(GRAPH, calls=frozenset({("web", "other"), ("other", "cart")}))
    both = [alert(0, "A", service="web"), edge, alert(2, "B", service="cart")]
    assert groups_of(*both, graph=apart) == [{"A", "Loss", "B"}]
    assert groups_of(both[0], both[2], graph=apart) == [{"A"}, {"B"}]


def test_what_nobody_knows_of_joins_the_only_incident_of_its_time_and_none_of_two() -> None:
    cart, mail = alert(0, "Slow", service="cart"), alert(1, "Full", service="mail")
    stranger = alert(5, "Disk", node="n77")
    assert groups_of(cart, stranger) == [{"Slow", "Disk"}]
    assert groups_of(cart, mail, stranger) == [{"Slow"}, {"Full"}, {"Disk"}]
    assert groups_of(cart, alert(30, "Disk", node="n77")) == [{"Slow"}, {"Disk"}]


def test_a_silence_ends_what_was_busy_and_not_what_was_not() -> None:
    busy = [alert(i / 2, f"A{i}", service="cart") for i in range(20)]
    assert len(incidents([*busy, alert(18, "Next", service="cart")], GRAPH)) == 2
    assert len(incidents([*busy, alert(13, "Next", service="cart")], GRAPH)) == 1
    rare = [alert(0, "A", service="cart"), alert(20, "B", service="cart")]
    assert len(incidents(rare, GRAPH)) == 1


def test_alerts_of_pods_become_one_finding_that_still_names_each_pod() -> None:
    own = [alert(i / 10, pod=f"cart-{i}", service="cart") for i in range(3)]
    graph = relations_of([one.labels for one in own])
    subjects = {one.id: subject_of(one, graph) for one in own}
    (one,) = deduplicate_findings(own, subjects)
    assert {s.subject for s in subject_signals([one], graph)} == set(subjects.values())
    hosts = [alert(0, node="n1"), alert(0, node="n2")]
    assert len(deduplicate_findings(hosts, {h.id: subject_of(h, graph) for h in hosts})) == 2


def many_hosts(hosts: int, pods: int) -> Graph:
    named = [(f"s{h}x{p}-0", f"s{h}x{p}", f"n{h}") for h in range(hosts) for p in range(pods)]
    return Graph(
        instance_of=frozenset((i, s) for i, s, _ in named),
        runs_on=frozenset((i, h) for i, _, h in named),
    )


def test_several_pods_of_one_host_are_evidence_for_the_host() -> None:
    graph = many_hosts(6, 5)
    here = [alert(i / 10, pod=f"s0x{i}-0") for i in range(4)]
    (host,) = [s for s in subject_signals(here, graph) if s.subject.kind == "host"]
    assert (host.subject.name, host.what) == ("n0", SEVERAL)
    assert host.surprise > 3
    assert set(host.findings) == {one.id for one in here}
    spread = [alert(i / 10, pod=f"s{i}x0-0") for i in range(4)]
    assert not [s for s in subject_signals(spread, graph) if s.subject.kind == "host"]


def test_alerts_that_always_came_together_count_once() -> None:
    cart = Subject("service", "cart")
    habit = AlertHistory({}, {("A", cart): {*range(50)}, ("B", cart): {*range(50)},
                              ("C", cart): {*range(100, 150)}}, T0)  # fmt: skip
    found = [alert(0, name, service="cart") for name in "ABC"]
    weight = {s.what: s.weight for s in subject_signals(found, GRAPH, habit.together)}
    assert weight["A"] == weight["B"] == pytest.approx(0.5, abs=0.02)
    assert weight["C"] == 1
    once = AlertHistory({}, {("A", cart): {1}, ("B", cart): {1}}, T0)
    assert {s.weight for s in subject_signals(found, GRAPH, once.together)} == {1.0, 2 / 3}
    assert habit.known_stretches == 150
    assert HABIT_BIN == 10 * MINUTE_US


LABELS = [
    {"service": "web"}, {"service": "cart"}, {"service": "mail"}, {"pod": "cart-0"},
    {"pod": "mail-0", "service": "mail"}, {"node": "n1"}, {"node": "n2"}, {"node": "n77"},
    {"from": "web", "to": "cart"}, {"datname": "orders"}, {},
]  # fmt: skip
EVENTS = st.lists(
    st.tuples(st.integers(0, len(LABELS) - 1), st.integers(0, 400), st.sampled_from("AB")),
    max_size=40, unique=True,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_no_finding_is_lost_and_order_has_no_say(
    events: list[tuple[int, int, str]], rng: random.Random
) -> None:
    found = [alert(minute, name, **LABELS[i]) for i, minute, name in events]
    made = incidents(found, GRAPH)
    assert sorted(i for one in made for i in one.findings) == sorted(one.id for one in found)
    assert made == incidents(rng.sample(found, len(found)), GRAPH)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.integers(-(10**13), 10**13), st.randoms(use_true_random=False))
def test_neither_names_nor_absolute_time_decide_what_is_one(
    events: list[tuple[int, int, str]], shift: int, rng: random.Random
) -> None:
    found = [alert(minute, name, **LABELS[i]) for i, minute, name in events]
    starts = np.array([one.start_us for one in found], np.int64)

    def parts(graph: Graph, new: dict[str, str], moved: int) -> set[frozenset[int]]:
        subjects = [subject_of(one, GRAPH) for one in found]
        renamed = [s and Subject(s.kind, " -> ".join(new.get(n, n) for n in s.ends or (s.name,)))
                   for s in subjects]  # fmt: skip
        places = [places_of(s, graph, new.get(one.service, one.service))
                  for s, one in zip(renamed, found, strict=True)]  # fmt: skip
        of = group(starts + moved, places, graph, Grouping())
        return {frozenset(np.flatnonzero(of == n).tolist()) for n in of.tolist()}

    names = sorted({n for pairs in (GRAPH.calls, GRAPH.instance_of, GRAPH.runs_on)
                    for pair in pairs for n in pair})  # fmt: skip
    new = dict(zip(names, rng.sample([f"x{i}" for i in range(len(names))], len(names)),
                   strict=True))  # fmt: skip

    def other(pairs: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
        return frozenset((new[a], new[b]) for a, b in pairs)

    graph = Graph(other(GRAPH.calls), other(GRAPH.instance_of), other(GRAPH.runs_on),
                  mapped=frozenset(new[n] for n in GRAPH.mapped))  # fmt: skip
    assert parts(GRAPH, {}, 0) == parts(graph, new, shift)
