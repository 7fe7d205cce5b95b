"""Spans become calls between services, and to what services call that sends no spans."""

from itertools import permutations
from typing import Any

import pytest

from pipelines.aiops.service_map.model import ANY
from tests.unit.aiops.service_map.spans import NOON_US, SECOND, built, client, edges, request, span

Rows = list[dict[str, Any]]


def consumer(service: str, span_id: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return span(service, span_id, parent, kind="consumer", **more)


def producer(service: str, span_id: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return span(service, span_id, parent, kind="producer", **more)


KAFKA = {"messaging.system": "kafka", "messaging.destination.name": "paid"}
USER_WEB = ("user:", "web")


def test_client_and_server_are_one_call_that_takes_as_long_as_the_client_waits() -> None:
    found = built(*request("t1", 0, error=True))
    assert edges(found) == {
        ("shop", "database:postgresql/shop"): 1, ("user:", "web"): 1, ("web", "shop"): 1,
    }  # fmt: skip
    call = found.edges["web", "shop"]
    assert call.errors == 1
    assert call.quantile(0.5) == pytest.approx(4000, rel=0.021)
    assert found.received("shop").n == 1


def test_without_kinds_a_call_is_where_the_service_changes() -> None:
    kinds = {"kind": "internal"}
    found = built(
        span("web", "1", **kinds), span("web", "2", "1", **kinds), span("shop", "3", "2", **kinds),
        span("shop", "4", "3", **kinds), span("stock", "5", "4", **kinds),
    )  # fmt: skip
    assert edges(found) == {("shop", "stock"): 1, ("web", "shop"): 1}
    # Nobody says that a user asked, but web did something.
    assert found.received("web").n == 1


def test_in_process_spans_below_a_client_are_walked_through() -> None:
    found = built(
        client("web", "1", attributes={"server.address": "elsewhere"}),
        span("web", "2", "1", kind="internal"), span("web", "3", "2", kind="internal"),
        span("shop", "4", "3"),
    )  # fmt: skip
    assert edges(found) == {("web", "shop"): 1}
    assert found.counts["outer"] == 1


def test_of_clients_within_one_another_the_innermost_tells_of_the_call() -> None:
    found = built(
        client("web", "1", attributes={"peer.service": "orm"}),
        client("web", "2", "1", attributes={"db.system": "mysql"}),
    )
    assert edges(found) == {("web", "database:mysql"): 1}


def test_a_service_that_calls_itself_is_a_loop() -> None:
    found = built(span("web", "1"), client("web", "2", "1"), span("web", "3", "2"))
    assert edges(found) == {USER_WEB: 1, ("web", "web"): 1}
    # A server span right below a server span is no call.
    assert edges(built(span("web", "1"), span("web", "2", "1"))) == {USER_WEB: 1}


def test_services_may_call_each_other_in_a_circle() -> None:
    found = built(
        span("a", "1"), client("a", "2", "1"), span("b", "3", "2"), client("b", "4", "3"),
        span("a", "5", "4"),
    )  # fmt: skip
    assert edges(found) == {("a", "b"): 1, ("b", "a"): 1, ("user:", "a"): 1}


@pytest.mark.parametrize(
    ("attributes", "node"),
    [
        ({"db.system.name": "postgresql", "db.namespace": "shop"}, "database:postgresql/shop"),
        ({"db.system": "redis", "net.peer.name": "cache:6379"}, "database:redis/cache"),
        ({"db.type": "sql", "db.instance": "users"}, "database:sql/users"),
        ({"db.system": "MongoDB"}, "database:mongodb"),
        ({"peer.service": "Stripe"}, "external:Stripe"),
        ({"server.address": "API.example.com"}, "external:api.example.com"),
        ({"url.full": "https://me@pay.example.com:8443/x?y"}, "external:pay.example.com"),
        ({"http.url": "http://[::1]:80/"}, "external:::1"),
        ({"net.peer.ip": "10.0.0.1"}, "external:10.0.0.1"),
        (KAFKA, "queue:kafka/paid"),
        ({"messaging.system": "rabbitmq", "messaging.destination": "q"}, "queue:rabbitmq/q"),
        ({"messaging.system": "rabbitmq", "messaging.destination.name": "amq.gen-1",
          "messaging.destination.temporary": "true"}, "queue:rabbitmq/(temporary)"),
    ],
)  # fmt: skip
def test_attributes_old_and_new_name_who_sends_no_spans(
    attributes: dict[str, str], node: str
) -> None:
    found = built(client("web", "1", attributes=attributes))
    assert edges(found) == {("web", node): 1}


def test_a_peer_named_like_a_service_is_that_service() -> None:
    lost = [
        client("web", "1", attributes={"server.address": "shop.prod.svc.cluster.local:80"}),
        span("shop", "9", trace_id="t2"),
    ]
    assert edges(built(*lost)) == {("user:", "shop"): 1, ("web", "shop"): 1}


def test_a_client_that_names_nobody_is_counted() -> None:
    found = built(span("web", "1"), client("web", "2", "1"))
    assert edges(found) == {USER_WEB: 1}
    assert found.counts["unpaired_clients"] == 1


def test_an_emulated_service_is_called_by_its_parent() -> None:
    """HotROD gives client spans of its database the database's name as service."""
    found = built(
        span("customer", "1"), client("mysql", "2", "1", attributes={"peer.service": "mysql"})
    )
    assert edges(found) == {("customer", "mysql"): 1, ("user:", "customer"): 1}


def test_messages_go_through_their_queue() -> None:
    found = built(
        producer("shop", "1", attributes=KAFKA), consumer("mail", "2", "1", attributes=KAFKA)
    )
    assert edges(found) == {("queue:kafka/paid", "mail"): 1, ("shop", "queue:kafka/paid"): 1}
    assert all(call.message for call in found.edges.values())


def test_either_side_may_name_the_queue() -> None:
    expected = {("queue:kafka/paid", "mail"): 1, ("shop", "queue:kafka/paid"): 1}
    assert edges(built(producer("shop", "1", attributes=KAFKA), consumer("mail", "2", "1"))) == (
        expected
    )
    assert edges(built(producer("shop", "1"), consumer("mail", "2", "1", attributes=KAFKA))) == (
        expected
    )


def test_without_a_queue_messages_go_straight() -> None:
    found = built(producer("shop", "1"), consumer("mail", "2", "1"))
    assert edges(found) == {("shop", "mail"): 1}
    assert found.edges["shop", "mail"].message


def test_a_consumer_finds_its_producers_in_other_traces_by_links() -> None:
    batch = consumer("mail", "9", trace_id="t9", links=["t1:1", "t2:1", "t3:404"])
    sent = [producer("shop", "1", trace_id=trace) for trace in ("t1", "t2")]
    assert edges(built(*sent, batch)) == {("shop", "mail"): 1}
    named = [{**row, "attributes": list(KAFKA.items())} for row in sent]
    assert edges(built(*named, batch)) == {
        ("queue:kafka/paid", "mail"): 1, ("shop", "queue:kafka/paid"): 2,
    }  # fmt: skip


def test_a_link_and_a_parent_to_the_same_producer_are_one_message() -> None:
    found = built(producer("shop", "1"), consumer("mail", "2", "1", links=["t1:1"]))
    assert edges(found) == {("shop", "mail"): 1}


def test_fetching_and_working_on_a_message_is_one_message() -> None:
    """Conventions of 2024 call the span that fetches a client."""
    fetch = {**KAFKA, "messaging.operation.type": "receive"}
    found = built(
        client("mail", "1", attributes=fetch), consumer("mail", "2", "1", attributes=KAFKA)
    )
    assert edges(found) == {("queue:kafka/paid", "mail"): 1}


def test_zipkin_spans_with_the_same_id_are_two_halves() -> None:
    found = built(
        span("web", "1"),
        client("web", "2", "1"), span("shop", "2", "1"),
        client("shop", "3", "2"), span("stock", "3", "2"),
        span("web", "4", "2", kind="internal"),
    )  # fmt: skip
    assert edges(found) == {("shop", "stock"): 1, USER_WEB: 1, ("web", "shop"): 1}
    assert found.counts["shared"] == 2


def test_a_missing_parent_is_counted_and_is_no_user() -> None:
    found = built(span("shop", "3", "gone"))
    assert edges(found) == {}
    assert found.missing == {"shop": 1}
    assert found.received("shop").n == 1


def test_a_span_delivered_twice_counts_once() -> None:
    found = built(*request("t1", 0), *request("t1", 0))
    assert set(edges(found).values()) == {1}
    assert found.counts["duplicates"] == 4


@pytest.mark.parametrize(
    "rows",
    [
        [span("web", "1", "1")],
        [span("web", "1", "2"), span("web", "2", "1")],
        [client("web", "1", "3"), span("shop", "2", "1"), client("shop", "3", "2")],
        [client("web", "1", "2", at=-1), span("shop", "2", "1")],
    ],
)
def test_parents_in_a_circle_end(rows: Rows) -> None:
    expected = edges(built(*rows))
    assert all(edges(built(*order)) == expected for order in permutations(rows))


def test_of_two_that_are_each_others_parent_the_earlier_called() -> None:
    found = built(client("web", "1", "2", at=-1), span("shop", "2", "1"))
    assert edges(found) == {("web", "shop"): 1}
    assert found.counts["loops"] == 1


def test_a_span_that_is_its_own_parent_is_one_whose_parent_is_missing() -> None:
    found, orphan = built(span("web", "1", "1")), built(span("web", "1", "9"))
    assert (found.counts["loops"], orphan.counts["loops"]) == (1, 0)
    assert found.received("web").n == orphan.received("web").n == 1


def test_a_client_span_that_came_twice_still_calls() -> None:
    found = built(client("web", "1"), client("web", "1"), span("shop", "2", "1"))
    assert edges(found) == {("web", "shop"): 1}
    assert (found.counts["duplicates"], found.counts["shared"]) == (1, 0)


def test_a_negative_duration_is_a_call_without_one() -> None:
    found = built(span("web", "1", duration_us=-5), span("web", "2", duration_us=None))
    assert (found.received("web").n, found.received("web").timed) == (2, 0)
    assert found.counts["negative"] == 1
    assert found.windows["p50_us"].to_pylist() == [None, None]


def test_no_spans_make_an_empty_map() -> None:
    found = built()
    assert (found.edges, found.nodes, found.counts["spans"]) == ({}, (), 0)


def test_rare_virtual_nodes_beyond_the_limit_count_as_one() -> None:
    rows = [client("web", str(i), attributes={"server.address": f"h{i}"}) for i in range(9)]
    rows += [client("web", "x", attributes={"server.address": "h7"})]
    found = built(*rows, max_virtual_nodes=2)
    assert edges(found) == {
        ("web", "external:(others)"): 7, ("web", "external:h0"): 1, ("web", "external:h7"): 2,
    }  # fmt: skip


def test_windows_hold_rate_errors_and_quantiles() -> None:
    rows = [r for i in range(20) for r in request(f"t{i}", i * 30, error=i == 0)]
    found = built(*rows, window_seconds=300)
    shop = [r for r in found.windows.to_pylist() if (r["source"], r["target"]) == ("web", "shop")]
    assert [row["n"] for row in shop] == [10, 10]
    assert [row["error_rate"] for row in shop] == [0.1, 0]
    assert shop[0]["rate"] == pytest.approx(1 / 30)
    assert shop[0]["p99_us"] == pytest.approx(4000, rel=0.021)
    assert [row["n"] for row in found.windows.to_pylist() if row["source"] == ANY][:3] == [10] * 3


def test_a_trace_cut_by_the_end_of_the_time_asked_for_is_paired_whole() -> None:
    from pipelines.aiops.service_map.build import build_map
    from tests.unit.aiops.service_map.spans import spans

    rows = spans(*[{**r, "starts_at": r["starts_at"]} for r in request("t1", -0.5)[:2]],
                 *request("t1", 0.5)[2:])  # fmt: skip
    before = build_map(rows, NOON_US - 60 * SECOND, NOON_US)
    after = build_map(rows, NOON_US, NOON_US + 60 * SECOND)
    assert edges(before) == {USER_WEB: 1}
    assert edges(after) == {("shop", "database:postgresql/shop"): 1, ("web", "shop"): 1}
    assert before.counts["missing_parents"] == after.counts["missing_parents"] == 0
    # The trace counts once, where it began.
    assert (sum(before.shapes.values()), sum(after.shapes.values())) == (1, 0)
