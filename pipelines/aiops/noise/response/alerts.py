"""Alerts that fire now, and names for them that tell nothing of whom they are about."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.aiops.telemetry.frame import AlertFrame


@dataclass(frozen=True)
class LiveAlert:
    """An alert that fires.

    Attributes
    ----------
    starts
        Microseconds since 1970.
    """

    labels: Mapping[str, str]
    starts: int

    @property
    def series(self) -> str:
        """Hash of the labels: equal for the same alert at another time."""
        return series_of(self.labels)

    @property
    def episode(self) -> str:
        """Hash of labels and start: the ledger knows an episode by it, not by its labels."""
        return episode_of(self.series, self.starts)


def series_of(labels: Mapping[str, str]) -> str:
    """Return the hash of labels, 32 hex digits."""
    text = "\0".join(f"{name}\1{labels[name]}" for name in sorted(labels))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def episode_of(series: str, starts: int) -> str:
    """Return the hash of an episode, 32 hex digits."""
    return hashlib.sha256(f"{series}\0{starts}".encode()).hexdigest()[:32]


def live_alerts(frame: AlertFrame, now: int) -> list[LiveAlert]:
    """Alerts of a frame that fire at `now` (microseconds), oldest first."""
    firing = np.flatnonzero((frame.starts <= now) & (frame.ends > now))
    found = {
        (int(frame.series[row]), int(frame.starts[row])): LiveAlert(
            frame.labels[frame.series[row]], int(frame.starts[row])
        )
        for row in firing
    }
    return sorted(found.values(), key=lambda alert: (alert.starts, alert.series))
