"""A real Prometheus scrapes a real node exporter; ``signalbox ingest`` reads it into the lake."""

import os
import shutil
import sys
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from pipelines.aiops.lake.contract import METRICS
from pipelines.aiops.lake.days import files_between
from pipelines.cli.airflow_stack import free_port
from tests.conftest import ROOT
from tests.e2e.browser import REQUIRED
from tests.e2e.test_alertmanager_sends_to_collect import answers, running, wait
from tests.support.small_project import call
from tests.unit.aiops.lake.rows import content

pytestmark = pytest.mark.e2e

PROGRAMS = ("prometheus", "prometheus-node-exporter")
SCRAPE = """
global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: node, static_configs: [{{targets: ["{target}"]}}]}}]
"""
PARAMS = """
aiops: {{telemetry: {{lake: lake, sources: [{{name: prom, kind: prometheus_metrics, url: "{url}",
  step_seconds: 1, lookback_seconds: 60, drop_labels: [instance], queries: [up, node_load1,
  node_cpu_seconds_total, 'sum by (mode) (rate(node_cpu_seconds_total[5s]))']}}]}}}}
"""


def test_what_prometheus_scrapes_is_in_the_lake(tmp_path: Path) -> None:
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        reason = f"{' and '.join(missing)} missing: apt-get install {' '.join(missing)}"
        (pytest.fail if os.environ.get(REQUIRED) == "1" else pytest.skip)(reason)
    target, url = f"127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    (tmp_path / "prometheus.yml").write_text(SCRAPE.format(target=target))
    (tmp_path / "params.yaml").write_text(PARAMS.format(url=url))
    exporter = ("prometheus-node-exporter", f"--web.listen-address={target}",
                "--collector.disable-defaults", "--collector.cpu",
                "--collector.loadavg")  # fmt: skip
    server = ("prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
              f"--web.listen-address={url.removeprefix('http://')}")  # fmt: skip

    def rates() -> int:
        query = {"query": "rate(node_cpu_seconds_total[5s])"}
        return len(httpx.get(f"{url}/api/v1/query", params=query).json()["data"]["result"])

    signalbox = [sys.executable, "-m", "pipelines.cli.main", "ingest"]
    with running(*exporter, cwd=tmp_path), running(*server, cwd=tmp_path):
        wait(lambda: answers(f"{url}/-/ready"))
        wait(lambda: rates() > 0)
        call(tmp_path, *signalbox, PYTHONPATH=str(ROOT))
        first = files_between(tmp_path / "lake", METRICS)
        samples = sum(pq.read_metadata(file).num_rows for file in first)
        call(tmp_path, *signalbox, PYTHONPATH=str(ROOT))
    rows = [row for file in files_between(tmp_path / "lake", METRICS)
            for row in pq.read_table(file).to_pylist()]  # fmt: skip
    assert len(rows) >= samples > 0
    kinds = {row["name"]: row["kind"] for row in rows}
    assert kinds == {"up": "gauge", "node_load1": "gauge", "node_cpu_seconds_total": "counter",
                     "sum by (mode) (rate(node_cpu_seconds_total[5s]))": "gauge"}  # fmt: skip
    keys = [(row["fingerprint"], row["at"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row["value"] for row in rows if row["name"] == "up"} <= {0.0, 1.0}
    idle = [r["value"] for r in sorted(rows, key=lambda r: r["at"])
            if r["name"] == "node_cpu_seconds_total" and dict(r["labels"])["cpu"] == "0"
            and dict(r["labels"])["mode"] == "idle"]  # fmt: skip
    assert idle == sorted(idle)
    assert content(tmp_path / "lake")
