"""Parsing our DAG folder against one empty DAG file.

Three figures: in a fresh process, as ``airflow dags list-import-errors`` or a first parse would
(the import of Airflow is in both); in a process that has Airflow imported already, as the DAG
processor's children do; and of each file in a process of its own, as at the start of every task,
its CPU time, which a busy machine changes least.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.clones import ROOT, environment

GOAL = 1.2
_EMPTY = "from airflow.sdk import DAG\n\ndag = DAG('empty', schedule=None)\n"
_CODE = """
import sys, time
sys.path.insert(0, {plugins!r})
from airflow.dag_processing.dagbag import DagBag
import airflow.sdk
clock = time.perf_counter()
bag = DagBag({folder!r})
assert bag.dags and not bag.import_errors, bag.import_errors
print("PARSED", time.perf_counter() - clock)
"""


def parse(folder: Path, home: Path) -> tuple[float, float]:
    """Return seconds of the whole process, and of parsing alone."""
    env = {
        **environment(),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }
    code = _CODE.format(plugins=str(ROOT / "plugins"), folder=str(folder))
    clock = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False
    )
    whole = time.perf_counter() - clock
    if done.returncode:
        raise RuntimeError(done.stderr)
    return whole, float(done.stdout.split("PARSED")[1])


def cpu_seconds(file: Path) -> float:
    """Return the CPU time of a process that reads one DAG file and nothing else."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    path = os.pathsep.join([str(ROOT), str(ROOT / "plugins")])
    env = {**environment(), "PYTHONPATH": path}
    subprocess.run([sys.executable, file], env=env, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cpu_ratios(empty: Path, rounds: int = 6) -> dict[str, float]:
    """Return each DAG file's least CPU time over that of the empty one, taken in turn."""
    files = [empty, *sorted((ROOT / "dags").glob("[a-z]*.py"))]
    taken: dict[Path, list[float]] = {file: [] for file in files}
    for _ in range(rounds):
        for file in files:
            taken[file].append(cpu_seconds(file))
    least = min(taken[empty])
    return {file.stem: round(min(taken[file]) / least, 3) for file in files[1:]}


def main() -> None:
    """Measure in turn, so that the machine's mood hits both, and print."""
    ours, empty = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "dags"
        folder.mkdir()
        (folder / "empty.py").write_text(_EMPTY)
        for _ in range(6):
            ours.append(parse(ROOT / "dags", Path(name)))
            empty.append(parse(folder, Path(name)))
        ratios = cpu_ratios(folder / "empty.py")
    whole = [statistics.median(run[0] for run in runs[1:]) for runs in (ours, empty)]
    alone = [statistics.median(run[1] for run in runs[1:]) for runs in (ours, empty)]
    print(f"fresh process: {whole[0]:.2f} s against {whole[1]:.2f} s = "
          f"{whole[0] / whole[1]:.2f} × (goal at most {GOAL})")  # fmt: skip
    print(f"parsing alone: {alone[0] * 1000:.0f} ms against {alone[1] * 1000:.0f} ms")
    print("CPU time of each file against an empty one:",
          ", ".join(f"{dag} {ratio:.2f} ×" for dag, ratio in ratios.items()))  # fmt: skip
    print(json.dumps({
        "benchmark": "parse_time", "process_s": whole, "process_ratio": whole[0] / whole[1],
        "parse_s": alone, "cpu_ratios": ratios,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
