"""Unpack a file the way ``ingest`` does, and pack it again with the same bytes every time."""

import bz2
import gzip
import lzma
from pathlib import Path

from pipelines.base.errors import SignalboxError

_UNPACK = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}
_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ\x00": ".xz"}


def unpack(content: bytes) -> bytes:
    """Content of a packed file, known by its first bytes; of any other file, the file itself."""
    for magic, suffix in _MAGIC.items():
        if content.startswith(magic):
            try:
                return _UNPACK[suffix](content)
            except (OSError, EOFError, lzma.LZMAError, ValueError):
                return content
    return content


def pack(content: bytes, path: Path) -> bytes:
    """Pack `content` as the suffix of `path` says; no time in it, so equal content, equal bytes.

    Raises
    ------
    SignalboxError
        If the suffix is of a kind that isn't written here.
    """
    match path.suffix.lower():
        case ".gz":
            return gzip.compress(content, mtime=0)
        case ".bz2":
            return bz2.compress(content)
        case ".xz":
            return lzma.compress(content)
        case ".zip" | ".zst" | ".lz4" | ".snappy":
            raise SignalboxError(
                f"{path}: cannot be written again packed as {path.suffix}; unpack it, name the "
                "unpacked file in data.source.paths, and erase again"
            )
    return content
