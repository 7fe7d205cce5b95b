"""The form of a file of somebody else's: told by its content, never by its name alone.

The form of delimited text is the one in which the most lines have the same, largest number of
fields; its decimal mark the one under which the most fields are numbers. What can't be told is an
error that names the option which says it.
"""

import csv
import gzip
import io
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.core.errors import SignalboxError

DELIMITERS = ",;\t|"
"""Characters that are tried between fields."""
_SAMPLE_LINES = 2_000
_ONE_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_COMMA_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+)?")
_POINT_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_EITHER = re.compile(r"[+-]?\d{1,3},\d{3}")
"""A number of either country: one thousand, or one and a bit."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def words_of(name: str) -> list[str]:
    """Return the words of a column's name: lower case, without accents.

    Parameters
    ----------
    name : str
        For example ``customerID`` or ``Geschäfts-Nr.``.

    Returns
    -------
    list of str
        For example ``["customer", "id"]``.
    """
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return [word.lower() for word in _WORDS.findall(bare)] or [bare.lower()]


_HEAD_BYTES = 1 << 20
_LABEL_VALUES = 500
"""Columns of so many different values, or fewer, in the first rows are labels."""


@dataclass(frozen=True)
class Guess:
    """One thing that was found out, for a person to judge.

    Attributes
    ----------
    what : str
        The key of ``params.yaml``, or what it is about.
    value : str
        What was chosen.
    why : str
        The reason.
    asks : bool
        Whether a person should look: nothing was decided.
    """

    what: str
    value: str
    why: str
    asks: bool = False


@dataclass(frozen=True)
class Said:
    """What a person said at the command line; None = to be found out.

    Attributes
    ----------
    target, positive, favourable, subject_key : str or None
        As in section ``data``.
    delimiter, decimal, encoding : str or None
        As in ``data.source``.
    columns : tuple of str
        Names, for files without a header line.
    ignore, after_outcome : tuple of str
        More columns, as in section ``data``.
    """

    target: str | None = None
    positive: str | None = None
    favourable: str | None = None
    subject_key: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    columns: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    after_outcome: tuple[str, ...] = ()


Kind = Literal["csv", "parquet"]


def kind_of(path: Path) -> Kind:
    """Return the kind of a source by its first bytes; a folder holds Parquet files.

    Raises
    ------
    SignalboxError
        If there is nothing, or it is a kind of file that no source reads.
    """
    if not path.exists():
        raise SignalboxError(f"--data {path}: no such file")
    if path.is_dir():
        if not any(path.rglob("*.parquet")) and not any(path.rglob("*.pq")):
            raise SignalboxError(
                f"--data {path}: the folder holds no .parquet file; name one file, CSV or Parquet"
            )
        return "parquet"
    with path.open("rb") as stream:
        head = stream.read(8)
    if not head:
        raise SignalboxError(f"--data {path}: is empty")
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise SignalboxError(
            f"--data {path}: is a spreadsheet or an archive; save its table as CSV, and name that"
        )
    return "csv"


def csv_form(path: Path, said: Said) -> tuple[dict[str, Any], list[Guess]]:
    """Find out the form of delimited text.

    Parameters
    ----------
    path : Path
        The file; may be packed (``.gz``, ``.bz2``, ``.xz``, ``.zip``).
    said : Said
        What needn't be found out.

    Returns
    -------
    settings : dict of str to object
        Keys of ``data.source`` that differ from their defaults.
    guesses : list of Guess

    Raises
    ------
    SignalboxError
        Naming ``--encoding``, ``--delimiter``, ``--decimal`` or ``--columns``.
    """
    import fsspec

    try:
        with fsspec.open(str(path), "rb", compression="infer") as stream:
            content = bytes(stream.read())
    except (OSError, ValueError, EOFError) as error:
        raise SignalboxError(f"--data {path}: cannot be read: {error}") from error
    encoding, why = _encoding(path, content, said)
    text = content.decode(encoding).removeprefix("\ufeff")
    del content
    delimiter = said.delimiter or _delimiter(path, text)
    rows = _rows(text, delimiter)
    settings: dict[str, Any] = {"delimiter": delimiter}
    guesses = [Guess("data.source.delimiter", repr(delimiter), "given" if said.delimiter else
                     f"{len(rows[0])} fields in each of the first lines")]  # fmt: skip
    if encoding != "utf-8":
        settings["encoding"] = encoding
        guesses.append(Guess("data.source.encoding", encoding, why))
    if said.columns:
        settings["columns"] = list(said.columns)
    elif _lacks_header(rows):
        raise SignalboxError(
            f"--data {path}: the first line holds values ({', '.join(rows[0][:4])} …), no names; "
            f"name the {len(rows[0])} columns: --columns a,b,c"
        )
    marks, because = _marks(path, rows[0 if said.columns else 1 :], rows[0], said)
    if marks != {"decimal": "."}:
        settings |= marks
        guesses.append(Guess("data.source.decimal", repr(marks["decimal"]), because))
    return settings, guesses


def _encoding(path: Path, content: bytes, said: Said) -> tuple[str, str]:
    tried = [said.encoding] if said.encoding else ["utf-8"]
    if content[:2] in (b"\xff\xfe", b"\xfe\xff") and not said.encoding:
        tried = ["utf-16"]
    for name in tried:
        try:
            content.decode(name)
        except LookupError:
            raise SignalboxError(f"--encoding {name}: no known encoding") from None
        except UnicodeDecodeError as error:
            if said.encoding:
                raise SignalboxError(
                    f"--encoding {name}: {path} is not: byte 0x{content[error.start]:02x} at "
                    f"position {error.start}"
                ) from None
        else:
            return name, "given" if said.encoding else "its first bytes say so"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1", "not UTF-8, and bytes that Windows' own doesn't have"
    windows = any(
        byte in content for byte in (b"\x80", b"\x84", b"\x93", b"\x94", b"\x96", b"\x92")
    )
    return ("cp1252" if windows else "latin-1"), "not UTF-8; of western Europe, if it is text"


def _delimiter(path: Path, text: str) -> str:
    """Return the character by which the most fields come out, the same number in every line."""
    widths = {}
    for sign in DELIMITERS:
        rows = _rows(text, sign, lines=200)
        counts = [len(row) for row in rows]
        if rows and counts[0] > 1 and sum(n == counts[0] for n in counts) >= 0.98 * len(counts):
            widths[sign] = counts[0]
    if not widths:
        raise SignalboxError(
            f"--data {path}: no delimiter of {', '.join(map(repr, DELIMITERS))} gives every line "
            "the same number of fields; name it: --delimiter"
        )
    best = max(widths.values())
    found = [sign for sign, count in widths.items() if count == best]
    if len(found) > 1:
        raise SignalboxError(
            f"--data {path}: {' and '.join(map(repr, found))} both give {best} fields a line; say "
            "which it is: --delimiter"
        )
    return found[0]


def _rows(text: str, delimiter: str, lines: int = _SAMPLE_LINES) -> list[list[str]]:
    """Read the first records; the last may be cut and isn't taken unless it is the only one."""
    head = "".join(text.splitlines(keepends=True)[: lines + 1]) if len(text) < 1 << 24 else (
        "".join(text[: 1 << 22].splitlines(keepends=True)[: lines + 1])
    )  # fmt: skip
    try:
        rows = [row for row in csv.reader(io.StringIO(head), delimiter=delimiter) if row]
    except csv.Error:
        return []
    return rows[:-1] if len(head) < len(text) and len(rows) > 2 else rows


def _lacks_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line has numbers where the columns below have numbers."""
    first, rest = rows[0], rows[1:200]
    numeric = [
        i for i in range(len(first))
        if rest and all(len(row) > i and _POINT_NUMBER.fullmatch(row[i].strip()) for row in rest)
    ]  # fmt: skip
    return bool(numeric) and all(_POINT_NUMBER.fullmatch(first[i].strip()) for i in numeric)


def _marks(
    path: Path, rows: Sequence[Sequence[str]], header: Sequence[str], said: Said
) -> tuple[dict[str, Any], str]:
    """Find the decimal mark and the mark of thousands."""
    if said.decimal:
        other = "." if said.decimal == "," else ","
        pattern = re.compile(
            rf"[+-]?\d{{1,3}}(?:{re.escape(other)}\d{{3}})+(?:{re.escape(said.decimal)}\d+)?"
        )
        grouped = any(pattern.fullmatch(cell.strip()) for row in rows for cell in row)
        return {"decimal": said.decimal} | ({"thousands": other} if grouped else {}), "given"
    unclear = None
    for i, name in enumerate(header):
        cells = [row[i].strip() for row in rows if len(row) > i and row[i].strip()]
        odd = [cell for cell in cells if "," in cell and not _ONE_NUMBER.fullmatch(cell)]
        if not odd or not all(any(sign.isdigit() for sign in cell) for cell in odd):
            continue
        german = all(_COMMA_NUMBER.fullmatch(cell) for cell in cells)
        english = all(_POINT_NUMBER.fullmatch(cell) for cell in cells)
        if german and not english:
            grouped = any("." in cell for row in rows for cell in row[i : i + 1])
            found: dict[str, Any] = {"decimal": ","}
            return found | ({"thousands": "."} if grouped else {}), (
                f"column '{name}' holds numbers such as {odd[0]}"
            )
        if english and not german:
            return {"decimal": ".", "thousands": ","}, f"column '{name}' holds such as {odd[0]}"
        if english and german:
            unclear = unclear or (name, odd[0])
    if unclear:
        raise SignalboxError(
            f"--data {path}: column '{unclear[0]}': {unclear[1]} may be a thousand or a fraction; "
            "say what the decimal mark is: --decimal . or --decimal ,"
        )
    return {"decimal": "."}, ""


def head_of(file: Path) -> bytes:
    """Return the first bytes of a file, unpacked."""
    try:
        opener: Any = gzip.open if file.suffix == ".gz" else open
        with opener(file, "rb") as stream:
            return bytes(stream.read(_HEAD_BYTES))
    except (OSError, EOFError) as error:
        raise SignalboxError(f"{file}: cannot be read: {error}") from error


def document_of(file: Path) -> Any:
    """Return a file as one JSON document, or its first line; None if it is neither."""
    head = head_of(file)
    if head[:1] not in (b"{", b"[") and head.lstrip()[:1] not in (b"{", b"["):
        return None
    if len(head) < _HEAD_BYTES:
        try:
            return json.loads(head)
        except ValueError:
            pass
    try:
        return json.loads(head.split(b"\n", 1)[0])
    except ValueError:
        pass
    if len(head) < _HEAD_BYTES:
        return None
    try:
        return json.loads(file.read_bytes()) if file.suffix != ".gz" else json.loads(
            gzip.decompress(file.read_bytes()))  # fmt: skip
    except ValueError:
        return None


def is_lines(file: Path) -> bool:
    """Return whether a file holds one JSON object a line."""
    lines = [line for line in head_of(file).splitlines() if line.strip()][:2]
    return len(lines) == 2 and all(line.lstrip()[:1] == b"{" and line.rstrip()[-1:] == b"}"
                                   for line in lines)  # fmt: skip


def first_records(file: Path, option: str, forms: str) -> list[dict[str, Any]]:
    """Return the first records of a table."""
    endings = {suffix.lower() for suffix in file.suffixes}
    rows: list[dict[str, Any]] = []
    if ".parquet" in endings:
        import pyarrow.parquet as pq

        batch = next(pq.ParquetFile(file).iter_batches(2_000), None)
        rows = batch.to_pylist() if batch is not None else []
    elif is_lines(file):
        lines = head_of(file).splitlines()[:-1] or head_of(file).splitlines()
        rows = [json.loads(line) for line in lines[:2_000] if line.strip()]
    elif isinstance(document := document_of(file), list):
        rows = [record for record in document[:2_000] if isinstance(record, dict)]
    elif ".csv" in endings:
        import csv

        text = head_of(file).decode("utf-8-sig", errors="replace")
        delimiter = likely_delimiter(text)
        rows = [dict(row) for row in csv.DictReader(io.StringIO(text), delimiter=delimiter)][:2_000]
    if not rows:
        raise SignalboxError(f"{option} {file}: no known form, or empty; there may be {forms}")
    return rows


def likely_delimiter(text: str) -> str:
    """Return the sign that the first line has most of."""
    line = text.splitlines()[0] if text else ""
    return max(",;\t|", key=line.count)


def looks_like_time(text: str) -> bool:
    """Return whether a text looks like a day, a time or a number."""
    return bool(re.match(r"\d{4}-\d{2}-\d{2}", text)) or text.replace(".", "", 1).isdigit()


def is_numeric_column(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Return whether all values of a column that are there are numbers."""
    values = [row.get(name) for row in rows if row.get(name) not in (None, "")]
    try:
        return bool(values) and all(float(str(value)) is not None for value in values)
    except ValueError:
        return False


def label_columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, str]:
    """Return label → column: texts with few values; keys, times and long texts aren't labels."""
    labels = {}
    for name in names:
        values = [row.get(name) for row in rows]
        texts = [value for value in values if isinstance(value, str) and value]
        few = len(set(texts)) <= min(_LABEL_VALUES, max(len(rows) // 2, 1))
        if texts and few and max(map(len, texts)) <= 80 and not looks_like_time(texts[0]):
            labels[re.sub(r"[^A-Za-z0-9_]", "_", name)] = name
    return labels
