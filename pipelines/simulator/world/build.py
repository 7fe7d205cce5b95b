"""A world and its services from parameters; whatever they leave open is drawn from the seed."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from pipelines.aiops.params.telemetry import SimulateParams
from pipelines.core.errors import SignalboxError
from pipelines.simulator.world.kinds import (
    CLUSTERS,
    KINDS,
    LEGACY,
    NOUNS,
    SECOND,
    SUFFIX,
    TEAMS,
    TIMEZONES,
)
from pipelines.simulator.world.model import AlertRule, Renamed, Service, Style, World
from pipelines.simulator.world.randomness import stream

LAYERS: dict[str, int] = {
    "edge": 0, "api": 1, "worker": 2, "batch": 2, "database": 3, "cache": 3, "queue": 3, "nodes": 4,
}  # fmt: skip
SHARES = (0.1, 0.36, 0.14, 0.1, 0.14, 0.08, 0.08)
"""Of edge, api, worker, batch, database, cache, queue among the services."""


def build_services(
    seed: int, number: int, seconds: float
) -> tuple[tuple[Service, ...], tuple[Renamed, ...]]:
    """Draw services, who calls whom, and which are renamed or deployed later.

    Parameters
    ----------
    seed
        Of the world.
    number
        Of services, without the clusters' machines and without second names.
    seconds
        Length of the history.
    """
    rng = stream(seed, "topology")
    clusters = list(rng.permutation(CLUSTERS[int(rng.integers(len(CLUSTERS)))]))
    clusters = [str(name) for name in clusters[: int(rng.integers(1, len(clusters) + 1))]]
    teams = [str(name) for name in rng.permutation(TEAMS)[: int(rng.integers(3, 9))]]
    services = [
        _service(rng, index, kind, name, teams=teams, clusters=clusters, seconds=seconds)
        for index, (kind, name) in enumerate(_named(rng, number))
    ]
    services = [replace(service, calls=_calls(rng, service, services)) for service in services]
    services += [
        Service(len(services) + n, f"nodes-{cluster}", "nodes", 4, teams[0], 1, cluster,
                int(rng.integers(6, 20)))
        for n, cluster in enumerate(clusters)
    ]  # fmt: skip
    return _rename(rng, services, seconds)


def _named(rng: np.random.Generator, number: int) -> list[tuple[str, str]]:
    shares = np.array(SHARES) * rng.uniform(0.7, 1.3, len(SHARES))
    drawn = rng.choice(list(SUFFIX), size=number, p=shares / shares.sum())
    kinds = sorted((str(kind) for kind in drawn), key=lambda kind: LAYERS[kind])
    # Whatever was drawn: callers, something in between, and stores to fall over.
    kinds[0], kinds[1], kinds[-1], kinds[-2] = "edge", "api", "database", "queue"
    endings = {kind: str(rng.choice(words)) for kind, words in SUFFIX.items()}
    names: list[str] = []
    for kind in kinds:
        name = f"{rng.choice(NOUNS)}-{endings[kind]}"
        while name in names:
            name = f"{rng.choice(NOUNS)}-{rng.choice(SECOND)}-{endings[kind]}-{rng.integers(100)}"
        names.append(name)
    return list(zip(kinds, names, strict=True))


def _service(
    rng: np.random.Generator,
    index: int,
    kind: str,
    name: str,
    *,
    teams: list[str],
    clusters: list[str],
    seconds: float,
) -> Service:
    late = rng.random() < 0.06 and index > 4 and LAYERS[kind] in {1, 2}
    many = LAYERS[kind] < 3 and kind != "batch"
    return Service(
        index=index,
        name=name,
        kind=kind,
        layer=LAYERS[kind],
        team=teams[int(rng.integers(len(teams)))],
        tier=int(rng.integers(1, 4)),
        cluster=clusters[int(rng.integers(len(clusters)))],
        instances=int(rng.integers(2, 25) if many else rng.integers(1, 6)),
        since=float(rng.uniform(0.05, 0.8) * seconds) if late else 0.0,
    )


def _calls(rng: np.random.Generator, service: Service, services: list[Service]) -> tuple[int, ...]:
    if service.layer >= 3:
        return ()
    below = [other.index for other in services if other.layer > service.layer]
    # Services of one layer call each other too, but never in a circle.
    beside = [
        o.index for o in services if o.layer == service.layer == 1 and o.index > service.index
    ]
    among = below + beside
    number = min(len(among), int(rng.integers(1, 5)))
    return tuple(sorted(int(n) for n in rng.choice(among, size=number, replace=False)))


def _rename(
    rng: np.random.Generator, services: list[Service], seconds: float
) -> tuple[tuple[Service, ...], tuple[Renamed, ...]]:
    """Give a few services a second name from some day on: a service of its own, as labels say."""
    renamed = []
    for service in list(services):
        if service.kind == "nodes" or service.since or rng.random() >= 0.04:
            continue
        at = float(rng.uniform(0.2, 0.9) * seconds)
        new = replace(
            service, index=len(services), name=f"{service.name}-{rng.choice(SECOND)}", since=at
        )
        renamed.append(Renamed(service.index, new.index, at))
        services.append(new)
    return tuple(services), tuple(renamed)


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
