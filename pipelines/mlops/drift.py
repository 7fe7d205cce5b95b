"""Stage ``drift``: train against test, and against the data of the released model.

Evidently's page carries its scripts, styles and fonts inside and needs no network (about 4.3 MB);
all comparisons share one page, which shows the columns that lie farthest apart (`PAGE_COLUMNS`). It
names its widgets by random ids, which are replaced by numbers in order of first appearance. The
page shows values that fewer than ``data.min_cell`` people have as "<other>", and rare numbers in
groups (`data.cells`); its distances are those of what it shows, the evidence has those of the
tables as they are.

``evidence/drift.json``, ``figures``: ``drift.drifted_share`` (train against test),
``drift.target_distance``, ``drift.largest_distance`` (`where` names the column), and
``drift.released_drifted_share`` (the released model's train data against this one's; without a
release: value None, missing = "no model has been released yet").

``details``: `pipelines.mlops.data.drift.DriftDetails`; the first comparison is train against test.
"""

import re
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.artifacts import DRIFT_HTML, RELEASED, TEST, TRAIN, evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, round_floats, write_evidence
from pipelines.core.files import write_json, write_text
from pipelines.core.params import Params
from pipelines.core.stage import log, run_stage
from pipelines.core.tables import read_table
from pipelines.mlops.data.cells import fewer
from pipelines.mlops.data.drift import (
    METHODS,
    NUMBERS,
    PAGE_COLUMNS,
    TEXTS,
    TOP_VALUES,
    ColumnDrift,
    Comparison,
    DriftDetails,
    DriftMethods,
    ReleasedData,
    compare,
    quiet_evidently,
)
from pipelines.release.released import NOTHING_RELEASED, Released, fetch, read_released

if TYPE_CHECKING:
    import pandas as pd


MAX_BYTES = 5_000_000
_ID = re.compile(
    r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|(?<=metric_)[0-9a-f]{32}\b"
)


def page(snapshots: dict[str, Any]) -> str:
    """Render Evidently's results as one page.

    Parameters
    ----------
    snapshots
        Title -> result of ``Report.run``, in the order in which they are shown.
    """
    if not snapshots:
        return _EMPTY
    with quiet_evidently():
        from evidently.core.report import render_widgets
        from evidently.legacy.renderers.html_widgets import group_widget

        # A snapshot renders itself alone; several on one page need its widgets.
        groups = [
            group_widget(title=title, widgets=snapshot._widgets)
            for title, snapshot in snapshots.items()
        ]
        return stable_ids(render_widgets(groups, as_iframe=False))


def stable_ids(html: str) -> str:
    """Replace random ids by numbers of the same form, in order of first appearance."""
    seen: dict[str, str] = {}

    def number(match: re.Match[str]) -> str:
        found = match[0]
        if found not in seen:
            digits = f"{len(seen) + 1:032x}"
            seen[found] = digits if "-" not in found else _dashed(digits)
        return seen[found]

    return _ID.sub(number, html)


def _dashed(digits: str) -> str:
    cuts = (0, 8, 12, 16, 20, 32)
    return "-".join(digits[a:b] for a, b in pairwise(cuts))


_EMPTY = """<!DOCTYPE html>
<html lang="en"><head><meta charset="UTF-8"><title>Drift</title></head>
<body><p>No column has values in both tables: nothing to compare.</p></body></html>
"""


TITLES = ("Train data against test data", "train", "test")
RELEASED_TITLES = (
    "Train data of the released model against train data",
    "released train",
    "train",
)


def main(params: Params) -> None:
    """Read train and test data; write evidence, metrics and the page."""
    train, test = read_table(TRAIN), read_table(TEST)
    released = read_released()
    before, reason = _released_train(released)
    most = PAGE_COLUMNS if before is None else PAGE_COLUMNS // 2
    found = [compare((train, test), TITLES, params.data, params.drift, drawn=most)]
    if before is not None:
        tables = (before, train)
        found.append(compare(tables, RELEASED_TITLES, params.data, params.drift, drawn=most))
    comparisons = [comparison for comparison, _ in found]
    figures = _figures(comparisons, reason)
    evidence = Evidence(
        stage="drift",
        inputs=hash_inputs(TRAIN, TEST, RELEASED),
        figures=figures,
        details=_details(comparisons, released, reason).model_dump(mode="json"),
    )
    write_evidence(evidence_of("drift"), evidence)
    values = {f.id.removeprefix("drift."): f.value for f in figures if f.value is not None}
    write_json(metrics_of("drift"), values)
    titles = {title_of(c, most, params.data.min_cell): s for c, s in found if s is not None}
    write_text(DRIFT_HTML, page(titles))
    log(f"drift: {values['drifted_share']:.0%} of the columns drifted from train to test")


def title_of(found: Comparison, most: int, min_cell: int) -> str:
    """Say what a page shows of a comparison, and what it leaves out.

    Parameters
    ----------
    found
        The comparison.
    most
        Columns that are shown at most.
    min_cell
        People that a value must have to be shown.
    """
    compared = sum(column.distance is not None for column in found.columns)
    parts = [found.title]
    if compared > most:
        parts.append(
            f"the {most} of {compared} columns that lie farthest apart; the others’ distances are "
            f"in {evidence_of('drift')} and in the release report"
        )
    if min_cell > 1:
        parts.append(f"no values of {fewer(min_cell)}")
    return "; ".join(parts)


def _released_train(released: Released | None) -> "tuple[pd.DataFrame | None, str]":
    """Train data of the released model, or why there is none.

    A release may leave its train data out (for example after an erasure). What it lists must be
    there: else this stage's outs would depend on whose cache still has the file.
    """
    if released is None:
        return None, NOTHING_RELEASED
    if TRAIN.as_posix() not in released.artifacts:
        return None, f"the release does not list {TRAIN}"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / TRAIN.name
        fetch(released, TRAIN, copy)
        return read_table(copy), ""


def _figures(comparisons: list[Comparison], reason: str) -> list[Figure]:
    """Figures of train against test, and the share against the released model's data."""
    main_one = comparisons[0]
    return [
        _share("drift.drifted_share", "Share of columns that drifted, train to test", main_one),
        _distance("drift.target_distance", "Distance of the target", main_one, targets=True),
        _distance("drift.largest_distance", "Largest distance of a column", main_one),
        _share(
            "drift.released_drifted_share",
            "Share of columns that drifted since the released model's training",
            comparisons[1] if len(comparisons) > 1 else None,
            reason,
        ),
    ]


def _share(figure_id: str, label: str, found: Comparison | None, reason: str = "") -> Figure:
    method = (
        "columns (inputs, sensitive features, target) whose distance or change of missing share "
        "is at or above drift.column_threshold, by all columns; n counts columns"
    )
    return Figure(
        id=figure_id,
        label=label,
        value=None if found is None else round_floats(found.share()),
        method=method,
        n=0 if found is None else len(found.columns),
        unit="share",
        missing=reason if found is None else "",
    )


def _distance(figure_id: str, label: str, found: Comparison, *, targets: bool = False) -> Figure:
    """Largest distance among all columns, or of the target alone."""
    columns = [c for c in found.columns if c.role == "target"] if targets else found.columns
    known = [column for column in columns if column.distance is not None]
    blank = Figure(id=figure_id, label=label, value=None, method="", n=found.rows_current)
    if not known:
        return blank.model_copy(update={"missing": "no such column has values in both tables"})
    farthest: ColumnDrift = max(known, key=lambda column: column.distance or 0.0)
    return blank.model_copy(
        update={
            "value": farthest.distance,
            "method": farthest.method,
            "where": {"column": farthest.column},
        }
    )


def _details(comparisons: list[Comparison], released: Released | None, reason: str) -> DriftDetails:
    return DriftDetails(
        methods=DriftMethods(
            numbers=METHODS[NUMBERS],
            texts=METHODS[TEXTS],
            why="the same distances at every table size, so that the threshold keeps its "
            "meaning; distances, not tests: with many rows a test finds any difference. With few "
            "rows chance alone makes distances large: below about 1,000 rows read them with care",
        ),
        top_values=TOP_VALUES,
        comparisons=comparisons,
        released=ReleasedData(name=None if released is None else released.name, reason=reason),
    )


if __name__ == "__main__":
    run_stage("drift", main)
