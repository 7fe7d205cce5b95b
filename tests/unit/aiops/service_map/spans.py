"""Small spans for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import SPANS
from pipelines.aiops.service_map.build import MapSettings, build_map
from pipelines.aiops.service_map.model import ServiceMap

NOON = datetime(2024, 3, 9, 12, tzinfo=UTC)
NOON_US = int(NOON.timestamp()) * 1_000_000
SECOND = 1_000_000


def span(service: str, span_id: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    """A server span of a millisecond at noon, unless told otherwise; `at` in seconds after it."""
    attributes = more.pop("attributes", {})
    row = {
        "trace_id": "t1", "span_id": span_id, "parent_span_id": parent, "links": [],
        "source": "test", "service": service, "instance": None, "name": "work",
        "kind": "server", "starts_at": NOON + timedelta(seconds=more.pop("at", 0)),
        "duration_us": 1000, "status": "unset", "attributes": sorted(attributes.items()), **more,
    }  # fmt: skip
    assert set(row) == set(SPANS.schema.names)
    return row


def client(service: str, span_id: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return span(service, span_id, parent, **{"kind": "client", "duration_us": 2000, **more})


def spans(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SPANS.schema)


def built(*rows: dict[str, Any], **settings: Any) -> ServiceMap:
    return build_map(spans(*rows), settings=MapSettings(**settings))


def edges(found: ServiceMap) -> dict[tuple[str, str], int]:
    return {key: traffic.n for key, traffic in found.edges.items()}


def request(trace: str, at: float, *, error: bool = False, slow: int = 1) -> list[dict[str, Any]]:
    """A user asks web, which asks shop, which asks its database."""
    state = "error" if error else "unset"
    return [
        span("web", "1", trace_id=trace, at=at, duration_us=5000 * slow),
        client("web", "2", "1", trace_id=trace, at=at, duration_us=4000 * slow, status=state),
        span("shop", "3", "2", trace_id=trace, at=at, duration_us=3000 * slow, status=state),
        client("shop", "4", "3", trace_id=trace, at=at, duration_us=1000 * slow,
               attributes={"db.system": "postgresql", "db.name": "shop"}),
    ]  # fmt: skip
