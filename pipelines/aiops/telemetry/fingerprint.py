"""Identity of alerts: the same labels are one series, the same start in it is one alert."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from pipelines.aiops.telemetry.days import EPOCH


def fingerprint(labels: Mapping[str, str]) -> str:
    """Identify a label set: SHA-256 of its sorted pairs as compact JSON, first 16 hex digits.

    The order in which labels were given doesn't matter.
    """
    pairs = json.dumps(sorted(labels.items()), ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(pairs.encode()).hexdigest()[:16]


def alert_id(source: str, series: str, starts_at: int) -> str:
    r"""Identify an alert.

    Parameters
    ----------
    source
        Name of the source.
    series
        The labels' `fingerprint`.
    starts_at
        Microseconds since 1970, UTC.

    Returns
    -------
    First 32 hex digits of the SHA-256 of the three, joined by ``\0``.
    """
    return hashlib.sha256(f"{source}\0{series}\0{starts_at}".encode()).hexdigest()[:32]


def microseconds(time: datetime) -> int:
    """Microseconds since 1970 of a time that knows its zone; exact, unlike ``timestamp()``."""
    return (time - EPOCH) // timedelta(microseconds=1)
