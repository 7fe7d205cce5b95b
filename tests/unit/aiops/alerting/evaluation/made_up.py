"""Small histories and replays with known outcomes."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.core.time import DAY_US

MINUTE = 60_000_000
WINDOW = HistoryWindow(0, 10 * DAY_US)


def frame(starts: list[int], tickets: list[int], names: list[str] | None = None) -> AlertFrame:
    """Alerts of ten minutes; ticket code -1 = none."""
    count = len(starts)
    names = names or ["A"] * count
    series = sorted(set(names))
    return AlertFrame(
        series=np.array([series.index(name) for name in names], np.int32),
        starts=np.array(starts, np.int64),
        ends=np.array(starts, np.int64) + 10 * MINUTE,
        acted=np.array([1 if t >= 0 else 0 for t in tickets], np.int8),
        ticket=np.array(tickets, np.int32),
        labels=[{"alertname": name, "team": "web"} for name in series],
        tickets=[f"T{i}" for i in range(max([*tickets, -1]) + 1)],
    )


def replayed(pages: list[int], first_page: list[int], rules: list[str] | None = None) -> Any:
    """A replay with these pages; first page and deciding rule per alert."""
    return SimpleNamespace(
        notifications=pd.DataFrame(
            {"time": np.array(pages, np.int64), "page": np.ones(len(pages), bool)}
        ),
        alerts=pd.DataFrame(
            {
                "first_page": np.array(first_page, np.int64),
                "first_notification": np.array(first_page, np.int64),
                "pages": np.array([int(t >= 0) for t in first_page], np.int64),
                "rule": np.array(rules or [""] * len(first_page), object),
                "group": np.zeros(len(first_page), np.int64),
            }
        ),
        groups=pd.DataFrame({"group": [0], "receiver": ["on-call"], "rule": [""]}),
        stages={"notifications": len(pages), "alerts": len(first_page)},
    )
