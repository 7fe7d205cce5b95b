"""Files in the text form of OpenMetrics (ends with ``# EOF``) or of Prometheus.

OpenMetrics writes times in seconds, Prometheus in milliseconds.
"""

import re
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.lake.contract import microseconds
from pipelines.aiops.params.telemetry import OpenMetricsParams
from pipelines.aiops.sources.metric_rows import MetricRows, kind_of_name, number_of
from pipelines.aiops.sources.records import collector, files_of, lines_of, location_of
from pipelines.aiops.sources.times import read_time

MOST_REJECTED = 100
_SAMPLE = re.compile(
    r"^(?P<name>[^\s{]*)\s*(?:\{(?P<labels>(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*)\})?\s*"
    r"(?P<value>[^\s]+)(?:\s+(?P<time>[^\s#]+))?\s*(?:#.*)?$"
)
_LABEL = re.compile(
    r"\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s=\",]+))\s*(?:=\s*\"((?:[^\"\\]|\\.)*)\")?,?"
)
_ESCAPED = re.compile(r"\\(.)")
_KINDS = {"counter": "counter", "gauge": "gauge", "unknown": "unknown", "untyped": "unknown",
          "stateset": "gauge", "info": "gauge"}  # fmt: skip
_COUNTED = ("histogram", "summary")


def read(settings: OpenMetricsParams, window: ReadWindow, project: Path) -> Batch:
    """Read all samples of the files.

    Parameters
    ----------
    settings : OpenMetricsParams
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
        If a file is missing or can't be read.
    """
    rows = collector(settings, window)
    metrics = MetricRows(settings, rows)
    for path in files_of(settings, project):
        _File(metrics, rows, path, location_of(path, project)).read()
    metrics.close(settings.name)
    return rows.batch()


class _File:
    def __init__(self, metrics: MetricRows, rows: Collector, path: Path, location: str) -> None:
        self.metrics, self.rows, self.path, self.location = metrics, rows, path, location
        self.kinds: dict[str, str] = {}
        self.units: dict[str, str] = {}
        self.rejected = 0
        last = deque(lines_of(path), maxlen=1)
        ends = bool(last) and last[0][1].strip() == b"# EOF"
        self.form = "epoch_s" if ends else "epoch_ms"

    def read(self) -> None:
        for number, line in lines_of(self.path):
            text = line.decode("utf-8", "replace").strip()
            if text.startswith("#"):
                self._comment(text)
                continue
            try:
                self._sample(text)
            except MalformedError as error:
                self.rejected += 1
                if self.rejected <= MOST_REJECTED:
                    self.rows.reject(f"{self.location}:{number}", str(error), text)
        if self.rejected > MOST_REJECTED:
            more = self.rejected - MOST_REJECTED
            self.rows.reject(self.location, f"and {more} more lines that can't be read", "")

    def _comment(self, text: str) -> None:
        parts = text.split(maxsplit=3)
        if len(parts) == 4 and parts[1] == "TYPE":
            self.kinds[parts[2]] = parts[3].strip()
        elif len(parts) == 4 and parts[1] == "UNIT":
            self.units[parts[2]] = parts[3].strip()

    def _sample(self, text: str) -> None:
        found = _SAMPLE.match(text)
        if found is None:
            raise MalformedError("not a sample: name, labels, value, time")
        labels = _labels(found["labels"] or "")
        # promtool tsdb dump writes the name as a label, OpenMetrics 2 as a lone quoted text.
        name = labels.pop("", "") or labels.pop("__name__", "") or found["name"]
        if not name:
            raise MalformedError("not a sample: it has no name")
        if not found["time"]:
            raise MalformedError("no time stamp; scrape with Prometheus, or write times")
        us = _time(found["time"], self.form)
        try:
            value = number_of(found["value"])
        except ValueError:
            raise MalformedError(f"not a number: {found['value'][:60]!r}") from None
        kind, unit = self._kind_and_unit(name)
        series = self.metrics.series({**labels, "__name__": name}, kind, unit)
        if series is not None:
            series.us.append(us)
            series.values.append(value)

    def _kind_and_unit(self, name: str) -> tuple[str, str]:
        for part in ("", "_total", "_bucket", "_sum", "_count", "_created", "_info"):
            base = name.removesuffix(part) if part else name
            if base in self.kinds and name.endswith(part):
                kind = self.kinds[base]
                counted = kind in _COUNTED and part in ("_bucket", "_sum", "_count")
                known_kind = "counter" if counted else _KINDS.get(kind, "gauge")
                return "gauge" if part == "_created" else known_kind, self.units.get(base, "")
        return kind_of_name(name), ""


def _time(text: str, form: str) -> int:
    # "1.7e9" and whole numbers alike; read_time says what is wrong with it.
    time: datetime | None = read_time(text, form)
    if time is None:
        raise MalformedError("no time stamp")
    return microseconds(time)


def _labels(text: str) -> dict[str, str]:
    """Label pairs; a lone quoted name is the metric's own (UTF-8 names), under the empty key."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(text.rstrip()):
        match = _LABEL.match(text, at)
        if match is None or match.end() == at:
            raise MalformedError('labels are not pairs name="value"')
        quoted, plain, value = match.groups()
        if value is None:
            found[""] = _unescaped(quoted if quoted is not None else plain)
        elif value:
            found[_unescaped(quoted if quoted is not None else plain)] = _unescaped(value)
        at = match.end()
    return found


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda m: "\n" if m[1] == "n" else m[1], text)
