"""Stage alert_history: a window of the lake, held against its expectations, sorted, counted."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.aiops.alert_history import main
from pipelines.aiops.lake.batch import Collector, ReadWindow
from pipelines.aiops.lake.contract import ALERTS, CHANGES
from pipelines.aiops.lake.days import day_folder
from pipelines.aiops.lake.feedback import Answer, add
from pipelines.aiops.lake.read import read_history
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import AlertHistoryParams
from pipelines.aiops.params.artifacts import HISTORY, HISTORY_QUARANTINE
from pipelines.aiops.sources.ingest import quarantine
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, read_evidence
from pipelines.core.files import sha256_path
from tests.conftest import ROOT
from tests.unit.aiops.lake.rows import alert, alerts, at, changes, ticket, tickets

A, B = {"alertname": "A", "pod": "p"}, {"alertname": "B"}
DAY = 24 * 60
LAKE = Path("lake")


@pytest.fixture
def project(here: Path) -> Path:
    shutil.copytree(ROOT / "expectations", here / "expectations")
    change = dict.fromkeys(CHANGES.schema.names)
    change |= {
        "change_id": "c",
        "source": "test",
        "at": at(0),
        "updated_at": at(0),
        "kind": "other",
    }
    upsert(LAKE, {
        "alerts": alerts(
            alert(A, 0, ends_at=at(1), acted=True, ticket_id="T"), alert(B, 0, acted=False),
            alert(A, 2 * DAY, ends_at=at(2 * DAY + 1)), alert(B, 3 * DAY),
        ),
        "tickets": tickets(ticket("T", 5 * DAY), ticket("late", 6 * DAY), ticket("X", 0)),
        "changes": changes(change),
    })  # fmt: skip
    return here


def run(**keys: Any) -> Evidence:
    main(AiopsParams(alert_history=AlertHistoryParams(lake=LAKE.as_posix(), **keys)))
    return read_evidence(evidence_of("alert_history"))


def value(evidence: Evidence, name: str) -> float | None:
    figure = evidence.figure(f"alert_history.{name}")
    assert figure is not None
    return figure.value


def test_all_complete_days_are_frozen_sorted_and_counted(project: Path) -> None:
    evidence = run()
    frame = read_history(HISTORY, ids=True)
    assert len(frame) == 4
    assert frame.starts.tolist() == sorted(frame.starts.tolist())
    assert (frame.tickets, frame.ticket.tolist().count(0)) == (["T"], 1)
    assert evidence.details["days_missing"] == ["2024-03-10"]
    assert [value(evidence, name) for name in (
        "alerts", "series", "days_covered", "days_missing", "acted_known_share", "incidents",
        "incidents_linked_share", "quarantined_share",
    )] == [4, 2, 3, 1, 0.5, 2, 0.5, 0]  # fmt: skip
    # A ticket opened after the window counts if an alert of the window names it.
    assert pq.read_table(HISTORY / "tickets.parquet")["ticket_id"].to_pylist() == ["X", "T"]
    assert len(pq.read_table(HISTORY / "changes.parquet")) == 1
    assert pq.read_schema(HISTORY / "alerts.parquet").equals(ALERTS.schema)


def test_a_window_of_days_until_a_day(project: Path) -> None:
    evidence = run(days=2, until="2024-03-11")
    assert evidence.details["window"] == {"first": "2024-03-10", "last": "2024-03-11"}
    assert value(evidence, "alerts") == 1


def test_a_day_that_is_not_over_is_left_out(project: Path) -> None:
    shutil.rmtree(LAKE / "tickets")
    assert run().details["window"]["last"] == "2024-03-11"


def test_the_same_lake_gives_the_same_bytes_whoever_wrote_it(project: Path) -> None:
    run()
    first = sha256_path(HISTORY)
    for path in sorted((LAKE / "alerts").rglob("*.parquet")):
        rows = pq.read_table(path).select(ALERTS.schema.names)
        path.unlink()
        pq.write_table(pa.concat_tables([rows.slice(i, 1) for i in reversed(range(len(rows)))]),
                       path.with_name("a.parquet"))  # fmt: skip
        pq.write_table(rows.slice(0, 1), path.with_name("twice.parquet"))
    run()
    assert sha256_path(HISTORY) == first


def test_rows_that_break_a_rule_are_in_quarantine_beside_what_sources_could_not_read(
    project: Path,
) -> None:
    # Written by another program than ours, so never checked.
    bad = alerts(alert(A, 5, ends_at=at(1)), alert({"alertname": "C"}, 5, name="D"))
    pq.write_table(bad, day_folder(LAKE, ALERTS, at(0).date()) / "other.parquet")
    unread = Collector("test", ReadWindow(None, None, at(0)))
    unread.reject("file:1", "not JSON", "{", None)
    unread.reject("file:2", "too old", "{}", at(-30 * DAY))
    quarantine(LAKE, "test", unread.batch().rejected)
    evidence = run(max_quarantined_share=0.9)
    rows = pq.read_table(HISTORY_QUARANTINE).to_pylist()
    assert sorted(row["place"] for row in rows) == ["alerts", "alerts", "file:1"]
    assert any("does not end before it starts" in row["reason"] for row in rows)
    assert len(read_history(HISTORY)) == 4
    assert value(evidence, "quarantined_share") == round(3 / 10, 9)
    broken = {r["rule"]: r["broken_rows"] for r in evidence.details["rules"]["alerts"]}
    assert broken["does not end before it starts"] == broken["name is label alertname"] == 1
    with pytest.raises(SignalboxError, match="max_quarantined_share"):
        run(max_quarantined_share=0.1)


def test_errors_say_what_to_do(project: Path) -> None:
    with pytest.raises(SignalboxError, match="no alerts from 2025-01-01 to 2025-01-02"):
        run(days=2, until="2025-01-02")
    upsert(LAKE, {"tickets": tickets(ticket("odd", 0, kind="problem"))})
    with pytest.raises(SignalboxError, match=r"telemetry_tickets.json: lake/tickets breaks kind"):
        run()
    shutil.rmtree(LAKE)
    with pytest.raises(SignalboxError, match="has no alerts; run signalbox ingest"):
        run()
    with pytest.raises(SignalboxError, match="run the stage alert_history"):
        read_history(Path("nowhere"))


def test_what_people_say_is_frozen_and_becomes_a_figure(project: Path) -> None:
    silent = run()
    assert value(silent, "judged_right") is None
    before = sha256_path(HISTORY)
    for by, verdict in (("ann.kim", "right"), ("bob", "noise"), ("cy", "right")):
        add(LAKE, Answer(at=at(0), by=by, about="finding", subject="f", verdict=verdict))
    assert value(run(), "judged_right") == 1.0
    assert sha256_path(HISTORY) != before
    assert "ann.kim" not in (HISTORY / "feedback.json").read_text()
