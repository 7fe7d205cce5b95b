"""What a kind of trouble does to the service it hits."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Effect:
    """At full strength; all are zero for what a kind of trouble leaves alone.

    Attributes
    ----------
    slow
        Latency grows by so many times itself.
    errors
        Share of requests that fail more.
    traffic
        Traffic grows by so many times itself; negative: it falls.
    cpu, memory, disk
        More of what there is, as a share of it; memory and disk fill slowly, over its length.
    down
        Instances give no metrics, write no heartbeat.
    backlog
        Messages that pile up, in minutes of usual traffic.
    connections
        Times as many as usual.
    misses
        Share of cache lookups that find nothing more than usual.
    replica
        Seconds that a replica falls behind at the end.
    """

    slow: float = 0.0
    errors: float = 0.0
    traffic: float = 0.0
    cpu: float = 0.0
    memory: float = 0.0
    disk: float = 0.0
    down: bool = False
    backlog: float = 0.0
    connections: float = 0.0
    misses: float = 0.0
    replica: float = 0.0


EFFECTS: dict[str, Effect] = {
    "crash": Effect(slow=0.8, errors=0.22, cpu=-0.1, down=True, backlog=20),
    "memory_leak": Effect(slow=1.2, errors=0.03, cpu=0.12, memory=0.5, backlog=8),
    "bad_deployment": Effect(slow=1.3, errors=0.28, cpu=0.1, backlog=15),
    "bad_configuration": Effect(errors=0.45, traffic=-0.3, backlog=25),
    "overload": Effect(slow=3.0, errors=0.06, traffic=0.9, cpu=0.5, memory=0.1, backlog=40),
    "database_overload": Effect(slow=5.0, errors=0.05, cpu=0.45, connections=3.0),
    "replication_break": Effect(slow=0.15, replica=1500.0, disk=0.06),
    "disk_full": Effect(slow=0.6, errors=0.1, disk=0.4),
    "backlog": Effect(slow=0.5, cpu=0.1, backlog=90),
    "cache_lost": Effect(slow=2.0, errors=0.04, down=True, misses=0.6, memory=-0.5),
    "certificate_expired": Effect(errors=0.6, traffic=-0.5),
    "batch_broken": Effect(errors=0.9, cpu=-0.1),
    "host_lost": Effect(cpu=0.2, memory=0.1, down=True),
    "looked_like_noise": Effect(slow=1.5, errors=0.08, cpu=0.25, memory=0.15, backlog=20,
                                connections=1.0, disk=0.15),
}  # fmt: skip
"""By kind of fault, where it begins."""

PASSED_ON = Effect(slow=2.0, errors=0.15, cpu=0.05, backlog=15)
"""What it does to those who call the service."""

SLOWLY = frozenset({"memory_leak", "disk_full", "replication_break", "backlog"})
"""Kinds of faults that grow from nothing until they end."""
