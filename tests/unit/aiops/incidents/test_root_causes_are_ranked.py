from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.incidents.causes import rank
from pipelines.aiops.incidents.model import Graph, Series, Signals, Spans, Target, role_of
from tests.unit.aiops.incidents.worlds import (
    GRAPH,
    NOW,
    PAST,
    STEP,
    WINDOW,
    series,
    slow_store,
    traces,
)


def test_the_slow_callee_is_blamed_not_its_waiting_callers() -> None:
    causes = rank(WINDOW, GRAPH, slow_store())
    assert causes[0].service == "store"
    assert causes[0].score > 5 * causes[1].score
    assert "latency" in causes[0].evidence[0]


def test_a_caller_that_is_slow_by_itself_is_blamed() -> None:
    signals = Signals(
        series=(
            series("web", "latency", 0.2, seed=1, during=0.5),
            series("shop", "latency", 0.1, seed=2, during=0.4),
            series("store", "latency", 0.01, seed=3),
        )
    )
    assert rank(WINDOW, GRAPH, signals)[0].service == "shop"


def test_failures_count_for_as_many_calls_as_there_were() -> None:
    signals = Signals(
        series=(
            series("web", "availability", 100.0, seed=1),
            Series("shop", "availability", np.arange(210) * STEP, _drop(100, 95), "availability"),
            Series("mail", "availability", np.arange(210) * STEP, _drop(100, 50), "availability"),
            Series("shop", "requests", np.arange(210) * STEP, np.full(210, 1000.0), "requests"),
            Series("mail", "requests", np.arange(210) * STEP, np.full(210, 10.0), "requests"),
        )
    )
    assert rank(WINDOW, GRAPH, signals)[0].service == "shop"


def _drop(before: float, during: float) -> np.ndarray:
    values = np.full(PAST + NOW, float(before))
    values[PAST:] = during
    return values


def test_nothing_unusual_gives_no_causes() -> None:
    quiet = Signals(series=tuple(series(s, "latency", 0.1, seed=i) for i, s in enumerate("abc")))
    assert rank(WINDOW, GRAPH, quiet) == []
    assert rank(WINDOW, GRAPH, Signals()) == []


def test_a_new_failing_callee_is_not_blamed_but_who_calls_it() -> None:
    new = Series(
        "typo", "availability", np.arange(PAST, PAST + NOW) * STEP, np.zeros(NOW), "availability"
    )
    shop = Series("shop", "availability", np.arange(210) * STEP, _drop(100, 60), "availability")
    graph = Graph(GRAPH.calls | {("shop", "typo")})
    causes = rank(WINDOW, graph, Signals(series=(new, shop)))
    assert [cause.service for cause in causes] == ["shop"]


def test_what_the_target_depends_on_is_suspected_first() -> None:
    signals = slow_store()
    worse = replace(signals.series[3], values=signals.series[3].values * 1.0)
    worse.values[PAST:] = 100.0
    signals = Signals(series=(*signals.series[:3], worse))
    worse.values[PAST:] = 0.4
    causes = rank(WINDOW, GRAPH, signals, target=Target("shop", "latency"))
    assert [cause.service for cause in causes][:2] == ["store", "mail"]
    worse.values[PAST:] = 100.0
    assert rank(WINDOW, GRAPH, signals)[0].service == "mail"


def test_services_in_a_circle_do_not_explain_each_other_away() -> None:
    graph = Graph(GRAPH.calls | {("store", "shop")})
    assert rank(WINDOW, graph, slow_store())[0].score > 3


def test_a_resource_beyond_its_own_extremes_is_evidence() -> None:
    signals = Signals(
        series=(
            series("shop", "CpuUsageRate(%)", 2.0, seed=1, during=99.0),
            series("web", "CpuUsageRate(%)", 2.0, seed=2),
        )
    )
    causes = rank(WINDOW, Graph(), signals)
    assert causes[0].service == "shop"
    assert causes[0].score > 5 * sum(cause.score for cause in causes[1:])


@pytest.mark.parametrize("where", ["web", "shop", "store"])
def test_the_deepest_service_that_behaves_oddly_is_blamed(where: str) -> None:
    causes = rank(WINDOW, GRAPH, traces(20, error_in=where))
    assert causes[0].service == where
    assert "error" in causes[0].evidence[0]


def test_a_changed_mix_of_requests_is_not_odd() -> None:
    signals = traces(0, ordinary=80)
    assert signals.spans is not None
    later = signals.spans.start.copy()
    late = np.array([name.removeprefix("t") >= "5" for name in signals.spans.trace])
    later[late] += PAST * STEP
    spans = replace(signals.spans, start=later)
    assert rank(WINDOW, GRAPH, replace(signals, spans=spans)) == []


def test_a_loop_that_runs_once_is_not_the_loop_that_runs_twice() -> None:
    signals = traces(20)
    logs = signals.logs
    assert logs is not None
    # "start" is written twice in ordinary traces, once in faulty ones; no error anywhere.
    code = np.where(logs.code == 2, 1, logs.code)
    first = (code == 0) & (np.array([int(t[1:]) for t in logs.trace]) < 60)
    twice = np.flatnonzero(first & (np.array(logs.service) == "store"))
    grown = replace(
        logs,
        trace=[*logs.trace, *(logs.trace[i] for i in twice)],
        span=[*logs.span, *(logs.span[i] for i in twice)],
        service=[*logs.service, *(logs.service[i] for i in twice)],
        at=np.append(logs.at, logs.at[twice] + 50),
        code=np.append(code, code[twice]),
    )
    causes = rank(WINDOW, GRAPH, replace(signals, logs=grown))
    assert [cause.service for cause in causes] == ["store"]


def test_parents_in_a_circle_and_spans_without_parent_do_no_harm() -> None:
    signals = traces(20)
    spans = signals.spans
    assert spans is not None
    circle = [f"store{t[1:]}" if s == "web" else p for t, s, p in zip(
        spans.trace, spans.service, spans.parent, strict=True)]  # fmt: skip
    assert rank(WINDOW, GRAPH, replace(signals, spans=replace(spans, parent=circle)))
    lost = replace(spans, parent=["nowhere"] * len(spans.parent))
    assert rank(WINDOW, GRAPH, replace(signals, spans=lost))


def test_gaps_and_infinite_values_are_left_out() -> None:
    signals = slow_store()
    holes = []
    for one in signals.series:
        values = one.values.copy()
        values[::7] = np.nan
        values[3] = np.inf
        holes.append(replace(one, values=values))
    assert rank(WINDOW, GRAPH, Signals(series=tuple(holes)))[0].service == "store"


def test_roles_are_told_from_words() -> None:
    names = ("p99_latency_seconds", "availability", "http_errors_total", "MemoryUsage(Mi)", "x")
    roles = [role_of(name) for name in names]
    assert roles == ["latency", "availability", "errors", "saturation", "other"]
    assert role_of("feature_flags") == "other"


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(1e-3, 1e3))
def test_order_and_unit_of_series_do_not_matter(rng, unit: float) -> None:  # type: ignore[no-untyped-def]
    signals = slow_store()
    expected = [(c.service, c.score) for c in rank(WINDOW, GRAPH, signals)]
    mixed = []
    for one in rng.sample(signals.series, len(signals.series)):
        order = rng.sample(range(len(one.times)), len(one.times))
        mixed.append(replace(one, times=one.times[order], values=one.values[order] * unit))
    found = [(c.service, c.score) for c in rank(WINDOW, GRAPH, Signals(series=tuple(mixed)))]
    assert [s for s, _ in found] == [s for s, _ in expected]
    assert np.allclose([x for _, x in found], [x for _, x in expected], rtol=1e-3)


@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_of_spans_and_lines_does_not_matter(rng) -> None:  # type: ignore[no-untyped-def]
    signals = traces(20, ordinary=30)
    spans, logs = signals.spans, signals.logs
    assert spans is not None
    assert logs is not None
    order = rng.sample(range(len(spans.start)), len(spans.start))
    lines = rng.sample(range(len(logs.at)), len(logs.at))
    mixed = Signals(
        spans=Spans(
            *([column[i] for i in order] for column in (
                spans.trace, spans.span, spans.parent, spans.service, spans.name)),
            spans.start[order], spans.end[order],
        ),
        logs=replace(
            logs,
            trace=[logs.trace[i] for i in lines],
            span=[logs.span[i] for i in lines],
            service=[logs.service[i] for i in lines],
            at=logs.at[lines],
            code=logs.code[lines],
        ),
    )  # fmt: skip
    assert rank(WINDOW, GRAPH, mixed) == rank(WINDOW, GRAPH, signals)


@pytest.mark.parametrize("way", ["answer", "request"])
def test_a_delayed_network_is_that_of_the_service_at_both_of_its_ends(way: str) -> None:
    signals = traces(30)
    spans = signals.spans
    assert spans is not None
    late = np.array([int(t[1:]) >= 60 for t in spans.trace])
    service = np.array(spans.service)
    # shop's answers to web, or its requests to store, travel 300 ms.
    start, end = (
        spans.start.copy(),
        spans.start + np.select([service == "web", service == "shop"], [9_000, 6_000], 3_000),
    )
    if way == "answer":
        end[late & (service == "web")] += 300_000
    else:
        start[late & (service == "store")] += 300_000
        end[late] += 300_000
    causes = rank(
        WINDOW, GRAPH, Signals(spans=replace(spans, start=start, end=end)), sources=("delays",)
    )
    assert causes[0].service == "shop"


def test_services_the_graph_cannot_reach_stay_suspects() -> None:
    graph = Graph(frozenset({("web", "shop"), ("mail", "store")}))
    causes = rank(WINDOW, graph, slow_store(), target=Target("web", "latency"))
    assert "store" in [cause.service for cause in causes][:3]
