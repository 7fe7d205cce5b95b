"""How far two tables lie apart, column by column, measured by Evidently."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, computed_field

from pipelines.base.numbers import tidy
from pipelines.base.params.data import DataParams
from pipelines.base.params.stages import DriftParams
from pipelines.mlops.drift_tables import BOTH_EMPTY, Pair, Role, missing_share, pair, roles, sample

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = "wasserstein"
TEXTS = "jensenshannon"
METHODS = {
    NUMBERS: "Wasserstein distance divided by the reference's standard deviation",
    TEXTS: "Jensen-Shannon distance, natural logarithm",
}
"""Fixed: Evidently's default changes with the number of rows from tests to distances, and then a
threshold means one thing on small tables and another on large ones."""


class ColumnDrift(BaseModel):
    """One column of a comparison.

    Attributes
    ----------
    distance
        By `method`; None where the column cannot be compared, then `problem` says why.
    drifted
        Whether the distance or the change of the missing share is at or above the threshold, or
        only one table has values of this type.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str
    role: Role
    method: str
    distance: float | None
    threshold: float
    missing_reference: float
    missing_current: float
    problem: str

    @computed_field  # type: ignore[prop-decorator]
    @property
    def drifted(self) -> bool:
        """Whether the column counts as drifted."""
        moved = abs(self.missing_current - self.missing_reference) >= self.threshold
        far = self.distance is not None and self.distance >= self.threshold
        return far or moved or self.problem not in ("", BOTH_EMPTY)


class Comparison(BaseModel):
    """Two tables compared; `rows_*` are the rows that were looked at, after sampling."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    reference: str
    current: str
    rows_reference: int
    rows_current: int
    columns: list[ColumnDrift]

    def share(self) -> float:
        """Share of the columns that drifted."""
        return sum(column.drifted for column in self.columns) / len(self.columns)


@contextmanager
def quiet_evidently() -> Iterator[None]:
    """Import and run Evidently without telemetry and without the warnings of its dependencies."""
    # Evidently imports the whole of its server, whose parts warn about each other; and it
    # correlates constant columns. Neither is anything a user of this stage can act on.
    os.environ["DO_NOT_TRACK"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def compare(
    tables: "tuple[pd.DataFrame, pd.DataFrame]",
    titles: tuple[str, str, str],
    data: DataParams,
    drift: DriftParams,
) -> tuple[Comparison, Any]:
    """Compare a current table with a reference.

    Parameters
    ----------
    tables
        Reference and current.
    titles
        Of the comparison, of the reference, of the current table.

    Returns
    -------
    comparison, snapshot
        The snapshot is Evidently's result, for the page; None if no column can be compared.

    Raises
    ------
    SignalboxError
        If a number is infinite.
    """
    reference, current = (sample(table, drift.max_rows) for table in tables)
    kinds = roles(list(dict.fromkeys([*reference.columns, *current.columns])), data)
    both = pair(reference, current, list(kinds))
    snapshot = _run(both, drift.column_threshold)
    distances = _distances(snapshot, both)
    methods = dict.fromkeys(both.numbers, METHODS[NUMBERS])
    methods |= dict.fromkeys(both.texts, METHODS[TEXTS])
    columns = [
        ColumnDrift(
            column=name,
            role=role,
            method=""
            if name in both.problems
            else METHODS[NUMBERS if name in both.numbers else TEXTS],
            distance=distances.get(name),
            threshold=drift.column_threshold,
            missing_reference=tidy(missing_share(reference, name)),
            missing_current=tidy(missing_share(current, name)),
            problem=both.problems.get(name, ""),
        )
        for name, role in kinds.items()
    ]
    comparison = Comparison(
        title=titles[0],
        reference=titles[1],
        current=titles[2],
        rows_reference=len(reference),
        rows_current=len(current),
        columns=columns,
    )
    return comparison, snapshot


def _run(both: Pair, threshold: float) -> Any:
    """Run Evidently's preset; columns go by the names `_safe` gives them."""
    if not both.numbers and not both.texts:
        return None
    with quiet_evidently():
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        names = _safe_names(both)
        definition = DataDefinition(
            numerical_columns=[names[name] for name in both.numbers],
            categorical_columns=[names[name] for name in both.texts],
        )
        preset = DataDriftPreset(
            num_method=NUMBERS,
            cat_method=TEXTS,
            num_threshold=threshold,
            cat_threshold=threshold,
        )
        current, reference = (
            Dataset.from_pandas(_safe(table, both), definition)
            for table in (both.current, both.reference)
        )
        return Report([preset]).run(current_data=current, reference_data=reference)


def _distances(snapshot: Any, both: Pair) -> dict[str, float]:
    """Column -> distance, from Evidently's own result."""
    if snapshot is None:
        return {}
    plain = {safe: name for name, safe in _safe_names(both).items()}
    return {
        plain[metric["config"]["column"]]: tidy(float(metric["value"]))
        for metric in snapshot.dict()["metrics"]
        if "column" in metric["config"]
    }


def _safe_names(both: Pair) -> dict[str, str]:
    return {name: _safe_text(name) for name in (*both.numbers, *both.texts)}


def _safe(table: "pd.DataFrame", both: Pair) -> "pd.DataFrame":
    """Texts that cannot end the script element in which Evidently's page carries its data."""
    renamed = table.rename(columns=_safe_names(both))
    for name in (_safe_text(name) for name in both.texts):
        renamed[name] = renamed[name].map(_safe_text).astype(object)
    return renamed


def _safe_text(text: str) -> str:
    return text.replace("</", "< /").replace("<!--", "< !--")
