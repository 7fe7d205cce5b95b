"""The report for machines: decision, figures, artifacts, params.

A later command re-derives it: for each entry of ``figures``, hash the file at ``source.path``,
compare with ``source.sha256``, read the figure with that id from it, compare every field; then walk
``artifacts[source.path].inputs`` down to the data.
"""

from typing import Any

from pipelines.core.evidence import Figure
from pipelines.reporting.decision import Decision
from pipelines.reporting.provenance import Sourced, Sources

SCHEMA = "signalbox.report/1"


def record(
    kind: str, about: dict[str, str], decision: Decision, sources: Sources, params: dict[str, Any]
) -> dict[str, Any]:
    """Build the record of everything the page claims.

    Parameters
    ----------
    kind : str
        What was released or not, for example ``model_release``.
    about : dict of str to str
        Title, owner, purpose and the like.
    decision : Decision
        What the gate decided.
    sources : Sources
        Artifacts and figures.
    params : dict of str to object
        Every parameter the stages ran with.

    Returns
    -------
    dict of str to object
        JSON of schema `SCHEMA`.
    """
    return _record(kind, about, _decision(decision), sources, params)


def unjudged(kind: str, about: dict[str, str], sources: Sources) -> dict[str, Any]:
    """Build the record of a page on which no gate decides.

    Parameters
    ----------
    kind : str
        What the page is about.
    about : dict of str to str
        Title, owner, purpose and the like.
    sources : Sources
        Artifacts and figures.

    Returns
    -------
    dict of str to object
        JSON of schema `SCHEMA`.
    """
    nothing = {"verdict": "not_applicable", "because": [], "checks": []}
    return _record(kind, about, nothing, sources, {})


def _record(
    kind: str,
    about: dict[str, str],
    decision: dict[str, Any],
    sources: Sources,
    params: dict[str, Any],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "kind": kind,
        "about": about,
        "decision": decision,
        "figures": [_figure(sourced) for sourced in sources.figures.values()],
        "artifacts": {
            a.path: {"number": a.number, "role": a.role, "sha256": a.sha256, "inputs": [*a.inputs]}
            for a in sources.artifacts.values()
        },
        "params": params,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "verdict": decision.decision,
        "because": decision.because,
        "checks": [
            {
                "id": checked.id,
                "verdict": checked.verdict,
                "asks_for": checked.asks_for,
                "sentence": checked.sentence,
                "figure": decision.check(checked.id).figure,
                "source": checked.evidence.model_dump(),
                "policy": decision.check(checked.id).model_dump(mode="json"),
            }
            for checked in decision.checks
        ],
    }


def _figure(sourced: Sourced) -> dict[str, Any]:
    figure: Figure = sourced.figure
    source = {"path": sourced.artifact.path, "sha256": sourced.artifact.sha256}
    return {**figure.model_dump(mode="json"), "source": source}
