"""A real Alertmanager on loopback, and a webhook receiver that keeps what it is told."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PROGRAM = "prometheus-alertmanager"
REQUIRED = "SIGNALBOX_REQUIRE_SYSTEM_PACKAGES"
LOADED = re.compile(r"ts=(\S+) .*Completed loading of configuration file")


def need_program(name: str = PROGRAM) -> str:
    """Path of a program; skip without it, or fail where system packages are required."""
    found = shutil.which(name)
    if found:
        return found
    reason = f"{name} missing: apt-get install prometheus-alertmanager"
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass
class Webhook:
    """Keeps (time of arrival in µs, path, payload) of everything posted to it.

    `slow` has the seconds after which a path is answered, at once if it isn't there.
    """

    port: int = 0
    slow: dict[str, float] = field(default_factory=dict)
    calls: list[tuple[int, str, Any]] = field(default_factory=list)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


@contextmanager
def webhook_receiver() -> Iterator[Webhook]:
    """Listen on a free port of loopback."""
    kept = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            now = time.time_ns() // 1000
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.lstrip("/")
            kept.calls.append((now, path, json.loads(body)))
            time.sleep(kept.slow.get(path, 0))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        # Many at the same moment: a connection that is turned away comes back a second later.
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    kept.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Alertmanager:
    """A running one; `loaded` is when it loaded its configuration (µs): its clocks start there."""

    url: str
    loaded: int

    def call(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def moment(microseconds: int) -> str:
    """Time as the API wants it."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="microseconds")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _loaded(log: Path, process: "subprocess.Popen[bytes]") -> int:
    for _ in range(300):
        found = LOADED.search(log.read_text())
        if found:
            at = datetime.fromisoformat(found.group(1).replace("Z", "+00:00"))
            return int(at.timestamp() * 1e6)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"Alertmanager didn't start:\n{log.read_text()[-2000:]}")


@contextmanager
def alertmanager(config: str, folder: Path) -> Iterator[Alertmanager]:
    """Start one with this configuration; end it at the end."""
    program = need_program()
    file, log, port = folder / "alertmanager.yml", folder / "log", _free_port()
    file.write_text(config)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={file}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        loaded = _loaded(log, process)
        server = Alertmanager(f"http://127.0.0.1:{port}", loaded)
        for _ in range(100):
            try:
                server.call("status")
                break
            except OSError:
                time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=20)
