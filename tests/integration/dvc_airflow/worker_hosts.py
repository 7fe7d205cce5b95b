"""Hosts that share a DVC remote and a git origin, but no disk, and tasks that run on any of them.

Each host is a clone of the project with a DVC cache and workspaces of its own. A task is executed
by its operator, drawn on that host; what tasks return goes through JSON, as XComs do. The stages
themselves run in driver processes, as always.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Hosts:
    """Some hosts and the project they work on.

    Parameters
    ----------
    origin : path
        The project that the other hosts' clones come from; it is host ``a``.
    names : str
        A letter a host.
    options : mapping
        Further arguments of `ExecutionConfig`.
    """

    def __init__(self, origin: Path, names: str = "abc", **options: Any) -> None:
        self.project = {"a": origin}
        self.options = {"transfer": True, **options}
        for name in names:
            if name != "a":
                self.project[name] = clone(origin, origin.parent / name)

    def dag(self, host: str, **options: Any) -> Any:
        """Draw the DAG from a host's clone."""
        from airflow.sdk import DAG

        from dvc_airflow import DvcTaskGroup, ExecutionConfig

        with DAG("hosts", schedule=None) as dag:
            DvcTaskGroup(
                project=self.project[host],
                execution=ExecutionConfig(**{**self.options, **options}),
            )
        return dag

    def git(self, host: str, *arguments: str) -> str:
        """Run git in a host's clone."""
        done = subprocess.run(
            ["git", *arguments], cwd=self.project[host], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


def clone(origin: Path, path: Path) -> Path:
    subprocess.run(["git", "clone", "-q", str(origin), str(path)], check=True)
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.com")):
        subprocess.run(["git", "config", key, value], cwd=path, check=True)
    return path


class HostsRun:
    """One run, opened on a host."""

    def __init__(
        self,
        hosts: Hosts,
        on: str = "a",
        run_id: str = "run",
        conf: Mapping[str, Any] | None = None,
    ) -> None:
        self.hosts = hosts
        self.run_id = run_id
        self.conf = dict(conf or {})
        self.returned: dict[str, Any] = {}
        self.execute("open_workspace", on)

    def execute(self, task_id: str, on: str, **options: Any) -> Any:
        """Execute a task on a host; what it returns replaces what it returned before."""
        task = self.hosts.dag(on, **options).get_task(task_id)
        # As Airflow does when a task starts: what it returned in an earlier try is gone.
        self.returned.pop(task_id, None)
        params = {key: param.value for key, param in task.dag.params.items()}
        context = {
            "ti": SimpleNamespace(
                dag_id="hosts",
                run_id=self.run_id,
                xcom_pull=self._pull,
                get_task_states=lambda **_: {},
                get_dagrun_state=lambda *_: "success",
            ),
            "run_id": self.run_id,
            "dag_run": SimpleNamespace(conf=self.conf),
            "params": {**params, **self.conf},
            "outlet_events": defaultdict(SimpleNamespace),
        }
        self.returned[task_id] = json.loads(json.dumps(task.execute(context)))
        return self.returned[task_id]

    def _pull(self, task_ids: str) -> Any:
        return self.returned.get(task_ids)

    def stages(self, **where: str) -> dict[str, str]:
        """Run stages, each on a host; return their statuses."""
        return {stage: self.execute(stage, on)["status"] for stage, on in where.items()}

    def save(self, on: str = "a") -> str:
        """Save the run on a host; return the commit."""
        return str(self.execute("save_run", on)["commit"])

    def show(self, path: str, on: str = "a") -> str:
        """Return a file of the saved run."""
        return self.hosts.git(on, "show", f"refs/runs/hosts/{self.run_id}:{path}")
