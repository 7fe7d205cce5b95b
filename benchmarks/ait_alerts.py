"""Noise reduction on real intrusion-detection alerts: the AIT Alert Data Set, by the product.

``python -m benchmarks.ait_alerts --data PATH [--out DIR]`` prints readable lines, then one line of
JSON. PATH is a folder with the scenarios (``*.csv.gz``: time, name, ip, host, short, time_label,
event_label), or one that has them in ``ait_alerts/``. The collection is public: AIT Alert Data Set,
repository ait-aecid/alert-data-set (Landauer, Skopik and Wurzenberger 2024).

Each scenario gets a project of its own with the recipe of docs/own-telemetry.md, "Intrusion
detection", word for word, and goes through ``signalbox ingest`` and the stages from alert_history
to report_rules. The recipe holds nothing, so no rule may come out. Judged is what its
``alertmanager.yml`` sends from the first attack step on, when the whole history is replayed; the
time of that step is the only thing taken from the labels before the judging.

The yardstick is one page per (name, host) and day. Beside it stands the plain rule that the recipe
follows: page if this (name, host) was silent for 24 hours, at most once a second. A step counts as
paged if a page that is the first to tell of one of its event-labelled alerts is sent while the step
goes on; paging every row would page each of the steps that are counted.

With ``--out`` it writes for each scenario ``<name>.csv`` (a line a row of the file: ``row``,
``judged``, ``paged`` = a page is sent for this alert, ``page_time`` = second of the first page that
names it, -1 without one) and ``<name>_pages.csv``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ait_data import (
    Scenario,
    read,
    scenario_files,
    silent_for_a_day,
    steps,
    yardstick,
)

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "docs" / "own-telemetry.md"
CHAPTER = "## Intrusion detection\n"
STAGES = (
    "alert_history", "mine_rules", "select_rules", "export_rules", "replay_rules", "watch_rules",
    "gate_rules", "report_rules",
)  # fmt: skip
AT_ONCE = 2


def recipe() -> tuple[str, dict[str, Any]]:
    """Read the documented ``alertmanager.yml``, and the section of ``params.yaml``."""
    from ruamel.yaml import YAML

    chapter = RECIPE.read_text(encoding="utf-8").partition(CHAPTER)[2].partition("\n## ")[0]
    blocks = [part.partition("```")[0] for part in chapter.split("```yaml\n")[1:]]
    if len(blocks) != 2:
        raise SystemExit(f"{RECIPE}: {CHAPTER.strip()} must have two blocks of YAML")
    return blocks[0], YAML(typ="safe").load(blocks[1])


def make_project(place: Path, file: Path) -> None:
    """Write a project: this one's settings, with the recipe on top."""
    from ruamel.yaml import YAML

    alertmanager, own = recipe()
    for name in ("expectations", "released"):
        shutil.copytree(ROOT / name, place / name)
    shutil.copy(ROOT / "release.yaml", place)
    (place / "alertmanager.yml").write_text(alertmanager, encoding="utf-8")
    (place / "exports" / "ids").mkdir(parents=True)
    shutil.copy(file, place / "exports" / "ids")
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    _lay(own, params)
    with (place / "params.yaml").open("w", encoding="utf-8") as out:
        YAML(typ="safe").dump(params, out)


def _lay(above: dict[str, Any], below: dict[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _lay(value, below[key])
        else:
            below[key] = value


def run_stages() -> None:
    """Run what a user runs, in the project one stands in."""
    from pipelines.aiops.params import load_aiops_params
    from pipelines.cli.main import app

    app(["ingest"], standalone_mode=False)
    params = load_aiops_params()
    for stage in STAGES:
        import_module(f"pipelines.aiops.{stage}").main(params)


class Sent:
    """What a configuration sends, and when it first tells of each row.

    Parameters
    ----------
    scenario
        The file's rows.
    rows
        Rows of the frozen history, in the order of the replay's alerts.
    replayed
        A `Replay` of them.
    """

    def __init__(self, scenario: Scenario, rows: Any, replayed: Any) -> None:
        import pandas as pd

        from pipelines.core.time import SECOND_US

        sent = replayed.notifications
        sent = sent[sent["page"].to_numpy(bool)]
        self.pages = sent.assign(time=sent["time"] // SECOND_US).reset_index(drop=True)
        # The history has a row a second and label set, whatever number of times the file has it.
        at = replayed.alerts["first_page"].to_numpy(np.int64)
        labels = pd.DataFrame([rows.labels[series] for series in rows.series.tolist()])
        known = pd.DataFrame({"time": rows.starts // SECOND_US})
        known["page"] = np.where(at >= 0, at // SECOND_US, -1)
        for column, label in LABELS.items():
            known[column] = labels[label].fillna("") if label in labels else ""
        found = scenario.rows[["time", *LABELS]].merge(known, "left", ["time", *LABELS])
        self.page_time = found["page"].fillna(-1).to_numpy(np.int64)

    def judged(self, scenario: Scenario) -> dict[str, Any]:
        """Judge from the first attack step on."""
        return judged(scenario, self.pages["time"].to_numpy(), self.page_time)


LABELS = {"name": "alertname", "host": "host"}
"""Column of a scenario → label of the recipe."""


def judged(scenario: Scenario, pages: Any, page_time: Any) -> dict[str, Any]:
    """Count pages from the first attack step on, and the steps that they tell of."""
    sent = int((np.asarray(pages) >= scenario.attack).sum())
    found = steps(scenario, page_time)
    return {
        "pages": sent,
        "ratio": round(sent / int(yardstick(scenario).sum()), 4),
        "paged": [name for name, step in found.items() if step["paged"]],
        "missed": [name for name, step in found.items() if not step["paged"]],
    }


def plain_rule(scenario: Scenario) -> dict[str, Any]:
    """Judge: page if this (name, host) was silent for a day; a second has one page at most."""
    at = scenario.rows["time"].to_numpy()
    page = silent_for_a_day(scenario)
    return judged(scenario, np.unique(at[page]), np.where(page, at, -1))


def in_project(file: Path, out: Path | None) -> dict[str, Any]:
    """Take a scenario through the product, and judge what the recipe's configuration sends."""
    from pipelines.aiops.alerting.judging import Case
    from pipelines.aiops.alerting.rules import read_rules
    from pipelines.aiops.params import load_aiops_params
    from pipelines.aiops.params.artifacts import RULE_SET

    begun, scenario = time.perf_counter(), read(file)
    out = None if out is None else out.resolve()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        make_project(place, file)
        os.chdir(place)
        run_stages()
        if read_rules(RULE_SET):
            raise SystemExit(f"{scenario.name}: the recipe holds nothing, but rules were selected")
        case = Case.read(load_aiops_params(), ids=True)
        measured = case.backtest(case.whole)
        told = Sent(scenario, measured.rows, measured.baseline)
        if out is not None:
            write(scenario, told, out)
        os.chdir("/")
    return {
        "scenario": scenario.name,
        "yardstick_pages": int(yardstick(scenario).sum()),
        "steps": len(steps(scenario, told.page_time)),
        "recipe": told.judged(scenario),
        "plain_rule": plain_rule(scenario),
        "seconds": round(time.perf_counter() - begun, 1),
    }


def write(scenario: Scenario, told: Sent, out: Path) -> None:
    """Write what became of each row, and the pages."""
    import pandas as pd

    out.mkdir(parents=True, exist_ok=True)
    at = scenario.rows["time"].to_numpy()
    table = pd.DataFrame({"row": np.arange(len(at)), "time": at})
    table["judged"] = ~scenario.learned
    table["paged"] = table["judged"] & (told.page_time >= at)
    table["page_time"] = np.where(table["judged"], told.page_time, -1)
    table.to_csv(out / f"{scenario.name}.csv", index=False)
    pages = told.pages[told.pages["time"] >= scenario.attack].reset_index(drop=True)
    pages.rename_axis("page").to_csv(out / f"{scenario.name}_pages.csv")


def child(job: list[str]) -> dict[str, Any]:
    """One scenario in a process of its own: a project is the folder one stands in."""
    command = [sys.executable, "-m", "benchmarks.ait_alerts", *job]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    show(row)
    return row


def show(row: dict[str, Any]) -> None:
    said = ", ".join(
        f"{name} {row[which]['pages']} ({row[which]['ratio']:.3f}), "
        f"{len(row[which]['paged'])} of {row['steps']} steps"
        for which, name in (("recipe", "recipe"), ("plain_rule", "plain rule"))
    )
    print(
        f"{row['scenario']:>16}: yardstick {row['yardstick_pages']} pages; {said}; "
        f"missed {row['recipe']['missed']}",
        flush=True,
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and worst over the scenarios, for the recipe and the plain rule."""
    kinds = {}
    for which in ("recipe", "plain_rule"):
        ratios = [row[which]["ratio"] for row in rows]
        kinds[which] = {
            "mean_ratio": round(float(np.mean(ratios)), 4),
            "worst_ratio": max(ratios),
            "steps_paged": sum(len(row[which]["paged"]) for row in rows),
        }
    return {
        "benchmark": "ait_alerts",
        **kinds,
        "steps": sum(row["steps"] for row in rows),
        "missed": [
            f"{row['scenario']}: {step}" for row in rows for step in row["recipe"]["missed"]
        ],
        "scenarios": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder of the collection")
    parser.add_argument("--out", type=Path, help="folder for what became of each alert")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, choices=range(1, AT_ONCE + 1))
    parser.add_argument("--scenario", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scenario is not None:
        print(json.dumps(in_project(options.scenario, options.out)))
        return
    if options.data is None:
        print("ait_alerts: skipped, --data PATH names the AIT Alert Data Set")
        print(json.dumps({"benchmark": "ait_alerts", "skipped": "no --data"}))
        return
    extra = [] if options.out is None else ["--out", str(options.out.resolve())]
    jobs = [["--scenario", str(file.resolve()), *extra] for file in scenario_files(options.data)]
    with ThreadPoolExecutor(options.at_once) as pool:
        rows = list(pool.map(child, jobs))
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
