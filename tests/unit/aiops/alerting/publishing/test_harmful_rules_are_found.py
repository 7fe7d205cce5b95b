"""An incident that only a rule hid is found, and the rule is proposed for withdrawal."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.aiops.alerting.config import parse_config
from pipelines.aiops.alerting.evaluation import Backtest, Ticket
from pipelines.aiops.alerting.publishing import HarmfulRule, find_harmful_rules
from pipelines.aiops.alerting.rules import HoldRule, Rule
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import UNKNOWN, AlertFrame
from pipelines.core.time import DAY_US, HOUR_US, MINUTE_US
from tests.unit.aiops.alerting.export.make import hold

CONFIG = parse_config(
    """\
route: {receiver: pager, group_by: ['...'], group_wait: 0s}
receivers:
- {name: pager, pagerduty_configs: [{routing_key: x}]}
- {name: chat, slack_configs: [{channel: x, api_url: 'http://127.0.0.1:9/'}]}
""",
    "alertmanager.yml",
)
NAMES = ["A", "B", "C", "D"]


def held(names: str, n: int, wait: int = 36_000) -> HoldRule:
    """Hold alerts for ten hours, whatever happens besides."""
    alone: dict[str, Any] = {"again_seconds": 60, "names": 99, "instances": 99}
    return hold(f"alertname =~ {names}", n=n, to="pager", wait_seconds=wait, **alone)


RULES = [held("A", 1), held("B", 2), held("C", 3), held("B|C", 4)]


def found(
    tickets: Sequence[int], rules: Sequence[Rule], closed: int | None = None, fix: str = "restart"
) -> list[HarmfulRule]:
    """Row i is an alert of name i on a service of its own, for two hours, of ticket ``tickets[i]``.

    They begin a minute apart.
    """
    size = len(NAMES)
    starts = DAY_US + np.arange(size, dtype=np.int64) * MINUTE_US
    frame = AlertFrame(
        np.arange(size, dtype=np.int32), starts, starts + 2 * HOUR_US, np.full(size, UNKNOWN),
        np.array(tickets, dtype=np.int32),
        [{"alertname": name, "service": name.lower()} for name in NAMES],
        [f"INC-{n}" for n in range(max(tickets) + 1)],
    )  # fmt: skip
    known = {name: Ticket("down", "", "sev1", fix, DAY_US, closed) for name in frame.tickets}
    return find_harmful_rules(
        Backtest(frame, HistoryWindow(DAY_US, 2 * DAY_US), CONFIG, known), rules
    )


def test_a_rule_that_hid_an_incident_is_named_with_it() -> None:
    (harmful,) = found([0, -1, -1, -1], RULES[:2])
    assert (harmful.rule, harmful.missed, harmful.sole_cause) == ("hold-1", ("INC-0",), True)
    assert "INC-0" in harmful.describe()
    assert "withdraw" in harmful.describe()


def test_an_incident_that_another_alert_told_is_no_complaint() -> None:
    assert found([0, -1, -1, 0], RULES[:3]) == []


def test_an_incident_without_a_cause_that_anybody_names_is_no_complaint() -> None:
    assert found([0, -1, -1, -1], RULES[:1], fix="") == []


def test_an_incident_that_no_rule_touches_is_no_complaint() -> None:
    assert found([-1, -1, -1, 0], RULES[:3]) == []
    assert found([0, -1, -1, -1], []) == []


def test_rules_that_hid_it_together_are_both_named() -> None:
    both = found([-1, 0, -1, -1], [RULES[1], RULES[3]])
    assert [harmful.sole_cause for harmful in both] == [False] * len(both)
    assert "hold-2" in {harmful.rule for harmful in both}
    two = found([0, 0, -1, -1], RULES[:2])
    assert {harmful.rule for harmful in two} == {"hold-1", "hold-2"}


def test_a_page_that_came_beyond_use_was_late() -> None:
    (harmful,) = found([-1, -1, 0, -1], [held("C", 3, wait=3600)])
    assert (harmful.missed, harmful.late) == ((), ("INC-0",))
    assert found([-1, -1, 0, -1], [held("C", 3, wait=300)]) == []


def test_a_page_after_the_incident_was_closed_was_late() -> None:
    rule = held("C", 3, wait=300)
    (harmful,) = found([-1, -1, 0, -1], [rule], closed=DAY_US + 4 * MINUTE_US)
    assert (harmful.missed, harmful.late) == ((), ("INC-0",))
    assert found([-1, -1, 0, -1], [rule], closed=DAY_US + HOUR_US) == []


def test_the_worst_comes_first() -> None:
    harmful = found([0, 1, 2, -1], [RULES[0], RULES[3]])
    assert [each.rule for each in harmful] == ["hold-4", "hold-1"]
