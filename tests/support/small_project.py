"""A real project in miniature: our own repository with a slice of the data and small settings."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.conftest import ROOT

ROWS = 4000
SMALL_MODEL: dict[str, Any] = {
    "data.source.paths": ["data/samples/adult/adult.data.gz"],
    "data.source.sha256": [],
    "split.train": 0.55,
    "split.test": 0.3,  # so many that the gate can tell
    "split.tolerance": 0.05,
    "train.models": {"logistic_regression": {"C": [1.0]}},
    "train.folds": 2,
    "evaluate.replicates": 100,
    "bias_audit.replicates": 100,
}
"""Parameters with which the model's stages fit `ROWS` rows."""


def make_small_project(place: Path) -> Path:
    """Copy what git tracks (or would), cut the data, shrink the settings, commit.

    Returns
    -------
    Path
        The project, a git repository with a clean work tree.
    """
    listed = _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        source, target = ROOT / name, place / name
        if source.is_file() and not name.startswith(("tests/", "metrics/", "dvc.lock")):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    cut_sample(place / "data/samples/adult")
    change_params(
        place,
        {
            **SMALL_MODEL,
            "aiops.simulate.days": 16,
            "aiops.simulate.alerts": 8000,
            "aiops.simulate.services": 12,
            "aiops.simulate.signals.days": 3,
            "aiops.simulate.signals.span_days": 2,
            "aiops.simulate.signals.lines_per_day": 2000,
            "aiops.simulate.signals.spans_per_day": 2000,
        },
    )
    _git(place, "init", "--quiet", "--initial-branch=main")
    _git(place, "config", "user.name", "Test")
    _git(place, "config", "user.email", "test@example.org")
    commit(place, "small project")
    return place


def commit(project: Path, message: str) -> None:
    """Commit everything that isn't ignored."""
    _git(project, "add", "--all")
    _git(project, "commit", "--quiet", "--message", message)


def change_params(project: Path, changes: dict[str, Any], file: str = "params.yaml") -> None:
    """Set dotted keys in the project's params.yaml, or in release.yaml."""
    yaml = YAML()
    path = project / file
    tree = yaml.load(path)
    for key, value in changes.items():
        node = tree
        *parents, last = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
    yaml.dump(tree, path)


def environment() -> dict[str, str]:
    """Environment in which ``python`` and ``dvc`` are those of this interpreter."""
    keep = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH"}}
    return {**keep, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{keep['PATH']}"}


def call(project: Path, *command: str, check: bool = True, **env: str) -> str:
    """Run a command in the project; return what it printed, also on stderr."""
    done = subprocess.run(
        command,
        cwd=project,
        env={**environment(), **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert not check or done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}"
    return done.stdout


def cut_sample(folder: Path) -> None:
    """Keep the first `ROWS` rows of the sample's table."""
    path = folder / "adult.data.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)[:ROWS]
    path.write_bytes(gzip.compress(b"".join(lines), mtime=0))


def _git(project: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=project, check=True, capture_output=True, text=True
    ).stdout


ONE_CHECK: dict[str, object] = {
    "id": "quarantine",
    "protects": "the data is what the rules say",
    "figure": "validate.quarantined_share",
    "compare": "at_most",
    "threshold": 0.01,
    "owner": "data engineering",
    "reason": "a test",
}
"""A check of the gate that any table can be asked for."""
