"""Hold a report against everything it follows from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import PARAMS
from pipelines.core.errors import SignalboxError
from pipelines.core.git import git_objects
from pipelines.project.lock import LOCK as CODE_LOCK
from pipelines.verification import chain, figures
from pipelines.verification.document import Given, recognise
from pipelines.verification.hashes import Hasher
from pipelines.verification.ledger import check_cause, check_erased, check_ledger, explain_missing
from pipelines.verification.pipeline import (
    Lock,
    Stage,
    load_yaml,
    needed,
    outs_in,
    read_lock,
    read_stages,
)
from pipelines.verification.project import LOCK, PIPELINE, Project
from pipelines.verification.rederive import rederive
from pipelines.verification.results import Check, Finding, Status, Verification, conclude
from pipelines.verification.scratch import reproduced, restore, same_report, scratch


@dataclass(frozen=True)
class Files:
    """What the project's own files say, once read.

    Attributes
    ----------
    lock : Lock
        Content of ``dvc.lock``.
    own : Lock
        Its part with the stages that the report follows from.
    stages : dict of str to Stage
        Name → stage of ``dvc.yaml``.
    params : dict of str to object
        Content of ``params.yaml``.
    """

    lock: Lock
    own: Lock
    stages: dict[str, Stage]
    params: Any


def open_project(root: Path) -> Project:
    """Open the project at `root`.

    Parameters
    ----------
    root : Path
        Its top folder.

    Returns
    -------
    Project

    Raises
    ------
    SignalboxError
        If there is none.
    """
    for name in (PIPELINE, LOCK, PARAMS.as_posix()):
        if not (root / name).is_file():
            raise SignalboxError(f"{root}: has no {name}; start in a clone of the project")
    return Project(root.resolve())


@dataclass(frozen=True)
class Depth:
    """How far to go.

    Attributes
    ----------
    rederive : bool
        Compute every stage again from its recorded inputs; training excepted.
    reproduce : bool
        Run the pipeline in a clean clone, training included.
    rev : str or None
        Commit the report belongs to; None = the work tree, which must be as ``HEAD`` has it.
    """

    rederive: bool = True
    reproduce: bool = False
    rev: str | None = None


def verify_report(
    report: Path,
    project: Project,
    depth: Depth | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Verification:
    """Verify a report against everything it follows from.

    Parameters
    ----------
    report : Path
        A report's JSON or HTML, in the project or a copy of it from elsewhere.
    project : Project
        The clone to hold it against.
    depth : Depth, optional
        How far to go; by default everything but training again.
    tell : Callable[[str], None], optional
        Called with one sentence on each step that begins.

    Returns
    -------
    Verification

    Raises
    ------
    SignalboxError
        If the report isn't there or has another kind of name.
    """
    depth = depth or Depth()
    given = _given(report, project)
    tag = "" if depth.rev is not None else released_as(project, given)
    if depth.rev is None and not tag:
        result = _verify(report, project, project, depth, tell)
        if any(check.id == "copy" and check.status is Status.DIFFERS for check in result.checks):
            result.hint = _whose(project, given)
        return result
    commit = _commit_of(project, depth.rev or f"refs/tags/{tag}")
    with scratch(project, commit, shared_cache=True) as directory:
        result = _verify(report, Project(directory), project, depth, tell)
        if tag:
            result.hint = f"this report is released as {tag}: verified at the commit of that tag"
            if is_in(project, given):
                lock = read_lock(project.git.content(commit, LOCK))
                stages = _stages_at(Project(directory))
                own = lock.part(needed(stages, given.json_name) or stages)
                result.checks.append(chain.check_work_tree(project, own))
        return result


def is_in(project: Project, given: Given) -> bool:
    """Return whether a report is the project's own file, and no copy of it."""
    return given.path.resolve() == (project.root / given.stands_for).resolve()


def _stages_at(project: Project) -> dict[str, Stage]:
    params = load_yaml((project.root / PARAMS).read_bytes(), PARAMS.as_posix())
    return read_stages((project.root / PIPELINE).read_bytes(), params)


def released_as(project: Project, given: Given) -> str:
    """Return the tag of the release that a report is of; empty if none has these bytes.

    Parameters
    ----------
    project : Project
        The clone with the tags.
    given : Given
        The report as it was named.

    Returns
    -------
    str
        Of several the newest version; without ``refs/tags/``.
    """
    from pipelines.release.ledger.anchors import read_tags
    from pipelines.release.registry.read import order, parse_tag

    try:
        tags = [(tag.tag, parse_tag(tag.tag)) for tag in read_tags(project.root) if tag.head]
    except SignalboxError:
        return ""  # no repository; the check of the commit says so
    known = {f"refs/tags/{tag}": order(found.version) for tag, found in tags
             if found is not None and found.version is not None and not found.cancels}  # fmt: skip
    found = _commits_with(project, given, sorted(known, key=known.__getitem__, reverse=True))
    return found.removeprefix("refs/tags/")


def _whose(project: Project, given: Given) -> str:
    """Say which saved run or commit a report is of, if any has these bytes."""
    md5 = _md5(given)
    try:
        listed = project.git.run("for-each-ref", "--format=%(refname)", "refs/runs").decode()
        log = project.git.run("log", "--format=%H", f"-S{md5}", "--", LOCK).decode().split()
    except SignalboxError:
        return ""
    found = _commits_with(project, given, [*listed.split(), *log])
    return f"this report is that of {found}: signalbox verify {given.path} --rev {found}" * bool(
        found
    )


def _md5(given: Given) -> str:
    found = Hasher(given.path.parent).of(given.path)
    return found.md5 if found else ""


def _commits_with(project: Project, given: Given, names: Sequence[str]) -> str:
    """Return the first of some commits whose ``dvc.lock`` names just this report."""
    md5 = _md5(given)
    locks = git_objects(project.root, [f"{name}:./{LOCK}" for name in names])
    for name in names:
        _, content = locks.get(f"{name}:./{LOCK}", ("", b""))
        if md5 and md5.encode() in content and outs_in(content).get(given.stands_for) == md5:
            return name
    return ""


def _verify(
    report: Path, project: Project, history: Project, depth: Depth, tell: Callable[[str], None]
) -> Verification:
    """Verify in `project`; `history` has the ledger of today, and the tags."""
    erased = check_erased(project, history)
    if erased is not None:
        result, _ = _hashes(report, project, history)
        result.checks.append(erased)
        return result
    if not depth.reproduce:
        result, files = _hashes(report, project, history)
        if files is not None and result.commit:
            result.checks += _again(project, report, files, depth, tell)
        return _with_cause(result, project, history, files)
    with reproduced(project, "HEAD", tell) as (clone, check):
        if clone is not None and check.status is Status.OK:
            project.spare = clone  # bit for bit what the lock names: stands in for what is missing
        result, files = _hashes(report, project, history)
        result.checks.append(check)
        if clone is not None:
            result.checks.append(same_report(_given(report, project), clone))
        if check.status is not Status.OK and files is not None:
            result.checks += _again(project, report, files, depth, tell)
        return _with_cause(result, project, history, files)


def _with_cause(
    result: Verification, project: Project, history: Project, files: Files | None
) -> Verification:
    """Add which erasure is the cause, where something is missing or comes out differently."""
    bad = {Status.MISSING, Status.DIFFERS}
    if files is not None and any(check.status in bad for check in result.checks):
        cause = check_cause(project, history, files.own)
        result.checks += [cause] if cause is not None else []
    return result


def _commit_of(project: Project, rev: str) -> str:
    try:
        return project.git.commit(rev)
    except SignalboxError as error:
        why = explain_missing(rev, project)
        raise SignalboxError(f"{error}: {why}" if why else str(error)) from None


def _again(
    project: Project, report: Path, files: Files, depth: Depth, tell: Callable[[str], None]
) -> list[Check]:
    if not depth.rederive:
        return [_NOT_COMPUTED]
    tell("computing the stages again, each from its recorded inputs")
    made_by = needed(files.stages, _given(report, project).json_name)
    return rederive(project, files.stages, made_by, tell)


_NOT_COMPUTED = Check(
    "again", "computed again", Status.SKIPPED, "no figure was computed again (--hashes-only)"
)


def verify_hashes(report: Path, project: Project) -> Verification:
    """Check form, figures, and every hash; nothing is computed anew.

    Parameters
    ----------
    report : Path
        A report's JSON or HTML, in the project or a copy of it.
    project : Project
        The clone.

    Returns
    -------
    Verification

    Raises
    ------
    SignalboxError
        If the report isn't there or has another kind of name.
    """
    return _hashes(report, project, project)[0]


def _hashes(report: Path, project: Project, history: Project) -> tuple[Verification, Files | None]:
    """Check form, figures and every hash; give what the project's files say, if readable."""
    given = _given(report, project)
    result = Verification(str(report), _commit(project))
    result.checks.append(chain.check_commit(project))
    files, check = _read(project, given)
    result.checks.append(check)
    if files is None:
        return result, None
    lock, own, name = files.lock, files.own, given.json_name
    missing = restore(project, own)
    form, document = figures.check_form(project, name)
    code = chain.check_code(project, [stage for stage in own.stages if files.stages[stage].code])
    result.checks += [] if code is None else [code]
    result.checks += [
        figures.check_copy(project, given, lock),
        form,
        chain.check_locked(project, "inputs", "source data and code", own.deps(), "inputs"),
        chain.check_locked(project, "outs", "artifacts", own.outs(), "artifacts"),
    ]
    if document is not None:
        result.checks += [
            figures.check_sources(project, document, name),
            figures.check_figures(project, document, name),
        ]
    result.checks += check_ledger(history)
    result.checks.append(chain.check_others(project, lock, own))
    if missing:
        result.checks.append(_advice(missing))
    return result, files


def _commit(project: Project) -> str:
    try:
        return project.git.commit()
    except SignalboxError:
        return ""


def _read(project: Project, given: Given) -> tuple[Files | None, Check]:
    """Read lock, pipeline and params; hold against each other what the report follows from."""
    try:
        params = load_yaml((project.root / PARAMS).read_bytes(), PARAMS.as_posix())
        stages = read_stages((project.root / PIPELINE).read_bytes(), params)
        lock = read_lock((project.root / LOCK).read_bytes())
    except SignalboxError as error:
        name, _, what = str(error).partition(": ")
        return None, conclude("pipeline", "dvc.lock and dvc.yaml", "", [Finding(name, what)])
    names = needed(stages, given.json_name) or [*lock.stages, *stages]  # else no stage makes it
    own, mine = lock.part(names), {name: stage for name, stage in stages.items() if name in names}
    code = project.root / CODE_LOCK
    locked = load_yaml(code.read_bytes(), CODE_LOCK) if code.is_file() else None
    return Files(lock, own, stages, params), chain.check_pipeline(own, mine, params, locked)


def _advice(missing: list[str]) -> Check:
    shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return Check(
        "missing",
        "artifacts that aren't here",
        Status.MISSING,
        f"{shown}: neither in the cache nor on a remote; 'dvc pull' where they are, or --reproduce "
        "to make them again",
    )


def _given(report: Path, project: Project) -> Given:
    """Tell which of the pipeline's reports a file is."""
    try:
        outs = outs_in((project.root / LOCK).read_bytes())
    except OSError:
        outs = {}
    return recognise(report, outs)
