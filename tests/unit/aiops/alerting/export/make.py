"""Rules for tests, as short as they can be told."""

from datetime import UTC, date, datetime
from typing import Any

from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers
from pipelines.aiops.alerting.rules import (
    Bound,
    DemotionRule,
    Example,
    GroupingRule,
    Guard,
    InhibitionRule,
    KeepFiringRule,
    KnownFixRule,
    Matcher,
    MuteTimeRule,
    Support,
    WaitRule,
)

KNOWN = Servers((PrometheusServer("prometheus.yml", rule_files=("rules.yml",)),))
"""A Prometheus that adds no labels, and loads the rule file of the tests."""

AWKWARD = "a\"b'c\\d\ne😀<b>|.*{{ x }}\t,é"


def m(*told: str) -> tuple[Matcher, ...]:
    """Matchers from texts like ``alertname = Latency``."""
    parts = [one.split(" ", 2) for one in told]
    return tuple(Matcher(label=a, op=op, value=v) for a, op, v in parts)  # type: ignore[arg-type]


def proof(n: int, **more: Any) -> dict[str, Any]:
    return {
        "sentence": f"Sentence {n} of an invented rule.",
        "support": Support(
            alerts=90, episodes=30, days=12,
            first=datetime(2026, 1, 1, tzinfo=UTC), last=datetime(2026, 2, 1, tzinfo=UTC),
        ),
        "bound": Bound(measures="share", value=1.0, low=0.9, n=30, level=0.99, method="CP",
                       tried=5),
        "expires": date(2026, 6, 1),
        **more,
    }  # fmt: skip


def duplicate(*matchers: str, n: int = 1, **more: Any) -> GroupingRule:
    told = {"group_by": ("alertname",), "group_wait_seconds": 60, "group_interval_seconds": 600,
            "repeat_interval_seconds": 43200, **more}  # fmt: skip
    return GroupingRule(id=f"grouping-{n}", matchers=m(*matchers), **proof(n), **told)


def transient(*matchers: str, n: int = 1, wait: int = 120) -> WaitRule:
    return WaitRule(id=f"wait-{n}", matchers=m(*matchers), for_seconds=wait, **proof(n))


def flapping(*matchers: str, n: int = 1, keep: int = 300) -> KeepFiringRule:
    return KeepFiringRule(
        id=f"keep_firing-{n}", matchers=m(*matchers), keep_firing_for_seconds=keep, **proof(n)
    )


def implied(source: str, *matchers: str, n: int = 1) -> InhibitionRule:
    return InhibitionRule(
        id=f"inhibition-{n}",
        matchers=m(*matchers),
        source=m(source),
        equal=("cluster",),
        **proof(n),
    )


def recurring(*matchers: str, n: int = 1, **more: Any) -> MuteTimeRule:
    told = {"weekdays": (0, 1, 6), "start_minute": 60, "end_minute": 1440,
            "timezone": "Europe/Berlin", **more}  # fmt: skip
    return MuteTimeRule(id=f"mute_time-{n}", matchers=m(*matchers), **proof(n), **told)


def quiet(*matchers: str, n: int = 1, guard: Guard | None = None, **more: Any) -> DemotionRule:
    return DemotionRule(id=f"demotion-{n}", matchers=m(*matchers), guard=guard, **proof(n, **more))


def known_fix(*matchers: str, n: int = 1, fix: str = "restart") -> KnownFixRule:
    return KnownFixRule(
        id=f"known_fix-{n}", matchers=m(*matchers), fix=fix, median_minutes=4.0, **proof(n)
    )


def example(**labels: str) -> Example:
    start = datetime(2026, 1, 2, tzinfo=UTC)
    return Example(starts_at=start, ends_at=None, labels=labels, sentence="an invented episode")


GUARD = Guard(by=("cluster",), window_seconds=600, max_count=2, max_seconds=1200)

ALL = (
    duplicate("alertname = Latency", "service =~ a|b\\.c"),
    implied("alertname = HostDown", "alertname = Latency"),
    recurring("alertname = BatchSlow"),
    quiet("alertname = Chatter", guard=GUARD),
    transient("alertname = Blip"),
    flapping("alertname = Flap"),
    known_fix("alertname = Stuck"),
)
