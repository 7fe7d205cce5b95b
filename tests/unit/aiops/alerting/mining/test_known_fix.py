"""The same fix ended an alert name, or one of its services, again and again."""

import pandas as pd

from tests.unit.aiops.alerting.mining.worlds import MONDAY, World, mine, only, value_of

COLUMNS = ["ticket_id", "opened_at", "closed_at", "fix"]


def ticketed(world, tickets, day, fix, minutes=12, name="Stuck", **labels):
    """An alert with a ticket of its own."""
    number = f"T{len(tickets)}"
    world.add(day * 86_400 + 60 * len(tickets), 900, name, True, number, **labels)
    opened = pd.Timestamp((MONDAY // 1_000_000) + day * 86_400, unit="s", tz="UTC")
    tickets.append((number, opened, opened + pd.Timedelta(minutes=minutes), fix))


def known_fix_world():
    world, tickets = World(), []
    for day in range(27):
        ticketed(world, tickets, day, "rollback" if day == 3 else "restart", service="q")
    return world.frame(), pd.DataFrame(tickets, columns=COLUMNS)


def fixes_of(world, tickets):
    table = pd.DataFrame(tickets, columns=COLUMNS)
    return mine(world.frame(), only("known_fix"), tickets=table)


def test_a_fix_that_ended_nearly_all_tickets_is_a_candidate_for_automation():
    frame, tickets = known_fix_world()
    (rule,) = mine(frame, only("known_fix"), tickets=tickets)
    assert (rule.fix, rule.median_minutes, rule.bound.n) == ("restart", 12.0, 27)
    assert 0.6 < rule.bound.low < rule.bound.value == 0.9629629630
    assert value_of(rule, "service") == "q"
    assert "'restart' ended 26 of 27 tickets of Stuck" in rule.sentence


def test_without_tickets_there_are_no_fixes():
    frame, tickets = known_fix_world()
    assert mine(frame, only("known_fix")) == []
    assert mine(frame, only("known_fix"), tickets=tickets.iloc[:0]) == []


def test_a_ticket_counts_once_however_many_alerts_it_has():
    world, tickets = World(), []
    for day in range(5):
        ticketed(world, tickets, day, "restart", service="q")
        for n in range(20):
            world.add(day * 86_400 + 3600 + n * 600, 60, "Stuck", True, f"T{day}", service="q")
    assert fixes_of(world, tickets) == []


def test_tickets_of_few_days_prove_nothing():
    world, tickets = World(), []
    for n in range(30):
        ticketed(world, tickets, n % 4, "restart", service="q")
    assert fixes_of(world, tickets) == []


def test_a_service_has_a_rule_of_its_own_where_others_are_ended_otherwise():
    world, tickets = World(), []
    for day in range(20):
        ticketed(world, tickets, day, "restart", service="q")
        for n in range(2):
            ticketed(world, tickets, day, f"fix {day} {n}", service="r")
    (rule,) = fixes_of(world, tickets)
    assert (rule.fix, value_of(rule, "service")) == ("restart", "q")
    assert "Stuck of q" in rule.sentence


def test_where_the_name_has_a_rule_its_services_have_none():
    world, tickets = World(), []
    for day in range(20):
        ticketed(world, tickets, day, "restart", service="q" if day % 2 else "r")
        ticketed(world, tickets, day, "restart", service="q")
    (rule,) = fixes_of(world, tickets)
    assert value_of(rule, "service") == "q|r"


def test_half_of_the_tickets_are_not_enough():
    world, tickets = World(), []
    for day in range(28):
        ticketed(world, tickets, day, "restart" if day % 2 else "rollback", service="q")
    assert fixes_of(world, tickets) == []
