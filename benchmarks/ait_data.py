"""The AIT Alert Data Set as alert history: reading a scenario, and what a judge needs of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import NO, UNKNOWN, AlertFrame
from pipelines.core.time import SECOND_US

BENIGN, NONE = "false_positive", "-"
DAY = 86_400
LABELS = {"name": "alertname", "host": "host", "ip": "ip", "short": "short"}


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

    @property
    def learning(self) -> HistoryWindow:
        """From the first row to the first attack step."""
        return HistoryWindow(int(self.rows["time"].min()) * SECOND_US, self.attack * SECOND_US)


def scenarios(data: Path) -> list[Scenario]:
    folder = data / "ait_alerts" if (data / "ait_alerts").is_dir() else data
    files = sorted(folder.glob("*.csv.gz")) + sorted(folder.glob("*.csv"))
    if not files:
        raise SystemExit(f"{folder}: no *.csv.gz of the AIT Alert Data Set (see --help)")
    return [read(path) for path in files]


def read(path: Path) -> Scenario:
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    rows["time"] = rows["time"].astype(np.float64).astype(np.int64)
    attack = rows.loc[rows["time_label"] != BENIGN, "time"]
    if attack.empty:
        raise SystemExit(f"{path}: no attack step, so there is nothing to judge")
    return Scenario(path.name.split(".")[0], rows, int(attack.min()))


def frame_of(scenario: Scenario, hold: int) -> AlertFrame:
    """Alerts in the order of the file; each goes on for `hold` seconds.

    Before the first attack step nobody acted: that is all that is told of the truth.
    """
    labels = scenario.rows[list(LABELS)].rename(columns=LABELS)
    key = labels.groupby(list(LABELS.values()), sort=True).ngroup().to_numpy(np.int32)
    known = labels.assign(key=key).drop_duplicates("key").sort_values("key").drop(columns="key")
    starts = scenario.rows["time"].to_numpy(np.int64) * SECOND_US
    return AlertFrame(
        series=key,
        starts=starts,
        ends=starts + hold * SECOND_US,
        acted=np.where(scenario.learned.to_numpy(), NO, UNKNOWN).astype(np.int8),
        ticket=np.full(len(starts), -1, np.int32),
        labels=[
            {name: value for name, value in one.items() if value}
            for one in known.to_dict("records")
        ],
        tickets=[],
    )


def yardstick(scenario: Scenario) -> pd.Series[bool]:
    """Judged rows that one page per (name, host) and day would send."""
    judged = scenario.rows[~scenario.learned]
    first = ~judged.assign(day=judged["time"] // DAY)[["name", "host", "day"]].duplicated()
    return first.reindex(scenario.rows.index, fill_value=False)


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
