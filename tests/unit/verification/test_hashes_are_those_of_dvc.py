"""We hash without DVC; the hashes must be DVC's."""

from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.verification.hashes import Hasher
from pipelines.verification.pipeline import read_lock, read_stages
from tests.conftest import ROOT


def test_a_folder_hashes_as_in_dvc(tmp_path: Path) -> None:
    from dvc.fs import LocalFileSystem
    from dvc_data.hashfile.build import build
    from dvc_data.hashfile.db import HashFileDB

    folder = tmp_path / "folder"
    (folder / "b/ä").mkdir(parents=True)
    for name in ("z", "a b", "b/1", "b/ä/x", "b.c", "empty"):
        (folder / name).write_text("" if name == "empty" else name)
    fs = LocalFileSystem()
    db = HashFileDB(fs, str(tmp_path / "db"))
    _, meta, tree = build(db, str(folder), fs, "md5")
    found = Hasher(tmp_path).of(folder)
    assert found is not None
    assert found.md5 == tree.hash_info.value
    assert (found.size, found.nfiles) == (meta.size, meta.nfiles)


def test_what_dvc_ignores_is_not_hashed(tmp_path: Path) -> None:
    (tmp_path / ".dvcignore").write_text("__pycache__/\n*.pyc\n")
    folder = tmp_path / "code"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "a.py").write_text("1")
    before = Hasher(tmp_path).of(folder)
    (folder / "__pycache__/a.txt").write_text("2")
    (folder / "b.pyc").write_text("3")
    after = Hasher(tmp_path).of(folder)
    assert before is not None
    assert after is not None
    assert before.md5 == after.md5


def test_the_stages_of_our_own_project_are_understood() -> None:
    from pipelines.verification.pipeline import load_yaml

    params = load_yaml((ROOT / "params.yaml").read_bytes(), "params.yaml")
    stages = read_stages((ROOT / "dvc.yaml").read_bytes(), params)
    lock = read_lock((ROOT / "dvc.lock").read_bytes())
    assert list(stages) == list(lock.stages)
    for name, stage in stages.items():
        assert not stage.strange
        assert stage.deps == {dep.path for dep in lock.stages[name].deps}
        assert stage.outs == {out.path for out in lock.stages[name].outs}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"stages: [1]",
        b"stages: {a: {cmd: x, outs: [{path: p, md5: ../../x}]}}",
        b"stages: {a: {cmd: x}, a: {cmd: y}}",
    ],
)
def test_what_is_no_lock_file_is_said_in_one_line(content: bytes) -> None:
    with pytest.raises(SignalboxError, match=r"^dvc\.lock: not ") as caught:
        read_lock(content)
    assert "\n" not in str(caught.value)
