"""The split of a history by time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.alerting.mining.episodes import find_episodes
from pipelines.aiops.alerting.windows import HistoryWindow, split_window, started_in, whole_window
from pipelines.aiops.lake.frame import NEVER
from pipelines.aiops.params.alert_rules import MineRulesParams
from pipelines.core.errors import SignalboxError
from pipelines.core.time import DAY_US
from tests.unit.aiops.alerting.mining.worlds import MONDAY, World


@given(st.integers(4, 400), st.floats(0.3, 0.6), st.floats(0.2, 0.35))
def test_parts_follow_each_other_on_whole_days(days, train, validation):
    whole = HistoryWindow(MONDAY, MONDAY + days * DAY_US)
    parts = split_window(whole, train, validation)
    assert parts.train.start == whole.start
    assert parts.train.end == parts.validation.start < parts.validation.end == parts.test.start
    assert parts.test.end == whole.end
    assert all((at - MONDAY) % DAY_US == 0 for at in (parts.train.end, parts.validation.end))


def test_a_history_too_short_is_said():
    with pytest.raises(SignalboxError, match="longer window"):
        split_window(HistoryWindow(0, 1), 0.5, 0.25)


def test_an_empty_history_is_said():
    with pytest.raises(SignalboxError, match="empty"):
        whole_window(World().frame())


def test_an_end_after_the_window_is_not_known_in_it():
    world = World()
    world.add(100, 50, "A")
    world.add(200, 2 * 86_400, "A")
    seen = started_in(world.frame(), HistoryWindow(MONDAY, MONDAY + DAY_US))
    assert seen.ends.tolist() == [MONDAY + 150 * 1_000_000, NEVER]


def test_an_assumed_end_after_the_window_is_known_when_the_alert_begins():
    world = World()
    for start in (100, 3600, 7200):
        world.add(start, 2 * 86_400, "Detection")
    window = HistoryWindow(MONDAY, MONDAY + DAY_US)
    held = replace(world.frame(), end_observed=np.zeros(3, bool))
    seen = started_in(held, window)
    assert seen.ends.tolist() == held.ends.tolist()
    # One alert that goes on, however often it is reported; and nobody saw it end.
    episodes = find_episodes(seen, window)
    assert episodes.rows.tolist() == [3]
    assert not episodes.ended.any()


def test_something_must_be_left_to_judge():
    with pytest.raises(ValueError, match="below 1"):
        MineRulesParams(train=0.7, validation=0.3)
