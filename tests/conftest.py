"""What all tests share."""

import os
import tempfile
from pathlib import Path

import pytest

from pipelines.base.params import Params, load_params
from pipelines.base.params.data import DataParams

ROOT = Path(__file__).resolve().parents[1]

# Child processes of tests must not recompile Airflow and pandas every time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Keys that tests generate are not the user's.
os.environ["SIGNALBOX_KEYS"] = tempfile.mkdtemp(prefix="signalbox-keys-")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker, so that fixtures and heavy imports happen once."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))


@pytest.fixture(scope="session")
def params() -> Params:
    """Return the project's own parameters."""
    return load_params(ROOT / "params.yaml")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def data_params(**changes: object) -> DataParams:
    """Return a small section ``data`` for a table with columns key, colour, size, label."""
    base: dict[str, object] = {
        "name": "toy",
        "source": {"kind": "csv", "paths": ["toy.csv"], "watch": "toy.csv"},
        "target": "label",
        "positive": "yes",
        "subject_key": "key",
        "sensitive": {"colour": {}},
        "missing_marks": ["?"],
    }
    return DataParams.model_validate({**base, **changes})
