"""Stage ``validate``: hold the table against its expectations.

Rows that break a rule on rows go to quarantine with rule and reason; a broken rule on the whole
table stops the run. Nothing is dropped: in = kept + quarantined.

Columns that give the target away, or merely name the rows, are counted for the gate and said out
loud here, before anything is trained (`pipelines.mlops.data.leaks`).

Evidence details: `pipelines.mlops.data.evidence.ValidateDetails`.
"""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.artifacts import (
    DATA_DOCS,
    EXPECTATIONS,
    INGESTED,
    QUARANTINE,
    RUN_FACTS,
    VALIDATED,
    evidence_of,
)
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.expectations import RuleResult, SuiteRun, run_suite
from pipelines.core.files import write_folder
from pipelines.core.params import DataParams, Params
from pipelines.core.stage import log, run_stage
from pipelines.core.tables import ROW, SUBJECT, UNREADABLE, read_table, write_table
from pipelines.mlops.data.cells import rare, subjects_of
from pipelines.mlops.data.columns import check_binary
from pipelines.mlops.data.evidence import CheckedRule, ColumnCheck, RowCounts, ValidateDetails
from pipelines.mlops.data.leaks import FOLDS, check_columns

if TYPE_CHECKING:
    import pandas as pd


_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOAD_TIME = re.compile(r"\b20\d{6}T\d{6}\.\d{6}Z")
_REMOTE_LOGO = re.compile(r"https://[^\"']*/logo-long\.png\?d=[^\"']*")
_FIXED_TIME = "20000101T000000.000000Z"
_UNUSED_IMAGES = ("*.gif", "iterative-dev-loop.png")


def build_data_docs(context: Any, folder: Path) -> None:
    """Build the Data Docs of `context` in `folder`, without times and random ids.

    Great Expectations writes a fresh UUID into every collapsible block, the time of loading, and a
    logo fetched from its own server with a time stamp; these become running numbers, a fixed
    time and the local copy of the logo.
    """
    context.add_data_docs_site(
        "signalbox",
        {
            "class_name": "SiteBuilder",
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            "store_backend": {
                "class_name": "TupleFilesystemStoreBackend",
                "base_directory": str(folder.resolve()),
            },
        },
    )
    context.build_data_docs(site_names=["signalbox"])
    for page in sorted(folder.rglob("*.html")):
        page.write_text(_reproducible(page, folder), encoding="utf-8")
    for pattern in _UNUSED_IMAGES:
        for image in folder.rglob(pattern):
            image.unlink()


def _reproducible(page: Path, folder: Path) -> str:
    text = page.read_text(encoding="utf-8")
    numbers: dict[str, str] = {}
    text = _UUID.sub(lambda m: numbers.setdefault(m.group(), f"id-{len(numbers)}"), text)
    up = "../" * (len(page.relative_to(folder).parts) - 1)
    text = _REMOTE_LOGO.sub(f"{up}static/images/logo-long.png", text)
    return _LOAD_TIME.sub(_FIXED_TIME, text)


STAGE = "validate"


def main(params: Params) -> None:
    """Run the stage."""
    suite = EXPECTATIONS / f"{params.validation.suite}.json"
    frame = read_table(INGESTED)
    basics = basic_rules(frame, params.data)
    sound = frame[~frame[ROW].isin(_rows(basics))].drop(columns=[UNREADABLE])
    subjects = subjects_of(sound)

    def hidden(column: str) -> set[Hashable]:
        return rare(sound[column], subjects, params.data.min_cell)

    run = run_suite(sound, suite, hidden if params.data.min_cell > 1 else None)
    results = basics + run.results
    stop_if_broken(results, run, suite)
    kept, quarantine = part(frame, results)
    share = len(quarantine) / len(frame)
    if share > params.validation.max_quarantined_share:
        raise SignalboxError(
            f"{len(quarantine):,} of {len(frame):,} rows ({share:.2%}) break a rule, more than "
            f"validate.max_quarantined_share ({params.validation.max_quarantined_share:.2%}); "
            f"most by: {_worst(results)}; mend the source, or change {suite} or the share"
        )
    check_binary(kept, params.data, "after quarantine")
    columns = check_columns(kept, params.data, params.validation.leak_auc)
    write_table(VALIDATED, kept)
    write_table(QUARANTINE, quarantine)
    write_folder(DATA_DOCS, lambda folder: build_data_docs(run.context, folder))
    evidence = describe((frame, kept, quarantine), results, columns, suite)
    write_evidence(evidence_of(STAGE), evidence)
    for warning in warnings(columns):
        log(warning)
    log(f"{len(frame):,} rows = {len(kept):,} kept + {len(quarantine):,} in quarantine")


def basic_rules(frame: "pd.DataFrame", data: DataParams) -> list[RuleResult]:
    """Rules that hold for every table, whatever its suite says."""

    def rule(name: str, reason: str, broken: "pd.Series[bool]") -> RuleResult:
        rows = [int(row) for row in frame.loc[broken, ROW]]
        observed = f"{len(rows)} of {len(frame)} rows break it"
        return RuleResult(name, "quarantine", reason, not rows, rows, observed)

    return [
        rule("numbers can be read", "a numeric column holds a text", frame[UNREADABLE].notna()),
        rule("subject is known", "a row without a subject cannot be erased on request",
             frame[SUBJECT].isna()),
        rule("target is known", "a row without a label teaches nothing",
             frame[data.target].isna()),
    ]  # fmt: skip


def stop_if_broken(results: list[RuleResult], run: SuiteRun, suite: Path) -> None:
    """End the run if a rule on the whole table is broken; the Data Docs say more.

    Raises
    ------
    SignalboxError
        Naming every such rule and what was observed.
    """
    broken = [result for result in results if result.action == "stop" and not result.kept]
    if not broken:
        return
    docs = RUN_FACTS / "data_docs"
    write_folder(docs, lambda folder: build_data_docs(run.context, folder))
    rules = "; ".join(f"{result.rule}: {result.observed}" for result in broken)
    raise SignalboxError(f"{suite}: the table breaks {rules}; see {docs / 'index.html'}")


def part(frame: "pd.DataFrame", results: list[RuleResult]) -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Part the table in rows that keep to all rules, and rows that go to quarantine.

    Returns
    -------
    kept
        As `frame`, without the column `UNREADABLE`.
    quarantine
        The other rows with two more columns: ``rules`` and ``reasons``, joined by "; ".
    """
    rules: dict[int, list[RuleResult]] = {}
    for result in results:
        if result.action == "quarantine":
            for row in result.rows:
                rules.setdefault(row, []).append(result)
    broken = frame[ROW].isin(list(rules))
    quarantine = frame[broken].copy()
    found = [rules[int(row)] for row in quarantine[ROW]]
    quarantine["rules"] = _texts([[r.rule for r in row] for row in found], quarantine)
    quarantine["reasons"] = _texts([[r.reason for r in row] for row in found], quarantine)
    return (
        frame[~broken].drop(columns=[UNREADABLE]).reset_index(drop=True),
        quarantine.reset_index(drop=True),
    )


def warnings(columns: list[ColumnCheck]) -> list[str]:
    """Say which columns give the target away or name the rows; empty if none does.

    Parameters
    ----------
    columns : list of ColumnCheck
        What each column says alone.

    Returns
    -------
    list of str
        One line a column, with what to do.
    """
    lines = [
        f"LEAK: column {_named(c)} alone decides the target (ROC AUC {c.roc_auc:.4f}, balanced "
        f"accuracy {c.balanced_accuracy:.4f} on held-out rows); if it is made after the outcome, "
        "list it in data.after_outcome"
        for c in columns
        if c.decides_target
    ]
    lines += [
        f"KEY: column {_named(c)} differs in {c.distinct_share:.1%} of the rows that have it, as a "
        "key or a row number does; list it in data.ignore, or name it data.subject_key"
        for c in columns
        if c.names_rows
    ]
    return lines


def _named(column: ColumnCheck) -> str:
    """Name a column; that of a file's unnamed index is empty."""
    return f"'{column.name}'" if column.name else "'' (without a name)"


def _column_figures(columns: list[ColumnCheck]) -> list[Figure]:
    """Count the columns that give the target away, and those that name the rows."""

    def figure(name: str, label: str, found: list[str], method: str) -> Figure:
        where = {"columns": ", ".join(found)} if found else {}
        return Figure(
            id=f"validate.{name}",
            label=label,
            value=len(found),
            method=method,
            n=len(columns),
            unit="columns",
            where=where,
        )

    return [
        figure("leaking_columns", "Columns that alone decide the target",
               [_named(c) for c in columns if c.decides_target],
               "columns whose ROC AUC or balanced accuracy alone is at or above "
               f"validate.leak_auc, on held-out rows of {FOLDS} folds by subject (depth-limited "
               "tree; target encoding of texts); n counts columns"),
        figure("identifier_columns", "Columns that merely name or number the rows",
               [_named(c) for c in columns if c.names_rows],
               "columns that differ in nearly every row as keys do; n counts columns"),
    ]  # fmt: skip


def describe(
    tables: "tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]",
    results: list[RuleResult],
    columns: list[ColumnCheck],
    suite: Path,
) -> Evidence:
    """Count rows, broken rules, and columns that give the target away.

    Parameters
    ----------
    tables : tuple of three DataFrame
        All rows, those kept, and those in quarantine.
    results : list of RuleResult
        Every rule with what it found.
    columns : list of ColumnCheck
        What each column says alone.
    suite : Path
        The expectations.

    Returns
    -------
    Evidence
    """
    frame, kept, quarantine = tables
    n = len(frame)
    return Evidence(
        stage=STAGE,
        inputs=hash_inputs(INGESTED, suite),
        figures=[
            Figure(id="validate.rows_kept", label="Rows kept", value=len(kept), method="count",
                   n=n, unit="rows"),
            Figure(id="validate.rows_quarantined", label="Rows in quarantine",
                   value=len(quarantine), method="count", n=n, unit="rows"),
            Figure(id="validate.quarantined_share", label="Share of rows in quarantine",
                   value=len(quarantine) / n, method="quarantined / read", n=n, unit="share"),
            Figure(id="validate.rules_broken", label="Rules broken",
                   value=sum(not result.kept for result in results),
                   method="count of rules with at least one broken row or a broken table",
                   n=len(results), unit="rules"),
            *_column_figures(columns),
        ],
        details=ValidateDetails(
            counts=RowCounts(read=n, kept=len(kept), quarantined=len(quarantine)),
            rules=[
                CheckedRule(rule=r.rule, action=r.action, reason=r.reason, kept=r.kept,
                            broken_rows=len(r.rows), observed=r.observed)
                for r in results
            ],
            columns=columns,
        ).model_dump(mode="json", by_alias=True),
    )  # fmt: skip


def _rows(results: list[RuleResult]) -> list[int]:
    return [row for result in results for row in result.rows]


def _texts(lists: list[list[str]], like: "pd.DataFrame") -> "pd.Series[str]":
    import pandas as pd

    return pd.Series(["; ".join(texts) for texts in lists], index=like.index, dtype="str")


def _worst(results: list[RuleResult]) -> str:
    worst = max((r for r in results if r.action == "quarantine"), key=lambda r: len(r.rows))
    return f"{worst.rule} ({len(worst.rows):,} rows)"


if __name__ == "__main__":
    run_stage(STAGE, main)
