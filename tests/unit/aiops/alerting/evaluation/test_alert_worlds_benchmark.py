"""The benchmark of alert worlds judges the same replays by what really happened."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.alert_worlds import (
    JudgedFiles,
    about_incidents,
    judged_by,
    params_for,
    summary,
    truth_links,
    worlds_in,
)
from pipelines.aiops.alerting.config import default_config
from pipelines.aiops.alerting.evaluation import Backtest
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.params import load_aiops_params
from pipelines.core.time import DAY_US
from tests.support.alert_worlds import WORLDS
from tests.unit.aiops.alerting.export.make import quiet
from tests.unit.aiops.alerting.replay.worlds import frame_of

LABELS = [{"alertname": "a"}, {"alertname": "b"}]
ROWS = [(0, 100, 4000), (1, 9000, 12_000), (0, 20_000, 24_000)]


def world_with(folder: Path, incidents: list[dict]) -> Path:
    (folder / "truth").mkdir()
    (folder / "truth/truth.json").write_text(json.dumps({"incidents": incidents}))
    table = {
        "row": [7, 8, 9],
        "start": [float(start) for _, start, _ in ROWS],
        "labels": [json.dumps(LABELS[series]) for series, _, _ in ROWS],
    }
    pq.write_table(pa.table(table), folder / "truth/rows.parquet")
    return folder


def test_an_incident_that_nobody_linked_is_missed_by_truth_only(tmp_path: Path) -> None:
    rules = (quiet("alertname = a"),)
    backtest = Backtest(
        frame_of(ROWS, LABELS, ["T0"], [-1, 0, -1]), HistoryWindow(0, DAY_US), default_config(), {}
    )
    candidate = backtest.replay(rules)
    judged = JudgedFiles(backtest, candidate, rules, backtest.effect(candidate, rules))
    incidents = [
        {"id": 0, "kind": "rare", "ticket": None, "end": 24_000.0, "rows": [9]},
        {"id": 1, "kind": "short", "ticket": "T0", "end": 12_000.0, "rows": [8]},
    ]
    linked, ended = truth_links(world_with(tmp_path, incidents), backtest.rows)
    by_truth = about_incidents(judged_by(linked, ended, judged))
    assert about_incidents(judged.effect)["missed"] == 0
    assert by_truth["notified_today"] == 2
    (missed,) = by_truth["missed_incidents"]
    assert missed == {
        "incident": "0 (rare, no ticket)", "hidden_by": ("demotion-1",),
        "touched_by": ("demotion-1",),
    }  # fmt: skip


def test_what_the_gate_rejects_neither_saves_nor_misses_after_it() -> None:
    row = {"world": "x", "saved_share": 0.9, "saved_after_gate": 0.0, "verdict": "reject",
           "notified_today": 9, "missed": 2, "longest_delay_s": 900.0}  # fmt: skip
    told = {**row, "saved_share": 0.2, "saved_after_gate": 0.2, "verdict": "review", "missed": 0,
            "longest_delay_s": 5.0, "truth": {"notified_today": 8, "missed": 1,
                                              "longest_delay_s": 7.0}}  # fmt: skip
    found = summary([row, told])
    assert found["saved_after_gate"] == {"mean": 0.1, "worst": 0.0}
    assert (found["missed"], found["missed_after_gate"]) == (3, 1)
    assert found["longest_delay_after_gate_s"] == 7.0


def test_only_paths_differ_from_the_projects_own_params(tmp_path: Path) -> None:
    world = WORLDS / "mini_guard"
    params, ours = params_for(world, tmp_path), load_aiops_params()
    assert worlds_in(WORLDS) == sorted(WORLDS.iterdir())
    for section in ("mine_rules", "select_rules", "gate_rules"):
        assert getattr(params, section) == getattr(ours, section)
    assert params.export_rules.prometheus == [str(world / "prometheus/eu.yml")]
