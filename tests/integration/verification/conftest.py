"""One small project in which everything ran and is committed."""

import shutil
from pathlib import Path

import pytest

from tests.support.small_project import call, commit, make_small_project


@pytest.fixture(scope="session")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project; tests must leave it as it is."""
    place = make_small_project(tmp_path_factory.mktemp("proof"))
    call(place, "dvc", "repro")
    commit(place, "ran")
    return place


@pytest.fixture
def copy(proven: Path, tmp_path: Path) -> Path:
    """A copy to change, with its cache."""
    return Path(shutil.copytree(proven, tmp_path / "copy", symlinks=True))
