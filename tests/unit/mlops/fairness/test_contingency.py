"""The table of counts: merging, grouped input, row order, and what it refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.mlops.fairness import (
    SCORE_UNIT,
    FeatureSpec,
    audit,
    build_table,
    contingency,
    encode_groups,
    merge_tables,
    table_from_counts,
)

from .frames import SPECS, one_feature, people, table


def test_merged_tables_equal_the_table_of_all_rows() -> None:
    frame = people()
    # The first file has no unknown race, the second no Asian: levels have to be joined.
    first = frame[(frame["race"] != "?") & (frame["age"] < 60)].iloc[:900]
    rest = frame.drop(first.index)
    second = rest[rest["race"] != "Asian"]
    third = rest[rest["race"] == "Asian"]
    parts = [table(part) for part in (first, second, third)]
    assert merge_tables(parts) == table(frame)
    assert parts[2] + parts[0] + parts[1] == table(frame)


def test_row_order_changes_nothing_not_even_the_last_bit() -> None:
    frame = people()
    assert table(frame.sample(frac=1, random_state=1)) == table(frame)


def test_counts_from_an_engine_equal_counts_of_rows() -> None:
    frame = people()
    frame["score_bin"] = np.minimum(
        np.searchsorted(np.arange(1, 10) / 10, frame["score"], "right"), 9
    )
    frame["units"] = np.rint(frame["score"] * SCORE_UNIT).astype(np.int64)
    keys = ["sex", "race", "age", "y", "decision", "score_bin"]
    grouped = frame.groupby(keys, as_index=False).agg(rows=("y", "size"), units=("units", "sum"))
    assert table_from_counts(
        encode_groups(grouped, SPECS),
        grouped["y"],
        grouped["decision"],
        grouped["rows"],
        score_bin=grouped["score_bin"],
        score_units=grouped["units"],
    ) == table(frame)


def test_many_levels_give_the_same_table_by_the_sparse_way(monkeypatch: pytest.MonkeyPatch) -> None:
    dense = table(people())
    monkeypatch.setattr(contingency, "_DENSE_LIMIT", 1)
    monkeypatch.setattr(contingency, "_CHUNK", 97)
    assert table(people()) == dense


def test_margins_are_sums() -> None:
    frame = people()
    marginal = table(frame).marginal(("sex",))
    counted = frame.groupby(["sex", "y", "decision"]).size()
    for g, label in enumerate(marginal.labels):
        for y in (0, 1):
            for decision in (0, 1):
                expected = counted.get((label, y, decision), 0)
                assert marginal.confusion[g, y, decision] == expected


def test_mean_scores_are_exact() -> None:
    frame = people()
    marginal = table(frame).marginal(("sex",))
    sums = marginal.score_units.sum(axis=(1, 2, 3)) / SCORE_UNIT
    means = sums / marginal.counts.sum(axis=(1, 2, 3))
    expected = frame.groupby("sex")["score"].mean()
    assert means == pytest.approx(expected[list(marginal.labels)].to_numpy(), abs=1e-9)


def test_an_empty_table_is_a_clear_error() -> None:
    empty = pd.DataFrame({"group": [], "y": [], "decision": []})
    with pytest.raises(ValueError, match="nothing to audit"):
        audit(table(empty, (FeatureSpec(name="group"),)), one_feature())


def test_labels_scores_and_lengths_are_checked() -> None:
    groups = encode_groups(pd.DataFrame({"g": ["a", "b"]}), (FeatureSpec(name="g"),))
    with pytest.raises(ValueError, match="1 values that are not 0 or 1"):
        build_table(groups, [0, 2], [0, 1])
    with pytest.raises(ValueError, match="shape"):
        build_table(groups, [0, 1, 1], [0, 1])
    with pytest.raises(ValueError, match="1 scores are missing or outside"):
        build_table(groups, [0, 1], [0, 1], [0.5, np.nan])
    with pytest.raises(ValueError, match="increase from 0 to 1"):
        build_table(groups, [0, 1], [0, 1], [0.5, 0.5], bin_edges=(0, 0.5))


def test_tables_made_differently_are_not_added() -> None:
    frame = people(50)
    other = table(frame, (FeatureSpec(name="age", edges=(30,)),))
    with pytest.raises(ValueError, match="other bands"):
        merge_tables([table(frame, (SPECS[2],)), other])
    with pytest.raises(ValueError, match="different features"):
        merge_tables([table(frame), other])
    with pytest.raises(ValueError, match="different score bins"):
        merge_tables([table(frame), table(frame.drop(columns="score"))])
