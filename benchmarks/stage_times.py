"""Each stage alone: wall time, time in imports, time in work.

Imports are the sum of what ``python -X importtime`` counts, so that imports inside functions are in
it too; wall time is of another run without that option.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.clones import clone, environment, seconds

_LINE = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|", re.MULTILINE)


def import_seconds(project: Path, module: str) -> float:
    """Seconds that a stage spends in imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", module],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return sum(int(micro) for micro in _LINE.findall(done.stderr)) / 1e6


def main() -> None:
    """Measure and print."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        project = clone(Path(folder) / "project")
        seconds(project, "dvc", "repro")
        stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
        print(f"{'stage':<12}{'wall s':>9}{'imports s':>11}{'work s':>9}")
        for name, stage in stages.items():
            module = stage["cmd"].split()[-1]
            wall = min(seconds(project, sys.executable, "-m", module) for _ in range(2))
            imports = import_seconds(project, module)
            rows.append({"stage": name, "wall_s": wall, "imports_s": imports})
            print(f"{name:<12}{wall:>9.2f}{imports:>11.2f}{max(0.0, wall - imports):>9.2f}")
    print(json.dumps({"benchmark": "stage_times", "stages": rows}))


if __name__ == "__main__":
    main()
