"""What can be judged: incidents and findings of a window, and rules in production.

Only what is there counts; what is kept of it beside a person's words comes from the project's
files and never from a form.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from signalbox_airflow.analysis_pages import DAG as INCIDENTS_DAG
from signalbox_airflow.analysis_pages import results_of
from signalbox_airflow.report_page import PREFIX

if TYPE_CHECKING:
    from pipelines.aiops.alerting.publishing.released import ReleasedRules
    from pipelines.aiops.alerting.rules import Rule
    from pipelines.aiops.incidents.model import Incident, IncidentsFile
    from pipelines.aiops.lake.feedback import About
    from pipelines.aiops.lake.findings import Finding
    from pipelines.core.evidence import Evidence

RULES_DAG = "alert_noise_reduction"


@dataclass(frozen=True)
class Subject:
    """Something that can be judged.

    Attributes
    ----------
    about, id : str
        Kind (incident, finding, rule) and id.
    title : str
        What it is called.
    window : str
        Window, or release, that it is of.
    address : str
        Of the page on which it is judged.
    detectors, names, suspects : tuple of str
        Detectors that found it, alert names that it is about, and services that may be the cause.
    """

    about: "About"
    id: str
    title: str
    window: str
    address: str
    detectors: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()


def dag_of(about: str) -> str:
    """Return the DAG whose editors may judge things of a kind."""
    return RULES_DAG if about == "rule" else INCIDENTS_DAG


def lake_of(project: Path) -> Path:
    """Return the lake in which answers are kept: the one that rules are mined from.

    The simulated world is what a stage made, the same bytes each time, and holds nothing that
    people say: beside it answers go to the lake that ``signalbox ingest`` writes.
    """
    from pipelines.aiops.params import load_aiops_params

    params = load_aiops_params(project)
    return project / (params.telemetry.lake if mines_simulated(project) else
                      params.alert_history.lake)  # fmt: skip


def mines_simulated(project: Path) -> bool:
    """Whether rules are mined from the simulated world, which no answer reaches."""
    from pipelines.aiops.params import load_aiops_params
    from pipelines.aiops.params.artifacts import SIMULATED

    lake = (project / load_aiops_params(project).alert_history.lake).resolve()
    return lake == (project / SIMULATED).resolve()


def find_subject(project: Path, about: str, subject_id: str, window: str) -> Subject | None:
    """Find something by its kind and id; None if there is none.

    Raises
    ------
    SignalboxError
        If `window` names none.
    """
    if about == "rule":
        rules = released_rules(project)
        found = [rule for rule in rules.rules if rule.id == subject_id] if rules else []
        return of_rule(found[0], rules.name) if rules and found else None
    file = incidents_of(project, window)
    if file is None:
        return None
    for incident in file.incidents:
        if about == "incident" and incident.id == subject_id:
            return of_incident(incident, file, window)
        if about == "finding" and subject_id in incident.findings:
            finding = file.findings.get(subject_id)
            return None if finding is None else of_finding(finding, incident, window)
    return None


def address_of(window: str, incident_id: str = "") -> str:
    """Return the address of a window's incidents, or of one of them, in the frame."""
    below = f"/{quote(incident_id, safe='')}" if incident_id else ""
    return f"{PREFIX}/incidents/{quote(window, safe='')}{below}"


def of_incident(incident: "Incident", file: "IncidentsFile", window: str) -> Subject:
    """Say what of an incident is kept beside a judgement."""
    known = [file.findings[id_] for id_ in incident.findings if id_ in file.findings]
    services = [cause.service for cause in incident.causes] + list(incident.affected)
    return Subject(
        "incident",
        incident.id,
        incident.title,
        window,
        address_of(window, incident.id),
        detectors=tuple(sorted({_detector(found) for found in known})),
        names=tuple(sorted({name for found in known if (name := _alert(found))})),
        suspects=tuple(dict.fromkeys([*services, *incident.exposed]))[:50],
    )


def of_finding(finding: "Finding", incident: "Incident", window: str) -> Subject:
    """Say what of a finding is kept beside a judgement."""
    name = _alert(finding)
    return Subject(
        "finding",
        finding.id,
        finding.sentence,
        window,
        address_of(window, incident.id),
        detectors=(_detector(finding),),
        names=(name,) if name else (),
    )


def _detector(finding: "Finding") -> str:
    return f"{finding.signal}: {finding.kind}"[:200]


def _alert(finding: "Finding") -> str:
    return finding.labels.get("alertname", "")[:200] if finding.signal == "alert" else ""


def of_rule(rule: "Rule", release: str) -> Subject:
    """Say what of a rule is kept beside a judgement."""
    from pipelines.aiops.alerting.config import values_of

    names: list[str] = []
    for matcher in rule.matchers:
        if matcher.label == "alertname":
            names += values_of(matcher) or [matcher.value]
    return Subject(
        "rule",
        rule.id,
        rule.sentence,
        release,
        f"{PREFIX}/rules",
        detectors=(f"rule: {rule.family}",),
        names=tuple(sorted(name[:200] for name in names)),
    )


def incidents_of(project: Path, window: str) -> "IncidentsFile | None":
    """Read the incidents of a window; None where there are none that can be read.

    Raises
    ------
    SignalboxError
        If the text names no window.
    """
    from pipelines.aiops.incidents.model import read_incidents
    from pipelines.aiops.lake.window import Window, result_dir
    from pipelines.aiops.params.artifacts import INCIDENTS
    from pipelines.core.errors import SignalboxError

    directory = result_dir(results_of(project), Window.parse(window))
    try:
        return read_incidents(directory / INCIDENTS)
    except SignalboxError:
        return None


def released_rules(project: Path) -> "ReleasedRules | None":
    """Return the rules in production; None where nothing was released.

    Raises
    ------
    SignalboxError
        If the release can't be read.
    """
    from pipelines.release.lifecycle import production

    found = production(project, RULES_DAG)
    return None if found is None else _rules_of(project, found.model_dump_json())


@lru_cache(maxsize=4)
def _rules_of(project: Path, released: str) -> "ReleasedRules":
    """Read a release once: it never changes."""
    from pipelines.aiops.alerting.publishing.released import rules_of
    from pipelines.release.released import Released

    return rules_of(project, Released.model_validate_json(released))


@dataclass(frozen=True)
class Source:
    """Evidence of a stage, and where it is from.

    Attributes
    ----------
    evidence : Evidence
        What the stage measured.
    run : str
        Saved run, as under ``refs/runs``; empty for the work tree.
    commit : str
        Of the run; empty for the work tree.
    """

    evidence: "Evidence"
    run: str = ""
    commit: str = ""

    @property
    def words(self) -> str:
        """Where it is from, for a reader."""
        return f"run {self.run}" if self.run else "the project's work tree"


def evidence_at(project: Path, commit: str, stage: str) -> "Evidence | None":
    """Read a stage's evidence in a commit; None where the commit has none that can be read."""
    from pydantic import ValidationError

    from pipelines.core.errors import SignalboxError

    try:
        return _evidence_at(project, commit, stage)
    except (SignalboxError, ValueError, ValidationError):
        return None


@lru_cache(maxsize=32)
def _evidence_at(project: Path, commit: str, stage: str) -> "Evidence":
    """Read once what never changes; what can't be read is asked for again."""
    from pipelines.core.artifacts import evidence_of
    from pipelines.core.evidence import Evidence
    from pipelines.release.lifecycle.files import CommitFiles

    content: Any = json.loads(CommitFiles(project, commit).read(evidence_of(stage).as_posix()))
    return Evidence.model_validate(content)


def newest_evidence(project: Path, dag: str, stage: str) -> Source | None:
    """Read a stage's evidence from a DAG's newest saved run, else from the work tree.

    Returns
    -------
    Source or None
        None where neither has any.
    """
    from pipelines.core.artifacts import evidence_of
    from pipelines.core.errors import SignalboxError
    from pipelines.core.evidence import read_evidence
    from pipelines.core.git import git_or_none
    from pipelines.core.project import dag_id

    listed = git_or_none(
        project,
        "for-each-ref",
        "--sort=-creatordate",
        "--count=5",
        "--format=%(objectname) %(refname)",
        f"refs/runs/{dag_id(project, dag)}",
    )
    for line in (listed or "").splitlines():
        commit, _, ref = line.partition(" ")
        found = evidence_at(project, commit, stage)
        if found is not None:
            return Source(found, ref.removeprefix("refs/runs/"), commit)
    path = project / evidence_of(stage)
    try:
        return Source(read_evidence(path)) if path.is_file() else None
    except SignalboxError:
        return None
