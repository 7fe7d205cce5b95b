"""Metrics are judged in parts; what is found doesn't depend on them."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipelines.aiops import metric_anomalies
from pipelines.aiops import metric_anomalies as metric_partitions
from pipelines.aiops.lake.findings import read_findings
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.lake.window import Window
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import METRIC_ANOMALIES
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.errors import SignalboxError
from pipelines.core.runtime import RuntimeParams
from tests.support.aiops_world import CULPRIT, HIT, STEP, World, metrics
from tests.unit.aiops.conftest import WORLD

WINDOW = Window(WORLD.at(0), WORLD.at(24))


def with_parts(params: AiopsParams, parts: int, **more: Any) -> AiopsParams:
    metric = params.metric_anomalies.model_copy(update=more)
    changed = params.model_copy(update={"metric_anomalies": metric})
    return changed.on(RuntimeParams(partitions=parts))


def column(table: pa.Table, name: str, values: Any) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, name, pa.array(values).cast(table.schema.field(name).type))


def odd_lake(folder: Path) -> Path:
    """A lake with a series that starts today, one that ended, gaps, NaN and infinite values."""
    world = World(days=4)
    rows = metrics(world)
    at = np.asarray(rows["at"].cast("int64"))
    values = rows["value"].to_numpy().copy()
    service = np.array([dict(one)["service"] for one in rows["labels"].to_pylist()])
    keep = ~((service == "mail") & (at < world.last_day_us))
    keep &= ~((service == "cart") & (at > world.last_day_us + 50 * STEP))
    values[::97], values[1::97], values[2::97] = np.nan, np.inf, -np.inf
    rows = column(rows, "value", values).filter(pa.array(keep))
    order = np.random.default_rng(1).permutation(len(rows))
    upsert(folder, {"metrics": rows.take(order)})
    return folder


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return odd_lake(tmp_path_factory.mktemp("odd"))


def test_the_fault_is_found_and_plotted(params: AiopsParams, tmp_path: Path) -> None:
    path = metric_anomalies.run(params, WINDOW, tmp_path)
    file = read_findings(path)
    assert {one.service for one in file.findings} == set(HIT)
    begin, end = WORLD.fault_us
    assert {one.start_us for one in file.findings} <= set(range(begin, end, STEP))
    assert file.counts["series"] == 30
    assert file.counts["points"] == 30 * 288
    assert set(file.plots) == {one.id for one in file.findings}
    cpu = next(one for one in file.findings if "cpu" in one.labels["__name__"])
    assert cpu.service == CULPRIT
    plot = file.plots[cpu.id]
    place = (cpu.start_us - plot.start_us) // plot.step_us
    assert plot.values[place] > plot.high
    assert all(value < plot.high * 1.5 for value in plot.values[: place - 1])


def test_evidence_counts_what_was_looked_at(params: AiopsParams, tmp_path: Path) -> None:
    metric_anomalies.run(params, WINDOW, tmp_path)
    evidence = json.loads((tmp_path / evidence_of("metric_anomalies")).read_text())
    values = json.loads((tmp_path / metrics_of("metric_anomalies")).read_text())
    assert values["series"] == 30
    assert values == {one["id"].split(".")[1]: one["value"] for one in evidence["figures"]}
    assert METRIC_ANOMALIES.as_posix() in evidence["inputs"]


@pytest.mark.parametrize("parts", [2, 8, 50])
def test_findings_do_not_depend_on_the_number_of_parts(
    params: AiopsParams, odd: Path, tmp_path: Path, parts: int
) -> None:
    at = params.analysis.model_copy(update={"lake": str(odd)})
    params = params.model_copy(update={"analysis": at})
    one = metric_anomalies.run(with_parts(params, 1), WINDOW, tmp_path / "one")
    many = metric_anomalies.run(with_parts(params, parts), WINDOW, tmp_path / "many")
    assert one.read_bytes() == many.read_bytes()
    kinds = {(one.kind, one.service) for one in read_findings(one).findings}
    assert ("missing_data", "cart") in kinds


def test_a_small_memory_of_rows_changes_nothing(
    params: AiopsParams, odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = params.analysis.model_copy(update={"lake": str(odd)})
    params = params.model_copy(update={"analysis": at})
    whole = metric_anomalies.run(params, WINDOW, tmp_path / "whole")
    monkeypatch.setattr(metric_partitions, "TOGETHER", 2000)
    assert (
        metric_anomalies.run(params, WINDOW, tmp_path / "bits").read_bytes() == whole.read_bytes()
    )


def test_parts_may_run_in_any_order_and_twice(params: AiopsParams, tmp_path: Path) -> None:
    whole = metric_anomalies.run(params, WINDOW, tmp_path / "whole")
    place = tmp_path / "place"
    keys = metric_anomalies.partitions_of(params, WINDOW)
    assert keys == metric_anomalies.partitions_of(params, WINDOW)
    assert 1 < len(keys) <= 3
    for key in [*reversed(keys), keys[0]]:
        metric_anomalies.run_partition(params, WINDOW, place, key)
    assert metric_anomalies.join(params, WINDOW, place).read_bytes() == whole.read_bytes()
    assert not (place / metric_partitions.PARTITIONS).exists()


def test_a_part_that_is_missing_is_named(params: AiopsParams, tmp_path: Path) -> None:
    keys = metric_anomalies.partitions_of(params, WINDOW)
    metric_anomalies.run_partition(params, WINDOW, tmp_path, keys[0])
    with pytest.raises(SignalboxError, match=rf"metrics-{keys[1]}\.json: no such file"):
        metric_anomalies.join(params, WINDOW, tmp_path)


def test_a_part_of_another_window_is_refused(params: AiopsParams, tmp_path: Path) -> None:
    day = WINDOW.moved(-timedelta(days=1))
    for key in metric_anomalies.partitions_of(params, day):
        metric_anomalies.run_partition(params, day, tmp_path, key)
    with pytest.raises(SignalboxError, match="not a partition of"):
        metric_anomalies.join(params, WINDOW, tmp_path)


def test_a_key_of_another_number_of_parts_is_refused(params: AiopsParams, tmp_path: Path) -> None:
    with pytest.raises(
        SignalboxError,
        match=r"'1of9' is no partition of 3 \(release\.yaml: runtime\.partitions\)",
    ):
        metric_anomalies.run_partition(params, WINDOW, tmp_path, "1of9")


@pytest.mark.parametrize("parts", [1, 4])
def test_the_limit_on_series_holds_over_the_run(
    params: AiopsParams, tmp_path: Path, parts: int
) -> None:
    few = with_parts(params, parts, max_series=7)
    file = read_findings(metric_anomalies.run(few, WINDOW, tmp_path))
    assert file.counts["series"] == 7
    assert file.counts["skipped"] == {"more series than the limit": 23}


def test_plots_are_bounded_and_of_the_rarest(params: AiopsParams, tmp_path: Path) -> None:
    few = with_parts(params, 1, max_plots=2)
    file = read_findings(metric_anomalies.run(few, WINDOW, tmp_path))
    rarest = sorted(file.findings, key=lambda one: -one.score)[:2]
    assert set(file.plots) == {one.id for one in rarest}


def test_a_window_without_metrics_is_a_normal_end(params: AiopsParams, tmp_path: Path) -> None:
    empty = WINDOW.moved(timedelta(days=365))
    assert metric_anomalies.partitions_of(params, empty) == []
    file = read_findings(metric_anomalies.join(params, empty, tmp_path))
    assert file.findings == []
    assert file.counts["skipped"] == {"no metrics in the window or the days before it": 1}


def test_files_that_are_no_metrics_are_named(params: AiopsParams, tmp_path: Path) -> None:
    folder = tmp_path / "lake" / "metrics" / f"day={WINDOW.start.date()}"
    folder.mkdir(parents=True)
    (folder / "rows.parquet").write_bytes(b"nothing")
    at = params.analysis.model_copy(update={"lake": str(tmp_path / "lake")})
    with pytest.raises(SignalboxError, match="lake/metrics: not readable metrics"):
        metric_anomalies.run(params.model_copy(update={"analysis": at}), WINDOW, tmp_path)
