"""Lines of a file, within bounds whatever the file holds: binary junk, no line feeds, megabytes."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.base.errors import SignalboxError

BLOCK = 8 << 20
MAX_LINE = 65_536
"""Bytes of a line that are kept; how many more there were is said at its end."""

_JUNK = "[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
_COLOUR = r"\x1b\[[0-9;]*[A-Za-z]"


def blocks_of(path: Path, block: int = BLOCK, max_line: int = MAX_LINE) -> Iterator[list[str]]:
    """Lines of a file in blocks; bytes that aren't UTF-8 become U+FFFD, nothing is skipped.

    Raises
    ------
    SignalboxError
        If the file can't be read.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            yield from _blocks(stream, block, max_line)
    except (OSError, EOFError) as error:
        raise SignalboxError(f"{path}: cannot be read: {error}") from error


def _blocks(stream: Any, block: int, max_line: int) -> Iterator[list[str]]:
    encoding, tail, dropped = "utf-8", b"", 0
    first = True
    while content := stream.read(block):
        if first:
            encoding, content = _encoding(content, stream)
            first = False
        if encoding != "utf-8":
            # Rare, and its line feeds are two bytes: read whole.
            yield [
                _cut(line, 0, max_line) for line in content.decode(encoding, "replace").split("\n")
            ]
            return
        *whole, rest = content.split(b"\n")
        if whole:
            whole[0] = tail + whole[0]
            yield _decoded(whole, dropped, max_line)
            tail, dropped = rest, 0
        else:
            tail += rest
        if len(tail) > max_line:
            dropped += len(tail) - max_line
            tail = tail[:max_line]
    if tail:
        yield _decoded([tail], dropped, max_line)


def _encoding(content: bytes, stream: Any) -> tuple[str, bytes]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", content + stream.read()
    return "utf-8", content.removeprefix(b"\xef\xbb\xbf")


def _decoded(lines: list[bytes], dropped: int, max_line: int) -> list[str]:
    text = b"\n".join(lines).decode("utf-8", "replace")
    found = text.split("\n")
    if dropped or max(map(len, lines)) > max_line:
        found = [_cut(line, 0 if i else dropped, max_line) for i, line in enumerate(found)]
    return found


def _cut(line: str, dropped: int, max_line: int) -> str:
    line = line.removesuffix("\r")
    more = max(len(line) - max_line, 0) + dropped
    return f"{line[:max_line]}… ({more} more)" if more else line


def cleaned(lines: list[str]) -> Any:
    """Lines as an Arrow array, without colours of terminals; control characters become U+FFFD."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.array(lines, pa.large_string())
    array = pc.utf8_rtrim(array, "\r\n")
    suspects = pc.match_substring_regex(array, f"{_JUNK}|\x1b")
    if not pc.any(suspects).as_py():
        return array
    plain = pc.replace_substring_regex(array.filter(suspects), _COLOUR, "")
    plain = pc.replace_substring_regex(plain, f"{_JUNK}|\x1b", "\ufffd")
    return pc.replace_with_mask(array, suspects, plain)


def is_junk(text: str) -> bool:
    """Whether a line is binary rather than text: a third of it could not be read."""
    head = text[:2000]
    return head.count("\ufffd") * 3 > len(head)
