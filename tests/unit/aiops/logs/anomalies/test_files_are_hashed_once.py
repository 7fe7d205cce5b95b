"""Files that didn't change are not read again; what changed is."""

from pathlib import Path

import pytest

from pipelines.aiops.logs.anomalies import state
from pipelines.aiops.logs.anomalies.state import FileHashes
from pipelines.core.files import sha256_file


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files that were read."""
    names: list[str] = []

    def noted(path: Path) -> str:
        names.append(path.name)
        return sha256_file(path)

    monkeypatch.setattr(state, "sha256_file", noted)
    return names


def asked(folder: Path) -> list[str]:
    known = FileHashes(folder / "state" / "hashes.json")
    found = [known.of(folder / name) for name in ("a", "b")]
    known.save()
    return found


def test_only_what_changed_is_read_again(tmp_path: Path, read: list[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    first = asked(tmp_path)
    assert first == [sha256_file(tmp_path / name) for name in ("a", "b")]
    assert asked(tmp_path) == first
    assert read == ["a", "b"]
    (tmp_path / "b").write_text("more")
    assert asked(tmp_path) == [first[0], sha256_file(tmp_path / "b")]
    assert read == ["a", "b", "b"]


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"a": 1}'])
def test_a_damaged_memory_only_costs_reading(tmp_path: Path, read: list[str], damage: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    first = asked(tmp_path)
    (tmp_path / "state" / "hashes.json").write_text(damage)
    assert asked(tmp_path) == first
    assert read == ["a", "b", "a", "b"]
