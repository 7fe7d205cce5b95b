"""The benchmark runs on made-up logs and says that they are."""

from benchmarks.log_anomalies import KINDS, measured, options_of


def test_it_finds_most_of_what_is_planted() -> None:
    result = measured(options_of(["--days", "1", "--lines", "300"]))
    assert result["data"] == "synthetic"
    assert set(result["recall"]) == set(KINDS)
    assert sum(result["recall"].values()) >= 3
    assert result["false_alarms_per_day"]["all"] <= 3
