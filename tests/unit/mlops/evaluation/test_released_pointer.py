import subprocess
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.files import sha256_file
from pipelines.release.released import Released, fetch, point_to, read_released, write_released

COMMIT = "a" * 40


def test_null_means_no_release(tmp_path: Path) -> None:
    write_released(None, tmp_path / "p.json")
    assert read_released(tmp_path / "p.json") is None


def test_a_pointer_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.write_text("x")
    made = point_to("v1", COMMIT, [file], tmp_path / "p.json")
    assert read_released(tmp_path / "p.json") == made
    assert made.artifacts == {file.as_posix(): sha256_file(file)}


def test_a_missing_pointer_is_not_taken_for_no_release(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="no such file"):
        read_released(tmp_path / "p.json")


@pytest.mark.parametrize("text", ["{}", "[]", '{"released": {"name": "x"}}', '{"released": 1}'])
def test_a_damaged_pointer_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(SignalboxError, match=r"p\.json: not a release pointer"):
        read_released(tmp_path / "p.json")


def test_a_short_commit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="isn't a full git hash"):
        point_to("v1", "abc", [], tmp_path / "p.json")


def _git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *who, *words], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Released]:
    from dvc.repo import Repo

    root = tmp_path_factory.mktemp("project")
    _git(root, "init", "-q")
    repo = Repo.init(str(root))
    (root / "model").write_text("first")
    repo.add(str(root / "model"))
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "first")
    released = Released(
        name="v1",
        commit=_git(root, "rev-parse", "HEAD"),
        artifacts={"model": sha256_file(root / "model"), "gone": "0" * 64},
    )
    (root / "model").write_text("second")
    repo.add(str(root / "model"))
    return root, released


def test_an_artifact_comes_from_the_released_commit(project, tmp_path: Path) -> None:
    root, released = project
    fetch(released, Path("model"), tmp_path / "copy", project=root)
    assert (tmp_path / "copy").read_text() == "first"
    assert (root / "model").read_text() == "second"


def test_another_hash_than_the_pointers_is_refused(project, tmp_path: Path) -> None:
    root, released = project
    changed = released.model_copy(update={"artifacts": {"model": "1" * 64}})
    with pytest.raises(SignalboxError, match="changed after the release"):
        fetch(changed, Path("model"), tmp_path / "copy", project=root)
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("artifact", "commit", "message"),
    [
        ("other", None, "release v1 has no other"),
        ("gone", None, "cannot be fetched"),
        ("model", "b" * 40, "cannot be fetched: unknown Git revision"),
    ],
)
def test_what_cannot_be_fetched_is_a_clear_error(
    project, tmp_path: Path, artifact: str, commit: str | None, message: str
) -> None:
    root, released = project
    asked = released.model_copy(update={"commit": commit or released.commit})
    with pytest.raises(SignalboxError, match=message):
        fetch(asked, Path(artifact), tmp_path / "copy", project=root)
