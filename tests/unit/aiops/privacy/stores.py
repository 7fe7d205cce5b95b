"""A project with telemetry of one person in every store, in every form."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.aiops.lake.batch import REJECTED
from pipelines.aiops.lake.contract import LOGS, METRICS, SPANS, Table, fingerprint
from pipelines.aiops.lake.store import upsert
from pipelines.core.files import write_json, write_text
from tests.unit.aiops.lake.rows import alert, alerts, at, changes, ticket, tickets

ANN = "ann.kim@example.org"
PARAMS = """
aiops:
  telemetry:
    lake: telemetry/lake
    sources:
      - {name: hook, kind: alertmanager_webhook, folder: telemetry/webhook}
"""


def signals(table: Table, *rows: dict[str, Any]) -> pa.Table:
    empty = dict.fromkeys(table.schema.names)
    return pa.Table.from_pylist([empty | {"source": "test"} | row for row in rows], table.schema)


def metric(user: str, minute: float) -> dict[str, Any]:
    labels = {"user": user}
    series = fingerprint({"__name__": "logins", **labels})
    return {"fingerprint": series, "name": "logins", "labels": list(labels.items()),
            "at": at(minute), "value": 1.0, "kind": "counter"}  # fmt: skip


def fill_lake(lake: Path, user: str = ANN) -> None:
    """Write rows of a person and of others, over two days."""
    day = 24 * 60
    rows = {
        "alerts": alerts(
            alert({"alertname": "Locked", "user": user}, 1),
            alert({"alertname": "Locked", "user": "bob"}, 2),
            alert({"alertname": "Mail", "team": "x"}, day, annotations=[("text", f"to {user}")]),
        ),
        "tickets": tickets(
            ticket("T1", 3, title=f"locked out: {user}"), ticket("T2", 4, title="disk full")
        ),
        "changes": changes(),
        "metrics": signals(METRICS, metric(user, 5), metric("bob", 5)),
        "logs": signals(
            LOGS,
            {"log_id": "a", "at": at(6), "body": f"login of {user} failed", "attributes": []},
            {"log_id": "b", "at": at(7), "body": "ok", "attributes": [("user", user)]},
            {"log_id": "c", "at": at(8), "body": "ok", "attributes": [("user", "bob")]},
        ),
        "spans": signals(SPANS, {
            "trace_id": "t", "span_id": "s", "service": "shop", "name": "GET", "kind": "server",
            "starts_at": at(9), "attributes": [("enduser.id", user)], "links": [],
        }),
    }  # fmt: skip
    upsert(lake, rows)
    bad = [
        {"id": name, "source": "test", "place": "f:1", "reason": "no name", "at": None, "raw": raw}
        for name, raw in (("1", f'{{"user": "{user}"}}'), ("2", '{"user": "bob"}'))
    ]
    path = lake / "quarantine" / "test.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(bad, REJECTED), path)


def payload(*users: str) -> dict[str, Any]:
    found = [
        {"status": "firing", "labels": {"alertname": "Locked", "user": user}, "annotations": {},
         "startsAt": "2024-03-09T12:00:00Z", "endsAt": "0001-01-01T00:00:00Z"}
        for user in users
    ]  # fmt: skip
    return {"version": "4", "groupKey": '{}:{alertname="Locked"}', "alerts": found}


def otlp(*users: str) -> dict[str, Any]:
    lines = [
        {"timeUnixNano": "1", "body": {"stringValue": "login"},
         "attributes": [{"key": "user", "value": {"stringValue": user}}]}
        for user in users
    ]  # fmt: skip
    return {"resourceLogs": [{"scopeLogs": [{"logRecords": lines}]}]}


def fill(project: Path) -> None:
    """Write every store of a project."""
    write_text(project / "params.yaml", PARAMS)
    fill_lake(project / "telemetry/lake")
    hook = project / "telemetry/webhook/2024-03-09"
    write_json(hook / "1.json", payload(ANN, "bob"))
    write_json(hook / "2.json", payload(ANN))
    lines = [otlp(ANN, "bob"), otlp("bob"), otlp(ANN)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_text(project / "telemetry/otlp/logs/2024-03-09.jsonl", text)
    results = project / "telemetry/results"
    for name, user in (("2024-03-09T00-00--2024-03-10T00-00", ANN), ("other", "bob")):
        write_json(results / name / "anomalies/log.json", {"labels": {"user": user}})
        write_text(results / name / "reports/incidents.html", "<p>nothing</p>")
    write_text(results / "packed.html", f"<p>{ANN.replace('@', '&#64;')}</p>")
    state = project / "telemetry/state/logs"
    pq.write_table(pa.table({"sample": [ANN]}), _made(state / "day=2024-03-09/values.parquet"))
    write_json(state / "day=2024-03-09/templates.json", {})
    write_json(state / "day=2024-03-10/templates.json", {"key": "login of <*>"})


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def files_with(folder: Path, text: str) -> list[str]:
    """Files that hold a text: in their bytes, unpacked, or in any cell of a table."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        said = content.decode(errors="replace").replace("&#64;", "@")
        if content[:4] == b"PAR1":
            said += repr(pq.read_table(pa.BufferReader(content)).to_pylist())
        if text in said:
            found.append(path.relative_to(folder).as_posix())
    return found
