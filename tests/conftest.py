"""What all tests share."""

import os
import re
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.params import DataParams, Params, load_params

ROOT = Path(__file__).resolve().parents[1]

# Child processes of tests must not recompile Airflow and pandas every time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# pytest-xdist gives its workers a screen's width; lines that nobody reads on a screen don't wrap.
os.environ.pop("COLUMNS", None)

# Keys that tests generate are not the user's.
os.environ["SIGNALBOX_KEYS"] = tempfile.mkdtemp(prefix="signalbox-keys-")


ALONE = "tests/e2e/test_model_release_in_airflow.py"
"""Takes as long as the other files with an Airflow together: it has one for itself."""
TOGETHER = (
    ("airflow", re.compile(rf"^(?!{ALONE})tests/e2e/test_\w+_in_airflow\.py$")),
    ("proof", re.compile(r"^tests/integration/verification/")),
)
"""Files that share what takes long to start. All other files are each for themselves."""


TIERS = ("tier_check", "tier_test", "tier_rest", "tier_long")
"""Every test has exactly one: the first target of the Makefile that runs it.

``make check`` runs the first, ``make test`` two, ``make test-all`` three, ``make test-long`` the
last.
"""


@pytest.hookimpl(tryfirst=True)  # before pytest chooses by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test its tier; put what takes longest first, so that no worker ends with it."""
    for item in items:
        item.add_marker(tier(_file(item.nodeid), {mark.name for mark in item.iter_markers()}))
    items.sort(key=lambda item: _rank(_file(item.nodeid)))


def tier(file: str, marks: Collection[str]) -> str:
    """Tier of a test, by the file that it is in and its markers."""
    check, test, rest, long = TIERS
    if "long" in marks:
        return long
    if file.startswith("tests/e2e/"):
        return test if "product" in marks else rest
    if file.startswith("tests/integration/"):
        return rest if "slow" in marks else test
    return test if "slow" in marks else check


def _rank(file: str) -> tuple[bool, bool, bool]:
    return (file != ALONE, _scope(file) == file, file.startswith("tests/unit/"))


def _file(nodeid: str) -> str:
    return nodeid.split("::", maxsplit=1)[0]


def _scope(file: str) -> str:
    return next((name for name, pattern in TOGETHER if pattern.search(file)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep a file's tests on one worker, and those of `TOGETHER` too.

    The plugin's own groups don't work with pytest 9.2: it looks for them in names that pytest no
    longer lets it change.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _scope(_file(nodeid))

    return ByFile(config, log)


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
        "favourable": "yes",
        "subject_key": "key",
        "sensitive": {"colour": {}},
        "missing_marks": ["?"],
    }
    return DataParams.model_validate({**base, **changes})
