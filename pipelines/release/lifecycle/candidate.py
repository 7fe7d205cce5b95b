"""What is asked about and released: a run's commit, its gate's decision, its data."""

import hashlib
import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.artifacts import EVIDENCE, evidence_of, metrics_of
from pipelines.core.errors import SignalboxError
from pipelines.core.git import git_or_none
from pipelines.release.gating import Decision
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.files import CommitFiles, load_as_dvc
from pipelines.release.products import registered
from pipelines.release.registry.read import ProductParams, load_product

_DECISIONS: tuple[Decision, ...] = ("approve", "review", "reject")


@dataclass(frozen=True)
class GateDecision:
    """What the gate decided.

    Attributes
    ----------
    verdict : {'approve', 'review', 'reject'}
        ``approve``, ``review`` or ``reject``.
    checks : dict of str to str
        Check → verdict.
    sentences : dict of str to str
        The gate's explanation of every check that didn't pass, failed ones first.
    sha256 : str
        Of the gate's evidence file.
    """

    verdict: Decision
    checks: dict[str, str]
    sentences: dict[str, str]
    sha256: str

    def named(self, verdict: str) -> list[str]:
        """List the ids of the checks that got a verdict.

        Parameters
        ----------
        verdict : str
            For example ``fail``.

        Returns
        -------
        list of str
        """
        return [check for check, found in self.checks.items() if found == verdict]

    def as_data(self) -> dict[str, Any]:
        """Return what the ledger keeps of it."""
        return {
            "verdict": self.verdict,
            "failed": self.named("fail"),
            "inconclusive": self.named("inconclusive"),
            "evidence": self.sha256,
        }


def read_decision(project: Path, product: ProductParams, commit: str) -> GateDecision:
    """Read and cross-check the gate's metrics and evidence in a commit.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : ProductParams
        The product's entry in section ``registry`` of ``release.yaml``.
    commit : str
        Hash of the commit.

    Returns
    -------
    GateDecision

    Raises
    ------
    SignalboxError
        If either is missing, was changed after the gate made it, or says something else than the
        other: no decision must never look like an approval.
    """
    files = CommitFiles(project, commit)
    evidence_path, metrics_path = evidence_of(product.gate), metrics_of(product.gate)
    raw = files.read(evidence_path.as_posix())
    evidence = _json(raw, f"{evidence_path} of commit {commit[:12]}")
    metrics = _json(files.read(metrics_path.as_posix()), f"{metrics_path} of commit {commit[:12]}")
    details = evidence.get("details", {})
    verdict = metrics.get("verdict")
    if verdict not in _DECISIONS or details.get("decision") != verdict:
        raise SignalboxError(
            f"commit {commit[:12]}: {metrics_path} says {verdict!r} and {evidence_path} says "
            f"{details.get('decision')!r}; that is no gate decision"
        )
    judged = details.get("checks", [])
    failed_first = sorted(judged, key=lambda check: check.get("verdict") != "fail")
    return GateDecision(
        verdict=verdict,
        checks={str(check["id"]): str(check["verdict"]) for check in judged},
        sentences={
            str(check["id"]): str(check["sentence"])
            for check in failed_first
            if check["verdict"] in ("fail", "inconclusive")
        },
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def read_figures(project: Path, product: ProductParams, commit: str) -> dict[str, float]:
    """Read every figure that has a value, from the gate's evidence and what it judged.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : ProductParams
        The product's entry in section ``registry`` of ``release.yaml``.
    commit : str
        Hash of the commit.

    Returns
    -------
    dict of str to float
        Id → value.

    Raises
    ------
    SignalboxError
        If a file is missing or was changed after its stage made it.
    """
    files = CommitFiles(project, commit)
    gate = evidence_of(product.gate).as_posix()
    judged = _evidence(files, gate).get("inputs", {})
    return {
        str(figure["id"]): figure["value"]
        for path in sorted({gate, *judged})
        for figure in _evidence(files, path).get("figures", [])
        if figure.get("value") is not None
    }


def _evidence(files: CommitFiles, path: str) -> dict[str, Any]:
    return _json(files.read(path), f"{path} of commit {files.commit[:12]}")


def _json(raw: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise SignalboxError(f"{what}: not valid JSON ({error})") from error
    if not isinstance(found, dict):
        raise SignalboxError(f"{what}: not a JSON object")
    return found


RUNS = "refs/runs"


class ChangedError(SignalboxError):
    """What is to be released isn't what was recorded or asked about."""


@dataclass(frozen=True)
class Candidate:
    """A commit that may be released, as git and ``dvc.lock`` have it.

    Attributes
    ----------
    product : str
        Name of the product.
    run : str
        The saved run, ``<dag>/<run>`` as under ``refs/runs``; empty outside Airflow.
    commit : str
        Full hash of the commit.
    decision : GateDecision
        What the gate says of it.
    report : str
        SHA-256 of the report that approvers read; empty if the product has none.
    """

    product: str
    run: str
    commit: str
    decision: GateDecision
    report: str

    def as_data(self) -> dict[str, Any]:
        """Return what questions, answers and outcomes say of it in the ledger."""
        return {
            "run": self.run,
            "commit": self.commit,
            "verdict": self.decision.verdict,
            "evidence": self.decision.sha256,
            "report": self.report,
        }


def read_candidate(project: Path, product: str, commit: str, run: str = "") -> Candidate:
    """Read a commit's gate decision and report; each is held against ``dvc.lock``.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    commit : str
        Full hash of the commit.
    run : str, default ''
        The saved run, ``<dag>/<run>``; empty outside Airflow.

    Returns
    -------
    Candidate

    Raises
    ------
    ChangedError
        If a run of Airflow saved the commit, and the decision isn't about what it holds.
    SignalboxError
        If one of them is missing or was changed after its stage made it.
    """
    params = load_product(project, product)
    decision = read_decision(project, params, commit)
    files = CommitFiles(project, commit)
    if last_entry(Ledger.of(project).entries(), {"run"}, product, commit=commit):
        require_own_evidence(files, params)
    report = files.sha256(params.report) if params.report else ""
    return Candidate(product, run, commit, decision, report)


def require_own_evidence(files: CommitFiles, product: ProductParams) -> None:
    """Stop unless the gate judged what the commit would release, with the commit's parameters.

    A run's ``dvc.lock`` is put together from what its tasks reported, and reports travel through
    Airflow, where others may edit them: real evidence of another run would look like this one's.
    So the evidence is followed by SHA-256 from the gate to the artifacts, and the stages behind it
    by ``dvc.lock``.

    Parameters
    ----------
    files : CommitFiles
        Files of the commit.
    product : ProductParams
        The product's entry in section ``registry`` of ``release.yaml``.

    Raises
    ------
    SignalboxError
        Naming the file or key that differs.
    """
    locked, where = files.locked(), f"commit {files.commit[:12]}"
    gate = evidence_of(product.gate).as_posix()
    ours = {path for path in locked if Path(path).parent == EVIDENCE} | set(product.artifacts)
    pending, seen = [gate], {gate}
    while pending:
        path = pending.pop()
        for name, sha256 in _evidence(files, path).get("inputs", {}).items():
            if name not in ours or name not in locked or locked[name].endswith(".dir"):
                continue
            if files.sha256(name) != sha256:
                raise ChangedError(
                    f"{where}: {path} was computed from another {name} than the commit's; run the "
                    "pipeline again, and see who changed what its tasks reported"
                )
            if Path(name).parent == EVIDENCE and name not in seen:
                seen.add(name)
                pending.append(name)
    if product.report:
        _require_own_report(files, product.report, gate)
    _require_fitting_stages(files, [gate, *([product.report] if product.report else [])])


def _require_own_report(files: CommitFiles, report: str, gate: str) -> None:
    """Stop where a report that names evidence by SHA-256 doesn't name this gate's."""
    named = set(_SHA256.findall(files.read(report)))
    ours = hashlib.sha256(files.read(gate)).hexdigest().encode()
    if named and ours not in named:
        raise ChangedError(
            f"commit {files.commit[:12]}: {report} is about another {gate} than the commit's; run "
            "the pipeline again, and see who changed what its tasks reported"
        )


_SHA256 = re.compile(rb"\b[0-9a-f]{64}\b")


def _require_fitting_stages(files: CommitFiles, ends: list[str]) -> None:
    """Stop unless the stages behind some files fit one another and the commit's parameters."""
    stages, where = files.stages(), f"dvc.lock of commit {files.commit[:12]}"
    made = {
        str(out["path"]): (name, out.get("md5"))
        for name, stage in stages.items()
        for out in stage.get("outs", [])
    }
    pending, seen = [made[path][0] for path in ends if path in made], set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        for dep in stages[name].get("deps", []):
            maker, md5 = made.get(str(dep["path"]), ("", None))
            if not maker:
                continue
            if md5 != dep.get("md5"):
                raise ChangedError(
                    f"{where}: stage {name} read another {dep['path']} than stage {maker} made; "
                    "run the pipeline again"
                )
            pending.append(maker)
        for path, values in (stages[name].get("params") or {}).items():
            if differing := _differing_params(files, str(path), values):
                raise ChangedError(
                    f"{where}: stage {name} ran with another {differing} than {path} has; run the "
                    "pipeline again"
                )


def _differing_params(files: CommitFiles, path: str, values: dict[str, Any]) -> str:
    """Return the first key that has another value in the commit's file; empty if none has."""
    text = files.text(path) if path.endswith((".yaml", ".yml", ".lock")) else None
    now = None if text is None else load_as_dvc(text)
    for key, value in values.items():
        node: Any = now
        for part in key.split("."):
            node = node.get(part, _ABSENT) if isinstance(node, dict) else _ABSENT
        if node is not _ABSENT and not _same_value(node, value):
            return key
    return ""


_ABSENT = object()


def _same_value(one: Any, other: Any) -> bool:
    """Compare what two readers of YAML made of a value: ``1e-3`` is a text for some."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_value(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same_value, one, other))
    if isinstance(one, str) != isinstance(other, str):
        try:
            return float(one) == float(other)
        except (TypeError, ValueError):
            return str(one) == str(other)
    return bool(one == other)


def changed_params(entries: list[Entry], product: str, commit: str) -> dict[str, Any]:
    """Return the parameters that were changed for the run that saved a commit.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    product : str
        Name of the product, as it is registered.
    commit : str
        Full hash of the commit.

    Returns
    -------
    dict of str to object
        Dotted key → value, and `CODE` → the commit whose code ran, if that is an unexpected one;
        empty where no run of Airflow saved it.
    """
    entry = last_entry(entries, {"run"}, product, commit=commit)
    if entry is None:
        return {}
    code = {CODE: entry.data[CODE]} if entry.data.get(CODE) else {}
    return {**(entry.data.get("overrides") or {}), **code}


CODE = "code"
"""Key of a run's entry: the commit it was made from, where that isn't one of the branch."""


def recorded_candidate(project: Path, product: str, run: str) -> Candidate:
    """Read what a run of Airflow saved; the ledger must say that it was that commit.

    Nothing here comes from Airflow's XComs, which every user of role op can write.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    run : str
        The saved run, ``<dag>/<run>``.

    Returns
    -------
    Candidate

    Raises
    ------
    ChangedError
        If the run's ref was moved since the ledger recorded it.
    SignalboxError
        If the ledger has no saved run of that name.
    """
    entry = last_run(Ledger.of(project).entries(), product, run)
    if entry is None or not entry.data.get("commit"):
        raise SignalboxError(
            f"the ledger has no saved run {run} of {product}; clear the task record_run"
        )
    recorded = str(entry.data["commit"])
    now = saved_commit(project, run)
    if now != recorded:
        raise ChangedError(
            f"run {run} was recorded as commit {recorded[:12]} (ledger entry {entry.seq}), and "
            f"{RUNS}/{run} names {now[:12] if now else 'nothing'} now"
        )
    return read_candidate(project, product, recorded, run)


def saved_commit(project: Path, run: str) -> str | None:
    """Return the commit that ``refs/runs/<run>`` names; None if there is no such run.

    Parameters
    ----------
    project : Path
        Root of the project.
    run : str
        The saved run, ``<dag>/<run>``.

    Returns
    -------
    str or None
    """
    ref = f"{RUNS}/{run}"
    if git_or_none(project, "check-ref-format", ref) is None:
        return None
    return git_or_none(project, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") or None


def last_entry(
    entries: list[Entry], kinds: Collection[str], product: str, **data: str
) -> Entry | None:
    """Return the last entry of some kinds about a product whose data has these values.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    kinds : collection of str
        Kinds of entries.
    product : str
        Name of the product, as it is registered.
    **data : str
        Keys of the entry's data, and the values they must have.

    Returns
    -------
    Entry or None
    """
    for entry in reversed(entries):
        about = entry.kind in kinds and entry.subject == product
        if about and all(entry.data.get(key) == value for key, value in data.items()):
            return entry
    return None


def last_run(entries: list[Entry], product: str, run: str) -> Entry | None:
    """Return the last entry about a run.

    Parameters
    ----------
    entries : list of Entry
        The ledger's entries, in order.
    product : str
        Name of the product, as it is registered.
    run : str
        The saved run, ``<dag>/<run>``.

    Returns
    -------
    Entry or None
    """
    return last_entry(entries, {"run"}, product, run=run)


def require_unchanged(candidate: Candidate, entry: Entry) -> None:
    """Stop unless an entry is about this very candidate.

    Parameters
    ----------
    candidate : Candidate
        What is to be released, as it is now.
    entry : Entry
        An entry that holds `Candidate.as_data`.

    Raises
    ------
    ChangedError
        Naming what differs, with both values.
    """
    now = candidate.as_data()
    keys = [key for key in now if key != "run" or candidate.run]
    differing = [key for key in keys if entry.data.get(key) != now[key]]
    if differing:
        differences = "; ".join(
            f"{key} was {_short(entry.data.get(key))}, is {_short(now[key])}" for key in differing
        )
        raise ChangedError(
            f"ledger entry {entry.seq} ({entry.kind}) is about something else: {differences}"
        )


def _short(value: Any) -> str:
    return repr(value[:12] if isinstance(value, str) and len(value) >= 40 else value)


_RULES = "expectations/"


def is_demo_data(project: Path, product: str, commit: str) -> bool:
    """Return whether a commit's evidence names the bundled demo's data and no other.

    A product that isn't registered, or registers no demo, has none.

    Parameters
    ----------
    project : Path
        Root of the project.
    product : str
        Name of the product, as it is registered.
    commit : str
        Hash of the commit.

    Returns
    -------
    bool

    Raises
    ------
    SignalboxError
        If the evidence cannot be read or was changed after its stage made it.
    """
    known = registered().get(product)
    if known is None or known.demo is None:
        return False
    inputs = read_inputs(CommitFiles(project, commit), known.demo.evidence)
    return bool(inputs) and inputs == known.demo.sha256


def read_inputs(files: CommitFiles, path: str) -> frozenset[str]:
    """Return the SHA-256 of the data that an evidence file names as its inputs.

    Parameters
    ----------
    files : CommitFiles
        Files of the commit.
    path : str
        The evidence file, relative to the project.

    Returns
    -------
    frozenset of str
        64 hex digits each; those of suites of rules are left out.

    Raises
    ------
    SignalboxError
        If the file cannot be read, was changed, or isn't evidence.
    """
    try:
        inputs = json.loads(files.read(path)).get("inputs", {})
    except (ValueError, AttributeError) as error:
        raise SignalboxError(
            f"{path} of commit {files.commit[:12]}: not an evidence file"
        ) from error
    return frozenset(sha for name, sha in inputs.items() if not name.startswith(_RULES))
