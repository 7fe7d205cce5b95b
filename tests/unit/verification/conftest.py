"""Keys of tests stay in the test's folder."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
