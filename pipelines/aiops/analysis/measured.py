"""Evidence and metrics of the analysis' stages: how much was looked at and found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.aiops.analysis.window import Window
from pipelines.aiops.findings import Finding
from pipelines.aiops.params import AiopsParams
from pipelines.base.artifacts import evidence_of, metrics_of
from pipelines.base.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.base.files import sha256_path, write_json

UNITS = {"series": "series", "points": "points", "uncertain": "findings", "lines": "lines",
         "templates": "templates", "history_days": "days", "spans": "spans", "traces": "traces",
         "nodes": "nodes", "edges": "edges", "changes": "changes", "incidents": "incidents",
         "missing_parents": "spans"}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What a stage measured.

    Attributes
    ----------
    out
        Its file or folder, below the place.
    tables
        Tables that it read in the lake.
    made_of
        Other files of the place that it read → SHA-256.
    rules
        What `held` told of the rows; None: not asked.
    """

    stage: str
    out: Path
    tables: Sequence[str]
    counts: Mapping[str, Any]
    findings: Sequence[Finding]
    made_of: Mapping[str, str] = field(default_factory=dict)
    rules: Sequence[Mapping[str, Any]] | None = None


def write_measured(place: Path, params: AiopsParams, window: Window, found: Measured) -> None:
    """Write ``evidence/<stage>.json`` and ``metrics/<stage>.json`` of a place."""
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
    kinds = Counter(f"{one.signal}.{one.kind}" for one in found.findings)
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
            **_of_lake(place, params, found),
            **found.made_of,
            found.out.as_posix(): sha256_path(place / found.out),
        },
        figures=figures,
        details=details,
    )
    write_evidence(place / evidence_of(found.stage), evidence)
    values = {one.id.removeprefix(f"{found.stage}."): one.value for one in figures}
    write_json(place / metrics_of(found.stage), values)


def _broken(stage: str, rules: Sequence[Mapping[str, Any]]) -> Figure:
    number = sum(not rule["kept"] for rule in rules)
    return Figure(id=f"{stage}.rules_broken", label="Expectations that rows break", value=number,
                  method="rules of the table's suite that some row of the window breaks",
                  n=len(rules), unit="rules")  # fmt: skip


def _of_lake(place: Path, params: AiopsParams, found: Measured) -> dict[str, str]:
    """Hash what was read of the lake, in a run of DVC, for which the lake stands still.

    The lake of a DAG grows: the same window would have another hash each hour.
    """
    lake = Path(params.analysis.lake)
    folders = [lake / name for name in found.tables] if place == Path() else []
    return hash_inputs(*(folder for folder in folders if folder.is_dir()))
