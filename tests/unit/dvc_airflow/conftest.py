"""Projects that are only files: no git, no data, nothing runs."""

from __future__ import annotations

import os
import tempfile
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

# Airflow writes a configuration file into its home as soon as it is imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def write_project(tmp_path: Path) -> Write:
    """Write files into a fresh DVC project without git."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        (root / ".dvc").mkdir(parents=True, exist_ok=True)
        (root / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
        for name, text in files.items():
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(textwrap.dedent(text).lstrip("\n"))
        return root

    return write
