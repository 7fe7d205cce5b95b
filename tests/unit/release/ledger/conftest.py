"""A project with a ledger and keys of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.release.ledger import Ledger


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def ledger(project: Path) -> Ledger:
    return Ledger.of(project)


@pytest.fixture
def filled(ledger: Ledger) -> Ledger:
    """Give a ledger of five entries: key, run, gate, new key, release."""
    ledger.append("run", "model_release", {"run": "r1", "commit": "a" * 40})
    ledger.append("gate", "model_release", {"decision": "review", "share": 0.25})
    ledger.rotate("yearly")
    ledger.append("release", "model_release", {"name": "model-release@v0.1.0"})
    return ledger


@pytest.fixture
def rewrite(ledger: Ledger) -> Callable[[Callable[[list[bytes]], list[bytes]]], None]:
    """Change the lines of the ledger behind its back."""

    def change(how: Callable[[list[bytes]], list[bytes]]) -> None:
        lines = ledger.path.read_bytes().splitlines(keepends=True)
        ledger.path.write_bytes(b"".join(how(lines)))

    return change
