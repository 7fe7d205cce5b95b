"""What happens at ingest before a row is stored: the erased are kept out, people get pseudonyms.

``<lake>/erased.txt`` holds the selectors of erasures, sealed with a key that is derived from the
secret of keyed hashes: a source that delivers the erased again must not bring them back, a list of
bare values would be what it is there to prevent, and a pattern can't be matched by its hash. It
lies with the lake, which git doesn't track.

A pseudonym (GDPR Art. 4(5)) is ``p-`` and 16 hex digits of the HMAC-SHA256 of the value, with
another key derived from ``erasure.key``: the same value has the same pseudonym in every table and
source, so rows can still be counted and joined, and nobody without the secret can tell or try
values. Ids of rows that are unkeyed hashes of what was replaced are made anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipelines.aiops.lake.batch import Batch
from pipelines.aiops.lake.contract import (
    ALERTS,
    LOGS,
    METRICS,
    alert_id,
    fingerprint,
    microseconds,
)
from pipelines.aiops.lake.store import locked
from pipelines.aiops.log_parsing.mask_patterns import BY_NAME
from pipelines.aiops.log_parsing.masking import is_card
from pipelines.aiops.params.telemetry import PERSONAL_KINDS
from pipelines.aiops.privacy.selectors import PATTERN, Selector, parse, rows_of, rows_with_text
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_text
from pipelines.core.keyed_hash import SECRET, derived, keys_folder, secret

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

FILE = "erased.txt"
_HEAD = "# What was erased, sealed with erasure.key: ingest leaves it out.\n"


def _fernet(key: bytes) -> Fernet:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(derived(key, "signalbox telemetry erased")))


def _lines(lake: Path) -> list[str]:
    path = lake / FILE
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="ascii").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def nobody_erased(lake: Path) -> bool:
    """Say whether nothing was erased from a lake.

    Parameters
    ----------
    lake : Path
        Folder of the lake.

    Returns
    -------
    bool
    """
    return not _lines(lake)


def read_erased(lake: Path, key: bytes) -> list[Selector]:
    """Read what was erased from a lake.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    key : bytes
        The secret of keyed hashes, 32 bytes.

    Returns
    -------
    list of Selector

    Raises
    ------
    SignalboxError
        If a line was sealed with another secret, or is damaged.
    """
    from cryptography.fernet import InvalidToken

    fernet = _fernet(key)
    try:
        return [parse(fernet.decrypt(line.encode("ascii")).decode()) for line in _lines(lake)]
    except InvalidToken:
        raise SignalboxError(
            f"{lake / FILE}: {keys_folder() / SECRET} is not the secret that it was sealed with; "
            "copy that one here"
        ) from None


def add_erased(lake: Path, selector: Selector, key: bytes) -> None:
    """Add what is erased to a lake's list, once.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    selector : Selector
    key : bytes
        The secret of keyed hashes, 32 bytes.

    Raises
    ------
    SignalboxError
        If the list was sealed with another secret.
    """
    with locked(lake):
        if selector in read_erased(lake, key):
            return
        sealed = _fernet(key).encrypt(selector.text.encode()).decode("ascii")
        lines = [*_lines(lake), sealed]
        write_text(lake / FILE, _HEAD + "".join(f"{line}\n" for line in lines))


def keep_out(batch: Batch, lake: Path) -> Batch:
    """Leave out rows and rejected records that were erased from a lake.

    Parameters
    ----------
    batch : Batch
        What a source delivered.
    lake : Path
        Folder of the lake.

    Returns
    -------
    Batch
        The same if nothing was ever erased.

    Raises
    ------
    SignalboxError
        If there is a list and the secret isn't on this machine: nobody can tell who is on it.
    """
    if nobody_erased(lake):
        return batch
    selectors = read_erased(lake, secret(create=False))

    def rest(rows: pa.Table, *, any_text: bool = False) -> pa.Table:
        for selector in selectors:
            found = (rows_with_text if any_text else rows_of)(selector, rows)
            if found.any():
                rows = rows.filter(pa.array(~found))
        return rows

    return Batch(
        rest(batch.alerts),
        rest(batch.tickets),
        rest(batch.changes),
        rest(batch.rejected, any_text=True),
        {name: rest(rows) for name, rows in batch.signals.items()},
    )


WITHHELD = "(withheld: the source is pseudonymised)"
"""What quarantine has in place of a record in which values can't be found by their names."""

ERASED_SUBJECTS = Path("privacy/erased.txt")
_FIXED = frozenset({"alert_id", "fingerprint", "log_id", "source", "kind", "trace_id", "span_id",
                    "parent_span_id", "links", "severity", "status", "id"})  # fmt: skip
"""Columns that hold no text of people; ids of rows follow what was replaced."""

_REMEMBERED = 1 << 14
"""Values whose patterns and pseudonyms are kept at hand; a person has many rows."""

Replace = Callable[[str], str]


def pseudonymised(batch: Batch, what: Sequence[str], project: Path, lake: Path) -> Batch:
    """Replace people in a batch by pseudonyms.

    Parameters
    ----------
    batch : Batch
        What a source delivered.
    what : sequence of str
        Kinds of `PERSONAL_KINDS`, and names of labels, attributes, annotations and text columns;
        none: nothing.
    project : Path
        Root of the project.
    lake : Path
        Folder of the lake.

    Returns
    -------
    Batch
        The same if there is nothing to replace.

    Raises
    ------
    SignalboxError
        If the secret is damaged, or isn't there although somebody was erased with it.
    """
    if not what:
        return batch
    key = derived(secret(create=_may_make(project, lake)), "signalbox pseudonyms")
    kinds = [kind for kind in PERSONAL_KINDS if kind in what]
    names = frozenset(what).difference(PERSONAL_KINDS)
    work = _Work(key, kinds, names)
    tables = {name: work.table(name, rows) for name, rows in batch.tables.items()}
    return Batch(
        tables["alerts"],
        tables["tickets"],
        tables["changes"],
        work.rejected(batch.rejected),
        {name: tables[name] for name in batch.signals},
    )


def _may_make(project: Path, lake: Path) -> bool:
    """Say whether a new secret does no harm: another one would know nobody of the lists."""
    path = project / ERASED_SUBJECTS
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    listed = any(line.strip() and not line.startswith("#") for line in lines)
    return not listed and nobody_erased(lake)


@lru_cache(maxsize=_REMEMBERED)
def _words(values: tuple[str, ...]) -> re.Pattern[str]:
    """Find values as whole words, all at once: a pseudonym isn't looked at again."""
    found = "|".join(map(re.escape, values))
    return re.compile(rf"(?<![0-9A-Za-z_])(?:{found})(?![0-9A-Za-z_])")


@lru_cache(maxsize=_REMEMBERED)
def pseudonym(value: str, key: bytes) -> str:
    """Return the pseudonym of a value.

    Parameters
    ----------
    value : str
    key : bytes
        Derived from the secret, 32 bytes.

    Returns
    -------
    str
        ``p-`` and 16 hex digits.
    """
    return "p-" + hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:16]


class _Work:
    """Replaces in tables."""

    def __init__(self, key: bytes, kinds: Sequence[str], names: frozenset[str]) -> None:
        self.key, self.kinds, self.names = key, kinds, names
        self._patterns = [(kind, re.compile(BY_NAME[kind].pattern, re.ASCII)) for kind in kinds]
        self._any = "|".join(f"(?:{BY_NAME[kind].pattern})" for kind in kinds)

    def name(self, value: str) -> str:
        return pseudonym(value, self.key)

    def _match(self, found: re.Match[str]) -> str:
        return self.name(found[0])

    def _card(self, found: re.Match[str]) -> str:
        return self.name(found[0]) if is_card(found) else found[0]

    def text(self, text: str) -> str:
        """Replace kinds in a text."""
        for kind, pattern in self._patterns:
            text = pattern.sub(self._card if BY_NAME[kind].checked else self._match, text)
        return text

    def table(self, name: str, rows: pa.Table) -> pa.Table:
        """Replace in the rows that hold anything to replace; the others stay as they are."""
        found = np.zeros(len(rows), dtype=bool)
        if self.kinds:
            found |= rows_with_text(Selector(PATTERN, self._any), rows)
        for column in rows.column_names:
            if column in self.names or pa.types.is_map(rows.schema.field(column).type):
                found |= _named(rows[column], column, self.names)
        if not found.any():
            return rows
        hit = rows.filter(pa.array(found)).to_pylist()
        part = pa.Table.from_pylist([self._row(name, row) for row in hit], rows.schema)
        order = np.argsort(np.concatenate([np.flatnonzero(~found), np.flatnonzero(found)]))
        return pa.concat_tables([rows.filter(pa.array(~found)), part]).take(pa.array(order))

    def _row(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        values = _values(row, self.names)
        words = tuple(sorted(values, key=lambda value: (-len(value), value)))

        def replace(text: str) -> str:
            if any(value in text for value in words):
                text = _words(words).sub(self._match, text)
            return self.text(text)

        new = {name: self._cell(name, cell, replace) for name, cell in row.items()}
        return _with_ids(table, row, new, self.key) if new != row else row

    def _cell(self, column: str, cell: Any, replace: Replace) -> Any:
        if column in _FIXED or cell is None:
            return cell
        if isinstance(cell, str):
            return self.name(cell) if column in self.names and cell else replace(cell)
        if isinstance(cell, list) and all(isinstance(pair, tuple) for pair in cell):
            return [
                (key, self.name(value) if key in self.names and value else replace(value or ""))
                for key, value in cell
            ]
        return cell

    def rejected(self, rows: pa.Table) -> pa.Table:
        """Replace in records for quarantine; one in which names can't be found is withheld."""
        found = []
        for row in rows.to_pylist():
            raw = self._raw(row["raw"]) if self.names else self.text(row["raw"])
            reason, place = self.text(row["reason"]), self.text(row["place"])
            new = {**row, "raw": raw, "reason": reason, "place": place}
            if new != row:
                new["id"] = _keyed(self.key, row["id"], 32)
            found.append(new)
        return pa.Table.from_pylist(found, rows.schema)

    def _raw(self, raw: str) -> str:
        try:
            document = json.loads(raw)
        except (ValueError, RecursionError):
            return WITHHELD
        if not isinstance(document, dict | list):
            return WITHHELD
        values: set[str] = set()
        _collect(document, self.names, values)
        words = tuple(sorted(values, key=lambda value: (-len(value), value)))

        def replace(here: Any) -> Any:
            if isinstance(here, dict):
                return {name: replace(inner) for name, inner in here.items()}
            if isinstance(here, list):
                return [replace(inner) for inner in here]
            if isinstance(here, bool) or here is None:
                return here
            text = here if isinstance(here, str) else json.dumps(here)
            new = self.text(_words(words).sub(self._match, text) if words else text)
            return here if new == text else new

        try:
            return json.dumps(replace(document), ensure_ascii=False)
        except RecursionError:
            return WITHHELD


def _named(column: Any, name: str, names: frozenset[str]) -> Any:
    """Say which rows have a value under one of the names."""
    found = np.zeros(len(column), dtype=bool)
    if name in names and pa.types.is_string(column.type):
        return ~column.is_null().to_numpy()
    column = column.combine_chunks()
    if not pa.types.is_map(column.type):
        return found
    import pyarrow.compute as pc

    offsets = column.offsets.to_numpy()
    keys = column.keys.slice(offsets[0], offsets[-1] - offsets[0])
    hit = pc.is_in(keys, pa.array(sorted(names), pa.string())).to_numpy(zero_copy_only=False)
    found[np.repeat(np.arange(len(column)), np.diff(offsets))[hit]] = True
    return found


def _values(row: dict[str, Any], names: frozenset[str]) -> set[str]:
    found = {row[name] for name in names if isinstance(row.get(name), str)}
    for cell in row.values():
        if isinstance(cell, list):
            found |= {pair[1] for pair in cell if isinstance(pair, tuple) and pair[0] in names}
    return {value for value in found if value}


def _collect(document: Any, names: frozenset[str], values: set[str]) -> None:
    """Find the values that stand under the names in JSON, as pairs or as OTLP's attributes."""
    waiting = [document]
    while waiting:
        here = waiting.pop()
        if isinstance(here, dict):
            for name, inner in here.items():
                if name in names and isinstance(inner, str | int | float):
                    values.add(str(inner))
            if here.get("key") in names and isinstance(here.get("value"), dict):
                values |= {str(v) for v in here["value"].values() if isinstance(v, str | int)}
            waiting.extend(here.values())
        elif isinstance(here, list):
            waiting.extend(here)
    values.discard("")


def _with_ids(table: str, row: dict[str, Any], new: dict[str, Any], key: bytes) -> dict[str, Any]:
    """Give a row the ids that follow from its new content, where they are hashes of the old."""
    if table == LOGS.name:
        new["log_id"] = _keyed(key, row["log_id"], 32)
    elif table in {ALERTS.name, METRICS.name} and dict(new["labels"]) != dict(row["labels"]):
        old, labels = dict(row["labels"]), dict(new["labels"])
        if table == METRICS.name:
            old, labels = {**old, "__name__": row["name"]}, {**labels, "__name__": new["name"]}
        is_plain = fingerprint(old) == row["fingerprint"]
        new["fingerprint"] = (
            fingerprint(labels) if is_plain else _keyed(key, row["fingerprint"], 16)
        )
        if table == ALERTS.name:
            start = microseconds(row["starts_at"])
            new["alert_id"] = alert_id(row["source"], new["fingerprint"], start)
    return new


def _keyed(key: bytes, text: str, digits: int) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:digits]
