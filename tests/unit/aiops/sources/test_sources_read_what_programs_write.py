"""Each source reads a recorded payload.

Webhook and API payloads were written by Alertmanager 0.25, the range query by Prometheus 2.42; host
names were replaced. Event recorder and PagerDuty payloads are written after their documented forms.
"""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.aiops.lake.batch import ReadWindow
from pipelines.core.errors import SignalboxError
from pipelines.core.time import EPOCH
from tests.support.http_server import serving
from tests.unit.aiops.sources.sources import NOW, PAYLOADS, read, reasons, rows, utc


def test_alertmanager_webhook() -> None:
    batch = read(kind="alertmanager_webhook", folder="alertmanager_webhook")
    found = rows(batch)
    assert reasons(batch) == []
    # Five records in three payloads tell of three alerts.
    ended = [row for row in found if row["ends_at"]]
    assert len(found) == 5
    assert len({row["alert_id"] for row in found}) == 3
    assert len(ended) == 1
    assert ended[0]["labels"] == {
        "alertname": "HighLatency", "instance": "10.0.0.8:9100", "service": "checkout",
        "severity": "critical",
    }  # fmt: skip
    assert ended[0]["ends_at"] == utc("2026-11-22T04:28:08.089")
    assert ended[0]["updated_at"] == ended[0]["ends_at"]
    texts = {row["annotations"]["summary"] for row in found}
    assert "p99 over 2 s\nfor <b>checkout</b> 🔥" in texts
    assert {row["acted"] for row in found} == {None}


def test_alertmanager_api() -> None:
    payload = (PAYLOADS / "alertmanager_api_v2.json").read_bytes()
    asked = []

    def answer(path: str, query: dict[str, str], headers: Any) -> tuple[int, bytes]:
        asked.append((path, headers["Authorization"]))
        return 200, payload

    with serving(answer) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AM_TOKEN", "secret")
        keys = {"kind": "alertmanager_api", "url": url, "token_env": "AM_TOKEN"}
        now = utc("2026-11-22T04:30:00")
        firing = rows(read(ReadWindow(None, None, now), **keys))
        later = rows(read(**keys))
    assert asked[0] == ("/api/v2/alerts", "Bearer secret")
    assert [row["ends_at"] for row in firing] == [None, None, None]
    assert firing[0]["labels"]["mountpoint"] == '/var/lib/"pg"'
    assert firing[0]["updated_at"] == utc("2026-11-22T04:28:06.301")
    assert [row["ends_at"] for row in later] == [utc("2026-11-22T04:33:06.301")] * 3


@pytest.mark.parametrize("file", ["events_v1.jsonl", "events_v2.jsonl"])
def test_alertmanager_event_recorder(file: str) -> None:
    batch = read(kind="alertmanager_events", files=[file])
    found = rows(batch)
    assert reasons(batch) == []
    assert len({row["alert_id"] for row in found}) == 1
    assert [row["ends_at"] is not None for row in sorted(found, key=lambda r: r["updated_at"])] == [
        False] * (len(found) - 1) + [True]  # fmt: skip
    assert "empty" not in found[0]["labels"]
    assert len(found[0]["labels"]) == 2


def prometheus(path: str, query: dict[str, str], headers: Any) -> tuple[int, bytes]:
    """Answer with the samples of the recording that lie in the range."""
    answer = json.loads((PAYLOADS / "prometheus_query_range.json").read_text())
    first, last = float(query["start"]), float(query["end"])
    assert query["query"] == 'ALERTS{alertstate="firing"}'
    for series in answer["data"]["result"]:
        series["values"] = [v for v in series["values"] if first <= v[0] <= last]
    answer["data"]["result"] = [series for series in answer["data"]["result"] if series["values"]]
    return 200, json.dumps(answer).encode()


def at(second: int) -> Any:
    return EPOCH + timedelta(seconds=1795321800 + second)


def test_prometheus() -> None:
    with serving(prometheus) as url:
        keys = {"kind": "prometheus", "url": url, "step_seconds": 2, "lookback_seconds": 3600}
        found = rows(read(ReadWindow(at(0), at(52), at(60)), **keys))
        # Windows that cut through alerts find the same alerts as one window.
        parts = [read(ReadWindow(at(a), at(a + 10), at(60)), **keys) for a in range(0, 70, 10)]
    flips = [row for row in found if row["name"] == "Flip"]
    assert [(row["starts_at"], row["ends_at"]) for row in flips] == [
        (at(18), at(26)), (at(34), at(42)), (at(50), None),
    ]  # fmt: skip
    (down,) = [row for row in found if row["name"] == "TargetDown"]
    assert (down["starts_at"], down["ends_at"], down["updated_at"]) == (at(16), None, at(50))
    assert down["labels"] == {
        "alertname": "TargetDown", "instance": "127.0.0.1:19091", "job": "node",
        "severity": "critical",
    }  # fmt: skip
    cut = {row["alert_id"] for part in parts for row in rows(part)}
    assert cut == {row["alert_id"] for row in found}
    assert [reason for part in parts for reason in reasons(part)] == []


def test_an_alert_that_fires_longer_than_prometheus_is_asked_for_is_quarantined() -> None:
    def always(path: str, query: dict[str, str], headers: Any) -> tuple[int, bytes]:
        times = range(int(query["start"]), int(query["end"]) + 1, int(query["step"]))
        series = {"metric": {"alertname": "Old"}, "values": [[time, "1"] for time in times]}
        return 200, json.dumps({"data": {"resultType": "matrix", "result": [series]}}).encode()

    with serving(always) as url:
        batch = read(ReadWindow(at(0), at(60), at(60)), kind="prometheus", url=url,
                     lookback_seconds=3600)  # fmt: skip
    assert len(batch.alerts) == 0
    assert reasons(batch) == ["fires for longer than lookback_seconds: its begin is unknown"]


def test_pagerduty_csv() -> None:
    batch = read(kind="pagerduty", files=["pagerduty.csv"], timezone="Europe/Berlin")
    quick, disk, cpu = rows(batch)
    assert cpu["name"] == 'CPU is "hot", again'
    assert cpu["starts_at"] == utc("2024-03-10T04:30:00")
    assert cpu["acknowledged_at"] == utc("2024-03-10T04:31:35")
    assert quick["starts_at"] == utc("2024-03-09T11:00:00")
    assert [row["acted"] for row in (quick, disk, cpu)] == [False, None, True]
    kinds = {row["ticket_id"]: row["kind"] for row in batch.tickets.to_pylist()}
    assert kinds == {"PT4KHLK": "incident", "PT4KHLL": "noise", "PT4KHLM": "incident"}
    assert cpu["ticket_id"] == "PT4KHLK"


def test_pagerduty_json() -> None:
    batch = read(kind="pagerduty", files=["pagerduty.json"])
    fire, blip = rows(batch)
    # The API empties acknowledgements when it is resolved: nobody knows whether someone acted.
    assert (fire["acted"], blip["acted"]) == (True, None)
    assert fire["acknowledged_at"] == utc("2024-03-09T22:55:02")
    assert blip["ends_at"] == utc("2024-03-09T22:42:00")
    ticket = next(row for row in batch.tickets.to_pylist() if row["ticket_id"] == "PT4KHLN")
    assert (ticket["resolution"], ticket["team"], ticket["severity"]) == (
        "Restarted the oven.", "Bakery", "P2",
    )  # fmt: skip
    assert reasons(batch) == ["id is missing"]


def _log_entry(kind: str, agent: str, minute: int, incident: str = "PT4KHLO") -> dict[str, Any]:
    return {
        "type": f"{kind}_log_entry", "created_at": f"2024-03-09T22:{minute}:00Z",
        "agent": {"type": f"{agent}_reference"}, "incident": {"id": incident},
    }  # fmt: skip


def test_pagerduty_log_entries_say_who_acted_on_what_is_resolved(tmp_path: Path) -> None:
    incidents = (PAYLOADS / "pagerduty.json").read_text()
    (tmp_path / "incidents.json").write_text(incidents)

    def blip_with(*entries: dict[str, Any]) -> tuple[dict[str, Any], str]:
        (tmp_path / "log.json").write_text(json.dumps({"log_entries": entries}))
        batch = read(project=tmp_path, kind="pagerduty", files=["incidents.json", "log.json"])
        [blip] = [row for row in rows(batch) if row["name"] == "Blip"]
        kinds = {row["ticket_id"]: row["kind"] for row in batch.tickets.to_pylist()}
        return blip, kinds["PT4KHLO"]

    began, ended = _log_entry("trigger", "service", 41), _log_entry("resolve", "service", 42)
    blip, kind = blip_with(began, _log_entry("acknowledge", "user", 41), ended)
    assert (blip["acted"], kind) == (True, "incident")
    assert blip["acknowledged_at"] == utc("2024-03-09T22:41:00")
    blip, kind = blip_with(began, _log_entry("notify", "service", 41), ended)
    assert (blip["acted"], kind) == (False, "noise")
    blip, kind = blip_with(ended)  # its log isn't whole
    assert (blip["acted"], kind) == (None, "incident")
    blip, _ = blip_with(began, ended, _log_entry("acknowledge", "user", 41, "another"))
    assert blip["acted"] is False


def test_a_pagerduty_export_without_columns_of_acts_says_nothing_about_them(tmp_path: Path) -> None:
    header, values = "id,description,created_on,resolved_on", "P1,Disk,2024-03-09T13:00:00Z,"
    (tmp_path / "p.csv").write_text(f"{header}\n{values}2024-03-09T14:00:00Z\n")
    [disk] = rows(read(project=tmp_path, kind="pagerduty", files=["p.csv"]))
    assert disk["acted"] is None


def test_airflow_listener(tmp_path: Path) -> None:
    lines = [
        {"at": f"2024-03-09T12:0{minute}:00+00:00", "what": what, "state": state, "dag_id": "d",
         "task_id": task, "map_index": None, "run_id": f"r{minute}"}
        for minute, what, state, task in [
            (0, "task", "failed", "t"), (1, "run", "failed", None), (2, "task", "failed", "t"),
            (3, "task", "success", "t"), (4, "task", "success", "t"), (5, "task", "failed", "t"),
        ]
    ]  # fmt: skip
    folder = tmp_path / "telemetry/airflow"
    folder.mkdir(parents=True)
    (folder / "2024-03-09.jsonl").write_text("\n".join(map(json.dumps, reversed(lines))))
    found = rows(read(project=tmp_path, kind="airflow"))
    assert [(row["name"], row["starts_at"].minute, row["ends_at"] and row["ends_at"].minute)
            for row in found] == [
        ("AirflowTaskFailed", 0, 3), ("AirflowDagRunFailed", 1, None),
        ("AirflowTaskFailed", 5, None),
    ]  # fmt: skip
    assert found[0]["annotations"]["run_id"] == "r0"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (503, b"try later", "answers 503: try later"),
        (200, b"<html>", "does not answer with JSON; check its url"),
        (200, b"{}", "does not answer like Prometheus; check its url"),
        (400, (PAYLOADS / "prometheus_error.json").read_bytes(), "missing unit character"),
    ],
)
def test_a_server_that_answers_wrongly_is_named(status: int, body: bytes, expected: str) -> None:
    with serving(lambda *asked: (status, body)) as url, pytest.raises(SignalboxError) as caught:
        read(ReadWindow(None, None, NOW), kind="prometheus", url=url, step_seconds=3600)
    assert "source test" in str(caught.value)
    assert expected in str(caught.value)


def test_a_server_that_is_down_and_a_token_that_is_not_set() -> None:
    with pytest.raises(SignalboxError, match="does not answer"):
        read(kind="alertmanager_api", url="http://127.0.0.1:9")
    with pytest.raises(SignalboxError, match="environment variable NO_TOKEN is not set"):
        read(kind="alertmanager_api", url="http://127.0.0.1:9", token_env="NO_TOKEN")
