import os
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.mlops.data.drift import PAGE_COLUMNS, Comparison, compare
from pipelines.mlops.drift import MAX_BYTES, _details, _figures, page, title_of
from pipelines.release.released import NOTHING_RELEASED

TITLES = ("Old against new", "old", "new")


def _compare(reference, current, data, drift) -> Comparison:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return compare((reference, current), TITLES, data, drift)[0]


def _columns(comparison: Comparison) -> dict:
    return {column.column: column for column in comparison.columns}


def test_a_table_does_not_drift_from_itself(table, data, drift) -> None:
    found = _compare(table(), table(), data, drift)
    assert [column.distance for column in found.columns] == pytest.approx([0] * 4, abs=1e-9)
    assert found.share() == 0


def test_distances_are_those_of_their_definitions(table, data, drift) -> None:
    from scipy.spatial.distance import jensenshannon
    from scipy.stats import wasserstein_distance

    old, new = table(), table(400, 1)
    new["amount"] += 1
    new["y"] = np.where(np.arange(400) < 300, "yes", new["y"])
    found = _columns(_compare(old, new, data, drift))
    expected = wasserstein_distance(old["amount"], new["amount"]) / np.std(old["amount"])
    assert found["amount"].distance == pytest.approx(expected, rel=1e-6)
    shares = [frame["y"].value_counts(normalize=True).sort_index() for frame in (old, new)]
    assert found["y"].distance == pytest.approx(jensenshannon(*shares), rel=1e-6)
    assert found["amount"].drifted
    assert found["y"].drifted
    assert found["y"].role == "target"
    assert not found["sex"].drifted


def test_empty_and_constant_columns_are_handled(table, data, drift) -> None:
    old, new = table(), table(400, 1)
    for frame in (old, new):
        frame["constant"] = 1.0
        frame["same"] = "x"
        frame["empty"] = np.nan
    new["amount"] = np.nan
    found = _columns(_compare(old, new, data, drift))
    assert not found["constant"].drifted
    assert not found["same"].drifted
    assert not found["empty"].drifted
    assert found["empty"].problem == "no value in either table"
    assert found["amount"].drifted
    assert found["amount"].distance is None


def test_more_missing_numbers_are_drift(table, data, drift) -> None:
    new = table(500)
    new.loc[new.index[::2], "amount"] = np.nan
    column = _columns(_compare(table(500), new, data, drift))["amount"]
    assert column.missing_current == 0.5
    assert column.drifted


def test_a_missing_target_is_compared_like_a_value(table, data, drift) -> None:
    new = table(500)
    new.loc[new.index[:250], "y"] = None
    assert _columns(_compare(table(500), new, data, drift))["y"].drifted


def test_nothing_to_compare_gives_a_page_that_says_so(table, data, drift) -> None:
    columns = ["amount", "subject_id", "row_id"]
    new = table()[columns].assign(amount=np.nan)
    comparison, snapshot = compare((table()[columns], new), TITLES, data, drift)
    assert snapshot is None
    assert comparison.share() == 1
    assert "nothing to compare" in page({})


def test_figures_without_a_release_say_so(table, data, drift) -> None:
    found = _compare(table(), table(400, 1), data, drift)
    figures = {figure.id: figure for figure in _figures([found], NOTHING_RELEASED)}
    assert figures["drift.drifted_share"].value == found.share()
    assert figures["drift.released_drifted_share"].missing == NOTHING_RELEASED
    assert figures["drift.largest_distance"].where["column"] in _columns(found)
    details = _details([found], None, NOTHING_RELEASED).model_dump(mode="json")
    assert details["released"] == {"name": None, "reason": NOTHING_RELEASED}
    assert details["comparisons"][0]["columns"][0]["drifted"] in (True, False)


SCRIPT = """
import hashlib
from tests.unit.mlops.drift.conftest import DATA, make_table
from pipelines.core.params import DataParams
from pipelines.core.params import DriftParams
from pipelines.mlops.data.drift import compare
from pipelines.mlops.drift import page
data = DataParams.model_validate(DATA)
drift = DriftParams(column_threshold=0.1, max_rows=300)
old, new = make_table(), make_table(400, 1)
new["colour"] = [f"v{i % 70}" for i in range(400)]
comparison, snapshot = compare((old, new), ("a", "b", "c"), data, drift)
html = page({"one": snapshot, "two": snapshot})
print(comparison, len(html), hashlib.sha256(html.encode()).hexdigest())
"""


@pytest.mark.slow
def test_two_processes_make_the_same_page_in_silence() -> None:
    made = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        )
        for seed in ("1", "2")
    ]
    assert made[0].stdout == made[1].stdout
    assert [run.stderr for run in made] == ["", ""]


def test_the_page_is_small_needs_no_network_and_values_cannot_end_its_script(
    table, data, drift
) -> None:
    new = table()
    new["colour"] = "</script><script>alert(1)</script>"
    comparison, snapshot = compare((new, new), TITLES, data, drift)
    html = page({comparison.title: snapshot})
    assert len(html.encode()) < MAX_BYTES
    assert "</script><script>alert(1)" not in html
    for needle in ('src="http', "src='http", "<link"):
        assert needle not in html


@pytest.fixture(scope="module")
def wide() -> Any:
    """Return a table with many columns, of which the last ones move most."""

    def make(seed: int, columns: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        numbers = {f"n{i:03}": rng.normal(seed * i / 100, 1, 300) for i in range(columns // 2)}
        texts = {
            f"t{i:03}": rng.choice([f"v{k}" for k in range(8)], 300) for i in range(columns // 2)
        }
        named = {"subject_id": [f"s{i}" for i in range(300)], "row_id": range(300)}
        made = pd.DataFrame({**numbers, **texts, **named})
        return made.astype(dict.fromkeys([*texts, "subject_id"], "str"))

    return make


def test_a_page_shows_the_columns_that_lie_farthest_apart_and_says_how_many(
    wide, data, drift
) -> None:
    comparison, snapshot = compare((wide(1, 60), wide(2, 60)), TITLES, data, drift, drawn=4)
    assert len(comparison.columns) == 60  # all of them are in the evidence
    html = page({title_of(comparison, 4, 1): snapshot})
    farthest = sorted(comparison.columns, key=lambda c: -(c.distance or 0.0))
    assert [c.column in html for c in farthest[:8]] == [True] * 4 + [False] * 4
    assert "the 4 of 60 columns that lie farthest apart" in html


@pytest.mark.slow
def test_a_page_of_many_columns_and_two_comparisons_stays_small(wide, data, drift) -> None:
    tables = (wide(1, 90), wide(2, 90))
    most = PAGE_COLUMNS // 2
    made = [compare(tables, (title, "a", "b"), data, drift, drawn=most) for title in ("one", "two")]
    html = page({c.title: snapshot for c, snapshot in made})
    assert len(html.encode()) < MAX_BYTES
    assert [len(c.columns) for c, _ in made] == [90, 90]


def test_evidently_is_told_not_to_track(table, data, drift) -> None:
    _compare(table(), table(), data, drift)
    from evidently.telemetry import DO_NOT_TRACK_ENV

    assert os.environ[DO_NOT_TRACK_ENV] == "1"


@pytest.mark.parametrize(
    ("shift", "scale"),
    [(0, 1e300), (0, 1e-300), (0, 1e-6), (2.0**60, 2.0**8), (1e12, 1e-2), (-(2.0**62), 2.0**10)],
)
def test_the_distance_depends_on_neither_place_nor_unit_of_a_column(
    table, data, drift, shift: float, scale: float
) -> None:
    from scipy.stats import wasserstein_distance

    old, new = table(), table(400, 1)
    new["amount"] += 1
    # What is compared is what the large numbers still hold: float64 has 53 bits.
    tables = [frame.assign(amount=frame["amount"] * scale + shift) for frame in (old, new)]
    plain = [(frame["amount"] - shift) / scale for frame in tables]
    expected = wasserstein_distance(*plain) / np.std(plain[0])
    found = _columns(_compare(*tables, data, drift))["amount"]
    assert found.distance == pytest.approx(expected, rel=1e-6)
    assert found.drifted
