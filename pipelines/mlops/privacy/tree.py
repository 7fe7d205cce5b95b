"""Files of the work tree and of the runs' workspaces: search them, take the subject out."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.artifacts import PARAMS
from pipelines.base.errors import SignalboxError
from pipelines.base.files import sha256_file, write_bytes
from pipelines.base.params import load_params
from pipelines.base.params.data import DataParams
from pipelines.mlops.privacy.packing import pack, unpack
from pipelines.mlops.privacy.probe import KEY, LINES, TABLE, Hit, Probe

RUNS = Path("runs")

SKIPPED = {
    ".git", ".venv", ".dvc", ".airflow", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".hypothesis", ".import_linter_cache", "__pycache__", "node_modules",
}  # fmt: skip
"""Folders without data of the project: tools, git's objects (see `NOT_SEARCHED`), DVC's (which
`stores` searches)."""

NOT_SEARCHED = [
    "git history: searched, but not rewritten: commits of branches and tags keep what they held, "
    "see git.history; git filter-repo rewrites them, here and in every clone. Commits that no "
    "branch, tag or other ref reaches (reflogs) are not searched",
    "clones, backups, Airflow's database and logs, and everything outside the project",
    "models: a trained model is no table of rows; it is replaced by the retrain, see releases",
]
"""What the proof must admit."""


@dataclass(frozen=True)
class Found:
    """A file that holds the subject."""

    path: Path
    sha256: str
    hit: Hit


def roots(project: Path) -> list[Path]:
    """List the project and the workspace of every run."""
    runs = sorted(path.parent for path in (project / RUNS).glob("*/*/dvc.yaml"))
    return [project, *runs]


def data_of(root: Path, otherwise: DataParams) -> DataParams:
    """Section ``data`` of a root; that of the project where a workspace's can't be read."""
    try:
        return load_params(root / PARAMS).data
    except SignalboxError:
        return otherwise


def files(project: Path) -> Iterator[Path]:
    """Every file that may hold data, workspaces included; links aren't followed out of it."""
    for folder, folders, names in os.walk(project):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = Path(folder) / name
            if path.is_file():
                yield path


def search(project: Path, probe: Probe, leave: set[Path]) -> tuple[list[Found], int]:
    """Files that hold the subject, without `leave`, and how many were opened."""
    found, opened = [], 0
    for path in files(project):
        if path in leave:
            continue
        opened += 1
        hit = probe.look(path.read_bytes())
        if hit is not None:
            found.append(Found(path, sha256_file(path), hit))
    return found, opened


def take_out(found: Found, project: Path, probe: Probe) -> str:
    """Take the subject out of a file.

    Returns
    -------
    str
        What was done: ``rewritten``; ``removed`` (a generated file that can't be rewritten); or
        ``remains`` (a file under version control that a person has to look at).
    """
    changed = _changed(found, probe)
    if changed is not None and probe.look(changed) is None:
        write_bytes(found.path, changed)
        return "rewritten"
    if _is_generated(found.path, project):
        found.path.unlink()
        return "removed"
    return "remains"


def _changed(found: Found, probe: Probe) -> bytes | None:
    """Content without the subject's rows, or None where there are no rows to take out."""
    content = found.path.read_bytes()
    if found.hit.kind == TABLE:
        return _table_without(content, probe)
    text = _text(unpack(content), probe)
    if text is None:
        return None
    lines = text.splitlines(keepends=True)
    if found.hit.kind == LINES:
        kept = [line for line in lines if line.strip() not in probe.lines]
    elif found.hit.kind == KEY and lines and probe.key_column(_names(lines[0])) is not None:
        kept = [line for line in lines if probe.look(line.encode()) is None]
    else:
        return None
    return pack("".join(kept).encode(_encoding(probe)), found.path)


def _table_without(content: bytes, probe: Probe) -> bytes | None:
    import pyarrow as pa
    from pyarrow import parquet

    table = parquet.read_table(pa.BufferReader(content))
    column = probe.key_column(list(table.column_names))
    if column is None:
        return None
    keep = ~probe.mask(table.column(column).to_pandas()).to_numpy()
    sink = pa.BufferOutputStream()
    parquet.write_table(table.filter(pa.array(keep)), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _encoding(probe: Probe) -> str:
    return str(getattr(probe.data.source, "encoding", "utf-8"))


def _text(content: bytes, probe: Probe) -> str | None:
    try:
        return content.decode(_encoding(probe))
    except UnicodeDecodeError:
        return None


def _names(head: str) -> list[str]:
    return [name.strip().strip('"') for name in head.split(",")]


def _is_generated(path: Path, project: Path) -> bool:
    """Whether git ignores the file: then a stage or a run made it, and can make it again."""
    done = subprocess.run(
        ["git", "check-ignore", "--quiet", str(path)], cwd=project, check=False, capture_output=True
    )
    return done.returncode == 0


def tracked(paths: list[Path], project: Path) -> list[str]:
    """Those of `paths` that git tracks: their old versions stay in its history."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--", *(str(path) for path in paths)],
        cwd=project, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return sorted(filter(None, done.stdout.split("\0"))) if paths else []
