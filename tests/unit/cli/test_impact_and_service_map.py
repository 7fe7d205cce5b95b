"""``signalbox impact`` and ``signalbox service-map``: maps by folder, window, day and revision."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from docs.make_commands import RESULTS
from pipelines.aiops.service_map.build import build_lake_map
from pipelines.aiops.service_map.model import read_map, write_map
from pipelines.cli.main import app
from tests.support.aiops_world import HOUR, World, write_lake
from tests.support.shapes import faults
from tests.support.small_project import call

PARAMS = "aiops: {analysis: {lake: lake, results: out, hours: 24}}\n"
WORLD = World(days=3, span_days=2, lines_an_hour=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose windows 09-10 and 10-11 of the last day have maps, and the day before."""
    project = tmp_path_factory.mktemp("project")
    (project / "params.yaml").write_text(PARAMS)
    write_lake(project / "lake", WORLD)
    for first, last in ((-14, -13), (9, 10), (10, 11)):
        begin, end = (WORLD.last_day_us + hour * HOUR for hour in (first, last))
        name = "_".join(f"{WORLD.at(h):%Y%m%dT%H%M%SZ}" for h in (first, last))
        write_map(
            build_lake_map(project / "lake", begin, end), project / "out" / name / "service_map"
        )
    return project


def signalbox(project: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments, "--project", str(project)])


def data(project: Path, *arguments: str) -> Any:
    done = signalbox(project, *arguments, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    name = arguments[0] if arguments[0] == "impact" else " ".join(arguments[:2])
    assert faults(told, RESULTS[name]) == []
    return told


def window(first: float, last: float) -> str:
    return "_".join(f"{WORLD.at(hour):%Y%m%dT%H%M%SZ}" for hour in (first, last))


def test_impact_tells_who_depends_directly_and_through_others(made: Path) -> None:
    told = data(made, "impact", "pay")
    hops = {one["node"]: one["hops"] for one in told["dependents"]}
    assert hops["shop"] == 1
    assert hops["web"] == 2
    assert told["map"]["end"] == f"{WORLD.at(11):%Y-%m-%dT%H:%MZ}"
    text = signalbox(made, "impact", "pay").output
    assert window(10, 11) in text
    assert "  1   100.0%   100.0%  shop" in text


def test_impact_of_a_named_map(made: Path) -> None:
    told = data(made, "impact", "cart", "--map", window(9, 10))
    assert told["map"]["start"] == f"{WORLD.at(9):%Y-%m-%dT%H:%MZ}"
    assert any("carts" in name for name in told["depends_on"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["impact", "pey"], "did you mean pay?"),
        (["impact", "pay", "--map", "x", "--rev", "y"], "give one of them"),
        (["impact", "pay", "--map", "nowhere"], "no revision of this project"),
        (["impact", "pay", "--rev=--all"], "no revision of this project"),
        (["service-map", "diff", "nowhere", "nowhere"], "no folder with a map"),
        (["service-map", "build", "m", "--from", "2026-04-03"], "give both --from and --to"),
    ],
)
def test_errors_are_one_line(made: Path, arguments: list[str], told: str) -> None:
    done = signalbox(made, *arguments)
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert told in done.stderr


def test_diff_says_what_slowed_and_fails(made: Path) -> None:
    found = data(made, "service-map", "diff", window(-14, -13), window(10, 11))
    moved = {(one["kind"], one["target"]) for one in found["moved"] if one["certain"]}
    assert ("slowed", "pay") in moved
    assert ("more_errors", "pay") in moved
    assert found["warnings"] == []
    text = signalbox(made, "service-map", "diff", window(-14, -13), window(10, 11)).output
    assert "slowed: Calls from shop to pay became slower" in text


def test_diff_of_equal_hours_without_a_fault_says_nothing_and_unlike_hours_are_noted(
    made: Path,
) -> None:
    text = signalbox(made, "service-map", "diff", window(-14, -13), window(9, 10)).output
    assert "different hours of the day" in text
    same = signalbox(made, "service-map", "diff", window(9, 10), window(9, 10)).output
    assert "nothing changed beyond chance" in same


def test_a_day_is_all_its_windows_together(made: Path) -> None:
    told = data(made, "impact", "pay", "--map", f"{WORLD.at(9):%Y-%m-%d}")
    assert told["map"] == {"start": f"{WORLD.at(9):%Y-%m-%dT%H:%MZ}",
                           "end": f"{WORLD.at(11):%Y-%m-%dT%H:%MZ}"}  # fmt: skip


def test_build_makes_the_map_of_a_time_and_leaves_other_folders_alone(
    made: Path, tmp_path: Path
) -> None:
    times = ("--from", f"{WORLD.at(9):%Y-%m-%dT%H:%M}", "--to", f"{WORLD.at(10):%Y-%m-%dT%H:%M}")
    told = data(made, "service-map", "build", str(tmp_path / "new"), *times)
    assert told["counts"]["spans"] > 0
    assert read_map(tmp_path / "new").edges == read_map(
        made / "out" / window(9, 10) / "service_map").edges  # fmt: skip
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    done = signalbox(made, "service-map", "build", str(tmp_path / "mine"), *times)
    assert "holds no map" in done.output
    assert (tmp_path / "mine/letter.txt").read_text() == "dear"


def test_a_revision_is_read_from_dvc_and_the_work_tree_stays(made: Path, tmp_path: Path) -> None:
    project = tmp_path
    (project / "params.yaml").write_text(PARAMS)
    git = ("git", "-c", "user.name=T", "-c", "user.email=t@example.org")
    call(project, "git", "init", "--quiet")
    call(project, "dvc", "init", "--quiet")
    for number, name in enumerate((window(-14, -13), window(10, 11)), 1):
        shutil.rmtree(project / "service_map", ignore_errors=True)
        shutil.copytree(made / "out" / name / "service_map", project / "service_map")
        call(project, "dvc", "add", "--quiet", "service_map")
        call(project, "git", "add", "--all")
        call(project, *git, "commit", "--quiet", "--message", f"map {number}")
    before = subprocess.check_output(["git", "status", "--porcelain"], cwd=project)
    found = data(project, "service-map", "diff", "HEAD~1", "HEAD")
    assert ("slowed", "pay") in {(one["kind"], one["target"]) for one in found["moved"]}
    told = data(project, "impact", "pay", "--rev", "HEAD~1")
    assert told["map"]["start"] == f"{WORLD.at(-14):%Y-%m-%dT%H:%MZ}"
    assert subprocess.check_output(["git", "status", "--porcelain"], cwd=project) == before
    shutil.rmtree(project / ".dvc/cache")
    gone = signalbox(project, "impact", "pay", "--rev", "HEAD~1")
    assert "cannot be fetched" in gone.output
    assert gone.stderr.count("\n") == 1
