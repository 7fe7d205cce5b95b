"""A world from its parameters; whatever they leave open is drawn from the seed."""

from datetime import UTC, datetime

import numpy as np

from pipelines.aiops.params.simulate import SimulateParams
from pipelines.aiops.simulator.kinds import KINDS, LEGACY
from pipelines.aiops.simulator.model import AlertRule, Renamed, Style, World
from pipelines.aiops.simulator.randomness import stream
from pipelines.aiops.simulator.topology import build_services
from pipelines.aiops.simulator.vocabulary import TIMEZONES
from pipelines.base.errors import SignalboxError

USUAL_ALERTS = 100_000
"""More alerts than these need more services to come from."""
LEVELS = ("critical", "warning", "info")
VOCABULARIES = (
    LEVELS, LEVELS, LEVELS, ("page", "ticket", "info"), ("critical", "major", "minor"),
)  # fmt: skip


def build_world(params: SimulateParams) -> World:
    """Build the world that the parameters and their seed describe.

    Raises
    ------
    SignalboxError
        If ``aiops.simulate.start`` is not a day of the calendar.
    """
    rng = stream(params.seed, "world")
    seconds = params.days * 86400.0
    usual = int(rng.integers(20, 61))
    growth = max(1.0, params.alerts / USUAL_ALERTS) ** 0.6
    services, renamed = build_services(
        params.seed, params.services or round(usual * growth), seconds
    )
    interval = int(rng.choice([15_000, 30_000, 60_000], p=[0.3, 0.5, 0.2]))
    rules, renamed_rules = _rules(params.seed, interval, seconds)
    begin = int(rng.integers(7, 11))
    return World(
        seed=params.seed,
        start=_start(params.start),
        days=params.days,
        timezone=str(rng.choice(TIMEZONES)),
        interval=interval,
        services=services,
        rules=rules,
        renamed_services=renamed,
        renamed_rules=renamed_rules,
        style=_style(rng),
        shift=(begin, begin + int(rng.integers(8, 12))),
    )


def _start(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise SignalboxError(
            f"params.yaml: aiops.simulate.start: '{text}' is not a day; write YYYY-MM-DD"
        ) from None


def _style(rng: np.random.Generator) -> Style:
    levels = VOCABULARIES[int(rng.integers(len(VOCABULARIES)))]
    constant = {}
    if rng.random() < 0.4:
        constant["environment"] = "production"
    if rng.random() < 0.3:
        constant["prometheus"] = "monitoring/main"
    instance = str(rng.choice(["pod", "instance"], p=[0.5, 0.5]))
    return Style(
        service=str(rng.choice(["service", "app", "component"], p=[0.7, 0.2, 0.1])),
        team=str(rng.choice(["team", "owner", "squad"], p=[0.7, 0.2, 0.1])),
        instance=instance,
        severities=dict(zip(LEVELS, levels, strict=True)),
        constant=constant,
        job=bool(rng.random() < 0.8),
        tier=bool(rng.random() < 0.3),
        namespace=instance == "pod" or bool(rng.random() < 0.3),
        churn=instance == "pod",
        name_has_service=bool(rng.random() < 0.15),
    )


def _rules(
    seed: int, interval: int, seconds: float
) -> tuple[tuple[AlertRule, ...], tuple[Renamed, ...]]:
    """Draw the alert rules, and which get another name on some day."""
    rng = stream(seed, "rules")
    write = int(rng.integers(4))
    legacy = str(rng.choice(["nagios", "zabbix", "icinga"]))
    rules: list[AlertRule] = []
    for kind in KINDS.values():
        words = str(rng.choice(kind.names))
        for severity in kind.severities:
            source = legacy if kind.key in LEGACY else "alertmanager"
            offset = int(rng.integers(interval))
            name = _written(words, write)
            rules.append(
                AlertRule(len(rules), kind.key, name, severity, kind.scope, source, offset)
            )
    renamed = []
    for rule in list(rules):
        if rng.random() >= 0.05 or rule.kind == "watchdog":
            continue
        at = float(rng.uniform(0.2, 0.9) * seconds)
        renamed.append(Renamed(rule.index, len(rules), at))
        name = rule.name + ("V2" if write != 1 else "_v2")
        rules.append(
            AlertRule(len(rules), f"{rule.kind}@2", name, rule.severity, rule.scope, rule.source,
                      rule.offset)
        )  # fmt: skip
    return tuple(rules), tuple(renamed)


def _written(words: str, how: int) -> str:
    camel = "".join(word.capitalize() for word in words.split())
    return (camel, words.replace(" ", "_"), f"Prod{camel}", words.capitalize())[how]
