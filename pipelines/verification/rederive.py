"""Compute every stage again from its recorded inputs, and compare what comes out.

Each stage gets the *recorded* artifacts of the stages before it, in a scratch folder that holds
nothing else but the commit's code: so stages are judged one by one, a forged figure is found in the
stage that made it, and all can run at once. Evidence and report are never taken at their word.
Training again is left to ``--reproduce``.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import MODEL, MODEL_INFO, evidence_of, metrics_of
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json
from pipelines.project.lock import foreign_code, has_lock
from pipelines.verification.hashes import Hasher
from pipelines.verification.pipeline import Stage
from pipelines.verification.project import Project
from pipelines.verification.results import Check, Finding, Status, conclude
from pipelines.verification.scratch import put, remove, run, scratch

MOST = 25
"""Differences of one file that are named."""


def evidence_findings(name: str, recorded: Path, again: Path) -> list[Finding]:
    """Compare recorded evidence with evidence computed again.

    Figures come first, then other values that differ; there is one finding at least.

    Parameters
    ----------
    name : str
        Path of the evidence, relative to the project.
    recorded : Path
        The recorded file.
    again : Path
        The file that was computed again.

    Returns
    -------
    list of Finding
        At most `MOST`.
    """
    try:
        old, new = read_json(recorded), read_json(again)
    except SignalboxError as error:
        return [Finding(name, f"recorded or computed evidence cannot be read: {error}")]
    if not isinstance(old, dict) or not isinstance(new, dict):
        return [Finding(name, "isn't evidence")]
    figures = figure_findings(name, old.pop("figures", []), new.pop("figures", []))
    rest = [value_finding(name, key, a, b) for key, a, b in differences(old, new)]
    return (figures + rest)[:MOST] or [Finding(name, "same values, other bytes")]


def figure_findings(name: str, recorded: Any, again: Any) -> list[Finding]:
    """Compare recorded figures with figures computed again.

    Parameters
    ----------
    name : str
        Path of the evidence, relative to the project.
    recorded : list of dict
        Figures as they stand in the evidence.
    again : list of dict
        Figures as they came out.

    Returns
    -------
    list of Finding
    """
    old, new = _by_id(recorded), _by_id(again)
    findings = []
    for figure in [*new, *(key for key in old if key not in new)]:
        location = f"{name}#{figure}"
        if figure not in old:
            findings.append(Finding(location, "was computed again, but isn't recorded"))
        elif figure not in new:
            findings.append(Finding(location, "is recorded, but computing again doesn't give it"))
        else:
            findings += [
                value_finding(location, key, a, b)
                for key, a, b in differences(old[figure], new[figure])
            ]
    return findings


def value_finding(location: str, key: str, recorded: Any, again: Any) -> Finding:
    """Build a finding on a value that differs, and by how much.

    Parameters
    ----------
    location : str
        ``file#figure``, or the file.
    key : str
        Dotted key of the value.
    recorded : None, bool, int, float, str, list or dict
        The value that is recorded.
    again : None, bool, int, float, str, list or dict
        The value that came out.

    Returns
    -------
    Finding
    """
    by = ""
    if _is_number(recorded) and _is_number(again):
        by = f" by {abs(recorded - again):.3g}"
    what = f"{key} differs{by} from what computing again gives"
    return Finding(location, what, _short(again), _short(recorded))


def differences(old: Any, new: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Walk two JSON values, and give the leaves at which they differ.

    Parameters
    ----------
    old : None, bool, int, float, str, list or dict
        A JSON value.
    new : None, bool, int, float, str, list or dict
        Another one.
    key : str, default ''
        Dotted key at which both stand; empty at the top.

    Yields
    ------
    tuple of (str, object, object)
        Dotted key, old value, new value; None where a dict lacks the key.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for part in [*new, *(name for name in old if name not in new)]:
            inner = f"{key}.{part}" if key else str(part)
            yield from differences(old.get(part), new.get(part), inner)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from differences(a, b, f"{key}.{index}" if key else str(index))
    elif old != new or type(old) is not type(new):
        yield key, old, new


def _by_id(figures: Any) -> dict[str, dict[str, Any]]:
    entries = figures if isinstance(figures, list) else []
    return {str(f.get("id")): f for f in entries if isinstance(f, dict)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


TRAIN = "train"
_RESULT = "train_again.json"


def rederive(
    project: Project, stages: dict[str, Stage], names: list[str], tell: Callable[[str], None]
) -> list[Check]:
    """Compute stages again.

    Parameters
    ----------
    project : Project
        The clone with the recorded artifacts.
    stages : dict of str to Stage
        All stages of ``dvc.yaml``.
    names : list of str
        Those that the report follows from.
    tell : Callable[[str], None]
        Called with one sentence as each stage ends, from its thread.

    Returns
    -------
    list of Check
        The checks of each stage, in the order of `names`.
    """

    def one(name: str) -> list[Check]:
        checks = _stage(project, name, stages[name])
        tell(f"{name} computed again: {checks[0].status.value}")
        return checks

    for name in names:  # hashed before threads share the results
        for path in stages[name].outs | stages[name].deps:
            project.hashed(path)
    with ThreadPoolExecutor(max_workers=max(1, min(4, os.cpu_count() or 1))) as pool:
        return [check for checks in pool.map(one, names) for check in checks]


def _stage(project: Project, name: str, stage: Stage) -> list[Check]:
    check_id, title = f"again:{name}", f"{name}, computed again"
    absent = [path for path in sorted(stage.deps | stage.outs) if project.hashed(path) is None]
    if absent:
        sentence = f"needs {', '.join(absent)}, which isn't there"
        return [Check(check_id, title, Status.MISSING, sentence)]
    if stage.code and (why := foreign_code(project.root, name)):
        return [Check(check_id, title, Status.MISSING, f"could not be computed again: {why}")]
    try:
        with scratch(project, project.git.commit(), shared_cache=True) as directory:
            for path in stage.deps:
                put(project, path, directory)
            if name == TRAIN:
                return _train(project, directory, check_id, title)
            return [_rerun(project, directory, stage, check_id, title)]
    except SignalboxError as error:
        return [Check(check_id, title, Status.MISSING, f"could not be computed again: {error}")]


def _rerun(project: Project, directory: Path, stage: Stage, check_id: str, title: str) -> Check:
    for path in stage.outs:
        remove(directory / path)
    run(stage.cmd, directory)
    findings: list[Finding] = []
    hasher = Hasher(directory)
    for path in sorted(stage.outs, key=lambda out: (not out.startswith("evidence/"), out)):
        recorded, again = project.hashed(path), hasher.of(directory / path)
        if again is None or recorded is None:
            findings.append(Finding(path, "computing again doesn't make it"))
        elif again.md5 != recorded.md5:
            findings += _out_findings(path, project.locate(path), directory / path, again, recorded)
    return conclude(check_id, title, f"{len(stage.outs)} outs come out the same", findings)


def _out_findings(path: str, recorded: Path, again: Path, now: Any, before: Any) -> list[Finding]:
    if path.startswith("evidence/"):
        return evidence_findings(path, recorded, again)
    changed = sorted(
        name
        for name in {*now.files, *before.files}
        if now.files.get(name) != before.files.get(name)
    )
    names = [f"{path}/{name}" for name in changed] or [path]
    return [
        Finding(name, "computing again gives other bytes", now.md5, before.md5) for name in names
    ]


def _train_again(directory: Path) -> str:
    """Return the module that does it in the commit's own code, which may be older than ours."""
    here = f"{__package__}.train_again"
    if has_lock(directory):
        return here
    older = "pipelines.proof.train_again"
    return here if (directory / f"{here.replace('.', '/')}.py").is_file() else older


def _train(project: Project, directory: Path, check_id: str, title: str) -> list[Check]:
    """Hold what follows from the saved model against what ``train`` recorded."""
    evidence = evidence_of(TRAIN).as_posix()
    for path in (MODEL.as_posix(), MODEL_INFO.as_posix()):
        put(project, path, directory)
    run(f"python -m {_train_again(directory)} {_RESULT}", directory)
    again = read_json(directory / _RESULT)
    recorded = read_json(project.locate(evidence))
    info = read_json(project.locate(MODEL_INFO.as_posix()))
    metrics_file = metrics_of(TRAIN).as_posix()
    metrics = read_json(project.locate(metrics_file))
    findings = []
    figures = {figure["id"]: figure for figure in recorded["figures"]}
    for figure, facts in again["figures"].items():
        old = {key: figures.get(figure, {}).get(key) for key in facts}
        findings += [
            value_finding(f"{evidence}#{figure}", key, a, b)
            for key, a, b in differences(old, facts)
        ]
        short = figure.removeprefix("train.")
        if metrics.get(short) != facts["value"]:
            findings.append(value_finding(metrics_file, short, metrics.get(short), facts["value"]))
    findings += _parts(f"{evidence}#details", recorded["details"], again["details"])
    findings += _parts(MODEL_INFO.as_posix(), info, again["info"])
    good = f"{len(again['figures'])} figures, inputs, folds, threshold, importance follow from it"
    rest = sorted(set(figures) - set(again["figures"]))
    checks = [conclude(check_id, title, good, findings)]
    if rest:
        sentence = f"{', '.join(rest)}: only training again gives these; needs --reproduce"
        checks.append(Check("again:search", "search of train", Status.SKIPPED, sentence))
    return checks


def _parts(location: str, recorded: dict[str, Any], again: dict[str, Any]) -> list[Finding]:
    """Differences in the parts that could be derived; `recorded` may have more."""
    findings = []
    for part, new in again.items():
        old = recorded.get(part)
        if isinstance(old, dict) and isinstance(new, dict):
            old = {key: old.get(key) for key in new}
        findings += [
            value_finding(location, f"{part}.{k}", a, b) for k, a, b in differences(old, new)
        ]
    return findings
