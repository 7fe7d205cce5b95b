"""Evidence and metrics of the analysis' stages: how much was looked at and found."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.aiops.analysis.window import Window
from pipelines.aiops.findings import Finding
from pipelines.aiops.params import AiopsParams
from pipelines.base.artifacts import evidence_of, metrics_of
from pipelines.base.evidence import Evidence, Figure, write_evidence
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
    table
        Signal that it read in the lake; empty: none.
    """

    stage: str
    out: Path
    table: str
    counts: Mapping[str, Any]
    findings: Sequence[Finding]


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
    kinds = Counter(f"{one.signal}.{one.kind}" for one in found.findings)
    details = {
        "window": window.as_json(),
        "kinds": dict(sorted(kinds.items())),
        "skipped": found.counts.get("skipped", {}),
        **({"lake": params.analysis.lake, "table": found.table} if found.table else {}),
    }
    evidence = Evidence(
        stage=found.stage,
        inputs={found.out.as_posix(): sha256_path(place / found.out)},
        figures=figures,
        details=details,
    )
    write_evidence(place / evidence_of(found.stage), evidence)
    values = {one.id.removeprefix(f"{found.stage}."): one.value for one in figures}
    write_json(place / metrics_of(found.stage), values)
