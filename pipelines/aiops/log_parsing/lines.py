"""Lines of a file, within bounds whatever it holds, and the messages that they make up."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.log_parsing.headers import Headers, headers_of
from pipelines.aiops.log_parsing.timestamps import FORMS, Form, Stamps, stamps_of
from pipelines.core.errors import SignalboxError

BLOCK = 8 << 20
MAX_LINE = 65_536
"""Bytes of a line that are kept; how many more there were is said at its end."""

_JUNK = "[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]"
_COLOUR = r"\x1b\[[0-9;]*[A-Za-z]"


def blocks_of(path: Path, block: int = BLOCK, max_line: int = MAX_LINE) -> Iterator[list[str]]:
    """Read the lines of a file in blocks; nothing is skipped.

    Parameters
    ----------
    path : Path
        UTF-8, or UTF-16 with a byte order mark; unpacked if it ends with ``.gz``. Bytes that can't
        be decoded become U+FFFD.
    block : int
        Bytes that are read at once.
    max_line : int
        Length of a line that is kept; how much more there was is said at its end.

    Yields
    ------
    list of str
        Lines without their line feeds.

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
    """Remove colours of terminals from lines; control characters become U+FFFD.

    Parameters
    ----------
    lines : list of str

    Returns
    -------
    pyarrow.LargeStringArray, shape (lines,)
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    array = pa.array(lines, pa.large_string())
    array = pc.utf8_rtrim(array, "\r\n")
    candidates = pc.match_substring_regex(array, f"{_JUNK}|\x1b")
    if not pc.any(candidates).as_py():
        return array
    plain = pc.replace_substring_regex(array.filter(candidates), _COLOUR, "")
    plain = pc.replace_substring_regex(plain, f"{_JUNK}|\x1b", "\ufffd")
    return pc.replace_with_mask(array, candidates, plain)


def is_junk(text: str) -> bool:
    """Return whether a line is binary rather than text.

    Parameters
    ----------
    text : str
        A cleaned line.

    Returns
    -------
    bool
        Whether more than a third of its first 2000 characters is U+FFFD.
    """
    head = text[:2000]
    return head.count("\ufffd") * 3 > len(head)


MAX_ROWS = 500
"""Lines of a message that are kept."""


@dataclass(frozen=True)
class Messages:
    """Messages of some lines.

    Attributes
    ----------
    stamps : Stamps, of length (messages,)
        Time stamps of the messages' first lines.
    first : ndarray of intp, shape (messages,)
        Position of each message's first line.
    body : pyarrow.LargeStringArray, shape (messages,)
        Message without its header, the lines that belong to it after it.
    headers : Headers, of length (messages,)
        What else the first lines say.
    orphans : int
        Number of lines before the first time stamp.
    """

    stamps: Stamps
    first: NDArray[np.intp]
    body: Any
    headers: Headers
    orphans: int


def messages_of(
    lines: Any,
    forms: Sequence[Form] = FORMS,
    local: tzinfo = UTC,
    day_first: bool = True,
    max_chars: int = 16_384,
) -> Messages:
    """Find messages: each begins at a line with a time stamp.

    Parameters
    ----------
    lines : pyarrow.LargeStringArray, shape (lines,)
        Cleaned lines (`cleaned`).
    forms : sequence of Form
        Forms of time stamps to look for (`forms_in`).
    local : tzinfo
        As in `stamps_of`.
    day_first : bool
        As in `stamps_of`.
    max_chars : int
        Longer messages are cut, and say so.

    Returns
    -------
    Messages
    """
    every = stamps_of(lines, forms, local, day_first)
    first = np.flatnonzero(every.found)
    stamps = Stamps(
        every.us[first], every.found[first], every.yearless[first], every.turns[first],
        every.rest.take(first), every.pri.take(first), every.letter.take(first), every.forms[first],
    )  # fmt: skip
    names = np.array([form.name for form in FORMS] + [""], object)[stamps.forms]
    headers = headers_of(stamps.rest, stamps.pri, stamps.letter, names)
    body = _with_more_lines(headers.body, lines, first, max_chars)
    orphans = int(first[0]) if len(first) else len(lines)
    return Messages(stamps, first, body, headers, orphans)


def _with_more_lines(body: Any, lines: Any, first: NDArray[np.intp], max_chars: int) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    body = pc.utf8_trim_whitespace(body)
    # Only messages of several lines, which are few, leave Arrow for Python.
    ends = np.append(first[1:], len(lines))
    several = np.flatnonzero(ends - first > 1)
    if len(several):
        heads = body.take(several).to_pylist()
        texts = []
        for head, i in zip(heads, several.tolist(), strict=True):
            a, b = int(first[i]) + 1, int(ends[i])
            more = lines.slice(a, min(b - a, MAX_ROWS)).to_pylist()
            texts.append(joined(head, more, b - a))
        mask = np.zeros(len(body), bool)
        mask[several] = True
        body = pc.replace_with_mask(body, pa.array(mask), pa.array(texts, pa.large_string()))
    return bounded(body, max_chars)


def joined(head: str, more: list[str], count: int) -> str:
    """Join a message with the lines that belong to it.

    Parameters
    ----------
    head : str
        The message of the first line.
    more : list of str
        Lines after it, as many as are kept; blank ones at its end are removed, in place.
    count : int
        How many lines there were; those that aren't kept are counted at the end.

    Returns
    -------
    str
    """
    while more and not more[-1].strip():
        more.pop()
        count -= 1
    left_out = count - len(more)
    tail = [f"… ({left_out} more lines)"] if left_out > 0 else []
    return "\n".join([head, *more, *tail]).strip("\n")


def bounded(texts: Any, max_chars: int) -> Any:
    """Cut long texts, and say how long they were.

    Parameters
    ----------
    texts : pyarrow.LargeStringArray, shape (n,)
    max_chars : int
        Characters that are kept.

    Returns
    -------
    pyarrow.LargeStringArray, shape (n,)
        `texts` itself if none is longer.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    size = pc.utf8_length(texts)
    long = pc.greater(size, max_chars)
    if not pc.any(long).as_py():
        return texts
    heads = pc.utf8_slice_codeunits(texts.filter(long), 0, max_chars).to_pylist()
    sizes = size.filter(long).to_pylist()
    cut = [f"{head}… ({n} characters)" for head, n in zip(heads, sizes, strict=True)]
    return pc.replace_with_mask(texts, long, pa.array(cut, pa.large_string()))
