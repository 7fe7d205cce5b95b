import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.compliance_commands import JSON, write
from pipelines.release.ledger import Ledger
from tests.unit.mlops.release_report import cases

PersonalData = dict[str, dict[str, Any]]


@pytest.fixture
def project(
    here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Evidence of a small release, without ledger or documents; sex and race are named."""
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path_factory.mktemp("keys")))
    cases.leave()
    (here / "release.yaml").write_text("compliance: {sex: sex, race: race}\n")
    return here


@pytest.fixture
def hold(project: Path) -> Callable[[], PersonalData]:
    """Make the report; return its requirements by id."""

    def made() -> PersonalData:
        write(project)
        record = json.loads((project / JSON).read_text())
        return {item["id"]: item for item in record["requirements"]}

    return made


@pytest.fixture
def log(project: Path) -> Callable[..., None]:
    """Add an entry to the ledger."""

    def add(kind: str, **data: Any) -> None:
        Ledger.of(project).append(kind, "model_release", data)

    return add
