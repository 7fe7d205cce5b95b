"""Samples of metrics on their way to rows: labels once a series, label sets within a bound."""

import math
from dataclasses import dataclass, field
from typing import Any

from pipelines.aiops.lake.batch import Collector, replace_surrogates
from pipelines.aiops.lake.contract import METRICS, TIME, fingerprint
from pipelines.aiops.params.telemetry import MetricParams, TableParams

MAX_LABEL = 2_000
"""Characters of a label's value that are kept."""


@dataclass
class Series:
    """Samples of one label set.

    Attributes
    ----------
    labels : dict of str to str
        With ``__name__``.
    kind : {"gauge", "counter", "unknown"}
    unit : str
        Empty for unknown.
    us : list of int
        Microseconds since 1970, UTC; one a sample.
    values : list of float or None
        As long as `us`; None is a gap.
    """

    labels: dict[str, str]
    kind: str
    unit: str
    us: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)


class MetricRows:
    """Samples of one reading.

    Label sets beyond the bound are dropped: those with the greatest fingerprints, so that the
    same ones are kept whatever the order they came in.

    Parameters
    ----------
    settings : MetricParams or TableParams
        ``max_series`` is the bound; ``drop_labels`` are left out of label sets.
    rows : Collector
        Takes the samples when `close` is called.
    """

    def __init__(self, settings: MetricParams | TableParams, rows: Collector) -> None:
        self._rows, self._most = rows, settings.max_series
        drop = settings.drop_labels if isinstance(settings, MetricParams) else []
        self._drop = frozenset(drop)
        self._series: dict[str, Series] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        self._bar = "g"
        """Fingerprints from here on are left out; all are below ``g``."""
        self._left_out: set[str] = set()
        self._uncounted = False

    def series(
        self, labels: dict[str, str], kind: str = "unknown", unit: str = ""
    ) -> Series | None:
        """Return the series of a label set, to append samples to.

        Parameters
        ----------
        labels : dict of str to str
            With ``__name__``; values are cut to `MAX_LABEL` characters.
        kind : {"gauge", "counter", "unknown"}
            Kind and unit of the first sample of a label set count.
        unit : str
            Empty for unknown.

        Returns
        -------
        Series or None
            None if the label set is beyond the bound.
        """
        given = (*sorted(labels.items()),)
        found = self._known.get(given)
        if found is None:
            named = (
                (replace_surrogates(k), replace_surrogates(v))
                for k, v in labels.items()
                if k not in self._drop
            )
            kept = {name: value[:MAX_LABEL] for name, value in named if value}
            found = fingerprint(kept)
            if len(self._known) < 4 * self._most:
                self._known[given] = found
            if found < self._bar and found not in self._series:
                self._series[found] = Series(kept, kind, replace_surrogates(unit))
                if len(self._series) > 2 * self._most:
                    self._shrink()
        if found >= self._bar:
            self._count(found)
            return None
        return self._series[found]

    def close(self, location: str) -> None:
        """Hand all samples over; say in quarantine how many label sets were dropped.

        Parameters
        ----------
        location : str
            Name of the source or file, for quarantine.
        """
        if len(self._series) > self._most:
            self._shrink()
        if self._left_out:
            n = f"{'more than ' if self._uncounted else ''}{len(self._left_out)}"
            reason = f"{n} label sets beyond max_series ({self._most}) left out"
            self._rows.reject(location, reason, "drop labels that are ids, or raise max_series")
        if self._series:
            self._rows.signals(METRICS, self._table(), location)

    def _shrink(self) -> None:
        ordered = sorted(self._series)
        self._bar = min(self._bar, ordered[self._most])
        for name in ordered[self._most :]:
            del self._series[name]
            self._count(name)

    def _count(self, name: str) -> None:
        if len(self._left_out) < 10 * self._most:
            self._left_out.add(name)
        else:
            self._uncounted = True

    def _table(self) -> Any:
        import numpy as np
        import pyarrow as pa

        names = sorted(self._series)
        series = [self._series[name] for name in names]
        codes = pa.array(np.repeat(np.arange(len(series)), [len(line.us) for line in series]))
        n = len(codes)
        once = {
            "fingerprint": pa.array(names, pa.string()),
            "name": pa.array([line.labels["__name__"] for line in series], pa.string()),
            "labels": pa.array([_pairs(line.labels) for line in series],
                               METRICS.schema.field("labels").type),
            "kind": pa.array([line.kind for line in series], pa.string()),
            "unit": pa.array([line.unit or None for line in series], pa.string()),
        }  # fmt: skip
        columns = {name: values.take(codes) for name, values in once.items()}
        columns["source"] = pa.repeat(pa.scalar(self._rows.source), n)
        columns["at"] = pa.array([us for line in series for us in line.us], pa.int64()).cast(TIME)
        values = [value for line in series for value in line.values]
        columns["value"] = pa.array(values, pa.float64())
        return pa.table([columns[name] for name in METRICS.schema.names], schema=METRICS.schema)


def _pairs(labels: dict[str, str]) -> list[tuple[str, str]]:
    return sorted((key, value) for key, value in labels.items() if key != "__name__")


def number_of(value: Any) -> float | None:
    """Convert a value to a float.

    Parameters
    ----------
    value : str or number

    Returns
    -------
    float or None
        None for NaN and infinity.

    Raises
    ------
    ValueError, TypeError
        If it isn't a number at all.
    """
    number = float(value)
    return number if math.isfinite(number) else None


def kind_of_name(name: str) -> str:
    """Return the kind that a metric's name promises by the conventions of Prometheus.

    Parameters
    ----------
    name : str

    Returns
    -------
    {"counter", "gauge"}
    """
    return "counter" if name.endswith(("_total", "_count", "_sum", "_bucket")) else "gauge"
