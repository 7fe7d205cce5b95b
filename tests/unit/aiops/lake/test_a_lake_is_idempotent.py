"""Whatever was ingested, in whatever order and how often: the lake is the same."""

import random
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.aiops.lake.contract import ALERTS, TICKETS
from pipelines.aiops.lake.days import files_between
from pipelines.aiops.lake.frame import NEVER, NO, UNKNOWN, YES
from pipelines.aiops.lake.read import read_lake
from pipelines.aiops.lake.store import locked, upsert
from pipelines.core.errors import SignalboxError
from tests.unit.aiops.lake.rows import alert, alerts, at, content, ticket, tickets

A, B = {"alertname": "A", "pod": "p"}, {"alertname": "B"}
DAY = 24 * 60


def rows_of(lake: Path) -> list[dict[str, Any]]:
    return [row for file in files_between(lake, ALERTS) for row in pq.read_table(file).to_pylist()]


def test_the_same_rows_again_leave_every_file_untouched(tmp_path: Path) -> None:
    rows = {"alerts": alerts(alert(A, 0), alert(B, DAY)), "tickets": tickets(ticket("T", 0))}
    first = upsert(tmp_path, rows)
    assert first.days["alerts"] == ["2024-03-09", "2024-03-10"]
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")}
    assert len(before) == 3
    assert upsert(tmp_path, rows).days == {"alerts": [], "tickets": []}
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*.parquet")} == before


def test_versions_of_one_alert_are_counted_as_one_record(tmp_path: Path) -> None:
    versions = [alert(A, 0), alert(A, 0, ends_at=at(5), updated_at=at(5)), alert(B, 0)]
    done = upsert(tmp_path, {"alerts": alerts(*versions)})
    assert (done.rows["alerts"], done.records["alerts"], len(rows_of(tmp_path))) == (3, 2, 2)


def test_a_late_record_lands_in_its_day_and_touches_no_other(tmp_path: Path) -> None:
    upsert(tmp_path, {"alerts": alerts(alert(A, 0), alert(A, DAY))})
    before = content(tmp_path)
    late = upsert(tmp_path, {"alerts": alerts(alert(B, 1, updated_at=at(5 * DAY)))})
    assert late.days["alerts"] == ["2024-03-09"]
    after = content(tmp_path)
    assert {path for path in after if after[path] != before[path]} == {
        "alerts/day=2024-03-09/rows.parquet"
    }


def test_what_is_known_stays_until_something_newer_is_known(tmp_path: Path) -> None:
    upsert(tmp_path, {"alerts": alerts(alert(A, 0, ends_at=at(5), acted=True, updated_at=at(5)))})
    upsert(tmp_path, {"alerts": alerts(alert(A, 0, updated_at=at(9), annotations=[("a", "new")]))})
    upsert(tmp_path, {"alerts": alerts(alert(A, 0, ends_at=at(3), updated_at=at(3)))})
    (row,) = rows_of(tmp_path)
    assert (row["ends_at"], row["acted"], row["updated_at"]) == (at(5), True, at(9))
    assert row["annotations"] == [("a", "new")]
    upsert(tmp_path, {"alerts": alerts(alert(A, 0, ends_at=at(7), updated_at=at(7)))})
    assert rows_of(tmp_path)[0]["ends_at"] == at(7)


VERSIONS = st.lists(
    st.builds(
        lambda labels, start, delay, end, acted, ticket_id, note: alert(
            labels, start, updated_at=at(start + delay), acted=acted, ticket_id=ticket_id,
            ends_at=None if end is None else at(start + end), annotations=[("note", note)],
        ),
        st.sampled_from([A, B]), st.sampled_from([0.0, DAY]), st.integers(0, 3),
        st.none() | st.integers(0, 2), st.none() | st.booleans(),
        st.none() | st.sampled_from(["T", "U"]), st.sampled_from(["x", "y"]),
    ),
    min_size=1, max_size=7,
)  # fmt: skip


@settings(max_examples=15, deadline=None)
@given(versions=VERSIONS, seed=st.integers(0, 1000), cut=st.integers(0, 7))
def test_any_order_and_any_split_give_the_same_lake(
    versions: list[dict[str, Any]], seed: int, cut: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        once, parts = Path(folder) / "once", Path(folder) / "parts"
        upsert(once, {"alerts": alerts(*versions)})
        shuffled = random.Random(seed).sample(versions, len(versions))
        for part in (shuffled[:cut], shuffled[cut:]):
            upsert(parts, {"alerts": alerts(*part)})
        assert content(once) == content(parts)


def test_a_ticket_that_was_opened_on_another_day_than_thought_moves(tmp_path: Path) -> None:
    upsert(tmp_path, {"tickets": tickets(ticket("T", 0), ticket("U", 0))})
    moved = upsert(tmp_path, {"tickets": tickets(ticket("T", DAY, updated_at=at(2 * DAY)))})
    assert moved.days["tickets"] == ["2024-03-09", "2024-03-10"]
    found = [
        pq.read_table(file)["ticket_id"].to_pylist() for file in files_between(tmp_path, TICKETS)
    ]
    assert found == [["U"], ["T"]]


def _write(lake: Path, number: int) -> None:
    for step in range(5):
        upsert(lake, {"alerts": alerts(alert({"alertname": f"W{number}"}, step))})


@pytest.mark.slow
def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        for done in [pool.submit(_write, tmp_path, number) for number in range(3)]:
            done.result()
    assert len(rows_of(tmp_path)) == 15


def test_a_writer_that_waits_too_long_says_so(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(SignalboxError, match="another writer holds"):
        upsert(tmp_path, {"alerts": alerts(alert(A, 0))}, wait_seconds=0.1)


def test_files_of_others_are_merged_in(tmp_path: Path) -> None:
    folder = tmp_path / "alerts/day=2024-03-09"
    folder.mkdir(parents=True)
    pq.write_table(alerts(alert(A, 0), alert(A, 0)), folder / "0.parquet")
    pq.write_table(alerts(alert(B, 0)), folder / "1.parquet")
    upsert(tmp_path, {"alerts": alerts(alert(B, 1))})
    assert [file.name for file in folder.iterdir()] == ["rows.parquet"]
    assert len(rows_of(tmp_path)) == 3


def test_rows_without_a_required_value_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match=r"alerts\.name: 1 rows lack it"):
        upsert(tmp_path, {"alerts": alerts(alert(A, 0, name=None))})
    with pytest.raises(SignalboxError, match="don't have the contract's columns"):
        upsert(tmp_path, {"alerts": tickets(ticket("T", 0))})


def test_a_lake_is_read_as_a_frame(tmp_path: Path) -> None:
    upsert(tmp_path, {
        "alerts": alerts(
            alert(A, 2, ends_at=at(3), acted=True, ticket_id="T"),
            alert(A, 0, ends_at=at(1), acted=False, ticket_id="R"), alert(B, DAY),
        ),
        "tickets": tickets(ticket("T", 0), ticket("R", 0, kind="request"), ticket("X", 0)),
    })  # fmt: skip
    frame = read_lake(tmp_path, ids=True)
    assert [frame.labels[code] for code in frame.series] == [A, A, B]
    assert frame.acted.tolist() == [NO, YES, UNKNOWN]
    assert (frame.tickets, frame.ticket.tolist()) == (["T"], [-1, 0, -1])
    assert frame.ends[2] == NEVER
    assert (frame.ends - frame.starts)[:2].tolist() == [60_000_000, 60_000_000]
    assert frame.ids is not None
    assert frame.ids[2] == alert(B, DAY)["alert_id"]
    types = [
        str(v.dtype) for v in (frame.series, frame.starts, frame.ends, frame.acted, frame.ticket)
    ]
    assert types == ["int32", "int64", "int64", "int8", "int32"]
    one_day = read_lake(tmp_path, date(2024, 3, 10), date(2024, 3, 10))
    assert len(one_day) == 1
    assert len(read_lake(tmp_path, date(2024, 4, 1), None)) == 0
