"""A real Alertmanager notifies ``signalbox collect``; ``signalbox ingest`` makes alerts of it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pipelines.aiops.lake.frame import NEVER
from pipelines.aiops.lake.read import read_lake
from pipelines.cli.airflow_stack import free_port
from tests.conftest import ROOT
from tests.e2e.browser import REQUIRED
from tests.support.small_project import call

pytestmark = pytest.mark.e2e

PROGRAM = "prometheus-alertmanager"
CONFIGURATION = """
route: {{receiver: collect, group_wait: 100ms, group_interval: 300ms, repeat_interval: 1h}}
receivers: [{{name: collect, webhook_configs: [{{url: "{url}"}}]}}]
"""
PARAMS = """
aiops: {telemetry: {lake: lake, sources: [{name: am, kind: alertmanager_webhook, folder: hook}]}}
"""


def wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)


@contextmanager
def running(*command: str, cwd: Path) -> "Iterator[subprocess.Popen[str]]":
    with (cwd / "log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=cwd, stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    with process:  # closes its output at the end
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.HTTPError:
        return False


def posted(url: str, labels: dict[str, str], start: datetime, end: datetime | None = None) -> None:
    times = {"startsAt": start.isoformat(), **({"endsAt": end.isoformat()} if end else {})}
    alert = {"labels": labels, "annotations": {"summary": "a\nb 🔥"}, **times}
    httpx.post(f"{url}/api/v2/alerts", json=[alert]).raise_for_status()


def test_what_alertmanager_notifies_of_is_in_the_lake(tmp_path: Path) -> None:
    if shutil.which(PROGRAM) is None:
        reason = f"{PROGRAM} missing: apt-get install {PROGRAM}"
        (pytest.fail if os.environ.get(REQUIRED) == "1" else pytest.skip)(reason)
    (tmp_path / "params.yaml").write_text(PARAMS)
    signalbox = [sys.executable, "-m", "pipelines.cli.main"]
    with running(*signalbox, "collect", "--port", "0", "--folder", "hook", cwd=tmp_path) as collect:
        assert collect.stdout is not None
        found = re.search(r"http://\S+/", collect.stdout.readline())
        assert found is not None
        (tmp_path / "am.yml").write_text(CONFIGURATION.format(url=found[0]))
        url = f"http://127.0.0.1:{free_port()}"
        with running(
            PROGRAM, "--config.file=am.yml", "--storage.path=data", "--cluster.listen-address=",
            f"--web.listen-address={url.removeprefix('http://')}", cwd=tmp_path,
        ):  # fmt: skip
            wait(lambda: answers(f"{url}/-/ready"))
            labels = {"alertname": "Disk <full>", "path": '/var/"pg"'}
            start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
            posted(url, labels, start)
            wait(lambda: len(list((tmp_path / "hook").rglob("*.json"))) == 1)
            call(tmp_path, *signalbox, "ingest", PYTHONPATH=str(ROOT))
            firing = read_lake(tmp_path / "lake", ids=True)
            end = start + timedelta(seconds=30)
            posted(url, labels, start, end)
            wait(lambda: len(list((tmp_path / "hook").rglob("*.json"))) == 2)
    call(tmp_path, *signalbox, "ingest", PYTHONPATH=str(ROOT))
    ended = read_lake(tmp_path / "lake", ids=True)
    assert firing.labels == ended.labels == [labels]
    assert firing.ids is not None
    assert ended.ids is not None
    assert firing.ids.tolist() == ended.ids.tolist()
    assert firing.ends.tolist() == [NEVER]
    assert (ended.ends - ended.starts).tolist() == [30_000_000]
