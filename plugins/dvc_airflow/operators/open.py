"""The first task of a run: fix a commit and make a workspace of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from airflow.sdk import BaseOperator

from dvc_airflow.graph import load_graph, select_stages
from dvc_airflow.graph.params import changed_values, refuse_invalid, refuse_unknown
from dvc_airflow.operators.context import run_key_of
from dvc_airflow.runtime.errors import WorkspaceError
from dvc_airflow.runtime.facts import environment, now, write_facts
from dvc_airflow.runtime.repository import GitConfig
from dvc_airflow.runtime.untracked import LeftOut, Untracked
from dvc_airflow.runtime.workspace import Workspace, open_workspace

_SHOWN: Final = 20


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
    schemas : mapping
        JSON schemas of what those parameters may be.
    renamed : mapping of str to str, or a function that returns one
        Old key of a parameter or section → its name now; see `RenderConfig`.
    stages : sequence of str
        The stages that the DAG has tasks for.
    targets, downstream
        How those stages were selected.
    group : str, optional
        Tells several groups of one DAG apart.
    untracked : {"code", "all", "none"}
        Which untracked files the snapshot takes.
    git : GitConfig, optional
        Where commits come from and go to.
    shared : bool
        Whether the run's commit is pushed, for stages on other hosts.
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
        schemas: Mapping[str, Mapping[str, Any]] | None = None,
        renamed: Mapping[str, str] | Callable[[], Mapping[str, str]] | None = None,
        stages: Sequence[str] = (),
        targets: Sequence[str] | None = None,
        downstream: bool = False,
        group: str | None = None,
        untracked: Untracked = "code",
        git: GitConfig | None = None,
        shared: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.project = project
        self.workspaces = workspaces
        self.rev = rev
        self.defaults = dict(defaults or {})
        self.schemas = dict(schemas or {})
        self.renamed = renamed if callable(renamed) else dict(renamed or {})
        self.stages = list(stages)
        self.targets = None if targets is None else list(targets)
        # "downstream" itself is a property of every operator
        self.select_downstream = downstream
        self.group = group
        self.untracked: Untracked = untracked
        self.git = git
        self.shared = shared

    def execute(self, context: Any) -> dict[str, Any]:
        """Make the workspace; its description goes to the other tasks."""
        key = run_key_of(context, self.group)
        declared = set(getattr(context.get("dag"), "params", None) or ())
        renamed = self.renamed() if callable(self.renamed) else self.renamed
        refuse_unknown(context["dag_run"].conf or {}, self.defaults, renamed, declared=declared)
        overrides = changed_values(self.defaults, dict(context["params"]))
        refuse_invalid(overrides, self.schemas)
        workspaces = Path(self.workspaces)
        found = open_workspace(
            Path(self.project),
            workspaces,
            key,
            rev=self.rev or None,
            overrides=overrides,
            untracked=self.untracked,
            stages=self.stages or None,
            config=self.git,
            shared=self.shared,
        )
        opened = found.workspace
        self._refuse_other_stages(opened)
        facts = {
            "state": "open",
            "started": now(),
            "commit": opened.commit,
            "overrides": overrides,
            "left_out": [asdict(file) for file in found.left_out[:_SHOWN]],
            "left_out_count": len(found.left_out),
            "linked_count": len(found.linked),
        }
        write_facts(key, workspaces, {**facts, **environment()})
        self.log.info("workspace %s at commit %s", opened.path, opened.commit)
        for line in left_out_lines(found.left_out, found.linked):
            self.log.info("%s", line)
        for line in found.warnings:
            self.log.warning("%s", line)
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


def left_out_lines(left_out: Sequence[LeftOut], linked: Sequence[str]) -> list[str]:
    """Say what of the working tree a run does not have, and what it has only links to."""
    lines = []
    if left_out:
        lines.append(f"{len(left_out)} untracked file(s) are not in the workspace:")
        lines += [f"  {_shown(file.path)} ({_size_text(file.size)})" for file in left_out[:_SHOWN]]
        lines += _more(left_out)
    if linked:
        lines.append(f"{len(linked)} file(s) that git ignores are linked into it:")
        lines += [f"  {_shown(path)}" for path in linked[:_SHOWN]]
        lines += _more(linked)
    return lines


def _more(listed: Sequence[object]) -> list[str]:
    return [f"  and {len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []


def _shown(path: str) -> str:
    """Return a name that stays on its line, and that any log can write."""
    text = path.encode("utf-8", "backslashreplace").decode()
    return text if text.isprintable() else repr(text)


def _size_text(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1000:,.1f} kB" if size < 1_000_000 else f"{size / 1_000_000:,.1f} MB"
