"""Airflow's operators run here with a stand-in for the run; the real one is in tests/e2e."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.unit.release.lifecycle.product import make_project

# Airflow writes a configuration file into its home as soon as it is imported.
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="airflow-home-"))


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project", when="always")
