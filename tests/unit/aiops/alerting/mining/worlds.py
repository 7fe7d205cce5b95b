"""Small synthetic histories for tests of mining."""

from dataclasses import dataclass, field

import numpy as np

from pipelines.aiops.alerting.config.parse import parse_config
from pipelines.aiops.alerting.mining import mine_all
from pipelines.aiops.alerting.rules import HoldRule, Rule
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import NEVER, NO, UNKNOWN, YES, AlertFrame, Labels
from pipelines.aiops.params.alert_rules import MineRulesParams
from pipelines.core.time import DAY_US, SECOND_US

MONDAY = 1_780_272_000_000_000
"""2026-06-01 00:00 UTC, a Monday, in microseconds."""
WINDOW = HistoryWindow(MONDAY, MONDAY + 28 * DAY_US)
PARAMS = MineRulesParams()
CONFIG = parse_config(
    """
route:
  receiver: pager
  group_by: ['...']
  group_wait: 10s
  routes:
    - matchers: [severity="info"]
      receiver: slack
receivers:
  - name: pager
    pagerduty_configs: [{}]
  - name: slack
    slack_configs: [{}]
""",
    "alertmanager.yml",
)
"""All pages, but for what is of severity info."""
ACTED = {None: UNKNOWN, True: YES, False: NO}


@dataclass
class World:
    """Collects alerts; times are seconds since `MONDAY`."""

    series: dict[tuple[tuple[str, str], ...], int] = field(default_factory=dict)
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    tickets: list[str] = field(default_factory=list)

    def add(self, start, seconds, name, acted=False, ticket=None, **labels):
        key = tuple(sorted({"alertname": name, **labels}.items()))
        code = self.series.setdefault(key, len(self.series))
        begin = MONDAY + round(start * SECOND_US)
        end = int(NEVER) if seconds is None else begin + round(seconds * SECOND_US)
        if ticket is not None and ticket not in self.tickets:
            self.tickets.append(ticket)
        number = -1 if ticket is None else self.tickets.index(ticket)
        self.rows.append((code, begin, end, int(ACTED[acted]), number))

    def frame(self) -> AlertFrame:
        table = np.array(self.rows, np.int64).reshape(-1, 5)
        labels: list[Labels] = [dict(key) for key in self.series]
        return AlertFrame(
            table[:, 0].astype(np.int32), table[:, 1], table[:, 2], table[:, 3].astype(np.int8),
            table[:, 4].astype(np.int32), labels, self.tickets,
        )  # fmt: skip


def times(rng, per_day, days=28):
    """Times of a Poisson process, seconds since `MONDAY`."""
    return np.sort(rng.uniform(0, days * 86_400, rng.poisson(per_day * days)))


def only(*families) -> MineRulesParams:
    return PARAMS.model_copy(update={"families": list(families)})


def mine(frame, params=PARAMS, windows=(WINDOW,), tickets=None, config=CONFIG, chat=None):
    """All rules, those that hold first."""
    found = mine_all(frame, params, windows, tickets, config=config, chat_receiver=chat)
    return [rule for mined in found.values() for rule in mined.rules]


def value_of(rule: Rule, label: str) -> str | None:
    """What a rule matches a label against, None if it matches none."""
    return next((m.value for m in rule.matchers if m.label == label), None)


def names_of(rules: list[Rule]) -> list[str]:
    return sorted(value_of(rule, "alertname") for rule in rules if isinstance(rule, HoldRule))


def noisy(world: World, name: str, count: int, first: float = 0, **labels) -> None:
    """`count` short alerts of a name, five hours apart."""
    for n in range(count):
        world.add(first + n * 18_000, 60, name, **labels)


def shuffled(frame: AlertFrame, seed: int) -> AlertFrame:
    """The same alerts in another order, their series and tickets numbered anew."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(frame))
    new = rng.permutation(len(frame.labels))
    tickets = rng.permutation(len(frame.tickets))
    ticket = frame.ticket[rows]
    labels = [frame.labels[i] for i in np.argsort(new)]
    return AlertFrame(
        new[frame.series[rows]].astype(np.int32), frame.starts[rows], frame.ends[rows],
        frame.acted[rows],
        np.where(ticket >= 0, tickets[ticket] if len(tickets) else -1, -1).astype(np.int32),
        labels, [frame.tickets[i] for i in np.argsort(tickets)],
    )  # fmt: skip
