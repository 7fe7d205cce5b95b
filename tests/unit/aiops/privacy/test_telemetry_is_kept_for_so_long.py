"""Telemetry, results and state go by their own dates once they are older than their limits."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines.aiops.lake.batch import REJECTED
from pipelines.aiops.lake.feedback import Answer, add, read_answers
from pipelines.aiops.lake.window import Window
from pipelines.aiops.params import load_aiops_params
from pipelines.aiops.privacy.stores import kept_of, retain, stores_of
from pipelines.cli.main import app
from pipelines.core.files import write_text
from pipelines.mlops.privacy.accountability import PrivacyParams
from pipelines.release.ledger import Ledger
from tests.unit.aiops.privacy.stores import fill

NOW = datetime(2024, 3, 19, 15, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    place = tmp_path / "project"
    fill(place)
    return place


def gone(project: Path, **limits: int) -> dict[str, int]:
    stores = stores_of(project, load_aiops_params(project))
    return dict(retain(stores, limits, NOW))


def test_days_go_by_their_own_date_and_not_by_that_of_their_file(project: Path) -> None:
    # The 9th is ten days before the 19th: the first limit that it is beyond is nine.
    assert "telemetry:alerts" not in gone(project, telemetry=10)
    assert gone(project, telemetry=9) == {
        "telemetry:alerts": 1, "telemetry:tickets": 1, "telemetry:metrics": 1, "telemetry:logs": 1,
        "telemetry:spans": 1, "telemetry:inbox": 3,
    }  # fmt: skip
    days = sorted(path.name for path in (project / "telemetry/lake/alerts").iterdir())
    assert days == ["day=2024-03-10"]
    assert not any((project / "telemetry/otlp/logs").iterdir())


def test_windows_and_days_of_state_go_as_a_whole(project: Path) -> None:
    stores = stores_of(project, load_aiops_params(project))
    day = Window(datetime(2024, 3, 9, tzinfo=UTC), datetime(2024, 3, 10, tzinfo=UTC))
    window = day.name
    write_text(stores.results / window / "reports/incidents.html", "<p>")
    assert gone(project, results=10, state=10) == {}
    found = gone(project, results=9, state=9)
    assert found["state:state"] == 1
    assert not (stores.results / window).exists()
    assert (stores.results / "other").is_dir()  # no window: by its last change
    assert (stores.state / "logs/day=2024-03-10").is_dir()
    assert not (stores.state / "logs/day=2024-03-09").exists()


def test_a_record_in_quarantine_goes_by_its_own_time(project: Path) -> None:
    path = project / "telemetry/lake/quarantine/test.parquet"
    times = [datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 18, tzinfo=UTC), None]
    rows = [
        {"id": str(i), "source": "s", "place": "p", "reason": "r", "raw": "x", "at": at}
        for i, at in enumerate(times)
    ]
    pq.write_table(pa.Table.from_pylist(rows, REJECTED), path)
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    assert gone(project, telemetry=10)["telemetry:quarantine"] == 1
    assert pq.ParquetFile(path).read()["id"].to_pylist() == ["1", "2"]


def test_what_has_no_limit_is_kept(project: Path) -> None:
    before = sorted(project.rglob("*"))
    assert gone(project) == {}
    assert sorted(project.rglob("*")) == before


def test_the_simulated_world_is_no_store(project: Path) -> None:
    write_text(project / "params.yaml", "aiops: {}\n")
    stores = stores_of(project, load_aiops_params(project))
    assert stores.lakes == [(project / "telemetry/lake").resolve()]
    assert {item.store for item in kept_of(stores)} == {"telemetry", "results", "state"}


def test_the_command_removes_and_logs_how_much(project: Path) -> None:
    write_text(
        project / "release.yaml",
        "privacy:\n  telemetry_retention_days: {telemetry: 30, results: 9}\n",
    )
    here = ["telemetry", "retain", "--project", str(project)]
    dry = CliRunner().invoke(app, [*here, "--dry-run"])
    assert "telemetry:alerts: 2 too old" in dry.output
    assert (project / "telemetry/lake/alerts/day=2024-03-09").is_dir()
    found = CliRunner().invoke(app, here)
    assert (found.exit_code, "telemetry:alerts: 2 removed" in found.output) == (0, True)
    (entry,) = (e for e in Ledger.of(project).entries() if e.kind == "retention")
    assert entry.data["limits_days"] == {"telemetry": 30, "results": 9}
    assert entry.data["removed"]["telemetry:alerts"] == 2
    again = CliRunner().invoke(app, here)
    assert "nothing is older" in again.output


def test_without_any_limit_the_command_says_where_to_set_one(project: Path) -> None:
    found = CliRunner().invoke(app, ["telemetry", "retain", "--project", str(project)])
    assert found.exit_code == 1
    assert "privacy.telemetry_retention_days has no limit" in found.output


def test_what_people_said_goes_by_its_day_with_telemetry(project: Path) -> None:
    lake = project / "telemetry/lake"
    for day in (9, 10):
        at = datetime(2024, 3, day, 12, tzinfo=UTC)
        add(lake, Answer(at=at, by="ann", about="incident", subject="i", verdict="noise"))
    assert "telemetry:feedback" not in gone(project, telemetry=10)
    assert gone(project, telemetry=9)["telemetry:feedback"] == 1
    assert [one.at.day for one in read_answers(lake)[0]] == [10]


def test_what_people_said_has_an_owner_and_a_purpose_in_the_record() -> None:
    told = {"owner": "platform", "purpose": "know which findings are right"}
    facts = PrivacyParams.model_validate({"telemetry": {"feedback": told}})
    assert facts.telemetry["feedback"].owner == "platform"
