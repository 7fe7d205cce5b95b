"""An incident that only a rule hid is found, and the rule is proposed for withdrawal."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from pipelines.aiops.alerting.publishing import HarmfulRule, find_harmful_rules
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.lake.frame import UNKNOWN, AlertFrame
from tests.unit.aiops.alerting.export.make import quiet

NAMES = ["A", "B", "C", "D"]
RULES = [
    quiet("alertname = A", n=1),
    quiet("alertname = B", n=2),
    quiet("alertname = C", n=3),
    quiet("alertname =~ B|C", n=4),
]


def frame(tickets: Sequence[int]) -> AlertFrame:
    """Row i is an alert of name i, one a minute, of ticket ``tickets[i]``."""
    size = len(NAMES)
    starts = np.arange(size, dtype=np.int64) * 60_000_000
    return AlertFrame(
        np.arange(size, dtype=np.int32), starts, starts + 1, np.full(size, UNKNOWN),
        np.array(tickets, dtype=np.int32), [{"alertname": name} for name in NAMES],
        [f"INC-{n}" for n in range(max(tickets) + 1)],
    )  # fmt: skip


def replay(given: AlertFrame, _: Any, *, rules: Sequence[Rule], until: int | None) -> Any:
    """Page at once, unless a rule matches; rule 3 only delays by an hour."""
    decided, pages = [], np.full(len(given.tickets), -1, dtype=np.int64)
    for row, ticket in enumerate(given.ticket):
        name = given.labels[given.series[row]]["alertname"]
        hit = next((r for r in rules if name in r.matchers[0].value.split("|")), None)
        decided.append(hit.id if hit else "")
        page = int(given.starts[row])
        if hit is not None:
            page = page + 3_600_000_000 if hit.id == "demotion-3" else -1
        if ticket >= 0 and page >= 0:
            pages[ticket] = page if pages[ticket] < 0 else min(page, pages[ticket])
    alerts = pd.DataFrame({"rule": decided})
    return SimpleNamespace(alerts=alerts, tickets=pd.DataFrame({"first_page": pages}))


def found(tickets: Sequence[int], rules: Sequence[Rule], **more: Any) -> list[HarmfulRule]:
    return find_harmful_rules(frame(tickets), None, rules, replay, **more)


def test_a_rule_that_hid_an_incident_is_named_with_it() -> None:
    (harmful,) = found([0, -1, -1, -1], RULES[:2])
    assert (harmful.rule, harmful.missed, harmful.sole_cause) == ("demotion-1", ("INC-0",), True)
    assert "INC-0" in harmful.describe()
    assert "withdraw" in harmful.describe()


def test_an_incident_that_another_alert_told_is_no_complaint() -> None:
    assert found([0, -1, -1, 0], RULES[:3]) == []


def test_an_incident_that_nothing_ever_paged_is_no_complaint() -> None:
    assert found([-1, -1, -1, 0], RULES[:3]) == []
    assert found([0, -1, -1, -1], []) == []


def test_rules_that_hid_it_together_are_both_named() -> None:
    both = found([-1, 0, -1, -1], [RULES[1], RULES[3]])
    assert [(harmful.rule, harmful.sole_cause) for harmful in both] == [("demotion-2", False)]
    two = found([0, 0, -1, -1], RULES[:2])
    assert [(harmful.rule, harmful.sole_cause) for harmful in two] == [
        ("demotion-1", True),
        ("demotion-2", True),
    ]


def test_a_page_that_came_after_a_person_had_found_it_was_late() -> None:
    opened = {"INC-0": 600_000_000}
    (harmful,) = found([-1, -1, 0, -1], [RULES[2]], opened=opened)
    assert (harmful.missed, harmful.late) == ((), ("INC-0",))
    assert found([-1, -1, 0, -1], [RULES[2]], opened={"INC-0": 1}) == []
    assert found([-1, -1, 0, -1], [RULES[2]]) == []


def test_the_worst_comes_first() -> None:
    assert (
        next(harmful.rule for harmful in found([0, 1, 2, -1], [RULES[0], RULES[3]])) == "demotion-4"
    )


def test_the_real_replay_finds_what_a_demotion_rule_hid() -> None:
    from pipelines.aiops.alerting.config import default_config
    from pipelines.aiops.alerting.replay import replay as real

    given = frame([0, -1, -1, -1])
    long = AlertFrame(
        given.series, given.starts, given.starts + 3_600_000_000, given.acted, given.ticket,
        given.labels, given.tickets,
    )  # fmt: skip
    (harmful,) = find_harmful_rules(long, default_config(), RULES[:2], real)
    assert (harmful.rule, harmful.missed, harmful.sole_cause) == ("demotion-1", ("INC-0",), True)
    assert find_harmful_rules(long, default_config(), RULES[1:2], real) == []
