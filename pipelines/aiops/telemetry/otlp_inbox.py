"""What OTLP exporters send, one JSON line a request: ``<folder>/<signal>/<day>.jsonl``.

Those are the files that the sources ``otlp_metrics``, ``otlp_traces`` and ``otlp_logs`` read.
"""

import hashlib
import json
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from pipelines.aiops.telemetry.otlp_document import SIGNALS, UnfitError, document_of, masked

_REMEMBERED = 4096
"""Requests; an exporter that missed the answer sends the same bytes again within seconds."""


class OtlpInbox:
    """Takes export requests.

    Parameters
    ----------
    folder
        Made when the first request comes.
    mask
        Personal data masked in log records before they are stored.
    """

    def __init__(self, folder: Path, mask: Sequence[str]) -> None:
        self.folder, self.mask = folder, mask
        self._lock = threading.Lock()
        self._known: deque[bytes] = deque(maxlen=_REMEMBERED)

    def take(self, signal: str, content: bytes, form: str) -> None:
        """Append a request's document to the day's file; it is on disk when this returns.

        Raises
        ------
        UnfitError
            If the content isn't such a request.
        OSError
            If it cannot be written; nothing of it is then.
        """
        document = document_of(signal, content, form)
        if signal == "logs":
            masked(document, self.mask)
        if not document.get(SIGNALS[signal]):
            return
        try:
            line = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        except (UnicodeEncodeError, RecursionError):
            raise UnfitError(400, "half a character, or nested too deep") from None
        digest = hashlib.sha256(signal.encode() + content).digest()
        with self._lock:
            if digest not in self._known:
                day = time.strftime("%Y-%m-%d", time.gmtime())
                _append(self.folder / signal / f"{day}.jsonl", line)
                self._known.append(digest)


def _append(path: Path, line: bytes) -> None:
    """Append a line, whole or not at all; a line that a crash cut short stays apart from it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        if size:
            stream.seek(size - 1)
            if stream.read(1) != b"\n":
                line = b"\n" + line
        left = memoryview(line + b"\n")
        try:
            while left:
                left = left[stream.write(left) :]
            os.fsync(stream.fileno())
        except OSError:
            stream.truncate(size)
            raise
