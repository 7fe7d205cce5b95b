"""Maps don't depend on the order of spans, and those of disjoint times add up to the whole."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.aiops.lake.store import upsert
from pipelines.aiops.service_map.build import MapSettings, build_lake_map, build_map, merge_maps
from pipelines.aiops.service_map.model import ANY, ServiceMap, as_data, read_map, write_map
from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file
from tests.unit.aiops.service_map.spans import NOON_US, SECOND, built, request, span, spans

MINUTE = MapSettings(window_seconds=60)
FEW = settings(
    max_examples=6, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
KINDS = ["internal", "server", "client", "producer", "consumer"]
PEERS = [{}, {"db.system": "redis"}, {"messaging.system": "kafka", "messaging.destination": "t"},
         {"server.address": "a"}, {"peer.service": "elsewhere"}]  # fmt: skip


@st.composite
def traces(draw: st.DrawFn) -> list[list[dict[str, Any]]]:
    """Traces of any form: parents in circles, missing parents, links anywhere, odd durations."""
    found = []
    for number in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, 170))
        found.append([
            span(
                draw(st.sampled_from("abc")), str(i), draw(st.sampled_from([None, *"012345"])),
                trace_id=f"t{number}", at=at + draw(st.integers(0, 9)) / 10,
                kind=draw(st.sampled_from(KINDS)), status=draw(st.sampled_from(["ok", "error"])),
                duration_us=draw(st.sampled_from([None, -1, 0, 500, 70_000])),
                attributes=draw(st.sampled_from(PEERS)),
                links=draw(st.sampled_from([[], ["t0:1"], ["t1:2", "t0:0"]])),
            )
            for i in range(draw(st.integers(1, 5)))
        ])  # fmt: skip
    return found


def content(found: ServiceMap) -> tuple[Any, Any]:
    return as_data(found), found.windows.to_pylist()


@FEW
@given(traces(), st.randoms(use_true_random=False))
def test_the_order_of_spans_changes_nothing(
    drawn: list[list[dict[str, Any]]], chance: random.Random
) -> None:
    rows = [row for trace in drawn for row in trace]
    shuffled = chance.sample(rows, len(rows))
    assert content(build_map(spans(*rows), settings=MINUTE)) == content(
        build_map(spans(*shuffled), settings=MINUTE)
    )


@pytest.mark.slow
@FEW
@given(traces())
def test_maps_of_disjoint_times_add_up_to_the_whole(drawn: list[list[dict[str, Any]]]) -> None:
    rows = spans(*[row for trace in drawn for row in trace])
    bounds = [NOON_US + i * 60 * SECOND for i in range(4)]
    whole = build_map(rows, bounds[0], bounds[-1], MINUTE)
    parts = [build_map(rows, a, b, MINUTE) for a, b in pairwise(bounds)]
    merged = merge_maps(parts, MINUTE)
    assert merged.windows.to_pylist() == whole.windows.to_pylist()
    assert merged.shapes == whole.shapes
    assert merged.missing == whole.missing
    assert merged.counts["missing_parents"] == whole.counts["missing_parents"]
    assert merged.counts["spans"] == whole.counts["spans"]


@FEW
@given(traces())
def test_what_a_node_receives_is_at_least_what_edges_bring(
    drawn: list[list[dict[str, Any]]],
) -> None:
    found = build_map(spans(*[row for trace in drawn for row in trace]))
    for node in found.nodes:
        incoming = sum(edge.n for (_, target), edge in found.edges.items() if target == node.id)
        assert found.received(node.id).n >= incoming
    for key, traffic in found.totals.items():
        assert 0 <= traffic.errors <= traffic.n, key
        assert traffic.timed <= traffic.n


def test_a_map_is_written_and_read_and_equal_maps_have_equal_bytes(tmp_path: Path) -> None:
    rows = [row for i in range(5) for row in request(f"t{i}", i)]
    found = built(*rows)
    write_map(found, tmp_path / "a")
    write_map(built(*reversed(rows)), tmp_path / "b")
    read = read_map(tmp_path / "a")
    assert content(read) == content(found)
    assert read.shapes == found.shapes
    for file in (tmp_path / "a").iterdir():
        assert sha256_file(file) == sha256_file(tmp_path / "b" / file.name)


def test_files_and_tables_give_the_same_map(tmp_path: Path) -> None:
    rows = [request(f"t{i}", i) for i in range(4)]
    files = [tmp_path / f"it's {i}.parquet" for i in range(2)]
    for file, part in zip(files, (rows[:2], rows[2:]), strict=True):
        pq.write_table(spans(*[row for trace in part for row in trace]), file)
    table = spans(*[row for trace in rows for row in trace])
    assert content(build_map(files)) == content(build_map(table))


def test_hours_built_one_by_one_from_a_lake_are_the_day_built_at_once(tmp_path: Path) -> None:
    hour = 3600
    rows = [row for i in range(9) for row in request(f"t{i}", i * 0.5 * hour + 11.9 * hour - 1)]
    upsert(tmp_path, {"spans": spans(*rows)})
    start = NOON_US + 11 * hour * SECOND
    whole = build_lake_map(tmp_path, start, start + 6 * hour * SECOND)
    parts = [
        build_lake_map(tmp_path, start + i * hour * SECOND, start + (i + 1) * hour * SECOND)
        for i in range(6)
    ]
    assert len(list(tmp_path.glob("spans/day=*"))) == 2
    assert content(merge_maps(parts))[1] == content(whole)[1]


def test_a_file_that_is_no_spans_is_an_error_that_names_its_folder(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(SignalboxError, match="not readable spans"):
        build_map([tmp_path / "x.parquet"])


def test_maps_with_other_windows_are_not_merged() -> None:
    with pytest.raises(SignalboxError, match="build them alike"):
        merge_maps([built(window_seconds=60), built(window_seconds=300)])


def test_rare_shapes_are_left_out_and_counted() -> None:
    rows = [row for i in range(3) for row in request(f"t{i}", i)]
    found = built(*rows, span("alone", "1", trace_id="t9"), max_shapes=1)
    assert list(found.shapes.values()) == [3]
    assert found.counts["shapes_left_out"] == 1
    assert (ANY, "shop") in next(iter(found.shapes)) or ("web", "shop") in next(iter(found.shapes))
