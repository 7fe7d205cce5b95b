"""Ledger: entries appended a second (each on the disk before the next), entries verified a second.

``python -m benchmarks.ledger [--place DIR]`` prints readable lines, then one line of JSON. Against:

- append: the same line written and fsynced by itself, without lock, hash and signature;
- verify: OpenSSL's Ed25519 alone.

Every figure is the best of a few rounds, taken in turns.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipelines.release.ledger import Ledger
from pipelines.release.ledger.keys import Keys

APPENDED = 200
SIZES = (1_000, 10_000)
ROUNDS = 3
DATA = {
    "run": "scheduled__2026-11-22T00:00:00+00:00",
    "commit": "4f2c7d1e9a3b5c8d7e6f1a2b3c4d5e6f7a8b9c0d",
    "dvc_lock": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "figures": {"evaluate.roc_auc": 0.9137265, "bias_audit.impact_ratio.sex": 0.8321},
}


def append_rate(place: Path) -> float:
    ledger = new_ledger(place)
    ledger.append("run", "model_release", DATA)
    clock = time.perf_counter()
    for _ in range(APPENDED):
        ledger.append("run", "model_release", DATA)
    return APPENDED / (time.perf_counter() - clock)


def bare_append_rate(place: Path, line: bytes) -> float:
    clock = time.perf_counter()
    for _ in range(APPENDED):
        target = os.open(place / "bare", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(target, line)
        os.fsync(target)
        os.close(target)
    return APPENDED / (time.perf_counter() - clock)


def verify_seconds(place: Path, entries: int) -> float:
    """Best of a few rounds; reading the file is part of it."""
    ledger = new_ledger(place)
    with mock.patch("os.fsync"):  # making the file isn't what is measured here
        for _ in range(entries - 1):
            ledger.append("run", "model_release", DATA)
    seconds = []
    for _ in range(ROUNDS):
        clock = time.perf_counter()
        found = ledger.verify()
        seconds.append(time.perf_counter() - clock)
        if not found.ok or found.entries != entries:
            raise RuntimeError(f"{entries} entries were written, verify says {found}")
    return min(seconds)


def bare_verify_rate(signatures: int) -> float:
    key = Ed25519PrivateKey.generate()
    message = b"x" * 90
    signature, public = key.sign(message), key.public_key()
    clock = time.perf_counter()
    for _ in range(signatures):
        public.verify(signature, message)
    return signatures / (time.perf_counter() - clock)


def new_ledger(place: Path) -> Ledger:
    folder = Path(tempfile.mkdtemp(dir=place))
    return Ledger(folder / "ledger" / "ledger.jsonl", Keys(place / "keys", folder))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--place", type=Path, help="folder on the disk to measure")
    with tempfile.TemporaryDirectory(dir=parser.parse_args().place) as folder:
        place = Path(folder)
        sample = new_ledger(place)
        sample.append("run", "model_release", DATA)
        line = sample.path.read_bytes().splitlines(keepends=True)[-1]
        rates = [(append_rate(place), bare_append_rate(place, line)) for _ in range(ROUNDS)]
        appended, bare = (max(rate) for rate in zip(*rates, strict=True))
        print(f"append: {appended:.0f} entries/s of {len(line)} bytes, each fsynced")
        print(f"bare write and fsync: {bare:.0f}/s (time ratio {bare / appended:.2f})")
        signatures = max(bare_verify_rate(1_000) for _ in range(2 * ROUNDS))
        result = {
            "benchmark": "ledger", "line_bytes": len(line), "append_per_s": appended,
            "bare_append_per_s": bare, "append_time_ratio": bare / appended,
            "ed25519_verify_per_s": signatures,
        }  # fmt: skip
        for entries in SIZES:
            seconds = verify_seconds(place, entries)
            rate = entries / seconds
            print(f"verify: {entries} entries in {seconds:.2f} s, {rate:.0f}/s; Ed25519 alone: "
                  f"{signatures:.0f}/s (time ratio {signatures / rate:.2f})")  # fmt: skip
            result |= {f"verify_{entries}_s": seconds, f"verify_{entries}_per_s": rate,
                       f"verify_{entries}_time_ratio": signatures / rate}  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
