"""Rules for tests, as short as they can be told."""

from datetime import UTC, date, datetime
from typing import Any

from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers
from pipelines.aiops.alerting.rules import (
    Bound,
    Example,
    HoldRule,
    KnownFixRule,
    Matcher,
    Support,
)

KNOWN = Servers((PrometheusServer("prometheus.yml"),))
"""A Prometheus that adds no labels."""

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


SETTINGS: dict[str, Any] = {
    "service_label": "service", "wait_seconds": 300, "again_seconds": 1800, "fresh_seconds": 600,
    "names": 2, "instances": 3, "window_seconds": 3600,
    "services": 3, "storm_seconds": 60, "rate_seconds": 86_400, "usual_rates": 7, "rise": 5,
}  # fmt: skip
"""As the parameters have them."""


def hold(*matchers: str, n: int = 1, to: str = "team", chat: str = "chat", **more: Any) -> HoldRule:
    """A rule that holds alerts to a pager (`to`) and tells chat."""
    told = {**SETTINGS, "receiver": to, "chat": chat, **proof(n), **more}
    return HoldRule(id=f"hold-{n}", matchers=m(*matchers), **told)


def known_fix(*matchers: str, n: int = 1, fix: str = "restart") -> KnownFixRule:
    return KnownFixRule(
        id=f"known_fix-{n}", matchers=m(*matchers), fix=fix, median_minutes=4.0, **proof(n)
    )


def example(**labels: str) -> Example:
    start = datetime(2026, 1, 2, tzinfo=UTC)
    return Example(starts_at=start, ends_at=None, labels=labels, sentence="an invented episode")


ALL = (
    hold("alertname = Latency", "service =~ a|b\\.c"),
    hold("alertname = Latency", "service = a", n=2, to="db", mute=("offhours",), chat="team"),
    hold("alertname = Blip", "service = a", "team =~ |web", n=3),
    known_fix("alertname = Stuck"),
)
"""Of both families; the pagers are those of `configs.FULL`."""
