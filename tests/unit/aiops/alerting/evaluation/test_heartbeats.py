"""Alerts that always fire and are repeated every few minutes are nobody's to change."""

from dataclasses import replace

import numpy as np

from pipelines.aiops.alerting.config.apply import changes_heartbeat, heartbeats_of
from pipelines.aiops.alerting.config.model import Route
from pipelines.aiops.alerting.evaluation.backtest import Backtest
from pipelines.aiops.alerting.mining.mine import mine_all
from pipelines.aiops.alerting.rules import Matcher
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.params.alert_rules import MineRulesParams
from pipelines.core.time import DAY_US, MINUTE_US
from tests.unit.aiops.alerting.evaluation.made_up import CONFIG as PAGED
from tests.unit.aiops.alerting.evaluation.made_up import holding
from tests.unit.aiops.alerting.replay.worlds import frame_of

DAY, DAYS = 86_400, 12
WATCHDOG = {"alertname": "Watchdog", "service": "monitoring", "severity": "none"}
LABELS = [
    WATCHDOG,
    *({"alertname": name, "service": s} for name in ("Disk", "Inodes") for s in ("a", "b")),
]
WINDOW = HistoryWindow(0, DAYS * DAY_US)
IS_WATCHDOG = Matcher(label="alertname", op="=", value="Watchdog")
BEATS = Route("pager", (IS_WATCHDOG,), ("...",), repeat_interval=5 * MINUTE_US,
              group_interval=MINUTE_US)  # fmt: skip
CONFIG = replace(PAGED, route=replace(PAGED.route, routes=(BEATS,)))


def history():
    """A watchdog with two gaps of telemetry, and disks of two services that fill in bursts."""
    rows = [(0, 0, 3 * DAY), (0, 3 * DAY + 3600, 9 * DAY), (0, 9 * DAY + 60, DAYS * DAY)]
    for hour in range(0, DAYS * 24, 6):
        rows += [(n, hour * 3600 + 9 * n, hour * 3600 + 600) for n in (1, 2, 3, 4)]
    return frame_of(rows, LABELS)


def test_what_always_fires_and_is_repeated_every_few_minutes_is_a_heartbeat():
    frame = history()
    assert heartbeats_of(frame, CONFIG, WINDOW.start, WINDOW.end).tolist() == [0]
    slow = replace(CONFIG, route=replace(CONFIG.route, routes=()))
    assert not len(heartbeats_of(frame, slow, WINDOW.start, WINDOW.end))
    half = frame.where(frame.starts < 5 * DAY_US)
    half = half.where((half.series != 0) | (half.starts < DAY_US))
    assert not len(heartbeats_of(half, CONFIG, WINDOW.start, WINDOW.end))


def test_a_rule_that_would_change_a_heartbeat_is_known():
    rule, other = holding("Watchdog", "monitoring"), holding("Disk", "a", n=2)
    assert changes_heartbeat(CONFIG, rule, [WATCHDOG]) == "Watchdog"
    backtest = Backtest(history(), WINDOW, CONFIG, {})
    assert backtest.changing_heartbeats([rule, other]) == {rule.id: "Watchdog"}


def test_its_notifications_are_neither_pages_nor_saved():
    backtest = Backtest(history(), WINDOW, CONFIG, {})
    assert backtest.baseline.receivers.set_index("receiver").loc["pager", "notifications"] > 2000
    effect = backtest([holding("Disk", "a", "b", names=9, instances=9, wait_seconds=3600)])
    assert len(effect.baseline) < 400
    assert 0 < effect.saved < len(effect.baseline)


def test_no_rule_is_mined_from_it():
    params = MineRulesParams.model_validate({"hold": {"min_pages": 5}})
    found = mine_all(history(), params, [WINDOW], config=CONFIG)
    rules = [rule for mined in found.values() for rule in mined.rules]
    assert rules
    assert not [rule.id for rule in rules if changes_heartbeat(CONFIG, rule, [WATCHDOG])]


def test_where_it_stays_away_for_long_it_is_no_heartbeat_of_that_window():
    frame = history()
    gone = frame.where(np.flatnonzero((frame.series != 0) | (frame.starts < DAY_US)))
    later = HistoryWindow(6 * DAY_US, DAYS * DAY_US)
    assert not len(Backtest(gone, later, CONFIG, {}).heartbeats)
