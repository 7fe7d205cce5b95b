"""Histories of alerts, and folders of telemetry: told by their content, or refused by name."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.aiops.lake.batch import ReadWindow
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import usual_policy
from pipelines.aiops.sources.ingest import read_source
from pipelines.core.errors import SignalboxError
from pipelines.core.settings import validate_section
from pipelines.project.model_files import merged
from pipelines.project.telemetry_files import aiops_text, find_sources, rules_files
from tests.conftest import ROOT

WINDOW = ReadWindow(None, None, datetime(2026, 2, 1, tzinfo=UTC))


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def alerts_of(path: Path, hold_seconds: int | None = None) -> list[dict[str, Any]]:
    """What ``signalbox ingest`` makes of a history, by the sources that were found."""
    sources = [source.settings for source in find_sources(path, None, hold_seconds)]
    params = validate_section(Path("params.yaml"), {"telemetry": {"sources": sources}}, AiopsParams)
    rows = [read_source(source, WINDOW, path.parent) for source in params.telemetry.sources]
    return [row for batch in rows for row in batch.alerts.to_pylist()]


def payload(status: str) -> dict[str, Any]:
    ends = "2026-01-05T10:05:00Z" if status == "resolved" else "0001-01-01T00:00:00Z"
    alert = {"status": status, "labels": {"alertname": "Slow"}, "annotations": {},
             "startsAt": "2026-01-05T10:00:00Z", "endsAt": ends, "fingerprint": "a"}  # fmt: skip
    return {"version": "4", "groupKey": "{}", "status": status, "receiver": "x", "alerts": [alert]}


def test_webhook_payloads_are_read(tmp_path: Path) -> None:
    write(tmp_path / "hooks/2026/1.json", payload("firing"))
    write(tmp_path / "hooks/2026/2.json", payload("resolved"))
    assert {row["name"] for row in alerts_of(tmp_path / "hooks")} == {"Slow"}


def matrix(times: list[int]) -> dict[str, Any]:
    labels = {"__name__": "ALERTS", "alertname": "Slow", "alertstate": "firing", "service": "shop"}
    pending = {**labels, "alertstate": "pending", "alertname": "Other"}
    begin, end = 1767603600, 1767603600 + 6000
    heart = {**labels, "alertname": "Watchdog"}
    result = [
        {"metric": labels, "values": [[begin + 60 * time, "1"] for time in times]},
        {"metric": pending, "values": [[begin + 600, "1"]]},
        {"metric": heart, "values": [[time, "1"] for time in range(begin, end + 1, 60)]},
    ]
    return {"status": "success", "data": {"resultType": "matrix", "result": result}}


def test_an_export_of_prometheus_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "alerts.json", matrix([5, 6, 7, 20, 21]))
    rows = [row for row in alerts_of(path) if row["name"] == "Slow"]
    lasted = [(row["ends_at"] - row["starts_at"]).total_seconds() for row in rows]
    assert lasted == [180, 120]


def test_what_fires_as_an_export_begins_has_no_known_begin(tmp_path: Path) -> None:
    path = write(tmp_path / "alerts.json", matrix([5, 6]))
    assert {row["name"] for row in alerts_of(path)} == {"Slow"}


def opsgenie(status: str) -> dict[str, Any]:
    return {"id": "1", "tinyId": "7", "message": "disk full", "status": status,
            "acknowledged": True,
            "priority": "P1", "source": "nagios", "details": {"service": "shop"},
            "createdAt": "2026-01-05T10:00:00Z", "updatedAt": "2026-01-05T10:09:00Z"}  # fmt: skip


def test_alerts_of_opsgenie_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "opsgenie.json", {"data": [opsgenie("closed")] * 2})
    (row, *_) = alerts_of(path)
    assert row["name"] == "disk full"
    assert row["acted"] is True
    assert dict(row["labels"])["service"] == "shop"


def test_open_alerts_of_opsgenie_ask_how_long_they_last(tmp_path: Path) -> None:
    path = write(tmp_path / "opsgenie.json", {"data": [opsgenie("open")]})
    with pytest.raises(SignalboxError, match="--hold-seconds"):
        find_sources(path, None)
    assert alerts_of(path, 300)


def test_an_export_of_pagerduty_is_known(tmp_path: Path) -> None:
    path = write(tmp_path / "incidents.json", {"incidents": [{"id": "P1"}]})
    assert [s.settings["kind"] for s in find_sources(path, None)] == ["pagerduty"]


def test_a_table_with_semicolons_is_read(tmp_path: Path) -> None:
    lines = ["Alert;Fired At;Resolved At;team"]
    lines += [f"Slow;2026-01-0{day} 10:00:00;2026-01-0{day} 10:05:00;shop" for day in range(1, 9)]
    rows = alerts_of(write(tmp_path / "history.csv", "\n".join(lines)))
    assert len(rows) == 8
    assert dict(rows[0]["labels"]) == {"alertname": "Slow", "team": "shop"}


def test_tickets_and_changes_beside_alerts_come_along(tmp_path: Path) -> None:
    write(tmp_path / "h/alerts.csv", "alertname,starts_at,ends_at\nA,2026-01-01,2026-01-02\n" * 1)
    write(tmp_path / "h/tickets.csv", "id,opened,closed,service\nT1,2026-01-01,2026-01-02,shop\n")
    write(tmp_path / "h/changes.csv", "id,at,service\nC1,2026-01-01,shop\n")
    found = find_sources(tmp_path / "h", None)
    assert [s.settings["table"] for s in found] == ["alerts", "changes", "tickets"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name,starts_at\nA,2026-01-01\n", "--hold-seconds"),
        ("colour,size\nred,1\n", "starts_at or name"),
        ("", "no known form"),
    ],
)
def test_what_cant_be_read_names_file_and_option(tmp_path: Path, content: str, told: str) -> None:
    path = write(tmp_path / "history.csv", content)
    with pytest.raises(SignalboxError, match=told) as caught:
        find_sources(path, None)
    assert "history.csv" in str(caught.value)


def test_signals_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "m.jsonl", '{"resourceMetrics": []}\n')
    write(tmp_path / "l.jsonl", '{"resourceLogs": []}\n')
    write(tmp_path / "t.jsonl", '{"resourceSpans": []}\n')
    write(tmp_path / "j.json", {"data": [{"traceID": "a", "spans": []}]})
    write(tmp_path / "z.json", [{"traceId": "a", "id": "b"}])
    write(tmp_path / "a.prom", "# TYPE up gauge\nup 1 1767603600\n")
    write(tmp_path / "b.log", "2026-01-01 ERROR x\n")
    write(tmp_path / "c.jsonl", '{"time": "2026-01-01T00:00:00Z", "message": "x"}\n')
    kinds = {source.settings["kind"] for source in find_sources(None, tmp_path)}
    assert kinds == {"otlp_metrics", "otlp_logs", "otlp_traces", "jaeger", "zipkin", "openmetrics",
                     "log_files", "log_jsonl"}  # fmt: skip


def test_a_new_project_begins_with_the_bundled_policy() -> None:
    bundled = yaml.safe_load((ROOT / "params.yaml").read_text())["aiops"]["gate_rules"]["checks"]
    assert usual_policy() == [{k: v for k, v in c.items() if k != "owner"} for c in bundled]


ROUTING = "route: {receiver: a}\nreceivers: [{name: a}]\n"


def test_the_section_that_is_written_is_valid(tmp_path: Path) -> None:
    alertmanager = write(tmp_path / "alertmanager.yml", ROUTING)
    prometheus = write(tmp_path / "prometheus/a.yml", "global: {external_labels: {a: b}}\n")
    routing = rules_files(alertmanager, prometheus.parent)
    text = aiops_text(tmp_path, "ours", [], routing, with_rules=True, with_analysis=True)
    params = validate_section(Path("params.yaml"), yaml.safe_load(text)["aiops"], AiopsParams)
    assert params.export_rules.prometheus == [str(prometheus.resolve())]
    assert params.export_rules.publish.shadow
    assert all("#" in line for line in text.splitlines()
               if line.endswith((": []", ": null")))  # fmt: skip


def test_a_broken_configuration_names_its_option(tmp_path: Path) -> None:
    good = write(tmp_path / "alertmanager.yml", ROUTING)
    with pytest.raises(SignalboxError, match="--alertmanager"):
        rules_files(tmp_path / "nothing.yml", None)
    write(tmp_path / "p/x.yml", "a: 1\n")
    with pytest.raises(SignalboxError, match="--prometheus"):
        rules_files(good, tmp_path / "p")


def test_sections_are_added_and_nothing_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    before = "data:\n  name: mine  # said by me\naiops:\n  telemetry:\n    sources:\n" \
             "      - {name: a, kind: airflow}\n"  # fmt: skip
    file.write_text(before)
    new = (
        "aiops:\n  telemetry:\n    lake: x  # new\n    sources:\n      - {name: b, kind: airflow}\n"
    )
    text, kept = merged(before, ["# head\n\n" + new, "data:\n  name: other\n"], file)
    found = yaml.safe_load(text)
    assert found["data"] == {"name": "mine"}
    assert [source["name"] for source in found["aiops"]["telemetry"]["sources"]] == ["a", "b"]
    assert "# said by me" in text
    assert "# new" in text
    assert kept == ["data.name"]
    file.write_text(text)
    assert merged(text, [new], file)[0] == text
