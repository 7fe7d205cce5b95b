"""A small HTTP receiver of Alertmanager webhooks and of OTLP; on disk before the answer.

Webhooks are one file a payload. ``/v1/metrics``, ``/v1/traces`` and ``/v1/logs`` take what
OpenTelemetry exporters send over HTTP. A sender repeats what isn't answered with 2xx, so what isn't
safely on disk is sent again; the same payload twice is the same rows. It answers ``GET /`` for
health checks.
"""

import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from pipelines.aiops.sources.otlp_inbox import BINARY, SIGNALS, OtlpInbox, UnfitError, unpacked
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_bytes

TIMEOUT = 30
"""Seconds that a client may take to send."""


class Receiver:
    """The HTTP receiver.

    Parameters
    ----------
    host : str
        Address to listen on.
    port : int
        0 takes a free one; then attribute `port` says which.
    folder : Path
        Where webhooks' payloads go; made if missing.
    max_body : int
        Bytes; larger bodies are refused, packed or unpacked.
    otlp : OtlpInbox
        Takes what OpenTelemetry exporters send.

    Attributes
    ----------
    port : int
        Port that it listens on.
    received, refused : int
        Payloads written, and requests turned away.

    Raises
    ------
    SignalboxError
        If it can't listen there, or can't make the folder.
    """

    def __init__(self, host: str, port: int, folder: Path, max_body: int, otlp: OtlpInbox) -> None:
        self.folder, self.max_body, self.otlp = folder, max_body, otlp
        self.received = self.refused = 0
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._server = _Server((host, port), type("Bound", (_Handler,), {"receiver": self}))
        except OSError as error:
            raise SignalboxError(
                f"cannot receive on {host}:{port} into {folder}: {error}"
            ) from error
        self.port = int(self._server.server_address[1])

    def run(self) -> None:
        """Serve until `stop`; then requests that are under way are finished."""
        try:
            self._server.serve_forever(poll_interval=0.1)
        finally:
            self._server.server_close()

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        threading.Thread(target=self._server.shutdown).start()

    def write(self, body: bytes) -> None:
        """Write a payload, whole or not at all; it is on disk when this returns.

        Parameters
        ----------
        body : bytes
            JSON.

        Raises
        ------
        OSError
            If it can't be written.
        """
        digest = hashlib.sha256(body).hexdigest()[:16]
        with self._lock:
            number = time.time_ns()
            day = time.strftime("%Y-%m-%d", time.gmtime(number // 10**9))
            path = self.folder / day / f"{number}-{digest}.json"
            write_bytes(path, body)
        self.count()

    def count(self) -> None:
        """Count a payload that is on disk."""
        with self._lock:
            self.received += 1

    def refuse(self) -> None:
        """Count a request that was turned away."""
        with self._lock:
            self.refused += 1


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True


class _Handler(BaseHTTPRequestHandler):
    receiver: ClassVar[Receiver]
    timeout = TIMEOUT
    server_version, sys_version = "signalbox", ""

    def do_GET(self) -> None:
        self._answer(200, "ok")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            self._refuse(411, "Content-Length is needed")
        elif int(length) > self.receiver.max_body:
            self._refuse(413, f"at most {self.receiver.max_body} bytes")
        else:
            self._take(int(length))

    def _take(self, length: int) -> None:
        body = self.rfile.read(length)
        if len(body) < length:
            self._refuse(400, "the body ended early")
            return
        path = self.path.partition("?")[0].rstrip("/")
        signal = path.removeprefix("/v1/")
        try:
            if path.startswith("/v1/") and signal in SIGNALS:
                self._otlp(signal, body)
            else:
                self._webhook(body)
        except UnfitError as error:
            self._refuse(error.status, str(error))
        except OSError as error:
            self._refuse(503, f"cannot write: {error.strerror}")

    def _webhook(self, body: bytes) -> None:
        try:
            sound = isinstance(json.loads(body), dict)
        except (ValueError, RecursionError):
            sound = False
        if not sound:
            raise UnfitError(400, "not a JSON object")
        self.receiver.write(body)
        self._answer(200, "written")

    def _otlp(self, signal: str, body: bytes) -> None:
        form = self.headers.get_content_type()
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        content = unpacked(body, encoding, self.receiver.max_body)
        self.receiver.otlp.take(signal, content, form)
        self.receiver.count()
        # An answer without fields says that all was taken.
        self._send(200, form, b"" if form == BINARY else b"{}")

    def _refuse(self, status: int, reason: str) -> None:
        self.receiver.refuse()
        self.close_connection = True
        self._answer(status, reason)

    def _answer(self, status: int, text: str) -> None:
        self._send(status, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _send(self, status: int, form: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", form)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing for each request."""
