import hashlib
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pyarrow.compute as pc
import pytest
import yaml

from pipelines.aiops.lake.contract import TABLES, alert_id, fingerprint, microseconds
from pipelines.aiops.lake.read import read_lake
from pipelines.aiops.params.telemetry import SimulateParams
from pipelines.core.errors import SignalboxError
from pipelines.simulator.simulate import simulate, write
from pipelines.simulator.world.build import build_world
from pipelines.simulator.world.configuration import configuration
from tests.unit.simulator.worlds import check_contract, rows, tiny, truth, written


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(
        SimulateParams(seed=11, days=20, alerts=4000), tmp_path_factory.mktemp("lake") / "world"
    )


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_has_the_contracts_schema_keys_and_days(lake: Path, name: str) -> None:
    assert len(check_contract(lake, TABLES[name]))


def test_ids_are_those_that_ingestion_would_give(lake: Path) -> None:
    for row in rows(lake, "alerts").slice(0, 200).to_pylist():
        labels = dict(row["labels"])
        assert row["fingerprint"] == fingerprint(labels)
        assert row["alert_id"] == alert_id(
            row["source"], row["fingerprint"], microseconds(row["starts_at"])
        )
        assert row["name"] == labels["alertname"]
        assert {"alertname", "severity"} <= set(labels)


def test_times_are_in_order(lake: Path) -> None:
    alerts = rows(lake, "alerts")
    ended = alerts.filter(pc.is_valid(alerts["ends_at"]))
    assert pc.all(pc.greater(ended["ends_at"], ended["starts_at"])).as_py()
    assert pc.all(pc.greater_equal(ended["updated_at"], ended["ends_at"])).as_py()
    assert pc.all(pc.greater_equal(alerts["updated_at"], alerts["starts_at"])).as_py()
    tickets = rows(lake, "tickets")
    closed = tickets.filter(pc.is_valid(tickets["closed_at"]))
    assert pc.all(pc.greater(closed["closed_at"], closed["opened_at"])).as_py()


def test_alerts_of_a_series_never_overlap(lake: Path) -> None:
    frame = read_lake(lake)
    order = sorted(range(len(frame)), key=lambda n: (frame.series[n], frame.starts[n]))
    for one, other in pairwise(order):
        if frame.series[one] == frame.series[other]:
            assert frame.ends[one] < frame.starts[other]


def test_history_is_read_with_its_tickets(lake: Path) -> None:
    frame = read_lake(lake)
    assert len(frame) == len(rows(lake, "alerts"))
    assert {int(n) for n in frame.ticket if n >= 0} == set(range(len(frame.tickets)))


def test_the_second_source_cannot_say_whether_anybody_acted(lake: Path) -> None:
    alerts = rows(lake, "alerts")
    main = pc.equal(alerts["source"], "alertmanager")
    assert alerts.filter(main)["acted"].null_count == 0
    second = alerts.filter(pc.invert(main))
    assert 0 < len(second) == second["acted"].null_count


def test_it_says_that_it_is_synthetic(lake: Path) -> None:
    assert "Synthetic" in (lake / "README.md").read_text()
    assert "Synthetic" in (lake / "alertmanager.yml").read_text()


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "alertmanager.yml").write_text("route: {receiver: me}\n")
    with pytest.raises(SignalboxError, match="holds something else"):
        write(simulate(tiny(1)), mine)
    assert (mine / "alertmanager.yml").read_text() == "route: {receiver: me}\n"


def test_a_start_that_is_no_day_is_named() -> None:
    with pytest.raises(SignalboxError, match=r"aiops\.simulate\.start: '2026-02-30'"):
        build_world(SimulateParams(start="2026-02-30"))


def test_a_world_without_faults_has_no_incidents(tmp_path: Path) -> None:
    params = SimulateParams(seed=2, days=3, alerts=300, services=6, incidents_per_day=0.0)
    folder = written(params, tmp_path / "calm")
    assert len(truth(folder, "incidents")) == 0
    assert set(rows(folder, "tickets")["kind"].to_pylist()) <= {"request", "noise"}


def test_amtool_accepts_the_configuration_of_many_worlds(tmp_path: Path) -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("amtool (package prometheus-alertmanager) is not installed")
    texts = set()
    for seed in range(12):
        text = configuration(build_world(SimulateParams(seed=seed)))
        texts.add(hashlib.sha256(text.encode()).hexdigest())
        file = tmp_path / f"{seed}.yml"
        file.write_text(text)
        done = subprocess.run(
            [amtool, "check-config", str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert len(texts) == 12


def test_promtool_accepts_the_rules_of_many_worlds(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (package prometheus) is not installed")
    for seed in range(4):
        folder = written(SimulateParams(seed=seed, days=3, alerts=500), tmp_path / str(seed))
        file = folder / "prometheus_rules.yml"
        done = subprocess.run(
            [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        named = set(yaml.safe_load(file.read_text())["groups"][0]["rules"][0])
        assert named == {"alert", "expr"}


def test_every_alert_of_prometheus_has_its_rule(lake: Path) -> None:
    rules = yaml.safe_load((lake / "prometheus_rules.yml").read_text())["groups"][0]["rules"]
    alerts = rows(lake, "alerts")
    main = alerts.filter(pc.equal(alerts["source"], "alertmanager"))
    assert {rule["alert"] for rule in rules} == set(main["name"].to_pylist())
