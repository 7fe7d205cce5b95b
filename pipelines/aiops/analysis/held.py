"""Signals of a window held against the contract's expectations: counted, nothing is left out."""

from typing import Any

from pipelines.aiops.analysis.window import Window, lake_of
from pipelines.aiops.engine import opened, parquet
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.telemetry.contract import Table
from pipelines.aiops.telemetry.days import files_between
from pipelines.aiops.telemetry.profile import profile_of
from pipelines.aiops.telemetry.suite import run_suite
from pipelines.base.artifacts import EXPECTATIONS
from pipelines.base.errors import SignalboxError


def held(params: AiopsParams, window: Window, table: Table) -> list[dict[str, Any]]:
    """Tell of each rule of a table's suite whether the window's rows keep it.

    Returns
    -------
    list of dict
        ``rule``, ``reason``, ``kept``, ``broken_rows``; none without rows.

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
        with opened(params.analysis.memory_mb) as raw:
            profile = profile_of(raw, table.name, rows)
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        raise SignalboxError(f"{lake}/{table.name}: not of the contract: {text}") from error
    if not len(profile):
        return []
    return [
        {"rule": one.title, "reason": one.reason, "kept": one.kept, "broken_rows": one.rows}
        for one in run_suite(profile, EXPECTATIONS / f"telemetry_{table.name}.json")
    ]
