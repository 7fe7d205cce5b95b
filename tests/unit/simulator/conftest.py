from pathlib import Path

import pytest

from tests.unit.simulator.worlds import troubled, written


@pytest.fixture(scope="package")
def signals_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lake of a small world with many faults, with metrics, logs and spans."""
    return written(troubled(), tmp_path_factory.mktemp("signals") / "world")
