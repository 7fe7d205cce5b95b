"""Plain log files: forms of time stamps and levels are found, stack traces stay together."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, ReadWindow
from pipelines.aiops.lake.contract import LOGS
from pipelines.aiops.params.telemetry import LogFilesBase, LogFilesParams
from pipelines.aiops.sources.records import collector, files_of, location_of
from pipelines.aiops.sources.times import zone

_ROTATED = re.compile(
    r"(?:[.-]\d{1,4}|[.-]\d{4}-?\d\d-?\d\d(?:[-T_]\d[\d:-]*)?|\.gz|\.old|\.bak)+$"
)
_CARRY = 2_000
"""Lines of a message that are kept for the next block."""


def read(settings: LogFilesParams, window: ReadWindow, project: Path) -> Batch:
    """Read all messages of the files that lie in the window.

    Parameters
    ----------
    settings : LogFilesParams
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in `settings` are relative to.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If a file is missing or can't be read, or the settings name no time zone.
    """
    rows = collector(settings, window)
    seen: Counter[bytes] = Counter()
    for path in files_of(settings, project):
        PlainFile(settings, path, project).read(rows, seen)
    return rows.batch()


def stable_name(path: Path, project: Path) -> str:
    """Return the name of a file without marks of rotation (``.1``, ``.gz``, dates).

    Parameters
    ----------
    path : Path
    project : Path
        The name is relative to it; see `location_of`.

    Returns
    -------
    str
    """
    return _ROTATED.sub("", location_of(path, project))


def who(settings: LogFilesBase, path: Path, project: Path) -> tuple[str, str]:
    """Return the service and instance that a file's path names.

    Parameters
    ----------
    settings : LogFilesBase
        Its ``path_pattern`` has the groups ``service`` and ``instance``.
    path : Path
    project : Path
        The pattern is searched in the path relative to it.

    Returns
    -------
    service : str
        By the pattern, else ``service`` of the settings, else the file's name.
    instance : str
        By the pattern, else empty.
    """
    found = re.search(settings.path_pattern, location_of(path, project)) if (
        settings.path_pattern) else None  # fmt: skip
    named = found.groupdict() if found else {}
    stem = Path(stable_name(path, project)).name.removesuffix(".log")
    return named.get("service") or settings.service or stem, named.get("instance") or ""


class PlainFile:
    """One file of log lines.

    Parameters
    ----------
    settings : LogFilesParams
    path : Path
    project : Path
        Names of files are relative to it.

    Raises
    ------
    SignalboxError
        If the file can't be read, or the settings name no time zone.
    """

    def __init__(self, settings: LogFilesParams, path: Path, project: Path) -> None:
        from pipelines.aiops.log_parsing.timestamps import forms_in

        self.settings, self.path = settings, path
        self.location = location_of(path, project)
        self.name = stable_name(path, project)
        self.service, self.instance = who(settings, path, project)
        self.local: tzinfo = zone(settings.timezone, f"timezone of source {settings.name}")
        if settings.timezone == "UTC":
            self.local = UTC
        head = next(self._blocks(), None)
        self.forms = forms_in(head.slice(0, 5_000)) if head is not None else ()

    def read(self, rows: Collector, seen: "Counter[bytes]") -> None:
        """Read the file's messages.

        Parameters
        ----------
        rows : Collector
            Takes them.
        seen : Counter of bytes
            How often equal messages came so far; see `log_rows`. One counter a reading.
        """
        self.take(rows, seen, self._blocks())

    def take(self, rows: Collector, seen: "Counter[bytes]", blocks: "Iterable[Any]") -> None:
        """Read messages from blocks of lines.

        Parameters
        ----------
        rows : Collector
            Takes them.
        seen : Counter of bytes
            As in `read`.
        blocks : iterable of pyarrow.LargeStringArray
            The file's lines in order, cleaned; a message may go on in the next block.
        """
        import pyarrow as pa

        year: int | None = None
        turns, carry, found = 0, None, False
        parts = _with_last(blocks)
        for raw, is_last in parts:
            block = self._text(rows, raw)
            lines = block if carry is None else pa.concat_arrays([carry, block])
            messages = self._messages(lines)
            n = len(messages.first)
            if not n:
                carry = None if is_last else lines.slice(0, _CARRY)
                if is_last and not found:
                    self._without_time(rows, lines)
                continue
            if messages.orphans and not found:
                self._orphans(rows, lines.slice(0, messages.orphans))
            found = True
            if messages.stamps.yearless.any() and year is None:
                year = self._first_year(rows.window.now)
            keep = n if is_last else n - 1
            self._put(rows, seen, messages, keep, (year or 0) + turns if year else 0)
            turns += int(messages.stamps.turns[messages.stamps.yearless][-1:].sum())
            carry = None if is_last else lines.slice(int(messages.first[-1]))
            if carry is not None and len(carry) > _CARRY:
                carry = carry.slice(0, _CARRY)

    def _blocks(self) -> "Iterator[Any]":
        from pipelines.aiops.log_parsing.lines import blocks_of, cleaned

        return map(cleaned, blocks_of(self.path))

    def _messages(self, lines: Any) -> Any:
        from pipelines.aiops.log_parsing.lines import messages_of

        s = self.settings
        return messages_of(lines, self.forms, self.local, s.day_first, s.max_chars)

    def _first_year(self, now: datetime) -> int:
        """Year of the first stamp: that of the last one less the turns between them."""
        import numpy as np

        from pipelines.aiops.log_parsing.timestamps import latest_year, stamps_of, turns_of

        every = []
        for lines in self._blocks():
            stamps = stamps_of(lines, self.forms, self.local, self.settings.day_first)
            every.append(stamps.us[stamps.yearless])
        us = np.concatenate(every)
        changed = datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        newest = latest_year(int(us[-1]), min(changed, now) + timedelta(days=1))
        return (self.settings.year or newest) - int(turns_of(us)[-1])

    def _put(
        self, rows: Collector, seen: "Counter[bytes]", messages: Any, keep: int, year: int
    ) -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from pipelines.aiops.log_parsing.rows import LogColumns, log_rows
        from pipelines.aiops.log_parsing.timestamps import with_year

        us = with_year(messages.stamps, year) if year else messages.stamps.us
        wanted = np.arange(len(us)) < keep
        body = messages.body
        empty = pc.equal(body, "").to_numpy(zero_copy_only=False)
        at = np.flatnonzero(wanted & ~empty)
        heads = messages.headers
        program = heads.program.take(at)
        own = pa.scalar(self.service, pa.large_string())
        service = own if self.settings.service or self.settings.path_pattern else (
            pc.if_else(pc.equal(program, ""), own, program))  # fmt: skip
        if isinstance(service, pa.Scalar):
            service = pa.repeat(service, len(at))
        host = heads.host.take(at)
        host = pc.if_else(pc.equal(host, ""), pa.scalar(self.instance, pa.large_string()), host)
        loggers = heads.logger.take(at).to_pylist()
        table = log_rows(
            LogColumns(us[at], body.take(at), heads.severity.take(at), service, host,
                       attributes=[{"logger": name} if name else {} for name in loggers]),
            self.settings.name, self.name, self.settings.mask, seen,
        )  # fmt: skip
        rows.signals(LOGS, table, self.location)

    def _text(self, rows: Collector, lines: Any) -> Any:
        """Return the lines that are text; one record in quarantine says how many are not."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        from pipelines.aiops.log_parsing.lines import is_junk

        suspects = pc.match_substring(lines, "\ufffd").to_numpy(zero_copy_only=False)
        at = np.flatnonzero(suspects)
        texts = lines.take(pa.array(at)).to_pylist()
        bad = [i for i, text in zip(at.tolist(), texts, strict=True) if is_junk(text)]
        if not bad:
            return lines
        shown = self._masked(lines[bad[0]].as_py())
        rows.reject(self.location, f"binary, not text: {len(bad)} lines", shown)
        keep = np.ones(len(lines), bool)
        keep[bad] = False
        return lines.filter(pa.array(keep))

    def _without_time(self, rows: Collector, lines: Any) -> None:
        texts = [text for text in lines.slice(0, 5).to_pylist() if text.strip()]
        if texts:
            reason = "no line has a time stamp of a known form; map the file as kind table"
            rows.reject(self.location, reason, self._masked("\n".join(texts)))

    def _orphans(self, rows: Collector, lines: Any) -> None:
        texts = [text for text in lines.to_pylist() if text.strip()]
        if texts:
            reason = f"{len(texts)} lines before the first time stamp"
            rows.reject(f"{self.location}:1", reason, self._masked("\n".join(texts[:20])))

    def _masked(self, text: str) -> str:
        from pipelines.aiops.log_parsing.rows import masked_text

        return masked_text(text, self.settings.mask)


def _with_last(blocks: "Iterable[Any]") -> Iterator[tuple[Any, bool]]:
    """Each block, and whether it is the last."""
    end = object()
    step = partial(next, iter(blocks), end)
    block = step()
    while block is not end:
        following = step()
        yield block, following is end
        block = following
