"""From rows in any state to even series."""

import numpy as np
import pyarrow as pa

from pipelines.aiops.metrics import detect
from pipelines.aiops.metrics.grid import (
    MOST_COLUMNS,
    grids,
    looks_like_counter,
    rates,
    step_of,
)
from tests.unit.aiops.metrics.series import START, STEP, metrics, noise

SECOND = 1_000_000


def test_rates_start_again_after_a_reset() -> None:
    at = np.array([0, 10, 20, 40]) * SECOND
    times, found = rates(at, np.array([5.0, 25.0, 10.0, 30.0]))
    assert times.tolist() == [10 * SECOND, 20 * SECOND, 40 * SECOND]
    assert found.tolist() == [2.0, 1.0, 1.0]


def test_counters_are_told_from_gauges() -> None:
    grown = np.cumsum(np.abs(noise(1)[0]))
    assert looks_like_counter(grown)
    reset = grown.copy()
    reset[500:] -= reset[500]
    assert looks_like_counter(reset)
    assert not looks_like_counter(noise(1)[0])
    assert not looks_like_counter(np.abs(noise(1)[0]))
    assert not looks_like_counter(np.ones(500))
    sawtooth = np.arange(500) % 10 + 50.0
    assert not looks_like_counter(sawtooth)


def test_the_step_is_the_usual_one_and_bounded() -> None:
    at = np.arange(100) * 60 * SECOND
    at[50:] += 7000 * SECOND
    assert step_of(at) == 60 * SECOND
    far = np.append(at, 10**17)
    assert (far[-1] - far[0]) / step_of(far) <= MOST_COLUMNS


def test_unusable_values_are_gaps_and_of_two_at_one_time_the_larger_counts() -> None:
    values = noise(1, 1)
    values[0, [10, 20, 30]] = [np.nan, np.inf, -np.inf]
    table = metrics(values)
    twice = table.slice(40, 1).set_column(
        table.schema.get_field_index("value"), table.schema.field("value"), pa.array([99.0])
    )
    (grid,) = grids(pa.concat_tables([twice, table]), 10)
    assert np.flatnonzero(np.isnan(grid.values[0])).tolist() == [10, 20, 30]
    assert grid.values[0, 40] == 99.0
    assert grid.start_us == START
    assert grid.step_us == STEP


def test_series_of_other_steps_and_other_years_do_not_share_a_grid() -> None:
    minute, hours = metrics(noise(1, 1), step=60 * SECOND), metrics(noise(1, 1, 2), step=STEP)
    late = metrics(noise(1, 1, 3))
    at = late.schema.get_field_index("at")
    moved = pa.array(np.asarray(late["at"].cast("int64")) + 10 * 365 * 86_400 * SECOND)
    late = late.set_column(at, late.schema.field("at"), moved.cast(late.schema.field("at").type))
    tables = []
    for number, table in enumerate((minute, hours, late)):
        names = pa.array([f"{number}"] * len(table))
        tables.append(table.set_column(1, table.schema.field(1), names))
    found = list(grids(pa.concat_tables(tables), 10))
    assert [g.step_us for g in found] == [60 * SECOND, STEP, STEP]
    assert all(g.values.shape == (1, 288) for g in found)


def test_a_hundred_thousand_label_sets_are_bounded() -> None:
    many = 100_000
    table = metrics(noise(1, 1))
    rows = table.take(np.zeros(many, dtype=np.int64))
    names = pa.array([f"{n:x}" for n in range(many)])
    flood = rows.set_column(1, rows.schema.field(1), names)
    found = detect(pa.concat_tables([table, flood]))
    assert found.series == 1
    assert found.skipped == {"too few points": many}
