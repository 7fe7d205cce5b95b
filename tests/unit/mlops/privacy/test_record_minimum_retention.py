import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.compliance_commands import held_telemetry
from pipelines.core.evidence import Evidence
from pipelines.core.params import Params
from pipelines.mlops.privacy import accountability
from pipelines.mlops.privacy.accountability import HeldTelemetry, PrivacyParams
from tests.unit.aiops.privacy.stores import fill
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


def held(store: str, part: str, day: date) -> HeldTelemetry:
    return HeldTelemetry(store, part, f"telemetry/{part}", day)


def test_telemetry_that_nobody_answers_for_is_red_and_empty(params: Params) -> None:
    kept = [held("telemetry", part, date(2026, 1, 1)) for part in ("logs", "alerts", "logs")]
    said = {"alerts": {"owner": "SRE", "purpose": "fewer pages"}, "logs": {"owner": "A"}}
    own = PrivacyParams.model_validate(
        {"telemetry": said, "telemetry_retention_days": {"telemetry": 90}}
    )
    lines = accountability.record(params, own, evidence(), telemetry=kept)
    listed = {line.term: (line.text, line.given) for line in lines if "Telemetry" in line.term}
    assert listed == {
        "Telemetry: alerts": ("fewer pages; owner: SRE; kept for 90 days", True),
        "Telemetry: logs": ("not filled in: release.yaml, privacy.telemetry.logs.purpose", False),
    }
    nobody = accountability.record(params, PrivacyParams(), evidence(), telemetry=kept)
    assert not any(line.given for line in nobody if "Telemetry" in line.term)


def test_what_is_said_of_telemetry_holds_whatever_the_data_set_is(params: Params) -> None:
    own = PrivacyParams.model_validate({
        "data_set": "another", "telemetry": {"logs": {"owner": "SRE", "purpose": "faults"}},
        "telemetry_retention_days": {"telemetry": 90},
    })  # fmt: skip
    kept = [held("telemetry", "logs", date(2026, 1, 1))]
    lines = accountability.record(params, own, evidence(), telemetry=kept)
    assert [line.given for line in lines if line.term == "Telemetry: logs"] == [True]


def test_a_project_without_telemetry_has_no_line_about_it(params: Params) -> None:
    lines = accountability.record(params, PrivacyParams(), evidence())
    assert not any("Telemetry" in line.term for line in lines)


def test_telemetry_is_as_old_as_its_day_and_needs_a_limit(tmp_path: Path, params: Params) -> None:
    kept = [held("telemetry", "logs", date(2026, 1, 21)), held("state", "state", date(2020, 1, 1))]
    own = PrivacyParams(telemetry_retention_days={"telemetry": 9})
    assert accountability.too_old(tmp_path, params.data, own, NOW, kept) == [
        ("telemetry", "telemetry/logs", 10, 9)
    ]
    assert "state" in accountability.unlimited(tmp_path, params.data, own, kept)
    own = PrivacyParams(telemetry_retention_days={"telemetry": 10, "state": 3650})
    assert accountability.too_old(tmp_path, params.data, own, NOW, kept) == []
    assert "state" not in accountability.unlimited(tmp_path, params.data, own, kept)


def test_the_report_lists_the_tables_of_a_lake(tmp_path: Path) -> None:
    fill(tmp_path)
    found = {(item.store, item.part) for item in held_telemetry(tmp_path)}
    assert found == {
        *(("telemetry", part) for part in ("alerts", "tickets", "metrics", "logs", "spans")),
        ("telemetry", "quarantine"), ("telemetry", "inbox"),
        ("results", "results"), ("state", "state"),
    }  # fmt: skip
    assert all(not Path(item.path).is_absolute() for item in held_telemetry(tmp_path))
