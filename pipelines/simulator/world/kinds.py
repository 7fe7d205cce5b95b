"""Kinds of alerts and faults that a world draws from, and the words it makes names of."""

from dataclasses import dataclass

NOUNS = (
    "checkout", "payment", "cart", "catalog", "search", "pricing", "inventory", "shipping",
    "ledger", "invoice", "profile", "session", "identity", "media", "feed", "message", "mail",
    "review", "rating", "geo", "route", "fleet", "driver", "quote", "policy", "claim", "account",
    "card", "fraud", "report", "export", "import", "tariff", "meter", "booking", "ticketing",
    "seat", "price", "stock", "order", "refund", "loyalty", "coupon", "notify", "device",
    "sensor", "stream", "video", "image", "translate", "audit", "consent", "partner", "feature",
    "experiment", "recommend", "rank", "crawl", "index", "document", "form", "survey", "tax",
    "wallet",
)  # fmt: skip
SECOND = ("core", "edge", "public", "internal", "next", "eu", "v2", "fast", "main", "hub")
SUFFIX: dict[str, tuple[str, ...]] = {
    "edge": ("gateway", "web", "bff"),
    "api": ("api", "service", "svc"),
    "worker": ("worker", "consumer", "processor"),
    "batch": ("batch", "etl", "nightly"),
    "database": ("db", "postgres", "mysql"),
    "cache": ("cache", "redis", "memcached"),
    "queue": ("queue", "kafka", "rabbitmq"),
}
TEAMS = (
    "payments", "storefront", "logistics", "growth", "identity", "data", "platform", "search",
    "core", "mobile", "risk", "billing", "content", "insights", "sre", "integrations",
)  # fmt: skip
CLUSTERS = (
    ("prod-a", "prod-b", "prod-c", "prod-d"),
    ("eu-west-1", "eu-central-1", "us-east-1", "ap-south-1"),
    ("blue", "green", "amber", "violet"),
    ("k8s-01", "k8s-02", "k8s-03", "k8s-04"),
)
TIMEZONES = (
    "Europe/Berlin", "America/New_York", "Europe/London", "Asia/Tokyo", "UTC",
    "Australia/Sydney", "America/Los_Angeles", "Asia/Kolkata", "Europe/Warsaw",
)  # fmt: skip
AUTHORS = ("ana", "bo", "chen", "dana", "emeka", "fatima", "goran", "hana", "ines", "jun")


ALL = ("edge", "api", "worker", "batch", "database", "cache", "queue")
RUNNING = ("edge", "api", "worker")


@dataclass(frozen=True)
class Kind:
    """What an alert rule watches.

    Attributes
    ----------
    names
        Words its authors may have called it.
    on
        Kinds of services that have it.
    """

    key: str
    names: tuple[str, ...]
    scope: str
    severities: tuple[str, ...]
    on: tuple[str, ...]
    says: str


_CW = ("critical", "warning")

KINDS: dict[str, Kind] = {
    kind.key: kind
    for kind in (
        Kind("latency", ("high request latency", "latency p99 above slo", "slow responses"),
             "instance", _CW, ("edge", "api", "database", "cache"), "99th percentile is high"),
        Kind("errors", ("high error rate", "http 5xx ratio", "request failures"),
             "instance", _CW, ("edge", "api"), "share of failed requests is high"),
        Kind("burn", ("error budget burn", "slo burn rate fast", "availability slo at risk"),
             "service", ("critical",), ("edge", "api"), "error budget is burnt too fast"),
        Kind("saturation", ("cpu saturation", "cpu throttling high", "high cpu usage"),
             "instance", _CW, (*RUNNING, "batch", "database", "nodes"), "CPU is saturated"),
        Kind("memory", ("memory almost full", "high memory usage", "oom risk"),
             "instance", _CW, (*RUNNING, "batch", "database", "cache", "nodes"), "memory is short"),
        Kind("disk", ("disk filling up", "filesystem almost out of space", "low disk space"),
             "instance", _CW, ("database", "queue", "nodes"), "file system fills up"),
        Kind("restarts", ("pod crash looping", "frequent restarts", "process restarted"),
             "instance", ("critical",), (*RUNNING, "batch"), "restarts again and again"),
        Kind("down", ("instance down", "target unreachable", "target down"),
             "instance", ("critical",), (*ALL, "nodes"), "doesn't answer scrapes"),
        Kind("probe", ("probe failed", "health check failing", "endpoint probe failing"),
             "instance", ("critical",), ("edge", "api"), "probe fails"),
        Kind("lag", ("queue lag growing", "consumer lag high", "messages piling up"),
             "service", _CW, ("worker", "queue"), "consumers fall behind"),
        Kind("replication", ("replication lag", "replica behind primary", "standby delayed"),
             "instance", _CW, ("database",), "replica is behind"),
        Kind("connections", ("connections exhausted", "connection pool full", "too many clients"),
             "instance", ("critical",), ("database", "cache"), "few free connections"),
        Kind("evictions", ("cache evictions high", "cache hit ratio low", "hot key evictions"),
             "instance", ("warning",), ("cache",), "too little is found in the cache"),
        Kind("certificate", ("certificate expires soon", "tls certificate expiring"),
             "service", _CW, ("edge", "api"), "certificate ends soon"),
        Kind("batch", ("batch job failed", "job failed", "cron job failing"),
             "service", ("critical",), ("batch",), "run failed"),
        Kind("late", ("batch job late", "job running too long", "missed schedule"),
             "service", ("warning",), ("batch",), "not done in time"),
        Kind("traffic", ("traffic drop", "request rate anomaly", "unexpected low traffic"),
             "service", ("warning",), ("edge", "api"), "far fewer requests than usual"),
        Kind("timeouts", ("upstream timeouts", "dependency calls failing", "client timeouts"),
             "instance", ("warning",), ("edge", "api", "worker"), "calls to others time out"),
        Kind("overcommit", ("cpu overcommit", "requests above quota", "quota almost used"),
             "service", ("warning",), ("nodes", *ALL), "more requested than there is"),
        Kind("skew", ("clock skew detected", "ntp offset", "clock not synchronising"),
             "instance", ("warning",), ("nodes", "database"), "clock is off"),
        Kind("deprecated", ("deprecated api used", "insecure tls version", "old client version"),
             "service", ("critical", "info"), ALL, "something old is in use"),
        Kind("replicas", ("replicas mismatch", "deployment not fully available"),
             "service", _CW, RUNNING, "fewer replicas than wished"),
        Kind("rollout", ("rollout in progress", "new version seen", "config reloaded"),
             "instance", ("info",), (*RUNNING, "batch"), "a version is rolled out"),
        Kind("usage", ("usage report", "scheduled scan finished", "autoscaler acted"),
             "service", ("info",), ALL, "for information"),
        Kind("backup", ("backup running slow", "io wait high", "snapshot load"),
             "instance", _CW, ("database", "nodes", "queue"), "heavy reads and writes"),
        Kind("watchdog", ("watchdog", "dead mans switch", "heartbeat"),
             "service", ("info",), ("nodes",), "fires always, to show that alerting works"),
        Kind("legacy_host", ("host check", "ping loss", "host state"),
             "instance", _CW, ("nodes", "database"), "old monitoring: host"),
        Kind("legacy_service", ("service check", "port check", "process count"),
             "instance", _CW, ALL, "old monitoring: service"),
    )
}  # fmt: skip
"""Key → kind; the order is that in which rules are numbered."""

LEGACY = ("legacy_host", "legacy_service")
"""Kinds that the second monitoring system watches."""


@dataclass(frozen=True)
class FaultKind:
    """What can break.

    Attributes
    ----------
    on
        Kinds of services that it can begin at.
    symptoms
        Kinds of alerts at the root, in the order in which they come.
    minutes
        Typical length.
    """

    key: str
    on: tuple[str, ...]
    symptoms: tuple[str, ...]
    fix: str
    words: str
    minutes: float
    by_change: bool = False


FAULTS: tuple[FaultKind, ...] = (
    FaultKind("crash", RUNNING, ("restarts", "down", "errors"), "restart",
              "Restarted the crashed processes", 35),
    FaultKind("memory_leak", (*RUNNING, "cache"), ("memory", "restarts", "latency"), "restart",
              "Restarted to free leaked memory", 50),
    FaultKind("bad_deployment", RUNNING, ("errors", "burn", "latency"), "rollback",
              "Rolled back to the version before", 40, True),
    FaultKind("bad_configuration", RUNNING, ("probe", "errors"), "config_revert",
              "Reverted the change of configuration", 30, True),
    FaultKind("overload", ("edge", "api", "worker"), ("saturation", "latency", "errors"),
              "scale_up", "Added instances", 60),
    FaultKind("database_overload", ("database",), ("connections", "latency", "saturation"),
              "kill_queries", "Ended the queries that blocked all others", 55),
    FaultKind("replication_break", ("database",), ("replication",), "failover",
              "Rebuilt the replica after a failover", 110),
    FaultKind("disk_full", ("database", "queue"), ("disk", "down"), "clear_disk",
              "Deleted old files, enlarged the volume", 90),
    FaultKind("backlog", ("queue", "worker"), ("lag",), "scale_up",
              "Added consumers until the backlog was gone", 80),
    FaultKind("cache_lost", ("cache",), ("down", "evictions"), "restart",
              "Restarted the cache and warmed it", 30),
    FaultKind("certificate_expired", ("edge", "api"), ("certificate", "probe"),
              "renew_certificate", "Renewed the certificate", 70),
    FaultKind("batch_broken", ("batch",), ("batch", "late"), "rerun",
              "Repaired the input and ran the job again", 140),
    FaultKind("host_lost", ("nodes",), ("down", "saturation"), "replace_host",
              "Drained and replaced the host", 65),
)  # fmt: skip
"""In the order in which their odds are drawn."""

CASCADE = ("latency", "errors", "timeouts", "burn", "lag")
"""What callers of a broken service show, as far as they have such a rule."""
