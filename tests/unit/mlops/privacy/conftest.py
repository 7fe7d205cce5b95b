"""A DVC project in miniature, made without starting DVC."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.core.files import sha256_file, write_json
from tests.conftest import ROOT
from tests.support.small_project import ONE_CHECK, call, change_params, commit

KEY = "person-17"
LINES = [f"person-{i},red,{i},{'yes' if i % 2 else 'no'}" for i in range(30)]


@dataclass
class Entry:
    kind: str
    subject: str
    data: dict[str, Any]
    hash: str = "h"


@dataclass
class Book:
    """A ledger that keeps what it is told."""

    kept: list[Entry] = field(default_factory=list)

    def append(self, kind: str, subject: str, data: dict[str, Any]) -> Entry:
        self.kept.append(Entry(kind, subject, data))
        return self.kept[-1]

    def entries(self) -> list[Entry]:
        return self.kept


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DVC project with a source, a table, a DVC-tracked copy and a pinned hash."""
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    place = tmp_path / "project"
    place.mkdir()
    text = "\n".join(["name,colour,size,label", *LINES, ""])
    (place / "raw.csv").write_text(text)
    (place / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    change_params(place, {
        "data.source.paths": ["raw.csv"],
        "data.source.sha256": [sha(text)],
        "data.source.watch": "raw.csv",
        "data.source.columns": [],
        "data.replace": {},
        "data.target": "label",
        "data.positive": "yes",
        "data.favourable": "yes",
        "data.subject_key": "name",
        "data.sensitive": {"colour": {}},
        "data.intersections": [],
        "data.ignore": [],
        "bias_audit.mitigation.feature": None,
        "gate.checks": [ONE_CHECK],
    })  # fmt: skip
    (place / "data").mkdir()
    frame = pd.DataFrame({"subject_id": [f"person-{i}" for i in range(30)], "size": range(30)})
    frame.to_parquet(place / "data/ingested.parquet")
    (place / ".gitignore").write_text("/reports/\n/predictions/\n")
    call(place, "git", "init", "--quiet")
    call(place, "git", "config", "user.email", "test@example.org")
    call(place, "git", "config", "user.name", "Test")
    store(place, {"raw": text.encode(), "table": (place / "data/ingested.parquet").read_bytes()})
    (place / "predictions").mkdir()
    frame.to_parquet(place / "predictions/new.parquet")
    outputs = {"new.parquet": sha256_file(place / "predictions/new.parquet")}
    write_json(place / "predictions/new.json", {"rows": 30, "outputs": outputs})
    (place / "reports").mkdir()
    (place / "reports/note.html").write_text(f"<p>{KEY}</p>")
    commit(place, "start")
    return place


def store(place: Path, contents: dict[str, bytes]) -> None:
    """Make a cache by hand: starting DVC for it would take longer than all the rest."""
    (place / ".dvc").mkdir()
    (place / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (place / ".dvc/.gitignore").write_text("/tmp\n/cache\n")
    for content in [*contents.values(), b"innocent"]:
        oid = hashlib.md5(content).hexdigest()
        path = place / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def left(project: Path) -> list[str]:
    """Files that hold the subject: tables by their values, others by their bytes."""
    searched = [p for p in project.rglob("*") if p.is_file() and ".git" not in p.parts]
    return [p.name for p in searched if holds(p)]


def holds(path: Path) -> bool:
    content = path.read_bytes()
    if content.startswith(b"PAR1"):
        return bool((pd.read_parquet(path)["subject_id"] == KEY).any())
    return KEY.encode() in content
