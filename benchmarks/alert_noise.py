"""Noise rules on simulated worlds: pages saved, incidents missed and delay on held-out time.

``python -m benchmarks.alert_noise [--data PATH] [--seeds N] [--first-seed S] [--out DIR]`` prints a
line a world, then one line of JSON. Everything here is synthetic (`signalbox simulate`): it shows
that the method holds on worlds that differ, not what it saves in yours. Each third of a world is
judged by rules that were mined on the other two, as the stages do: what is judged are exported
files, read back from their bytes. Incidents missed are those of all tickets.

``--data`` may name a folder of simulated worlds (or of one): each with ``alerts/``, ``tickets/``,
``alertmanager.yml`` and ``prometheus.yml`` as ``signalbox simulate`` writes them; without any
there, worlds are drawn.

With ``--out``, for each world ``<world>_alerts.parquet`` (an alert a row: ``alert_id``,
``starts_us``, ``ticket``, and, ending in ``_today`` and ``_with_rules``, ``first_page_us``, -1 =
never, ``group``, ``status``, ``pages``, and the ``rule`` that decided) and, as released,
``<world>_rules.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.alert_judges import Judged, counted, folds_of

if TYPE_CHECKING:
    from pipelines.aiops.alerting.evaluation.backtest import Fold

GOAL = {"saved_share": 0.55, "missed_share": 0.017, "late_5m_share": 0.046}
"""Of the mean over the worlds."""
AT_ONCE = 2
EXPECTATIONS = Path(__file__).resolve().parents[1] / "expectations"


def worlds_in(folder: Path | None) -> list[Path]:
    """Folders of simulated worlds at `folder` or right below it."""
    if folder is None or not folder.is_dir():
        return []
    found = [folder, *sorted(folder.iterdir()), *sorted(folder.glob("*/*"))]
    return [one for one in found if (one / "alerts").is_dir() and (one / "tickets").is_dir()]


def draw(seed: int, folder: Path, days: int, alerts: int) -> Path:
    """Simulate a world."""
    from pipelines.aiops.params.telemetry import SimulateParams
    from pipelines.simulator.simulate import simulate, write

    write(simulate(SimulateParams(seed=seed, days=days, alerts=alerts)), folder)
    return folder


def in_world(world: Path, out: Path | None, name: str) -> dict[str, Any]:
    """Freeze, mine, select and export one world by the stages themselves, and judge thirds."""
    import os

    from pipelines.aiops import alert_history, export_rules, mine_rules, select_rules
    from pipelines.aiops.alerting.rules import read_rules
    from pipelines.aiops.params import AiopsParams
    from pipelines.aiops.params.artifacts import RULE_SET

    world, start = world.resolve(), time.perf_counter()
    out = None if out is None else out.resolve()
    yml, server = world / "alertmanager.yml", world / "prometheus.yml"
    params = AiopsParams.model_validate(
        {
            "alert_history": {"lake": str(world)},
            "export_rules": {
                "alertmanager_yml": str(yml) if yml.is_file() else "",
                "prometheus": [str(server)] if server.is_file() else [],
            },
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "expectations").symlink_to(EXPECTATIONS, target_is_directory=True)
        os.chdir(folder)
        for stage in (alert_history, mine_rules, select_rules, export_rules):
            stage.main(params)
        rules, (_, folds) = read_rules(RULE_SET), folds_of(params)
        os.chdir("/")
    found = counted([Judged(fold.effect, None, {}) for fold in folds])
    if out is not None:
        answers(folds, out / f"{name}_alerts.parquet")
        dumped = [rule.model_dump(mode="json") for rule in rules]
        (out / f"{name}_rules.json").write_text(json.dumps(dumped, indent=1), encoding="utf-8")
    return {
        "world": name,
        "pages_today": found["pages_today"],
        "pages": found["pages"],
        "saved_share": found["saved_share"],
        **{
            key: found["tickets"][key]
            for key in (
                "told_today", "missed", "strict_missed", "late_1m", "late_5m", "late_15m",
                "longest_delay_s",
            )
        },
        "rules": dict(Counter(rule.family for rule in rules)),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip


def answers(folds: Sequence[Fold], path: Path) -> None:
    """Write what happens to every alert of the thirds."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables([answers_of(fold) for fold in folds]), path)


def answers_of(fold: Fold) -> Any:
    """Tabulate what happens to every alert of a third."""
    import pyarrow as pa

    rows = fold.backtest.rows
    inside = np.flatnonzero(fold.backtest.window.holds(rows.starts))
    tickets = np.array([*rows.tickets, ""], object)
    assert rows.ids is not None  # read with them
    columns: dict[str, Any] = {
        "alert_id": rows.ids[inside],
        "starts_us": rows.starts[inside],
        "ticket": tickets[rows.ticket[inside]],
    }
    for when, one in (("today", fold.backtest.baseline), ("with_rules", fold.candidate)):
        for column in ("first_page", "group", "status", "pages", "rule"):
            name = f"{column}_us" if column == "first_page" else column
            columns[f"{name}_{when}"] = one.alerts[column].to_numpy()[inside]
    return pa.table(columns)


def child(job: list[str]) -> dict[str, Any]:
    """One world in a process of its own, so that worlds don't share memory."""
    command = [sys.executable, "-m", "benchmarks.alert_noise", *job]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    show(row)
    return row


def show(row: dict[str, Any]) -> None:
    print(
        f"world {row['world']}: {row['pages_today']} pages -> {row['pages']} "
        f"(-{row['saved_share']:.1%}), {row['missed']} of {row['told_today']} incidents missed, "
        f"later than 1 / 5 / 15 min {row['late_1m']} / {row['late_5m']} / {row['late_15m']}, "
        f"longest {row['longest_delay_s']} s, {row['seconds']} s",
        flush=True,
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and least saving over the worlds, and shares of all their incidents."""
    shares = [row["saved_share"] for row in rows]
    told = sum(row["told_today"] for row in rows)
    longest = [row["longest_delay_s"] for row in rows if row["longest_delay_s"] is not None]
    return {
        "benchmark": "alert_noise",
        "synthetic": True,
        "worlds": len(rows),
        "saved_share": {
            "mean": round(float(np.mean(shares)), 4),
            "least": min(shares),
            "median": round(float(np.median(shares)), 4),
        },
        "told_today": told,
        **{
            f"{key}_share": round(sum(row[key] for row in rows) / told, 4) if told else None
            for key in ("missed", "strict_missed", "late_1m", "late_5m", "late_15m")
        },
        "missed": sum(row["missed"] for row in rows),
        "longest_delay_s": max(longest, default=None),
        "goal": GOAL,
        "rows": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of simulated worlds")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=42)
    parser.add_argument("--alerts", type=int, default=100_000)
    parser.add_argument("--at-once", type=int, default=AT_ONCE, choices=range(1, AT_ONCE + 1))
    parser.add_argument("--out", type=Path, help="folder for the raw answers")
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    extra = [] if options.out is None else ["--out", str(options.out.resolve())]
    if options.world is not None:
        print(json.dumps(in_world(options.world, options.out, options.world.name)))
        return
    if options.seed is not None:
        with tempfile.TemporaryDirectory() as folder:
            world = draw(
                options.seed, Path(folder) / str(options.seed), options.days, options.alerts
            )
            print(json.dumps(in_world(world, options.out, str(options.seed))))
        return
    given = worlds_in(options.data)
    sizes = ["--days", str(options.days), "--alerts", str(options.alerts)]
    drawn = range(options.first_seed, options.first_seed + options.seeds)
    jobs = [["--world", str(one), *extra] for one in given] or [
        ["--seed", str(seed), *sizes, *extra] for seed in drawn
    ]
    with ThreadPoolExecutor(options.at_once) as pool:
        rows = list(pool.map(child, jobs))
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
