"""Another data set needs changes in params.yaml and expectations/ only."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from tests.support.small_project import call, commit, make_small_project

pytestmark = pytest.mark.e2e


def loans(rows: int) -> pd.DataFrame:
    """Loans with several rows a customer, a numeric sensitive feature, an all-missing column."""
    rng = np.random.default_rng(3)
    age = rng.integers(18, 80, rows)
    amount = rng.lognormal(9, 1, rows).round(2)
    region = rng.choice(["north", "south", "île-de-France"], rows)
    logit = 0.04 * (age - 45) - 0.3 * (np.log(amount) - 9) + rng.normal(0, 1, rows)
    return pd.DataFrame(
        {
            "customer": [f"c{n}" for n in rng.integers(0, rows // 2, rows)],
            "age": age,
            "amount": np.where(rng.random(rows) < 0.05, np.nan, amount),
            "region": region,
            "never filled": pd.Series([None] * rows, dtype="str"),
            "repaid": (logit > 0).astype("int64"),
        }
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project, turned to loans in a Parquet file."""
    place = make_small_project(tmp_path_factory.mktemp("loans"))
    (place / "data/loans").mkdir()
    loans(4000).to_parquet(place / "data/loans/part-0.parquet")
    yaml = YAML()
    params = yaml.load(place / "params.yaml")
    params["data"] = {
        "name": "loans",
        "source": {
            "kind": "parquet", "paths": ["data/loans/*.parquet"], "watch": "data/loans",
        },
        "target": "repaid", "positive": 1, "favourable": 1,
        "subject_key": "customer",
        "sensitive": {"age": {"bins": [30, 60]}}, "intersections": [], "ignore": [],
    }  # fmt: skip
    params["validate"]["suite"] = "loans"
    params["evaluate"]["slices"] = ["region"]
    params["bias_audit"]["mitigation"]["feature"] = None
    params["gate"]["checks"] = [
        check for check in params["gate"]["checks"] if "bias_audit" not in check["figure"]
    ]
    yaml.dump(params, place / "params.yaml")
    rule = {
        "type": "expect_column_values_to_be_between",
        "kwargs": {"column": "age", "min_value": 19},
        "meta": {"title": "adults", "reason": "loans are for adults"},
    }
    (place / "expectations/loans.json").write_text(
        json.dumps({"name": "loans", "expectations": [rule]})
    )
    params["validate"]["max_quarantined_share"] = 0.1
    yaml.dump(params, place / "params.yaml")
    commit(place, "loans")
    call(place, "dvc", "repro", "report")
    return place


def test_it_ends_with_a_report_of_that_data_set(project: Path) -> None:
    report = (project / "reports/model_release.html").read_text(encoding="utf-8")
    assert "loans are for adults" in report
    assert "not filled in: params.yaml, report.purpose" in report
    assert "census" not in report.lower()
    assert "never filled" in report
    assert "30–59" in report


def test_rows_of_a_subject_stay_together_and_broken_ones_are_kept_aside(project: Path) -> None:
    parts = {
        name: set(pd.read_parquet(project / f"data/split/{name}.parquet")["customer"])
        for name in ("train", "validation", "test")
    }
    assert not parts["train"] & parts["test"]
    assert not parts["train"] & parts["validation"]
    quarantine = pd.read_parquet(project / "quarantine/rows.parquet")
    assert set(quarantine["age"]) == {18}
    assert set(quarantine["reasons"]) == {"loans are for adults"}


def test_the_all_missing_column_is_left_out_of_the_model(project: Path) -> None:
    details = json.loads((project / "evidence/train.json").read_text())["details"]
    assert "never filled" in {column["name"] for column in details["left_out"]}
    assert "age" not in {column["name"] for column in details["inputs"]}


def test_ten_times_more_rows_only_take_longer(project: Path) -> None:
    more = loans(40_000)
    more.to_parquet(project / "data/loans/part-0.parquet")
    call(project, "dvc", "repro", "report")
    ingest = json.loads((project / "evidence/ingest.json").read_text())
    assert ingest["figures"][0]["value"] == 40_000
