"""The bias audit against fairlearn, and its time at growing numbers of rows.

``python -m benchmarks.bias_audit [--out DIR] [--rows N ...]`` prints readable lines, then one line
of JSON.

fairlearn's bootstrap resamples rows and groups them anew in a serial loop; a thousand replicates
would take hours. It is timed with 2 and with 12 replicates; the slope is its time per replicate and
is extrapolated to 1,000. Ours is timed with all of its 1,000.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.mlops.fairness import (
    AuditConfig,
    ContingencyTable,
    FeatureSpec,
    audit,
    build_table,
    encode_groups,
)
from pipelines.mlops.fairness.bootstrap import draw_confusions, percentile_interval
from pipelines.mlops.fairness.rates import rates

REPLICATES = 1000
ROWS = 50_000
QUANTILES = (0.025, 0.975)
NAMES = ("selection_rate", "tpr", "fpr", "accuracy")
SPECS = (FeatureSpec(name="sex"), FeatureSpec(name="race"))
WIDE = (*SPECS, FeatureSpec(name="age", edges=(25, 45, 65)))


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sex = rng.random(rows) < 0.67
    races = pd.array(["White", "Black", "Asian", "Hispanic", "Other"], dtype="str")
    frame = pd.DataFrame(
        {
            "sex": pd.array(["Female", "Male"], dtype="str").take(sex.astype(int)),
            "race": races.take(rng.choice(5, rows, p=[0.6, 0.15, 0.1, 0.1, 0.05])),
            "age": rng.integers(17, 90, rows),
        }
    )
    frame["score"] = np.clip(rng.beta(2, 3, rows) + 0.1 * sex, 0, 1)
    frame["y"] = (rng.random(rows) < frame["score"]).astype(np.int8)
    frame["decision"] = (frame["score"] >= 0.5).astype(np.int8)
    return frame


def seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """Median time of some repetitions."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def fairlearn_frame(frame: pd.DataFrame, replicates: int | None) -> Any:
    from fairlearn.metrics import (
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )
    from sklearn.metrics import accuracy_score

    functions = (selection_rate, true_positive_rate, false_positive_rate, accuracy_score)
    bootstrap: dict[str, Any] = {}
    if replicates is not None:
        bootstrap = {"n_boot": replicates, "ci_quantiles": list(QUANTILES), "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MetricFrame(
            metrics=dict(zip(NAMES, functions, strict=True)),
            y_true=frame["y"],
            y_pred=frame["decision"],
            sensitive_features=frame[["sex", "race"]],
            **bootstrap,
        )


def count(frame: pd.DataFrame, specs: tuple[FeatureSpec, ...], *, scores: bool) -> ContingencyTable:
    return build_table(
        encode_groups(frame, specs),
        frame["y"].to_numpy(),
        frame["decision"].to_numpy(),
        frame["score"].to_numpy() if scores else None,
    )


def same_quantities(frame: pd.DataFrame, replicates: int = REPLICATES) -> Any:
    """Compute from the rows what fairlearn's call computes: the metrics by group and overall, and
    quantiles for both and for the difference, the ratio and the extremes of groups.
    """  # noqa: D205
    return bootstrap_only(count(frame, SPECS, scores=False), replicates)


def bootstrap_only(table: ContingencyTable, replicates: int = REPLICATES) -> Any:
    marginal = table.marginal(("sex", "race"))
    cells = marginal.confusion.reshape(-1, 4)
    groups = len(cells)
    by_group, whole = draw_confusions(
        cells,
        [(np.arange(groups), groups), (np.zeros(groups, np.int64), 1)],
        replicates=replicates,
        rng=np.random.default_rng(0),
    )
    drawn = rates(by_group, NAMES)
    low, high = drawn.min(axis=1), drawn.max(axis=1)
    extremes = np.stack([low, high, high - low, low / high], axis=1)
    every = np.concatenate([drawn, rates(whole, NAMES), extremes], axis=1)
    return rates(cells, NAMES), percentile_interval(every, QUANTILES[1] - QUANTILES[0])


def against_fairlearn(frame: pd.DataFrame) -> dict[str, float]:
    table = count(frame, SPECS, scores=False)
    theirs = fairlearn_frame(frame, None)
    found, _ = bootstrap_only(table)
    labels = table.marginal(("sex", "race")).groups
    expected = np.array([[theirs.by_group.loc[g, name] for g in labels] for name in NAMES])
    point = seconds(lambda: fairlearn_frame(frame, None), 3)
    two = seconds(lambda: fairlearn_frame(frame, 2), 1)
    twelve = seconds(lambda: fairlearn_frame(frame, 12), 1)
    each = (twelve - two) / 10
    config = AuditConfig(
        features=SPECS, intersections=(("sex", "race"),), replicates=REPLICATES, compare_all=True
    )
    ours = {
        "bootstrap_s": seconds(lambda: bootstrap_only(table)),
        "same_quantities_s": seconds(lambda: same_quantities(frame)),
        "whole_audit_s": seconds(lambda: audit(count(frame, SPECS, scores=True), config)),
    }
    return {
        "rows": len(frame),
        "groups": len(labels),
        "replicates": REPLICATES,
        "fairlearn_point_s": point,
        "fairlearn_2_replicates_s": two,
        "fairlearn_12_replicates_s": twelve,
        "fairlearn_s_per_replicate": each,
        "fairlearn_1000_replicates_extrapolated_s": point + each * REPLICATES,
        **ours,
        "ratio_bootstrap": each * REPLICATES / ours["bootstrap_s"],
        "ratio_same_quantities": (point + each * REPLICATES) / ours["same_quantities_s"],
        "ratio_whole_audit": (point + each * REPLICATES) / ours["whole_audit_s"],
        "max_abs_difference": float(np.abs(found - expected).max()),
    }


def growth(rows: int) -> dict[str, float]:
    """Time a whole audit: text columns to result, 3 features, 2 intersections, score bins."""
    frame = people(rows)
    config = AuditConfig(
        features=WIDE,
        intersections=(("sex", "race"), ("sex", "race", "age")),
        replicates=REPLICATES,
    )
    table = count(frame, WIDE, scores=True)
    return {
        "rows": rows,
        "table_s": seconds(lambda: count(frame, WIDE, scores=True), 3),
        "audit_s": seconds(lambda: audit(table, config), 3),
    }


def show(compared: dict[str, float], grown: list[dict[str, float]]) -> None:
    c = compared
    print(f"{c['rows']:,} rows, {c['groups']} intersections, {len(NAMES)} metrics")
    print(f"  fairlearn, point estimates             {c['fairlearn_point_s']:12.2f} s")
    print(f"  fairlearn, per bootstrap replicate     {c['fairlearn_s_per_replicate']:12.2f} s")
    total = c["fairlearn_1000_replicates_extrapolated_s"]
    print(f"  fairlearn, 1,000 replicates            {total:12.0f} s  (extrapolated, not run)")
    print(f"  ours, 1,000 replicates from the counts {c['bootstrap_s']:12.4f} s")
    print(f"  ours, the same from the rows           {c['same_quantities_s']:12.4f} s")
    print(f"  ours, whole audit from the rows        {c['whole_audit_s']:12.4f} s")
    print(
        f"  times faster: bootstrap alone {c['ratio_bootstrap']:,.0f}; same quantities from the "
        f"rows {c['ratio_same_quantities']:,.0f}; whole audit (more than theirs) "
        f"{c['ratio_whole_audit']:,.0f}"
    )
    print(f"  largest difference of a point estimate {c['max_abs_difference']:.1e}")
    print("whole audit: 3 features, 2 intersections, score bins, 1,000 replicates")
    for g in grown:
        print(f"  {g['rows']:>12,} rows: table {g['table_s']:7.3f} s, audit {g['audit_s']:6.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for bias_audit.json")
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000, 10_000_000]
    )
    options = parser.parse_args()
    compared = against_fairlearn(people(ROWS))
    grown = [growth(rows) for rows in options.rows]
    show(compared, grown)
    result = {
        "benchmark": "bias_audit",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "against_fairlearn": compared,
        "growth": grown,
    }
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "bias_audit.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
