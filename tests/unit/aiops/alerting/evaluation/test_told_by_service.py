"""An incident is told by a page about its own alerts, or about its service while it lasts."""

import math

import pytest

from pipelines.aiops.alerting.evaluation.incidents import Ticket, TicketedIncident
from pipelines.core.errors import SignalboxError
from pipelines.core.time import SECOND_US
from tests.unit.aiops.alerting.evaluation.made_up import incidents

SERIES = ["Slow web", "Errors web", "Slow db", "Host"]
SLOW, ERRORS, OTHER, NO_SERVICE = range(4)
HOUR = 3600
FIXED = Ticket(title="Web is slow", service="web", fix="restart", opened=100 * SECOND_US)


def only(*args, **more):
    (found,) = incidents(*args, **more)
    return found


def test_a_page_about_another_alert_of_its_service_tells_of_it():
    found = only([(SLOW, 0, 900), (ERRORS, 300, 900)], SERIES, [0, -1], [30, 330], [None, 330])
    assert not found.missed
    assert found.strict_missed
    assert found.told_by_service
    assert found.delay == 300


def test_a_page_about_another_service_does_not():
    found = only([(SLOW, 0, 900), (OTHER, 300, 900)], SERIES, [0, -1], [30, 330], [None, 330])
    assert found.missed
    assert math.isinf(found.delay)


def test_its_service_is_that_of_its_ticket_too():
    ticket = {"T0": Ticket(service="db", opened=0)}
    rows = [(SLOW, 0, 900), (OTHER, 300, 900)]
    assert not only(rows, SERIES, [0, -1], [30, 330], [None, 330], ticket).missed


def test_alerts_without_a_service_tell_of_none_and_are_told_by_none():
    rows = [(NO_SERVICE, 0, 900), (NO_SERVICE, 300, 900)]
    assert only(rows, SERIES, [0, -1], [30, 330], [None, 330]).missed


def test_a_page_after_the_last_alert_and_the_ticket_are_over_tells_nothing():
    rows = [(SLOW, 0, 900), (ERRORS, 1000, 2000)]
    assert only(rows, SERIES, [0, -1], [30, 1030], [None, 1030]).missed
    closed = {"T0": Ticket(opened=0, closed=1500 * SECOND_US)}
    assert not only(rows, SERIES, [0, -1], [30, 1030], [None, 1030], closed).missed


def test_a_ticket_that_was_closed_early_does_not_end_an_incident_whose_alerts_fire_on():
    closed = {"T0": Ticket(opened=0, closed=60 * SECOND_US)}
    found = only([(SLOW, 0, 900)], SERIES, [0], [30], [330], closed)
    assert not found.missed
    assert found.delay == 300


def test_a_page_about_the_service_of_a_minute_before_tells_of_it_if_it_still_fires():
    rows = [(ERRORS, 0, 900), (SLOW, 100, 900)]
    found = only(rows, SERIES, [-1, 0], [30, 130], [40, None])
    assert not found.missed
    assert (found.starts, found.candidate_first_page) == (100 * SECOND_US, 100 * SECOND_US)
    over = [(ERRORS, 0, 90), (SLOW, 100, 900)]
    assert only(over, SERIES, [-1, 0], [30, 130], [40, None]).missed


def test_a_page_of_hours_before_does_not_though_it_still_fires():
    rows = [(ERRORS, 0, 9 * HOUR), (SLOW, 2 * HOUR, 3 * HOUR)]
    found = only(rows, SERIES, [-1, 0], [30, 2 * HOUR + 30], [30, None])
    assert found.missed


def test_what_is_not_paged_today_cannot_be_missed():
    """A page about the service that only happens to come today proves nothing."""
    found = only([(SLOW, 0, 900), (ERRORS, 300, 900)], SERIES, [0, -1], [None, 330], [None, None])
    assert not found.baseline_notified
    assert not found.missed
    assert math.isnan(found.delay)


def test_the_first_page_of_several_counts():
    rows = [(SLOW, 0, 900), (ERRORS, 10, 900), (SLOW, 2000, 2900)]
    found = only(rows, SERIES, [0, 0, 0], [30, 40, 2030], [None, 310, 2030])
    assert found.candidate_first_page == found.candidate_own_page == 310 * SECOND_US
    assert found.delay == 280


def test_an_alert_of_hours_before_the_ticket_does_not_begin_it():
    opened = {"T0": Ticket(opened=10 * HOUR * SECOND_US)}
    rows = [(SLOW, 0, 11 * HOUR), (ERRORS, 9 * HOUR, 11 * HOUR)]
    found = only(rows, SERIES, [0, 0], [30, 9 * HOUR + 30], [30, 9 * HOUR + 330], opened)
    assert found.starts == 9 * HOUR * SECOND_US
    assert found.delay == 300


def test_where_all_its_alerts_are_of_hours_before_it_counts_but_is_not_credible():
    opened = {"T0": Ticket(fix="restart", opened=10 * HOUR * SECOND_US)}
    found = only([(SLOW, 0, 900)], SERIES, [0], [30], [None], opened)
    assert found.missed
    assert not found.credible


@pytest.mark.parametrize(
    ("ticket", "assumed", "credible"),
    [
        (FIXED, False, True),
        (Ticket(fix="restart", opened=0), False, True),  # a ticket without service
        (Ticket(service="web", opened=0), False, False),  # no fix
        (Ticket(service="db", fix="restart", opened=0), False, False),  # another service
        (FIXED, True, False),  # a link by service and time
        (Ticket(fix="restart"), False, True),  # nobody knows when it was opened
    ],
)
def test_an_incident_is_credible_with_a_fix_and_an_alert_of_its_service(ticket, assumed, credible):
    found = only([(SLOW, 0, 900)], SERIES, [0], [30], [30], {"T0": ticket}, assumed=[assumed])
    assert found.credible is credible


def test_one_alert_of_the_tickets_service_among_others_is_enough():
    found = only(
        [(OTHER, 0, 900), (SLOW, 0, 900)], SERIES, [0, 0], [30, 30], [30, 30], {"T0": FIXED}
    )
    assert found.credible


def test_the_names_and_rules_that_held_it_are_known():
    found = only(
        [(SLOW, 0, 900), (ERRORS, 0, 900)], SERIES, [0, 0], [30, 30], [None, 30],
        held_series=(SLOW,),
    )  # fmt: skip
    assert (found.names, found.rules) == (("Slow",), ("hold-1",))


def test_a_page_before_its_incident_is_an_error_that_names_it():
    with pytest.raises(SignalboxError, match="incident T7 begins at 1970-01-01T00:01:40Z"):
        TicketedIncident("T7", 100 * SECOND_US, 900 * SECOND_US, 130 * SECOND_US, -1, 99)


def test_an_earlier_page_than_today_is_no_negative_delay():
    assert TicketedIncident("T7", 0, 900, 130 * SECOND_US, 99 * SECOND_US, -1).delay == 0


def test_how_long_it_took_until_a_human_heard_is_when_the_ticket_was_opened():
    found = only([(SLOW, 0, 900)], SERIES, [0], [30], [None], {"T0": FIXED})
    assert found.heard_after == 100
    assert only([(SLOW, 0, 900)], SERIES, [0], [30], [None]).heard_after is None
