from datetime import UTC, datetime

import pyarrow as pa

from pipelines.aiops.incidents.assemble import incidents
from pipelines.aiops.incidents.contract import (
    alert_findings,
    changes_of,
    logs_of,
    past_of,
    series_of,
    service_of,
    spans_of,
)
from pipelines.aiops.incidents.model import Graph
from pipelines.aiops.lake.contract import ALERTS, CHANGES, LOGS, METRICS, SPANS, TICKETS, Table

HOUR = 3_600_000_000
AT = 1_700_000_000_000_000


def rows(table: Table, *given: dict[str, object]) -> pa.Table:
    full = [dict.fromkeys(table.schema.names) | row for row in given]
    return pa.Table.from_pylist(full, schema=table.schema)


def time(us: int) -> datetime:
    return datetime.fromtimestamp(us / 1e6, UTC)


def an_alert(start: int, end: int | None) -> dict[str, object]:
    return {
        "alert_id": f"a{start}",
        "source": "s",
        "fingerprint": "f",
        "name": "Slow",
        "labels": [("service", "store")],
        "starts_at": time(start),
        "ends_at": None if end is None else time(end),
        "updated_at": time(start),
    }


def test_alerts_end_at_the_latest_with_the_window_and_later_ones_are_left_out() -> None:
    table = rows(
        ALERTS, an_alert(AT, None), an_alert(AT + 1, AT + 9 * HOUR), an_alert(AT + HOUR, None)
    )
    found = alert_findings(table, AT + HOUR)
    assert [(one.start_us, one.end_us) for one in found] == [(AT, AT + HOUR), (AT + 1, AT + HOUR)]
    assert {one.service for one in found} == {"store"}


def test_an_incident_of_contract_rows_has_its_change_and_its_past() -> None:
    change = {
        "change_id": "c", "source": "s", "at": time(AT - HOUR // 4), "updated_at": time(AT),
        "kind": "deployment", "service": "store", "version": "1.2.3",
    }  # fmt: skip
    ticket = {
        "ticket_id": "T", "source": "s", "opened_at": time(AT - 99 * HOUR), "updated_at": time(AT),
        "kind": "incident", "service": "store", "title": "store slow", "fix": "rollback",
    }  # fmt: skip
    request = ticket | {"ticket_id": "R", "kind": "request"}
    (one,) = incidents(
        alert_findings(rows(ALERTS, an_alert(AT, None)), AT + HOUR),
        Graph(),
        changes_of(rows(CHANGES, change, change | {"at": time(AT + HOUR)}), AT + HOUR),
        past_of(rows(TICKETS, ticket, request), AT + HOUR, {"T": ["Slow"]}),
    )
    assert any("1.2.3" in text for text in one.causes[0].evidence)
    assert [(s.id, s.fix) for s in one.similar] == [("T", "rollback")]


def test_signals_are_read_instances_averaged_nulls_left_out() -> None:
    def point(value: float | None, instance: str) -> dict[str, object]:
        return {
            "source": "s", "fingerprint": instance, "name": "latency_seconds", "kind": "gauge",
            "labels": [("service", "web"), ("instance", instance)], "at": time(AT), "value": value,
        }  # fmt: skip

    (one,) = series_of(rows(METRICS, point(1.0, "a"), point(3.0, "b"), point(None, "c")))
    assert (one.service, one.role, one.values.tolist()) == ("web", "latency", [2.0])
    span = {
        "trace_id": "t", "span_id": "x", "source": "s", "service": "web", "name": "get",
        "kind": "server", "starts_at": time(AT), "duration_us": -5,
    }  # fmt: skip
    spans = spans_of(rows(SPANS, span, span | {"span_id": "y", "duration_us": 7}))
    assert (spans.end - spans.start).tolist() == [0, 7]
    line = {"log_id": "l", "source": "s", "at": time(AT), "body": "hi", "span_id": "x"}
    logs = logs_of(rows(LOGS, line), [0], ["hi"])
    assert (logs.span, logs.trace, logs.texts) == (["x"], [""], ["hi"])


def test_labels_name_the_service_in_a_fixed_order() -> None:
    assert service_of({"job": "node", "service": "web"}) == "web"
    assert service_of({"severity": "page"}) == ""
