"""CSV, JSON lines and Parquet by a mapping of columns; times as programs write them."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from pipelines.aiops.lake.batch import Batch
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.sources.sources import read, reasons, rows, settings, utc

COLUMNS = {"name": "rule", "starts_at": "from", "ends_at": "to"}


def table(here: Path, content: str | bytes, file: str = "a.csv", **keys: Any) -> Batch:
    data = content if isinstance(content, bytes) else content.encode()
    (here / file).write_bytes(data)
    base = {"kind": "table", "table": "alerts", "files": [file], "columns": COLUMNS}
    return read(project=here, **{**base, **keys})


def test_csv_with_labels_from_columns(here: Path) -> None:
    batch = table(
        here,
        'rule,from,to,host,who\n"Disk, full",2024-03-09T12:00:00Z,2024-03-09 13:30+01:00,db1,yes\n'
        "Blip,2024-03-09T12:01:00Z,,,no\n",
        labels={"instance": "host"}, columns={**COLUMNS, "acted": "who"},
    )  # fmt: skip
    disk, blip = rows(batch)
    assert disk["labels"] == {"alertname": "Disk, full", "instance": "db1"}
    assert disk["ends_at"] == utc("2024-03-09T12:30:00")
    assert (disk["acted"], blip["acted"], blip["ends_at"]) == (True, False, None)
    assert blip["labels"] == {"alertname": "Blip"}


def test_json_lines_with_labels_in_a_column(here: Path) -> None:
    line = {
        "t": {"start": 1709985600},
        "labels": {"alertname": "A", "n": 3, "on": True, "no": None},
    }
    batch = table(here, json.dumps(line), "a.jsonl", columns={"starts_at": "t.start"},
                  labels_json="labels", hold_seconds=300)  # fmt: skip
    (row,) = rows(batch)
    assert row["labels"] == {"alertname": "A", "n": "3", "on": "true"}
    assert row["ends_at"] - row["starts_at"] == timedelta(seconds=300)


def test_parquet_with_maps_and_times(here: Path) -> None:
    start = utc("2024-03-09T12:00:00")
    frame = pa.table({
        "from": pa.array([start], pa.timestamp("ns", "UTC")),
        "tags": pa.array([[("alertname", "A"), ("b", "é")]], pa.map_(pa.string(), pa.string())),
    })  # fmt: skip
    pq.write_table(frame, here / "a.parquet")
    batch = read(project=here, kind="table", table="alerts", files=["*.parquet"],
                 columns={"starts_at": "from"}, labels_json="tags")  # fmt: skip
    assert rows(batch)[0]["labels"] == {"alertname": "A", "b": "é"}
    assert rows(batch)[0]["starts_at"] == start


def test_tickets_and_changes(here: Path) -> None:
    batch = table(here, "no,opened,state\n7,1709985600123,done\n", "t.csv", table="tickets",
                  columns={"ticket_id": "no", "opened_at": "opened"},
                  constants={"kind": "incident", "team": "shop"})  # fmt: skip
    (ticket,) = batch.tickets.to_pylist()
    assert (ticket["ticket_id"], ticket["team"]) == ("7", "shop")
    assert ticket["opened_at"] == ticket["updated_at"] == utc("2024-03-09T12:00:00.123")
    batch = table(here, "sha,when\nabc,2024-03-09T12:00:00Z\n", "c.csv", table="changes",
                  columns={"change_id": "sha", "at": "when"})  # fmt: skip
    assert batch.changes.to_pylist()[0]["kind"] == "other"


@pytest.mark.parametrize(
    ("text", "form", "zone", "expected"),
    [
        ("1709985600", "auto", "UTC", "2024-03-09T12:00:00"),
        ("1709985600.25", "auto", "UTC", "2024-03-09T12:00:00.250000"),
        ("1709985600123", "auto", "UTC", "2024-03-09T12:00:00.123000"),
        ("1709985600123456", "auto", "UTC", "2024-03-09T12:00:00.123456"),
        ("1709985600123", "epoch_ms", "UTC", "2024-03-09T12:00:00.123000"),
        ("2024-03-09T12:00:00.123456789Z", "iso", "UTC", "2024-03-09T12:00:00.123456"),
        ("2024-03-09T12:00:00.5+01:00", "auto", "UTC", "2024-03-09T11:00:00.500000"),
        ("2024-07-01 12:00:00", "auto", "Europe/Berlin", "2024-07-01T10:00:00"),
        ("2024-01-01 12:00:00", "auto", "Europe/Berlin", "2024-01-01T11:00:00"),
        # Clocks are put back: it happens twice, the first is meant. Put forward: it never happens.
        ("2024-10-27 02:30:00", "auto", "Europe/Berlin", "2024-10-27T00:30:00"),
        ("2024-03-31 02:30:00", "auto", "Europe/Berlin", "2024-03-31T01:30:00"),
    ],
)
def test_times(here: Path, text: str, form: str, zone: str, expected: str) -> None:
    batch = table(here, f"rule,from,to\nA,{text},\n", time=form, timezone=zone)
    assert rows(batch)[0]["starts_at"] == utc(expected)


def test_what_cannot_be_mapped_is_an_error_that_says_what_to_do(here: Path) -> None:
    with pytest.raises(SignalboxError, match="no column 'rule', which source test maps"):
        table(here, "name,from,to\nA,1,2\n")
    with pytest.raises(SignalboxError, match=r"columns \['starts_at', 'name'\] of alerts must be"):
        table(here, "a\n1\n", columns={})
    with pytest.raises(SignalboxError, match="set format of source test"):
        table(here, "a\n1\n", "a.txt")
    with pytest.raises(SignalboxError, match="no time zone 'Mars/Base'"):
        table(here, "rule,from,to\n", timezone="Mars/Base")
    with pytest.raises(SignalboxError, match="no such file; check files of source test"):
        read(project=here, kind="table", table="alerts", files=["none.csv"], columns=COLUMNS)
    with pytest.raises(ValidationError, match=r"\['begin'\] aren't of alerts"):
        settings(kind="table", table="alerts", files=["a"], columns={"begin": "x"})


def test_a_source_without_rows_is_empty(here: Path) -> None:
    batch = table(here, "rule,from,to\n")
    assert (len(batch.alerts), reasons(batch)) == (0, [])
    assert len(table(here, "", "b.csv").alerts) == 0
