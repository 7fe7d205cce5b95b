import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pipelines.cli.release_commands import score
from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file
from pipelines.mlops.scoring.production import in_production, load_released
from pipelines.mlops.scoring.score import log_batch, score_input
from pipelines.release.ledger import Ledger
from pipelines.release.released import write_released
from tests.unit.mlops.scoring.conftest import Project, git, make_rows, put_in_production

app = typer.Typer()
app.command()(score)


@pytest.fixture
def rows(tmp_path: Path) -> str:
    make_rows(60, 9).to_csv(tmp_path / "new rows.csv", index=False)
    return str(tmp_path / "new rows.csv")


def test_the_release_is_loaded_from_its_commit(project: Project) -> None:
    work_tree = project.root / "models/model.json"
    before = work_tree.read_text()
    work_tree.write_text("another model lies in the work tree")
    try:
        loaded = load_released(in_production(project.root), project.root, with_train=True)
    finally:
        work_tree.write_text(before)
    assert loaded.released == project.release.released
    assert loaded.info == project.release.info
    assert loaded.params == project.release.params
    assert loaded.train is not None
    assert len(loaded.train) == 800


@pytest.mark.parametrize("path", ["models/model.skops", "models/model.json"])
def test_a_release_that_asks_for_another_hash_scores_nobody(
    project: Project, rows: str, path: str
) -> None:
    released = project.release.released
    artifacts = {**released.artifacts, path: "0" * 64}
    put_in_production(project.root, released.commit, artifacts, "v0.2.0")
    with pytest.raises(SignalboxError, match=f"{path} of release model_release@v0.2.0"):
        score_input(project.root, rows, "x")
    assert not (project.root / "predictions").exists()


def test_a_flipped_byte_in_the_cache_scores_nobody(project: Project, rows: str) -> None:
    wanted = project.release.released.artifacts["models/model.skops"]
    files = (p for p in (project.root / ".dvc/cache/files").rglob("*") if p.is_file())
    cached = next(path for path in files if sha256_file(path) == wanted)
    before = cached.read_bytes()
    cached.chmod(0o644)
    cached.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        with pytest.raises(SignalboxError):
            score_input(project.root, rows, "x")
    finally:
        cached.write_bytes(before)
    assert not (project.root / "predictions").exists()


def test_a_tag_that_was_moved_scores_nobody(project: Project, rows: str) -> None:
    root = project.root
    git(root, "commit", "--allow-empty", "-qm", "another")
    message = git(root, "tag", "-l", "--format=%(contents)", "model_release#production#1")
    try:
        git(root, "tag", "-f", "-a", "-m", message, "model_release#production#1", "HEAD")
        with pytest.raises(SignalboxError, match="the tag was moved"):
            score_input(root, rows, "x")
    finally:
        git(root, "reset", "-q", "--soft", "HEAD~1")


def test_without_a_release_nothing_is_scored(project: Project, rows: str, tmp_path: Path) -> None:
    project.remove_tags()
    (project.root / "ledger").rename(tmp_path / "ledger")
    (project.root / "released/model_release.json").unlink()
    result = CliRunner().invoke(app, ["--input", rows, "--project", str(project.root)])
    assert result.exit_code == 1
    assert "no model in production" in result.stderr


def test_where_the_releases_tags_are_gone_nothing_is_scored(project: Project, rows: str) -> None:
    project.remove_tags()
    result = CliRunner().invoke(app, ["--input", rows, "--project", str(project.root)])
    assert result.exit_code == 1
    assert "has no tag model_release#production#1" in result.stderr
    assert "registry repair" in result.stderr


def test_a_batch_is_entered_once_with_counts_and_hashes_only(project: Project, rows: str) -> None:
    command = ["--input", rows, "--name", "b1", "--project", str(project.root), "--json"]
    first, again = (CliRunner().invoke(app, command) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout) == json.loads(again.stdout)
    ledger = Ledger.of(project.root)
    assert ledger.verify().ok
    [entry] = [entry for entry in ledger.entries() if entry.kind == "scoring"]
    assert entry.data["rows"] == 60
    assert entry.data["model_sha256"] == project.release.info.sha256
    assert entry.data["model_version"] == "model_release@v0.1.0"
    found = pd.read_parquet(project.root / "predictions/b1.parquet")
    assert entry.data["selected"] == (found["decision"] == "yes").sum()
    text = json.dumps(entry.data)
    assert not any(person in text for person in found["subject_id"])


def test_a_repeated_task_finds_its_own_entry(project: Project, rows: str) -> None:
    record = score_input(project.root, rows, "b2", reasons=0)
    log_batch(Ledger.of(project.root), record)
    assert sum(entry.kind == "scoring" for entry in Ledger.of(project.root).entries()) == 1
    assert "reason_1" not in pd.read_parquet(project.root / "predictions/b2.parquet")


TRAIN = "data/split/train.parquet"


def erase_train(project: Project) -> None:
    """Take the train split out of the cache, as an erasure does."""
    wanted = project.release.released.artifacts[TRAIN]
    files = (p for p in (project.root / ".dvc/cache/files").rglob("*") if p.is_file())
    next(path for path in files if sha256_file(path) == wanted).unlink()


@pytest.fixture
def without_train(project: Project) -> Iterator[Project]:
    cache = project.root / ".dvc/cache"
    copy = project.root.parent / "cache-copy"
    shutil.copytree(cache, copy)
    erase_train(project)
    yield project
    shutil.rmtree(cache)
    shutil.move(copy, cache)


def shorten_pointer(project: Project) -> None:
    released = project.release.released
    kept = {path: sha for path, sha in released.artifacts.items() if path != TRAIN}
    shorter = released.model_copy(update={"artifacts": kept})
    write_released(shorter, project.root / "released/model_release.json")


def log_erasure(project: Project, **changes: object) -> None:
    commit = project.release.released.commit
    proof = {"stage": "done", "releases": [{"commit": commit, "contains": True}], **changes}
    Ledger.of(project.root).append("erasure", "model_release", proof)


@pytest.mark.parametrize("erased", [shorten_pointer, log_erasure])
def test_after_an_erasure_rows_are_scored_without_reasons_and_it_is_said(
    without_train: Project, rows: str, erased: Callable[[Project], None]
) -> None:
    erased(without_train)
    root = str(without_train.root)
    done = CliRunner().invoke(app, ["--input", rows, "--name", "b", "--project", root])
    assert done.exit_code == 0, done.output
    assert "without reason codes:" in done.stdout
    assert "erased" in done.stdout
    found = pd.read_parquet(without_train.root / "predictions/b.parquet")
    assert len(found) == 60
    assert "reason_1" not in found
    record = json.loads((without_train.root / "predictions/b.json").read_text())
    assert record["reasons"] == 0
    [entry] = [e for e in Ledger.of(without_train.root).entries() if e.kind == "scoring"]
    assert entry.data["no_reasons"] == record["no_reasons"] != ""


def test_a_batch_that_asks_for_no_reasons_says_nothing_of_an_erasure(
    without_train: Project, rows: str
) -> None:
    log_erasure(without_train)
    assert score_input(without_train.root, rows, "b", reasons=0).no_reasons == ""


def test_training_data_that_is_missing_without_an_erasure_is_an_error(
    without_train: Project, rows: str
) -> None:
    log_erasure(without_train, kept_on_request=["cache: x"])
    with pytest.raises(SignalboxError, match=r"train\.parquet of release .* cannot be fetched"):
        score_input(without_train.root, rows, "b")
