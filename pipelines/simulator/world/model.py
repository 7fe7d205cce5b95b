"""What a world is made of: services and alert rules (`World`), and what happens (`Timeline`).

Times are seconds since the world's start. Alerts are one view of a timeline; metrics, logs and
spans can be drawn from the same faults and impacts.
"""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Service:
    """One service, database, queue, or the machines of a cluster.

    Attributes
    ----------
    kind
        ``edge | api | worker | batch | database | cache | queue | nodes``.
    calls
        Positions of the services it depends on.
    since
        When it was first deployed; nothing happens to it before.
    """

    index: int
    name: str
    kind: str
    layer: int
    team: str
    tier: int
    cluster: str
    instances: int
    calls: tuple[int, ...] = ()
    since: float = 0.0


@dataclass(frozen=True)
class Renamed:
    """From `at` on, what was called `old` is called `new` (positions)."""

    old: int
    new: int
    at: float


@dataclass(frozen=True)
class AlertRule:
    """An alert rule as its authors wrote it, one a severity.

    Attributes
    ----------
    kind
        Key of `pipelines.simulator.world.kinds.KINDS`.
    scope
        ``instance``: one alert an instance; ``service``: one alert a service.
    source
        Name of the monitoring system that evaluates it.
    offset
        Milliseconds into the evaluation interval at which it is evaluated.
    """

    index: int
    kind: str
    name: str
    severity: str
    scope: str
    source: str
    offset: int


@dataclass(frozen=True)
class Style:
    """Habits of this world: how labels are called, which there are, how names are written."""

    service: str
    team: str
    instance: str
    severities: dict[str, str]
    constant: dict[str, str]
    job: bool
    tier: bool
    namespace: bool
    churn: bool
    name_has_service: bool


@dataclass(frozen=True)
class World:
    """Everything that is there; what happens in it is its `Timeline`.

    Attributes
    ----------
    interval
        Milliseconds between two evaluations of the alert rules.
    rules
        ``rules[index].index == index``, like `services`.
    shift
        Local hours between which people work.
    """

    seed: int
    start: datetime
    days: int
    timezone: str
    interval: int
    services: tuple[Service, ...]
    rules: tuple[AlertRule, ...]
    renamed_services: tuple[Renamed, ...]
    renamed_rules: tuple[Renamed, ...]
    style: Style
    shift: tuple[int, int]

    @property
    def seconds(self) -> float:
        """Length of its history."""
        return self.days * 86400.0

    def rule(self, kind: str, severity: str = "") -> AlertRule:
        """Rule of a kind with a severity (critical, warning, info); else the kind's worst."""
        found = [rule for rule in self.rules if rule.kind == kind]
        return next((rule for rule in found if rule.severity == severity), found[0])


@dataclass(frozen=True)
class Impact:
    """What a fault does to one service.

    Attributes
    ----------
    depth
        Calls between it and the root; 0 = the root itself.
    strength
        Share of its instances that suffer, 0 < strength <= 1.
    """

    service: int
    start: float
    end: float
    depth: int
    strength: float


@dataclass(frozen=True)
class Symptom:
    """Alerts of one rule kind at one service that a fault brings about.

    Attributes
    ----------
    share
        Share of the instances; 0 = exactly one.
    early
        Came before anybody saw that it was real: nobody acts on it.
    cycles
        How often it comes and goes between start and end.
    """

    service: int
    kind: str
    severity: str
    start: float
    end: float
    share: float = 1.0
    early: bool = False
    cycles: int = 1


@dataclass(frozen=True)
class Fault:
    """Something that really broke.

    Attributes
    ----------
    shape
        ``cascade | few_alerts | recurrent | slow_fill | lasting_blip | in_noise_window |
        chronic_storm | second_incident``: what makes it easy or hard to tell from noise.
    ticketed
        Whether people opened a ticket.
    """

    index: int
    kind: str
    shape: str
    root: int
    start: float
    end: float
    fix: str
    impacts: tuple[Impact, ...]
    symptoms: tuple[Symptom, ...]
    ticketed: bool = True
    change: int = -1


@dataclass(frozen=True)
class Noise:
    """A pattern of alerts that nobody needs.

    Attributes
    ----------
    family
        ``blip | flapping | nightly | weekly | chronic | deployment | info | legacy | rare |
        watchdog``.
    budget
        Alerts it is expected to make.
    hits
        Instances hit at a time; 1 = one at a time.
    shape, typical, longest
        Distribution of durations (``lognormal | uniform | exponential``) and its seconds.
    minute, length
        Of the local day and in minutes, for what comes at fixed hours.
    weekdays
        Days on which that is so; 0 = Monday.
    habit
        Share that somebody acknowledges without need.
    tail
        Share that lasts five to fifteen times as long, and still needs nobody.
    """

    index: int
    family: str
    rule: int
    service: int
    since: float
    until: float
    budget: float
    hits: int
    shape: str
    typical: float
    longest: float
    minute: int = 0
    length: int = 0
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    habit: float = 0.0
    tail: float = 0.0


@dataclass(frozen=True)
class Deployment:
    """A change of a service."""

    service: int
    at: float
    kind: str
    version: str
    author: str


@dataclass(frozen=True)
class Timeline:
    """All that happens in a world."""

    deployments: tuple[Deployment, ...]
    noise: tuple[Noise, ...]
    faults: tuple[Fault, ...] = field(default=())
