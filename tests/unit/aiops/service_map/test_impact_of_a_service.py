"""Who depends on a service, directly and through others, and with what share."""

from dataclasses import replace

import pytest

from pipelines.aiops.service_map.impact import hops, impact_of
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.service_map.spans import built, client, request, span


def shop() -> list[dict[str, object]]:
    """Three requests of web reach the shop's database, one ends in web, one is another service's.

    The other service calls the shop too, which asks no database then.
    """
    rows = [row for i in range(3) for row in request(f"t{i}", i)]
    rows += [span("web", "1", trace_id="t8")]
    rows += [span("app", "1", trace_id="t9"), client("app", "2", "1", trace_id="t9"),
             span("shop", "3", "2", trace_id="t9")]  # fmt: skip
    return rows


def test_dependents_come_with_their_share_of_traces() -> None:
    found = impact_of(built(*shop()), "database:postgresql/shop")
    assert found.counted
    assert found.share_of_traces == pytest.approx(3 / 5)
    told = {one.node: (one.hops, one.share) for one in found.dependents}
    assert told == {"shop": (1, 3 / 4), "app": (2, 0), "web": (2, 3 / 4), "user:": (3, 3 / 5)}
    assert found.entries == {"web": 3 / 4}


def test_calls_of_its_own_and_of_others_are_told_apart() -> None:
    found = impact_of(built(*shop()), "shop")
    assert {one.node: (one.calls, one.share_of_calls) for one in found.dependents} == {
        "app": (1, 0.25), "user:": (0, 0), "web": (3, 0.75),
    }  # fmt: skip
    assert found.depends_on == {"database:postgresql/shop": 1}


def test_without_traces_shares_are_estimated_along_the_paths() -> None:
    estimated = impact_of(replace(built(*shop()), shapes={}), "database:postgresql/shop")
    assert not estimated.counted
    told = {one.node: one.share for one in estimated.dependents}
    assert told["shop"] == pytest.approx(3 / 4)
    assert told["web"] == pytest.approx(3 / 4 * 3 / 4)


def test_circles_end() -> None:
    rows = [span("a", "1"), client("a", "2", "1"), span("b", "3", "2"), client("b", "4", "3"),
            span("a", "5", "4")]  # fmt: skip
    for found in (built(*rows), replace(built(*rows), shapes={})):
        impact = impact_of(found, "a")
        assert {one.node for one in impact.dependents} == {"b", "user:"}
        assert all(0 <= one.share <= 1 for one in impact.dependents)


def test_an_unknown_service_is_an_error_that_names_similar_ones() -> None:
    with pytest.raises(SignalboxError, match="did you mean shop"):
        impact_of(built(*shop()), "shopp")


def test_hops_are_those_of_the_shortest_way() -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "a"), ("c", "c")]
    assert hops(edges, "a") == {"b": 1, "c": 1}
