"""Columns that give the target away are found before training, innocent ones are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.core.artifacts import INGESTED
from pipelines.core.tables import ROW, SUBJECT
from pipelines.mlops.data.evidence import ColumnCheck
from pipelines.mlops.data.leaks import check_columns
from pipelines.core.params import Params
from pipelines.mlops.validate import describe, warnings
from pipelines.release.gating import judge, sentence
from tests.conftest import data_params

ROWS = 1200
LEAK_AUC = 0.98


def table(seed: int = 0, **columns: object) -> pd.DataFrame:
    """A third of the rows is positive; column ``clue`` has an area under the curve of 0.9."""
    rng = np.random.default_rng(seed)
    y = rng.random(ROWS) < 1 / 3
    frame = pd.DataFrame({"clue": rng.normal(size=ROWS) + 1.81 * y, "label": y})
    frame["label"] = frame["label"].map({True: "yes", False: "no"}).astype("str")
    for name, make in columns.items():
        frame[name] = make(y, rng) if callable(make) else make
    frame[SUBJECT] = [f"s{i}" for i in range(ROWS)]
    frame[ROW] = range(ROWS)
    return frame


def found(frame: pd.DataFrame, **data: object) -> dict[str, ColumnCheck]:
    params = data_params(**{"subject_key": None, "sensitive": {}, **data})
    return {check.name: check for check in check_columns(frame, params, LEAK_AUC)}


def test_a_column_computed_from_the_target_decides_it() -> None:
    leak = found(table(leak=lambda y, rng: 7 + 2 * y))["leak"]
    assert leak.decides_target
    assert leak.roc_auc == leak.balanced_accuracy == 1.0


def test_the_unnamed_index_of_a_sorted_file_decides_the_target_and_numbers_the_rows() -> None:
    frame = table().sort_values("label").reset_index(drop=True)
    frame["Unnamed: 0"] = range(ROWS)
    frame[ROW] = range(ROWS)
    index = found(frame)["Unnamed: 0"]
    assert index.decides_target
    assert index.names_rows
    assert index.distinct_share == 1.0


def test_an_index_of_two_sorted_parts_decides_the_target_too() -> None:
    parts = [table(seed).sort_values("label") for seed in (1, 2)]
    frame = pd.concat(parts, ignore_index=True)
    frame[SUBJECT] = [f"s{i}" for i in range(len(frame))]
    frame[ROW] = frame["index"] = range(len(frame))
    assert found(frame)["index"].decides_target


def test_an_innocent_strong_column_is_not_flagged() -> None:
    clue = found(table())["clue"]
    assert clue.roc_auc == pytest.approx(0.9, abs=0.03)
    assert not clue.decides_target
    assert not clue.names_rows  # every fraction differs, but fractions are measurements


def test_a_text_made_from_the_target_decides_it() -> None:
    frame = table(grade=lambda y, rng: np.where(y, rng.choice(["A", "B"], ROWS), "C"))
    assert found(frame)["grade"].decides_target


def test_a_cell_that_is_filled_in_after_the_outcome_tells_by_being_empty() -> None:
    def day(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(y, rng.integers(1, 365, ROWS).astype(float), np.nan)

    def note(y: np.ndarray, rng: np.random.Generator) -> pd.Series:
        return pd.Series(np.where(y, "case", None)).astype("str").where(y)

    checks = found(table(default_day=day, note=note))
    assert checks["default_day"].decides_target
    assert checks["note"].decides_target


def test_texts_that_are_unique_in_every_row_name_it_and_teach_nothing() -> None:
    checks = found(table(email=[f"p{i}@example.org" for i in range(ROWS)]))
    assert checks["email"].names_rows
    assert checks["email"].roc_auc == pytest.approx(0.5, abs=0.06)
    assert not checks["email"].decides_target


def test_whole_numbers_are_keys_if_counted_through_or_of_equal_length() -> None:
    rng = np.random.default_rng(3)
    amounts = np.unique((rng.lognormal(10, 2, 3 * ROWS)).round().astype("int64"))
    checks = found(
        table(
            number=rng.permutation(ROWS) + 1000,
            card=rng.choice(np.arange(10_000_000, 99_999_999), ROWS, replace=False),
            amount=rng.permutation(amounts)[:ROWS],
            age=rng.integers(18, 90, ROWS),
        )
    )
    named = {name for name, check in checks.items() if check.names_rows}
    assert named == {"number", "card"}


def test_columns_that_are_never_inputs_are_not_looked_at() -> None:
    frame = table(leak=lambda y, rng: 7 + 2 * y, key=[f"k{i}" for i in range(ROWS)])
    checks = found(frame, after_outcome=["leak"], subject_key="key")
    assert set(checks) == {"clue"}


def test_the_order_of_the_rows_does_not_matter() -> None:
    frame = table(leak=lambda y, rng: 7 + 2 * y)
    assert found(frame) == found(frame.sample(frac=1, random_state=1))


def test_rows_of_one_subject_stand_on_one_side() -> None:
    # Each person has twelve rows, one label and a favourite number: known of no new person.
    frame = table()
    person = np.repeat(np.arange(ROWS // 12), 12)
    rng = np.random.default_rng(5)
    frame["label"] = np.where(rng.random(ROWS // 12) < 0.5, "yes", "no")[person]
    frame["number"] = rng.permutation(ROWS // 12)[person]
    frame["name"] = pd.Series([f"p{i}" for i in person], dtype="str")
    frame[SUBJECT] = frame["name"]
    checks = found(frame)
    assert not checks["number"].decides_target
    assert not checks["name"].decides_target


def test_infinite_and_huge_numbers_are_no_hindrance() -> None:
    def huge(y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        values = rng.normal(size=ROWS) * 1e300
        values[0] = np.inf
        return values

    assert not found(table(huge=huge))["huge"].decides_target


def test_what_is_found_is_said_with_what_to_do() -> None:
    frame = table(leak=lambda y, rng: 7 + 2 * y, id=[f"k{i}" for i in range(ROWS)])
    lines = warnings(list(found(frame).values()))
    assert len(lines) == 2
    assert "'leak' alone decides the target" in lines[0]
    assert "data.after_outcome" in lines[0]
    assert "'id' differs in 100.0% of the rows" in lines[1]
    assert "data.ignore" in lines[1]


def test_a_column_without_a_name_is_named_as_such() -> None:
    lines = warnings(list(found(table().assign(**{"": range(ROWS)})).values()))
    assert lines[-1].startswith("KEY: column '' (without a name) differs")


def test_nothing_is_said_of_innocent_columns() -> None:
    assert warnings(list(found(table()).values())) == []


@pytest.mark.parametrize(("data", "verdict"), [({}, "fail"), ({"after_outcome": ["leak"]}, "pass")])
def test_the_policy_refuses_a_leak_and_names_the_column(
    params: Params, tmp_path: Path, data: dict[str, object], verdict: str, here: Path
) -> None:
    frame = table(leak=lambda y, rng: 7 + 2 * y)
    columns = list(found(frame, **data).values())
    for path in (INGESTED, tmp_path / "suite.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    evidence = describe((frame, frame, frame.iloc[:0]), [], columns, tmp_path / "suite.json")
    check = next(check for check in params.gate.checks if check.id == "leakage")
    figure = evidence.figure(check.figure)
    assert figure is not None
    assert judge(check, figure) == verdict
    assert ("'leak'" in sentence(check, figure, judge(check, figure))) is (verdict == "fail")
