"""Figures of monitoring, ``monitoring/<date>.json``: the values and trend of live KPIs."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipelines.base.errors import SignalboxError
from pipelines.base.evidence import Figure
from pipelines.base.files import read_json

FOLDER = Path("monitoring")
_FIGURES = TypeAdapter(list[Figure])


@dataclass(frozen=True)
class Day:
    """What one day's watch found, in the form of a ledger's entry."""

    seq: int
    time: str
    subject: str
    found: dict[str, Figure]
    kind: str = "run"

    @property
    def data(self) -> dict[str, Any]:
        """Figures by id."""
        return {"run": self.time[:10], "figures": {k: f.value for k, f in self.found.items()}}


def read_days(project: Path, product: str) -> list[Day]:
    """Read the days of a product, oldest first.

    Raises
    ------
    SignalboxError
        If a file isn't a day's result.
    """
    days = []
    for number, path in zip(count(1), sorted((project / FOLDER).glob("[!.]*.json"))):
        raw = read_json(path)
        try:
            if raw["product"] == product:
                figures = {f.id: f for f in _FIGURES.validate_python(raw["figures"])}
                days.append(Day(number, str(raw["until"]), product, figures))
        except (TypeError, KeyError, ValidationError) as error:
            raise SignalboxError(f"{path}: not a result of monitoring ({error})") from error
    return days


def latest(days: Iterable[Day]) -> dict[str, Figure]:
    """Figures of the last day; none without a day."""
    found: dict[str, Figure] = {}
    for day in days:
        found = day.found
    return found
