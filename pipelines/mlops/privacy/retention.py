"""Files that are older than ``privacy.retention_days`` allows."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pipelines.base.artifacts import EVIDENCE, QUARANTINE
from pipelines.base.params.data import DataParams
from pipelines.mlops.privacy.params import PrivacyParams, Store
from pipelines.mlops.privacy.source import local_files

FOLDERS: dict[Store, tuple[str, ...]] = {
    "tables": ("data/ingested.parquet", "data/validated.parquet", "data/split"),
    "quarantine": (QUARANTINE.parent.as_posix(),),
    "predictions": ("predictions",),
    "models": ("models",),
    "evidence": (EVIDENCE.as_posix(),),
    "runs": ("runs",),
    "cache": (".dvc/cache/files",),
}
"""Where each store's files lie."""


def too_old(project: Path, data: DataParams, own: PrivacyParams,
            now: datetime) -> list[tuple[str, str, int, int]]:  # fmt: skip
    """Store, file, age and limit in days of every file that is older than its limit.

    A file's age is that of its last change on this machine: git and DVC write files anew at a
    checkout, so a fresh clone looks young.
    """
    found: list[tuple[str, str, int, int]] = []
    for store, limit in sorted(own.retention_days.items()):
        for path in files(project, store, data):
            days = (now - datetime.fromtimestamp(path.stat().st_mtime, UTC)).days
            if days > limit:
                shown = path.relative_to(project) if path.is_relative_to(project) else path
                found.append((store, shown.as_posix(), days, limit))
    return found


def unlimited(project: Path, data: DataParams, own: PrivacyParams) -> list[str]:
    """List stores that hold files and have no limit."""
    stores: list[Store] = ["source", *FOLDERS]
    return [
        store
        for store in stores
        if store not in own.retention_days and any(files(project, store, data))
    ]


def files(project: Path, store: Store, data: DataParams) -> Iterator[Path]:
    """Files of a store, sorted."""
    if store == "source":
        yield from local_files(data, project)
        return
    for name in FOLDERS[store]:
        path = project / name
        if path.is_file():
            yield path
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(f for f in folders if f not in {".git", "__pycache__"})
            yield from (Path(folder) / name for name in sorted(names))
