"""What sources share: files of records, JSON, label sets, and HTTP."""

import gzip
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import FilesParams, HttpParams, SourceParams
from pipelines.aiops.sources.times import read_time
from pipelines.core.errors import SignalboxError

_WHOLE = 256 << 20
"""Bytes of a file that may be one document of many lines; a greater one is read by lines only."""


def collector(settings: SourceParams, window: ReadWindow) -> Collector:
    """Return a collector for a source's records.

    Parameters
    ----------
    settings : SourceParams
        Its name, and its tolerances for clocks and late records.
    window : ReadWindow
        What to read.

    Returns
    -------
    Collector
    """
    return Collector(settings.name, window, settings.skew_seconds, settings.late_seconds)


def files_of(settings: FilesParams, project: Path) -> list[Path]:
    """Return the files that a source names.

    Parameters
    ----------
    settings : FilesParams
        ``files``: paths and patterns (``*``, ``?``, ``[``), relative to the project.
    project : Path

    Returns
    -------
    list of Path
        Sorted, each once.

    Raises
    ------
    SignalboxError
        If a file that is named without a pattern is missing.
    """
    found: set[Path] = set()
    for name in settings.files:
        path = project / name
        if not any(sign in name for sign in "*?["):
            if not path.is_file():
                raise SignalboxError(f"{path}: no such file; check files of source {settings.name}")
            found.add(path)
            continue
        parts = path.parts
        first = next(i for i, part in enumerate(parts) if any(sign in part for sign in "*?["))
        found.update(Path(*parts[:first]).glob(str(Path(*parts[first:]))))
    return sorted(path for path in found if path.is_file())


def location_of(path: Path, project: Path, line: int | None = None) -> str:
    """Return the name of a file (and line) that doesn't depend on where the project lies.

    Parameters
    ----------
    path : Path
    project : Path
    line : int, optional
        From 1.

    Returns
    -------
    str
        Relative path, or the bare file name outside the project; with a line, ``path:line``.
    """
    name = path.relative_to(project).as_posix() if path.is_relative_to(project) else path.name
    return name if line is None else f"{name}:{line}"


def content_of(path: Path) -> bytes:
    """Return the bytes of a file, unpacked if it ends with ``.gz``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    bytes

    Raises
    ------
    SignalboxError
        If it can't be read.
    """
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError) as error:
        raise SignalboxError(f"{path}: cannot be read: {error}") from error


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """Iterate over the lines of a file that are not blank; a line feed ends one.

    Parameters
    ----------
    path : Path
        Unpacked if it ends with ``.gz``.

    Yields
    ------
    number : int
        From 1; blank lines count.
    line : bytes
        Without its line ending.

    Raises
    ------
    SignalboxError
        If the file can't be read.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line.rstrip(b"\r\n")
    except (OSError, EOFError) as error:
        raise SignalboxError(f"{path}: cannot be read: {error}") from error


@contextmanager
def quarantining(rows: Collector, location: str, record: Any) -> Iterator[None]:
    """Put a record into quarantine if the block raises `MalformedError`.

    Parameters
    ----------
    rows : Collector
        Keeps the quarantine.
    location : str
        File and line, or address.
    record : bytes, str or JSON value
        What is kept of it.
    """
    try:
        yield
    except MalformedError as error:
        rows.reject(location, str(error), as_text(record))


def parse_json(content: bytes | str) -> Any:
    """Parse JSON.

    Parameters
    ----------
    content : bytes or str

    Returns
    -------
    JSON value

    Raises
    ------
    MalformedError
        If it isn't UTF-8 or isn't JSON.
    """
    try:
        text = content.decode() if isinstance(content, bytes) else content
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise MalformedError(f"not UTF-8: byte {error.start}") from None
    except (ValueError, RecursionError) as error:  # a number of 4301 digits is a ValueError
        raise MalformedError(f"not JSON: {error}") from None


def documents(rows: Collector, path: Path, project: Path) -> Iterator[tuple[str, Any]]:
    """Iterate over the JSON documents of a file; what isn't JSON goes to quarantine.

    Parameters
    ----------
    rows : Collector
        Keeps the quarantine.
    path : Path
    project : Path
        Names of files are relative to it.

    Yields
    ------
    location : str
        Name of the file, and line unless the document is the whole file.
    document : JSON value

    Raises
    ------
    SignalboxError
        If the file can't be read.
    """
    for line, document, reason in json_documents(path):
        location = location_of(path, project, line)
        if reason:
            rows.reject(location, reason, as_text(document))
        else:
            yield location, document


def json_documents(path: Path) -> Iterator[tuple[int | None, Any, str]]:
    """Iterate over the JSON documents of a file, one in all or one a line.

    Parameters
    ----------
    path : Path

    Yields
    ------
    line : int or None
        From 1; None if the document is the whole file.
    document : JSON value or bytes
        A line that isn't JSON is its bytes.
    reason : str
        What is wrong with it; empty if it is JSON.

    Raises
    ------
    SignalboxError
        If the file can't be read.
    """
    first = next(lines_of(path), None)
    if first is None:
        return
    if _parsed(first[1])[1] and path.stat().st_size <= _WHOLE:
        document, reason = _parsed(content_of(path))
        if not reason:
            yield None, document, ""
            return
    for number, line in lines_of(path):
        yield (number, *_parsed(line))


def _parsed(content: bytes) -> tuple[Any, str]:
    try:
        return parse_json(content), ""
    except MalformedError as error:
        return content, str(error)


def as_text(record: Any) -> str:
    """Return a record as text for quarantine.

    Parameters
    ----------
    record : bytes, str or other
        Bytes that aren't UTF-8 are escaped; other values are written as JSON.

    Returns
    -------
    str
    """
    if isinstance(record, bytes):
        return record.decode(errors="backslashreplace")
    return (
        record if isinstance(record, str) else json.dumps(record, ensure_ascii=False, default=str)
    )


def mapping(value: Any, what: str = "record") -> dict[str, Any]:
    """Return a value if it is a JSON object.

    Parameters
    ----------
    value : JSON value
    what : str
        Its name in the error.

    Returns
    -------
    dict

    Raises
    ------
    MalformedError
        If it isn't an object.
    """
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is not an object but {type(value).__name__}")
    return value


def listing(value: Any, what: str) -> list[Any]:
    """Return a value if it is a JSON array.

    Parameters
    ----------
    value : JSON value
    what : str
        Its name in the error.

    Returns
    -------
    list

    Raises
    ------
    MalformedError
        If it isn't an array.
    """
    if not isinstance(value, list):
        raise MalformedError(f"{what} is not a list but {type(value).__name__}")
    return value


def label_set(value: Any, what: str = "labels") -> dict[str, str]:
    """Check a label set; an empty value is the same as no label.

    Parameters
    ----------
    value : JSON value
        None is an empty set.
    what : str
        Its name in the error. Only for ``labels`` empty values are dropped.

    Returns
    -------
    dict of str to str

    Raises
    ------
    MalformedError
        If it isn't an object of texts, a name is empty, or a text can't be written as UTF-8.
    """
    found: dict[str, str] = {}
    for name, text in mapping({} if value is None else value, what).items():
        if not name:
            raise MalformedError(f"{what}: a name is empty")
        if not isinstance(text, str):
            raise MalformedError(
                f"{what}: value of {name[:60]!r} is {type(text).__name__}, not text"
            )
        if not _is_sound(name) or not _is_sound(text):
            raise MalformedError(f"{what}: {name[:60]!a} holds half a character")
        if text or what != "labels":
            found[name] = text
    return found


def _is_sound(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def needed_time(record: dict[str, Any], key: str) -> datetime:
    """Read a time that must be there.

    Parameters
    ----------
    record : dict
    key : str
        Where it is; see `read_time` for the forms.

    Returns
    -------
    datetime
        UTC.

    Raises
    ------
    MalformedError
        If it is missing or isn't a time.
    """
    time = read_time(record.get(key))
    if time is None:
        raise MalformedError(f"{key} is missing")
    return time


def fetch(settings: HttpParams, path: str, query: dict[str, str]) -> Any:
    """GET JSON from a source.

    Parameters
    ----------
    settings : HttpParams
        Base URL, time-out, and the environment variable with a bearer token.
    path : str
        Path below the base URL, with its leading slash.
    query : dict of str to str
        Parameters of the query string.

    Returns
    -------
    JSON value

    Raises
    ------
    SignalboxError
        If it doesn't answer, refuses, or doesn't answer with JSON, or the token isn't set.
    """
    import httpx

    url = f"{settings.url.rstrip('/')}{path}"
    try:
        answer = httpx.get(
            url, params=query, headers=_headers(settings), timeout=settings.timeout_seconds
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SignalboxError(f"source {settings.name}: {url} does not answer: {error}") from error
    if answer.is_error:
        text = " ".join(answer.text.split())[:300]
        raise SignalboxError(f"source {settings.name}: {url} answers {answer.status_code}: {text}")
    try:
        return answer.json()
    except ValueError:
        raise SignalboxError(
            f"source {settings.name}: {url} does not answer with JSON; check its url"
        ) from None


def _headers(settings: HttpParams) -> dict[str, str]:
    if not settings.token_env:
        return {}
    token = os.environ.get(settings.token_env)
    if not token:
        raise SignalboxError(
            f"source {settings.name}: environment variable {settings.token_env} is not set"
        )
    return {"Authorization": f"Bearer {token}"}
