"""What a source pseudonymises is in no file of the lake, and rows can still be joined."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from pipelines.aiops.lake.contract import alert_id, fingerprint, microseconds
from pipelines.aiops.params.telemetry import AlertmanagerWebhookParams
from pipelines.cli.main import app
from pipelines.core.files import write_json, write_text
from pipelines.mlops.privacy import subject
from tests.unit.aiops.privacy.stores import ANN, files_with, payload

PARAMS = """
aiops:
  telemetry:
    lake: lake
    sources:
      - {name: hook, kind: alertmanager_webhook, folder: hook, pseudonymise: [user]}
      - {name: logs, kind: log_jsonl, files: [logs/*.jsonl], pseudonymise: [user, mail, ip]}
"""
LINES = [
    {"ts": "2024-03-09T12:00:00Z", "level": "error", "msg": f"login of {ANN} failed", "user": ANN},
    {"ts": "2024-03-09T12:00:01Z", "level": "info", "msg": "from 10.1.2.3 to bob@example.org"},
    {"ts": "2024-03-09T12:00:02Z", "level": "info", "msg": "nothing of anybody"},
    {"level": "info", "msg": "no time", "user": ANN},
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    place = tmp_path / "project"
    write_text(place / "params.yaml", PARAMS)
    return place


def ingest(project: Path) -> str:
    found = CliRunner().invoke(app, ["ingest", "--project", str(project)])
    assert found.exit_code == 0, found.output
    return found.output


def rows(project: Path, table: str) -> list[dict[str, Any]]:
    files = sorted((project / "lake" / table).rglob("*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def fill(project: Path) -> None:
    said = payload(ANN, "bob")
    said["alerts"][0]["annotations"] = {"summary": f"{ANN} is locked out"}
    write_json(project / "hook/1.json", said)
    write_json(project / "hook/2.json", {"version": "4", "alerts": [{"labels": {"user": ANN}}]})
    text = "".join(json.dumps(line) + "\n" for line in LINES)
    write_text(project / "logs/shop.jsonl", text)


def test_no_file_of_the_lake_holds_what_became_a_pseudonym(project: Path) -> None:
    fill(project)
    ingest(project)
    for text in (ANN, "bob", "10.1.2.3"):
        assert files_with(project / "lake", text) == []
    assert len(rows(project, "quarantine")) == 2
    assert "is locked out" in repr(rows(project, "alerts"))


def test_the_same_person_is_the_same_pseudonym_in_labels_and_text(project: Path) -> None:
    fill(project)
    ingest(project)
    (mine,) = (row for row in rows(project, "alerts") if row["annotations"])
    name = dict(mine["labels"])["user"]
    assert re.fullmatch(r"p-[0-9a-f]{16}", name)
    assert dict(mine["annotations"])["summary"] == f"{name} is locked out"
    bodies = [row["body"] for row in rows(project, "logs")]
    assert f"login of {name} failed" in bodies
    assert "nothing of anybody" in bodies
    assert len({dict(row["labels"])["user"] for row in rows(project, "alerts")}) == 2


def test_ids_follow_from_what_is_stored_and_again_changes_nothing(project: Path) -> None:
    fill(project)
    ingest(project)
    for row in rows(project, "alerts"):
        series = fingerprint(dict(row["labels"]))
        assert row["fingerprint"] == series
        assert row["alert_id"] == alert_id("hook", series, microseconds(row["starts_at"]))
    assert ingest(project).count("nothing changed") == 2


def test_another_secret_gives_other_pseudonyms(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(project)
    ingest(project)
    before = {dict(row["labels"])["user"] for row in rows(project, "alerts")}
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "others"))
    ingest(project)
    after = {dict(row["labels"])["user"] for row in rows(project, "alerts")}
    assert before < after
    assert len(after) == 4


def test_no_second_secret_is_made_where_somebody_was_erased(project: Path) -> None:
    fill(project)
    subject.add(project, "hmac-sha256:" + "0" * 64)
    found = CliRunner().invoke(app, ["ingest", "--project", str(project)])
    assert found.exit_code == 1
    assert "erasure.key: no such file" in found.output


@pytest.mark.parametrize("name", ["alertname", "source", "token", "trace_id"])
def test_what_says_what_a_row_is_has_no_pseudonym(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        AlertmanagerWebhookParams(kind="alertmanager_webhook", name="a", pseudonymise=[name])
