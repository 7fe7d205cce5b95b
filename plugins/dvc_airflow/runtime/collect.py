"""Makes sure that a workspace holds what the run's stages made, before it is committed.

The workspace that saves a run may have been made again after pruning, or lie on a host where only
some stages ran: dvc.lock would then name this run's hashes, and the files that git keeps (metrics,
``cache: false``) would be those of the run's commit. Such files come from copies in the DVC cache,
with ``transfer`` from the DVC remote, or from an earlier save of the same run; every one is held
against the hash that its stage reported.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from dvc_airflow.graph import Graph, load_graph
from dvc_airflow.runtime import run_key
from dvc_airflow.runtime.errors import StageError, WorkspaceError
from dvc_airflow.runtime.git import git_or_none, resolve_commit
from dvc_airflow.runtime.lockfile import collect_entries
from dvc_airflow.runtime.process import DriverProcess
from dvc_airflow.runtime.results import noted_results
from dvc_airflow.runtime.workspace import Workspace

Result = Mapping[str, Any]
Out = Mapping[str, Any]
_BLOCK: Final = 1 << 20


def collect_results(
    git_root: Path,
    workspace: Workspace,
    results: Sequence[Result],
    *,
    complete: bool,
    log: Callable[[str], None],
) -> list[Result]:
    """Bring what stages made into the workspace, as far as a commit holds it.

    Parameters
    ----------
    git_root : Path
        The project's repository; earlier saves of the run are there.
    workspace : Workspace
        Where the commit is made.
    results : sequence of mapping
        What the run's stages reported.
    complete : bool
        Whether the run is to be saved as a complete one.
    log : callable
        Takes lines for the task's log.

    Returns
    -------
    list of mapping
        The results that the workspace holds: all of a complete run.

    Raises
    ------
    WorkspaceError
        If a stage of a complete run has no result, or what it made is not to be had; names stage,
        path and remedy.
    """
    project = Path(workspace.path)
    noted = noted_results(project)
    given = {result["stage"]: result for result in results}
    made_here = {name: note for name, note in noted.items() if "outs" in note}
    if complete:
        _require_all(workspace, {*given, *made_here})
        # Of a stage without a result, what was noted here counts.
        given = {**made_here, **given}
    graph = load_graph(project)
    kept = {name: _kept_in_git(graph, result) for name, result in given.items()}
    for outs in kept.values():
        _restore_from_saves(git_root, workspace, outs)
    doubtful = [
        name
        for name, result in given.items()
        if made_here.get(name, {}).get("lock") != result["lock"]
        or any(_differs(project, out) for out in kept[name])
    ]
    missing = _bring(workspace, given, doubtful, log) if doubtful else {}
    if missing and complete:
        raise WorkspaceError(_refusal(workspace, given, missing))
    for name, paths in missing.items():
        _reset(workspace, kept[name])
        log(f"stage '{name}' is left out of what is kept: {', '.join(paths)} is not to be had here")
    return [result for name, result in given.items() if name not in missing]


def _reset(workspace: Workspace, outs: Sequence[Out]) -> None:
    """Put what git keeps of a stage back to the run's commit, as its entry in dvc.lock is."""
    project = Path(workspace.path)
    for out in outs:
        path = project / out["path"]
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        git_or_none(project, "checkout", "--quiet", workspace.commit, "--", str(out["path"]))


def _require_all(workspace: Workspace, known: set[str]) -> None:
    lacking = [stage for stage in workspace.stages or () if stage not in known]
    if lacking:
        msg = (
            f"the run cannot be saved as complete: no result of {', '.join(map(repr, lacking))} "
            f"has come, and {workspace.path} does not hold one; clear the task(s) of these stages"
        )
        raise WorkspaceError(msg)


def _bring(
    workspace: Workspace,
    results: Mapping[str, Result],
    stages: Sequence[str],
    log: Callable[[str], None],
) -> dict[str, list[str]]:
    """Let DVC restore what stages made; return what is missing, by stage."""
    transferred = [result for result in results.values() if result.get("transferred")]
    driver = DriverProcess(
        workspace.path,
        list(stages),
        locks=collect_entries(results.values()),
        transfer=bool(transferred),
        remote=next((result.get("remote") for result in transferred), None),
        collect=True,
    )
    try:
        answers = driver.run(log)
    except StageError as exc:
        msg = f"the run cannot be saved: {exc}"
        raise WorkspaceError(msg) from exc
    return {answer["stage"]: answer["missing"] for answer in answers if answer["missing"]}


def _refusal(
    workspace: Workspace, results: Mapping[str, Result], missing: Mapping[str, list[str]]
) -> str:
    travels = any(result.get("transferred") for result in results.values())
    where = "this machine's DVC cache, the DVC remote" if travels else "this machine's DVC cache"
    lines = [
        f"stage '{name}' made {_described(results[name], path)}"
        for name, paths in missing.items()
        for path in paths
    ]
    listed = "; ".join(lines)
    remedy = (
        "clear these stages, so that they make it again"
        if travels
        else "let stages that run on several hosts transfer what they make "
        "(ExecutionConfig(transfer=True) and a DVC remote that all hosts reach), or let the hosts "
        "share one cache; then clear these stages"
    )
    return (
        f"the run cannot be saved: {listed}; that is neither in {workspace.path} nor in {where}, "
        f"nor in an earlier save of the run. Nothing was saved; {remedy}"
    )


def _described(result: Result, path: str) -> str:
    hashes = {out["path"]: out["hash"] for out in result.get("outs", ())}
    return f"{path} ({str(hashes.get(path))[:12]}…)"


def _kept_in_git(graph: Graph, result: Result) -> list[Out]:
    """Return outputs that the run's commit holds itself, and that have a hash to compare with.

    Results come through XComs, which others can write: dvc.yaml says which files these are.
    """
    stage = graph.stages.get(result["stage"])
    declared = {out.path for out in stage.outs if not out.cache} if stage else set()
    return [
        out
        for out in result.get("outs", ())
        if out["path"] in declared and out["hash"] and _is_in_project(out["path"])
    ]


def _is_in_project(path: str) -> bool:
    return not os.path.isabs(path) and "://" not in path and ".." not in Path(path).parts


def _differs(project: Path, out: Out) -> bool:
    """Whether an output is not, or not surely, what its stage made."""
    path = project / out["path"]
    if out["hash_name"] != "md5" or not path.exists():
        return True
    found = _md5_of_directory(path) if path.is_dir() else _md5(path)
    return found != str(out["hash"])


def _md5_of_directory(path: Path) -> str:
    """Hash a directory as DVC does; where .dvcignore leaves something out, DVC itself must look."""
    files = [file for file in path.rglob("*") if not file.is_dir()]
    listed = [{"md5": _md5(file), "relpath": file.relative_to(path).as_posix()} for file in files]
    text = json.dumps(sorted(listed, key=lambda file: file["relpath"]), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _restore_from_saves(git_root: Path, workspace: Workspace, outs: Sequence[Out]) -> None:
    """Take files that the workspace lacks from an earlier save of the same run."""
    project = Path(workspace.path)
    home = project.relative_to(workspace.root).as_posix()
    for out in outs:
        for kind in (run_key.RUNS, run_key.FAILED):
            if not _differs(project, out):
                break
            commit = resolve_commit(git_root, workspace.key.ref(kind))
            if commit is not None:
                inside = os.path.normpath(os.path.join(home, out["path"]))
                _restore(git_root, f"{commit}:{inside}", project / out["path"], out)


def _restore(git_root: Path, name: str, path: Path, out: Out) -> None:
    """Take an output from a commit, if it is the right one there."""
    with tempfile.TemporaryDirectory(prefix=".dvc-airflow-", dir=_existing(path.parent)) as folder:
        made = Path(folder, "out")
        if str(out["hash"]).endswith(".dir"):
            listed = git_or_none(git_root, "ls-tree", "-r", "-z", "--name-only", name) or ""
            files = {made / file: f"{name}/{file}" for file in listed.split("\0") if file}
        else:
            files = {made: name}
        for file, blob in files.items():
            content = _blob(git_root, blob)
            if content is None:
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        if not _differs(Path(folder), {**out, "path": "out"}):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            made.rename(path)


def _existing(folder: Path) -> Path:
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _blob(git_root: Path, name: str) -> bytes | None:
    """Return a file of a commit, byte for byte."""
    done = subprocess.run(
        ["git", "-C", str(git_root), "cat-file", "blob", name],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.stdout if done.returncode == 0 else None
