"""Erase a person from telemetry: rows of the lake, payloads, and what was made of either.

Rows and records are taken out one by one; days of the lake are replaced whole, under the lake's
lock. Results and state are made of the lake: a window or day that holds the value goes as a whole,
and is made again without it. The lake keeps what was erased, sealed with the secret of keyed
hashes, so that a source that delivers it again doesn't bring it back (`keep_out`).
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.aiops.lake.days import LOCK, day_folder, days_of, quarantine_files
from pipelines.aiops.lake.store import locked, write_if_changed
from pipelines.aiops.privacy.at_ingest import add_erased
from pipelines.aiops.privacy.selectors import (
    Selector,
    in_text,
    records_of,
    rows_of,
    rows_with_text,
    without,
)
from pipelines.aiops.privacy.stores import (
    RESULTS,
    STATE,
    Stores,
    day_unit,
    files_in,
    holds_text,
    writing,
)
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_bytes

if TYPE_CHECKING:
    import pyarrow as pa

NOT_SEARCHED = [
    "files of others that sources read (logs, exports, traces), and servers that they ask: erase "
    "there as well; until then ingest leaves out what was erased",
    "DVC's cache and remotes, git history, clones, backups, Airflow's database and logs: windows "
    "of a lake that were frozen stay in DVC's cache until `dvc gc`",
]
"""What the proof must admit."""

_SKIPPED = {
    ".git", ".venv", ".dvc", ".airflow", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".hypothesis", ".import_linter_cache", "__pycache__", "node_modules",
}  # fmt: skip


@dataclass
class Erased:
    """What was erased, or would be.

    Attributes
    ----------
    rows : Counter of str
        Rows and records, by ``lake:<table>``, ``lake:quarantine`` and ``inbox``.
    folders : Counter of str
        Windows of ``results`` and days of ``state`` that went as a whole.
    files : int
        Files that were opened.
    as_text : Counter of str
        Rows that are not selected and hold the value in another text, by table; a pattern takes
        them.
    elsewhere : list of str
        Files of the project outside the stores that hold the value.
    remaining : list of str
        Files of the stores that hold it after all; empty once erased.
    """

    rows: Counter[str] = field(default_factory=Counter)
    folders: Counter[str] = field(default_factory=Counter)
    files: int = 0
    as_text: Counter[str] = field(default_factory=Counter)
    elsewhere: list[str] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)

    @property
    def found(self) -> bool:
        """Whether anything of the stores is selected."""
        return bool(+self.rows or +self.folders)

    def counts(self) -> dict[str, Any]:
        """Return the numbers for the ledger; without a path, which could name a person.

        Returns
        -------
        dict
        """
        return {
            "rows": dict(sorted((+self.rows).items())),
            "folders": dict(sorted((+self.folders).items())),
            "files_searched": self.files,
            "other_texts": dict(sorted((+self.as_text).items())),
            "elsewhere": len(self.elsewhere),
            "remaining": len(self.remaining),
            "not_searched": NOT_SEARCHED,
        }


def search(stores: Stores, selector: Selector) -> Erased:
    """Count what an erasure would take.

    Parameters
    ----------
    stores : Stores
    selector : Selector

    Returns
    -------
    Erased

    Raises
    ------
    SignalboxError
        If a file can't be searched.
    """
    found = Erased()
    _each(stores, selector, found, write=False)
    found.elsewhere = _elsewhere(stores, selector)
    return found


@dataclass(frozen=True)
class TelemetryCopy:
    """What one file, window or day holds of a person.

    Attributes
    ----------
    place : str
        ``telemetry``, ``inbox``, ``results`` or ``state``.
    path : str
        Relative to the project where it lies in it, else absolute.
    rows : list of dict of str to object
        Column → value of a lake's rows, or ``record`` → text of an inbox; empty for windows and
        days, which hold what was made of such rows.
    """

    place: str
    path: str
    rows: list[dict[str, Any]] = field(repr=False)


def copies(stores: Stores, selector: Selector) -> list[TelemetryCopy]:
    """List what an erasure would take, with its values (GDPR Art. 15 and 20).

    Parameters
    ----------
    stores : Stores
    selector : Selector

    Returns
    -------
    list of TelemetryCopy
        By place and path.

    Raises
    ------
    SignalboxError
        If a file can't be searched.
    """
    import pyarrow as pa

    found = []

    def add(place: str, path: Path, rows: list[dict[str, Any]]) -> None:
        inside = path.is_relative_to(stores.project)
        name = path.relative_to(stores.project) if inside else path
        found.append(TelemetryCopy(place, name.as_posix(), rows))

    for lake in stores.lakes:
        if lake.is_dir():
            with locked(lake):
                for path, _, select in _parts(lake):
                    rows = _read(path)
                    selected = select(selector, rows)
                    if selected.any():
                        add("telemetry", path, rows.filter(pa.array(selected)).to_pylist())
    for path in stores.payloads():
        records = _records(selector, path.read_bytes())
        if records:
            add("inbox", path, [{"record": record} for record in records])
    for folder, place in ((stores.results, RESULTS), (stores.state, STATE)):
        for unit in sorted(_units(folder, place, selector, Erased())):
            add(place, unit, [])
    return sorted(found, key=lambda copy: (copy.place, copy.path))


def _records(selector: Selector, content: bytes) -> list[str]:
    """List the person's records of a payload, or of each line of a file of payloads, as JSON."""
    found = []
    lines = [content] if _parsed(content) is not None else content.splitlines()
    for line in lines:
        document = _parsed(line)
        if document is not None:
            found += [_dumped(record).decode() for record in records_of(selector, document)]
        elif in_text(selector, text := line.decode(errors="backslashreplace")):
            found.append(text)
    return found


def erase(stores: Stores, selector: Selector, key: bytes) -> Erased:
    """Erase what is selected, and look again.

    Parameters
    ----------
    stores : Stores
    selector : Selector
    key : bytes
        The secret of keyed hashes, 32 bytes; what was erased is sealed with it.

    Returns
    -------
    Erased
        With `Erased.remaining` from a second search of all files.

    Raises
    ------
    SignalboxError
        If a file can't be searched, or another writer holds the lake for too long.
    """
    for number, lake in enumerate(stores.lakes):
        if lake.is_dir() or number == 0:  # ingest may make the first one tomorrow
            add_erased(lake, selector, key)  # before all else: what comes in meanwhile is left out
    done = Erased()
    _each(stores, selector, done, write=True)
    again = Erased()
    _each(stores, selector, again, write=False)
    if again.found:
        done.remaining = [f"{name} ({n})" for name, n in (again.rows + again.folders).items()]
    done.elsewhere = _elsewhere(stores, selector)
    return done


def _each(stores: Stores, selector: Selector, done: Erased, *, write: bool) -> None:
    for lake in stores.lakes:
        if lake.is_dir():
            _lake(lake, selector, done, write=write)
    for path in stores.payloads():
        done.files += 1
        # Files of lines grow; a webhook's payload is written once.
        lock = writing(path.parent) if write and path.suffix == ".jsonl" else nullcontext()
        with lock:
            done.rows["inbox"] += _payloads(path, selector, write=write)
    _folders(stores.results, RESULTS, selector, done, write=write)
    _folders(stores.state, STATE, selector, done, write=write)


def _lake(lake: Path, selector: Selector, done: Erased, *, write: bool) -> None:
    with locked(lake):
        if write:
            _remove_leftovers(lake)
        for path, name, select in _parts(lake):
            _parquet(path, name, selector, done, select, write=write)
            if write and path.parent != lake and not any(path.parent.iterdir()):
                path.parent.rmdir()


def _parts(lake: Path) -> list[tuple[Path, str, Callable[[Selector, pa.Table], Any]]]:
    """Files of a lake, with the name of what they hold and what selects its rows."""
    from pipelines.aiops.lake.contract import SIGNALS, TABLES

    found: list[tuple[Path, str, Callable[[Selector, pa.Table], Any]]] = [
        (path, f"lake:{table.name}", rows_of)
        for table in (*TABLES.values(), *SIGNALS.values())
        for day in days_of(lake, table)
        for path in sorted(day_folder(lake, table, day).glob("*.parquet"))
    ]
    # What stands in quarantine couldn't be read: any text of it counts.
    return found + [(path, "lake:quarantine", rows_with_text) for path in quarantine_files(lake)]


def _parquet(
    path: Path,
    name: str,
    selector: Selector,
    done: Erased,
    select: Callable[[Selector, pa.Table], Any],
    *,
    write: bool,
) -> None:
    import pyarrow as pa

    done.files += 1
    rows = _read(path)
    selected = select(selector, rows)
    done.rows[name] += int(selected.sum())
    if not selector.is_pattern:
        done.as_text[name] += int((rows_with_text(selector, rows) & ~selected).sum())
    if not write or not selected.any():
        return
    if selected.all():
        path.unlink()
    else:
        write_if_changed(path, rows.filter(pa.array(~selected)))


def _read(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path).read()
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise SignalboxError(
            f"{path}: cannot be searched: {reason}; repair or remove it"
        ) from error


def _remove_leftovers(lake: Path) -> None:
    """Remove files that a killed writer left half-written; under the lock there is no other."""
    for path in files_in(lake):
        if path.name.startswith(".") and path.name.endswith(".partial"):
            path.unlink()


def _payloads(path: Path, selector: Selector, *, write: bool) -> int:
    """Take records out of a payload's file, or lines out of a file of payloads; return how many."""
    content = path.read_bytes()
    whole = _parsed(content)
    if whole is not None:
        kept, removed = _pruned(selector, whole, content)
        end = b"\n" if content.endswith(b"\n") else b""  # others append lines
        rest = b"" if kept is None else _dumped(kept) + end
    else:
        lines, removed = [], 0
        for line in content.splitlines(keepends=True):
            kept, n = _line(selector, line)
            lines.append(kept)
            removed += n
        rest = b"".join(lines)
    if write and removed:
        if rest.strip():
            _replace(path, content, rest)
        else:
            path.unlink()
    return removed


def _replace(path: Path, content: bytes, rest: bytes) -> None:
    """Put `rest` in place of `content`; what was appended since it was read stays behind it."""
    grown = path.read_bytes()[len(content) :]
    write_bytes(path, rest + grown)


def _line(selector: Selector, line: bytes) -> tuple[bytes, int]:
    document = _parsed(line)
    if document is None:
        text = line.decode(errors="backslashreplace")
        return (b"", 1) if text.strip() and in_text(selector, text) else (line, 0)
    kept, removed = _pruned(selector, document, line)
    if not removed:
        return line, 0
    return (b"" if kept is None else _dumped(kept) + b"\n"), removed


def _pruned(selector: Selector, document: Any, content: bytes) -> tuple[Any, int]:
    try:
        return without(selector, document)
    except RecursionError:
        hit = in_text(selector, content.decode(errors="backslashreplace"))
        return (None, 1) if hit else (document, 0)


def _parsed(content: bytes) -> Any:
    """Return an object or list of JSON; None if it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def _dumped(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(
        errors="backslashreplace"
    )


def _folders(folder: Path, name: str, selector: Selector, done: Erased, *, write: bool) -> None:
    """Remove each window's or day's folder that holds the value; a file that is in none, alone."""
    hit = _units(folder, name, selector, done)
    done.folders[name] += len(hit)
    for unit in hit if write else ():
        if unit.is_dir():
            shutil.rmtree(unit)
        else:
            unit.unlink()


def _units(folder: Path, name: str, selector: Selector, done: Erased) -> set[Path]:
    hit: set[Path] = set()
    for path in files_in(folder):
        unit = _unit(path, folder, name)
        if unit in hit:
            continue
        done.files += 1
        if holds_text(selector, path):
            hit.add(unit)
    return hit


def _unit(path: Path, folder: Path, name: str) -> Path:
    """Return the window's folder that a result is in, or the day's that a file of state is in."""
    if name == RESULTS:
        return folder / path.relative_to(folder).parts[0]
    return day_unit(path, folder)


def _elsewhere(stores: Stores, selector: Selector) -> list[str]:
    """Files outside the stores that hold the value: frozen windows, reports, runs."""
    own = set(stores.folders())
    files = set(stores.inbox_files)
    found = []
    for parent, folders, names in os.walk(stores.project):
        here = Path(parent)
        folders[:] = sorted(n for n in folders if n not in _SKIPPED and here / n not in own)
        for name in sorted(names):
            path = here / name
            if path in files or name == LOCK or not path.is_file():
                continue
            try:
                hit = holds_text(selector, path)
            except SignalboxError:
                continue  # not ours; the list is a help
            if hit:
                found.append(path.relative_to(stores.project).as_posix())
    return found
