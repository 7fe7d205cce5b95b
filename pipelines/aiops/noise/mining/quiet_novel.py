"""How that is told which no rule holds: new names, new values, and guards that trip.

Nothing is known of it, so it must not wait, and no label is known to divide it well. One group for
all of it pages at once for the first, and again as soon as something else that is new joins; what
was told already is not told again while it goes on. A burst that touches many hosts under many
names is then a page a moment rather than a page for each of them.
"""

import numpy as np

from pipelines.aiops.noise.mining import describe
from pipelines.aiops.noise.mining.history import History
from pipelines.aiops.noise.rules import Bound, DuplicateRule, Matcher

EVERY_ALERT = (Matcher(label="alertname", op="!=", value=""),)
"""Every alert has a name; a route that no label holds back would be refused at publication."""

ONE_GROUP = ("signalbox_together",)
"""A label that no alert has puts all of them into one group; an empty ``group_by`` in a child route
would not: Alertmanager takes the parent's instead (`config.Route.UnmarshalYAML`)."""


def tell_at_once(
    history: History, *, group_interval: int = 1, repeat_interval: int = 86_400
) -> DuplicateRule:
    """Group what no quiet rule holds, without losing time.

    Parameters
    ----------
    history
        The learning window: its end says when the rule expires.
    group_interval
        Seconds; something new that joins waits at most so long.
    repeat_interval
        Seconds after which the group is told again although nothing joined.
    """
    rows = np.arange(len(history.episodes))
    return DuplicateRule(
        id=describe.identity(
            "duplicate", EVERY_ALERT,
            group_by=ONE_GROUP, wait=0, interval=group_interval, repeat=repeat_interval,
        ),
        matchers=EVERY_ALERT,
        group_by=ONE_GROUP,
        group_wait=0,
        group_interval=group_interval,
        repeat_interval=repeat_interval,
        sentence=(
            "What no rule holds pages at once, in one group: again when something new joins "
            f"(within {describe.seconds_in_words(group_interval)}), not again for what goes on."
        ),
        support=describe.support_of(history.episodes, rows),
        bound=Bound(
            measures="none: a policy for what the history doesn't know",
            value=0.0, n=0, level=0.0, method="policy", tried=0,
        ),
        expires=describe.expiry(history),
    )  # fmt: skip
