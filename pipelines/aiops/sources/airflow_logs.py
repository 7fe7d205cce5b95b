"""Airflow's own task logs: JSON lines since Airflow 3, plain lines before; from its log folder.

A DAG is a service, a task its instance; run, try and map index are attributes.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import AirflowLogsParams, LogFilesParams
from pipelines.aiops.sources.log_files import PlainFile
from pipelines.aiops.sources.log_jsonl import RecordFile, bounded_lines
from pipelines.aiops.sources.records import collector, location_of, mapping, parse_json

_PART = re.compile(r"^(dag_id|run_id|task_id|map_index)=(.*)$")
_ATTEMPT = re.compile(r"^attempt=(\d+)(?:\.log.*)?$")
_NOT_KEPT = ("ti", "dag_id", "task_id", "run_id", "try_number", "map_index", "ti_id", "filename",
             "lineno", "error_detail")  # fmt: skip


def read(settings: AirflowLogsParams, window: ReadWindow, project: Path) -> Batch:
    """Read all task logs; no folder means that no task has run yet.

    Parameters
    ----------
    settings : AirflowLogsParams
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in `settings` are relative to.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If a log can't be read, or the settings name no time zone.
    """
    rows = collector(settings, window)
    seen: Counter[bytes] = Counter()
    for path in sorted((project / settings.folder).rglob("attempt=*.log*")):
        if path.is_file():
            _read(settings, rows, path, project, seen)
    return rows.batch()


def _read(
    settings: AirflowLogsParams, rows: Collector, path: Path, project: Path, seen: "Counter[bytes]"
) -> None:
    who = _who(path)
    lines = list(bounded_lines(path))
    if lines and not any(line.startswith("{") for _, line in lines[:20]):
        _plain(settings, rows, path, project, seen)
        return
    file = RecordFile(settings, rows, location_of(path, project), location_of(path, project), seen)
    last: Any = None
    for number, line in lines:
        row = _row(line)
        # What a library prints comes between the lines without a time; it has that before it.
        last = row["at"] = row.get("at") or last
        row["attributes"] = {**row.get("attributes", {}), **who}
        row["service"] = who.get("dag_id") or settings.service or "airflow"
        row["instance"] = who.get("task_id", "")
        if row["body"].strip() and not row["body"].startswith(("::group::", "::endgroup::")):
            file.add(number, row)
    file.close()


def _row(line: str) -> dict[str, Any]:
    from pipelines.aiops.log_parsing.records import row_of

    try:
        record = mapping(parse_json(line))
    except MalformedError:
        return {"body": line}
    details = record.get("error_detail")
    row = row_of({key: value for key, value in record.items() if key not in _NOT_KEPT}, {})
    trace = _traceback(details)
    row["body"] = f"{row['body']}\n{trace}".strip("\n")
    return row


def _traceback(details: Any) -> str:
    """Write the errors that structlog tells in parts as Python would."""
    texts = []
    for error in details if isinstance(details, list) else []:
        if not isinstance(error, dict):
            continue
        given = error.get("frames")
        frames = [f for f in given if isinstance(f, dict)] if isinstance(given, list) else []
        texts.append("Traceback (most recent call last):")
        texts += [f'  File "{f.get("filename")}", line {f.get("lineno")}, in {f.get("name")}'
                  for f in frames]  # fmt: skip
        texts.append(f"{error.get('exc_type')}: {error.get('exc_value')}")
    return "\n".join(texts)


def _plain(
    settings: AirflowLogsParams, rows: Collector, path: Path, project: Path, seen: "Counter[bytes]"
) -> None:
    """Airflow 2's lines: ``[2026-01-01T00:00:00.000+0000] {file.py:1} INFO - …``."""
    who = _who(path)
    given = settings.model_dump(exclude={"kind", "folder"})
    own = LogFilesParams(kind="log_files", files=[str(path)], **given)
    file = PlainFile(own, path, project)
    file.service, file.instance = who.get("dag_id", "airflow"), who.get("task_id", "")
    file.read(rows, seen)


def _who(path: Path) -> dict[str, str]:
    found = {}
    for part in path.parts:
        if match := _PART.match(part):
            found[match[1]] = match[2]
        elif match := _ATTEMPT.match(part):
            found["try_number"] = match[1]
    return found
