"""Evidence of the analysis' stages: how much was looked at and found, and expectations broken."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.contract import Table
from pipelines.aiops.lake.days import files_between
from pipelines.aiops.lake.engine import opened, parquet
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.lake.profile import profile_of
from pipelines.aiops.lake.window import Window, lake_of
from pipelines.aiops.params import AiopsParams
from pipelines.core.artifacts import EXPECTATIONS, evidence_of, metrics_of
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import sha256_path, write_json
from pipelines.core.profile_expectations import run_suite


def check_expectations(params: AiopsParams, window: Window, table: Table) -> list[dict[str, Any]]:
    """Check a window's rows against each expectation of the table's suite.

    Parameters
    ----------
    params : AiopsParams
        Says where the lake lies and how much memory the engine may use.
    window : Window
    table : Table
        Its suite is ``telemetry_<table>.json``.

    Returns
    -------
    list of dict
        ``rule``, ``reason``, ``kept``, ``broken_rows``; empty without rows.

    Raises
    ------
    SignalboxError
        If the suite is missing or no suite, or the files aren't of the contract.
    """
    import duckdb

    lake = lake_of(params.analysis)
    files = files_between(lake, table, window.start.date(), window.last_day)
    if not files:
        return []
    rows = (
        f'(SELECT * FROM {parquet(files)} WHERE "{table.time}" >= '
        f'make_timestamptz({window.start_us}) AND "{table.time}" < '
        f"make_timestamptz({window.end_us}))"
    )
    try:
        with opened(params.runtime.memory_mb) as raw:
            profile = profile_of(raw, table.name, rows)
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise SignalboxError(f"{lake}/{table.name}: not of the contract: {text}") from error
    if not len(profile):
        return []
    return [
        {
            "rule": expectation.title,
            "reason": expectation.reason,
            "kept": expectation.kept,
            "broken_rows": expectation.rows,
        }
        for expectation in run_suite(profile, EXPECTATIONS / f"telemetry_{table.name}.json")
    ]


UNITS = {"series": "series", "points": "points", "uncertain": "findings", "lines": "lines",
         "templates": "templates", "history_days": "days", "spans": "spans", "traces": "traces",
         "nodes": "nodes", "edges": "edges", "changes": "changes", "incidents": "incidents",
         "missing_parents": "spans"}  # fmt: skip


@dataclass(frozen=True)
class StageResult:
    """What a stage measured.

    Attributes
    ----------
    stage : str
        Its name, as in ``dvc.yaml``.
    out : Path
        Its file or folder, relative to the directory of results.
    tables : sequence of str
        Tables that it read in the lake.
    counts : mapping
        Name → what was looked at; whole numbers become figures. ``skipped`` goes to the details.
    findings : sequence of Finding
    made_of : mapping of str to str
        Other files of the directory that it read → SHA-256.
    rules : sequence of mapping, optional
        What `check_expectations` returned; None: not checked.
    """

    stage: str
    out: Path
    tables: Sequence[str]
    counts: Mapping[str, Any]
    findings: Sequence[Finding]
    made_of: Mapping[str, str] = field(default_factory=dict)
    rules: Sequence[Mapping[str, Any]] | None = None


def write_stage_result(
    directory: Path, params: AiopsParams, window: Window, found: StageResult
) -> None:
    """Write ``evidence/<stage>.json`` and ``metrics/<stage>.json``.

    Parameters
    ----------
    directory : Path
        Directory of results; the project's root in a run of DVC, where the lake is hashed too.
    params : AiopsParams
    window : Window
        The time that was analysed.
    found : StageResult
        What the stage measured; its `out` must be written already.
    """
    figures = [
        Figure(
            id=f"{found.stage}.{name}", label=name.replace("_", " ").capitalize(), value=value,
            method="counted", n=value, unit=UNITS.get(name, "findings"),
        )
        for name, value in found.counts.items() if isinstance(value, int)
    ]  # fmt: skip
    number = len(found.findings)
    figures.append(
        Figure(id=f"{found.stage}.findings", label="Findings", value=number,
               method="findings that are rare enough over everything that was looked at", n=number,
               unit="findings")
    )  # fmt: skip
    if found.rules is not None:
        figures.append(_broken(found.stage, found.rules))
    kinds = Counter(f"{finding.signal}.{finding.kind}" for finding in found.findings)
    details = {
        "window": window.as_json(),
        "kinds": dict(sorted(kinds.items())),
        "skipped": found.counts.get("skipped", {}),
        "lake": params.analysis.lake,
        "tables": list(found.tables),
        **({} if found.rules is None else {"rules": list(found.rules)}),
    }
    evidence = Evidence(
        stage=found.stage,
        inputs={
            **_of_lake(directory, params, found),
            **found.made_of,
            found.out.as_posix(): sha256_path(directory / found.out),
        },
        figures=figures,
        details=details,
    )
    write_evidence(directory / evidence_of(found.stage), evidence)
    values = {figure.id.removeprefix(f"{found.stage}."): figure.value for figure in figures}
    write_json(directory / metrics_of(found.stage), values)


def _broken(stage: str, rules: Sequence[Mapping[str, Any]]) -> Figure:
    number = sum(not rule["kept"] for rule in rules)
    return Figure(id=f"{stage}.rules_broken", label="Expectations that rows break", value=number,
                  method="rules of the table's suite that some row of the window breaks",
                  n=len(rules), unit="rules")  # fmt: skip


def _of_lake(directory: Path, params: AiopsParams, found: StageResult) -> dict[str, str]:
    """Hash what was read of the lake, in a run of DVC, for which the lake stands still.

    The lake of a DAG grows: the same window would have another hash each hour.
    """
    lake = Path(params.analysis.lake)
    folders = [lake / name for name in found.tables] if directory == Path() else []
    return hash_inputs(*(folder for folder in folders if folder.is_dir()))
