"""The pipeline by hand: ``dvc repro`` on a slice of the real data."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.small_project import call, change_params, environment, make_small_project

pytestmark = pytest.mark.e2e

EVERYTHING = [
    "ingest", "validate", "split", "train", "evaluate", "bias_audit", "drift", "gate", "report",
]  # fmt: skip


def ran(output: str) -> list[str]:
    """Stages that DVC ran, in order."""
    marks = [line for line in output.splitlines() if line.startswith("Running stage '")]
    return [line.split("'")[1] for line in marks]


def locked(project: Path) -> Any:
    """Hashes of all that went in and came out; DVC writes stages in the order in which it ran."""
    return yaml.safe_load((project / "dvc.lock").read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which everything ran once."""
    place = make_small_project(tmp_path_factory.mktemp("repro"))
    assert sorted(ran(call(place, "dvc", "repro", "report"))) == sorted(EVERYTHING)
    return place


@pytest.fixture
def copy(project: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    return Path(shutil.copytree(project, tmp_path / "copy", symlinks=True))


def test_a_second_repro_does_nothing(project: Path) -> None:
    assert ran(call(project, "dvc", "repro", "report")) == []
    assert "Data and pipelines are up to date" in call(
        project, "dvc", "status", "--with-deps", "report"
    )


def test_the_rows_add_up(project: Path) -> None:
    counts = json.loads((project / "evidence/validate.json").read_text())["details"]["counts"]
    assert counts["in"] == counts["kept"] + counts["quarantined"]
    parts = json.loads((project / "evidence/split.json").read_text())["details"]["parts"]
    assert sum(part["rows"] for part in parts.values()) == counts["kept"]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("report.title", "Another title", ["report"]),
        ("gate.checks", None, ["gate", "report"]),
        ("evaluate.confidence", 0.9, ["evaluate", "gate", "report"]),
    ],
)
def test_one_changed_parameter_reruns_what_depends_on_it(
    copy: Path, key: str, value: object, expected: list[str]
) -> None:
    if key == "gate.checks":
        text = (copy / "params.yaml").read_text()
        (copy / "params.yaml").write_text(text.replace("threshold: 0.85", "threshold: 0.8"))
    else:
        change_params(copy, {key: value})
    assert sorted(ran(call(copy, "dvc", "repro", "report"))) == sorted(expected)


def test_another_place_hash_seed_and_clock_give_the_same_bytes(
    project: Path, tmp_path: Path
) -> None:
    other = make_small_project(tmp_path / "somewhere" / "else")
    call(other, "dvc", "repro", "report", PYTHONHASHSEED="12345", TZ="Pacific/Chatham")
    assert locked(other) == locked(project)


def test_metrics_and_plots_can_be_shown(project: Path) -> None:
    metrics = json.loads(call(project, "dvc", "metrics", "show", "--json", "metrics/evaluate.json"))
    shown = next(iter(metrics.values()))["data"]
    assert "metrics/evaluate.json" in shown
    page = call(project, "dvc", "plots", "show", "--out", "plots_page").strip().splitlines()[-1]
    assert page.endswith("index.html")
    text = (project / "plots_page" / "index.html").read_text()
    assert "false_positive_rate" in text
    shutil.rmtree(project / "plots_page")


def test_a_stage_killed_at_any_moment_leaves_a_workspace_in_which_a_retry_succeeds(
    copy: Path, project: Path
) -> None:
    lock = copy / "dvc.lock"
    for delay in (0.4, 1.2, 2.0, 2.8):
        before = lock.read_bytes()
        work = subprocess.Popen(
            ["dvc", "repro", "--force", "--single-item", "split"],
            cwd=copy,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(work.pid, signal.SIGKILL)
        work.wait()
        if not _is_whole(lock):  # DVC itself was killed while it wrote: that file isn't a stage's
            lock.write_bytes(before)
    call(copy, "dvc", "repro", "report")
    assert locked(copy) == locked(project)
    assert (
        not list(copy.glob("data/split/.*partial"))
        or ran(call(copy, "dvc", "repro", "report")) == []
    )


def _is_whole(lock: Path) -> bool:
    """Whether DVC, which writes its lock in place, got to the end of it."""
    try:
        stages = yaml.safe_load(lock.read_text())["stages"]
    except (yaml.YAMLError, KeyError, TypeError):
        return False
    return all("cmd" in stage and stage.get("outs") for stage in stages.values())


def test_a_failing_stage_says_what_to_do_and_leaves_no_out(copy: Path) -> None:
    (copy / "data/samples/adult/adult.data.gz").write_bytes(b"")
    output = call(copy, "dvc", "repro", check=False)
    assert "ingest: error: data/samples/adult/adult.data.gz: is empty" in output
    assert not (copy / "data/ingested.parquet").exists()


def test_a_swapped_model_is_refused(copy: Path) -> None:
    model = copy / "models/model.skops"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.unlink()
    model.write_bytes(bytes(content))
    output = call(copy, "python", "-m", "pipelines.mlops.evaluate", check=False)
    assert "evaluate: error: models/model.skops" in output
