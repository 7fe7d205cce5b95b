"""The map is built in pieces or in one go: both give the same, and what moved is told."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.aiops import map_services
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.lake.window import Window
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import MOVED, SERVICE_MAP
from pipelines.aiops.service_map.change_impact import read_moved
from pipelines.aiops.service_map.edge_changes import stretch
from pipelines.aiops.service_map.model import MAP_FILE, WINDOWS_FILE
from pipelines.core.errors import SignalboxError
from tests.support.aiops_world import spans
from tests.unit.aiops.conftest import WORLD

HOURS = Window(WORLD.at(8), WORLD.at(12))
FILES = (SERVICE_MAP / MAP_FILE, SERVICE_MAP / WINDOWS_FILE, MOVED)


def contents(place: Path) -> list[bytes]:
    return [(place / name).read_bytes() for name in FILES]


def test_pieces_in_any_order_give_the_map_of_one_go(params: AiopsParams, tmp_path: Path) -> None:
    # Not whole hours: the first piece and the last are cut.
    window = Window(WORLD.at(8.25), WORLD.at(11.5))
    map_services.run(params, window, tmp_path / "one")
    pieces = map_services.partitions_of(params, window)
    assert len(pieces) == 4
    for piece in [*reversed(pieces), pieces[1]]:
        map_services.run_partition(params, window, tmp_path / "many", piece)
    map_services.join(params, window, tmp_path / "many")
    assert contents(tmp_path / "one") == contents(tmp_path / "many")
    assert sorted(path.name for path in (tmp_path / "many").iterdir()) == [
        "evidence", "metrics", "service_map"]  # fmt: skip


def test_traces_that_a_piece_cuts_in_half_are_paired_whole(
    params: AiopsParams, tmp_path: Path
) -> None:
    map_services.run(params, HOURS, tmp_path)
    found = json.loads((tmp_path / SERVICE_MAP / MAP_FILE).read_text())
    assert {(one["source"], one["target"]): one["n"] for one in found["edges"]} == {
        ("user:", "web"): 480, ("web", "shop"): 480, ("web", "search"): 480,
        ("shop", "cart"): 480, ("shop", "pay"): 480, ("cart", "database:postgresql/carts"): 480,
    }  # fmt: skip
    assert found["counts"]["missing_parents"] == 0


def test_what_moved_after_the_change_is_told_from_its_onset(
    params: AiopsParams, tmp_path: Path
) -> None:
    map_services.run(params, HOURS, tmp_path)
    content = read_moved(tmp_path / MOVED)
    findings = content.findings
    assert [one.id for one in content.changes] == ["C1"]
    assert content.changes[0].title == "pay 2.4.0"
    assert {one.kind for one in findings} >= {"slowed", "more_errors"}
    begin, end = WORLD.fault_us
    impact = [one for one in findings if one.labels["to"] == "pay"]
    assert {(one.start_us, one.end_us) for one in impact} == {(begin, end)}
    assert all(one.evidence["certain"] for one in findings)


def test_a_map_is_compared_with_the_same_hours_before(params: AiopsParams, tmp_path: Path) -> None:
    fault = Window(WORLD.at(10), WORLD.at(11))
    map_services.run(params, fault, tmp_path)
    content = read_moved(tmp_path / MOVED)
    findings = content.findings
    assert content.compared_with == fault.moved(-timedelta(days=1))
    assert content.diff is not None
    moved = {(one.kind, one.target) for one in content.diff.moved if one.certain}
    assert ("slowed", "pay") in moved
    begin, end = WORLD.fault_us
    slowed = [one for one in findings if one.labels == {"from": "shop", "to": "pay"}]
    assert {(one.start_us, one.end_us) for one in slowed if one.kind == "slowed"} == {(begin, end)}


def test_a_change_in_the_hour_before_the_window_is_told_too(
    params: AiopsParams, tmp_path: Path
) -> None:
    later = Window(WORLD.at(10), WORLD.at(11))
    map_services.run(params, later, tmp_path)
    content = read_moved(tmp_path / MOVED)
    (change,) = content.changes
    assert (change.id, change.windows_before) == ("C1", 12)
    assert change.moved


def test_nothing_of_the_future_is_known(params: AiopsParams, lake: Path, tmp_path: Path) -> None:
    """A window on time, when the lake ends with it, gives what it gives later."""
    window = Window(WORLD.at(9), WORLD.at(10) + timedelta(minutes=5))
    rows = spans(WORLD)
    known = rows.filter([at < window.end for at in rows["starts_at"].to_pylist()])
    upsert(tmp_path / "then", {"spans": known})
    (tmp_path / "then" / "changes").symlink_to(lake / "changes")
    analysis = params.analysis.model_copy(update={"lake": str(tmp_path / "then")})
    map_services.run(params.model_copy(update={"analysis": analysis}), window, tmp_path / "a")
    map_services.run(params, window, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert "C3" not in (tmp_path / "b" / MOVED).read_text()


def test_a_window_without_spans_is_a_normal_end(params: AiopsParams, tmp_path: Path) -> None:
    map_services.run(params, HOURS.moved(timedelta(days=365)), tmp_path)
    content = read_moved(tmp_path / MOVED)
    findings = content.findings
    assert (content.diff, content.compared_with, findings) == (None, None, [])
    assert json.loads((tmp_path / SERVICE_MAP / MAP_FILE).read_text())["nodes"] == []


def test_a_piece_that_is_missing_is_named(params: AiopsParams, tmp_path: Path) -> None:
    with pytest.raises(
        SignalboxError, match=f"{map_services.partitions_of(params, HOURS)[0].name}.*missing"
    ):
        map_services.join(params, HOURS, tmp_path)


def test_a_time_that_is_not_whole_windows_is_refused(params: AiopsParams, tmp_path: Path) -> None:
    odd = Window(HOURS.start, HOURS.end + timedelta(seconds=10))
    with pytest.raises(SignalboxError, match=r"aiops\.map_services\.window_seconds \(300\)"):
        map_services.run(params, odd, tmp_path)


@pytest.mark.parametrize(
    ("points", "expected"),
    [([-1, 2, 3, -1, -5, 1], (1, 2)), ([1, 1, 1], (0, 2)), ([-3, -1, -2], (1, 1)), ([0.5], (0, 0))],
)
def test_the_stretch_that_shows_most_is_found(
    points: list[float], expected: tuple[int, int]
) -> None:
    assert stretch(points) == expected
