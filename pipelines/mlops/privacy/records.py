"""Records of delimited text, byte for byte, so that taking some out leaves the others as they are.

``ingest`` parses text into a table; this goes back from a table's row to the lines it came from.
"""

import re
from dataclasses import dataclass

from pipelines.base.params.data import CsvSource

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BOM = "\ufeff"


@dataclass(frozen=True)
class Record:
    """One or more lines; `row` is the table's row they hold, None for all else (head, comment)."""

    text: str
    row: int | None


def split(text: str, source: CsvSource) -> list[Record]:
    """Split `text` into records, which joined give `text` again."""
    records: list[Record] = []
    if text.startswith(_BOM):
        records.append(Record(_BOM, None))
        text = text.removeprefix(_BOM)
    header_pending = not source.columns
    row, open_record = 0, ""
    for line in _LINE.findall(text):
        if not open_record and _is_no_data(line, source):
            records.append(Record(line, None))
            continue
        open_record += line
        if open_record.count(source.quote) % 2:
            continue
        if header_pending:
            header_pending = False
            records.append(Record(open_record, None))
        else:
            records.append(Record(open_record, row))
            row += 1
        open_record = ""
    if open_record:
        records.append(Record(open_record, row))
    return records


def _is_no_data(line: str, source: CsvSource) -> bool:
    if not line.strip("\r\n"):
        return True
    return source.comment is not None and line.startswith(source.comment)


def count(records: list[Record]) -> int:
    """Count the rows of data."""
    return sum(record.row is not None for record in records)


def without(records: list[Record], rows: set[int]) -> str:
    """Text without the given rows."""
    return "".join(record.text for record in records if record.row not in rows)


def only(records: list[Record], rows: set[int]) -> set[str]:
    """Lines of the given rows, without their line ends."""
    return {record.text.strip() for record in records if record.row in rows}
