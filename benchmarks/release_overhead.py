"""``model_release`` as a DAG run in a running Airflow against ``dvc repro`` by hand.

Both start from a fresh clone with an empty cache (cold), then run again (cached). Starting Airflow
is reported apart. The last figure compares Airflow's overhead a task with ``import airflow``.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clones import clone, running_airflow, seconds
from pipelines.cli.airflow_api import DONE, AirflowApi

DAG = "model_release"
GOAL_COLD = 1.3


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="cold runs of each kind")
    rounds = parser.parse_args().rounds
    cold_hand, cold_dag, warm_hand, warm_dag, start, tasks = [], [], [], [], [], 0
    for number in range(rounds):
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
                warm_dag.append(dag_seconds(api)[0])
        print(f"round {number + 1}: dvc repro {cold_hand[-1]:.1f} s cold, "
              f"{warm_hand[-1]:.1f} s cached; DAG {cold_dag[-1]:.1f} s cold, "
              f"{warm_dag[-1]:.1f} s cached; Airflow started in {start[-1]:.1f} s",
              flush=True)  # fmt: skip
    plain = min(seconds(Path(), sys.executable, "-c", "import airflow") for _ in range(3))
    overhead = (min(warm_dag) - min(warm_hand)) / tasks
    ratio = min(cold_dag) / min(cold_hand)
    print(f"cold: DAG / dvc repro = {ratio:.2f} (goal at most {GOAL_COLD})")
    print(f"overhead a task: {overhead:.2f} s = {overhead / plain:.1f} × 'import airflow' "
          f"({plain:.2f} s), over {tasks} tasks")  # fmt: skip
    print(json.dumps({
        "benchmark": "release_overhead", "dvc_repro_cold_s": cold_hand, "dag_cold_s": cold_dag,
        "dvc_repro_cached_s": warm_hand, "dag_cached_s": warm_dag, "airflow_start_s": start,
        "tasks": tasks, "cold_ratio": ratio, "overhead_per_task_s": overhead,
        "import_airflow_s": plain, "overhead_in_airflow_imports": overhead / plain,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
