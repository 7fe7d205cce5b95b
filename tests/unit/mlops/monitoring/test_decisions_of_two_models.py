"""What another model would decide on the same test rows, counted by group and never by person."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.core.errors import SignalboxError
from pipelines.core.tables import read_table, write_table
from pipelines.mlops.modeling.scoring import score
from pipelines.mlops.modeling.store import load_model
from pipelines.mlops.monitoring.predictions import SAMPLE, DecisionChanges, compare_decisions
from tests.unit.mlops.scoring.conftest import as_split, git, make_params, make_release, make_rows

FILES = ("models/model.skops", "models/model.json", "data/split/train.parquet",
         "data/split/test.parquet")  # fmt: skip


def commit_model(root: Path, made_in: Path, test_seed: int = 9, **train: Any) -> str:
    """Commit what a run leaves of a model that was trained with these settings."""
    made_in.mkdir()
    make_release(make_params(**train), made_in)
    write_table(made_in / "data/split/test.parquet", as_split(make_rows(400, test_seed)))
    outs = []
    for path in FILES:
        content = (made_in / path).read_bytes()
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        outs.append({"path": path, "md5": md5})
    (root / "params.yaml").write_bytes((made_in / "params.yaml").read_bytes())
    (root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"all": {"outs": outs}}}))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run", "--allow-empty")
    return git(root, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    root, work = tmp_path_factory.mktemp("two"), tmp_path_factory.mktemp("work")
    git(root, "init", "-q")
    weak = {"logistic_regression": {"C": [0.001]}}
    first = commit_model(root, work / "first")
    rule = {"rule": "fixed", "value": 0.7}
    return root, first, commit_model(root, work / "second", models=weak, threshold=rule)


@pytest.fixture(scope="module")
def changes(two: tuple[Path, str, str]) -> DecisionChanges:
    return compare_decisions(*two)


def test_counts_are_those_of_scoring_every_row_with_both(
    two: tuple[Path, str, str], changes: DecisionChanges, tmp_path: Path
) -> None:
    root, *commits = two
    selected = []
    for commit in commits:
        git(root, "checkout", "-q", commit)
        model, info = load_model(root / FILES[0], root / FILES[1])
        scores = score(model, info, read_table(root / FILES[3]))
        selected.append(scores >= info.threshold.value)
    first, second = selected
    assert changes.rows == len(first) == 400
    assert (changes.selected_a, changes.selected_b) == (first.sum(), second.sum())
    assert changes.gained == (second & ~first).sum()
    assert changes.lost == (first & ~second).sum() > 0


def test_groups_add_up_to_all_rows(changes: DecisionChanges) -> None:
    features = {group.feature for group in changes.groups}
    assert features
    for feature in features:
        mine = [group for group in changes.groups if group.feature == feature]
        assert sum(group.rows for group in mine) == changes.rows
        assert sum(round(group.selected_a * group.rows) for group in mine) == changes.selected_a


def test_few_people_have_no_number(changes: DecisionChanges) -> None:
    assert changes.least >= 5
    counts = [count for group in changes.groups for count in (group.gained, group.lost)]
    assert counts
    assert all(count is None or count == 0 or count >= changes.least for count in counts)


def test_the_sample_shows_scores_and_most_of_what_changes(changes: DecisionChanges) -> None:
    assert 0 < len(changes.sample) <= SAMPLE
    differences = [second - first for first, second in changes.sample]
    assert differences == sorted(differences)
    moved = [(a >= changes.threshold_a) != (b >= changes.threshold_b) for a, b in changes.sample]
    assert sum(moved) == min(SAMPLE * 2 // 3, changes.gained + changes.lost)


def test_rows_that_a_model_learned_from_are_said(two: tuple[Path, str, str]) -> None:
    root, first, _ = two
    git(root, "checkout", "-q", first)
    test = (root / "data/split/train.parquet").read_bytes()
    (root / "data/split/test.parquet").write_bytes(test)
    lock = yaml.safe_load((root / "dvc.lock").read_text())
    for out in lock["stages"]["all"]["outs"]:
        if out["path"] == "data/split/test.parquet":
            out["md5"] = hashlib.md5(test, usedforsecurity=False).hexdigest()
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    git(root, "commit", "-qam", "tests on what it learned from")
    found = compare_decisions(root, first, git(root, "rev-parse", "HEAD"))
    assert [note.split(" model learned")[0] for note in found.notes] == ["the first", "the second"]
    assert (found.gained, found.lost) == (0, 0)


def test_another_process_prints_the_same(
    two: tuple[Path, str, str], changes: DecisionChanges, tmp_path: Path
) -> None:
    root, first, second = two
    command = [sys.executable, "-m", DecisionChanges.__module__, str(root), first]
    done = subprocess.run([*command, second], capture_output=True, text=True, check=True)
    assert DecisionChanges.model_validate_json(done.stdout) == changes
    failed = subprocess.run([*command, "0" * 40], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1


def test_a_commit_without_a_model_is_refused(two: tuple[Path, str, str]) -> None:
    root, first, _ = two
    git(root, "checkout", "-q", first)
    git(root, "rm", "-q", "dvc.lock")
    git(root, "commit", "-qm", "no run")
    with pytest.raises(SignalboxError, match=r"has no dvc\.lock"):
        compare_decisions(root, first, git(root, "rev-parse", "HEAD"))
