"""Run every benchmark of this folder, one after the other: ``python -m benchmarks``."""

import subprocess
import sys

MODULES = (
    "bias_audit",
    "coverage",
    "scoring",
    "ait_alerts",
    "service_map",
    "mining",
    "alert_noise",
    "alert_worlds",
    "log_templates",
    "log_anomalies",
    "metrics",
    "metric_boards",
    "nab",
    "metric_throughput",
    "root_cause",
    "root_cause_incidents",
    "replay",
    "parse_time",
    "stage_times",
    "release_overhead",
    "ledger",
    "verify_time",
)


def main() -> int:
    """Run them all; end with 1 if one of them failed."""
    failed = []
    for name in MODULES:
        print(f"== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    raise SystemExit(main())
