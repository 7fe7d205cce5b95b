"""Records of delimited text, byte for byte, so that taking some out leaves the others as they are.

``ingest`` parses text into a table; this goes back from a table's row to the lines it came from.
Both take the same lines for rows: what is no data is said here.
"""

import re
from dataclasses import dataclass

from pipelines.core.params import CsvSource

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
    row, open_record, inside = 0, "", False
    for line in lines(text):
        if not inside and is_no_data(line, source):
            records.append(Record(line, None))
            continue
        open_record += line
        inside ^= line.count(source.quote) % 2 == 1
        if inside:
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


def lines(text: str) -> list[str]:
    """Lines with their ends; only ends of lines in files split, no other blank of Unicode."""
    return _LINE.findall(text)


def is_no_data(line: str, source: CsvSource) -> bool:
    """Whether a line that no record is open in is empty or a comment."""
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
    return {record.text.strip("\r\n") for record in records if record.row in rows}


def first_record(text: str, source: CsvSource) -> str:
    """First record that is neither empty nor a comment: the header, if there is one."""
    found, inside = "", False
    for match in _LINE.finditer(text):
        line = match[0]
        if not inside and is_no_data(line, source):
            continue
        found += line
        inside ^= line.count(source.quote) % 2 == 1
        if not inside:
            break
    return found


def without_comments(text: str, source: CsvSource) -> str:
    """Text without its comments; a value in quotes may hold a line that looks like one."""
    if not source.comment:
        return text
    kept, inside = [], False
    for line in lines(text):
        if inside or not line.startswith(source.comment):
            kept.append(line)
            inside ^= line.count(source.quote) % 2 == 1
    return "".join(kept)
