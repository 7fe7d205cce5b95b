"""Section runtime of release.yaml reaches every stage, and no result depends on it."""

from pathlib import Path

import pytest

from pipelines.aiops import group_incidents, log_anomalies, map_services, metric_anomalies
from pipelines.aiops.lake.window import Window
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.core.errors import SignalboxError
from pipelines.core.runtime import RuntimeParams, load_runtime
from tests.support.aiops_world import World, params_for, write_lake

WORLD = World(days=4)
WINDOW = Window(WORLD.at(8), WORLD.at(12))


def write(folder: Path, release: str | None, params: str = "aiops: {}") -> Path:
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    if release is not None:
        (folder / "release.yaml").write_text(release, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "release", [None, "", "approval: {bump: 1}", "runtime:\n", "runtime: {partitions: 8}"]
)
def test_what_is_not_said_has_its_default(tmp_path: Path, release: str | None) -> None:
    assert load_aiops_params(write(tmp_path, release)).runtime == RuntimeParams()


def test_what_is_said_comes_with_the_params(tmp_path: Path) -> None:
    project = write(tmp_path, "runtime: {memory_mb: 512, partitions: 3}")
    found = load_aiops_params(project)
    assert found.runtime == RuntimeParams(memory_mb=512, partitions=3) == load_runtime(project)
    assert found.model_dump() == AiopsParams().model_dump()


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("runtime: {memory_mb: 0}", "release.yaml: runtime.memory_mb: 0 is not allowed"),
        ("runtime: {partitions: 0}", "release.yaml: runtime.partitions: 0 is not allowed"),
        ("runtime: {memory: 1}", "release.yaml: runtime.memory: unknown key"),
        ("runtime: 3", "release.yaml: runtime: 3 is not allowed"),
        ("runtme: {memory_mb: 1}", "release.yaml: unknown section ['runtme']"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, release: str, expected: str) -> None:
    with pytest.raises(SignalboxError) as caught:
        load_aiops_params(write(tmp_path, release))
    assert expected in str(caught.value)


def test_params_have_no_place_for_it(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match=r"aiops\.runtime: unknown key"):
        load_aiops_params(write(tmp_path, None, "aiops: {runtime: {memory_mb: 512}}"))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "lake"
    write_lake(folder, WORLD)
    return folder


def results(lake: Path, root: Path, runtime: RuntimeParams) -> dict[str, bytes]:
    """Path → content of all that the analysis of a window writes."""
    params = params_for(
        root,
        analysis={"lake": str(lake)},
        metric_anomalies={"lookback_days": 3},
        log_anomalies={"history_days": 3},
        export_rules={"alertmanager_yml": None},
    ).on(runtime)
    place = root / "place"
    for stage in (metric_anomalies, log_anomalies, map_services):
        stage.run(params, WINDOW, place)
    group_incidents.run(params, WINDOW, place, ())
    return {path.relative_to(place).as_posix(): path.read_bytes()
            for path in sorted(place.rglob("*")) if path.is_file()}  # fmt: skip


def test_no_result_depends_on_memory_or_partitions(lake: Path, tmp_path: Path) -> None:
    small = results(lake, tmp_path / "a", RuntimeParams(memory_mb=256, partitions=1))
    large = results(lake, tmp_path / "b", RuntimeParams(memory_mb=4096, partitions=13))
    assert len(small) >= 10
    assert small == large
