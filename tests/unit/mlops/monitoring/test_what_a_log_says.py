"""A day's watch in a log: a line a watch, then labels, then whether training was asked for."""

import pytest

from pipelines.mlops.monitoring.result import LabelCounts, Retrain, Watched, Watching, describe


def result(retrain: Retrain) -> Watching:
    watched = Watched(
        id="drift", owner="us", state="alarm", sentence="Too much moved.", figure=None,
        compare="at_most", threshold=0.3, retrain=True,
    )  # fmt: skip
    return Watching(
        date="2026-11-22", after="", until="", product="model_release", model_version="v1.0.0",
        commit="0" * 40, batches={}, other_rows=0, figures=[], watches=[watched], drift=None,
        labels=LabelCounts(predictions=6, matched=3, waiting=2, unmatched=1), kpis=[],
        retrain=retrain,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("retrain", "last"),
    [
        (
            Retrain(requested=True, because=["drift", "recall"], held_back=""),
            ["asks for a new training because of: drift, recall"],
        ),
        (
            Retrain(requested=False, because=["drift"], held_back="one was asked for yesterday"),
            ["a new training was not asked for: one was asked for yesterday"],
        ),
        (Retrain(requested=False, because=[], held_back=""), []),
    ],
)
def test_a_watch_in_a_log(retrain: Retrain, last: list[str]) -> None:
    assert describe(result(retrain)).splitlines() == [
        "alarm         drift: Too much moved.",
        "labels: 3 known, 2 waiting, 1 lacking",
        *last,
    ]
