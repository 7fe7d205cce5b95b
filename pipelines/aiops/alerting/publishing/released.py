"""Rule sets that were released, and what the ledger says of their publications."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.rules import Rule, parse_rules
from pipelines.aiops.params.artifacts import RULE_SET
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Entry
from pipelines.release.lifecycle import production
from pipelines.release.lifecycle.files import CommitFiles
from pipelines.release.released import Released

PRODUCT = "alert_noise_reduction"


@dataclass(frozen=True)
class ReleasedRules:
    """A released rule set.

    Attributes
    ----------
    name : str
        Of the release, for example ``alert_noise_reduction@v1.2.0``.
    commit : str
        The commit that holds it.
    sha256 : str
        Of the rule set's file.
    rules : tuple of Rule
        All of the file.
    sources : frozenset of str
        Hashes of the user's files (without our parts) that the export was made from.
    """

    name: str
    commit: str
    sha256: str
    rules: tuple[Rule, ...]
    sources: frozenset[str]


def released_rules(project: Path) -> ReleasedRules:
    """Return the rule set in production.

    Parameters
    ----------
    project : Path
        Root of the project, with its ledger.

    Returns
    -------
    ReleasedRules
        As it was released; rules that expired or were withdrawn are still in it.

    Raises
    ------
    SignalboxError
        If nothing was released, registry and ledger disagree, or the file isn't what was released.
    """
    found = production(project, PRODUCT)
    if found is None:
        raise SignalboxError(
            f"no version of {PRODUCT} was released; only what passed gate and approval is "
            "published: run the DAG alert_noise_reduction, or see 'signalbox release --help'"
        )
    return rules_of(project, found)


def rules_of(project: Path, released: Released) -> ReleasedRules:
    """Return the rule set of a release.

    Parameters
    ----------
    project : Path
        Root of the project.
    released : Released
        The release.

    Returns
    -------
    ReleasedRules
        Read from the release's commit.

    Raises
    ------
    SignalboxError
        If the release has no rule set, or the file isn't what was released.
    """
    expected = released.artifacts.get(RULE_SET.as_posix())
    if expected is None:
        raise SignalboxError(
            f"{released.name} has no {RULE_SET}; release.yaml: registry.products.{PRODUCT}."
            "artifacts must name it"
        )
    return read_rules_at(project, released.name, released.commit, expected)


def read_rules_at(project: Path, name: str, commit: str, expected: str) -> ReleasedRules:
    """Read a rule set from a commit.

    Parameters
    ----------
    project : Path
        Root of the project.
    name : str
        Name of the release.
    commit : str
        The commit.
    expected : str
        SHA-256 that the file must have.

    Returns
    -------
    ReleasedRules
        Without `sources` where the commit doesn't tell them.

    Raises
    ------
    SignalboxError
        If the file has another hash, or isn't a list of rules.
    """
    files = CommitFiles(project, commit)
    content = files.read(RULE_SET.as_posix())
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SignalboxError(
            f"{RULE_SET} of {name}: SHA-256 is {found[:12]}…, the ledger says {expected[:12]}…; it "
            "isn't what was released"
        )
    return ReleasedRules(
        name, commit, found, _rules(content, name), _sources(files.read, evidence_path())
    )


def evidence_path() -> str:
    """Return the path of the export's evidence."""
    return evidence_of("export_rules").as_posix()


def _rules(content: bytes, name: str) -> tuple[Rule, ...]:
    try:
        return parse_rules(json.loads(content))
    except (ValueError, TypeError) as error:
        text = " ".join(str(error).split())[:300]
        raise SignalboxError(f"{RULE_SET} of {name}: not a list of alert rules: {text}") from error


def _sources(read: Any, path: str) -> frozenset[str]:
    """Hashes of what the export was made from; none where it can't be told."""
    try:
        told = json.loads(read(path))["details"]["sources"]
        return frozenset(str(text) for text in told.values())
    except (SignalboxError, ValueError, KeyError, TypeError, AttributeError):
        return frozenset()


def mine(entries: Sequence[Entry], kind: str) -> list[Entry]:
    """Return the entries of a kind about alert rules.

    Parameters
    ----------
    entries : sequence of Entry
        The ledger's, oldest first.
    kind : str
        ``publication``, ``withdrawal`` and so on.

    Returns
    -------
    list of Entry
        Oldest first.
    """
    return [entry for entry in entries if entry.kind == kind and entry.subject == PRODUCT]


def last_publication(entries: Sequence[Entry]) -> dict[str, Any] | None:
    """Return the data of the last publication.

    Parameters
    ----------
    entries : sequence of Entry
        The ledger's, oldest first.

    Returns
    -------
    dict or None
        None if nothing was published.
    """
    found = mine(entries, "publication")
    return found[-1].data if found else None


def withdrawn(entries: Sequence[Entry]) -> dict[str, str]:
    """Return the rules that were withdrawn, without those that were admitted again.

    Parameters
    ----------
    entries : sequence of Entry
        The ledger's, oldest first.

    Returns
    -------
    dict of str to str
        Id of a rule → why it was withdrawn.
    """
    found: dict[str, str] = {}
    for entry in entries:
        if entry.subject != PRODUCT:
            continue
        if entry.kind == "withdrawal":
            found[str(entry.data.get("rule"))] = str(entry.data.get("reason", ""))
        elif entry.kind == "publication":
            for rule in entry.data.get("readmitted", []):
                found.pop(str(rule), None)
    return found
