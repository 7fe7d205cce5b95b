"""A model of ``alertmanager.yml``: read it, apply rules to it, match alerts against it."""

from pipelines.aiops.noise.alertmanager.matching import matches, routes_of, value_matches
from pipelines.aiops.noise.alertmanager.model import (
    DAY,
    GROUP_BY_ALL,
    HOUR,
    MINUTE,
    QUIET_RECEIVER,
    SECOND,
    Config,
    InhibitRule,
    Integration,
    Range,
    Receiver,
    Route,
    Silence,
    TimeInterval,
    TimeRange,
    default_config,
)
from pipelines.aiops.noise.alertmanager.parse import load_config, parse_config
from pipelines.aiops.noise.alertmanager.rules import (
    apply_rules,
    interval_of,
    placements,
    values_of,
)

__all__ = [
    "DAY",
    "GROUP_BY_ALL",
    "HOUR",
    "MINUTE",
    "QUIET_RECEIVER",
    "SECOND",
    "Config",
    "InhibitRule",
    "Integration",
    "Range",
    "Receiver",
    "Route",
    "Silence",
    "TimeInterval",
    "TimeRange",
    "apply_rules",
    "default_config",
    "interval_of",
    "load_config",
    "matches",
    "parse_config",
    "placements",
    "routes_of",
    "value_matches",
    "values_of",
]
