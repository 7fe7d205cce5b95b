"""Where each AIOps artifact lies; relative to the project's root, like `pipelines.core.artifacts`.

``dvc.yaml`` names the same paths; a test holds the two equal.
"""

from pathlib import Path

SIMULATED = Path("telemetry/simulated")
"""Lake that stage ``simulate`` writes: what a fresh clone has instead of a company's telemetry."""

HISTORY = Path("data/alert_history")
"""Folder with ``alerts.parquet``, ``tickets.parquet``, ``changes.parquet``: the frozen window."""
HISTORY_QUARANTINE = Path("quarantine/alert_history.parquet")

CANDIDATES = Path("rules/candidates.json")
RULE_SET = Path("rules/rule_set.json")
TRADE_OFF = Path("plots/rules_trade_off.csv")
PAGES_PER_DAY = Path("plots/rules_pages_per_day.csv")
OUTCOMES = Path("rules/outcomes.parquet")
"""Per alert of the last window: what today's configuration and the rule set do with it."""

EXPORT = Path("rules/export")
"""Folder with ``alertmanager.yml``, ``prometheus_rules.yml``, ``pagerduty.json``, diffs."""

RULES_RELEASED = Path("released/alert_noise_reduction.json")

LAKE = Path("telemetry/lake")
"""Lake that ``signalbox ingest`` writes by default: your own telemetry."""

METRIC_ANOMALIES = Path("anomalies/metric_anomalies.json")
LOG_ANOMALIES = Path("anomalies/log_anomalies.json")
SERVICE_MAP = Path("service_map")
"""Folder with ``service_map.json``, ``edge_windows.parquet`` and ``moved.json``."""
MOVED = SERVICE_MAP / "moved.json"
INCIDENTS = Path("incidents/incidents.json")
INCIDENTS_HTML = Path("reports/incidents.html")
INCIDENTS_JSON = Path("reports/incidents.json")
ANOMALIES_HTML = Path("reports/anomalies.html")
ANOMALIES_JSON = Path("reports/anomalies.json")
SERVICE_MAP_HTML = Path("reports/service_map.html")
SERVICE_MAP_JSON = Path("reports/service_map.json")

RESULTS = Path("telemetry/results")
"""Where DAGs keep results: a folder a window, with the paths above."""
STATE = Path("telemetry/state")
"""What detectors remember from day to day."""
