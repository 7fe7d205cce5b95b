"""``signalbox collect`` writes what Alertmanager sends, ``signalbox ingest`` fills the lake."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from docs.make_commands import RESULTS
from pipelines.aiops.lake.read import read_lake
from pipelines.cli.main import app
from tests.conftest import ROOT
from tests.support.shapes import faults
from tests.unit.aiops.sources.sources import PAYLOADS

PARAMS = """
aiops:
  telemetry:
    lake: lake
    sources:
      - {name: hook, kind: alertmanager_webhook, folder: hook}
      - {name: down, kind: alertmanager_api, url: "http://127.0.0.1:9"}
"""
RECORDED = sorted((PAYLOADS / "alertmanager_webhook").glob("*.json"))


def ingest(here: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["ingest", "--project", str(here), *arguments])


@contextmanager
def collecting(here: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli.main", "collect", "--port", "0",
         "--folder", str(here / "hook"), *arguments],
        stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    with process:  # closes its output at the end
        assert process.stdout is not None
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
            assert found is not None
            yield found[0], process
        finally:
            process.kill()


def test_what_alertmanager_sends_comes_into_the_lake(here: Path) -> None:
    (here / "params.yaml").write_text(PARAMS)
    with collecting(here) as (url, process):
        for payload in RECORDED:
            assert httpx.post(url, content=payload.read_bytes()).status_code == 200
        written = list((here / "hook").rglob("*.json"))
        assert sorted(f.read_bytes() for f in written) == sorted(f.read_bytes() for f in RECORDED)
        assert list((here / "hook").rglob("*.partial")) == []
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
        assert (process.returncode, "3 payloads written, 0 refused" in output) == (0, True)
    first = ingest(here, "--source", "hook")
    assert first.exit_code == 0, first.output
    assert "3 alerts (from 5 rows), 0 tickets, 0 changes; 1 days changed" in first.output
    assert len(read_lake(here / "lake")) == 3
    assert "nothing changed" in ingest(here, "-s", "hook").output


def test_what_is_not_a_payload_is_refused_and_leaves_no_file(here: Path) -> None:
    with collecting(here, "--max-body", "2000") as (url, process):
        assert httpx.post(url, content=b"{" + b" " * 2000).status_code == 413
        assert httpx.post(url, content=b"[1]").status_code == 400
        assert httpx.post(url, content=b"\xff").status_code == 400
        assert httpx.post(url, content=iter([b"{}"])).status_code == 411
        assert httpx.get(url).status_code == 200
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
        assert "0 payloads written, 4 refused" in output
    assert list((here / "hook").rglob("*.*")) == []


def test_a_port_that_is_taken_is_an_error_of_one_line(here: Path) -> None:
    with collecting(here) as (url, _):
        port = url.rstrip("/").rsplit(":", maxsplit=1)[1]
        result = CliRunner().invoke(app, ["collect", "--port", port, "--folder", str(here / "x")])
    assert result.exit_code == 1
    assert "cannot receive on 127.0.0.1:" in result.output


def test_one_source_that_is_down_holds_up_no_other(here: Path) -> None:
    (here / "params.yaml").write_text(PARAMS)
    (here / "hook").mkdir()
    (here / "hook/1.json").write_bytes(RECORDED[0].read_bytes())
    (here / "hook/2.json").write_text("{broken")
    result = ingest(here, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert faults(told, RESULTS["ingest"]) == []
    assert list(told["failed"]) == ["down"]
    assert told["sources"][0]["rows"]["alerts"] == 1
    assert told["sources"][0]["quarantined"] == 1
    assert "source down: http://127.0.0.1:9/api/v2/alerts does not answer" in result.stderr
    assert len(read_lake(here / "lake")) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--source", "x"], "aiops.telemetry.sources has no 'x'; there are ['down', 'hook']"),
        (["--from", "2024-01-02", "--to", "2024-01-01"], "must be after --from"),
        (["--source", "hook"], "no such folder; start signalbox collect"),
    ],
)
def test_errors_say_what_to_do(here: Path, arguments: list[str], expected: str) -> None:
    (here / "params.yaml").write_text(PARAMS)
    result = ingest(here, *arguments)
    assert result.exit_code == 1
    assert expected in " ".join(result.output.split())


def test_a_wrong_setting_names_its_key(here: Path) -> None:
    (here / "params.yaml").write_text(PARAMS.replace("kind: alertmanager_api", "kind: nagios"))
    result = ingest(here)
    assert "aiops.telemetry.sources.1.kind: 'nagios' is not allowed; use" in result.output
