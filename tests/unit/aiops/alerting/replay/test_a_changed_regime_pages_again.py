"""A held key whose rate or length changes is no longer held, by itself; others stay held."""

import pytest

from pipelines.aiops.alerting.config import SECOND, Config, Receiver, Route
from pipelines.aiops.alerting.replay import replay
from pipelines.aiops.alerting.rules import Matcher

from .worlds import frame_of, hold_rule

HOUR, DAY = 3600, 86_400
LABELS = [{"alertname": "Slow", "service": name} for name in ("shop", "pay")]
RULE = hold_rule(
    Matcher(label="alertname", op="=", value="Slow"),
    Matcher(label="service", op="=~", value="shop|pay"),
)
CONFIG = Config(
    Route("default", group_by=("...",), group_wait=0),
    (Receiver("default"), Receiver("chat", pages=False)),
)
KNOWN, CHANGE = 14 * DAY, 28 * DAY


def usual(series, *, a_day, until, lasts=120, begin=0):
    """Lone alerts, evenly spread; more than half an hour apart, so that none is back soon."""
    gap = DAY // a_day
    assert gap > 2 * 1800
    return [(series, at, at + lasts) for at in range(begin + 600, until, gap)]


def paged(rows):
    """(Service, second) of each alert from the third week on that a page told of."""
    frame = frame_of(rows, LABELS)
    found = replay(frame, CONFIG, rules=(RULE,), until=(CHANGE + 15 * DAY) * SECOND)
    first = found.alerts["first_page"].to_numpy()
    return [
        (LABELS[series]["service"], start)
        for (series, start, _), page in zip(rows, first.tolist(), strict=True)
        if page >= 0 and start >= KNOWN
    ]


@pytest.mark.parametrize("a_day", [1, 2, 4, 8, 20])
def test_at_its_usual_rate_and_length_nothing_pages(a_day):
    assert paged(usual(0, a_day=a_day, until=CHANGE + DAY)) == []


@pytest.mark.parametrize("a_day", [1, 2])
def test_a_rate_that_rises_tenfold_pages_within_a_day_on_its_own_service_alone(a_day):
    other = usual(1, a_day=8, until=CHANGE + DAY, begin=HOUR)
    more = usual(0, a_day=10 * a_day, begin=CHANGE, until=CHANGE + 2 * DAY)
    found = paged([*usual(0, a_day=a_day, until=CHANGE), *more, *other])
    assert {service for service, _ in found} == {"shop"}
    # From five times the usual on, each of them.
    first = min(at for _, at in found)
    assert first < CHANGE + DAY
    assert [at for _, at in found] == [at for _, at, _ in more if at >= first]


def test_a_key_that_was_silent_for_weeks_pages_from_its_fifth_alert_on():
    other = usual(1, a_day=1, until=CHANGE + DAY, begin=HOUR)
    found = paged([*usual(0, a_day=12, begin=CHANGE, until=CHANGE + DAY), *other])
    assert found[0] == ("shop", CHANGE + 600 + 4 * 2 * HOUR)


def test_a_rise_that_lasts_pages_for_more_than_a_week_and_is_usual_then():
    long = usual(0, a_day=20, begin=CHANGE, until=CHANGE + 14 * DAY)
    found = paged([*usual(0, a_day=2, until=CHANGE), *long])
    assert CHANGE + 7 * DAY < found[-1][1] < CHANGE + 9 * DAY


def test_until_two_weeks_are_known_nothing_is_unusual():
    rows = usual(0, a_day=8, until=12 * DAY)
    found = replay(frame_of(rows, LABELS), CONFIG, rules=(RULE,), until=13 * DAY * SECOND)
    assert not (found.alerts["first_page"] >= 0).any()


def test_a_length_past_its_usual_pages_each_time():
    longer = usual(0, a_day=4, begin=CHANGE, until=CHANGE + DAY, lasts=600)
    found = paged([*usual(0, a_day=4, until=CHANGE), *longer])
    assert found == [("shop", at) for _, at, _ in longer]
