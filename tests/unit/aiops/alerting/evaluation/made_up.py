"""Small histories, rules and replays with known outcomes; times in seconds."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from pipelines.aiops.alerting.config import HOUR, MINUTE, Config, Integration, Receiver, Route
from pipelines.aiops.alerting.evaluation.incidents import (
    FirstPages,
    RuleAttribution,
    Ticket,
    incidents_of,
)
from pipelines.aiops.alerting.rules import Bound, HoldRule, Support, one_of
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.core.time import DAY_US, SECOND_US

WINDOW = HistoryWindow(0, 10 * DAY_US)
WHY = {
    "sentence": "Synthetic.",
    "support": Support(
        alerts=9, episodes=9, days=9,
        first=datetime(2026, 1, 1, tzinfo=UTC), last=datetime(2026, 2, 1, tzinfo=UTC),
    ),
    "bound": Bound(measures="x", value=1.0, n=9, level=0.95, method="none", tried=1),
    "expires": date(2027, 1, 1),
}  # fmt: skip
CONFIG = Config(
    route=Route("pager", group_by=("...",), group_interval=MINUTE, repeat_interval=4 * HOUR),
    receivers=(
        Receiver("pager", (Integration("pagerduty", True),)),
        Receiver("chat", (Integration("slack", False),), pages=False),
    ),
)
"""Each alert is a group of its own, told after 30 seconds and then every minute."""


def holding(name: str, *services: str, n: int = 1, **more: Any) -> HoldRule:
    """A rule that holds a name's alerts of some services for five minutes."""
    settings: dict[str, Any] = {
        "service_label": "service", "receiver": "pager", "chat": "chat", "wait_seconds": 300,
        "again_seconds": 1800, "fresh_seconds": 600, "names": 2, "instances": 3,
        "services": 3, "storm_seconds": 60, "rate_seconds": 86_400, "usual_rates": 7, "rise": 5,
        "window_seconds": 3600,
    }  # fmt: skip
    return HoldRule(
        id=f"hold-{n}",
        matchers=(one_of("alertname", [name]), one_of("service", sorted(services))),
        **{**settings, **more},
        **WHY,
    )


def labels_of(*told: str) -> list[dict[str, str]]:
    """Label sets from texts like ``Slow web``: alert name and service."""
    found = []
    for text in told:
        name, _, service = text.partition(" ")
        found.append({"alertname": name, **({"service": service} if service else {})})
    return found


def incidents(
    rows: list[tuple[int, int, int]],
    series: list[str],
    ticket: list[int],
    today: list[int | None],
    held: list[int | None],
    known: dict[str, Ticket] | None = None,
    held_series: tuple[int, ...] = (),
    assumed: list[bool] | None = None,
) -> Any:
    """Incidents of rows (series, start, end), first paged at `today` and at `held`, or never."""
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    frame = AlertFrame(
        table[:, 0].astype(np.int32), table[:, 1] * SECOND_US, table[:, 2] * SECOND_US,
        np.full(len(rows), -1, np.int8), np.array(ticket, np.int32), labels_of(*series),
        [f"T{i}" for i in range(max(ticket) + 1)],
        ticket_assumed=None if assumed is None else np.array(assumed),
    )  # fmt: skip

    def pages(times: list[int | None]) -> FirstPages:
        found = np.array([-1 if t is None else t * SECOND_US for t in times], np.int64)
        return FirstPages(found, found)

    held_by = np.full(len(series), "", dtype=object)
    held_by[list(held_series)] = "hold-1"
    return incidents_of(
        RuleAttribution(frame),
        window=WINDOW,
        baseline=pages(today),
        candidate=pages(held),
        held_by=held_by,
        tickets=known or {},
        until=WINDOW.end,
    )


def replayed(pages: list[int], first_page: list[int], group: list[int] | None = None) -> Any:
    """A replay with pages at these seconds, each of group 0; first page of each alert."""
    times = np.array(pages, np.int64) * SECOND_US
    first = np.array([-1 if t < 0 else t * SECOND_US for t in first_page], np.int64)
    return SimpleNamespace(
        notifications=pd.DataFrame(
            {"time": times, "page": np.ones(len(pages), bool),
             "group": np.zeros(len(pages), np.int64), "receiver": "pager"}
        ),
        alerts=pd.DataFrame(
            {"first_page": first, "first_notification": first,
             "group": np.array(group or [0] * len(first_page), np.int64)}
        ),
    )  # fmt: skip
