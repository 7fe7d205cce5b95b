"""The first task of a run: fix a commit and make a workspace of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator

from dvc_airflow.errors import WorkspaceError
from dvc_airflow.graph import load_graph, select_stages
from dvc_airflow.operators.context import run_key_of
from dvc_airflow.params import changed_values, refuse_unknown
from dvc_airflow.runtime.facts import environment, now, write_facts
from dvc_airflow.runtime.workspace import Workspace, open_workspace


class OpenWorkspaceOperator(BaseOperator):  # type: ignore[misc]
    """Make the workspace of a run.

    Parameters
    ----------
    project : str
        The DVC project.
    workspaces : str
        The directory of all workspaces.
    rev : str, optional
        The git revision to run (a template); a snapshot of the working tree by default.
    defaults : mapping
        The offered parameters with the values they had when the DAG was read; what
        differs from them was changed for this run.
    stages : sequence of str
        The stages that the DAG has tasks for.
    targets, downstream
        How those stages were selected.
    group : str, optional
        Tells several groups of one DAG apart.
    """

    template_fields: Sequence[str] = ("rev",)
    ui_color = "#e8eef7"

    def __init__(
        self,
        *,
        project: str,
        workspaces: str,
        rev: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        stages: Sequence[str] = (),
        targets: Sequence[str] | None = None,
        downstream: bool = False,
        group: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.workspaces = workspaces
        self.rev = rev
        self.defaults = dict(defaults or {})
        self.stages = list(stages)
        self.targets = None if targets is None else list(targets)
        # "downstream" itself is a property of every operator
        self.select_downstream = downstream
        self.group = group

    def execute(self, context: Any) -> dict[str, Any]:
        """Make the workspace; its description goes to the other tasks."""
        key = run_key_of(context, self.group)
        refuse_unknown(context["dag_run"].conf or {}, self.defaults)
        overrides = changed_values(self.defaults, dict(context["params"]))
        workspaces = Path(self.workspaces)
        opened = open_workspace(
            Path(self.project), workspaces, key, rev=self.rev or None, overrides=overrides
        )
        self._refuse_other_stages(opened)
        facts = {"state": "open", "started": now(), "commit": opened.commit, "overrides": overrides}
        write_facts(key, workspaces, {**facts, **environment()})
        self.log.info("workspace %s at commit %s", opened.path, opened.commit)
        for name, value in overrides.items():
            self.log.info("override: %s = %r", name, value)
        return opened.to_json()

    def _refuse_other_stages(self, opened: Workspace) -> None:
        """Refuse to run half of a DAG that was drawn from another version of the project."""
        graph = load_graph(opened.path)
        found = set(select_stages(graph, self.targets, downstream=self.select_downstream))
        expected = set(self.stages)
        if found != expected:
            gone, new = sorted(expected - found), sorted(found - expected)
            msg = (
                "the run's commit and parameters give other stages than the DAG has tasks for: "
                f"missing {gone or 'none'}, additional {new or 'none'}. If a parameter that "
                "foreach or matrix uses was changed, change it in its file instead; otherwise "
                "wait until Airflow has read the DAG again"
            )
            raise WorkspaceError(msg)
