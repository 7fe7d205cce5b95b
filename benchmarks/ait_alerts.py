"""Noise reduction on real intrusion-detection alerts: the AIT Alert Data Set, by the product.

``python -m benchmarks.ait_alerts --data PATH [--out DIR]`` prints readable lines, then one line of
JSON. PATH is a folder with the scenarios (``*.csv.gz``: time, name, ip, host, short, time_label,
event_label), or one that has them in ``ait_alerts/``. The collection is public: AIT Alert Data Set,
repository ait-aecid/alert-data-set (Landauer, Skopik and Wurzenberger 2024).

Each scenario gets a project of its own with the recipe of docs/own-telemetry.md, "Intrusion
detection", word for word, and goes through ``signalbox ingest`` and the stages from alert_history
to report_rules. These judge thirds of the whole history, attack included. So rules are mined once
more, on the whole days before the day of the first attack step, which is the only thing taken from
the labels; else they judge.

Judged is what is sent from the first attack step on, by the files that these rules are exported to,
by the recipe's own, and by a plain rule: page if this (name, host) was silent for 24 hours. The
yardstick is one page per (name, host) and day. A step counts as paged if a page that is the first
to tell of one of its event-labelled alerts is sent while the step goes on.

With ``--out`` it writes for each scenario ``<name>.csv`` (a line a row of the file: ``row``,
``judged``, ``paged`` = a page is sent for this alert, ``page_time`` = second of the first page that
names it, -1 without one), ``<name>_pages.csv``, ``<name>_rules.json`` and, as folder ``<name>``,
the files that were judged.
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
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.ait_data import (
    DAY,
    Scenario,
    read,
    scenario_files,
    silent_for_a_day,
    steps,
    yardstick,
)
from benchmarks.alert_worlds import copy_files

if TYPE_CHECKING:
    from pipelines.aiops.alerting.evaluation.backtest import Fold
    from pipelines.aiops.alerting.judging import Case

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "docs" / "own-telemetry.md"
CHAPTER = "## Intrusion detection\n"
STAGES = (
    "alert_history", "mine_rules", "select_rules", "export_rules", "replay_rules", "watch_rules",
    "gate_rules", "report_rules",
)  # fmt: skip
AT_ONCE = 2


FILES = ("alertmanager.yml", "prometheus.yml", "ids_rules.yml")
"""Of the recipe, in its order; then comes its section of ``params.yaml``."""


def recipe() -> tuple[dict[str, str], dict[str, Any]]:
    """Read the documented files, by name, and the section of ``params.yaml``."""
    from ruamel.yaml import YAML

    chapter = RECIPE.read_text(encoding="utf-8").partition(CHAPTER)[2].partition("\n## ")[0]
    blocks = [part.partition("```")[0] for part in chapter.split("```yaml\n")[1:]]
    if len(blocks) != len(FILES) + 1:
        raise SystemExit(f"{RECIPE}: {CHAPTER.strip()} must have {len(FILES) + 1} blocks of YAML")
    return dict(zip(FILES, blocks, strict=False)), YAML(typ="safe").load(blocks[-1])


def before_the_attack(scenario: Scenario, case: Case) -> Fold:
    """Mine rules on the whole days before the day of the attack, and replay their files on it."""
    from pipelines.aiops.alerting.evaluation.backtest import Fold
    from pipelines.aiops.alerting.export.write import export
    from pipelines.aiops.alerting.windows import HistoryWindow
    from pipelines.core.time import SECOND_US

    day = scenario.attack // DAY * DAY * SECOND_US
    if not case.whole.start < day < case.whole.end:
        raise SystemExit(f"{scenario.name}: no whole day before the first attack step")
    backtest = case.backtest(HistoryWindow(day, case.whole.end))
    mined = case.mine([HistoryWindow(case.whole.start, day)], None)
    deployed, rules, _ = case.deploy(mined, [backtest])
    own = case.params.export_rules
    export(
        FILES_OF_JUDGED, case.sources, rules,
        step=own.step_seconds, label_field=own.pagerduty_label_field,
    )  # fmt: skip
    candidate = backtest.replay_deployed(deployed)
    return Fold(backtest, rules, candidate, backtest.effect(candidate, rules))


FILES_OF_JUDGED = Path("judged")
"""Folder in the project, for the files that judge the attack."""


def make_project(place: Path, file: Path) -> None:
    """Write a project: this one's settings, with the recipe on top."""
    from ruamel.yaml import YAML

    files, own = recipe()
    for name in ("expectations", "released"):
        shutil.copytree(ROOT / name, place / name)
    shutil.copy(ROOT / "release.yaml", place)
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
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
    """What a configuration sends in the test window, and when it first tells of each row.

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


LABELS = {"name": "alertname", "host": "host", "ip": "ip", "short": "short"}


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
    """Take a scenario through the product, and judge what it exports and today's file."""
    from pipelines.aiops.alerting.judging import Case
    from pipelines.aiops.alerting.rules import write_rules
    from pipelines.aiops.params import load_aiops_params

    begun, scenario = time.perf_counter(), read(file)
    out = None if out is None else out.resolve()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        make_project(place, file)
        os.chdir(place)
        run_stages()
        fold = before_the_attack(scenario, Case.read(load_aiops_params(), ids=True))
        measured, rules = fold.backtest, fold.rules
        told = Sent(scenario, measured.rows, fold.candidate)
        if out is not None:
            write(scenario, told, out)
            write_rules(out / f"{scenario.name}_rules.json", rules)
            copy_files(FILES_OF_JUDGED, out / scenario.name)
        os.chdir("/")
    return {
        "scenario": scenario.name,
        "yardstick_pages": int(yardstick(scenario).sum()),
        "steps": len(steps(scenario, told.page_time)),
        "today": Sent(scenario, measured.rows, measured.baseline).judged(scenario),
        "rules": [rule.sentence for rule in rules],
        "product": told.judged(scenario),
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
        for which, name in (("today", "today"), ("product", "exported"), ("plain_rule", "plain"))
    )
    print(
        f"{row['scenario']:>16}: yardstick {row['yardstick_pages']} pages; {said}; "
        f"missed {row['product']['missed']}",
        flush=True,
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and worst over the scenarios, for the product, today's file and the plain rule."""
    kinds = {}
    for which in ("today", "product", "plain_rule"):
        ratios = [row[which]["ratio"] for row in rows]
        kinds[which] = {
            "mean_ratio": round(float(np.mean(ratios)), 4),
            "worst_ratio": max(ratios),
            "steps_paged": sum(len(row[which]["paged"]) for row in rows),
        }
    lost = [
        f"{row['scenario']}: {step}"
        for row in rows
        for step in row["product"]["missed"]
        if step in row["today"]["paged"]
    ]
    return {
        "benchmark": "ait_alerts",
        **kinds,
        "steps": sum(row["steps"] for row in rows),
        "paged_today_but_not_with_rules": lost,
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
