"""From first principles, each with numbers that can be followed on paper."""

from dataclasses import replace

import pytest

from pipelines.aiops.alerting.config import (
    HOUR,
    MINUTE,
    SECOND,
    Config,
    Process,
    Receiver,
    Route,
    default_config,
    parse_config,
    process_of,
)
from pipelines.aiops.alerting.replay import Timing, replay
from pipelines.aiops.alerting.replay.model import timing_of
from pipelines.aiops.alerting.rules import Matcher
from pipelines.core.errors import SignalboxError

from .worlds import frame_of

PAGER, CHAT = Receiver("pager"), Receiver("chat")
A, B = (Matcher(label=name, op="=", value="x") for name in "ab")
LABELS = [{"alertname": "down", "a": "x", "b": "x"}]


def told(config, rows, until, timing=None, labels=LABELS):
    """(seconds, receiver, firing) of each notification."""
    made = replay(frame_of(rows, labels), config, until=until, timing=timing).notifications
    columns = (made["time"] / SECOND, made["receiver"], made["firing"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def two(first, second):
    """Config of two sibling routes below the top; the first one lets alerts pass on."""
    base = {"receiver": "pager", "matchers": (A, B), "group_by": ("alertname",)}
    one, other = Route(**base | {"continues": True} | first), Route(**base | second)
    return Config(Route("chat", routes=(one, other)), (PAGER, CHAT))


ROWS = [(0, 0, 200)]
EACH = [(30, "pager", 1), (60, "pager", 1), (330, "pager", 0), (360, "pager", 0)]
LATER = {"group_wait": 60 * SECOND}


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        # The second route's group finds what the first one's group was told, and the other way.
        (LATER, [(30, "pager", 1), (330, "pager", 0)]),
        (LATER | {"matchers": (B, A)}, [(30, "pager", 1), (330, "pager", 0)]),
        # A label that no alert has isn't a group label: the keys are equal still.
        (LATER | {"group_by": ("alertname", "zone")}, [(30, "pager", 1), (330, "pager", 0)]),
        (LATER | {"matchers": (A,)}, EACH),
        (LATER | {"group_by": ("a",)}, EACH),
        (LATER | {"group_by": ("...",)}, EACH),
    ],
)
def test_routes_with_one_key_and_receiver_share_their_log_entries(second, expected):
    assert told(two({}, second), ROWS, 500 * SECOND, Timing()) == expected


def test_another_receiver_has_entries_of_its_own():
    made = told(two({}, LATER | {"receiver": "chat"}), ROWS, 500 * SECOND, Timing())
    assert [(time, receiver) for time, receiver, _ in made] == [
        (30, "pager"), (60, "chat"), (330, "pager"), (360, "chat"),
    ]  # fmt: skip


def test_routes_that_share_and_flush_at_once_both_tell_unless_the_answer_takes_no_time():
    config = two({}, {})
    assert told(config, ROWS, 500 * SECOND, Timing()) == [(30, "pager", 1), (330, "pager", 0)]
    both = [(30, "pager", 1)] * 2 + [(330, "pager", 0)] * 2
    assert told(config, ROWS, 500 * SECOND, Timing(answer=SECOND)) == both


def test_of_routes_that_share_the_one_that_flushes_next_tells_of_a_new_alert():
    labels = [*LABELS, {**LABELS[0], "n": "2"}]
    made = told(two({}, LATER), [(0, 0, 900), (1, 40, 900)], 800 * SECOND, Timing(), labels)
    assert made == [(30, "pager", 1), (60, "pager", 2)]


def test_a_group_finds_its_own_entry_while_the_others_is_not_answered_yet():
    """Each tells at 30 s and waits: the first is answered just before 40 s, the other at 55 s."""
    first, other = {"group_interval": 10 * SECOND}, {"group_interval": 60 * SECOND}
    made = told(two(first, other), [(0, 0, 33)], 500 * SECOND, Timing(answer=25 * SECOND))
    assert [(time, firing) for time, _, firing in made] == [(30, 1), (30, 1), (40, 0), (90, 0)]


@pytest.mark.parametrize(
    ("answer", "repeats"),
    [
        # 48 flushes drift by 0.7 ms each: an answer within 33.6 ms is old enough on time.
        (0, [4 * HOUR, 8 * HOUR]),
        (33_000, [4 * HOUR, 8 * HOUR]),
        (34_000, [4 * HOUR + 5 * MINUTE, 8 * HOUR + 10 * MINUTE]),
        (300_000, [4 * HOUR + 5 * MINUTE, 8 * HOUR + 10 * MINUTE]),
    ],
)
def test_a_fast_answer_repeats_on_time_and_a_slow_one_a_flush_later(answer, repeats):
    config = default_config(Process(answer=answer))
    made = told(config, [(0, 0, 9 * 3600)], 8 * HOUR + 20 * MINUTE)
    assert [time * SECOND - 30 * SECOND for time, *_ in made] == [0, *repeats]


def test_without_drift_a_repeat_is_never_on_time():
    made = told(default_config(), [(0, 0, 9 * 3600)], 5 * HOUR, Timing())
    assert [time for time, *_ in made] == [30, 30 + 4 * 3600 + 300]


def test_past_the_retention_an_alert_is_told_again_once_the_log_was_swept():
    config = default_config()
    config = replace(config, route=replace(config.route, repeat_interval=8760 * HOUR))
    made = told(config, [(0, 0, 250 * 3600)], 245 * HOUR, Timing())
    # Told at 30 s: expires at 120:00:30, swept at 120:15, told with the flush at 120:15:30; again
    # swept at 240:30.
    later = [120 * 3600 + 930, 240 * 3600 + 1830]
    assert [time for time, *_ in made] == [30, *later]
    # Swept every hour: at 121:00 and 242:00.
    made = told(config, [(0, 0, 250 * 3600)], 245 * HOUR, Timing(log_sweep=HOUR))
    assert [time for time, *_ in made] == [30, 121 * 3600 + 30, 242 * 3600 + 30]


def test_a_repeat_that_comes_before_the_sweep_is_a_repeat():
    config = default_config()
    config = replace(config, route=replace(config.route, repeat_interval=121 * HOUR))
    made = told(config, [(0, 0, 130 * 3600)], 129 * HOUR, Timing(log_sweep=200 * HOUR))
    assert [time for time, *_ in made] == [30, 121 * 3600 + 330]


@pytest.mark.parametrize(("ends", "resolved"), [(3 * 3600, []), (1800, [])])
def test_an_end_that_a_flush_sees_after_the_entry_was_swept_is_told_nobody(ends, resolved):
    route = {"group_interval": 6 * HOUR, "repeat_interval": HOUR}
    config = default_config()
    config = replace(config, route=replace(config.route, **route))
    made = told(config, [(0, 0, ends)], 24 * HOUR, Timing())
    assert [time for time, *_ in made] == [30, *resolved]
    # Where the log isn't swept in time, the entry is still there.
    made = told(config, [(0, 0, ends)], 24 * HOUR, Timing(log_sweep=48 * HOUR))
    assert [time for time, *_ in made] == [30, 6 * 3600 + 30]


GIVEN = """
route: {receiver: a, group_by: [alertname], routes: [{group_by: [], routes: [{}]}]}
receivers: [{name: a}]
"""


@pytest.mark.parametrize(
    ("version", "group_by"), [("0.25", ("alertname",)), ("0.30.1", ("alertname",)), ("0.31", ())]
)
def test_an_empty_group_by_inherits_before_031_and_stands_since(version, group_by):
    config = parse_config(GIVEN, "am.yml", process_of(version, 0))
    child = config.route.routes[0]
    assert (child.group_by, child.routes[0].group_by) == (group_by, group_by)
    assert config.process.name == "Alertmanager " + ".".join(version.split(".")[:2])


def test_routes_may_have_labels_since_034():
    text = "route: {receiver: a, routes: [{labels: {x: y}}]}\nreceivers: [{name: a}]"
    assert parse_config(text, "am.yml", process_of("0.34.2", 0)).route.routes
    with pytest.raises(SignalboxError, match="unknown key 'labels'"):
        parse_config(text, "am.yml", process_of("0.33", 0))


@pytest.mark.parametrize(("version", "pages"), [((0, 31), [240]), ((0, 32), [240, 430])])
def test_a_group_that_a_flush_leaves_empty_waits_for_a_sweep_before_032(version, pages):
    """Ended at 250 s, seen at 360; back from 370 to 470: the old group flushes at 480 only."""
    route = Route("pager", group_wait=60 * SECOND, group_interval=120 * SECOND)
    config = Config(route, (PAGER,), process=Process(version, answer=0))
    timing = replace(timing_of(config.process), sweep_at=29 * SECOND)
    made = told(config, [(0, 180, 250), (0, 370, 470)], 600 * SECOND, timing)
    assert [time for time, _, firing in made if firing] == pages
