import re
from collections import Counter
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from pipelines.aiops.lake.contract import SIGNALS, fingerprint
from pipelines.aiops.log_parsing.rows import LogColumns, log_rows
from pipelines.aiops.params.telemetry import SignalsParams
from pipelines.core.files import sha256_path
from pipelines.simulator.simulate import simulate, write
from tests.unit.simulator.worlds import check_contract, rows, tiny, troubled, truth, written

pytestmark = pytest.mark.slow

TOLD_BY_ALERTS = (
    "alerts", "tickets", "changes", "alertmanager.yml", "prometheus_rules.yml",
    "truth/alerts.parquet", "truth/incidents.parquet",
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_every_table_has_the_contracts_schema_keys_and_days(signals_lake: Path, name: str) -> None:
    assert len(check_contract(signals_lake, SIGNALS[name])) > 1000


def test_the_wanted_days_are_there_and_no_others(signals_lake: Path) -> None:
    count = {name: len(list((signals_lake / name).glob("day=*"))) for name in SIGNALS}
    assert count == {"metrics": 8, "logs": 8, "spans": 2}
    assert "the last 8 days" in (signals_lake / "README.md").read_text()


def test_what_alerts_tell_stays_the_same_without_signals(tmp_path: Path) -> None:
    params = tiny(6)
    with_them = written(params, tmp_path / "with")
    none = params.model_copy(update={"signals": SignalsParams(days=0)})
    without = written(none, tmp_path / "without")
    for part in TOLD_BY_ALERTS:
        assert sha256_path(with_them / part) == sha256_path(without / part), part
    assert not (without / "metrics").exists()
    assert not (without / "truth" / "signals.parquet").exists()
    assert "metrics" not in (without / "README.md").read_text()


def test_more_days_of_signals_than_of_history_are_all_of_it(tmp_path: Path) -> None:
    signals = tiny(6).signals.model_copy(update={"days": 99, "span_days": 99})
    params = tiny(6).model_copy(update={"signals": signals, "days": 2})
    folder = tmp_path / "short"
    write(simulate(params), folder)
    assert all(len(list((folder / name).glob("day=*"))) == 2 for name in SIGNALS)


def test_series_are_identified_as_ingestion_does(signals_lake: Path) -> None:
    table = rows(signals_lake, "metrics")
    seen: set[str] = set()
    for row in table.take(list(range(0, len(table), 997))).to_pylist():
        labels = dict(row["labels"])
        assert row["fingerprint"] == fingerprint(labels | {"__name__": row["name"]})
        assert labels["service"]
        seen.add(row["kind"])
    assert seen == {"gauge", "counter"}


def test_log_ids_are_those_of_reading_the_services_file(signals_lake: Path) -> None:
    table = rows(signals_lake, "logs")
    service = table["service"][0].as_py()
    mine = table.filter(pc.equal(table["service"], service)).sort_by("at")
    micro = mine["at"].cast("int64").to_numpy()
    again = log_rows(LogColumns(micro, mine["body"]), mine["source"][0].as_py(), f"{service}.log",
                     seen=Counter())  # fmt: skip
    assert set(again["log_id"].to_pylist()) == set(mine["log_id"].to_pylist())


def test_personal_data_is_masked_as_in_every_log(signals_lake: Path) -> None:
    bodies = rows(signals_lake, "logs")["body"].to_pylist()
    assert not [body for body in bodies if re.search(r"\b10\.\d+\.\d+\.\d+\b", body)]


def test_counters_only_grow_but_for_resets(signals_lake: Path) -> None:
    table = rows(signals_lake, "metrics")
    table = table.filter(pc.equal(table["kind"], "counter")).sort_by(
        [("fingerprint", "ascending"), ("at", "ascending")]
    )
    table = table.filter(pc.is_valid(table["value"]))
    same = np.asarray(table["fingerprint"])[1:] == np.asarray(table["fingerprint"])[:-1]
    step = np.diff(np.asarray(table["value"]))[same]
    assert 0 < (step < 0).sum() < 0.005 * len(step)


def test_the_truth_names_faults_of_the_incidents_and_where_they_show(signals_lake: Path) -> None:
    told = truth(signals_lake, "signals").to_pylist()
    known = set(truth(signals_lake, "incidents")["incident_id"].to_pylist())
    named = {row["fault_id"] for row in told if row["fault_id"].startswith("F-")}
    assert named
    assert named <= known
    # What no alert rule saw is there too, with names of its own.
    assert any(row["fault_id"].startswith("S-") for row in told)
    begin = simulate(troubled()).world.start
    for row in told:
        assert row["ends_at"] > row["starts_at"]
        assert row["ends_at"] > begin
        assert row["starts_at"] < begin + timedelta(days=8)
        assert set(row["signals"]) <= set(SIGNALS)
