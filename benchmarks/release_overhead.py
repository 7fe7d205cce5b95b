"""``model_release`` as a DAG run in a running Airflow against ``dvc repro`` by hand.

Both start from a fresh clone with an empty cache (cold), then run again (cached). The cached run is
measured in both modes of the bridge, a worker a task and one process for all stages ("watcher"),
on a warm Airflow: from the trigger until the run is saved, and its parts. Starting Airflow is
reported apart. ``--project DIR`` measures cached runs alone, in a project whose results are there.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from benchmarks.clones import clone, running_airflow, seconds
from pipelines.cli.airflow_api import DONE, AirflowApi

DAG = "model_release"
GOAL_COLD = 1.3
GOAL_CACHED = 8.0
MODES = ("watcher", "worker")
"""Of the bridge; the first is what the project's own Airflow uses."""
_WARM_UP = 1


def dag_seconds(api: AirflowApi) -> tuple[float, int]:
    """Trigger a run and wait for its end; seconds and number of tasks that did something."""
    clock = time.perf_counter()
    run = api.trigger(DAG, {})
    while api.run_state(DAG, run) not in DONE:
        time.sleep(0.2)
    elapsed = time.perf_counter() - clock
    if api.run_state(DAG, run) != "success":
        raise RuntimeError(f"run {run} failed")
    return elapsed, sum(task.seconds is not None and task.try_number > 0
                        for task in api.tasks(DAG, run))  # fmt: skip


def saved_seconds(api: AirflowApi) -> dict[str, float]:
    """Trigger a run and wait until it is saved.

    Returns
    -------
    dict
        Seconds after the trigger, by Airflow's own clock: ``opening`` begins, ``stages`` (the last
        of their tasks) and ``opened`` end, ``saving`` begins, ``saved``.

    Raises
    ------
    RuntimeError
        If it isn't saved; what comes after it is another matter.
    """
    run = api.trigger(DAG, {})
    while not _is_saved(api, run):
        time.sleep(0.2)
    address = f"/api/v2/dags/{DAG}/dagRuns/{quote(run)}"
    queued = datetime.fromisoformat(api._get(address)["queued_at"])
    tasks: dict[str, Any] = {
        task["task_id"]: task for task in api._get(f"{address}/taskInstances")["task_instances"]
    }

    def after(task: str, key: str) -> float:
        return (datetime.fromisoformat(tasks[task][key]) - queued).total_seconds()

    begun, saved = after("save_run", "start_date"), after("save_run", "end_date")
    others = {name for name, task in tasks.items() if task["end_date"]} - {"open_workspace"}
    stages = max(end for name in others if (end := after(name, "end_date")) <= begun)
    while api.run_state(DAG, run) not in DONE:
        time.sleep(0.5)
    return {
        "opening": after("open_workspace", "start_date"),
        "opened": after("open_workspace", "end_date"),
        "stages": stages,
        "saving": begun,
        "saved": saved,
    }


def _is_saved(api: AirflowApi, run: str) -> bool:
    state = {task.name: task.state for task in api.tasks(DAG, run)}.get("save_run")
    if state in ("failed", "upstream_failed", "skipped"):
        raise RuntimeError(f"run {run} was not saved: save_run is {state}")
    return state == "success"


def cached_runs(project: Path, mode: str, count: int) -> list[dict[str, float]]:
    """Measure cached runs in an Airflow of a mode, after one to warm it up."""
    with running_airflow(project, AIRFLOW__DVC_AIRFLOW__MODE=mode) as (api, _):
        api.wait_for_dag(DAG)
        return [saved_seconds(api) for _ in range(_WARM_UP + count)][_WARM_UP:]


def print_cached(mode: str, runs: list[dict[str, float]]) -> None:
    """Print the median of each part, and all totals."""
    parts = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    totals = " ".join(f"{run['saved']:.1f}" for run in sorted(runs, key=lambda run: run["saved"]))
    print(f"cached, {mode}: saved after {parts['saved']:.1f} s (goal of watcher {GOAL_CACHED:.0f});"
          f" runs {totals}; opening begins {parts['opening']:.1f}, its task ends "
          f"{parts['opened']:.1f}, the last stage's {parts['stages']:.1f}, saving begins "
          f"{parts['saving']:.1f}", flush=True)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="cold runs of each kind")
    parser.add_argument("--cached", type=int, default=5, help="cached runs of each mode")
    parser.add_argument("--project", type=Path, help="measure its cached runs, and nothing else")
    parser.add_argument("--mode", choices=MODES, action="append", help="default: both")
    options = parser.parse_args()
    modes = options.mode or MODES
    if options.project:
        for mode in modes:
            print_cached(mode, cached_runs(options.project, mode, options.cached))
        return
    cold_hand, cold_dag, warm_hand, start, tasks = [], [], [], [], 0
    cached: dict[str, list[dict[str, float]]] = {mode: [] for mode in modes}
    for number in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            by_hand = clone(Path(folder) / "by_hand")
            cold_hand.append(seconds(by_hand, "dvc", "repro"))
            warm_hand.append(seconds(by_hand, "dvc", "repro"))
            by_dag = clone(Path(folder) / "by_dag")
            with running_airflow(by_dag) as (api, started):
                api.wait_for_dag(DAG)
                start.append(started)
                elapsed, tasks = dag_seconds(api)
                cold_dag.append(elapsed)
            for mode in modes:
                cached[mode] += cached_runs(by_dag, mode, options.cached)
        print(f"round {number + 1}: dvc repro {cold_hand[-1]:.1f} s cold, "
              f"{warm_hand[-1]:.1f} s cached; DAG {cold_dag[-1]:.1f} s cold; "
              f"Airflow started in {start[-1]:.1f} s", flush=True)  # fmt: skip
    plain = min(seconds(Path(), sys.executable, "-c", "import airflow") for _ in range(3))
    ratio = min(cold_dag) / min(cold_hand)
    print(f"cold: DAG / dvc repro = {ratio:.2f} (goal at most {GOAL_COLD}), {tasks} tasks; "
          f"'import airflow' {plain:.2f} s")  # fmt: skip
    for mode, runs in cached.items():
        print_cached(mode, runs)
    print(json.dumps({
        "benchmark": "release_overhead", "dvc_repro_cold_s": cold_hand, "dag_cold_s": cold_dag,
        "dvc_repro_cached_s": warm_hand, "cached_until_saved_s": cached, "airflow_start_s": start,
        "tasks": tasks, "cold_ratio": ratio, "import_airflow_s": plain,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
