"""Select telemetry of a person: by a label or attribute that has a value, or by a pattern in text.

``user=ann`` selects rows and records in which a label, attribute, annotation or text column of that
name has that value. ``pattern=REGEX`` (RE2) selects those in which any text matches.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipelines.core.errors import SignalboxError

Mask = NDArray[np.bool_]

PATTERN = "pattern"
FORMS = "NAME=VALUE (a label, attribute, annotation or text column) or pattern=REGEX"
_RECORDS = frozenset({
    "alerts", "dataPoints", "logRecords", "metrics", "resourceLogs", "resourceMetrics",
    "resourceSpans", "scopeLogs", "scopeMetrics", "scopeSpans", "spans",
})  # fmt: skip
"""Lists of a payload of Alertmanager or OTLP whose items stand for themselves."""


@dataclass(frozen=True)
class Selector:
    """What is selected.

    Attributes
    ----------
    name : str
        Name of a label, attribute, annotation or text column; `PATTERN` for a pattern.
    value : str
        Its value, or the regular expression; left out of ``repr``, so that no traceback or log
        shows it.
    """

    name: str
    value: str = field(repr=False)

    @property
    def is_pattern(self) -> bool:
        """Whether any text is looked at."""
        return self.name == PATTERN

    @property
    def text(self) -> str:
        """The selector as it was written."""
        return f"{self.name}={self.value}"

    @cached_property
    def regex(self) -> str:
        """RE2 that finds the value in a text: the pattern, or the value as a whole word."""
        if self.is_pattern:
            return self.value
        return f"(?:^|[^0-9A-Za-z_]){re.escape(self.value)}(?:$|[^0-9A-Za-z_])"


def parse(text: str) -> Selector:
    """Read a selector.

    Parameters
    ----------
    text : str
        ``NAME=VALUE`` or ``pattern=REGEX``; the first ``=`` divides.

    Returns
    -------
    Selector

    Raises
    ------
    SignalboxError
        If it has no name or value, or the pattern is no RE2 or matches an empty text; the message
        doesn't repeat the value.
    """
    name, sign, value = text.partition("=")
    name = name.strip()
    if not sign or not name or not value:
        raise SignalboxError(f"--telemetry: say what to erase as {FORMS}")
    selector = Selector(name, value)
    if selector.is_pattern:
        try:
            empty = matching(selector, [""])[0]
        except pa.ArrowInvalid as error:
            reason = str(error).replace(value, "…").split(":")[-1].strip()
            raise SignalboxError(
                f"--telemetry: the pattern is no regular expression (RE2): {reason}"
            ) from None
        if empty:
            raise SignalboxError("--telemetry: the pattern matches an empty text: all would go")
    return selector


def matching(selector: Selector, texts: Any) -> Mask:
    """Say which texts hold the value.

    Parameters
    ----------
    selector : Selector
    texts : sequence of str or pyarrow array, shape (texts,)

    Returns
    -------
    ndarray of bool, shape (texts,)
        Nulls hold nothing.
    """
    import pyarrow.compute as pc

    array = texts if isinstance(texts, pa.Array | pa.ChunkedArray) else pa.array(texts, pa.string())
    found = pc.match_substring_regex(array, selector.regex)
    return _dense(found)


def rows_of(selector: Selector, rows: pa.Table) -> Mask:
    """Say which rows are selected.

    Parameters
    ----------
    selector : Selector
    rows : pyarrow.Table
        Of any schema; texts, lists of texts and maps of texts are looked at.

    Returns
    -------
    ndarray of bool, shape (rows,)
    """
    if selector.is_pattern:
        return rows_with_text(selector, rows)
    import pyarrow.compute as pc

    found = np.zeros(len(rows), dtype=bool)
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        if pa.types.is_map(column.type):
            keys, values, parents = _pairs(column)
            if _is_text(keys.type) and _is_text(values.type):
                hit = pc.and_(pc.equal(keys, selector.name), pc.equal(values, selector.value))
                found[parents[_dense(hit)]] = True
        elif name == selector.name and _is_text(column.type):
            found |= _dense(pc.equal(column, selector.value))
    return found


def rows_with_text(selector: Selector, rows: pa.Table) -> Mask:
    """Say in which rows any text holds the value.

    Parameters
    ----------
    selector : Selector
    rows : pyarrow.Table
        Of any schema; nested texts are looked at as well.

    Returns
    -------
    ndarray of bool, shape (rows,)
    """
    found = np.zeros(len(rows), dtype=bool)
    for name in rows.column_names:
        for texts, parents in _texts(rows[name].combine_chunks(), np.arange(len(rows))):
            found[parents[matching(selector, texts)]] = True
    return found


def _texts(column: Any, parents: NDArray[Any]) -> Iterator[tuple[Any, NDArray[Any]]]:
    """All arrays of texts in a column, with the row that each text is in."""
    kind = column.type
    if isinstance(column, pa.ChunkedArray):
        for chunk in column.chunks:
            yield from _texts(chunk, parents)
    elif _is_text(kind):
        yield column, parents
    elif pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary_decode(), parents)
    elif pa.types.is_map(kind):
        keys, values, of = _pairs(column)
        yield from _texts(keys, parents[of])
        yield from _texts(values, parents[of])
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        offsets = column.offsets.to_numpy()
        of = np.repeat(np.arange(len(column)), np.diff(offsets))
        items = column.values.slice(offsets[0], offsets[-1] - offsets[0])
        yield from _texts(items, parents[of])
    elif pa.types.is_struct(kind):
        for part in column.flatten():
            yield from _texts(part, parents)


def _pairs(column: Any) -> tuple[Any, Any, NDArray[Any]]:
    """Keys and values of a column of maps, and the row that each pair is in."""
    offsets = column.offsets.to_numpy()
    first, count = offsets[0], offsets[-1] - offsets[0]
    of = np.repeat(np.arange(len(column)), np.diff(offsets))
    return column.keys.slice(first, count), column.items.slice(first, count), of


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _dense(found: Any) -> Mask:
    if isinstance(found, pa.ChunkedArray):
        found = found.combine_chunks()
    dense: Mask = found.fill_null(False).to_numpy(zero_copy_only=False)
    return dense


def in_text(selector: Selector, text: str) -> bool:
    """Say whether a text of any form holds the value: as it is, or escaped as in HTML or JSON.

    Parameters
    ----------
    selector : Selector
    text : str
        A page, a line, a JSON document.

    Returns
    -------
    bool
    """
    forms = [text, html.unescape(text)]
    try:
        forms += strings_in(json.loads(text))
    except (ValueError, RecursionError):
        forms += _unescaped(text)
    lines = [line for form in dict.fromkeys(forms) for line in (form, *form.splitlines())]
    return bool(matching(selector, [line for line in lines if _can_be_written(line)]).any())


def _unescaped(text: str) -> list[str]:
    """Lines of JSON, and texts in a page's scripts: with their escapes written out."""
    if "\\" not in text:
        return []

    def written(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return " " if found[2] in "bfnrt" else found[2]

    return [re.sub(r'\\(?:u([0-9A-Fa-f]{4})|([bfnrt"/\\]))', written, text)]


def _can_be_written(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def strings_in(value: Any) -> list[str]:
    """List the texts of a JSON value, names included, at any depth.

    Parameters
    ----------
    value : JSON value

    Returns
    -------
    list of str
    """
    found: list[str] = []
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            found += here
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
        elif isinstance(here, str):
            found.append(here)
    return found


def holds(selector: Selector, value: Any) -> bool:
    """Say whether a JSON value is selected: by a pair of name and value, or by a text.

    Parameters
    ----------
    selector : Selector
    value : JSON value
        Pairs are those of objects, and ``key`` and ``value`` of OTLP's attributes.

    Returns
    -------
    bool
    """
    if selector.is_pattern:
        texts = [text for text in strings_in(value) if _can_be_written(text)]
        return bool(texts) and bool(matching(selector, texts).any())
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            if selector.name in here and _is_value(selector, here[selector.name]):
                return True
            pair = here.get("value") if here.get("key") == selector.name else None
            if isinstance(pair, dict) and any(_is_value(selector, v) for v in pair.values()):
                return True
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
    return False


def _is_value(selector: Selector, item: Any) -> bool:
    if isinstance(item, str):
        return item == selector.value
    return not isinstance(item, bool | dict | list) and str(item) == selector.value


def without(selector: Selector, document: Any) -> tuple[Any, int]:
    """Take selected records out of a payload.

    Parameters
    ----------
    selector : Selector
    document : JSON value
        What Alertmanager or an OTLP exporter sent; changed in place.

    Returns
    -------
    document : JSON value
        None if all of it goes: nothing can be taken out, or the rest still holds the value.
    removed : int
        Records that were taken out; 1 for a whole document.
    """
    if not holds(selector, document):
        return document, 0
    removed = _prune(selector, document)
    rest = [text for text in strings_in(document) if _can_be_written(text)]
    if removed == 0 or holds(selector, document) or matching(selector, rest).any():
        return None, max(removed, 1)
    return document, removed


def _prune(selector: Selector, value: Any) -> int:
    removed = 0
    if isinstance(value, dict):
        for name, inner in value.items():
            removed += _prune(selector, inner)
            if name in _RECORDS and isinstance(inner, list):
                kept = [item for item in inner if not holds(selector, item)]
                removed += len(inner) - len(kept)
                value[name] = kept
    elif isinstance(value, list):
        removed += sum(_prune(selector, item) for item in value)
    return removed


def records_of(selector: Selector, document: Any) -> list[Any]:
    """List the records of a payload that `without` would take out, and no others.

    Parameters
    ----------
    selector : Selector
    document : JSON value
        What Alertmanager or an OTLP exporter sent.

    Returns
    -------
    list of JSON value
        The innermost records that are selected; the whole document where it has no such record.
    """
    if not holds(selector, document):
        return []
    return _selected(selector, document) or [document]


def _selected(selector: Selector, value: Any) -> list[Any]:
    found: list[Any] = []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += _selected(selector, inner)
            if name in _RECORDS and isinstance(inner, list):
                found += [
                    record
                    for record in inner
                    if holds(selector, record) and not _selected(selector, record)
                ]
    elif isinstance(value, list):
        for inner in value:
            found += _selected(selector, inner)
    return found
