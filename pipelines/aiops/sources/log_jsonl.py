"""Logs as JSON lines; names of time, level and message are found, not configured."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.lake.contract import LOGS
from pipelines.aiops.params.telemetry import LogJsonlParams, LogParams
from pipelines.aiops.sources.log_files import stable_name, who
from pipelines.aiops.sources.records import (
    as_text,
    collector,
    files_of,
    location_of,
    mapping,
    parse_json,
)
from pipelines.aiops.sources.times import zone

MOST_REJECTED = 100
"""Records of a file in quarantine; how many more there were is said."""
_CHUNK = 50_000
_LONGEST = 1 << 20


def read(settings: LogJsonlParams, window: ReadWindow, project: Path) -> Batch:
    """Read all records of the files.

    Parameters
    ----------
    settings : LogJsonlParams
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
    from pipelines.aiops.log_parsing.records import row_of

    rows = collector(settings, window)
    seen: Counter[bytes] = Counter()
    for path in files_of(settings, project):
        service, instance = who(settings, path, project)
        names: Mapping[str, str] = {str(key): value for key, value in settings.fields.items()}
        file = RecordFile(
            settings, rows, location_of(path, project), stable_name(path, project), seen
        )
        for number, line in bounded_lines(path):
            try:
                row = row_of(mapping(parse_json(line)), names)
            except MalformedError as error:
                file.reject(number, str(error), line)
                continue
            row["service"] = row.get("service") or settings.service or service
            row["instance"] = row.get("instance") or instance
            file.add(number, row)
        file.close()
    return rows.batch()


def bounded_lines(path: Path) -> Any:
    """Iterate over the lines of a file that are not blank.

    Parameters
    ----------
    path : Path
        Bytes that aren't UTF-8 become U+FFFD; of a longer line some 1 MB is kept.

    Yields
    ------
    number : int
        From 1; blank lines count.
    line : str
    """
    from pipelines.aiops.log_parsing.lines import blocks_of

    number = 0
    for block in blocks_of(path, max_line=_LONGEST):
        for line in block:
            number += 1
            if line.strip():
                yield number, line


class RecordFile:
    """Records of one file on their way into the collector.

    Parameters
    ----------
    settings : LogParams
    rows : Collector
        Takes the rows.
    location : str
        The file's name for quarantine.
    name : str
        The file's name without marks of rotation, from which rows get their ids.
    seen : Counter of bytes
        How often equal messages came so far; see `log_rows`.

    Raises
    ------
    SignalboxError
        If the settings name no time zone.
    """

    def __init__(
        self, settings: LogParams, rows: Collector, location: str, name: str, seen: "Counter[bytes]"
    ) -> None:
        self.settings, self.rows, self.location, self.name = settings, rows, location, name
        self.seen = seen
        self.rejected = 0
        self._numbers: list[int] = []
        local = zone(settings.timezone, f"timezone of source {settings.name}")
        self.local = UTC if settings.timezone == "UTC" else local
        self._records = self._new()

    def _new(self) -> Any:
        from pipelines.aiops.log_parsing.records import Records

        return Records(self.local, self.rows.window.now)

    def add(self, number: int, row: dict[str, Any]) -> None:
        """Take a record; one without a message goes to quarantine.

        Parameters
        ----------
        number : int
            Its line in the file, from 1.
        row : dict
            As `row_of` returns it, with ``service`` and ``instance``.
        """
        if not row.get("body"):
            self.reject(number, "no message under a usual name; set fields", as_text(row))
            return
        self._numbers.append(number)
        self._records.add(row)
        if len(self._numbers) >= _CHUNK:
            self._flush()

    def reject(self, number: int, reason: str, raw: str) -> None:
        """Put a record into quarantine, masked; beyond `MOST_REJECTED` it is counted only.

        Parameters
        ----------
        number : int
            Its line in the file, from 1.
        reason : str
            What is wrong with it.
        raw : str
            The record as it was read.
        """
        from pipelines.aiops.log_parsing.records import replace_surrogates
        from pipelines.aiops.log_parsing.rows import masked_text

        self.rejected += 1
        if self.rejected <= MOST_REJECTED:
            text = masked_text(replace_surrogates(raw[:100_000]), self.settings.mask)
            self.rows.reject(f"{self.location}:{number}", reason, text)

    def close(self) -> None:
        """Hand over what is left, and say in quarantine how many more records were rejected."""
        self._flush()
        if self.rejected > MOST_REJECTED:
            more = self.rejected - MOST_REJECTED
            self.rows.reject(self.location, f"and {more} more records that can't be read", "")

    def _flush(self) -> None:
        from pipelines.aiops.log_parsing.rows import log_rows

        columns, bad = self._records.columns(self.settings.max_chars)
        for i in bad:
            raw = as_text(self._records.rows[i])
            self.reject(self._numbers[i], "no time of a known form; set fields", raw)
        if len(columns.us):
            table = log_rows(columns, self.settings.name, self.name, self.settings.mask, self.seen)
            self.rows.signals(LOGS, table, self.location)
        self._numbers, self._records = [], self._new()
