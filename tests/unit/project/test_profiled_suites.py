"""The suite that ``init`` profiles: next month's rows pass, another source's don't."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.expectations import run_suite
from pipelines.core.tables import ROW
from pipelines.project.forms import Said
from pipelines.project.model_files import allowed_share, suite, tolerance, widened
from tests.unit.project.test_what_a_table_says import found, people


def month(seed: int, rows: int = 600) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    income = draw.lognormal(7, 0.6, rows).round(2)
    return pd.DataFrame({
        "customer_id": [f"{seed}-{i}" for i in range(rows)],
        "income": np.where(draw.random(rows) < 0.1, np.nan, income),
        "visits": draw.poisson(3, rows),
        "town": draw.choice(["a", "b", "c", "d"], rows, p=[0.6, 0.3, 0.095, 0.005]),
        "churned": draw.choice([0, 1], rows),
    })  # fmt: skip


def broken(first: pd.DataFrame, later: pd.DataFrame, folder: Path) -> list[str]:
    """Rules that stop the run, and share of rows in quarantine if it is much."""
    path = folder / "profiled.json"
    path.write_text(suite(found(first, folder), "profiled"))
    frame = found(later, folder).frame
    results = run_suite(frame, path).results
    rows = {row for result in results if result.action == "quarantine" for row in result.rows}
    stops = [result.rule for result in results if result.action == "stop" and not result.kept]
    return stops + (["quarantine"] if len(rows) > 0.02 * len(frame) else [])


@pytest.mark.parametrize("seed", range(2, 8))
def test_next_months_rows_pass(tmp_path: Path, seed: int) -> None:
    assert broken(month(1), month(seed), tmp_path) == []


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda frame: frame.head(100), "half to ten times"),
        (lambda frame: frame.assign(income=frame["income"] * 100), "quarantine"),
        (
            lambda frame: frame.assign(income=np.nan, visits=frame["visits"] + 0.5),
            "income is there",
        ),
        (lambda frame: frame.assign(town=frame["town"] + "-2"), "town has mostly known"),
        (lambda frame: frame.assign(visits=frame["visits"] + 6), "mean of visits"),
        (lambda frame: frame.drop(columns="town"), "every column is there"),
    ],
)
def test_another_source_is_noticed(tmp_path: Path, change: object, rule: str) -> None:
    later = change(month(2))  # type: ignore[operator]
    if "town" not in later:
        path = tmp_path / "profiled.json"
        path.write_text(suite(found(month(1), tmp_path), "profiled"))
        later[ROW] = range(len(later))
        document = json.loads(path.read_text())
        document["expectations"] = document["expectations"][:2]
        path.write_text(json.dumps(document))
        assert any(rule in r.rule and not r.kept for r in run_suite(later, path).results)
        return
    assert any(rule in name for name in broken(month(1), later, tmp_path))


def test_no_single_persons_value_stands_in_the_suite(tmp_path: Path) -> None:
    frame = people().assign(village=["rare" if i == 7 else "usual" for i in range(300)])
    frame.loc[5, "charge"] = 321.123
    text = suite(found(frame, tmp_path), "x")
    assert "rare" not in text
    assert "321.12" not in text


def test_rules_name_what_a_target_may_be(tmp_path: Path) -> None:
    table = found(people().assign(churned=np.resize(["a", "b", "c"], 300)), tmp_path,
                  Said(target="churned", positive="b"))  # fmt: skip
    rules = json.loads(suite(table, "x"))["expectations"]
    (values,) = [rule["kwargs"]["value_set"] for rule in rules
                 if rule["kwargs"].get("column") == "churned"]  # fmt: skip
    assert values == ["b", "not b"]


finite = st.floats(-1e9, 1e9)


@given(finite, finite)
def test_a_widened_range_holds_the_range_and_keeps_its_sign(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    down, up = widened(low, high)
    assert down <= low
    assert up >= high
    assert down >= 0 or low < 0
    assert up <= 0 or high > 0 or low == high == 0


@given(st.integers(1, 10_000), st.data())
def test_the_allowed_share_is_above_the_one_seen(rows: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, rows))
    assert count / rows <= allowed_share(count, rows) <= 1
    assert allowed_share(count, rows) >= min(1, count / rows + 0.05)


def test_few_subjects_with_many_rows_get_a_wider_split(tmp_path: Path) -> None:
    frame = people(1200)
    even = tolerance(found(frame, tmp_path))
    frame["customer_id"] = [f"C{i % 40}" for i in range(1200)]
    uneven = tolerance(found(frame, tmp_path, Said(target="churned", subject_key="customer_id")))
    assert 0.02 <= even < uneven
