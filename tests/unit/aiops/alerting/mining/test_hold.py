"""Held are known services of noisy alert names, and nothing else; chat is told as it should be."""

import pytest

from pipelines.aiops.alerting.config import QUIET_RECEIVER
from pipelines.aiops.alerting.config.parse import parse_config
from pipelines.aiops.alerting.mining import mine_all
from pipelines.aiops.alerting.mining.hold import NO_CHAT, NO_SERVICE, RARE_NAME, RARE_SERVICE
from pipelines.aiops.alerting.rules import Matcher
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.params.alert_rules import HoldMining
from pipelines.core.errors import SignalboxError
from pipelines.core.time import DAY_US
from tests.unit.aiops.alerting.mining.worlds import (
    CONFIG,
    MONDAY,
    PARAMS,
    WINDOW,
    World,
    mine,
    names_of,
    noisy,
    only,
    value_of,
)

RECEIVERS = """
receivers:
  - name: blackhole
  - name: slack
    slack_configs: [{}]
  - name: mail
    email_configs: [{}]
  - name: pager
    pagerduty_configs: [{}]
  - name: pager-night
    pagerduty_configs: [{}]
time_intervals:
  - name: office
    time_intervals: [{weekdays: ['monday:friday']}]
  - name: lunch
    time_intervals: [{times: [{start_time: '12:00', end_time: '13:00'}]}]
"""


def config_of(route: str):
    """A whole configuration; every alert is told apart."""
    apart = route.replace("receiver:", "group_by: ['...']\n  receiver:", 1)
    return parse_config(apart + RECEIVERS, "alertmanager.yml")


def hold_of(frame, config=CONFIG, chat=None, params=PARAMS, windows=(WINDOW,)):
    return mine_all(frame, params, windows, config=config, chat_receiver=chat)["hold"]


def test_a_name_is_noisy_from_twenty_pages_on():
    world = World()
    noisy(world, "Often", 20, service="a")
    noisy(world, "Seldom", 19, first=60, service="a")
    found = hold_of(world.frame())
    assert names_of(found.rules) == ["Often"]
    assert found.not_held[RARE_NAME] == 19
    assert [(n.alertname, n.pages, n.held_pages) for n in found.noisy] == [("Often", 20, 20)]


def test_of_a_noisy_name_services_that_paged_once_pass():
    world = World()
    noisy(world, "Often", 20, service="a")
    noisy(world, "Often", 2, first=60, service="b")
    noisy(world, "Often", 1, first=120, service="c")
    found = hold_of(world.frame())
    (rule,) = found.rules
    assert value_of(rule, "service") == "a|b"
    assert found.not_held[RARE_SERVICE] == 1
    (noise,) = found.noisy
    assert (noise.services, noise.held_services, noise.pages, noise.held_pages) == (3, 2, 23, 22)


def test_the_settings_say_how_often_is_noisy_and_what_rules_do():
    world = World()
    noisy(world, "Often", 6, app="a")
    own = {"service_label": "app", "min_pages": 5, "wait_seconds": 180, "again_seconds": 60,
           "fresh_seconds": 70, "names": 4, "instances": 5, "services": 6, "storm_seconds": 90,
           "rate_seconds": 100, "usual_rates": 7, "rise": 8, "window_seconds": 80}  # fmt: skip
    params = PARAMS.model_copy(update={"hold": HoldMining(**own)})
    (rule,) = mine(world.frame(), params)
    does = rule.model_dump()
    del own["min_pages"]
    assert {key: does[key] for key in own} == own
    assert [m.label for m in rule.matchers] == ["alertname", "app", "severity"]


@pytest.mark.parametrize(
    ("labels", "found"),
    [({"app": "a"}, "app"), ({"app": "a", "job": "j"}, "app"),
     ({"job": "j", "namespace": "n"}, "job"),
     ({"service": "a", "app": "b"}, "service")],
)  # fmt: skip
def test_the_service_is_named_by_the_first_label_that_most_alerts_have(labels, found):
    world = World()
    noisy(world, "Often", 30, **labels)
    noisy(world, "Odd", 25, service="x", first=60)
    (rule, *_) = mine(world.frame())
    assert rule.service_label == found


def test_alerts_without_a_service_are_not_held():
    world = World()
    noisy(world, "Often", 30)
    noisy(world, "Often", 30, first=60, service="a")
    found = hold_of(world.frame())
    (rule,) = found.rules
    assert value_of(rule, "service") == "a"
    assert found.not_held[NO_SERVICE] == 30


def test_what_pages_nobody_today_is_neither_counted_nor_held():
    world = World()
    noisy(world, "Chat", 60, service="a", severity="info")
    noisy(world, "Half", 15, service="a", severity="info")
    noisy(world, "Half", 15, first=60, service="a")
    assert mine(world.frame()) == []


def test_an_alert_reported_again_and_again_pages_once():
    world = World()
    for n in range(6):
        for again in range(10):
            world.add(n * 18_000 + again * 30, 3600, "Long", service="a")
    found = hold_of(world.frame())
    assert (found.pages, found.rules) == (6, [])


def test_values_of_labels_that_routes_match_on_are_listed_and_new_ones_pass():
    config = config_of("""
route:
  receiver: slack
  routes:
    - matchers: [severity=~"critical|page", team!="dba"]
      receiver: pager
""")
    world = World()
    noisy(world, "Often", 15, service="a", severity="critical", team="web", pod="p1")
    noisy(world, "Often", 15, first=60, service="b", severity="page", pod="p2")
    noisy(world, "Often", 15, first=90, service="b", severity="warning", team="ops", pod="p2")
    (rule,) = mine(world.frame(), config=config)
    assert rule.matchers == (
        Matcher(label="alertname", op="=", value="Often"),
        Matcher(label="service", op="=~", value="a|b"),
        Matcher(label="severity", op="=~", value="critical|page"),
        Matcher(label="team", op="=~", value="|web"),
    )


def test_each_pager_has_its_own_rule_with_its_hours():
    config = config_of("""
route:
  receiver: slack
  routes:
    - matchers: [severity="critical"]
      receiver: pager
      active_time_intervals: [office]
      mute_time_intervals: [lunch]
      continue: true
    - matchers: [severity="critical"]
      receiver: pager-night
    - matchers: [severity="critical", service="a"]
      receiver: pager
""")
    world = World()
    noisy(world, "Often", 40, service="a", severity="critical")
    rules = mine(world.frame(), config=config)
    assert {(rule.receiver, rule.active, rule.mute) for rule in rules} == {
        ("pager", ("office",), ("lunch",)), ("pager-night", (), ()),
    }  # fmt: skip
    assert {rule.chat for rule in rules} == {"slack"}


TO_SLACK_TOO = """
route:
  receiver: mail
  routes:
    - receiver: slack
      matchers: [team="web"]
      continue: true
    - receiver: pager
"""
TOP_IS_MAIL = """
route:
  receiver: mail
  routes:
    - receiver: pager
"""
TOP_PAGES = """
route:
  receiver: pager
"""
TOP_IS_NOBODY = """
route:
  receiver: blackhole
  routes:
    - receiver: pager
"""


@pytest.mark.parametrize(
    ("route", "setting", "team", "chat"),
    [
        (TO_SLACK_TOO, None, "web", QUIET_RECEIVER),
        (TO_SLACK_TOO, "mail", "web", QUIET_RECEIVER),
        (TO_SLACK_TOO, None, "ops", "mail"),
        (TO_SLACK_TOO, "slack", "ops", "slack"),
        (TOP_IS_MAIL, None, "web", "mail"),
        (TOP_IS_MAIL, "slack", "web", "slack"),
        (TOP_PAGES, None, "web", "slack"),
        (TOP_IS_NOBODY, None, "web", "slack"),
    ],
)
def test_chat_is_told_where_it_is_not_told_today(route, setting, team, chat):
    world = World()
    noisy(world, "Often", 20, service="a", team=team)
    (rule,) = mine(world.frame(), config=config_of(route), chat=setting)
    assert (rule.receiver, rule.chat) == ("pager", chat)


def test_where_only_some_alerts_of_a_rule_end_at_a_chat_today_all_are_told_there():
    world = World()
    noisy(world, "Often", 20, service="a", team="web")
    noisy(world, "Often", 20, first=60, service="b", team="ops")
    (rule,) = mine(world.frame(), config=config_of(TO_SLACK_TOO))
    assert rule.chat == "mail"


NO_CHATS = """
route: {receiver: pager}
receivers:
  - name: pager
    pagerduty_configs: [{}]
  - name: blackhole
"""


def test_without_any_chat_nothing_is_held_where_a_setting_says_so():
    world = World()
    noisy(world, "Often", 25, service="a")
    params = PARAMS.model_copy(update={"hold": HoldMining(without_chat=False)})
    found = hold_of(world.frame(), parse_config(NO_CHATS, "alertmanager.yml"), params=params)
    assert found.rules == []
    assert found.not_held[NO_CHAT] == found.pages == 25
    assert [(n.alertname, n.held_pages) for n in found.noisy] == [("Often", 0)]


def test_without_any_chat_an_alert_is_held_that_nobody_is_told_of_at_once():
    world = World()
    noisy(world, "Often", 25, service="a")
    (rule,) = mine(world.frame(), config=parse_config(NO_CHATS, "alertmanager.yml"))
    assert rule.chat == QUIET_RECEIVER
    assert "It tells nobody at once" in rule.sentence


@pytest.mark.parametrize("name", ["nowhere", "pager", "blackhole"])
def test_a_chat_that_is_none_is_refused_by_its_key(name):
    world = World()
    noisy(world, "Often", 25, service="a")
    with pytest.raises(SignalboxError, match=r"aiops\.export_rules\.chat_receiver: '" + name):
        mine(world.frame(), config=config_of(TOP_IS_MAIL), chat=name)


def test_heartbeats_and_pages_of_our_own_are_never_held():
    config = config_of("""
route:
  receiver: pager
  routes:
    - matchers: [alertname="Watchdog"]
      receiver: pager
      repeat_interval: 5m
""")
    world = World()
    noisy(world, "SignalboxPage", 30, service="a", since="5")
    world.add(0, 28 * 86_400, "Watchdog", service="always")
    noisy(world, "Watchdog", 30, service="b")
    noisy(world, "Often", 30, service="a")
    assert names_of(mine(world.frame(), config=config)) == ["Often"]


def test_what_started_outside_of_the_windows_is_not_looked_at():
    world = World()
    for n in range(27):
        world.add(n * 86_400 + 60, 60, "Daily", service="a")
        world.add(n * 86_400 + 90, 60, "Daily", service="new" if 9 <= n < 18 else "b")
    first, last = (HistoryWindow(MONDAY + a * DAY_US, MONDAY + (a + 9) * DAY_US) for a in (0, 18))
    (rule,) = mine(world.frame(), windows=[last, first])
    assert value_of(rule, "service") == "a|b"
    assert (rule.support.episodes, rule.support.days) == (36, 18)
    assert mine(world.frame(), windows=[first]) == []
    middle = HistoryWindow(first.end, last.start)
    together = mine(world.frame(), windows=[middle, last, first])
    whole = mine(world.frame(), windows=[HistoryWindow(first.start, last.end)])
    assert together == whole


def test_an_alert_that_goes_on_after_its_window_swallows_nothing_of_the_next_one():
    world = World()
    world.add(86_000, 20 * 86_400, "Often", service="a")
    noisy(world, "Often", 20, first=10 * 86_400, service="a")
    windows = [HistoryWindow(MONDAY, MONDAY + DAY_US),
               HistoryWindow(MONDAY + 10 * DAY_US, MONDAY + 28 * DAY_US)]  # fmt: skip
    assert hold_of(world.frame(), windows=windows).pages == 21


def test_a_rule_says_what_it_rests_on():
    world = World()
    noisy(world, "Often", 18, service="a", team="web")
    for n in range(6):
        world.add(n * 18_000 + 600, 900, "Often", service="a", team="web", pod="b")
    world.add(2_000_000, None, "Often", service="a", team="web", pod="c")
    (rule,) = mine(world.frame(), only("hold"))
    assert (rule.support.alerts, rule.support.episodes) == (25, 25)
    assert (rule.bound.n, rule.bound.value, rule.bound.tried) == (24, 0.75, 1)
    assert 0.5 < rule.bound.low < 0.75
    assert rule.team == "web"
    assert str(rule.expires) == "2026-09-27"
    assert len(rule.examples) == 3
    assert rule.sentence == (
        "Often paged pager 25 times, of 1 service; 75% of its alerts were over within 5 minutes. "
        "It tells slack at once, and pages if it lasts 5 minutes, comes with others of its "
        "service or in a storm, is back within 30 minutes, or comes far more often than is usual."
    )


@pytest.mark.parametrize(("services", "a_day", "found"), [(5, 12, 6), (5, 1, 3), (2, 12, 3)])
def test_a_storm_takes_more_services_than_begin_together_every_few_hours(services, a_day, found):
    """A name on `services` services within a minute, so often a day."""
    world = World()
    for n in range(10 * a_day):
        for number in range(services):
            world.add(n * 86_400 // a_day + 10 * number, 120, "Often", service=f"s{number}")
    rules = mine(world.frame(), only("hold"))
    assert {rule.services for rule in rules} == {found}


def test_twice_on_one_service_is_no_storm():
    world = World()
    for n in range(200):
        for number in range(6):
            world.add(n * 3600 + 5 * number, 120, "Often", service="a", pod=f"p{number}")
    (rule,) = mine(world.frame(), only("hold"))
    assert rule.services == 3
