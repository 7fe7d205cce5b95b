"""Links on tasks to what they made: evidence, report, gate, and the run's commit.

Airflow 3.3 has two ways to get a link. One that an operator carries is kept as an XCom, which
costs every task a request, and which whoever may start a run can write over. These are a plugin's:
the API server makes them when somebody looks, from git alone, and a task that made nothing of the
kind shows none. The bridge knows nothing of them.

Every component of Airflow loads this file, so it imports nothing of pipelines at the top.
"""

from abc import abstractmethod
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import BaseOperatorLink

from signalbox_airflow.saved_runs import address

Part = tuple[str, ...]
"""Kind of page, and what it is about: what `saved_runs.address` takes."""


def _named(module: str, *names: str) -> list[Any]:
    """Stand for classes of operators: Airflow compares only names of module and class."""
    return [type(name, (), {"__module__": module}) for name in names]


STAGES = [
    *_named("dvc_airflow.operators.stage", "DvcStageOperator"),
    *_named("dvc_airflow.operators.watch", "WatchedStageOperator"),
]
SAVES = _named("dvc_airflow.operators.save", "SaveRunOperator")
STEPS = [
    *_named("signalbox_airflow.release_path", "ReleaseStep", "VerdictBranch", "VerdictEnd"),
    *_named("signalbox_airflow.approve", "ApproveOperator"),
]
"""Classes of the release path."""


class _SavedRunLink(BaseOperatorLink):
    """A link to something in the commit of a task's run; none before the run is saved."""

    name = ""

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """Return the address, or nothing: a link must never keep a task's page from opening."""
        from dvc_airflow.runtime.run_key import RUNS, RunKey
        from pipelines.core.errors import SignalboxError
        from pipelines.core.project import project_of_dag
        from pipelines.release.lifecycle.candidate import saved_commit

        run = RunKey(str(ti_key.dag_id), str(ti_key.run_id)).ref(RUNS).removeprefix(f"{RUNS}/")
        dag, _, name = run.partition("/")
        try:
            project = project_of_dag(str(ti_key.dag_id), __file__)
            commit = saved_commit(project, run)
            if not commit:
                return ""
            part = self.part(project, commit, str(ti_key.dag_id), str(ti_key.task_id))
        except (SignalboxError, OSError):
            return ""
        return "" if part is None else address(dag, name, *part)

    @abstractmethod
    def part(self, project: Path, commit: str, dag_id: str, task_id: str) -> Part | None:
        """Return which page about the run; None for no link."""


class ReportLink(_SavedRunLink):
    """To the report of a product's run."""

    name = "Report"
    operators: ClassVar[list[Any]] = [*STAGES, *SAVES, *STEPS]

    def part(self, project: Path, commit: str, dag_id: str, task_id: str) -> Part | None:
        """Return the report, if the DAG releases a product that has one."""
        product = _product(project, dag_id)
        made = product is not None and product.report in _outs(project, commit)
        return ("reports",) if made else None


class EvidenceLink(_SavedRunLink):
    """To the evidence of a stage's task."""

    name = "Evidence"
    operators: ClassVar[list[Any]] = STAGES

    def part(self, project: Path, commit: str, dag_id: str, task_id: str) -> Part | None:
        """Return the stage's evidence, if it has some."""
        return _evidence(project, commit, task_id)


class GateLink(_SavedRunLink):
    """To the evidence of the gate: every check, with figure and threshold."""

    name = "Evidence of the gate"
    operators: ClassVar[list[Any]] = STEPS

    def part(self, project: Path, commit: str, dag_id: str, task_id: str) -> Part | None:
        """Return the evidence of the product's gate."""
        product = _product(project, dag_id)
        return None if product is None else _evidence(project, commit, product.gate)


class CommitLink(_SavedRunLink):
    """To the run's commit: what was changed for it, and everything it made."""

    name = "Run and commit"
    operators: ClassVar[list[Any]] = [*STAGES, *SAVES, *STEPS]

    def part(self, project: Path, commit: str, dag_id: str, task_id: str) -> Part | None:
        """Return the page of the run."""
        return ("commits",)


LINKS = [ReportLink(), EvidenceLink(), GateLink(), CommitLink()]


def _product(project: Path, dag_id: str) -> Any:
    """Return what is released by a DAG; None if nothing is."""
    from pipelines.core.errors import SignalboxError
    from pipelines.core.project import dag_name
    from pipelines.release.registry.read import load_product

    try:
        return load_product(project, dag_name(dag_id))
    except SignalboxError:
        return None


def _evidence(project: Path, commit: str, stage: str) -> Part | None:
    from pipelines.core.artifacts import evidence_of

    known = evidence_of(stage).as_posix() in _outs(project, commit)
    return ("evidence", stage) if known else None


@lru_cache(maxsize=64)
def _outs(project: Path, commit: str) -> frozenset[str]:
    """Return the paths in ``dvc.lock`` of a commit, which never change."""
    from pipelines.release.lifecycle.files import CommitFiles

    return frozenset(CommitFiles(project, commit).locked())
