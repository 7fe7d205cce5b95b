"""Where telemetry is kept: stores ``telemetry``, ``results`` and ``state``, and for how long.

``telemetry`` is the lake with its quarantine and with what people said of incidents and rules, and
the inboxes that ``signalbox collect`` and Airflow's listener write. ``results`` has a folder a
window, ``state`` one a day; both are made of the lake and can be made again. The simulated world
is nobody's data and no store.
"""

from __future__ import annotations

import errno
import gzip
import os
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from glob import glob
from pathlib import Path

import pyarrow as pa

from pipelines.aiops.lake.contract import SIGNALS, TABLES, TIME
from pipelines.aiops.lake.days import LOCK, day_folder, days_of, quarantine_files
from pipelines.aiops.lake.feedback import FOLDER as FEEDBACK
from pipelines.aiops.lake.feedback import store_of
from pipelines.aiops.lake.store import locked, write_if_changed
from pipelines.aiops.lake.window import Window
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import SIMULATED
from pipelines.aiops.params.telemetry import (
    AirflowParams,
    AlertmanagerWebhookParams,
    OtlpLogsParams,
    OtlpMetricsParams,
    OtlpTracesParams,
)
from pipelines.aiops.privacy.selectors import Selector, in_text, rows_with_text
from pipelines.core.errors import SignalboxError
from pipelines.core.locks import exclusive_lock

WAIT_SECONDS = 30
"""How long a writer of an inbox waits for another."""
TELEMETRY, RESULTS, STATE = "telemetry", "results", "state"
INBOXES = ("telemetry/webhook", "telemetry/otlp", "telemetry/airflow")
"""Where ``signalbox collect`` and the listener write unless they are told otherwise."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_OTLP = re.compile(r"(?:metrics|traces|logs)/\d{4}-\d{2}-\d{2}\.jsonl$")


@dataclass(frozen=True)
class Stores:
    """Folders of a project's stores.

    Attributes
    ----------
    project : Path
        Root of the project.
    lakes : list of Path
        Your own lakes.
    inboxes : list of Path
        Folders with payloads.
    inbox_files : list of Path
        Files of OTLP outside `inboxes`.
    results, state : Path
        Folders of results and of state.
    """

    project: Path
    lakes: list[Path]
    inboxes: list[Path]
    inbox_files: list[Path]
    results: Path
    state: Path

    def folders(self) -> list[Path]:
        """List all folders of the stores.

        Returns
        -------
        list of Path
        """
        return [*self.lakes, *self.inboxes, self.results, self.state]

    def payloads(self) -> list[Path]:
        """List the files of the inboxes.

        Returns
        -------
        list of Path
            Sorted.
        """
        found = {path for folder in self.inboxes for path in files_in(folder)}
        return sorted(found | set(self.inbox_files))


def stores_of(project: Path, params: AiopsParams) -> Stores:
    """Find the stores that params name.

    Parameters
    ----------
    project : Path
        Root of the project.
    params : AiopsParams

    Returns
    -------
    Stores
    """
    project = project.resolve()
    simulated = (project / SIMULATED).resolve()
    named = [params.telemetry.lake, params.analysis.lake, params.alert_history.lake]
    lakes = dict.fromkeys((project / name).resolve() for name in named)
    inboxes = [project / name for name in INBOXES]
    files: set[Path] = set()
    for source in params.telemetry.sources:
        if isinstance(source, AlertmanagerWebhookParams | AirflowParams):
            inboxes.append(project / source.folder)
        elif isinstance(source, OtlpLogsParams | OtlpMetricsParams | OtlpTracesParams):
            found = {name for text in source.files for name in glob(str(project / text))}
            files |= {Path(name) for name in found if _OTLP.search(name)}
    own = [lake for lake in lakes if lake != simulated]
    inboxes += [store_of(lake) for lake in own]
    folders = list(dict.fromkeys(path.resolve() for path in inboxes))
    return Stores(
        project,
        own,
        folders,
        sorted(path.resolve() for path in files
               if not any(path.resolve().is_relative_to(folder) for folder in folders)),
        (project / params.analysis.results).resolve(),
        (project / params.analysis.state).resolve(),
    )  # fmt: skip


def files_in(folder: Path) -> Iterator[Path]:
    """List the files below a folder, those in the making too; the lake's lock is none of them.

    Parameters
    ----------
    folder : Path

    Yields
    ------
    Path
        Sorted within each folder.
    """
    for parent, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(parent) / name for name in sorted(names) if name != LOCK)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the lock of an inbox's folder, in which a line is added or files are replaced.

    Parameters
    ----------
    folder : Path
        It exists.

    Raises
    ------
    OSError
        If somebody else holds it for longer than `WAIT_SECONDS`; a sender sends again then.
    """

    def busy(holder: str) -> OSError:
        return OSError(errno.EAGAIN, f"process {holder} writes in {folder}")

    with exclusive_lock(folder / LOCK, busy, wait_seconds=WAIT_SECONDS):
        yield


def day_of(path: Path, folder: Path) -> date:
    """Return the day that a file is of: the first date in its path, else its last change.

    Parameters
    ----------
    path : Path
        A file or folder.
    folder : Path
        Folder of its store; names above it don't count.

    Returns
    -------
    date
        UTC.
    """
    found = _DAY.search(path.relative_to(folder).as_posix() if path != folder else path.name)
    if found:
        try:
            return date.fromisoformat(found[0])
        except ValueError:
            pass
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date()


def holds_text(selector: Selector, path: Path) -> bool:
    """Say whether a file's content holds the value of a selector, in whatever form it is packed.

    Parameters
    ----------
    selector : Selector
    path : Path
        Parquet, text, or either packed with gzip.

    Returns
    -------
    bool

    Raises
    ------
    SignalboxError
        If it can't be read: what can't be searched must not pass for clean.
    """
    try:
        return content_holds(selector, path.read_bytes())
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise SignalboxError(
            f"{path}: cannot be searched: {' '.join(str(error).split())}; repair or remove it"
        ) from error


def content_holds(selector: Selector, content: bytes) -> bool:
    """Say whether bytes hold the value of a selector, as in `holds_text`.

    Parameters
    ----------
    selector : Selector
    content : bytes

    Returns
    -------
    bool
    """
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:4] == b"PAR1" == content[-4:]:
        import pyarrow.parquet as pq

        file = pq.ParquetFile(pa.BufferReader(content))
        groups = (file.read_row_group(i) for i in range(file.num_row_groups))
        return any(rows_with_text(selector, rows).any() for rows in groups)
    return in_text(selector, content.decode(errors="backslashreplace"))


@dataclass(frozen=True)
class Kept:
    """Something that is kept, as a whole.

    Attributes
    ----------
    store : str
        ``telemetry``, ``results`` or ``state``.
    part : str
        Table of the lake, ``quarantine``, ``inbox``, ``feedback``; else the store's name.
    path : Path
        File or folder.
    day : date
        UTC day that it is of; the last one of a window.
    """

    store: str
    part: str
    path: Path
    day: date


def kept_of(stores: Stores) -> Iterator[Kept]:
    """List what the stores keep.

    Parameters
    ----------
    stores : Stores

    Yields
    ------
    Kept
    """
    for lake in stores.lakes:
        for table in (*TABLES.values(), *SIGNALS.values()):
            for day in days_of(lake, table):
                yield Kept(TELEMETRY, table.name, day_folder(lake, table, day), day)
        for path in quarantine_files(lake):
            yield Kept(TELEMETRY, "quarantine", path, _oldest(path, lake))
    said = {store_of(lake) for lake in stores.lakes}
    for path in stores.payloads():
        inside = [folder for folder in stores.inboxes if path.is_relative_to(folder)]
        part = FEEDBACK if path.parent in said else "inbox"
        yield Kept(TELEMETRY, part, path, day_of(path, inside[0] if inside else path.parent))
    if stores.results.is_dir():
        for path in sorted(stores.results.iterdir()):
            yield Kept(RESULTS, RESULTS, path, _window_day(path))
    seen: set[Path] = set()
    for path in files_in(stores.state):
        unit = day_unit(path, stores.state)
        if unit not in seen:
            seen.add(unit)
            yield Kept(STATE, STATE, unit, day_of(unit, stores.state))


def day_unit(path: Path, folder: Path) -> Path:
    """Return the day's folder that a file of state is in, else the file itself.

    Parameters
    ----------
    path : Path
        A file.
    folder : Path
        Folder of the state.

    Returns
    -------
    Path
    """
    days = [parent for parent in path.parents if parent.name.startswith("day=")]
    return days[-1] if days and days[-1].is_relative_to(folder) else path


def _window_day(path: Path) -> date:
    try:
        return Window.parse(path.name).last_day
    except SignalboxError:
        return day_of(path, path)


def _changed(path: Path) -> date:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date()


def _oldest(path: Path, lake: Path) -> date:
    """Oldest day of a quarantine file: its oldest record's, else that of its last change."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    oldest = pc.min(pq.ParquetFile(path).read(columns=["at"])["at"]).as_py()
    return oldest.date() if oldest is not None else _changed(path)


def retain(
    stores: Stores, limits: Mapping[str, int], now: datetime, *, write: bool = True
) -> Counter[str]:
    """Remove what is older than the limits.

    A day of the lake, a payload's file, a window of results and a day of state go as a whole, by
    their own date. A record in quarantine goes by its own time; one that has none goes when its
    file wasn't changed for as long.

    Parameters
    ----------
    stores : Stores
    limits : mapping of str to int
        Store → days; a store without a limit keeps all.
    now : datetime
        With a time zone.
    write : bool
        False: only count.

    Returns
    -------
    Counter of str
        ``<store>:<part>`` → days, files, windows or records that went.

    Raises
    ------
    SignalboxError
        If another writer holds a lake for too long.
    """
    gone: Counter[str] = Counter()
    first = {store: now.astimezone(UTC).date() - timedelta(days=n) for store, n in limits.items()}
    for item in list(kept_of(stores)):
        if item.store not in first or item.day >= first[item.store]:
            continue
        name = f"{item.store}:{item.part}"
        lake = next((lake for lake in stores.lakes if item.path.is_relative_to(lake)), None)
        if item.part == "quarantine" and lake is not None:
            gone[name] += _quarantine(item.path, lake, first[item.store], write=write)
            continue
        gone[name] += 1
        if not write:
            continue
        if lake is not None:
            with locked(lake):
                _remove(item.path)
        else:
            _remove(item.path)
    return gone


def _quarantine(path: Path, lake: Path, first: date, *, write: bool) -> int:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with locked(lake):
        rows = pq.ParquetFile(path).read()
        begin = datetime.combine(first, time(), UTC)
        old = pc.less(rows["at"], pa.scalar(begin, TIME))
        old = pc.fill_null(old, _changed(path) < first)
        count = int(pc.sum(old).as_py() or 0)
        if not write or not count:
            return count
        if count == len(rows):
            path.unlink()
        else:
            write_if_changed(path, rows.filter(pc.invert(old)))
    return count


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
