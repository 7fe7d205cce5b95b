"""The stages as DVC starts them: in the project's root, with its params, leaving its outs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT
from tests.support.aiops_world import World, write_lake

STAGES = ("metric_anomalies", "log_anomalies", "map_services", "group_incidents")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with params, expectations and a lake, in which nothing is released."""
    folder = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["aiops"]["metric_anomalies"]["lookback_days"] = 3
    params["aiops"]["analysis"].update(until="2026-04-04T12:00", hours=3)
    params["aiops"]["export_rules"]["alertmanager_yml"] = ""
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    (folder / "expectations").symlink_to(ROOT / "expectations")
    write_lake(folder / params["aiops"]["analysis"]["lake"], World(days=4))
    return folder


def repro(project: Path, stage: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"pipelines.aiops.{stage}"], cwd=project, check=False,
        capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def outs_of(stage: str) -> list[str]:
    told = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    return [next(iter(one)) if isinstance(one, dict) else one
            for key in ("outs", "metrics") for one in told[key]]  # fmt: skip


def contents(project: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for stage in STAGES:
        for out in outs_of(stage):
            path = project / out
            files = sorted(path.rglob("*")) if path.is_dir() else [path]
            found |= {str(file.relative_to(project)): file.read_bytes() for file in files}
    return found


def test_stages_leave_their_outs_and_the_same_ones_again(project: Path) -> None:
    for stage in STAGES:
        done = repro(project, stage)
        assert done.returncode == 0, done.stderr
    first = contents(project)
    assert "service_map/moved.json" in first
    for stage in STAGES:
        repro(project, stage)
    assert contents(project) == first
    assert not (project / "telemetry/state").exists()


def test_a_missing_lake_ends_a_stage_with_one_line(project: Path) -> None:
    lake = project / "telemetry/simulated"
    lake.rename(project / "away")
    try:
        done = repro(project, "metric_anomalies")
    finally:
        (project / "away").rename(lake)
    assert done.returncode == 2
    assert "metric_anomalies: error: telemetry/simulated: no such lake" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
