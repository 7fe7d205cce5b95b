"""What ``init`` finds out and writes for alert rules and incidents: section ``aiops``.

A file's form is told by its content, never by its name alone. What no reader knows is an error that
names the file, and says which forms there are.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.aiops.params.alert_rules import usual_policy
from pipelines.core.errors import SignalboxError
from pipelines.core.settings import NOT_FILLED_IN
from pipelines.project.forms import (
    Guess,
    document_of,
    first_records,
    head_of,
    is_lines,
    is_numeric_column,
    label_columns,
    likely_delimiter,
    words_of,
)
from pipelines.project.model_files import inline

FORMS = (
    "webhook payloads of Alertmanager (a folder), its event recorder's JSONL, Prometheus' series "
    "ALERTS (the JSON of a range query), PagerDuty's export (CSV or JSON), Opsgenie's (JSON), or a "
    "CSV, JSONL or Parquet table with a column of begins and one of names"
)

_STARTS = ("starts_at", "startsat", "started_at", "start", "begin", "fired_at", "firing_at",
           "triggered_at", "created_at", "createdat", "created_on", "timestamp", "time", "date",
           "opened_at", "opened", "at")  # fmt: skip
_ENDS = ("ends_at", "endsat", "ended_at", "end", "resolved_at", "resolvedat", "closed_at", "closed",
         "cleared_at", "recovered_at", "resolved_on")  # fmt: skip
_NAMES = ("alertname", "alert_name", "alert", "name", "title", "check", "rule", "message",
          "summary", "signature")  # fmt: skip
_COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "alerts": {
        "starts_at": _STARTS,
        "ends_at": _ENDS,
        "name": _NAMES,
        "acknowledged_at": ("acknowledged_at", "acked_at", "ack_at", "acknowledgedat"),
        "acted": ("acted", "acknowledged", "acked"),
        "ticket_id": ("ticket_id", "ticket", "incident_id", "incident"),
    },
    "tickets": {
        "ticket_id": ("ticket_id", "id", "key", "number", "issue_key"),
        "opened_at": ("opened_at", "opened", "created_at", "created", "start", "starts_at"),
        "closed_at": ("closed_at", "closed", "resolved_at", "resolved", "end", "ends_at"),
        "kind": ("kind", "type", "issue_type"),
        "severity": ("severity", "priority"),
        "service": ("service", "component", "application"),
        "team": ("team", "group", "assignment_group"),
        "title": ("title", "summary", "short_description", "subject"),
        "resolution": ("resolution", "close_notes"),
        "fix": ("fix", "fix_key"),
    },
    "changes": {
        "change_id": ("change_id", "id", "key", "number", "sha"),
        "at": ("at", "time", "timestamp", "deployed_at", "created_at", "date"),
        "kind": ("kind", "type"),
        "service": ("service", "component", "application", "app"),
        "version": ("version", "tag", "release"),
        "author": ("author", "user", "deployer"),
        "title": ("title", "summary", "description", "message"),
    },
    "metrics": {
        "at": ("at", "time", "timestamp", "datetime", "date", "ts", "ds"),
        "name": ("name", "metric", "metric_name", "__name__"),
        "value": ("value", "val"),
        "kind": ("kind",),
        "unit": ("unit",),
    },
}
"""Table of the contract → its columns → what files call them, the likeliest first."""

_NEEDED = {"alerts": ("starts_at", "name"), "tickets": ("ticket_id", "opened_at"),
           "changes": ("change_id", "at"), "metrics": ("at",)}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One source of telemetry, as ``aiops.telemetry.sources`` has it, and why."""

    settings: dict[str, Any]
    guess: Guess


@dataclass
class RuleFiles:
    """Today's configuration, as ``aiops.export_rules`` has it, and what was found out."""

    alertmanager_yml: str
    watch: str
    prometheus: list[str] = field(default_factory=list)
    guesses: list[Guess] = field(default_factory=list)


def find_sources(
    alerts: Path | None, telemetry: Path | None, hold_seconds: int | None = None
) -> list[Source]:
    """Find the sources in a history of alerts and in a folder of telemetry.

    Parameters
    ----------
    alerts : Path or None
        A file, or a folder: payloads, or files of alerts with tickets and changes beside them.
    telemetry : Path or None
        Folder of metrics, logs and traces; its folders are looked into as well.
    hold_seconds : int or None
        How long an alert without an end lasts.

    Returns
    -------
    list of Source
        Names differ.

    Raises
    ------
    SignalboxError
        Naming the option and the file that has no known form.
    """
    found: list[Source] = []
    if alerts is not None:
        found += _history(alerts.expanduser().resolve(), hold_seconds)
        if not any(_brings_alerts(source.settings) for source in found):
            raise SignalboxError(f"--alerts {alerts}: holds no alerts; there may be {FORMS}")
    if telemetry is not None:
        found += _telemetry(telemetry.expanduser().resolve())
    names: dict[str, int] = {}
    unique = []
    for source in found:
        if not source.settings:
            unique.append(source)  # only says what was not read
            continue
        name = str(source.settings["name"])
        names[name] = names.get(name, 0) + 1
        settings = source.settings if names[name] == 1 else {
            **source.settings, "name": f"{name}-{names[name]}"}  # fmt: skip
        unique.append(Source(settings, source.guess))
    return unique


def _brings_alerts(settings: Mapping[str, Any]) -> bool:
    kinds = ("alertmanager_webhook", "alertmanager_events", "prometheus_export", "pagerduty")
    return settings["kind"] in kinds or settings.get("table") == "alerts"


def _history(path: Path, hold_seconds: int | None) -> list[Source]:
    if not path.exists():
        raise SignalboxError(f"--alerts {path}: no such file or folder")
    if path.is_file():
        return [_alert_source(path, hold_seconds, "--alerts")]
    # Files of this very folder say what it is; payloads may lie below it as well.
    files = sorted(file for file in path.iterdir() if file.is_file() and _is_data(file))
    payloads = next((file for file in sorted(path.rglob("*.json")) if _is_payload(file)), None)
    if payloads is not None:
        count = sum(1 for _ in path.rglob("*.json"))
        settings = {"name": "alertmanager", "kind": "alertmanager_webhook", "folder": str(path)}
        return [Source(settings, Guess("aiops.telemetry.sources", "alertmanager_webhook",
                                       f"{path}: {count:,} webhook payloads"))]  # fmt: skip
    found = [_alert_source(file, hold_seconds, "--alerts") for file in files]
    if not found:
        raise SignalboxError(f"--alerts {path}: the folder holds none of: {FORMS}")
    return found


def _is_data(file: Path) -> bool:
    endings = {suffix.lower() for suffix in file.suffixes}
    known = {".csv", ".json", ".jsonl", ".ndjson", ".parquet"}
    return not file.name.startswith((".", "_")) and bool(endings & known)


def _is_payload(file: Path) -> bool:
    document = document_of(file)
    return isinstance(document, dict) and "alerts" in document and (
        "groupKey" in document or "receiver" in document
    )  # fmt: skip


def _alert_source(  # noqa: PLR0911  (one form after the other)
    file: Path, hold_seconds: int | None, option: str
) -> Source:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", file.name.split(".")[0]).strip("-.") or "alerts"

    def source(kind: str, why: str, **more: Any) -> Source:
        settings = {"name": name, "kind": kind, "files": [str(file)], **more}
        return Source(settings, Guess("aiops.telemetry.sources", f"{name}: {kind}", why))

    document = document_of(file)
    first = document[0] if isinstance(document, list) and document else document
    if isinstance(document, dict):
        if (
            isinstance(document.get("data"), dict)
            and document["data"].get("resultType") == "matrix"
        ):
            return source("prometheus_export", f"{file.name}: answer of a range query")
        if "incidents" in document or "log_entries" in document:
            return source("pagerduty", f"{file.name}: PagerDuty's incidents")
        records = document.get("data")
        if isinstance(records, list) and records and _is_opsgenie(records[0]):
            return _opsgenie(source, file, records, hold_seconds)
        if {"event", "alerts"} <= document.keys() or document.get("type") in (
            "alert",
            "notification",
        ):
            return source("alertmanager_events", f"{file.name}: Alertmanager's event recorder")
    if isinstance(first, dict) and _is_opsgenie(first):
        records = document if isinstance(document, list) else [first]
        return _opsgenie(source, file, records, hold_seconds)
    rows = first_records(file, option, FORMS)
    low = {str(key).lower() for key in rows[0]}
    if {"incident_number", "created_on"} <= low or {"id", "incident_number"} <= low:
        return source("pagerduty", f"{file.name}: columns of PagerDuty's export")
    table = _table_of(file, rows)
    return _mapped(source, file, rows, table, hold_seconds, option)


def _is_opsgenie(record: Any) -> bool:
    return isinstance(record, dict) and {"tinyId", "message", "createdAt"} <= record.keys()


def _opsgenie(
    source: Any, file: Path, records: Sequence[Mapping[str, Any]], hold_seconds: int | None
) -> Source:
    """Opsgenie's alerts; what is closed was changed last when it was closed."""
    closed = sum(record.get("status") == "closed" for record in records) / len(records)
    columns = {"name": "message", "starts_at": "createdAt", "acted": "acknowledged"}
    if closed >= 0.95:
        columns["ends_at"] = "updatedAt"
    elif not hold_seconds:
        raise SignalboxError(
            f"--hold-seconds: {file}: {1 - closed:.0%} of Opsgenie's alerts aren't closed; say how "
            "long an alert lasts whose end nobody knows, for example --hold-seconds 300"
        )
    labels = {"severity": "priority", "source": "source"}
    labels = {label: column for label, column in labels.items() if column in records[0]}
    held = {} if "ends_at" in columns else {"hold_seconds": hold_seconds}
    more = {"labels_json": "details"} if isinstance(records[0].get("details"), dict) else {}
    form = {} if is_lines(file) else {"format": "json"}
    settings = {"table": "alerts", **form, "columns": columns, "labels": labels, **more, **held}
    return source("table", f"{file.name}: Opsgenie's alerts", **settings)  # type: ignore[no-any-return]


def _table_of(file: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return what the rows of a table are: by the file's name, else alerts."""
    words = set(words_of(file.name.split(".")[0]))
    if words & {"ticket", "tickets", "incident", "incidents", "issues", "jira"}:
        return "tickets"
    if words & {"change", "changes", "deployments", "deploys", "releases"}:
        return "changes"
    return "alerts"


def _columns(table: str, names: Iterable[str]) -> dict[str, str]:
    """Map the contract's columns to those of a file."""
    low = {re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_"): name for name in names}
    found: dict[str, str] = {}
    for column, known in _COLUMNS[table].items():
        taken = set(found.values())
        match = next((low[name] for name in known if name in low and low[name] not in taken), None)
        if match is not None:
            found[column] = match
    return found


def _mapped(  # noqa: PLR0917
    source: Any,
    file: Path,
    rows: Sequence[Mapping[str, Any]],
    table: str,
    hold_seconds: int | None,
    option: str,
) -> Source:
    names = [str(name) for name in rows[0] if name is not None]
    columns = _columns(table, names)
    nested = next(
        (name for name in names if isinstance(rows[0][name], dict) and "label" in name.lower()),
        None,
    )
    settings: dict[str, Any] = {"table": table}
    if table == "alerts":
        if nested is not None:
            settings["labels_json"] = nested
            if "alertname" in rows[0][nested]:
                columns.pop("name", None)
        labels = label_columns(rows, [name for name in names if name not in columns.values()])
        if labels and nested is None:
            settings["labels"] = labels
    lacking = [name for name in _NEEDED[table] if name not in columns
               and not (name == "name" and nested is not None)]  # fmt: skip
    if lacking:
        raise SignalboxError(
            f"{option} {file}: no column looks like {' or '.join(lacking)} of {table}; it has "
            f"{', '.join(names[:20])}: rename one ({', '.join(_COLUMNS[table][lacking[0]][:4])}); "
            f"there may be {FORMS}"
        )
    if table == "alerts" and "ends_at" not in columns:
        if not hold_seconds:
            raise SignalboxError(
                f"--hold-seconds: {file} has no column that says when an alert ended "
                f"({', '.join(_ENDS[:4])}); say how long one lasts, for example --hold-seconds 300"
            )
        settings["hold_seconds"] = hold_seconds
    if table == "tickets" and "kind" not in columns:
        settings["constants"] = {"kind": "incident"}
    if table == "changes" and "kind" not in columns:
        settings["constants"] = {"kind": "deployment"}
    if (
        ".csv" in file.suffixes
        and (sign := likely_delimiter(head_of(file).decode(errors="replace"))) != ","
    ):
        settings["delimiter"] = sign
    told = ", ".join(f"{name} = {column}" for name, column in columns.items())
    return source("table", f"{file.name}: {table}: {told}", columns=columns, **settings)  # type: ignore[no-any-return]


_OTLP = {
    "resourceMetrics": "otlp_metrics",
    "resourceLogs": "otlp_logs",
    "resourceSpans": "otlp_traces",
}


def _telemetry(folder: Path) -> list[Source]:
    """Find the forms of a folder's files; files of one form, ending and folder are one source."""
    if not folder.is_dir():
        raise SignalboxError(f"--telemetry {folder}: no such folder")
    groups: dict[tuple[str, str, str], tuple[dict[str, Any], int]] = {}
    strange = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        if file.name.startswith((".", "_")) or "truth" in file.relative_to(folder).parts:
            continue
        settings = _signal(file)
        if settings is None:
            strange.append(file.relative_to(folder).as_posix())
            continue
        endings = "".join(suffix for suffix in file.suffixes if not suffix[1:].isdigit())
        key = (json.dumps(settings, sort_keys=True), file.parent.as_posix(), endings)
        groups[key] = (settings, groups.get(key, ({}, 0))[1] + 1)
    found = []
    for (_, parent, endings), (settings, count) in groups.items():
        kind = str(settings["kind"])
        what = settings.get("table") or kind
        pattern = f"{parent}/*{endings}"
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{Path(parent).name}-{what}").strip("-.")
        told = f"{count:,} file(s), {pattern}"
        found.append(Source({"name": name, **settings, "files": [pattern]},
                            Guess("aiops.telemetry.sources", f"{name}: {kind}", told)))  # fmt: skip
    if strange:
        shown = ", ".join(strange[:5]) + (", …" if len(strange) > 5 else "")
        guess = Guess("aiops.telemetry.sources", "not read", f"no known form: {shown}", asks=True)
        found = [*found, Source({}, guess)] if found else []
    if not found:
        raise SignalboxError(
            f"--telemetry {folder}: no file has a known form (CSV of metrics, OpenMetrics, "
            f"OTLP, Jaeger or Zipkin JSON, log files, JSON lines); it has {', '.join(strange[:5])}"
        )
    return found


def _signal(file: Path) -> dict[str, Any] | None:  # noqa: PLR0911  (one form after the other)
    """Return the settings of a source for a file of metrics, logs or traces; None = unknown."""
    endings = {suffix.lower() for suffix in file.suffixes}
    document = document_of(file)
    first = document[0] if isinstance(document, list) and document else document
    if isinstance(document, dict):
        for key, kind in _OTLP.items():
            if key in document:
                return {"kind": kind}
        traces = document.get("data")
        if (
            isinstance(traces, list)
            and traces
            and isinstance(traces[0], dict)
            and "traceID" in traces[0]
        ):
            return {"kind": "jaeger"}
    if isinstance(first, dict):
        if {"traceId", "id"} <= first.keys():
            return {"kind": "zipkin"}
        if first.keys() & {"message", "msg", "body", "event", "log"}:
            return {"kind": "log_jsonl"}
        if first.keys() & {"metric", "value", "metric_name"}:
            return _metrics(file)
        return None
    if endings & {".csv", ".parquet"}:
        return _metrics(file)
    head = head_of(file)
    if re.search(rb"^# (TYPE|HELP) ", head, re.MULTILINE):
        return {"kind": "openmetrics"}
    if endings & {".log", ".txt", ".out", ".err"} or file.suffix[1:].isdigit():
        return {"kind": "log_files"}
    return None


def _metrics(file: Path) -> dict[str, Any] | None:
    rows = first_records(file, "--telemetry", FORMS)
    names = [str(name) for name in rows[0] if name is not None]
    table = _table_of(file, rows)
    if table in ("tickets", "changes"):
        columns = _columns(table, names)
        if not set(_NEEDED[table]) <= set(columns):
            return None
        kind = {"tickets": "incident", "changes": "deployment"}[table]
        more = {} if "kind" in columns else {"constants": {"kind": kind}}
        return {"kind": "table", "table": table, "columns": columns, **more}
    columns = _columns("metrics", names)
    if "at" not in columns:
        return None
    others = [name for name in names if name not in columns.values()]
    settings: dict[str, Any] = {"kind": "table", "table": "metrics"}
    delimiter = (
        likely_delimiter(head_of(file).decode(errors="replace")) if ".csv" in file.suffixes else ","
    )
    sign = {} if delimiter == "," else {"delimiter": delimiter}
    labels = label_columns(rows, others)
    held = {"labels": labels} if labels else {}
    if {"name", "value"} <= set(columns):
        return {**settings, **sign, "columns": columns, **held}
    numeric = [name for name in names if name != columns["at"] and is_numeric_column(rows, name)]
    values = {re.sub(r"[^A-Za-z0-9_:]", "_", name): name for name in numeric}
    if not values:
        return None
    kept = {label: column for label, column in labels.items() if column not in numeric}
    return {**settings, **sign, "columns": {"at": columns["at"]}, "values": values,
            **({"labels": kept} if kept else {})}  # fmt: skip


def rules_files(alertmanager: Path, prometheus: Path | None) -> RuleFiles:
    """Check today's configuration, and name its files.

    They are read where they are, never copied: an alertmanager.yml may hold secrets, and a copy in
    git would keep them.

    Parameters
    ----------
    alertmanager : Path
        ``alertmanager.yml``.
    prometheus : Path or None
        A ``prometheus.yml``, or a folder of them.

    Returns
    -------
    RuleFiles

    Raises
    ------
    SignalboxError
        Naming the option and the file.
    """
    import yaml

    from pipelines.aiops.alerting.config import load_config

    file = alertmanager.expanduser().resolve()
    if not file.is_file():
        raise SignalboxError(f"--alertmanager {alertmanager}: no such file")
    load_config(file)
    found: list[str] = []
    guesses = [
        Guess("aiops.export_rules.alertmanager_yml", str(file), "read where it is, not copied")
    ]
    if prometheus is not None:
        place = prometheus.expanduser().resolve()
        files = (
            sorted([*place.rglob("*.yml"), *place.rglob("*.yaml")]) if place.is_dir() else [place]
        )
        for one in files:
            try:
                content = yaml.safe_load(one.read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
                raise SignalboxError(f"--prometheus {one}: cannot be read: {error}") from error
            if isinstance(content, dict) and content.keys() & {
                "global",
                "scrape_configs",
                "rule_files",
            }:
                found.append(str(one))
        if not found:
            raise SignalboxError(
                f"--prometheus {prometheus}: no prometheus.yml there (with global, rule_files or "
                "scrape_configs)"
            )
        guesses.append(
            Guess("aiops.export_rules.prometheus", f"{len(found)} file(s)", ", ".join(found))
        )
    else:
        why = "without a prometheus.yml nothing is held: name it with --prometheus, or there"
        guesses.append(Guess("aiops.export_rules.prometheus", "[]", why, asks=True))
    return RuleFiles(str(file), str(file.parent if found else file), found, guesses)


_HISTORY = """\
  alert_history:  # the window of alerts that rules are mined and tested on
    lake: {lake}  # absolute, because a run in Airflow has a work tree of its own
    days: 0  # length of the window; 0 = all there is

  mine_rules:
    exclude: []  # what no rule may touch, e.g. {{alertname: DiskFull}}

  select_rules:
    short_wait_seconds: 180  # alerts are held for so long at most where few incidents are known

"""
_EXPORT = """\
  export_rules:
    alertmanager_yml: {alertmanager_yml}  # today's configuration
    watch: {watch}  # file or folder whose change makes the rules' stages run again
    prometheus: {prometheus}  # each prometheus.yml, for its external labels; [] = nothing is held
    paging_receivers: []  # receivers that wake somebody, by name; [] = by their kind and name
    alertmanager_version: "0.35"  # that reads alertmanager.yml
    answer_seconds: 0.3  # how long a receiver takes to answer a notification
    step_seconds: 30  # how often the rules that hold are evaluated
    chat_receiver: null  # told of held alerts at once; null = the top route's, or the first chat
    chat_url: null  # where people find what chat was told; null = no link
    publish:  # where released rules go (signalbox rules publish)
      shadow: true  # true = writes no file and says what it would write, save and miss
      alertmanager_yml: null  # merged into what stands there; null = only exported
      hold_rules_yml: null  # rule file that is wholly ours; needed once alerts are held

"""
_RULES_REPORT = """\
  report_rules:  # what stays "{blank}" is red in the report
    title: {title}  # first line of the report
    owner: {blank}  # who answers for the rules
    not_for: {blank}  # what they must not be used for
    contact: {blank}  # where questions go

"""
_ANALYSIS = """\
  analysis:  # the window of metric_anomalies, log_anomalies, map_services and group_incidents
    lake: {lake}  # absolute, because a run in Airflow has a work tree of its own
    until: null  # end of the window, UTC, "YYYY-MM-DDTHH:MM"; null = end of the latest complete day
    hours: 24  # length of the window
    results: {results}  # where DAGs keep results, a folder a window; not for git
    state: {state}  # what detectors remember from day to day; may be removed
    schedule: "@hourly"  # of the DAGs telemetry_anomalies and service_map; or cron

  metric_anomalies:
    lookback_days: 15  # days before the window that serve as history

  log_anomalies:
    history_days: 14  # days before the window that a template is compared with

  map_services:
    compare_days: 1  # compared with the same hours so many days earlier; 0 = with nothing

  group_incidents:
    max_incident_minutes: 240  # a chain of linked findings is cut after so long

  report_incidents:
    title: {title}  # first line of the pages
    owner: {blank}  # who answers for them
"""
NO_ALERTMANAGER = """\
# No Alertmanager was named: this one notifies nobody. Yours: aiops.export_rules.alertmanager_yml.
route:
  receiver: nobody
receivers:
  - name: nobody
"""
"""What incidents are grouped with where there are no alerts to route."""


def aiops_text(
    root: Path,
    name: str,
    sources: Sequence[Mapping[str, Any]],
    routing: RuleFiles | None,
    *,
    with_rules: bool,
    with_analysis: bool,
) -> str:
    """Write section ``aiops`` of ``params.yaml``.

    Parameters
    ----------
    root : Path
        The project's top directory; absolute.
    name : str
        The project's name.
    sources : sequence of mapping of str to object
        As ``aiops.telemetry.sources`` has them.
    routing : RuleFiles or None
        Today's configuration; None = there is no Alertmanager.
    with_rules : bool
        Whether alert rules are wanted.
    with_analysis : bool
        Whether incidents are wanted.

    Returns
    -------
    str
        YAML, with a comment at every key.
    """
    lake = inline(str(root / "telemetry" / "lake"))
    lines = [
        "aiops:  # alert rules and incidents; a subsection a stage",
        "  telemetry:  # signalbox ingest, DAG collect_telemetry",
        f"    lake: {lake}  # folder that sources are read into; not for git",
        "    sources:  # names are part of each alert's identity: don't rename them",
        "      - {name: airflow, kind: airflow}  # this project's own Airflow; needs nothing",
        *(f"      - {inline(dict(source))}" for source in sources),
    ]
    blank = NOT_FILLED_IN
    text = "\n".join(lines) + "\n\n"
    if routing is None:
        # In the project, and no secret in it: a clone has it as well.
        routing = RuleFiles("alertmanager.yml", "alertmanager.yml")
    if with_rules:
        text += _HISTORY.format(lake=lake)
    text += _EXPORT.format(
        alertmanager_yml=inline(routing.alertmanager_yml), watch=inline(routing.watch),
        prometheus=inline(routing.prometheus),
    )  # fmt: skip
    if with_rules:
        text += "  gate_rules:\n    checks:  # the policy for rule sets; owners are yours to name\n"
        text += _checks() + "\n" + _RULES_REPORT.format(
            blank=blank, title=inline(f"Alert noise rules, {name}"))  # fmt: skip
    if with_analysis:
        text += _ANALYSIS.format(
            lake=lake, results=inline(str(root / "telemetry" / "results")), blank=blank,
            state=inline(str(root / "telemetry" / "state")), title=inline(f"What is wrong, {name}"),
        )  # fmt: skip
    return text


def _checks() -> str:
    keys = ("id", "protects", "figure", "compare", "threshold", "on_fail", "reason")
    lines = []
    for check in usual_policy():
        for key in keys:
            if key in check:
                lead = "      - " if key == "id" else "        "
                lines.append(f"{lead}{key}: {inline(check[key])}")
        lines.insert(len(lines) - 1, f"        owner: {NOT_FILLED_IN}")
    return "\n".join(lines) + "\n"
