"""The conformance suite passes on a sound project and finds a bridge that is broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dvc_airflow

pytestmark = pytest.mark.slow

PACKAGE = Path(dvc_airflow.__file__).parent
FILES = {
    "in.txt": "hello\n",
    "params.yaml": "mul: 2\n",
    "dvc.yaml": """
        stages:
          prep:
            cmd: mkdir -p out && tr a-z A-Z < in.txt > out/up.txt
            deps: [in.txt]
            outs: [out]
          count:
            cmd: wc -c < out/up.txt > n.txt && echo ${mul} >> n.txt
            deps: [out]
            outs: [n.txt]
          score:
            cmd: echo "{\\"n\\":\\"$(cat n.txt | tr '\\n' ' ')\\"}" > m.json
            deps: [n.txt]
            metrics: [m.json: {cache: false}]
        """,
}
# What a check has to find: code at the end of a module of a copy of the bridge.
BROKEN = {
    "graph: an edge is lost": (
        "graph",
        "graph/__init__.py",
        """
        _load = load_graph
        def load_graph(*args, **kwargs):
            from dataclasses import replace
            graph = _load(*args, **kwargs)
            return replace(graph, upstream={**graph.upstream, "score": frozenset()})
        """,
    ),
    "cached: what was committed stays in place of what the stage made": (
        "cached",
        "runtime/process.py",
        """
        _run = DriverProcess.run
        def _run_and_restore(self, log):
            results = _run(self, log)
            subprocess.run(["git", "checkout", "--quiet", "HEAD", "m.json"], cwd=self.project)
            return results
        DriverProcess.run = _run_and_restore
        """,
    ),
    "cached: everything is computed again": (
        "cached",
        "runtime/worker.py",
        """
        _request = run_request
        def run_request(request):
            return _request({**request, "force": True})
        """,
    ),
    "hosts: what ran elsewhere is not heard of": (
        "hosts",
        "runtime/lockfile.py",
        """
        def collect_entries(results):
            return {}
        """,
    ),
    "kill: a lock stays behind": (
        "kill",
        "runtime/process.py",
        """
        _run = DriverProcess.run
        def _run_locked(self, log):
            lock = Path(self.project) / ".dvc" / "tmp" / "left-behind"
            if lock.exists():
                raise StageError(", ".join(self.stages), "somebody else holds the lock")
            lock.parent.mkdir(exist_ok=True)
            lock.touch()
            results = _run(self, log)
            lock.unlink()
            return results
        DriverProcess.run = _run_locked
        """,
    ),
    "cancel: the stage goes on": (
        "cancel",
        "runtime/process.py",
        """
        DriverProcess.kill = lambda self: None
        """,
    ),
    "clear: what was cleared is computed again": (
        "clear",
        "runtime/worker.py",
        """
        _request = run_request
        def run_request(request):
            return _request({**request, "force": True})
        """,
    ),
    "backfill: all runs share one name": (
        "backfill",
        "runtime/run_key.py",
        """
        RunKey.name = property(lambda self: "same")
        """,
    ),
}


@pytest.fixture
def project(new_project):
    made = new_project(FILES)
    made.dvc("repro", "-q")
    made.commit("ran")
    return made


def examine(project: Path, checks: str, library: Path = PACKAGE.parent) -> tuple[int, Any]:
    command = ["conformance", str(project), "--checks", checks, "--json"]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "dvc_airflow", *command],
        env={**os.environ, "PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def state_of(project: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file of a project, git's and DVC's own too."""
    stats = {str(path): path.stat() for path in project.rglob("*") if path.is_file()}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


@pytest.mark.parametrize(
    "check", ["graph", "cached", "hosts", "kill", "cancel", "clear", "backfill"]
)
def test_a_sound_project_passes_and_is_not_touched(project, check):
    before = state_of(project.path)

    code, report = examine(project.path, check)

    assert report["checks"][check]["problems"] == []
    assert report["checks"][check]["outcome"] == "passed"
    assert report["checks"][check]["compared"] != []
    assert report["stages"] == ["prep", "count", "score"]
    assert (code, report["passed"]) == (0, True)
    assert state_of(project.path) == before


@pytest.mark.parametrize(("check", "module", "code"), BROKEN.values(), ids=BROKEN)
def test_a_broken_bridge_fails(project, tmp_path, check, module, code):
    library = tmp_path / "broken"
    left_out = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(PACKAGE, library / "dvc_airflow", ignore=left_out)
    with (library / "dvc_airflow" / module).open("a") as file:
        file.write("\n" + "\n".join(line[8:] for line in code.splitlines()) + "\n")

    exit_code, report = examine(project.path, check, library)

    assert report["checks"][check]["outcome"] == "failed"
    assert exit_code == 1


def test_a_stage_that_makes_something_else_each_time_is_named_and_not_blamed(new_project):
    project = new_project(
        {
            "dvc.yaml": """
                stages:
                  stamp: {cmd: 'date +%s%N > s.txt', deps: [in.txt], outs: [s.txt]}
                  read: {cmd: cp s.txt r.txt, deps: [s.txt], outs: [r.txt]}
                """,
            "in.txt": "in",
        }
    )
    code, report = examine(project.path, "cached")
    assert code == 0
    (note,) = report["checks"]["cached"]["notes"]
    assert "stage 'stamp' differs; it may be non-deterministic" in note


def test_one_stage_is_too_few_for_two_hosts(new_project):
    project = new_project({"dvc.yaml": "stages:\n  a: {cmd: echo a > a.txt, outs: [a.txt]}\n"})
    code, report = examine(project.path, "hosts")
    assert code == 0
    assert report["checks"]["hosts"]["outcome"] == "not applicable"
    assert "only one stage" in report["checks"]["hosts"]["reason"]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ({"params.yaml": "mul: 3\n"}, [], "uncommitted changes (params.yaml)"),
        ({}, ["--checks", "graph,speed"], "there is no check speed"),
        ({}, ["--rev", "v9"], "there is no revision 'v9'"),
        ({}, ["--targets", "scroe"], "scroe"),
    ],
)
def test_what_cannot_be_examined_is_said(new_project, capsys, change, arguments, message):
    from dvc_airflow.__main__ import main

    project = new_project(FILES)
    project.write(change)
    assert main(["conformance", str(project.path), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_stage_that_writes_outside_of_the_project_is_not_run(new_project, tmp_path, capsys):
    from dvc_airflow.__main__ import main

    outside = tmp_path / "outside.txt"
    project = new_project({"dvc.yaml": f"stages:\n  a: {{cmd: x, outs: ['{outside}']}}\n"})
    assert main(["conformance", str(project.path)]) == 1
    assert "write outside of the project" in capsys.readouterr().err
