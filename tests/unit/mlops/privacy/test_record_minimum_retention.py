import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.evidence import Evidence
from pipelines.core.params import Params
from pipelines.mlops.privacy import accountability
from pipelines.mlops.privacy.accountability import PrivacyParams
from tests.unit.mlops.release_report import cases

NOW = datetime(2026, 1, 31, tzinfo=UTC)


def evidence(**details: Any) -> dict[str, Evidence]:
    found = {"ingest": cases.ingest(["age", "sex", "race"]), "train": cases.train(), **details}
    return {name: Evidence(stage=name, inputs={}, details=d) for name, d in found.items()}


def red(params: Params, own: PrivacyParams) -> set[str]:
    return {line.term for line in accountability.record(params, own, evidence()) if not line.given}


def test_what_nobody_said_is_red(params: Params) -> None:
    assert red(params, PrivacyParams()) == {
        "Controller", "Contact", "Legal basis", "Data subjects", "Special categories", "Recipients",
        "Transfers to third countries", "Time limits for erasure", "Security measures",
    }  # fmt: skip


def test_none_is_an_answer(params: Params) -> None:
    own = PrivacyParams(recipients=[], transfers=[], special_categories=[])
    assert not red(params, own) & {"Recipients", "Transfers to third countries",
                                   "Special categories"}  # fmt: skip


def test_special_categories_need_a_ground_and_a_column_that_exists(params: Params) -> None:
    assert "Special categories" in red(params, PrivacyParams(special_categories=["race"]))
    given = PrivacyParams(special_categories=["race"], special_basis="9(2)(j)")
    assert "Special categories" not in red(params, given)
    wrong = PrivacyParams(special_categories=["rcae"], special_basis="9(2)(j)")
    assert "Special categories" in red(params, wrong)


def test_the_use_of_a_special_column_is_told(params: Params) -> None:
    own = PrivacyParams(special_categories=["age", "race", "other"])
    uses = dict(accountability.special_columns(params, own, evidence()))
    assert uses["age"].startswith("model input")
    assert uses["race"].startswith("bias audit only")
    assert uses["other"].startswith("stored")


def importance(rise: float | None, drop: float | None) -> dict[str, Evidence]:
    column = {"name": "hat", "log_loss_rise": rise, "roc_auc_drop": drop}
    train = {"importance": {"how": "shuffled", "rows": 100, "columns": [column]}}
    return evidence(train=train)


@pytest.mark.parametrize(
    ("rise", "drop", "idle"),
    [
        (0.0002, -0.0001, True),
        (0.0002, 0.01, False),
        (0.01, 0.0, False),
        (None, 0.0, False),
        (0.0, None, False),
    ],
)
def test_only_an_input_that_moved_neither_measure_is_named(
    rise: float | None, drop: float | None, idle: bool
) -> None:
    found, how, measured = accountability.idle_inputs(importance(rise, drop))
    assert ([name for name, _ in found] == ["hat"]) is idle
    assert measured
    assert "engineering judgement" in how


def test_without_a_measurement_nothing_is_named() -> None:
    assert accountability.idle_inputs(evidence(train={})) == ([], "", False)


def test_files_older_than_their_limit_are_listed(here: Path, params: Params) -> None:
    for name, days in (("quarantine/rows.parquet", 91), ("quarantine/new.parquet", 90),
                       ("models/model.skops", 500)):  # fmt: skip
        path = here / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        when = (NOW - timedelta(days=days)).timestamp()
        os.utime(path, (when, when))
    own = PrivacyParams(retention_days={"quarantine": 90})
    assert accountability.too_old(here, params.data, own, NOW) == [
        ("quarantine", "quarantine/rows.parquet", 91, 90)
    ]
    assert accountability.unlimited(here, params.data, own) == ["models"]
