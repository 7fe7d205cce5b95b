"""What nobody saw end neither fires for ever nor teaches how long alerts last."""

from dataclasses import replace

import numpy as np

from pipelines.aiops import alert_history
from pipelines.aiops.alerting.evaluation.figures import why_no_page
from pipelines.aiops.alerting.mining.episodes import find_episodes
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.contract import ALERTS
from pipelines.aiops.lake.frame import NEVER, with_assumed_ends
from pipelines.aiops.lake.read import read_history
from pipelines.core.time import DAY_US, SECOND_US
from tests.support.alert_worlds import freeze
from tests.unit.aiops.alerting.replay.worlds import frame_of

HOUR = 3600
LABELS = [{"alertname": "a", "host": "x"}, {"alertname": "a", "host": "y"}, {"alertname": "b"}]
OBSERVED = [(1, 10_000 * n, 10_000 * n + 60 * n) for n in range(1, 8)]


def opened(rows):
    """A frame in which an end of -1 is unknown."""
    frame = frame_of([(s, a, max(b, a)) for s, a, b in rows], LABELS)
    ends = np.where([b < 0 for _, _, b in rows], NEVER, frame.ends)
    return replace(frame, ends=ends)


def ends_of(rows):
    frame = with_assumed_ends(opened(rows))
    return [int(end) // SECOND_US if end < NEVER else -1 for end in frame.ends], frame


def test_a_later_start_of_its_series_ends_a_row_after_the_usual_time_of_its_name():
    ends, frame = ends_of([(0, 0, -1), (0, 50_000, 50_060), *OBSERVED])
    assert ends[0] == 60 * 4  # the median of 60, 60, 120, …, 420 seconds of its name
    assert frame.observed_ends.tolist() == [False, True, *[True] * 7]


def test_it_ends_before_that_start_however_soon_that_is():
    _, frame = ends_of([(0, 0, -1), (0, 100, 150), *OBSERVED])
    assert frame.ends[0] == 100 * SECOND_US - 1


def test_where_no_duration_is_known_it_lasts_until_just_before_the_next_start():
    _, frame = ends_of([(0, 0, -1), (0, 100, -1)])
    assert frame.ends.tolist() == [100 * SECOND_US - 1, NEVER]


def test_one_that_would_have_lasted_longer_than_any_of_its_name_lost_its_end():
    ends, _ = ends_of([(0, 0, -1), *OBSERVED])
    assert ends[0] == 7 * 60
    still, _ = ends_of([(0, 70_000, -1), *OBSERVED])
    assert still[0] == -1  # it may well fire yet
    unknown, _ = ends_of([(2, 0, -1), *OBSERVED])
    assert unknown[0] == -1  # nothing is known of its name: a heartbeat perhaps


def test_rows_that_start_together_do_not_end_one_another():
    _, frame = ends_of([(0, 5, -1), (0, 5, -1)])
    assert frame.ends.tolist() == [NEVER, NEVER]


def test_points_in_time_and_assumed_ends_are_no_observed_durations():
    frame = frame_of([(0, 0, 0), (0, 100, 160), (1, 0, 60)], LABELS)
    frame = replace(frame, end_observed=np.array([True, False, True]))
    assert frame.observed_ends.tolist() == [False, False, True]
    assert frame.where(np.array([1, 2])).observed_ends.tolist() == [False, True]
    ended = find_episodes(frame, HistoryWindow(0, DAY_US))
    assert ended.ended.tolist() == [False, False, True]


def world(folder, lines):
    import gzip

    folder.mkdir()
    text = "\n".join(
        f'{{"starts_at": "2026-03-0{day}T10:00:00Z", "ends_at": {end}, "acted": false, '
        f'"labels": {{"alertname": "a", "host": "{host}"}}}}'
        for day, end, host in lines
    )
    (folder / "alerts.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "tickets.csv").write_text("id,opened,closed,title,service,kind,severity,fix\n")
    return folder


def test_held_lost_and_pointlike_alerts_come_through_the_lake_as_such(tmp_path):
    point = '"2026-03-03T10:00:00Z"'
    lines = [(1, "null", "x"), (2, '"2026-03-02T10:30:00Z"', "x"), (3, point, "y")]
    freeze(world(tmp_path / "plain", lines), tmp_path / "one")
    plain = read_history(tmp_path / "one/data/alert_history")
    assert plain.observed_ends.tolist() == [False, True, False]
    assert (plain.ends - plain.starts).tolist() == [1800 * SECOND_US] * 2 + [0]
    freeze(tmp_path / "plain", tmp_path / "two", hold_seconds=300)
    held = read_history(tmp_path / "two/data/alert_history")
    assert held.observed_ends.tolist() == [False, True, False]
    assert (held.ends - held.starts).tolist() == [300 * SECOND_US, 1800 * SECOND_US, 0]


def test_their_shares_are_evidence(tmp_path, monkeypatch):
    import duckdb

    point = '"2026-03-03T10:00:00Z"'
    lines = [
        (1, "null", "x"),
        (2, '"2026-03-02T10:30:00Z"', "x"),
        (3, point, "y"),
        (4, "null", "z"),
    ]
    freeze(world(tmp_path / "w", lines), tmp_path)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as raw:
        raw.execute("CREATE TABLE frozen_alerts AS SELECT NULL::VARCHAR AS ticket_id")
        seen = alert_history._seen(raw)
    counts = {key: seen[key] for key in ("open", "restarted", "assumed", "zero_length")}
    assert counts == {"open": 2, "restarted": 1, "assumed": 0, "zero_length": 1}
    assert "end_observed" in ALERTS.schema.names


def test_where_points_in_time_make_today_silent_the_cause_is_named():
    said = why_no_page(3, 2)
    assert "2 of its 3 alerts end as they start" in said
    assert "hold_seconds" in said
    assert "hold_seconds" not in why_no_page(1, 0)
