"""A small lake that the tests of the jobs share; none of them writes to it."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.aiops.params import AiopsParams
from tests.support.aiops_world import World, params_for, write_lake

WORLD = World(days=4)
SHORT: dict[str, dict[str, Any]] = {
    "metric_anomalies": {"lookback_days": 3},
    "log_anomalies": {"history_days": 3},
    "export_rules": {"alertmanager_yml": ""},
}
"""Sections of params for so short a lake."""


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of the lake of `WORLD`."""
    folder = tmp_path_factory.mktemp("world") / "lake"
    write_lake(folder, WORLD)
    return folder


@pytest.fixture
def params(lake: Path, tmp_path: Path) -> AiopsParams:
    """Params for the lake, with results and state of the test's own."""
    return params_for(tmp_path, analysis={"lake": str(lake)}, **SHORT)
