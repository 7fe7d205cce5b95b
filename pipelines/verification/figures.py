"""Checks on the report itself: form, copies, figures, and the hashes it names."""

from pathlib import Path
from typing import Any

from pipelines.core import params
from pipelines.core.artifacts import PARAMS, REPORT_JSON
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Evidence, read_evidence
from pipelines.core.params import Params, load_params
from pipelines.verification.chain import ABSENT, sha256_findings
from pipelines.verification.document import Document, Given, read_document
from pipelines.verification.hashes import Hasher
from pipelines.verification.pipeline import Lock, load_yaml
from pipelines.verification.project import LOCK, OutsideError, Project
from pipelines.verification.results import Check, Finding, Status, conclude


def check_copy(project: Project, given: Given, lock: Lock) -> Check:
    """Check the named file against the report that ``dvc.lock`` names.

    Parameters
    ----------
    project : Project
        The clone.
    given : Given
        The report as it was named.
    lock : Lock
        Content of ``dvc.lock``.

    Returns
    -------
    Check
    """
    title = "the report named"
    entry = lock.outs().get(given.stands_for)
    found = Hasher(given.path.parent).of(given.path)
    name = _shown(project, given)
    if entry is None or found is None:
        finding = Finding(LOCK, f"has no {given.stands_for}: no stage makes this report")
        return conclude("copy", title, "", [finding])
    wrong = [Finding(name, f"isn't the report {LOCK} names", entry.md5, found.md5)]
    good = f"{name} is {given.stands_for} of this commit"
    return conclude("copy", title, good, [] if found.md5 == entry.md5 else wrong)


def _shown(project: Project, given: Given) -> str:
    path, root = given.path.resolve(), project.root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(given.path)


def check_form(project: Project, json_name: str) -> tuple[Check, Document | None]:
    """Read the report's JSON, and check that it has the form of a report.

    Parameters
    ----------
    project : Project
        The clone.
    json_name : str
        Path of the JSON, relative to the project.

    Returns
    -------
    tuple of (Check, Document or None)
        The check, and the report; None where it doesn't have the form.
    """
    title = "form of the report"
    path = project.locate(json_name)
    if not path.is_file():
        finding = Finding(json_name, ABSENT, status=Status.MISSING)
        return conclude("form", title, "", [finding]), None
    try:
        document = read_document(path, json_name)
    except SignalboxError as error:
        return conclude("form", title, "", [Finding(json_name, str(error))]), None
    good = f"{len(document.figures)} figures from {len(document.artifacts)} artifacts"
    return conclude("form", title, good, []), document


def check_sources(project: Project, document: Document, name: str) -> Check:
    """Check that artifacts are those that the report and its evidence were made from.

    Parameters
    ----------
    project : Project
        The clone.
    document : Document
        The report.
    name : str
        Path of its JSON, relative to the project.

    Returns
    -------
    Check
    """
    findings: dict[tuple[str, str], Finding] = {}
    named = {(name, path): artifact.sha256 for path, artifact in document.artifacts.items()}
    named |= {(name, f.source.path): f.source.sha256 for f in document.figures}
    for check in document.decision.checks:
        if check.source.sha256 is not None:
            named[(name, check.source.path)] = check.source.sha256
    for path, artifact in document.artifacts.items():
        if artifact.role == "evidence":
            evidence = _evidence(project, path)
            inputs = evidence.inputs if evidence else {}
            named |= {(path, source): sha256 for source, sha256 in inputs.items()}
    remote = 0
    for (where, path), sha256 in named.items():
        remote += "://" in path
        for finding in sha256_findings(project, where, path, sha256):
            findings.setdefault((finding.path, finding.expected), finding)
    note = f"; {remote} at other addresses were not read" if remote else ""
    good = f"{len(named)} hashes (SHA-256) named by report and evidence are right{note}"
    return conclude("sources", "hashes in report and evidence", good, list(findings.values()))


def check_figures(project: Project, document: Document, name: str) -> Check:
    """Check figures, inputs and parameters of the report against evidence and ``params.yaml``.

    Parameters
    ----------
    project : Project
        The clone.
    document : Document
        The report.
    name : str
        Path of its JSON, relative to the project.

    Returns
    -------
    Check
    """
    findings: list[Finding] = []
    recorded: dict[str, Evidence | None] = {}
    for path in {figure.source.path for figure in document.figures} | {
        path for path, artifact in document.artifacts.items() if artifact.role == "evidence"
    }:
        recorded[path] = _evidence(project, path)
    for figure in document.figures:
        evidence = recorded[figure.source.path]
        original = evidence.figure(figure.id) if evidence else None
        wrong = _difference(figure.bare(), original.model_dump(mode="json") if original else None)
        if wrong:
            what, expected, found = wrong
            findings.append(Finding(f"{name}#{figure.id}", what, expected, found))
    findings += _forgotten(document, recorded, name)
    findings += _params(project, document, name)
    good = f"{len(document.figures)} figures and all parameters are those of the evidence"
    return conclude("figures", "figures of the report in its evidence", good, findings)


def _difference(
    claimed: dict[str, object], original: dict[str, object] | None
) -> tuple[str, str, str] | None:
    if original is None:
        return "its evidence has no such figure", "", ""
    for key, value in original.items():
        if claimed.get(key) != value:
            return f"{key} isn't that of the evidence", repr(value), repr(claimed.get(key))
    return None


def _forgotten(
    document: Document, recorded: dict[str, Evidence | None], name: str
) -> list[Finding]:
    """Figures of the evidence that the report leaves out, and inputs it names otherwise."""
    claimed = {figure.id for figure in document.figures}
    findings = []
    for path, evidence in recorded.items():
        if evidence is None:
            continue
        findings += [
            Finding(f"{name}#{figure.id}", f"stands in {path} but not in the report")
            for figure in evidence.figures
            if figure.id not in claimed
        ]
        artifact = document.artifacts.get(path)
        if artifact is None or sorted(artifact.inputs) != sorted(evidence.inputs):
            findings.append(Finding(name, f"names other inputs of {path} than that file itself"))
    return findings


def _params(project: Project, document: Document, name: str) -> list[Finding]:
    try:
        known = load_params(project.root / "params.yaml")
    except SignalboxError as error:
        return [Finding("params.yaml", str(error))]
    now = known.of_model() if name == REPORT_JSON.as_posix() else _asked(known, document.params)
    if now == document.params or _written_so(project, document.params):
        return []
    keys = sorted(k for k in {*now, *document.params} if now.get(k) != document.params.get(k))
    return [Finding(name, f"parameters {', '.join(keys)} aren't those of params.yaml")]


def _written_so(project: Project, told: dict[str, Any]) -> bool:
    """Whether a report of older code says what ``params.yaml`` says, apart from unset keys.

    What an unset key means, and how, is a matter of the commit's own code; its stage ``report`` is
    computed again by that code. Reports of our own code are held against our own models.
    """
    ours = Path(params.__file__)
    theirs = project.root / ours.relative_to(Path(__file__).parents[2])
    if theirs.is_file() and theirs.read_bytes() == ours.read_bytes():
        return False
    written = load_yaml((project.root / PARAMS).read_bytes(), PARAMS.as_posix())
    return all(
        name in written and _adds_only(_set(told[name]), _set(written[name])) for name in told
    )


def _set(value: Any) -> Any:
    """Leave out what isn't set: an empty text was that before null was."""
    if isinstance(value, dict):
        return {key: _set(inner) for key, inner in value.items() if inner not in ("", None)}
    return [_set(inner) for inner in value] if isinstance(value, list) else value


def _asked(known: Params, told: dict[str, Any]) -> dict[str, Any]:
    """Sections of another product: as the report has them where it only adds defaults."""
    sections = known.model_dump(mode="json", by_alias=True)
    return {
        name: told[name]
        if _adds_only(_set(told[name]), _set(sections.get(name)))
        else sections.get(name)
        for name in told
    }


def _adds_only(told: Any, written: Any) -> bool:
    """Whether `told` says all that was written, and perhaps more keys."""
    if isinstance(told, dict) and isinstance(written, dict):
        return all(key in told and _adds_only(told[key], written[key]) for key in written)
    if isinstance(told, list) and isinstance(written, list):
        return len(told) == len(written) and all(map(_adds_only, told, written))
    return bool(told == written)


def _evidence(project: Project, path: str) -> Evidence | None:
    """Evidence at `path`; None if it isn't there or isn't evidence, which hashes have shown."""
    try:
        file = project.locate(path)
        return read_evidence(file) if file.is_file() else None
    except (OutsideError, SignalboxError):
        return None
