"""``signalbox verify`` against the pipeline it proves: wall time and ratio, on the main job.

The ratio is what matters to an auditor: what it costs to check, beside what it cost to make.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.clones import clone, environment, seconds

REPORT = "reports/model_release.json"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        project = clone(Path(folder) / "project")
        pipeline = seconds(project, "dvc", "repro", "--force")
        _commit(project)
        verify = (sys.executable, "-m", "pipelines.cli.main", "verify", REPORT)
        hashes = seconds(project, *verify, "--hashes-only")
        whole = seconds(project, *verify)
    result = {
        "benchmark": "verify_time",
        "pipeline_s": round(pipeline, 2),
        "verify_hashes_s": round(hashes, 2),
        "verify_s": round(whole, 2),
        "hashes_to_pipeline": round(hashes / pipeline, 3),
        "verify_to_pipeline": round(whole / pipeline, 3),
    }
    print(f"{'':<44}{'wall s':>8}{'of pipeline':>13}")
    print(f"{'dvc repro, every stage':<44}{pipeline:>8.2f}{1:>13.2f}")
    print(f"{'verify --hashes-only':<44}{hashes:>8.2f}{hashes / pipeline:>13.2f}")
    print(f"{'verify, all but training computed again':<44}{whole:>8.2f}{whole / pipeline:>13.2f}")
    print(json.dumps(result))


def _commit(project: Path) -> None:
    """Commit ``dvc.lock``, in case the one of HEAD is older than its code."""
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    subprocess.run(
        ["git", *identity, "commit", "--quiet", "--all", "--allow-empty", "--message", "ran"],
        cwd=project,
        env=environment(),
        check=True,
    )


if __name__ == "__main__":
    main()
