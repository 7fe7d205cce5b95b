"""Rows that break an expectation are counted in the evidence, and nothing is left out for it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.aiops import log_anomalies, map_services, metric_anomalies
from pipelines.aiops.lake.contract import LOGS, METRICS, SIGNALS, SPANS
from pipelines.aiops.lake.stage_result import check_expectations
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.lake.window import Window
from pipelines.aiops.params import AiopsParams
from pipelines.core.artifacts import evidence_of
from tests.support.aiops_world import params_for
from tests.unit.aiops.conftest import SHORT, WORLD

HOUR = Window(WORLD.at(8), WORLD.at(9))


@pytest.fixture
def broken(tmp_path: Path) -> AiopsParams:
    """Params for a lake in which each table has one row that breaks rules."""
    at = HOUR.start + timedelta(minutes=1)
    rows: dict[str, dict[str, Any]] = {
        "metrics": {"source": "t", "fingerprint": "x", "name": "", "labels": [], "at": at,
                    "value": float("inf"), "kind": "histogram"},
        "logs": {"log_id": "x", "source": "t", "at": at, "severity": "loud",
                 "body": "x" * 1_000_000},
        "spans": {"trace_id": "1", "span_id": "2", "parent_span_id": "2", "source": "t",
                  "service": "", "name": "n", "kind": "odd", "starts_at": at, "duration_us": -5},
    }  # fmt: skip
    for name, row in rows.items():
        table = SIGNALS[name]
        whole = {**dict.fromkeys(table.schema.names), **row}
        upsert(tmp_path / "lake", {name: table.schema.empty_table().from_pylist(
            [whole], schema=table.schema)})  # fmt: skip
    return params_for(tmp_path, **SHORT)


def broken_rules(params: AiopsParams, table: Any) -> set[str]:
    return {one["rule"] for one in check_expectations(params, HOUR, table) if not one["kept"]}


def test_each_broken_rule_is_told(broken: AiopsParams) -> None:
    assert broken_rules(broken, METRICS) == {
        "has a name", "fingerprint has the contract's form", "value is a number or missing",
        "kind is gauge, counter or unknown", "a label names the service"}  # fmt: skip
    assert broken_rules(broken, LOGS) == {
        "log_id has the contract's form", "severity is one of OpenTelemetry's", "has a service",
        "at most 65,536 characters"}  # fmt: skip
    assert broken_rules(broken, SPANS) == {
        "kind is one of OpenTelemetry's", "has a service", "does not end before it starts",
        "is not its own parent"}  # fmt: skip


@pytest.mark.parametrize(
    ("job", "rules"), [(metric_anomalies, 5), (log_anomalies, 4), (map_services, 4)]
)
def test_jobs_end_well_and_put_it_into_evidence(
    broken: AiopsParams, tmp_path: Path, job: Any, rules: int
) -> None:
    job.run(broken, HOUR, tmp_path / "place")
    evidence = json.loads((tmp_path / "place" / evidence_of(job.STAGE)).read_text())
    (figure,) = (one for one in evidence["figures"] if one["id"].endswith(".rules_broken"))
    assert figure["value"] == rules
    assert {one["broken_rows"] for one in evidence["details"]["rules"] if not one["kept"]} == {1}


@pytest.mark.parametrize("table", SIGNALS.values(), ids=SIGNALS)
def test_sound_rows_keep_every_rule(params: AiopsParams, table: Any) -> None:
    found = check_expectations(params, HOUR, table)
    assert len(found) >= 4
    assert all(one["kept"] for one in found)


def test_without_rows_there_is_nothing_to_tell(params: AiopsParams) -> None:
    assert check_expectations(params, HOUR.moved(timedelta(days=365)), METRICS) == []
