"""A repository in which no release can work says so before anything is logged or tagged."""

import subprocess
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.release.registry.write import require_commits


def test_sha256_objects_are_refused_at_the_door(tmp_path: Path) -> None:
    command = ["git", "init", "--quiet", "--object-format=sha256", str(tmp_path)]
    subprocess.run(command, check=True)
    with pytest.raises(SignalboxError, match="sha256, which DVC cannot read"):
        require_commits(tmp_path)


def test_a_folder_outside_git_and_a_branch_without_commits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="not a git repository"):
        require_commits(tmp_path)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(SignalboxError, match="no commit yet"):
        require_commits(tmp_path)
