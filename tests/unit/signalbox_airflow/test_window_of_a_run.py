"""The task ``window``: the run's interval once it is complete, that of params without one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pendulum
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from signalbox_airflow.analysis_work import find_window, metric_groups
from tests.support.aiops_world import World, write_lake

WORLD = World(days=2, span_days=1, lines_an_hour=1)
NINE, TEN = WORLD.at(9), WORLD.at(10)
HOUR = "20260402T090000Z_20260402T100000Z"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("project")
    (place / "params.yaml").write_text("aiops: {analysis: {lake: lake, results: out}}\n")
    write_lake(place / "lake", WORLD)
    return place


def test_the_run_s_interval_is_the_window(project: Path) -> None:
    given = [pendulum.instance(at) for at in (NINE, TEN)]  # as Airflow gives it
    assert find_window(project, *given) == HOUR
    assert metric_groups(project, HOUR)


@pytest.mark.parametrize(("start", "end"), [(None, None), (TEN, TEN)])
def test_without_an_interval_params_decide(
    project: Path, start: datetime | None, end: datetime | None
) -> None:
    assert find_window(project, start, end) == "20260402T000000Z_20260403T000000Z"


def test_a_window_that_just_ended_is_waited_for(project: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    assert find_window(project, now - timedelta(hours=1), now) is None


def test_a_time_without_any_telemetry_is_skipped_and_says_so(project: Path) -> None:
    later = timedelta(days=40)
    with pytest.raises(AirflowSkipException, match="no telemetry of 20260512T090000Z"):
        find_window(project, NINE + later, TEN + later)


def test_without_a_lake_it_is_skipped_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("aiops: {analysis: {lake: nowhere}}\n")
    with pytest.raises(AirflowSkipException, match=r"nowhere: no such lake .aiops\.analysis\.lake"):
        find_window(tmp_path, NINE, TEN)


def test_what_no_retry_would_mend_is_not_tried_again(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("aiops: {analysis: {hours: 0}}\n")
    with pytest.raises(AirflowFailException, match=r"aiops\.analysis\.hours"):
        find_window(tmp_path, None, None)


def test_the_folder_that_a_task_runs_in_stays(project: Path) -> None:
    before = Path.cwd()
    find_window(project, NINE, TEN)
    assert Path.cwd() == before
