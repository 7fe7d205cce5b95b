"""The benchmark of alert worlds judges the same replays by what really happened."""

import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.alert_judges import (
    Judged,
    counted,
    never_acted,
    never_acted_dropped,
    pages_of,
    true_incidents,
    write_pages,
)
from benchmarks.alert_worlds import (
    AFTER_GATE,
    ALERTS,
    BAD_SETS,
    bad_set,
    decision,
    evaluations,
    params_for,
    repeated,
    summary,
    through_stages,
    worlds_in,
)
from pipelines.aiops.alerting.config import QUIET_RECEIVER, Config, Receiver, Route
from pipelines.aiops.alerting.evaluation import Backtest, Ticket
from pipelines.aiops.alerting.evaluation.backtest import Fold
from pipelines.aiops.alerting.rules import Matcher
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import NO, YES
from pipelines.aiops.params import load_aiops_params
from pipelines.core.time import DAY_US, HOUR_US
from tests.support.alert_worlds import WORLDS
from tests.unit.aiops.alerting.replay.worlds import frame_of

PAGER = Receiver("pager")
TODAY = Config(Route("pager", group_by=("alertname",)), (PAGER, Receiver(QUIET_RECEIVER, ())))
LABELS = [{"alertname": "a", "service": "s"}, {"alertname": "b", "service": "t"}]
ROWS = [(0, 100, 4000), (1, 9000, 12_000), (0, 20_000, 24_000)]
"""Series, start and end in seconds."""


def world_with(folder: Path, incidents: list[dict]) -> Path:
    (folder / "truth").mkdir()
    (folder / "truth/truth.json").write_text(json.dumps({"incidents": incidents}))
    table = {
        "row": [7, 8, 9],
        "start": [float(start) for _, start, _ in ROWS],
        "labels": [json.dumps(LABELS[series]) for series, _, _ in ROWS],
    }
    pq.write_table(pa.table(table), folder / "truth/rows.parquet")
    return folder


@pytest.fixture
def backtest() -> Backtest:
    frame = frame_of(ROWS, LABELS, ["T0"], [-1, 0, -1])
    tickets = {"T0": Ticket(title="b is down", service="t", fix="restart", severity="sev2")}
    return Backtest(frame, HistoryWindow(0, DAY_US), TODAY, tickets)


@pytest.fixture
def muted(backtest: Backtest) -> Fold:
    """A third in which `a` goes to nobody."""
    quiet = Route(QUIET_RECEIVER, matchers=(Matcher(label="alertname", op="=", value="a"),))
    route = Route("pager", group_by=("alertname",), routes=(quiet,))
    candidate = backtest.replay((), Config(route, TODAY.receivers))
    return Fold(backtest, (), candidate, backtest.effect(candidate, ()))


def test_an_incident_that_nobody_linked_is_missed_by_truth_only(
    tmp_path: Path, muted: Fold
) -> None:
    incidents = [
        {"id": 0, "kind": "rare", "ticket": None, "end": 24_000.0, "rows": [9], "major": True},
        {"id": 1, "kind": "short", "ticket": "T0", "end": 12_000.0, "rows": [8], "major": False},
    ]
    found = true_incidents(world_with(tmp_path, incidents), muted.backtest)
    assert found is not None
    by_truth = found.backtest.effect(muted.candidate, ())
    told = counted([Judged(muted.effect, by_truth, found.kinds)])
    assert (told["credible"]["told_today"], told["credible"]["missed"]) == (1, 0)
    assert told["truth"]["told_today"] == 2
    assert told["truth"]["missed_incidents"] == ["0 (rare, no ticket): 0 (rare, no ticket)"]
    assert (told["truth"]["missed_other"], told["truth"]["missed_major"]) == (1, 1)
    assert told["truth"]["longest_delay_by_kind_s"] == {"short": 0.0}


def test_noise_that_is_real_once_is_told_apart_from_other_misses(
    tmp_path: Path, muted: Fold
) -> None:
    incidents = [{"id": 0, "kind": "noise_real_same", "end": 24_000.0, "rows": [9]}]
    found = true_incidents(world_with(tmp_path, incidents), muted.backtest)
    assert found is not None
    told = counted([Judged(muted.effect, found.backtest.effect(muted.candidate, ()), found.kinds)])
    assert (told["truth"]["missed"], told["truth"]["missed_other"]) == (1, 0)


def test_without_truth_nothing_is_judged_by_it(tmp_path: Path, muted: Fold) -> None:
    assert true_incidents(tmp_path, muted.backtest) is None
    assert "truth" not in counted([Judged(muted.effect, None, {})])


def test_pages_say_what_they_are_the_first_to_tell_of(tmp_path: Path, muted: Fold) -> None:
    write_pages(pages_of(2, muted), tmp_path / "pages.csv")
    with (tmp_path / "pages.csv").open() as file:
        (page,) = csv.DictReader(file)
    assert (page["third"], page["receiver"], page["first_told"]) == ("2", "pager", "b t")
    assert int(page["time"]) == 9030 * 1_000_000


def test_what_nobody_acted_on_is_dropped_from_twenty_alerts_on(backtest: Backtest) -> None:
    hours = [(0, hour * 3600, hour * 3600 + 600) for hour in range(20)]
    acted = [(1, hour * 3600, hour * 3600 + 600) for hour in range(20)]
    frame = frame_of([*hours, *acted], LABELS)
    frame.acted[:] = NO
    frame.acted[frame.series == 1] = YES
    assert never_acted([frame]) == {("a", "s")}
    assert never_acted([frame.where(np.flatnonzero(frame.starts < 19 * HOUR_US))]) == set()
    dropped = never_acted_dropped([frame])(backtest)
    assert (len(dropped.baseline), len(dropped.candidate)) == (3, 1)


def result(saved: float, missed: int) -> dict:
    counts = {"told_today": 10, "missed": missed, "strict_missed": missed, "missed_other": missed,
              "missed_major": 0, "late_1m": 4, "late_5m": 1, "late_15m": 0,
              "longest_delay_s": 400.0}  # fmt: skip
    return {"pages_today": 100, "pages": round(100 - 100 * saved), "nights_today": 40,
            "nights": 20, "saved_share": saved, "tickets": counts, "truth": counts}  # fmt: skip


def row_of(verdict: str, saved: float, missed: int) -> dict:
    own = result(saved, missed)
    bad = {name: {"verdict": "reject"} for name in BAD_SETS}
    return {**own, "verdict": verdict, "alerts": 1000, "seconds": 2.0, "methods": {"held": own},
            "bad_sets": bad, "evaluations": {"ratio": 1 + saved / 10}}  # fmt: skip


def test_what_the_gate_rejects_neither_saves_nor_misses_after_it() -> None:
    found = summary([row_of("reject", 0.9, 2), row_of("review", 0.2, 1)])
    assert (found["methods"]["held"]["mean"], found["methods"]["held"]["least"]) == (0.55, 0.2)
    after = found["methods"][AFTER_GATE]
    assert (after["mean"], after["least"], after["nights_mean"]) == (0.1, 0.0, 0.25)
    assert found["methods"]["held"]["truth"]["missed"] == 3
    assert (after["truth"]["missed"], after["truth"]["late_1m"]) == (1, 4)
    assert found["bad_sets"] == {name: {"reject": 2} for name in BAD_SETS}
    assert found["most_evaluations"] == 1.09
    assert after["truth"]["told_today"] == 20
    assert found["alerts_a_second"] == 500


def test_only_paths_differ_from_the_projects_own_params(tmp_path: Path) -> None:
    worlds = worlds_in(WORLDS)
    assert worlds == sorted(WORLDS.iterdir())
    world = next(world for world in worlds if (world / "prometheus/eu.yml").is_file())
    params, ours = params_for(world, tmp_path), load_aiops_params()
    for section in ("mine_rules", "select_rules", "gate_rules"):
        assert getattr(params, section) == getattr(ours, section)
    assert str(world / "prometheus/eu.yml") in params.export_rules.prometheus


DAY, HOUR = 86_400, 3600
BEGIN = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
AM = """
route: {receiver: pager, group_by: [alertname, service], group_wait: 10s}
receivers:
  - {name: pager, pagerduty_configs: [{service_key: x}]}
  - {name: chat, slack_configs: [{api_url: 'http://127.0.0.1:9/', channel: c}]}
"""
PROMETHEUS = """
global: {evaluation_interval: 1m, external_labels: {cluster: eu}}
rule_files: [../rules/*.yml]
"""
OWN_RULES = """
groups:
  - name: usual
    rules: [{alert: Errors, expr: errors > 0}, {alert: Slow, expr: slow > 0}]
  - name: often
    interval: 15s
    rules: [{alert: Down, expr: up == 0}]
"""


def iso(seconds: int) -> str:
    return datetime.fromtimestamp(BEGIN + seconds, UTC).isoformat()


def company(folder: Path, days: int = 64) -> Path:
    """A company's files: two noisy names on four services, and an outage every other day.

    An outage is of the same names and length as the noise, but of both at once, and again a
    quarter of an hour later.
    """
    services = ["cart", "login", "pay", "search"]
    rows, tickets = [], []
    for day in range(days):
        for number, service in enumerate(services):
            for turn, name in enumerate(("Errors", "Slow")):
                at = day * DAY + (6 * number + 3 * turn) * HOUR + 600
                rows.append((at, 150, name, service, None))
        if day % 2:
            at, name = day * DAY + 5 * HOUR, services[day // 2 % 4]
            ticket = f"T-{day}"
            rows += [(at + more, 150, alert, name, ticket) for alert, more in
                     (("Errors", 0), ("Slow", 40), ("Errors", 900), ("Slow", 930))]  # fmt: skip
            tickets.append([ticket, iso(at + 120), iso(at + 2400), f"{name} is down", name,
                            "incident", "sev2", "restart"])  # fmt: skip
    for part in ("rules", "prometheus"):
        (folder / part).mkdir(parents=True)
    with gzip.open(folder / ALERTS, "wt", encoding="utf-8") as file:
        for at, lasts, name, service, ticket in sorted(rows, key=lambda row: row[0]):
            labels = {"alertname": name, "service": service, "cluster": "eu", "team": "web"}
            file.write(json.dumps({
                "starts_at": iso(at), "ends_at": iso(at + lasts), "labels": labels,
                "acted": ticket is not None, "acked_at": None, "ticket": ticket,
            }) + "\n")  # fmt: skip
    (folder / "alertmanager.yml").write_text(AM)
    (folder / "prometheus/eu.yml").write_text(PROMETHEUS)
    (folder / "rules/own.yml").write_text(OWN_RULES)
    columns = {
        "tickets.csv": ["id", "opened", "closed", "title", "service", "kind", "severity", "fix"],
        "changes.csv": ["id", "at", "service", "kind", "title"],
    }
    lines = {"tickets.csv": tickets, "changes.csv": [["C-1", iso(9), "cart", "deploy", "v2"]]}
    for name, header in columns.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *lines[name]])
    return folder


def test_the_gate_takes_the_rules_and_rejects_both_bad_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lone alerts that wait, without company and without a second page, hide every outage."""
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    params = through_stages(company(tmp_path / "world"), project)
    good = decision()
    assert good["verdict"] != "reject", good["checks"]
    # 2 rules a minute and one every 15 seconds; ours are nine, every 30 seconds.
    assert evaluations(params) == {"today": 6.0, "more": 18.0, "ratio": 4.0}
    for wait in BAD_SETS.values():
        found = bad_set(params, wait)
        assert found["verdict"] == "reject"
        assert "no_incident_missed" in found["because"]
        assert found["missed"] > 30
        assert found["saved_share"] > 0.9


def test_a_world_is_repeated_in_time_until_it_is_large_enough(tmp_path: Path) -> None:
    world = company(tmp_path / "world", days=10)
    with gzip.open(world / ALERTS, "rt") as file:
        once = [json.loads(line) for line in file]
    repeated(world, tmp_path / "more", len(once) + 7)
    with gzip.open(tmp_path / "more" / ALERTS, "rt") as file:
        rows = [json.loads(line) for line in file]
    assert len(rows) == len(once) + 7
    assert [row["labels"] for row in rows[len(once) :]] == [row["labels"] for row in once[:7]]
    first, later = (datetime.fromisoformat(rows[n]["starts_at"]) for n in (0, len(once)))
    assert (later - first).days == 14
    with (tmp_path / "more/tickets.csv").open() as file:
        tickets = list(csv.DictReader(file))
    assert len({ticket["id"] for ticket in tickets}) == len(tickets) == 10
    assert {row["ticket"] for row in rows} - {None} <= {ticket["id"] for ticket in tickets}
