import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.simulator.simulate import simulate
from pipelines.simulator.world.clock import STEP, awake
from pipelines.simulator.world.people import NOT
from tests.unit.simulator.worlds import rows, tiny, truth, world, written

FEW = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@FEW
@given(st.integers(0, 2**32 - 1))
def test_every_incident_ticket_has_linked_alerts_of_its_own_fault(seed: int) -> None:
    made = simulate(tiny(seed))
    for n, ticket in enumerate(made.people.tickets):
        linked = np.flatnonzero(made.people.ticket == n)
        if ticket.kind == "incident":
            assert len(linked)
            assert set(made.alerts.fault[linked].tolist()) == {ticket.fault}
            assert made.alerts.start[linked].min() < ticket.opened
            assert (made.people.acted[linked] == 1).all()
        elif ticket.kind == "request":
            assert not len(linked)
        else:
            assert (made.alerts.fault[linked] == -1).all()


@FEW
@given(st.integers(0, 2**32 - 1))
def test_each_alert_has_exactly_one_cause(seed: int) -> None:
    alerts = simulate(tiny(seed)).alerts
    assert ((alerts.fault >= 0) != (alerts.noise >= 0)).all()


@pytest.mark.slow
@FEW
@given(st.integers(0, 2**32 - 1))
def test_truth_names_existing_alerts_and_tickets(seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = written(tiny(seed), Path(name) / "world")
        alerts, told = rows(folder, "alerts"), truth(folder, "alerts")
        incidents = truth(folder, "incidents").to_pylist()
        assert told["alert_id"].to_pylist() == alerts["alert_id"].to_pylist()
        cause = dict(zip(*(told[key].to_pylist() for key in ("alert_id", "cause")), strict=True))
        belongs = dict(
            zip(*(told[key].to_pylist() for key in ("alert_id", "incident_id")), strict=True)
        )
        tickets = {row["ticket_id"]: row for row in rows(folder, "tickets").to_pylist()}
        changes = set(rows(folder, "changes")["change_id"].to_pylist())
        assert {one for one in belongs.values() if one} <= {i["incident_id"] for i in incidents}
        for one in incidents:
            assert one["starts_at"] < one["ends_at"]
            assert not one["ticket_id"] or tickets[one["ticket_id"]]["kind"] == "incident"
            assert not one["change_id"] or one["change_id"] in changes
            if one["alerts"]:
                assert belongs[one["first_alert_id"]] == one["incident_id"]
                assert cause[one["first_alert_id"]] == "incident"
        of_tickets = sorted(i["ticket_id"] for i in incidents if i["ticket_id"])
        kinds = sorted(key for key, row in tickets.items() if row["kind"] == "incident")
        assert of_tickets == kinds


def test_people_are_slower_when_they_are_not_at_work() -> None:
    made = world()
    seen = np.flatnonzero((made.people.acknowledged != NOT) & (made.alerts.fault >= 0))
    delay = made.people.acknowledged[seen] - made.alerts.start[seen]
    step = (made.alerts.start[seen] // int(STEP * 1000)).astype(int)
    at_work = awake(made.world)[step]
    assert (delay > 0).all()
    assert np.median(delay[~at_work]) > 1.5 * np.median(delay[at_work])


def test_people_act_on_little_noise_and_on_all_that_has_a_ticket() -> None:
    made = world()
    noise = made.alerts.noise >= 0
    known = made.people.acted >= 0
    assert (made.people.acted[noise & known] == 1).mean() < 0.05
    assert (made.people.acted[made.people.ticket >= 0] == 1).all()
    assert (made.people.acknowledged[made.people.acted != 1] == NOT).all()
