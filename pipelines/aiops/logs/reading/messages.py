"""From lines to messages: a line without time stamp belongs to the message before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.logs.reading.forms import FORMS, Form
from pipelines.aiops.logs.reading.headers import Headers, headers_of
from pipelines.aiops.logs.reading.stamps import Stamps, stamps_of

MAX_ROWS = 500
"""Lines of a message that are kept."""


@dataclass(frozen=True)
class Messages:
    """Messages of some lines.

    Attributes
    ----------
    stamps
        Of the messages' first lines.
    first
        Position of each message's first line, intp, shape (messages,).
    body
        Message without its header, the lines that belong to it after it; Arrow large strings.
    headers
        What else the first lines say.
    orphans
        Lines before the first time stamp.
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
    """Find messages.

    Parameters
    ----------
    lines
        Arrow array of large strings, cleaned (`cleaned`).
    forms
        Forms of time stamps to look for (`forms_in`).
    local, day_first
        As in `stamps_of`.
    max_chars
        Longer messages are cut, and say so.
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
    """Join a message with the lines that belong to it; `count` of them there were."""
    while more and not more[-1].strip():
        more.pop()
        count -= 1
    left_out = count - len(more)
    tail = [f"… ({left_out} more lines)"] if left_out > 0 else []
    return "\n".join([head, *more, *tail]).strip("\n")


def bounded(texts: Any, max_chars: int) -> Any:
    """Cut long texts, and say how long they were."""
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
