"""Alerts that always fire and are repeated every few minutes are nobody's to change."""

from dataclasses import replace

import numpy as np
import pytest

from pipelines.aiops.alerting.config.apply import (
    apply_rules,
    changes_heartbeat,
    heartbeats_of,
    placements,
    sparing_guards,
)
from pipelines.aiops.alerting.config.model import Config, Integration, Receiver, Route
from pipelines.aiops.alerting.evaluation.backtest import Backtest
from pipelines.aiops.alerting.mining.grouping import EVERY_ALERT
from pipelines.aiops.alerting.mining.mine import mine_all
from pipelines.aiops.alerting.rules import (
    DemotionRule,
    GroupingRule,
    InhibitionRule,
    KeepFiringRule,
    Matcher,
    MuteTimeRule,
    WaitRule,
)
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.params.alert_rules import MineRulesParams
from pipelines.core.time import DAY_US, MINUTE_US
from tests.unit.aiops.alerting.evaluation.test_notified_means import ONE_GROUP, WHY
from tests.unit.aiops.alerting.replay.worlds import frame_of

DAY, DAYS = 86_400, 12
WATCHDOG = {"alertname": "Watchdog", "severity": "none"}
LABELS = [WATCHDOG, *({"alertname": name, "host": h} for name in ("Disk", "Inodes") for h in "ab")]
WINDOW = HistoryWindow(0, DAYS * DAY_US)
IS_WATCHDOG = Matcher(label="alertname", op="=", value="Watchdog")
CONFIG = Config(
    route=Route(
        "pager",
        group_by=("...",),
        routes=(
            Route("snitch", (IS_WATCHDOG,), ("...",), repeat_interval=5 * MINUTE_US,
                  group_interval=MINUTE_US),
        ),
    ),
    receivers=(
        Receiver("pager", (Integration("pagerduty", True),)),
        Receiver("snitch", (Integration("pagerduty", True),)),
    ),
)  # fmt: skip
SEVERE = Matcher(label="severity", op="=", value="none")
TOUCHING = [
    ONE_GROUP.model_copy(update={"matchers": EVERY_ALERT}),
    DemotionRule(id="demotion-9", matchers=(SEVERE,), **WHY),
    InhibitionRule(id="inhibition-9", matchers=(SEVERE,), source=(IS_WATCHDOG,), equal=(), **WHY),
    MuteTimeRule(
        id="mute_time-9", matchers=(SEVERE,), weekdays=(0,), start_minute=0, end_minute=60, **WHY
    ),
    WaitRule(id="wait-9", matchers=(SEVERE,), for_seconds=60, **WHY),
    KeepFiringRule(id="keep_firing-9", matchers=(SEVERE,), keep_firing_for_seconds=60, **WHY),
]


def history():
    """A watchdog with two gaps of telemetry, and disks of two hosts that fill in bursts."""
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


@pytest.mark.parametrize("rule", TOUCHING, ids=lambda rule: rule.family)
def test_a_rule_that_would_change_a_heartbeat_is_known(rule):
    assert changes_heartbeat(CONFIG, rule, [WATCHDOG]) == "Watchdog"
    assert changes_heartbeat(CONFIG, rule, [{"alertname": "Disk"}]) in ("", "Disk")
    backtest = Backtest(history(), WINDOW, CONFIG, {})
    assert backtest.changing_heartbeats([rule]) == {rule.id: "Watchdog"}


def test_a_grouping_that_spares_it_is_put_nowhere_below_its_route():
    sparing = sparing_guards(EVERY_ALERT, ("Watchdog",))
    rule = ONE_GROUP.model_copy(update={"matchers": sparing})
    assert placements(CONFIG, sparing) == ((),)
    assert placements(CONFIG, EVERY_ALERT) == ((0,), ())
    assert changes_heartbeat(CONFIG, rule, [WATCHDOG]) == ""
    assert apply_rules(CONFIG, [rule]).route.routes[0] == CONFIG.route.routes[0]


def test_its_notifications_are_neither_pages_nor_saved():
    backtest = Backtest(history(), WINDOW, CONFIG, {})
    sent = backtest.baseline.receivers.set_index("receiver")
    assert sent.loc["snitch", "notifications"] > 2000
    assert sent.loc["snitch", "pages"] == 0
    everything = ONE_GROUP.model_copy(update={"matchers": EVERY_ALERT})
    effect = backtest([everything])
    assert len(effect.baseline) == sent.loc["pager", "pages"]
    assert effect.saved < len(effect.baseline)


def test_nothing_is_mined_from_it_and_wide_groupings_spare_it():
    params = MineRulesParams(min_days=2, min_episodes=5)
    found = mine_all(history(), params, WINDOW, config=CONFIG)
    rules = [rule for mined in found.values() for rule in mined.rules]
    assert rules
    assert not [rule.id for rule in rules if changes_heartbeat(CONFIG, rule, [WATCHDOG])]
    careless = [
        rule for mined in mine_all(history(), params, WINDOW).values() for rule in mined.rules
    ]
    wide = [rule for rule in careless if isinstance(rule, GroupingRule)]
    assert any(changes_heartbeat(CONFIG, rule, [WATCHDOG]) for rule in wide)


def test_where_it_stays_away_for_long_it_is_no_heartbeat_of_that_window():
    frame = history()
    gone = frame.where(np.flatnonzero((frame.series != 0) | (frame.starts < DAY_US)))
    later = HistoryWindow(6 * DAY_US, DAYS * DAY_US)
    assert not len(Backtest(gone, later, CONFIG, {}).heartbeats)
