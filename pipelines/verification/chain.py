"""The chain of hashes: report → evidence → artifacts → ``dvc.lock`` → commit."""

import json
from collections.abc import Iterable

from pipelines.core.errors import SignalboxError
from pipelines.project.lock import LOCK as CODE_LOCK
from pipelines.project.lock import foreign_code, has_lock
from pipelines.project.lock import read_lock as read_code_lock
from pipelines.verification.hashes import unpacked_sha256
from pipelines.verification.pipeline import Lock, Locked, Stage, read_lock
from pipelines.verification.project import LOCK, PIPELINE, OutsideError, Project
from pipelines.verification.results import Check, Finding, Status, conclude

LEDGER = "ledger/ledger.jsonl"
POINTERS = "released/"
"""Where the files are that name the versions in production; each release writes one."""
ABSENT = "isn't there"


def check_commit(project: Project) -> Check:
    """Check that every file in git is as the commit has it; the ledger may have grown since.

    Parameters
    ----------
    project : Project
        The clone.

    Returns
    -------
    Check
    """
    title = "files in git"
    try:
        commit = project.git.commit()
        blobs = project.git.blobs(commit)
    except SignalboxError as error:
        return Check("commit", title, Status.MISSING, f"no commit to hold files against: {error}")
    findings = [
        Finding(path, "is in the commit but not in the work tree", blob)
        for path, blob in blobs.items()
        if not (project.root / path).is_file() and not (project.root / path).is_symlink()
    ]
    present = [path for path in blobs if _plain(project, path)]
    for path, found in zip(present, project.git.hash_files(present), strict=True):
        if found != blobs[path] and not (path == LEDGER and _has_grown(project, commit)):
            findings.append(Finding(path, "differs from the commit", blobs[path], found))
    findings.sort(key=lambda finding: (finding.path != LOCK, finding.path))
    return conclude("commit", title, f"{len(blobs)} files as in commit {commit[:12]}", findings)


def _plain(project: Project, path: str) -> bool:
    file = project.root / path
    return file.is_file() and not file.is_symlink() and "\n" not in path


def _has_grown(project: Project, commit: str) -> bool:
    """Whether the ledger only has more lines than the commit's: appending is its nature.

    A ledger that was continued with a new key lies whole in ``ledger/archive/``.
    """
    old = project.git.content(commit, LEDGER)
    archive = project.root / LEDGER.rpartition("/")[0] / "archive"
    files = [project.root / LEDGER, *sorted(archive.glob("*.jsonl"))]
    return old.endswith(b"\n") and any(file.read_bytes().startswith(old) for file in files)


def check_pipeline(
    lock: Lock, stages: dict[str, Stage], params: object, code: object = None
) -> Check:
    """Check that ``dvc.lock`` records these stages, these commands, these parameters.

    Parameters
    ----------
    lock : Lock
        Content of ``dvc.lock``.
    stages : dict of str to Stage
        Name → stage of ``dvc.yaml``.
    params : dict of str to object
        Content of ``params.yaml``.
    code : dict of str to object, optional
        Content of ``signalbox.lock``, where the code is installed.

    Returns
    -------
    Check
    """
    findings = [
        Finding(LOCK, f"has no stage '{name}', which {PIPELINE} has")
        for name in stages
        if name not in lock.stages
    ]
    for name, locked in lock.stages.items():
        if name not in stages:
            findings.append(Finding(LOCK, f"has a stage '{name}' that {PIPELINE} lacks"))
            continue
        findings += _stage_findings(name, stages[name], locked.model_dump(), params, code)
    return conclude(
        "pipeline",
        "dvc.lock against dvc.yaml and params.yaml",
        f"{len(stages)} stages: commands, parameters, inputs and outs are those that ran",
        findings,
    )


def check_code(project: Project, names: Iterable[str]) -> Check | None:
    """Check that the installed code is the one that the project's stages were run by.

    Parameters
    ----------
    project : Project
        The clone.
    names : iterable of str
        Stages that the report follows from.

    Returns
    -------
    Check or None
        None where the code is part of the project: then it is held against its hash.
    """
    if not has_lock(project.root):
        return None
    title = "installed code"
    try:
        lock = read_code_lock(project.root)
        others = [name for name in names if foreign_code(project.root, name)]
    except SignalboxError as error:
        return Check("code", title, Status.MISSING, str(error))
    if not others:
        return Check("code", title, Status.OK, f"it is that of {CODE_LOCK}, stage by stage")
    findings = [Finding(CODE_LOCK, f"stage '{name}' was run by other code than is installed",
                        status=Status.MISSING) for name in others]  # fmt: skip
    return conclude("code", f"{title}: these stages need signalbox {lock.version}", "", findings)


def _stage_findings(
    name: str, stage: Stage, locked: dict[str, object], params: object, code: object
) -> list[Finding]:
    if stage.strange:
        what = f"stage '{name}' uses {', '.join(stage.strange)}, which verify cannot read"
        return [Finding(PIPELINE, what, status=Status.MISSING)]
    findings = []
    if stage.cmd != locked["cmd"]:
        what = f"command of stage '{name}' isn't the one that ran"
        findings.append(Finding(PIPELINE, what, str(locked["cmd"]), str(stage.cmd)))
    for key, paths in (("deps", stage.deps), ("outs", stage.outs)):
        entries = locked[key]
        assert isinstance(entries, list)
        for path in sorted(paths ^ {entry["path"] for entry in entries}):
            where = PIPELINE if path in paths else LOCK
            findings.append(Finding(where, f"only there is {path} among {key} of '{name}'"))
    for file, keys, now in (("params.yaml", stage.params, params), (CODE_LOCK, stage.code, code)):
        findings += _param_findings(name, file, keys, locked["params"], now)
    return findings


def _param_findings(
    name: str, file: str, keys: tuple[str, ...], ran: object, now: object
) -> list[Finding]:
    recorded = ran.get(file, {}) if isinstance(ran, dict) else {}
    now = now if isinstance(now, dict) else {}
    findings = []
    for key in sorted({*keys, *recorded}):
        before, after = _value(recorded, key), _value(now, key)
        if before != after or key not in keys:
            key_path, old, new = _first_difference(key, before, after)
            what = f"{key_path} isn't what stage '{name}' ran with"
            findings.append(Finding(file, what, repr(old), repr(new)))
    return findings


def _value(tree: object, key: str) -> object:
    """Value of a key, which DVC writes dotted into the lock and nested into params."""
    if isinstance(tree, dict) and key in tree:
        return tree[key]
    for part in key.split("."):
        if not isinstance(tree, dict) or part not in tree:
            return None
        tree = tree[part]
    return tree


def _first_difference(key: str, old: object, new: object) -> tuple[str, object, object]:
    """Go down to where two values differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for part in [*old, *(p for p in new if p not in old)]:
            if old.get(part) != new.get(part) or (part in old) != (part in new):
                return _first_difference(f"{key}.{part}", old.get(part), new.get(part))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            if a != b:
                return _first_difference(f"{key}.{index}", a, b)
    return key, old, new


def check_others(project: Project, lock: Lock, own: Lock) -> Check:
    """Say how artifacts and inputs of other products are, on which the report doesn't rest.

    Parameters
    ----------
    project : Project
        The clone.
    lock : Lock
        Content of ``dvc.lock``.
    own : Lock
        Its part with the stages that the report follows from.

    Returns
    -------
    Check
        Never a fault: what this report says doesn't depend on them.
    """
    title = "other products"
    mine = {**own.deps(), **own.outs()}
    others = {path: entry for path, entry in {**lock.deps(), **lock.outs()}.items()
              if path not in mine}  # fmt: skip
    if not others:
        return Check("others", title, Status.OK, "the report rests on all that dvc.lock names")
    findings = [finding for entry in others.values() for finding in locked_findings(project, entry)]
    if not findings:
        return Check("others", title, Status.OK, f"{len(others)} artifacts and inputs are as named")
    missing = [finding for finding in findings if finding.status is Status.MISSING]
    differing = [finding.path for finding in findings if finding.status is Status.DIFFERS]
    parts = []
    if missing:
        parts.append(f"{len(missing)} artifacts of other products aren't here")
    if differing:
        more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
        parts.append(f"{differing[0]}{more} isn't what {LOCK} names")
    sentence = f"{' and '.join(parts)}; the report doesn't rest on them"
    return Check("others", title, Status.SKIPPED, sentence, tuple(findings))


def check_work_tree(project: Project, released: Lock) -> Check:
    """Check that a report's surroundings in the work tree are untouched since their own commit.

    A release moves the pointer and lets the ledger grow; commits after it may change everything.
    What was changed without a commit, or isn't the artifact that the tree's own ``dvc.lock`` names,
    was changed by hand.

    Parameters
    ----------
    project : Project
        The work tree.
    released : Lock
        The part of the released commit's ``dvc.lock`` that the report follows from.

    Returns
    -------
    Check
    """
    findings = [
        finding
        for finding in check_commit(project).findings
        if not finding.path.startswith(POINTERS)
    ]
    try:
        here = read_lock((project.root / LOCK).read_bytes()).outs()
    except (SignalboxError, OSError):
        here = {}  # the commit's check names the file
    named = {finding.path for finding in findings}
    for path, out in released.outs().items():
        if path in here and here[path].md5 == out.md5 and path not in named:
            wrong = locked_findings(project, out)
            findings += [finding for finding in wrong if finding.status is Status.DIFFERS]
    return conclude(
        "work_tree",
        "work tree around the report",
        "nothing was changed without a commit, but what a release changes",
        findings,
    )


def check_locked(
    project: Project, check_id: str, title: str, entries: dict[str, Locked], word: str
) -> Check:
    """Check that files and folders are those that ``dvc.lock`` names.

    Parameters
    ----------
    project : Project
        The clone.
    check_id : str
        Id of the check.
    title : str
        Title of the check.
    entries : dict of str to Locked
        Path → what ``dvc.lock`` says of it.
    word : str
        What the entries are, in the plural; for the sentence.

    Returns
    -------
    Check
    """
    findings = [
        finding for entry in entries.values() for finding in locked_findings(project, entry)
    ]
    files = sum(entry.nfiles or 1 for entry in entries.values())
    good = f"{len(entries)} {word} ({files} files) have the hashes in {LOCK}"
    return conclude(check_id, title, good, findings)


def locked_findings(project: Project, entry: Locked) -> list[Finding]:
    """Find what is wrong with a file or folder; name the file inside if DVC's list is there.

    Parameters
    ----------
    project : Project
        The clone.
    entry : Locked
        What ``dvc.lock`` says of the file or folder.

    Returns
    -------
    list of Finding
        Empty where it is as recorded.
    """
    try:
        found = project.hashed(entry.path)
    except OutsideError as error:
        return [Finding(LOCK, str(error))]
    if found is None:
        return [Finding(entry.path, ABSENT, entry.md5, status=Status.MISSING)]
    if found.md5 != entry.md5:
        inside = _inside(project, entry, found.files)
        what = f"isn't what {LOCK} names"
        if entry.path.startswith(POINTERS):
            what += " (a later release moves it: verify a report at its own commit with --rev)"
        whole = Finding(entry.path, what, entry.md5, found.md5)
        return inside or [whole]
    findings = []
    for what, expected, actual in (
        ("size", entry.size, found.size),
        ("number of files", entry.nfiles, found.nfiles),
    ):
        if expected is not None and actual is not None and expected != actual:
            text = f"{what} of {entry.path} isn't that of the file"
            findings.append(Finding(LOCK, text, str(expected), str(actual)))
    return findings


def _inside(project: Project, entry: Locked, found: dict[str, str]) -> list[Finding]:
    """Files of a folder that differ, by DVC's own list; none if that isn't in the cache."""
    listing = project.cached_listing(entry.md5)
    if listing is None:
        return []
    recorded = {item["relpath"]: item["md5"] for item in json.loads(listing)}
    return [
        Finding(
            f"{entry.path}/{name}",
            f"isn't what {LOCK} names",
            recorded.get(name, ABSENT),
            found.get(name, ABSENT),
        )
        for name in sorted({*recorded, *found})
        if recorded.get(name) != found.get(name)
    ]


def sha256_findings(project: Project, where: str, name: str, expected: str) -> list[Finding]:
    """Find what is wrong with an artifact that `where` (report or evidence) names by SHA-256.

    Parameters
    ----------
    project : Project
        The clone.
    where : str
        Report or evidence that names the artifact.
    name : str
        Path of the artifact; a URL isn't checked.
    expected : str
        SHA-256, 64 hex digits, of the file or of what is packed in it.

    Returns
    -------
    list of Finding
        Empty where it is as recorded.
    """
    if "://" in name:
        return []
    try:
        found = project.hashed(name)
        path = project.locate(name)
    except OutsideError as error:
        return [Finding(where, str(error))]
    if found is None:
        return [Finding(name, f"{ABSENT}; {where} was made from it", expected, "", Status.MISSING)]
    if found.sha256 == expected:
        return []
    if path.is_file() and unpacked_sha256(path) == expected:
        return []
    return [Finding(name, f"isn't the one that {where} was made from", expected, found.sha256)]
