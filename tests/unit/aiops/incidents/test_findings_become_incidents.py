import json
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.incidents.assemble import incidents
from pipelines.aiops.incidents.budgets import CauseEvidence
from pipelines.aiops.incidents.grouping import (
    Grouping,
    Place,
    group,
    pairwise,
    places_of,
)
from pipelines.aiops.incidents.model import (
    Change,
    Graph,
    Incident,
    PastIncident,
    Subject,
    enough_to_tell,
)
from pipelines.aiops.lake.findings import Finding, finding_id
from pipelines.aiops.params.telemetry import SimulateParams
from pipelines.core.time import MINUTE_US
from pipelines.simulator.simulate import simulate

GRAPH = Graph(
    frozenset({("web", "shop"), ("shop", "store"), ("app", "web")}), mapped=frozenset({"mail"})
)
T0 = 1_700_000_000_000_000


def alert(service: str, minute: float, name: str = "Slow", score: float = 2.0) -> Finding:
    start = T0 + int(minute * MINUTE_US)
    subject = {"service": service, "alertname": name}
    return Finding(
        id=finding_id("alert", "alert", subject, start),
        signal="alert",
        kind="alert",
        service=service,
        instance="",
        labels={"alertname": name},
        start_us=start,
        end_us=start + MINUTE_US,
        score=score,
        sentence=f"{name} at {service}",
    )


def at(services: list[str]) -> list[tuple[Place, ...]]:
    return [places_of(Subject("service", one) if one else None, GRAPH) for one in services]


def test_near_services_at_the_same_time_are_one_incident_others_are_not() -> None:
    found = incidents(
        [alert("store", 0), alert("shop", 2), alert("web", 4), alert("mail", 3), alert("web", 90)],
        GRAPH,
    )
    assert [one.affected for one in found] == [("store", "shop", "web"), ("mail",), ("web",)]
    assert found[0].exposed == ("app",)


def test_what_starts_while_something_lasts_at_the_service_belongs_to_it() -> None:
    lasting = replace(alert("store", 0, "DiskFull"), end_us=T0 + 200 * MINUTE_US)
    later, elsewhere, after = alert("store", 120), alert("mail", 120), alert("store", 250)
    found = incidents([lasting, later, elsewhere, after], GRAPH)
    assert [one.findings for one in found] == [
        (lasting.id, later.id), (elsewhere.id,), (after.id,),
    ]  # fmt: skip


def test_what_never_ends_does_not_hold_everything_together() -> None:
    endless = replace(alert("store", 0, "DiskFull"), end_us=T0 + 10_000 * MINUTE_US)
    found = incidents([endless, *(alert("store", 60 * hour) for hour in range(1, 9))], GRAPH)
    assert all(one.end_us - one.start_us <= 241 * MINUTE_US for one in found[1:])
    assert len(found[0].findings) == 4


def test_background_alerts_join_an_incident_at_its_services_and_make_none() -> None:
    near, elsewhere, later = alert("shop", 5, "Usual"), alert("mail", 1), alert("store", 200)
    own = [alert("store", 0), alert("shop", 2)]
    (one,) = incidents(own, GRAPH, background=[near, elsewhere, later])
    assert one.findings == tuple(finding.id for finding in [*own, near])
    assert [entry.sentence for entry in one.timeline][-1] == "Usual at shop"
    (alone,) = incidents(own, GRAPH)
    assert (one.id, one.title, one.causes, one.end_us) == (
        alone.id, alone.title, alone.causes, alone.end_us,
    )  # fmt: skip
    assert incidents([], GRAPH, background=[near]) == []


def test_the_deepest_and_first_is_the_likely_cause_and_says_why() -> None:
    (one,) = incidents([alert("store", 0), alert("shop", 1), alert("web", 2)], GRAPH)
    assert one.causes[0].service == "store"
    assert one.causes[0].path == ("store", "shop", "web")
    assert one.causes[1].against[0] == "it was affected 1 min after the first"
    assert "metrics" in one.causes[0].unseen
    assert one.title.startswith("store: Slow")


def test_a_change_shortly_before_is_evidence_a_later_or_far_one_is_not() -> None:
    alerts = [alert("web", 0), alert("shop", 0)]
    near = Change("c1", "shop", T0 - 5 * MINUTE_US, "shop 1.2.3")
    later = Change("c2", "web", T0 + MINUTE_US, "web 9")
    far = Change("c3", "mail", T0 - MINUTE_US, "mail 7")
    (one,) = incidents(alerts, GRAPH, [later, near, far])
    assert one.causes[0].service == "shop"
    assert any("shop 1.2.3" in text for text in one.causes[0].evidence)
    assert not any("web 9" in text or "mail 7" in text for c in one.causes for text in c.evidence)
    assert one.timeline[0].what == "change"


def test_similar_past_incidents_come_with_their_fix_and_never_from_the_future() -> None:
    past = [
        PastIncident(
            "T1", T0 - 10**10, ("store",), ("Slow",), "store slow", "restart", "restarted"
        ),
        PastIncident("T2", T0 - 10**10, ("mail",), ("Full",), "disk full", "cleanup"),
        PastIncident("T3", T0 + 10**10, ("store",), ("Slow",), "store slow", "rollback"),
    ]
    (one,) = incidents([alert("store", 0)], GRAPH, past=past)
    assert [(s.id, s.fix) for s in one.similar] == [("T1", "restart")]
    assert "service store" in one.similar[0].shared


def test_without_topology_time_alone_joins() -> None:
    found = incidents([alert("a", 0), alert("b", 0.5), alert("c", 30)], Graph())
    assert [one.affected for one in found] == [("a", "b"), ("c",)]


def test_evidence_from_signals_comes_first() -> None:
    found = CauseEvidence("mail", "latency", 99.0, "mail lost 5 s")
    (one,) = incidents([alert("web", 0)], GRAPH, ranker=lambda start, end, where: [found])
    assert (one.causes[0].service, one.causes[0].evidence) == ("mail", ("mail lost 5 s",))


@pytest.mark.parametrize("calls", [2, 5])
def test_being_called_by_many_is_no_evidence(calls: int) -> None:
    callers = [f"c{i}" for i in range(calls)]
    alerts = [alert("called", 0), *(alert(name, 0) for name in callers), alert("rare", 0)]
    alerts[-1] = replace(alerts[-1], score=3.0)
    graph = Graph(frozenset((name, other) for name in callers for other in ("called", "rare")))
    for known in (graph, Graph()):
        (one,) = incidents(alerts, known)
        assert one.causes[0].service == "rare"


def test_equal_suspects_are_not_told_apart() -> None:
    (one,) = incidents([alert("web", 0), alert("shop", 0)], GRAPH)
    assert not enough_to_tell(one.causes)
    assert sum(cause.share for cause in one.causes) < 1
    found = CauseEvidence("mail", "latency", 99.0, "mail lost 5 s")
    (one,) = incidents([alert("web", 0)], GRAPH, ranker=lambda start, end, where: [found])
    assert enough_to_tell(one.causes)
    assert not enough_to_tell(())


def test_paths_end_where_callers_call_each_other() -> None:
    graph = Graph(frozenset({("a", "b"), ("b", "a"), ("a", "c"), ("b", "c")}))
    (one,) = incidents([alert("a", 0), alert("b", 0), alert("c", 0)], graph)
    assert all(len(set(cause.path)) == len(cause.path) for cause in one.causes)


def test_the_id_stays_while_an_incident_grows() -> None:
    first = incidents([alert("store", 0)], GRAPH)[0]
    grown = incidents([alert("store", 0), alert("shop", 1)], GRAPH)[0]
    assert grown.id == first.id
    assert len(grown.findings) == 2


def test_an_endless_chain_is_cut() -> None:
    found = incidents([alert("web", 10 * i) for i in range(60)], GRAPH)
    assert len(found) == 3
    assert all(one.end_us - one.start_us <= Grouping().longest + MINUTE_US for one in found)


def test_incidents_are_json() -> None:
    (one,) = incidents([alert("<script>", 0)], GRAPH)
    assert json.loads(json.dumps(one.as_json()))["affected"] == ["<script>"]


EVENTS = st.lists(
    st.tuples(st.sampled_from(["web", "shop", "store", "app", "mail", ""]), st.integers(0, 400)),
    max_size=40,
    unique=True,
)


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_matter(
    events: list[tuple[str, int]], rng: random.Random
) -> None:
    alerts = [alert(service, minute) for service, minute in events]
    mixed = rng.sample(alerts, len(alerts))
    assert incidents(alerts, GRAPH) == incidents(mixed + mixed[:1], GRAPH)


@settings(max_examples=30, deadline=None)
@given(EVENTS, st.integers(-(10**12), 10**12))
def test_groups_do_not_depend_on_when_it_is(events: list[tuple[str, int]], shift: int) -> None:
    starts = np.array([minute * MINUTE_US for _, minute in events], np.int64)
    places = at([service for service, _ in events])
    assert (group(starts, places, GRAPH) == group(starts + shift, places, GRAPH)).all()


def test_simulated_incidents_are_found_again() -> None:
    simulated = simulate(SimulateParams(seed=5, alerts=6000, days=7))
    world, alerts = simulated.world, simulated.alerts
    names = [one.name for one in world.services]
    graph = Graph(frozenset((one.name, names[c]) for one in world.services for c in one.calls))
    fault = np.asarray(alerts.fault, np.int64)
    real = np.flatnonzero(fault >= 0)
    service = np.asarray(alerts.keys)[np.asarray(alerts.series)[real], 1]
    starts = np.asarray(alerts.start, np.int64)[real] * 1000
    groups = group(starts, at([names[i] for i in service.tolist()]), graph)
    precision, recall, _ = pairwise(fault[real], groups)
    assert precision > 0.9
    assert recall > 0.75


def test_pairs_are_counted_as_by_hand() -> None:
    truth, groups = np.array([0, 0, 0, 1, -1, -1]), np.array([0, 0, 1, 1, 2, 2])
    precision, recall, f1 = pairwise(truth, groups)
    assert precision == pytest.approx(1 / 3)
    assert recall == pytest.approx(1 / 3)
    assert f1 == pytest.approx(1 / 3)


def test_no_findings_no_incidents() -> None:
    assert incidents([], GRAPH) == []
    found: list[Incident] = incidents([], Graph(), [Change("c", "web", T0, "x")])
    assert found == []
