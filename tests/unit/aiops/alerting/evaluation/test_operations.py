"""KPIs of operations: pages by week and pager, times, who told first; unknown is no zero."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.aiops.alerting.evaluation.incidents import NOT_PAGED, Ticket, TicketedIncident
from pipelines.aiops.alerting.evaluation.operations import (
    Answers,
    Handled,
    Operations,
    PageLoad,
    operation_figures,
    operations,
    read_answers,
    read_handled,
    week_of,
)
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.contract import ALERTS, TICKETS
from pipelines.core.time import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from tests.unit.aiops.alerting.evaluation.made_up import labels_of

MONDAY = 1_775_433_600 * SECOND_US  # 2026-04-06
WINDOW = HistoryWindow(MONDAY, MONDAY + 10 * DAY_US)
WEEK = int(week_of(np.array([MONDAY]))[0])


def answers(*rows: tuple[str, int, int, float]) -> Answers:
    """Rows of team, week after the first, acted and seconds."""
    return Answers(
        np.array([row[0] for row in rows], dtype=object),
        np.array([WEEK + row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.int8),
        np.array([row[3] for row in rows], dtype=np.float64),
    )


def load(*pages: tuple[str, int, int, int]) -> PageLoad:
    """Pages of receiver, week after the first, position and count."""
    return PageLoad(Counter({("receiver", r, WEEK + w, at): n for r, w, at, n in pages}))


def made(**given: Any) -> Operations:
    empty = {"loads": [], "pagers": [], "answers": answers(), "handled": []}
    return operations(WINDOW, **{**empty, **given})


def figure(found: Operations, name: str, no_page: str = "") -> Any:
    return {one.id.split(".")[1]: one for one in operation_figures(found, no_page)}[name]


def test_a_week_begins_on_monday() -> None:
    times = np.array([MONDAY - 1, MONDAY, MONDAY + 7 * DAY_US - 1, MONDAY + 7 * DAY_US])
    assert (week_of(times) - WEEK).tolist() == [-1, 0, 0, 1]
    weeks = made().weeks()
    assert [(str(row.week), row.days) for row in weeks] == [
        ("2026-04-06", 7.0),
        ("2026-04-13", 3.0),
    ]


def test_pages_a_shift_are_those_of_the_busiest_pager() -> None:
    found = made(
        loads=[load(("a", 0, 0, 30), ("a", 1, 0, 10), ("b", 0, 0, 5), ("a", 0, 2, 20))],
        pagers=["a", "b", "c"],
    )
    assert figure(found, "baseline_pages_per_shift").value == 2.0  # 40 pages in 20 shifts
    assert figure(found, "baseline_pages_per_night").value == 2.0  # 20 in 10 nights
    assert [row.value for row in found.whole("receiver")] == ["a", "b", "c"]
    (whole,) = found.whole()
    assert whole.pages_baseline == 45
    assert [row.pages_baseline for row in found.weeks("receiver", "a")] == [30, 10]


def test_without_pages_the_load_is_unknown() -> None:
    found = figure(made(pagers=["a"]), "candidate_pages_per_shift", "nothing pages")
    assert (found.value, found.missing) == (None, "nothing pages")


def test_what_nobody_recorded_is_unknown() -> None:
    found = made(answers=answers(("x", 0, -1, np.nan), ("x", 0, -1, np.nan)))
    for name in ("acted_share", "acknowledge_median", "acknowledge_p90", "resolve_median",
                 "first_by_person_share"):  # fmt: skip
        one = figure(found, name)
        assert one.value is None
        assert one.missing
    (team,) = found.whole("team")
    assert (team.paged_alerts, team.acted_known, team.acted_share) == (2, 0, None)


def test_shares_are_of_what_is_known_by_team_and_week() -> None:
    found = made(
        answers=answers(
            ("x", 0, 1, 60), ("x", 0, 0, np.nan), ("x", 1, -1, np.nan), ("", 0, 0, np.nan)
        )
    )
    assert figure(found, "acted_share").value == pytest.approx(1 / 3, abs=1e-6)
    assert {row.value: row.acted_known for row in found.whole("team")} == {"x": 2, "": 1}
    assert [row.acted_known for row in found.weeks("team", "x")] == [2, 0]


def test_the_team_without_a_name_is_not_all_teams() -> None:
    found = made(answers=answers(("x", 0, 1, 60), ("", 0, 0, np.nan)))
    nameless = next(row for row in found.whole("team") if not row.value)
    assert (nameless.paged_alerts, nameless.acted) == (1, 0)


def test_open_incidents_have_no_time_to_resolve() -> None:
    handled = [Handled("x", WEEK, 3600.0, False), Handled("x", WEEK, float("nan"), True)]
    found = made(handled=handled)
    (whole,) = found.whole()
    assert (whole.incidents, whole.resolved, whole.resolve_median_seconds) == (2, 1, 3600.0)
    assert figure(found, "first_by_person_share").value == 0.5


def incident(ticket: str, page: int) -> TicketedIncident:
    return TicketedIncident(ticket, MONDAY, MONDAY + HOUR_US, page, page, page, Ticket())


def write_tickets(folder: Path, *rows: tuple[str, int, int | None, str | None]) -> None:
    found = [
        {"ticket_id": ticket, "source": "s", "opened_at": opened, "closed_at": closed,
         "updated_at": opened, "kind": "incident", "service": service}
        for ticket, opened, closed, service in rows
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(found, schema=TICKETS.schema), folder / "tickets.parquet")


@pytest.mark.parametrize(
    ("page", "linked", "service", "by_person"),
    [
        (MONDAY + 10 * MINUTE_US, True, "web", False),  # before the ticket
        (MONDAY + 24 * MINUTE_US, True, "web", False),  # a machine's ticket, at most
        (MONDAY + 25 * MINUTE_US, True, "web", True),
        (NOT_PAGED, True, "web", True),
        (None, False, "web", True),  # no alert of its service about then
        (None, False, None, None),  # nothing to look for
        (None, True, "web", None),  # its alert began outside of the windows
    ],
)
def test_who_told_first(
    tmp_path: Path, page: int | None, linked: bool, service: str | None, by_person: bool | None
) -> None:
    write_tickets(tmp_path, ("t", MONDAY + 20 * MINUTE_US, None, service))
    known = [] if page is None else [incident("t", page)]
    (one,) = read_handled(tmp_path, WINDOW, known, ["t"] if linked else [])
    assert one.by_person is by_person


def test_tickets_outside_the_window_and_impossible_ends_do_not_count(tmp_path: Path) -> None:
    write_tickets(
        tmp_path,
        ("before", MONDAY - 1, None, "web"),
        ("backwards", MONDAY, MONDAY - 1, "web"),
        ("done", MONDAY, MONDAY + HOUR_US, "web"),
    )
    found = read_handled(tmp_path, WINDOW, [], [])
    assert [str(one.seconds) for one in found] == ["nan", "3600.0"]
    assert read_handled(tmp_path / "none", WINDOW, [], []) == []


def test_answers_are_read_of_alerts_that_page_each_once(tmp_path: Path) -> None:
    start = datetime(2026, 4, 6, 10, tzinfo=UTC)

    def row(id_: str, series: str, acked: int | None, acted: bool | None) -> dict[str, Any]:
        at = None if acked is None else start + timedelta(seconds=acked)
        return {"alert_id": id_, "source": "s", "fingerprint": series, "name": "A",
                "labels": {"team": "x"}, "starts_at": start, "updated_at": start,
                "acknowledged_at": at, "acted": acted}  # fmt: skip

    rows = [
        row("a", "one", 90, None), row("b", "one", None, None),  # the same alert, reported twice
        row("c", "two", None, False), row("d", "three", None, None),
        row("e", "four", -5, None),  # clocks that disagree
        row("f", "five", 60, True),  # never paged
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows, schema=ALERTS.schema), tmp_path / "alerts.parquet")
    page = MONDAY + 11 * HOUR_US
    outcomes = pa.table(
        {
            "alert_id": ["a", "b", "c", "d", "e", "f"],
            "baseline_first_page": pa.array([page, page, page, page, page, -1], pa.int64()),
        }
    )
    found = read_answers(tmp_path, [outcomes], 512)
    assert sorted(found.acted.tolist()) == [-1, 0, 1, 1]
    assert sorted(found.seconds[~np.isnan(found.seconds)].tolist()) == [90.0]
    assert set(found.week.tolist()) == {WEEK}
    assert set(found.team.tolist()) == {"x"}


def test_pages_of_a_fold_are_counted_by_receiver_team_and_night() -> None:
    noon, night = MONDAY + 12 * HOUR_US, MONDAY + 23 * HOUR_US

    def replay(*times: int) -> Any:
        return SimpleNamespace(
            notifications=pd.DataFrame(
                {"time": times, "page": True, "receiver": "pager", "group": range(len(times))}
            ),
            alerts=pd.DataFrame({"first_page": times, "group": range(len(times))}),
        )

    labels = [{**one, "team": "x"} for one in labels_of("A web", "B web")]
    rows = SimpleNamespace(labels=labels, series=np.array([0, 1]))
    backtest = SimpleNamespace(rows=rows, window=WINDOW, baseline=replay(noon, night))
    candidate = SimpleNamespace(
        notifications=replay(noon).notifications,
        alerts=pd.DataFrame({"first_page": [noon, NOT_PAGED], "group": [0, 1]}),
    )
    fold: Any = SimpleNamespace(backtest=backtest, candidate=candidate)
    found = PageLoad.of(fold).pages
    for scope, value in (("receiver", "pager"), ("team", "x")):
        counted = [found[scope, value, WEEK, at] for at in range(4)]
        assert counted == [2, 1, 1, 0]
