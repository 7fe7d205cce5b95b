"""Where each AIOps artifact lies; relative to the project's root, like `pipelines.base.artifacts`.

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
RULES_REPORT_HTML = Path("reports/alert_noise_reduction.html")
RULES_REPORT_JSON = Path("reports/alert_noise_reduction.json")

LAKE = Path("telemetry/lake")
"""Lake that ``signalbox ingest`` writes by default: your own telemetry."""
