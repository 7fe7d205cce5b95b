"""When a held alert pages, each with numbers that can be followed on paper; ticks every 30 s."""

from dataclasses import replace

import pytest

from pipelines.aiops.alerting.config import (
    PAGE_NAME,
    QUIET_RECEIVER,
    SECOND,
    Config,
    InhibitRule,
    Range,
    Receiver,
    Route,
    Silence,
    TimeInterval,
    TimeRange,
)
from pipelines.aiops.alerting.replay import HeldAlerts, replay
from pipelines.aiops.alerting.rules import Matcher

from .worlds import frame_of, hold_rule

PAGER, CHAT = Receiver("default"), Receiver("chat", pages=False)
CONFIG = Config(Route("default", group_by=("alertname",), group_wait=10 * SECOND), (PAGER, CHAT))
SHOP = Matcher(label="service", op="=", value="shop")
SLOW, FULL, RARE = ({"alertname": name, "service": "shop"} for name in ("Slow", "Full", "Rare"))
GONE, ODD = ({"alertname": name, "service": "shop"} for name in ("Gone", "Odd"))
PODS = [{**SLOW, "pod": str(number)} for number in range(4)]


def names(*known):
    return Matcher(label="alertname", op="=~", value="|".join(known))


RULE = hold_rule(names("Slow", "Full"), SHOP)
DEFAULT = {"config": CONFIG, "rules": (RULE,)}


def made(labels, *rows, **more):
    """Replay of rows (label set, start, end), in seconds."""
    frame = frame_of([(labels.index(who), start, end) for who, start, end in rows], labels)
    until = max(end for *_, end in rows) + 8000
    return replay(frame, **{**DEFAULT, **more}, until=until * SECOND)


WAIT = 1
"""A page that fires at a tick is sent a second later, with those of other services beside it."""


def began(second):
    """When a page began to fire that was sent then; alerts' own pages are sent at whole tens."""
    return second - WAIT if second % 30 == WAIT else second


def pages(found):
    """Second of each page; of one that stands for held alerts, the tick at which it fires."""
    sent = found.notifications
    return [began(second) for second in (sent["time"][sent["page"]] // SECOND).tolist()]


def told(found):
    """Status and second of the first page of each alert, as `pages` has it."""
    first = [(began(time // SECOND) if time >= 0 else None) for time in found.alerts["first_page"]]
    return list(zip(found.alerts["status"].tolist(), first, strict=True))


def test_a_lone_short_alert_is_in_chat_at_once_and_pages_nobody():
    found = made([SLOW], (SLOW, 600, 860))
    assert told(found) == [("held", None)]
    assert found.alerts["rule"].tolist() == ["hold-1"]
    assert found.alerts["first_notification"].tolist() == [610 * SECOND]
    assert found.notifications["receiver"].tolist() == ["chat", "chat"]  # that it fires, and ended
    assert found.stages["pages"] == found.stages["alerts"] == 0


def test_an_alert_that_lasts_pages_when_the_waiting_is_over():
    """Five minutes, less the step that the tick before may have been too early to see it."""
    assert told(made([SLOW], (SLOW, 600, 900))) == [("folded", 870)]
    assert told(made([SLOW], (SLOW, 600, 870))) == [("held", None)]
    assert told(made([SLOW], (SLOW, 601, 1000))) == [("folded", 900)]  # seen at 630


def test_an_alert_that_ends_before_the_next_tick_was_never_seen():
    assert told(made([SLOW], (SLOW, 601, 629), (SLOW, 640, 655))) == [("held", None)] * 2


@pytest.mark.parametrize("other", [FULL, RARE])
def test_two_names_on_a_service_page_at_once_whether_or_not_the_other_one_is_held(other):
    found = made([SLOW, other], (SLOW, 600, 800), (other, 700, 800))
    assert pages(found) == ([710, 720] if other is RARE else [720])
    assert told(found)[0] == ("folded", 720)


def test_another_service_or_one_that_began_long_ago_is_no_company():
    elsewhere = {**FULL, "service": "bills"}
    nowhere = {"alertname": "Full"}
    for other in (elsewhere, nowhere):
        assert told(made([SLOW, other], (SLOW, 600, 800), (other, 690, 800)))[0] == ("held", None)
    # Fresh for ten minutes: at 1290 the other one has been there since 690 and earlier.
    assert told(made([SLOW, RARE], (RARE, 690, 5000), (SLOW, 1260, 1380)))[1] == ("folded", 1260)
    assert told(made([SLOW, RARE], (RARE, 690, 5000), (SLOW, 1290, 1380)))[1] == ("held", None)


def test_three_instances_page_at_once_and_two_dont():
    three = [(pod, 600 + 30 * number, 800) for number, pod in enumerate(PODS[:3])]
    assert told(made(PODS, *three[:2])) == [("held", None)] * 2
    assert told(made(PODS, *three)) == [("folded", 660)] * 3


def test_an_alert_that_is_back_pages_at_its_second_beginning():
    assert told(made([SLOW], (SLOW, 600, 660), (SLOW, 2370, 2400))) == [
        ("held", None),
        ("folded", 2370),
    ]
    # Half an hour later is another time.
    assert told(made([SLOW], (SLOW, 600, 660), (SLOW, 2400, 2430)))[1] == ("held", None)


def test_a_pod_that_takes_over_from_another_is_no_second_beginning():
    rows = [(PODS[0], 600, 700), (PODS[1], 690, 800), (PODS[2], 800, 840)]
    rule = RULE.model_copy(update={"instances": 9})
    assert told(made(PODS[:3], *rows, rules=(rule,))) == [("held", None)] * 3


def test_within_the_window_what_lasts_waits_for_its_end():
    """The first page is of 870; what is due in the hour after it pages at 870 + 3600 at least."""
    rows = (SLOW, 600, 1000), (FULL, 2000, 3000), (FULL, 4000, 9000)
    found = made([SLOW, FULL], *rows, rules=(RULE.model_copy(update={"again_seconds": 60}),))
    assert pages(found) == [870, 4470]
    assert told(found) == [("folded", 870), ("held", None), ("folded", 4470)]


def test_what_is_due_when_the_window_is_over_and_was_told_is_not_told_again():
    assert pages(made([SLOW], (SLOW, 600, 20_000))) == [870, 870 + 4 * 3600 + 300]  # a repeat


def test_within_the_window_another_page_takes_an_alert_more_than_company():
    rows = [(SLOW, 600, 1000), (FULL, 2000, 2200), (GONE, 2000, 2300), (ODD, 2000, 2300)]
    for held, expected in (("Slow|Full|Gone|Odd", [870, 2010]), ("Slow|Full|Gone", [870, 2010])):
        rule = RULE.model_copy(update={"matchers": (names(*held.split("|")), SHOP)})
        found = made([SLOW, FULL, GONE, ODD], *rows, rules=(rule,))
        assert pages(found) == expected
        # Where Odd isn't held, that one page is Odd's own, and two are not enough.
        assert [status for status, _ in told(found)] == [
            "folded", *(["folded"] * 3 if "Odd" in held else ["held", "held", "paged"])
        ]  # fmt: skip


def test_within_the_window_three_instances_are_a_page_of_their_own():
    rows = [(FULL, 600, 1000), *((pod, 2010, 2200) for pod in PODS[:3])]
    found = made([FULL, *PODS], *rows)
    assert pages(found) == [870, 2010]
    assert told(found) == [("folded", 870)] + [("folded", 2010)] * 3


def test_company_that_a_page_told_of_may_grow_to_many_instances_without_another_page():
    rows = [(FULL, 600, 1500), (PODS[0], 600, 1500), (PODS[1], 690, 1500), (PODS[2], 720, 1500)]
    found = made([FULL, *PODS], *rows)
    assert pages(found) == [600]
    assert told(found) == [("folded", 600)] * 2 + [("held", None)] * 2


def test_what_ends_as_another_one_begins_is_none_more_at_that_tick():
    """A page of 600; in its window Slow and Odd have company from 2010, and Full from 2100 on."""
    rule = RULE.model_copy(update={"matchers": (names("Slow", "Full", "Gone", "Odd"), SHOP)})
    for end, expected in ((2100, [600, 610, 2010]), (2130, [600, 610, 2010, 2100])):
        rows = [(GONE, 600, 900), (RARE, 600, 650), (RARE, 2000, 2200)]
        rows += [(SLOW, 2000, end), (ODD, 2000, 2130), (FULL, 2100, 2130)]
        # The pages at ten past are of what isn't held.
        found = made([SLOW, FULL, RARE, GONE, ODD], *rows, rules=(rule,))
        assert pages(found) == expected


def test_what_ends_as_the_window_does_is_not_due_any_more():
    rule = (RULE.model_copy(update={"again_seconds": 60}),)
    for end, expected in ((4470, [870]), (4500, [870, 4470])):
        assert (
            pages(made([SLOW, FULL], (SLOW, 600, 1000), (FULL, 2000, end), rules=rule)) == expected
        )


def test_a_page_fires_until_all_that_it_told_of_is_over_and_for_five_minutes_at_least():
    ends = "resolved"
    for end, resolved in ((900, 870 + 300), (5000, 5010)):
        found = made([SLOW], (SLOW, 600, end))
        sent = found.notifications[found.notifications["receiver"] == "default"]
        assert sent["reason"].tolist()[-1] == ends
        assert sent["time"].tolist()[-1] // SECOND <= resolved + 300
        assert sent["time"].tolist()[-1] // SECOND >= resolved


def test_two_pagers_have_a_page_each():
    night = {**SLOW, "team": "night"}
    route = replace(
        CONFIG.route,
        routes=(Route("night", (Matcher(label="team", op="=", value="night"),)),),
    )
    config = Config(route, (PAGER, CHAT, Receiver("night")))
    rules = [
        hold_rule(
            names("Slow"), SHOP, Matcher(label="team", op="=", value=team),
            id=f"hold-{receiver}", receiver=receiver, instances=9,
        )
        for receiver, team in (("default", ""), ("night", "night"))
    ]  # fmt: skip
    found = made([SLOW, night], (SLOW, 600, 1000), (night, 660, 1000), config=config, rules=rules)
    paged = found.notifications[found.notifications["page"]]
    assert sorted(paged["receiver"]) == ["default", "night"]
    assert pages(found) == [870, 930]
    assert told(found) == [("folded", 870), ("folded", 930)]
    assert found.alerts["rule"].tolist() == ["hold-default", "hold-night"]


def test_a_page_is_muted_where_todays_route_is():
    hours = TimeInterval("early", (TimeRange(times=(Range(0, 30),)),))
    route = replace(CONFIG.route, routes=(Route("default", (SHOP,), mute=("early",)),))
    config = replace(CONFIG, route=route, time_intervals=(hours,))
    rule = RULE.model_copy(update={"mute": ("early",)})
    found = made([SLOW], (SLOW, 600, 1000), (SLOW, 20_000, 21_000), config=config, rules=(rule,))
    assert pages(found) == [20_280]
    assert told(found) == [("held", None), ("folded", 20_280)]
    # A rule for the pager without that interval finds no route, and changes nothing.
    assert made([SLOW], (SLOW, 600, 1000), config=config).alerts["status"].tolist() == ["muted"]


def test_what_todays_configuration_keeps_back_has_its_own_status():
    silence = Silence((SHOP,), 0, 10**6 * SECOND)
    assert told(made([SLOW], (SLOW, 600, 700), silences=(silence,))) == [("silenced", None)]
    inhibit = InhibitRule((names("Rare"),), (names("Slow"),))
    config = replace(CONFIG, inhibit_rules=(inhibit,))
    found = made([SLOW, RARE], (RARE, 0, 2000), (SLOW, 1000, 1100), config=config)
    assert told(found) == [("paged", 10), ("inhibited", None)]


def test_a_receiver_that_tells_nobody_is_for_what_chat_hears_anyway():
    also = Route("chat", (SHOP,), continues=True)
    config = replace(CONFIG, route=replace(CONFIG.route, routes=(also, Route("default", (SHOP,)))))
    rule = RULE.model_copy(update={"chat": QUIET_RECEIVER})
    found = made([SLOW], (SLOW, 600, 700), config=config, rules=(rule,))
    assert told(found) == [("held", None)]
    assert found.alerts["first_notification"].tolist() == [630 * SECOND]
    assert found.notifications["receiver"].tolist() == ["chat", "chat"]


def test_each_prometheus_has_pages_of_its_own_with_the_labels_that_it_adds():
    eu, us = ({**SLOW, "cluster": cluster} for cluster in ("eu", "us"))
    held = [
        HeldAlerts((RULE,), (Matcher(label="cluster", op="=", value=name),), {"cluster": name}, 60)
        for name in ("eu", "us")
    ]
    route = replace(CONFIG.route, group_by=("cluster",))
    config = replace(CONFIG, route=route)
    one = [(eu, 600, 1000), (us, 700, 1000)]
    found = made([eu, us], *one, config=config, held=held)
    assert pages(found) == [840, 960]  # ticks at 600 and 720; 300 s less a step of 60 s
    assert told(found) == [("folded", 840), ("folded", 960)]
    # One Prometheus that has both: one page, when the first one lasts.
    assert pages(made([eu, us], *one, config=config)) == [870]


def test_a_page_names_its_service_its_pager_and_its_moment():
    from pipelines.aiops.alerting.replay.held_pages import add_held_pages
    from pipelines.aiops.alerting.replay.lifetimes import fire
    from pipelines.aiops.alerting.replay.model import LabelTable

    held = HeldAlerts((RULE.model_copy(update={"mute": ("early",)}),), (), {"cluster": "eu"}, 30)
    frame = frame_of([(0, 600, 1000)], [SLOW])
    periods = fire(frame, 5000 * SECOND)
    _, _, found = add_held_pages([held], LabelTable(frame.labels), periods, 5000 * SECOND)
    assert found.labels == [
        {
            "alertname": PAGE_NAME,
            "service": "shop",
            "pager": "default not in early",
            "since": "870",
            "cluster": "eu",
        }
    ]
    assert (found.starts[0], found.ends[0]) == (870 * SECOND, 1170 * SECOND)


def test_a_held_alert_that_another_pager_is_paged_of_was_paged():
    also = Route("sms", (SHOP,), continues=True)
    config = Config(
        replace(CONFIG.route, routes=(also, Route("default", (SHOP,)))),
        (PAGER, CHAT, Receiver("sms")),
    )
    found = made([SLOW], (SLOW, 600, 1000), config=config)
    assert told(found) == [("paged", 630)]
    assert found.notifications["receiver"].tolist()[:3] == ["sms", "chat", "default"]
