"""Each kind of anomaly is found where it was planted, and nothing else is."""

import json
import random

import pytest

from pipelines.aiops.lake.findings import Finding
from pipelines.core.time import DAY_US, HOUR_US
from tests.unit.aiops.logs.anomalies.world import START_US, TEXTS, Row, World, noon


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def only(found: list[Finding], kind: str) -> Finding:
    assert [(f.kind, f.service) for f in found] == [(kind, "cart")], found
    return found[0]


def test_a_clean_day_has_no_findings(world: World) -> None:
    assert world.judged() == []


def test_a_message_never_seen_is_told_with_its_first_line(world: World) -> None:
    bodies = [
        "failed to bind port 81: <script> refused",
        "failed to bind port 82: <script> refused",
    ]
    rows = [(noon(90 * i), "cart", "error", body) for i, body in enumerate(bodies)]
    found = only(world.judged(lambda lines: [*lines, *rows]), "new_template")
    assert found.evidence["first_line"] == bodies[0]
    assert found.evidence["severity"] == "error"
    assert found.evidence["words"] == ["failed", "refused"]
    assert (found.start_us, found.end_us, found.observed) == (noon(), noon(90), 2.0)
    assert "2 times" in found.sentence
    assert found.score > 0.5


def test_a_message_that_another_service_has_is_new_to_this_one(world: World) -> None:
    own = [(noon(), "cart", "error", "boom")]
    assert only(world.judged(lambda rows: rows + own), "new_template").labels["template"]


def test_a_burst(world: World) -> None:
    extra = [(noon(i / 50), "cart", "info", TEXTS[3].format(i)) for i in range(150)]
    found = only(world.judged(lambda rows: rows + extra), "burst")
    assert found.start_us <= noon() < found.end_us
    assert found.end_us - found.start_us <= 2 * HOUR_US
    assert found.expected_high is not None
    assert found.observed is not None
    assert found.observed > 2 * found.expected_high
    assert found.score > 3


def test_a_heartbeat_that_stopped(world: World) -> None:
    def stopped(rows: list[Row]) -> list[Row]:
        return [r for r in rows if not (r[1] == "cart" and "heart" in r[3] and r[0] > noon())]

    found = only(world.judged(stopped), "silence")
    assert found.evidence["open"] is True
    assert found.evidence["baseline_gap_seconds"] == pytest.approx(60, abs=1)
    assert noon(-2) < found.start_us <= noon()


def test_a_pause_that_ended_is_told_as_such(world: World) -> None:
    def paused(rows: list[Row]) -> list[Row]:
        return [r for r in rows if not (r[1] == "cart" and "heart" in r[3]
                                        and noon() < r[0] < noon(60))]  # fmt: skip

    found = only(world.judged(paused), "silence")
    assert found.evidence["open"] is False
    assert "fell silent for 1 h 1 min (then back)" in found.sentence
    assert found.end_us - found.start_us == pytest.approx(HOUR_US, rel=0.1)


def test_a_message_of_one_bad_hour_does_not_fall_silent_for_ever() -> None:
    rng = random.Random(1)
    begin = START_US + 3 * DAY_US
    hour = [
        (begin + rng.randrange(HOUR_US), "cart", "error", f"{word} pool lost its leader {i}")
        for word in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta")
        for i in range(20)
    ]
    assert World({3: hour}).judged() == []


def test_a_changed_mix(world: World) -> None:
    rng = random.Random(3)

    def changed(rows: list[Row]) -> list[Row]:
        def one(row: Row) -> Row:
            us, service, severity, body = row
            if service != "cart" or us < noon() or "request" not in body or rng.random() < 0.3:
                return row
            return us, service, severity, TEXTS[rng.choice((1, 2, 3))].format(us)

        return list(map(one, rows))

    found = [f for f in world.judged(changed) if f.kind == "changed_mix"]
    assert {f.service for f in found} == {"cart"}
    assert {f.start_us for f in found} <= {noon(), noon(360)}
    shifts = found[0].evidence["shifts"]
    assert shifts[0]["text"].split()[0] == "request"
    assert shifts[0]["share"] < shifts[0]["baseline_share"]


def test_a_value_that_a_variable_never_had(world: World) -> None:
    extra = [(noon(80 * i), "cart", "info", "batch ended state=POISONED rows=4") for i in range(3)]
    found = only(world.judged(lambda rows: rows + extra), "new_value")
    assert found.evidence["value"] == "POISONED"
    assert found.evidence["known"] == ["EMPTY", "OK", "RETRY"]


def test_findings_are_json_and_the_same_whatever_the_order_of_lines(world: World) -> None:
    extra = [(noon(i / 50), "cart", "info", TEXTS[3].format(i)) for i in range(150)]
    extra += [(noon(), "shop", "error", "boom 1"), (noon(), "shop", "error", "boom 2")]

    def shuffled(rows: list[Row]) -> list[Row]:
        rows = rows + extra
        random.Random(5).shuffle(rows)
        return rows

    one = [f.as_json() for f in world.judged(lambda rows: rows + extra)]
    two = [f.as_json() for f in world.judged(shuffled)]
    assert json.dumps(one) == json.dumps(two)
    assert {f["kind"] for f in one} == {"burst", "new_template"}


def test_the_rarest_of_a_kind_are_kept(world: World) -> None:
    words = ("alpha", "beta", "gamma", "delta", "kappa", "omega")
    extra = [(noon(70 * i), "cart", "error", f"{word} module exploded loudly near {word}")
             for word in words for i in range(3)]  # fmt: skip
    found = world.judged(lambda rows: rows + extra, max_findings=2)
    assert len(found) == 2
