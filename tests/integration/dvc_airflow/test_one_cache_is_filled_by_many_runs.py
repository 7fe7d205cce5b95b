"""Runs at the same time may make the same content; each finds it in the cache afterwards."""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from pathlib import Path

FILES, RUNS = 150, 4


def fill(folder: str, cache: str, begin: float) -> int:
    """Add files to the cache, each at the same moment as the other runs; count what is missing."""
    from dvc_data.hashfile.db.local import LocalHashFileDB
    from dvc_objects.fs.local import LocalFileSystem

    from dvc_airflow.runtime.links import make_reflinks_atomic

    make_reflinks_atomic()
    files = LocalFileSystem()
    missing = 0
    for number in range(FILES):
        path = Path(folder, str(number))
        path.write_text(str(number))
        oid = hashlib.md5(path.read_bytes()).hexdigest()
        while time.time() < begin + number / 100:
            pass
        try:
            LocalHashFileDB(files, cache).add(str(path), files, oid)
            LocalHashFileDB(files, cache).check(oid)
        except FileNotFoundError:
            missing += 1
    return missing


def test_content_that_several_runs_add_at_once_is_there_for_all(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    folders = [tmp_path / str(run) for run in range(RUNS)]
    for folder in (cache, *folders):
        folder.mkdir()
    begin = time.time() + 5
    with multiprocessing.get_context("spawn").Pool(RUNS) as pool:
        work = [(str(folder), str(cache), begin) for folder in folders]
        assert pool.starmap(fill, work, chunksize=1) == [0] * RUNS
    assert sum(path.is_file() for path in cache.rglob("*")) == FILES
