import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.base.errors import SignalboxError
from pipelines.cli.score_commands import app
from pipelines.mlops.scoring.production import ReleasedModel, in_production, load_released
from pipelines.mlops.scoring.run import note, score_input
from pipelines.release.ledger import Ledger
from pipelines.release.released import write_released
from tests.unit.scoring.conftest import make_rows

Project = tuple[Path, ReleasedModel]


@pytest.fixture(autouse=True)
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))


@pytest.fixture
def rows(project: Project, tmp_path: Path) -> Path:
    make_rows(60, 9).to_csv(tmp_path / "new rows.csv", index=False)
    for folder in ("ledger", "predictions"):
        shutil.rmtree(project[0] / folder, ignore_errors=True)
    return tmp_path / "new rows.csv"


def test_the_release_is_loaded_from_its_commit(project: Project) -> None:
    root, release = project
    work_tree = root / "models/model.json"
    before = work_tree.read_text()
    work_tree.write_text("another model lies in the work tree")
    try:
        loaded = load_released(in_production(root), root, with_train=True)
    finally:
        work_tree.write_text(before)
    assert loaded.info == release.info
    assert loaded.params == release.params
    assert loaded.train is not None
    assert len(loaded.train) == 800


@pytest.mark.parametrize("path", ["models/model.skops", "models/model.json"])
def test_a_model_with_another_hash_scores_nobody(project: Project, rows: Path, path: str) -> None:
    root, release = project
    artifacts = {**release.released.artifacts, path: "0" * 64}
    changed = release.released.model_copy(update={"artifacts": artifacts})
    write_released(changed, root / "released/model_release.json")
    try:
        with pytest.raises(SignalboxError, match="changed after the release"):
            score_input(root, str(rows), "x")
    finally:
        write_released(release.released, root / "released/model_release.json")
    assert not (root / "predictions").exists()
    assert not (root / "ledger").exists()


def test_without_a_release_nothing_is_scored(project: Project, rows: Path) -> None:
    root, release = project
    write_released(None, root / "released/model_release.json")
    try:
        result = CliRunner().invoke(app, ["--input", str(rows), "--project", str(root)])
    finally:
        write_released(release.released, root / "released/model_release.json")
    assert result.exit_code == 1
    assert "no model in production" in result.stderr


def test_a_batch_is_entered_once_with_counts_and_hashes_only(project: Project, rows: Path) -> None:
    root, release = project
    command = ["--input", str(rows), "--name", "b1", "--project", str(root), "--json"]
    first, again = (CliRunner().invoke(app, command) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout) == json.loads(again.stdout)
    ledger = Ledger.of(root)
    assert ledger.verify().ok
    [entry] = [entry for entry in ledger.entries() if entry.kind == "scoring"]
    assert entry.data["rows"] == 60
    assert entry.data["model_sha256"] == release.info.sha256
    found = pd.read_parquet(root / "predictions/b1.parquet")
    assert entry.data["selected"] == (found["decision"] == "yes").sum()
    text = json.dumps(entry.data)
    assert not any(person in text for person in found["subject_id"])


def test_a_repeated_task_finds_its_own_entry(project: Project, rows: Path) -> None:
    root, _ = project
    record = score_input(root, str(rows), "b2", reasons=0)
    note(Ledger.of(root), record)
    assert sum(entry.kind == "scoring" for entry in Ledger.of(root).entries()) == 1
    assert "reason_1" not in pd.read_parquet(root / "predictions/b2.parquet")
