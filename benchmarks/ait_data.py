"""The AIT Alert Data Set: reading a scenario, and what a judge needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

BENIGN, NONE = "false_positive", "-"
DAY = 86_400


@dataclass(frozen=True)
class Scenario:
    """A scenario's rows as in its file, and the second of its first attack step."""

    name: str
    rows: pd.DataFrame
    attack: int

    @property
    def learned(self) -> pd.Series[bool]:
        """Rows before the first attack step."""
        return self.rows["time"] < self.attack


def scenario_files(data: Path) -> list[Path]:
    folder = data / "ait_alerts" if (data / "ait_alerts").is_dir() else data
    files = sorted(folder.glob("*.csv.gz")) + sorted(folder.glob("*.csv"))
    if not files:
        raise SystemExit(f"{folder}: no *.csv.gz of the AIT Alert Data Set (see --help)")
    return files


def read(path: Path) -> Scenario:
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows["time"] = rows["time"].astype(np.float64).astype(np.int64)
    attack = rows.loc[rows["time_label"] != BENIGN, "time"]
    if attack.empty:
        raise SystemExit(f"{path}: no attack step, so there is nothing to judge")
    return Scenario(path.name.split(".")[0], rows, int(attack.min()))


def yardstick(scenario: Scenario) -> pd.Series[bool]:
    """Judged rows that one page per (name, host) and day would send."""
    judged = scenario.rows[~scenario.learned]
    first = ~judged.assign(day=judged["time"] // DAY)[["name", "host", "day"]].duplicated()
    return first.reindex(scenario.rows.index, fill_value=False)


def silent_for_a_day(scenario: Scenario) -> np.ndarray[Any, Any]:
    """Rows whose (name, host) had no other row in the 24 hours before."""
    rows = scenario.rows[["time", "name", "host"]].sort_values("time", kind="stable")
    waited = rows.groupby(["name", "host"])["time"].diff()
    silent = (waited.isna() | (waited >= DAY)).reindex(scenario.rows.index)
    return silent.to_numpy(bool)


def steps(scenario: Scenario, page_time: np.ndarray[Any, Any]) -> dict[str, dict[str, Any]]:
    """Attack steps that have event-labelled alerts, and whether one of these was paged in time.

    Parameters
    ----------
    page_time
        Second of the first page that tells of each row, -1 without one.

    Notes
    -----
    Strict: the page has to be the first one that tells of the alert, sent at or after the
    labelled row and not after the step's last row.
    """
    rows = scenario.rows
    result = {}
    for step in rows.loc[rows["time_label"] != BENIGN, "time_label"].unique():
        inside = (rows["time_label"] == step).to_numpy()
        labelled = inside & (rows["event_label"] != NONE).to_numpy()
        if not labelled.any():
            continue
        first, last = int(rows["time"][inside].min()), int(rows["time"][inside].max())
        at = rows["time"].to_numpy()
        told = labelled & (page_time >= at) & (page_time <= last)
        result[str(step)] = {
            "first": first, "last": last, "labelled": int(labelled.sum()),
            "paged": bool(told.any()),
            "after_s": int(page_time[told].min()) - first if told.any() else None,
        }  # fmt: skip
    return result
