import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
import yaml
from typer.testing import CliRunner

from pipelines.cli.release_commands import monitor
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure
from pipelines.mlops.monitoring.result import DEFAULT, Watching, judge_watch
from pipelines.mlops.monitoring.watch import watch_project
from pipelines.mlops.scoring.batch import Batch, score_table
from pipelines.release.ledger import Ledger
from tests.unit.mlops.scoring.conftest import Project, make_rows

NOW = datetime.fromisoformat("2026-11-22T05:00:00+00:00")


@pytest.fixture
def fresh(project: Project) -> Project:
    settings(project.root)
    return project


def settings(root: Path, **changes: object) -> None:
    monitoring = {"min_rows": 100, "labels": "late.csv", "label_delay_days": 30, **changes}
    kpi = {
        "id": "found",
        "owner": "us",
        "measures": "share decided rightly",
        "formula": "live.accuracy",
        "target": 0.5,
        "direction": "at_least",
    }
    text = yaml.safe_dump({"monitoring": monitoring, "kpis": {"definitions": [kpi]}})
    (root / "release.yaml").write_text(text)
    (root / "late.csv").write_text("person,y\nnobody,yes\n")


def scored(project: Project, rows: pd.DataFrame, name: str, days_ago: float) -> None:
    root = project.root
    rows.to_csv(root / "rows.csv", index=False)
    time = (NOW - timedelta(days=days_ago)).isoformat()
    batch = Batch(str(root / "rows.csv"), name, root / "predictions", time)
    score_table(batch, project.release, reasons=0)


def figure(result: Watching, name: str) -> Figure:
    return next(one for one in result.figures if one.id == f"live.{name}")


def states(result: Watching) -> dict[str, str]:
    return {one.id: one.state for one in result.watches}


def test_rows_like_the_training_data_sound_no_alarm_of_drift(fresh: Project) -> None:
    scored(fresh, make_rows(2000, 11), "today", 0.5)
    scored(fresh, make_rows(150, 12), "last_month", 20)
    result = watch_project(fresh.root, NOW, NOW)
    assert figure(result, "rows").value == 2000
    assert figure(result, "drifted_share").value == 0
    assert states(result)["live_drift"] == "well"
    assert states(result)["live_ranking"] == "no_data"
    assert "labels are known of only 0 rows" in figure(result, "roc_auc").missing
    assert result.labels.model_dump() == {
        "predictions": 2150,
        "matched": 0,
        "waiting": 2150,
        "unmatched": 0,
    }
    rate = (pd.read_parquet(fresh.root / "predictions/today.parquet")["decision"] == "yes").mean()
    assert figure(result, "selection_rate").value == pytest.approx(rate)
    assert 0 < figure(result, "worst_impact_ratio:sex").value <= 1
    assert result.retrain.requested is False
    written = (fresh.root / "monitoring/2026-11-22.json").read_text()
    assert Watching.model_validate_json(written) == result
    assert "p11-0" not in written


def test_late_labels_make_performance_and_early_ones_wait(fresh: Project) -> None:
    root = fresh.root
    old, young = make_rows(400, 13), make_rows(200, 14)
    scored(fresh, old, "old", 32)
    scored(fresh, young, "young", 2)
    labels = pd.concat([old.head(300), young])[["person", "y"]]
    labels.to_csv(root / "late.csv", index=False)
    result = watch_project(root, NOW, NOW)
    assert result.labels.model_dump() == {
        "predictions": 600,
        "matched": 300,
        "waiting": 200,
        "unmatched": 100,
    }
    predictions = pd.read_parquet(root / "predictions/old.parquet").head(300)
    right = (predictions["decision"].to_numpy() == old["y"].head(300).to_numpy()).mean()
    accuracy = figure(result, "accuracy")
    assert accuracy.value == pytest.approx(right)
    assert accuracy.low < accuracy.value < accuracy.high
    assert figure(result, "largest_tpr_difference:sex").n > 0
    assert [(kpi["id"], kpi["value"]) for kpi in result.kpis] == [("found", accuracy.value)]


def test_a_drift_storm_asks_for_one_training(fresh: Project) -> None:
    root, release = fresh.root, fresh.release
    far = make_rows(600, 15)
    far["amount"] += 5
    far["years"] += 100
    scored(fresh, far, "far", 0.5)
    first = watch_project(root, NOW, NOW)
    again = watch_project(root, NOW, NOW)
    assert first.retrain.requested
    assert "live_drift" in first.retrain.because
    assert again.retrain.requested  # the same day's task, repeated
    # The ledger's clock is the machine's: later days are watched from its point of view.
    ledger = Ledger.of(root)
    alarms = [entry for entry in ledger.entries() if entry.kind == "alarm"]
    assert len({entry.data["id"] for entry in alarms}) == len(alarms)
    assert {e.data["id"]: e.data["retrain"] for e in alarms}["live_drift"] is True
    asked = max(datetime.fromisoformat(entry.time) for entry in alarms)
    next_day = watch_project(root, NOW + timedelta(days=1), asked + timedelta(days=1))
    assert not next_day.retrain.requested
    assert "at most once in 7 days" in next_day.retrain.held_back
    later = watch_project(root, NOW + timedelta(days=2), asked + timedelta(days=7))
    assert later.retrain.requested
    assert ledger.verify().ok
    assert {entry.data["commit"] for entry in alarms} == {release.released.commit}


def test_values_the_model_does_not_know_sound_an_alarm(fresh: Project) -> None:
    rows = make_rows(300, 16)
    rows["colour"] = "never seen"
    scored(fresh, rows, "strange", 1)
    result = watch_project(fresh.root, NOW, NOW)
    html = (fresh.root / "monitoring/2026-11-22.html").read_text()
    alarms = len(result.alarms())
    assert f"<span>{alarms} of {len(result.watches)} alarms</span>" in html
    assert all(alarm.id in html for alarm in result.alarms())
    assert "<script" not in html
    assert "p16-0" not in html
    found = figure(result, "strange_share")
    assert (found.value, found.where) == (1.0, {"column": "colour"})
    assert "the default of monitoring, as no check of the gate is on this figure" in html
    assert states(result)["live_strange"] == "alarm"


def test_few_rows_are_no_alarm_and_no_silence(fresh: Project) -> None:
    scored(fresh, make_rows(99, 17), "few", 1)
    result = watch_project(fresh.root, NOW, NOW)
    assert set(states(result).values()) == {"no_data"}
    assert (
        "99 rows, and monitoring.min_rows asks for 100" in figure(result, "drifted_share").missing
    )
    assert "<span>No data</span>" in (fresh.root / "monitoring/2026-11-22.html").read_text()
    nothing = watch_project(fresh.root, NOW + timedelta(days=300), NOW)
    assert figure(nothing, "rows").value == 0


def test_a_watch_on_a_figure_nobody_measures_is_named(fresh: Project) -> None:
    watch = DEFAULT[0].model_dump() | {"figure": "live.roc_acu"}
    settings(fresh.root, watches=[watch])
    with pytest.raises(SignalboxError, match=r"watches.0.figure: 'live.roc_acu'.*'live.roc_auc'"):
        watch_project(fresh.root, NOW, NOW)


@pytest.mark.parametrize(
    ("low", "high", "state"),
    [(0.0, 0.05, "well"), (0.05, 0.3, "inconclusive"), (0.2, 0.3, "alarm")],
)
def test_an_alarm_needs_the_whole_interval(low: float, high: float, state: str) -> None:
    watch = DEFAULT[1].model_copy(update={"threshold": 0.1})
    value = float(np.mean([low, high]))
    found = Figure(id=watch.figure, label="x", value=value, low=low, high=high, method="m", n=9)
    assert judge_watch(watch, found).state == state
    assert judge_watch(watch, None).state == "no_data"


def test_the_command_tells_what_it_saw(fresh: Project) -> None:
    app = typer.Typer()
    app.command()(monitor)
    run = CliRunner().invoke
    shown = run(app, ["--project", str(fresh.root), "--date", "2026-11-20"])
    assert shown.exit_code == 0, shown.output
    assert "no_data       live_drift" in shown.stdout
    assert "labels: 0 known" in shown.stdout
    told = run(app, ["--project", str(fresh.root), "--date", "2026-11-20", "--json"])
    assert json.loads(told.stdout)["date"] == "2026-11-20"


def test_after_an_erasure_the_day_is_watched_without_the_comparison(fresh: Project) -> None:
    scored(fresh, make_rows(300, 5), "b", 1)
    commit = fresh.release.released.commit
    proof = {"stage": "done", "releases": [{"commit": commit, "contains": True}]}
    Ledger.of(fresh.root).append("erasure", "model_release", proof)
    result = watch_project(fresh.root, NOW, NOW)
    assert result.drift is None
    assert "was erased" in figure(result, "drifted_share").missing
    assert states(result)["live_drift"] == "no_data"
    assert figure(result, "rows").value == 300
