"""Other methods are measured on the same windows by the same judge."""

from dataclasses import replace

import numpy as np

from pipelines.aiops.alerting.config import HOUR as HOUR_OF
from pipelines.aiops.alerting.config import MINUTE, Receiver
from pipelines.aiops.alerting.evaluation.backtest import Backtest
from pipelines.aiops.alerting.evaluation.baselines import (
    BASELINES,
    all_grouped,
    cool_down,
    grouped,
    kept_pages,
    told_keys,
)
from pipelines.core.time import SECOND_US
from tests.unit.aiops.alerting.evaluation.made_up import (
    CONFIG,
    WINDOW,
    labels_of,
    replayed,
)
from tests.unit.aiops.alerting.replay.worlds import frame_of

HOUR = 3600
LABELS = labels_of("Slow web", "Slow db", "Errors web")
SLOW, DB, ERRORS = range(3)


def backtest(rows, ticket=None):
    names = [] if ticket is None else [f"T{i}" for i in range(max(ticket) + 1)]
    return Backtest(frame_of(rows, LABELS, names, ticket), WINDOW, CONFIG, {})


def test_groups_are_coarser_where_somebody_is_paged_alone():
    found = grouped(CONFIG)
    assert found.route.group_by == ("alertname", "cluster")
    assert (found.route.group_interval, found.route.repeat_interval) == (5 * MINUTE, 12 * HOUR_OF)
    nobody = replace(CONFIG, receivers=(Receiver("pager", pages=False), CONFIG.receivers[1]))
    assert grouped(nobody).route == CONFIG.route


def test_alerts_of_one_name_are_one_page():
    effect = all_grouped(backtest([(SLOW, HOUR, HOUR + 900), (DB, HOUR + 5, HOUR + 900)]))
    assert (len(effect.baseline), len(effect.candidate)) == (2, 1)


def test_a_cool_down_counts_from_the_page_that_is_kept():
    minutes = np.array([0, 30, 59, 61, 90, 130]) * 60 * SECOND_US
    pairs = np.arange(6), np.zeros(6, np.int64)
    kept = kept_pages(minutes, *pairs, HOUR_OF)
    assert kept.tolist() == [True, False, False, True, False, True]


def test_a_page_about_something_new_is_kept():
    times = np.array([0, 60]) * SECOND_US
    page, about = np.array([0, 1, 1]), np.array([5, 5, 6])
    assert kept_pages(times, page, about, HOUR_OF).tolist() == [True, True]
    assert kept_pages(times, np.array([0, 0, 1]), np.array([5, 6, 6]), HOUR_OF).tolist() == [
        True, False,
    ]  # fmt: skip


def test_a_short_incident_in_a_cool_down_is_missed_and_a_long_one_is_late():
    noise = (SLOW, HOUR, HOUR + 100)
    short = [noise, (SLOW, HOUR + 600, HOUR + 900)]
    (incident,) = cool_down(1)(backtest(short, [-1, 0])).incidents
    assert incident.missed
    # It still fires when the next page of its name and service is sent.
    long = [noise, (SLOW, HOUR + 600, 9 * HOUR)]
    (incident,) = cool_down(1)(backtest(long, [-1, 0])).incidents
    assert not incident.missed
    assert 4 * HOUR <= incident.delay <= 4 * HOUR + 60
    other = [noise, (DB, HOUR + 600, HOUR + 900)]
    (incident,) = cool_down(1)(backtest(other, [-1, 0])).incidents
    assert incident.delay == 0


def test_pages_are_about_what_they_tell_first_and_repeats_about_their_group():
    given = backtest([(SLOW, 100, 20_000), (ERRORS, 130, 20_000), (DB, 9000, 9900)])
    replay = replayed([130, 9030, 15_000], [130, 130, 9030], group=[0, 0, 7])
    times, page, about = told_keys(given, replay, np.arange(3))
    assert times.tolist() == [130 * SECOND_US, 9030 * SECOND_US, 15_000 * SECOND_US]
    assert list(zip(page.tolist(), about.tolist(), strict=True)) == [
        (0, SLOW), (0, ERRORS), (1, DB), (2, SLOW), (2, ERRORS),
    ]  # fmt: skip


def test_each_has_a_name_of_its_own():
    assert len({each.name for each in BASELINES}) == len(BASELINES) == 4
