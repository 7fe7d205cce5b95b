"""Files that are either whole or not there: write beside, then rename."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core.errors import SignalboxError

_CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_path(path: Path) -> str:
    """SHA-256 of a file, or of a folder's sorted (relative name, file hash) pairs.

    Raises
    ------
    SignalboxError
        If there is nothing at `path`.
    """
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        raise SignalboxError(f"{path}: no such file or folder")
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; rename it over `path` only on success.

    A kill at any moment leaves either the old file or the new one, never a part. The name beside
    it starts with a dot and carries the process id, so that a leftover is recognised and harmless.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if path.is_dir():
            shutil.rmtree(path)
        partial.replace(path)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all."""
    write_bytes(path, content.encode())


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and two-space indents: equal values give equal bytes.

    Raises
    ------
    ValueError
        If a float isn't finite: JSON has no NaN, and evidence must say *why* a value is missing.
    """
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as canonical JSON, whole or not at all."""
    write_text(path, canonical_json(value))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    SignalboxError
        If the file is missing or isn't JSON; the message names it.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SignalboxError(f"{path}: no such file; run the stage that makes it") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SignalboxError(f"{path}: not valid JSON ({error})") from error


def write_folder(path: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside `path` by calling `fill`, then put it in place of `path`."""
    with replacing(path) as partial:
        partial.mkdir()
        fill(partial)
