"""Rows of one subject come and go together: bootstrap, tests and closed forms count subjects."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.stats import effective_sizes
from pipelines.mlops.fairness import (
    AuditConfig,
    FeatureSpec,
    MitigationConfig,
    audit,
    build_table,
    encode_groups,
    merge_tables,
    mitigate,
)
from pipelines.mlops.fairness.bootstrap import draw_confusions
from pipelines.mlops.fairness.mitigation import DecisionTable, paired_changes
from pipelines.mlops.fairness.orientation import ASSISTIVE
from pipelines.mlops.fairness.result import AuditResult
from pipelines.mlops.fairness.subjects import (
    SubjectCounts,
    independent_rows,
    subject_codes,
)

from .frames import SPECS, people

CONFIG = AuditConfig(features=SPECS, intersections=(("sex", "race"),), replicates=200)
ONE = FeatureSpec(name="group")


def repeated(frame: pd.DataFrame, times: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Every row so many times, under one subject."""
    rows = np.repeat(np.arange(len(frame)), times)
    return frame.iloc[rows].reset_index(drop=True), rows


def clustered(
    rng: np.random.Generator, subjects: int, rate: float, *, most: int = 12, alike: bool = True
) -> pd.DataFrame:
    """Two groups with the same rate of selection; rows of a subject are alike, or independent."""
    group = np.where(np.arange(subjects) % 2, "a", "b")
    owner = np.repeat(np.arange(subjects), rng.integers(1, most + 1, subjects))
    chosen = (rng.random(subjects) < rate)[owner] if alike else rng.random(len(owner)) < rate
    return pd.DataFrame(
        {"group": group[owner], "owner": owner, "decision": chosen.astype(int), "y": 1}
    )


def audited(frame: pd.DataFrame, subjects: Any, config: AuditConfig = CONFIG) -> AuditResult:
    specs = config.features
    table = build_table(
        encode_groups(frame, specs),
        frame["y"],
        frame["decision"],
        frame.get("score"),
        subjects=subjects,
    )
    return audit(table, config)


def one_group(**changes: Any) -> AuditConfig:
    return AuditConfig(features=(ONE,), min_share=0.0, **{"replicates": 200, **changes})


def intervals(result: AuditResult) -> list[float | None]:
    """Every limit of the result, in order."""
    found: list[float | None] = []
    for dimension in result.dimensions:
        for group in dimension.groups:
            for rate in group.rates.values():
                found += [rate.low, rate.high, *(rate.wilson or ())]
            for cell in group.calibration.bins if group.calibration else ():
                found += [cell.low, cell.high]
        estimates = [r.estimate for r in dimension.impact_ratios]
        estimates += [e for gap in dimension.gaps for e in (gap.difference, gap.ratio)]
        estimates += [d.estimate for d in dimension.disparities]
        found += [limit for e in estimates for limit in (e.low, e.high)]
        found += [p for t in dimension.tests for p in (t.fisher_p, t.holm_p, t.z_p)]
    return found + [limit for f in result.summary for limit in (f.estimate.low, f.estimate.high)]


def test_one_row_a_subject_changes_no_figure() -> None:
    frame = people(800)
    assert audited(frame, np.arange(800)) == audited(frame, None)


def test_every_row_five_times_under_its_subject_leaves_every_interval_as_it_was() -> None:
    frame = people(600)
    once, (more, owners) = audited(frame, None), repeated(frame, 5)
    five = audited(more, owners)
    assert five.rows == 5 * once.rows
    assert five.subjects == once.subjects == 600
    expected, found = intervals(once), intervals(five)
    assert [x is None for x in found] == [x is None for x in expected]
    pairs = [(a, b) for a, b in zip(found, expected, strict=True) if a is not None]
    assert [a for a, _ in pairs] == pytest.approx([b for _, b in pairs], abs=1e-9)


def test_the_same_rows_as_rows_of_strangers_would_be_surer() -> None:
    frame, owners = repeated(people(600), 5)
    strangers, known = audited(frame, None), audited(frame, owners)
    for rate, narrow in strangers.overall.rates.items():
        wide = known.overall.rates[rate]
        assert wide.value == narrow.value
        assert wide.high - wide.low > 1.9 * (narrow.high - narrow.low)  # type: ignore[operator]


def test_drawing_patterns_is_resampling_subjects() -> None:
    """The slow bootstrap: pick subjects, put their rows together, count."""
    rng = np.random.default_rng(3)
    frame = clustered(rng, 60, 0.3, most=5, alike=False)
    frame["decision"] |= (frame["owner"] % 7 == 0).astype(int)
    table = build_table(
        encode_groups(frame, [ONE]), frame["y"], frame["decision"], subjects=frame["owner"]
    )
    (drawn,) = draw_confusions(
        table.counts.sum(axis=3).reshape(-1, 4), [(np.arange(2), 2)], replicates=4000,
        rng=rng, patterns=table.decisions,
    )  # fmt: skip
    rate = drawn[:, 3] / drawn.sum(axis=1)
    rows = [frame.index[frame["owner"] == subject].to_numpy() for subject in range(60)]
    chosen, second = frame["decision"].to_numpy(), (frame["group"] == "b").to_numpy()
    slow = np.empty((2, 4000))
    for r in range(4000):
        picked = np.concatenate([rows[subject] for subject in rng.integers(0, 60, 60)])
        for g, mine in enumerate((picked[~second[picked]], picked[second[picked]])):
            slow[g, r] = chosen[mine].mean()
    for q in (0.025, 0.5, 0.975):
        error = 4 * 2.7 * slow.std(axis=1) * np.sqrt(2 / 4000)
        difference = np.abs(np.quantile(rate, q, axis=1) - np.quantile(slow, q, axis=1))
        assert (difference <= error).all()
    assert rate.std(axis=1) == pytest.approx(slow.std(axis=1), rel=0.06)


def test_many_patterns_are_drawn_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    patterns = SubjectCounts.make(*np.random.default_rng(0).integers(0, 40, (2, 300))).patterns
    few = patterns.draw(3000, np.random.default_rng(1))
    monkeypatch.setattr("pipelines.mlops.fairness.subjects._MULTINOMIAL", 1)
    many = patterns.draw(3000, np.random.default_rng(1))
    assert (many.sum(axis=0) == patterns.subjects).all()
    assert many.mean(axis=1) == pytest.approx(few.mean(axis=1), abs=0.15)
    assert many.var(axis=1) == pytest.approx(few.var(axis=1), rel=0.2)


ENTRIES = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 5)), min_size=1, max_size=60)


@given(ENTRIES, st.randoms())
def test_patterns_hold_every_row_and_forget_who_is_who(
    entries: list[tuple[int, int]], random: Any
) -> None:
    owner, category = (np.array(column) for column in zip(*entries, strict=True))
    patterns = SubjectCounts.make(pd.factorize(owner)[0], category).patterns
    held = np.bincount(
        patterns.category, patterns.rows * patterns.multiplicity[patterns.pattern], minlength=6
    )
    assert held.tolist() == np.bincount(category, minlength=6).tolist()
    rows = [sorted(category[owner == one].tolist()) for one in set(owner.tolist())]
    assert patterns.subjects == len(rows)
    assert len(patterns.multiplicity) == len({tuple(row) for row in rows})
    names = list(range(9))
    random.shuffle(names)
    other = SubjectCounts.make(pd.factorize(np.array(names)[owner])[0], category).patterns
    for field in ("multiplicity", "pattern", "category", "rows"):
        assert np.array_equal(getattr(patterns, field), getattr(other, field))


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), min_size=1, max_size=40))
def test_rows_are_never_worth_more_than_they_are(counts: list[tuple[int, int]]) -> None:
    hits, trials = (np.array(column) for column in zip(*counts, strict=True))
    hits = np.minimum(hits, trials)
    groups = np.arange(len(hits)) % 2
    found = effective_sizes(groups, hits, trials, np.ones_like(hits), 2)
    for g in range(2):
        mine = groups == g
        assert found[g] <= trials[mine].sum() + 1e-9
        assert found[g] > 0 or not mine.any()
    ones = np.ones_like(trials)
    single = effective_sizes(groups, np.minimum(hits, 1), ones, ones, 2)
    assert single == pytest.approx([(groups == g).sum() for g in range(2)])


def test_the_effective_size_is_rows_over_the_variance_beyond_the_binomial() -> None:
    rng = np.random.default_rng(0)
    trials = rng.integers(1, 9, 400)
    hits = rng.binomial(trials, rng.beta(2, 3, 400))
    zero, one = np.zeros(400, int), np.ones(400, int)
    found = effective_sizes(zero, hits, trials, one, 1)[0]
    drawn = rng.integers(0, 400, (4000, 400))
    variance = (hits[drawn].sum(axis=1) / trials[drawn].sum(axis=1)).var()
    p = hits.sum() / trials.sum()
    assert found == pytest.approx(p * (1 - p) / variance, rel=0.08)


def test_a_single_subject_is_worth_one_row() -> None:
    assert independent_rows(["x"] * 12, [True] * 5 + [False] * 7) == pytest.approx(1)
    assert independent_rows(["x"] * 3 + ["y"] * 3, [False] * 6) == pytest.approx(2)
    assert independent_rows(["x", "x", "y"]) == pytest.approx(9 / 5)
    assert independent_rows(["x", "y"]) is None


def test_the_exact_test_holds_its_level_when_rows_of_a_subject_are_alike() -> None:
    rng = np.random.default_rng(5)
    by_subject, by_row = 0, 0
    for _ in range(200):
        frame = clustered(rng, 100, 0.3)
        by_subject += audited(frame, frame["owner"], one_group(replicates=100)).dimensions[0].tests[
            0
        ].significant  # fmt: skip
        by_row += audited(frame, None, one_group(replicates=100)).dimensions[0].tests[0].significant
    assert by_subject <= 0.05 * 200 + 2 * np.sqrt(0.05 * 0.95 * 200)
    assert by_row > 0.3 * 200


def test_the_interval_of_the_worst_ratio_holds_the_truth_for_clusters() -> None:
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(150):
        frame = clustered(rng, 200, 0.4)
        config = one_group(replicates=200)
        found = audited(frame, frame["owner"], config).figure("worst_impact_ratio").estimate
        assert found.low <= found.value <= found.high  # type: ignore[operator]
        assert found.high is not None
        held += found.high >= 1 - 1e-12  # the true ratio is 1
    assert held >= 0.90 * 150


def test_a_difference_is_found_with_enough_subjects() -> None:
    rng = np.random.default_rng(7)
    frame = clustered(rng, 600, 0.3)
    frame["decision"] |= ((frame["group"] == "a") & (frame["owner"] % 3 == 0)).astype(int)
    test = audited(frame, frame["owner"], one_group()).dimensions[0].tests[0]
    assert test.significant
    assert test.n > 1.5 * test.effective_n


def test_people_are_counted_once_a_group() -> None:
    frame = pd.DataFrame(
        {
            "group": ["a", "a", "b", "b", "b"],
            "who": ["x", "x", "x", "y", "z"],
            "decision": [1, 0, 1, 0, 1],
            "y": [1, 1, 0, 0, 1],
        }
    )
    result = audited(frame, frame["who"], one_group(replicates=100))
    rows = {row.group: (row.n, row.subjects) for row in result.dimensions[0].groups}
    assert rows == {"a": (2, 1), "b": (3, 3)}
    assert (result.rows, result.subjects, result.overall.subjects) == (5, 3, 3)


def test_groups_that_change_within_a_subject_are_drawn_together() -> None:
    rng = np.random.default_rng(8)
    frame = clustered(rng, 80, 0.5, most=6)
    frame["group"] = np.where(np.arange(len(frame)) % 2, "a", "b")
    table = build_table(
        encode_groups(frame, [ONE]), frame["y"], frame["decision"], subjects=frame["owner"]
    )
    (drawn,) = draw_confusions(
        table.counts.sum(axis=3).reshape(-1, 4), [(np.arange(2), 2)], replicates=2000,
        rng=rng, patterns=table.decisions,
    )  # fmt: skip
    rate = drawn[:, 3] / drawn.sum(axis=1)
    assert np.corrcoef(rate)[0, 1] > 0.5


def test_calibration_bins_count_subjects() -> None:
    frame, owners = repeated(people(300), 4)
    table = build_table(
        encode_groups(frame, SPECS), frame["y"], frame["decision"], frame["score"], subjects=owners
    )
    strangers = replace(table, subjects=None)
    for known, unknown in zip(
        audit(table, CONFIG).overall.calibration.bins,  # type: ignore[union-attr]
        audit(strangers, CONFIG).overall.calibration.bins,  # type: ignore[union-attr]
        strict=True,
    ):
        assert known.observed_rate == unknown.observed_rate
        assert known.low <= known.observed_rate <= known.high
        assert known.high - known.low > unknown.high - unknown.low


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 40), st.sampled_from([0.02, 0.5, 0.97]))
def test_no_interval_excludes_its_estimate(seed: int, subjects: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    frame = clustered(rng, subjects, rate, most=4, alike=bool(seed % 2))
    frame["y"] = rng.integers(0, 2, len(frame))
    result = audited(frame, frame["owner"], one_group(replicates=100, seed=seed % 7))
    estimates: list[Any] = [d.estimate for d in result.dimensions[0].disparities]
    estimates += [r.estimate for r in result.dimensions[0].impact_ratios]
    estimates += [e for g in result.dimensions[0].gaps for e in (g.difference, g.ratio)]
    estimates += [e for g in result.dimensions[0].groups for e in g.rates.values()]
    for estimate in estimates:
        if estimate.value is not None and estimate.low is not None:
            assert estimate.low <= estimate.value <= estimate.high


def test_what_a_mitigation_changes_is_as_sure_as_the_subjects_are_many() -> None:
    fit, test = people(1500, seed=1), people(700, seed=2)
    more, owners = repeated(test, 4)

    def changed(frame: pd.DataFrame, subjects: Any) -> Any:
        return mitigate(
            scores_validation=fit["score"], y_validation=fit["y"], groups_validation=fit["sex"],
            scores_test=frame["score"], y_test=frame["y"], groups_test=frame["sex"],
            subjects_test=subjects, config=MitigationConfig(replicates=200),
        )  # fmt: skip

    once, rows, known = changed(test, None), changed(more, None), changed(more, owners)
    assert [g.subjects for g in known.groups] == [g.n for g in once.groups]
    assert [g.n for g in known.groups] == [4 * g.n for g in once.groups]
    for a, b in zip(known.overall, rows.overall, strict=True):
        if b.change.high > b.change.low:
            assert a.change.high - a.change.low > 1.5 * (b.change.high - b.change.low)


def test_rows_without_a_subject_are_an_error() -> None:
    with pytest.raises(ValueError, match="1 rows have no subject"):
        subject_codes(np.array(["a", None, "a"], dtype=object), 3)
    with pytest.raises(ValueError, match="expected"):
        subject_codes(["a"], 2)


def test_tables_of_subjects_are_not_added() -> None:
    frame, owners = repeated(people(50), 2)
    table = build_table(encode_groups(frame, SPECS), frame["y"], frame["decision"], subjects=owners)
    with pytest.raises(ValueError, match="count them at once"):
        merge_tables([table, table])
    assert table != replace(table, subjects=None)
    assert table == replace(table)


def decisions(times: int, changed: int) -> DecisionTable:
    """Forty rows of one group, of which some are newly selected, so many times each."""
    y = np.repeat(np.arange(40) % 2, times)
    before = np.zeros(40 * times, bool)
    after = np.repeat(np.arange(40) < changed, times)
    owners = np.repeat(np.arange(40), times) if times > 1 else None
    return DecisionTable.make(np.full(len(y), "a", object), y, before, after, owners)


def test_no_change_in_a_few_rows_is_not_certain_to_be_none() -> None:
    for times in (1, 6):
        overall, _ = paired_changes(
            decisions(times, 0), replicates=100, level=0.95, seed=0, how=ASSISTIVE
        )
        for item in overall:
            if item.name in ("accuracy", "selection_rate", "tpr", "fpr", "tnr"):
                rows = 40 if item.name in ("accuracy", "selection_rate") else 20
                # Bonett and Price (2012) with no discordant pair.
                reach = 1.959964 * np.sqrt(2 / (rows + 2)) / np.sqrt(rows + 2)
                assert item.change.value == 0
                assert (item.change.low, item.change.high) == pytest.approx((-reach, reach))


def test_few_changes_of_paired_shares_equal_the_formula_and_many_are_resampled() -> None:
    few, _ = paired_changes(decisions(1, 5), replicates=100, level=0.95, seed=0, how=ASSISTIVE)
    many, _ = paired_changes(decisions(1, 30), replicates=100, level=0.95, seed=0, how=ASSISTIVE)
    change = {item.name: item.change for item in few}["selection_rate"]
    up, down = 6 / 42, 1 / 42
    reach = 1.959964 * np.sqrt((up + down - (up - down) ** 2) / 42)
    assert (change.low, change.high) == pytest.approx((up - down - reach, up - down + reach))
    assert "bootstrap" in {item.name: item.change for item in many}["selection_rate"].method
    right = {item.name: item.change for item in few}["accuracy"]
    assert right.value == pytest.approx(-1 / 40)  # of five newly selected, two are positive
