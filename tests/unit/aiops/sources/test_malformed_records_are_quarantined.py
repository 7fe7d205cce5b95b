"""Nothing is dropped: what can't be read is in quarantine with its reason, and counted."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.aiops.lake.batch import RAW_LIMIT, Batch, ReadWindow
from pipelines.aiops.lake.days import quarantine_file
from pipelines.aiops.lake.read import read_lake
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.telemetry import TelemetryParams
from pipelines.aiops.sources.ingest import Ingested, chosen, ingest
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.lake.rows import content
from tests.unit.aiops.sources.sources import EVER, NOW, read, reasons, rows, settings

JSONL = {"kind": "table", "table": "alerts", "files": ["a.jsonl"], "labels_json": "labels",
         "columns": {"starts_at": "start", "ends_at": "end"}}  # fmt: skip


def line(start: float = 0, end: float | None = None, **labels: str) -> dict[str, Any]:
    begin = 1709985600 + start
    return {"start": begin, "end": None if end is None else begin + end,
            "labels": {"alertname": "A", **labels}}  # fmt: skip


def lines(here: Path, *records: Any) -> Batch:
    parts = [r if isinstance(r, bytes) else json.dumps(r).encode() for r in records]
    (here / "a.jsonl").write_bytes(b"\n".join(parts))
    return read(project=here, **JSONL)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (line(0, -60), "ends at 2024-03-09T11:59:00+00:00, before it starts"),
        ({"labels": {"alertname": "A"}}, "starts_at is missing"),
        ({"start": "soon", "labels": {"alertname": "A"}}, "not a time: 'soon'"),
        ({"start": 17, "labels": {"alertname": "A"}}, "not a time of this age: '17'"),
        ({"start": NOW.timestamp() + 301, "labels": {"alertname": "A"}}, "301 s in the future"),
        ({"start": 1709985600, "labels": {"b": "c"}}, "label alertname is missing or empty"),
        ({"start": 1709985600, "labels": ["A"]}, "labels is not an object but list"),
        ({"start": 1709985600, "labels": {"alertname": "A", "": "x"}}, "a name is empty"),
        (["a"], "record is not an object but list"),
        (b'{"start": 1709985600, "labels": {"alertname": "A', "not JSON: Unterminated string"),
        (b'{"start": 1709985600, "labels": {"alertname": "\xff"}}', "not UTF-8: byte 47"),
        (b'{"start": 1709985600, "labels": {"alertname": "\\ud83d"}}', "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_malformed_line_does_not_touch_its_neighbours(
    here: Path, record: Any, reason: str
) -> None:
    batch = lines(here, line(0, 1), record, line(1, 2))
    assert len(batch.alerts) == 2
    (found,) = batch.rejected.to_pylist()
    assert reason in found["reason"]
    assert (found["source"], found["place"]) == ("test", "a.jsonl:2")
    assert found["raw"]
    assert len(found["raw"]) < RAW_LIMIT + 50


def test_a_missing_end_is_not_malformed_and_a_little_skew_is_not_either(here: Path) -> None:
    soon = {"start": NOW.timestamp() + 299, "labels": {"alertname": "A"}}
    batch = lines(here, line(0), soon)
    assert [row["ends_at"] for row in rows(batch)] == [None, None]
    assert reasons(batch) == []


def test_odd_label_values_come_through_as_they_are(here: Path) -> None:
    odd = {"quote": 'a"b\\', "lines": "a\nb\u2028c\x00d", "emoji": "🔥", "html": "<b>&amp;</b>",
           "name with spaces": "x", "empty": ""}  # fmt: skip
    upserted = ingest_lines(here, line(0, 1, **odd))
    (labels,) = read_lake(here / "telemetry/lake").labels
    assert labels == {"alertname": "A", **{k: v for k, v in odd.items() if v}}
    assert upserted.quarantined == 0


def ingest_lines(here: Path, *records: Any, window: ReadWindow = EVER) -> Ingested:
    lines(here, *records)
    source = settings(**JSONL)
    return ingest(AiopsParams(telemetry=TelemetryParams(sources=[source])), source, window, here)


def test_ten_thousand_labels_on_one_alert(here: Path) -> None:
    ingest_lines(here, line(0, 1, **{f"label_{i}": "x" for i in range(10_000)}), line(0, 1))
    assert sorted(map(len, read_lake(here / "telemetry/lake").labels)) == [1, 10_001]


def test_a_hundred_thousand_alert_names_all_in_one_second(here: Path) -> None:
    csv = "name,from\n" + "".join(f"n{i},1709985600\n" for i in range(100_000))
    (here / "a.csv").write_text(csv)
    source = settings(kind="table", table="alerts", files=["a.csv"],
                      columns={"name": "name", "starts_at": "from"})  # fmt: skip
    done = ingest(AiopsParams(telemetry=TelemetryParams(sources=[source])), source, EVER, here)
    assert done.rows["alerts"] == 100_000
    assert done.days == {"alerts": ["2024-03-09"]}
    frame = read_lake(here / "telemetry/lake")
    assert len({labels["alertname"] for labels in frame.labels}) == 100_000
    assert len(set(frame.starts)) == 1


def test_duplicates_are_one_alert(here: Path) -> None:
    done = ingest_lines(here, line(0), line(0, 60), line(0, 60))
    assert done.rows["alerts"] == 3
    frame = read_lake(here / "telemetry/lake")
    assert (frame.ends - frame.starts).tolist() == [60_000_000]


def test_a_window_ingested_twice_changes_nothing_in_quarantine_either(here: Path) -> None:
    records = (line(0, 1), line(0, -1), b"{broken")
    first = ingest_lines(here, *records)
    assert (first.quarantined, first.new_in_quarantine) == (2, 2)
    assert sum(first.reasons.values()) == 2
    lake = here / "telemetry/lake"
    before, times = content(lake), [f.stat().st_mtime_ns for f in sorted(lake.rglob("*.parquet"))]
    again = ingest_lines(here, *records)
    assert (again.quarantined, again.new_in_quarantine, again.days) == (2, 0, {})
    assert content(lake) == before
    assert [f.stat().st_mtime_ns for f in sorted(lake.rglob("*.parquet"))] == times
    ingest_lines(here, b"another")
    assert pq.read_metadata(quarantine_file(lake, "test")).num_rows == 3


def test_windows_one_after_another_give_what_one_window_gives(here: Path) -> None:
    day = 86400
    records = [line(hour * 3600, 7200, n=str(hour)) for hour in range(0, 72, 5)]
    first = EVER.now.fromtimestamp(1709985600, EVER.now.tzinfo)
    for start in (2, 0, 1, 3):
        window = ReadWindow(first + timedelta(seconds=start * day),
                        first + timedelta(seconds=(start + 1) * day), NOW)  # fmt: skip
        ingest_lines(here, *records, window=window)
    windows = content(here / "telemetry/lake")
    (here / "whole").mkdir()
    ingest_lines(here / "whole", *records)
    assert content(here / "whole/telemetry/lake") == windows


def test_an_empty_window_writes_nothing(here: Path) -> None:
    early = ReadWindow(None, NOW.replace(year=2001), NOW)
    done = ingest_lines(here, line(0, 1), window=early)
    assert (done.rows["alerts"], done.days, done.quarantined) == (0, {}, 0)
    assert content(here / "telemetry/lake") == {}


def test_an_unknown_source_names_the_known_ones() -> None:
    with pytest.raises(SignalboxError, match=r"has no 'x'; there are \['airflow'\]"):
        chosen(TelemetryParams(), ["x"])
