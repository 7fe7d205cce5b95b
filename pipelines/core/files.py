"""Files that are either whole or not there: write beside, wait for the disk, then rename."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.core.errors import SignalboxError

_CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes.

    Parameters
    ----------
    path : Path
        The file; read in chunks of 1 MiB.

    Returns
    -------
    str
        64 hex digits.

    Raises
    ------
    OSError
        If it can't be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_path(path: Path) -> str:
    """Return the SHA-256 of a file, or of a folder's sorted (relative name, file hash) pairs.

    Parameters
    ----------
    path : Path
        File or folder.

    Returns
    -------
    str
        64 hex digits.

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
    """Yield a path beside `path` to write to; rename it over `path` only on success.

    A kill or a loss of power at any moment leaves either the old file or the new one, never a part:
    what was written is on the disk before it gets its name, and the name is when this returns. The
    name beside it starts with a dot and carries the process id, so that a leftover is recognised
    and harmless.

    Parameters
    ----------
    path : Path
        File or folder to replace; folders on its way are made.

    Yields
    ------
    Path
        Where to write: a file, or a folder that the block makes.
    """
    _make_folder(path.parent)
    partial = _partial(path)
    try:
        yield partial
        _sync_tree(partial)
        if path.is_dir():
            shutil.rmtree(path)
        partial.replace(path)
        sync(path.parent)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


def write_with(path: Path, write: Callable[[Path], None], *, keep_equal: bool = False) -> bool:
    """Replace a file by what `write` puts at the path that it is given, whole or not at all.

    Parameters
    ----------
    path : Path
        File to replace.
    write : Callable[[Path], None]
        Writes the file's content to a path beside it.
    keep_equal : bool
        Leave a file that has the same bytes already untouched, its time of change included.

    Returns
    -------
    bool
        Whether the file was replaced.
    """
    _make_folder(path.parent)
    partial = _partial(path)
    try:
        write(partial)
        if keep_equal and path.is_file() and sha256_file(path) == sha256_file(partial):
            return False
        sync(partial)
        partial.replace(path)
        sync(path.parent)
        return True
    finally:
        partial.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, whole or not at all.

    Parameters
    ----------
    path : Path
        File to replace; folders on its way are made.
    content : bytes
        What it holds afterwards.
    """
    with replacing(path) as partial:
        partial.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` to `path` as UTF-8, whole or not at all.

    Parameters
    ----------
    path : Path
        File to replace; folders on its way are made.
    content : str
        What it holds afterwards.
    """
    write_bytes(path, content.encode())


def write_new(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file that isn't there yet, whole or not at all; of two writers the first one wins.

    Parameters
    ----------
    path : Path
        File to make; folders on its way are made.
    content : bytes
        What it holds afterwards.
    mode : int
        The file's permissions, from its first byte on: a secret is never readable by others.

    Raises
    ------
    FileExistsError
        If it is there; it stays as it is.
    """
    _make_folder(path.parent)
    partial = _partial(path)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        sync(partial)
        os.link(partial, path)  # a rename would replace what another process has written meanwhile
        sync(path.parent)
    finally:
        partial.unlink()


def write_in_place(contents: Mapping[Path, bytes]) -> None:
    """Replace files of somebody else: links stay links, and files keep their permissions.

    All are written beside their targets first, so that a full disk changes none of them.

    Parameters
    ----------
    contents : mapping of Path to bytes
        Path → what the file holds afterwards.

    Raises
    ------
    OSError
        If one can't be written; files that were renamed before it are replaced.
    """
    targets = {path.resolve(): content for path, content in contents.items()}
    partials = {target: _partial(target) for target in targets}
    try:
        for target, content in targets.items():
            _make_folder(target.parent)
            partials[target].write_bytes(content)
            if target.exists():
                shutil.copymode(target, partials[target])
            sync(partials[target])
        for target, partial in partials.items():
            partial.replace(target)
            sync(target.parent)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)


def append(path: Path, content: bytes) -> None:
    """Add bytes at a file's end, all or none; they are on the disk when this returns.

    Parameters
    ----------
    path : Path
        File to extend; made if missing, with the folders on its way.
    content : bytes
        Bytes to add.

    Raises
    ------
    OSError
        If they can't be added; the file is as it was.
    """
    _make_folder(path.parent)
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)
    if is_new:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk.

    Parameters
    ----------
    path : Path
        File or folder.

    Raises
    ------
    OSError
        If it can't be opened, or the file system refuses.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; what is in them would be lost with their names."""
    missing = [part for part in (folder, *folder.parents) if not part.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for part in reversed(missing):
        sync(part.parent)


def _sync_tree(path: Path) -> None:
    if path.is_dir():
        for inner in path.rglob("*"):
            if not inner.is_symlink():
                sync(inner)
    sync(path)


def canonical_json(value: Any) -> str:
    """Write a value as JSON with sorted keys and two-space indents: equal values give equal bytes.

    Parameters
    ----------
    value : object
        Anything that `json.dumps` takes.

    Returns
    -------
    str
        The text, with a line break at its end.

    Raises
    ------
    ValueError
        If a float isn't finite: JSON has no NaN, and evidence must say *why* a value is missing.
    """
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `value` as canonical JSON, whole or not at all.

    Parameters
    ----------
    path : Path
        File to replace.
    value : object
        Anything that `json.dumps` takes.

    Raises
    ------
    ValueError
        If a float in it isn't finite.
    """
    write_text(path, canonical_json(value))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Parameters
    ----------
    path : Path
        File to read, UTF-8.

    Returns
    -------
    dict, list, str, int, float, bool or None
        The parsed value.

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
    """Fill a folder beside `path` by calling `fill`, then replace `path` by it.

    Parameters
    ----------
    path : Path
        Folder to replace.
    fill : Callable[[Path], None]
        Writes the content into the empty folder that it is given.
    """
    with replacing(path) as partial:
        partial.mkdir()
        fill(partial)
