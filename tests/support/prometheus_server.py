"""A real Prometheus on loopback, and what it scrapes: conditions that come and go as planned."""

import contextlib
import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.alertmanager_server import need_program

Plan = Sequence[tuple[dict[str, str], Sequence[tuple[int, int]]]]
"""Labels of each alert as its Prometheus has them, and when its condition holds, in seconds."""


@dataclass
class Exporter:
    """Shows the plan's conditions from `begin` on (seconds since 1970); none before.

    A metric has the alert's name in small letters, and the alert's labels but `rule_labels`.
    """

    plan: Plan
    rule_labels: Sequence[str]
    port: int = 0
    begin: float = float("inf")
    seen: list[float] = field(default_factory=list)

    def text(self) -> str:
        now = time.time()
        self.seen.append(now)
        lines = []
        for labels, spans in self.plan:
            holds = any(start <= now - self.begin < end for start, end in spans)
            own = {key: value for key, value in labels.items() if key not in self.rule_labels}
            inside = ",".join(f'{key}="{value}"' for key, value in own.items())
            lines.append(f"{labels['alertname'].lower()}{{{inside}}} {int(holds)}\n")
        return "".join(lines)

    def play(self, lasts: int) -> None:
        """Let the plan begin soon after a scrape, and wait until it is over."""
        deadline = time.monotonic() + 40
        while len(self.seen) < 4:
            assert time.monotonic() < deadline, "Prometheus doesn't scrape"
            time.sleep(0.1)
        self.begin = self.seen[-1] + 2.5
        time.sleep(max(self.begin + lasts + 1 - time.time(), 0))


@contextlib.contextmanager
def exporter(plan: Plan, rule_labels: Sequence[str]) -> Iterator[Exporter]:
    """Serve a plan's metrics on loopback; end it at the end."""
    shown = Exporter(plan, rule_labels)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = shown.text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shown.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def prometheus(config: str, folder: Path) -> Iterator[str]:
    """Start one on loopback; end it at the end. Rule files are relative to `folder`."""
    program = need_program("prometheus")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file, log = folder / "running.yml", folder / "prometheus.log"
    file.write_text(config)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        returned = process.poll()
        process.terminate()
        process.wait(timeout=20)
        assert returned is None, log.read_text(errors="replace")[-2000:]


def asked(url: str, query: str) -> list[Any]:
    """Return the result of a query."""
    return list(_data(f"{url}/api/v1/query?query={urllib.parse.quote(query)}")["result"])


def health_of_rules(url: str) -> dict[str, str]:
    """Return ``ok``, or what is wrong, for each rule by name."""
    return {
        rule["name"]: rule.get("lastError") or rule["health"]
        for group in _data(f"{url}/api/v1/rules")["groups"]
        for rule in group["rules"]
    }


def _data(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())["data"]
