"""What says the same thing of many series, or again and again, becomes one finding."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.incidents.deduplication import deduplicate_findings
from pipelines.aiops.lake.findings import Finding, Signal, finding_id

STEP = 60_000_000


def finding(
    start: int, signal: Signal = "metric", kind: str = "missing_data", service: str = "pay",
    end: int | None = None, **labels: str,
) -> Finding:  # fmt: skip
    return Finding(
        finding_id(signal, kind, {"service": service, **labels}, start), signal, kind, service, "",
        {key.replace("name_", "__name__"): value for key, value in labels.items()}, start,
        start + STEP if end is None else end, 2.0 + start / 1e12, f"{kind} of {service}.",
        evidence={"step_us": STEP},
    )  # fmt: skip


def test_an_outage_of_a_source_is_one_finding_a_service() -> None:
    gone = [finding(i % 2 * STEP, name_=f"series {i}") for i in range(50)]
    other = finding(0, service="cart", name_="load")
    found = deduplicate_findings([*gone, other])
    assert sorted(one.service for one in found) == ["cart", "pay"]
    one = next(one for one in found if one.service == "pay")
    assert one.sentence == "missing_data of pay, and 49 other series."
    assert (one.start_us, one.end_us, one.evidence["others"]) == (0, 2 * STEP, 49)
    assert one.score == max(f.score for f in gone)


def test_different_metrics_with_a_spike_stay_apart() -> None:
    assert (
        len(
            deduplicate_findings(
                [finding(0, kind="spike", name_="a"), finding(0, kind="spike", name_="b")]
            )
        )
        == 2
    )


def test_gaps_far_apart_stay_apart() -> None:
    assert len(deduplicate_findings([finding(0, name_="a"), finding(2 * STEP, name_="a")])) == 2


def test_an_alert_that_flaps_is_one() -> None:
    def alert(minute: int, name: str = "High") -> Finding:
        return finding(minute * STEP, "alert", "alert", alertname=name)

    found = deduplicate_findings([alert(0), alert(4), alert(8), alert(20), alert(0, "Low")])
    assert [one.evidence.get("others", 0) for one in found] in ([2, 0, 0], [0, 2, 0])
    assert "and 2 other alerts" in " ".join(one.sentence for one in found)


def test_what_moved_and_goes_on_in_the_next_window_is_one() -> None:
    edge: dict[str, Any] = {"from": "web", "to": "pay"}
    one = finding(0, "service_map", "slowed", end=60 * STEP, **edge)
    more = finding(60 * STEP, "service_map", "slowed", end=120 * STEP, **edge)
    later = finding(240 * STEP, "service_map", "slowed", end=300 * STEP, **edge)
    found = deduplicate_findings([later, more, one])
    assert [(f.start_us, f.end_us) for f in found] == [(0, 120 * STEP), (240 * STEP, 300 * STEP)]
    assert found[0].sentence == one.sentence


def test_of_a_finding_told_twice_the_later_telling_counts() -> None:
    old, new = finding(0, end=STEP, name_="a"), finding(0, end=9 * STEP, name_="a")
    assert deduplicate_findings([old, new]) == [new]


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ab")), max_size=30), st.randoms())
def test_the_order_of_findings_changes_nothing(drawn: list[tuple[int, str]], chance: Any) -> None:
    found = [finding(at * STEP, name_=name) for at, name in drawn]
    mixed = list(found)
    chance.shuffle(mixed)
    assert deduplicate_findings(mixed) == deduplicate_findings(found)
