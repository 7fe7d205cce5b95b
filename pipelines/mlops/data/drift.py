"""How far two tables lie apart, column by column, measured by Evidently."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, computed_field

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import round_floats
from pipelines.core.params import DataParams, DriftParams
from pipelines.core.tables import RESERVED, ROW, SUBJECT
from pipelines.mlops.data.cells import OTHER, coarse, pooled, rows_needed, subjects_of
from pipelines.mlops.data.columns import is_numeric

if TYPE_CHECKING:
    import pandas as pd


Role = Literal["input", "sensitive", "target"]

MISSING = "<missing>"
BOTH_EMPTY = "no value in either table"
TOP_VALUES = 50
"""Values of a text column compared one by one, the most frequent in the reference; the rest count
as one. Between two samples of a column with thousands of rare values every distance is large."""


PAGE_COLUMNS = 18
"""Columns that a page of Evidently's shows, of all its comparisons: each takes up to 70 kB, and no
browser is quick with a page of 500 columns, 50 MB large. Evidence and report have all distances."""


@dataclass(frozen=True)
class Pair:
    """Reference and current table, with the same `n` columns in the same form.

    Attributes
    ----------
    numbers, texts
        Names of the columns that can be compared.
    problems
        Column -> why it cannot be compared.
    scaled
        Names of the columns whose numbers were shifted and scaled, because no histogram can be
        drawn of them as they are; their distances are the same.
    """

    reference: "pd.DataFrame"
    current: "pd.DataFrame"
    numbers: list[str]
    texts: list[str]
    problems: dict[str, str]
    scaled: frozenset[str] = frozenset()


def roles(columns: list[str], data: DataParams) -> dict[str, Role]:
    """Columns that are compared, and what they are; ignored ones and keys aren't."""
    found: dict[str, Role] = {}
    for name in columns:
        if name == data.target:
            found[name] = "target"
        elif name in data.sensitive:
            found[name] = "sensitive"
        elif name not in (
            *RESERVED,
            *data.ignore,
            *data.after_outcome,
            data.subject_key,
        ):
            found[name] = "input"
    return found


def sample(frame: "pd.DataFrame", rows: int) -> "pd.DataFrame":
    """At most `rows` rows: those with the smallest hash of their keys, in the table's order.

    The same row is in or out whatever else is in the table at its place.
    """
    import numpy as np
    import pandas as pd

    if len(frame) <= rows:
        return frame
    hashes = pd.util.hash_pandas_object(frame[[SUBJECT, ROW]], index=False).to_numpy()
    kept = np.sort(np.argsort(hashes, kind="stable")[:rows])
    return frame.iloc[kept]


def pair(reference: "pd.DataFrame", current: "pd.DataFrame", names: list[str]) -> Pair:
    """Bring both tables into the form the comparison takes.

    Texts: missing is a value of its own; values beyond the `TOP_VALUES` most frequent of the
    reference are one value. Numbers: as float64, missing left out (their share is compared apart).

    Raises
    ------
    SignalboxError
        If a number is infinite.
    """
    import pandas as pd

    problems = {name: why for name in names if (why := _problem(reference, current, name))}
    good = [name for name in names if name not in problems]
    numbers = [name for name in good if is_numeric(reference, name)]
    texts = [name for name in good if name not in numbers]
    columns: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    scaled = set()
    for name in good:
        both = _numbers if name in numbers else _texts
        columns[0][name], columns[1][name] = both(reference[name], current[name])
        if name in numbers and _needs_scale(columns[0][name], columns[1][name]):
            columns[0][name], columns[1][name] = _scaled(columns[0][name], columns[1][name])
            scaled.add(name)
    tables = pd.DataFrame(columns[0]), pd.DataFrame(columns[1])
    return Pair(*tables, numbers, texts, problems, frozenset(scaled))


def _problem(reference: "pd.DataFrame", current: "pd.DataFrame", name: str) -> str:
    """Why `name` cannot be compared; empty if it can."""
    if name not in reference.columns:
        return "new: not in the reference table"
    if name not in current.columns:
        return "gone: not in the current table"
    empty = [frame[name].notna().sum() == 0 for frame in (reference, current)]
    if all(empty):
        return BOTH_EMPTY
    if any(empty):
        return f"no value in the {'reference' if empty[0] else 'current'} table"
    if is_numeric(reference, name) != is_numeric(current, name):
        return "numbers in one table, texts in the other"
    return ""


def _numbers(reference: Any, current: Any) -> tuple[Any, Any]:
    import numpy as np

    made = []
    for column in (reference, current):
        values = column.astype("float64").reset_index(drop=True)
        if np.isinf(values.to_numpy()).any():
            raise SignalboxError(
                f"column '{column.name}': infinite values; replace them by numbers or leave empty"
            )
        made.append(values)
    return made[0], made[1]


FINEST = 1e-9
"""Numbers closer together than this share of their size leave a histogram no room for bins."""

LARGEST = 1e100
"""Squares of larger numbers leave the range of float64, and with them the standard deviation."""

LEAST_DEVIATION = 1e-3
"""Evidently divides by this instead of a smaller standard deviation: a column of small numbers
would never drift."""


def _needs_scale(reference: Any, current: Any) -> bool:
    low = min(reference.min(), current.min())
    high = max(reference.max(), current.max())
    size = max(abs(low), abs(high))
    if size > LARGEST:
        return True
    varies = reference.max() > reference.min()  # the deviation of tiny numbers underflows to 0
    small = varies and reference.std(ddof=0) < LEAST_DEVIATION
    return bool(small or 0 < high - low < FINEST * size)


def _scaled(reference: Any, current: Any) -> tuple[Any, Any]:
    """Shift and scale both by the same numbers; a distance in standard deviations stays."""
    size = max(reference.abs().max(), current.abs().max())
    both = (reference, current)
    if size > LARGEST:
        both = (reference / size, current / size)
    # First the shift, which loses nothing between numbers of one size; then the unit.
    middle = both[0].median()
    both = (both[0] - middle, both[1] - middle)
    unit = max(both[0].abs().max(), both[1].abs().max()) or 1.0
    both = (both[0] / unit, both[1] / unit)
    deviation = both[0].std(ddof=0) or 1.0
    return both[0] / deviation, both[1] / deviation


def _texts(reference: Any, current: Any) -> tuple[Any, Any]:
    counts = reference.astype(str).where(reference.notna(), MISSING).value_counts()
    by_frequency = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = {value for value, _ in by_frequency[:TOP_VALUES]} | {MISSING}
    made = []
    for column in (reference, current):
        filled = column.astype(object).where(column.notna(), MISSING).astype(str)
        made.append(filled.where(filled.isin(known), OTHER).astype(object).reset_index(drop=True))
    return made[0], made[1]


def missing_share(frame: "pd.DataFrame", name: str) -> float:
    """Share of rows without a value; 1 where the table lacks the column."""
    return float(frame[name].isna().mean()) if name in frame.columns else 1.0


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

    # What was written holds `drifted` too, which is computed.
    model_config = ConfigDict(extra="ignore", frozen=True)

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


class DriftMethods(BaseModel):
    """How distances of numbers and texts are measured, and why so."""

    numbers: str
    texts: str
    why: str


class ReleasedData(BaseModel):
    """Name of the release whose training data was compared; `reason`: why it was not."""

    name: str | None
    reason: str


class DriftDetails(BaseModel):
    """Details of the evidence of ``drift``; `top_values` as `TOP_VALUES`."""

    methods: DriftMethods
    top_values: int
    comparisons: list[Comparison]
    released: ReleasedData


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
    *,
    drawn: int = PAGE_COLUMNS,
) -> tuple[Comparison, Any]:
    """Compare a current table with a reference.

    Parameters
    ----------
    tables
        Reference and current.
    titles
        Of the comparison, of the reference, of the current table.
    drawn
        How many columns the snapshot shows at most: those that lie farthest apart; 0 = none is
        wanted.

    Returns
    -------
    comparison, snapshot
        The snapshot is Evidently's result, for the page, of tables without small cells; distances
        are those of the tables as they are. None if no column can be compared, or none is wanted.

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
            missing_reference=round_floats(missing_share(reference, name)),
            missing_current=round_floats(missing_share(current, name)),
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
    if snapshot is not None and drawn:
        shown = without_small_cells(_farthest(both, distances, drawn), reference, current, data)
        snapshot = snapshot if shown is both else _run(shown, drift.column_threshold)
    return comparison, snapshot if drawn else None


def _farthest(both: Pair, distances: dict[str, float], most: int) -> Pair:
    """Return the pair with the columns that lie farthest apart, at most so many."""
    names = [*both.numbers, *both.texts]
    if len(names) <= most:
        return both
    kept = set(sorted(names, key=lambda name: -distances.get(name, 0.0))[:most])
    return replace(
        both,
        reference=both.reference[[name for name in both.reference.columns if name in kept]],
        current=both.current[[name for name in both.current.columns if name in kept]],
        numbers=[name for name in both.numbers if name in kept],
        texts=[name for name in both.texts if name in kept],
    )


def without_small_cells(
    both: Pair, reference: "pd.DataFrame", current: "pd.DataFrame", data: DataParams
) -> Pair:
    """Return the pair as a page may show it: no value that too few people of a table have.

    Parameters
    ----------
    both
        The pair; its tables have the rows of `reference` and `current`.
    reference, current
        The tables, with their subjects.

    Returns
    -------
    Pair
        The same one where nothing is rare.
    """
    if data.min_cell <= 1:
        return both
    made, changed = [], False
    for table, frame in ((both.reference, reference), (both.current, current)):
        subjects, shown = subjects_of(frame), table.copy()
        rows = rows_needed(subjects, data)
        for name in both.texts:
            shown[name] = pooled(table[name], subjects, data.min_cell, OTHER)
        for name in both.numbers:
            shown[name] = coarse(table[name].to_numpy(), rows)
        changed = changed or not shown.equals(table)
        made.append(shown)
    return replace(both, reference=made[0], current=made[1]) if changed else both


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
        plain[metric["config"]["column"]]: round_floats(float(metric["value"]))
        for metric in snapshot.dict()["metrics"]
        if "column" in metric["config"]
    }


def _safe_names(both: Pair) -> dict[str, str]:
    return {
        name: _safe_text(name) + (" (shifted and scaled)" if name in both.scaled else "")
        for name in (*both.numbers, *both.texts)
    }


def _safe(table: "pd.DataFrame", both: Pair) -> "pd.DataFrame":
    """Texts that cannot end the script element in which Evidently's page carries its data."""
    renamed = table.rename(columns=_safe_names(both))
    for name in (_safe_names(both)[name] for name in both.texts):
        renamed[name] = renamed[name].map(_safe_text).astype(object)
    return renamed


def _safe_text(text: str) -> str:
    return text.replace("</", "< /").replace("<!--", "< !--")
