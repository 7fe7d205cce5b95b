"""A released model learned from a subject if its train split held it."""

from pathlib import Path

import pytest

from pipelines.mlops.privacy.run_refs import UNKNOWN, drop_from_pointer, releases_holding
from pipelines.release.released import Released, read_released, write_released
from tests.support.small_project import call, commit

TRAIN = "data/split/train.parquet"
POINTER = Path("released/model_release.json")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two tagged releases with different train splits; the second is in production."""
    call(tmp_path, "git", "init", "--quiet")
    call(tmp_path, "git", "config", "user.email", "test@example.org")
    call(tmp_path, "git", "config", "user.name", "Test")
    for number in (1, 2):
        lock = f"stages:\n  split:\n    outs:\n    - path: {TRAIN}\n      md5: split{number}\n"
        (tmp_path / "dvc.lock").write_text(lock)
        commit(tmp_path, f"run {number}")
        call(tmp_path, "git", "tag", "--annotate", "--message", "v", f"model_release@v{number}.0.0")
    head = call(tmp_path, "git", "rev-parse", "HEAD").strip()
    files = {TRAIN: "a" * 64, "models/model.skops": "b" * 64}
    released = Released(name="model_release@v2.0.0", commit=head, artifacts=files)
    write_released(released, tmp_path / POINTER)
    return tmp_path


def contains(project: Path, holding: set[str], seen: set[str]) -> dict[str, object]:
    return {one["release"]: one["contains"] for one in releases_holding(project, holding, seen)}


def test_each_release_is_judged_by_its_own_split(project: Path) -> None:
    assert contains(project, {"split2"}, {"split1", "split2"}) == {
        "model_release@v1.0.0": False,
        "model_release@v2.0.0": True,
    }


def test_a_split_that_could_not_be_opened_is_unknown_and_not_clean(project: Path) -> None:
    assert contains(project, set(), {"split2"})["model_release@v1.0.0"] == UNKNOWN


def test_the_pointer_loses_train_data_only_if_it_held_the_subject(project: Path) -> None:
    known = releases_holding(project, {"split1"}, {"split1", "split2"})
    assert not drop_from_pointer(project, known)
    known = releases_holding(project, {"split2"}, {"split1", "split2"})
    assert drop_from_pointer(project, known)
    left = read_released(project / POINTER)
    assert left is not None
    assert list(left.artifacts) == ["models/model.skops"]
    assert not drop_from_pointer(project, known)
