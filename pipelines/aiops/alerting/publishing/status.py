"""What is published, and what is not as it should be."""

from datetime import date
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.export.write import read_text, sha256_text
from pipelines.aiops.alerting.publishing.files import open_backups
from pipelines.aiops.alerting.publishing.released import (
    PRODUCT,
    last_publication,
    read_rules_at,
    withdrawn,
)
from pipelines.aiops.params.alert_rules import ExportRulesParams
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import production


def status(project: Path, params: ExportRulesParams, *, today: date) -> dict[str, Any]:
    """Compare the published files with ledger and registry.

    Parameters
    ----------
    project : Path
        Root of the project, with its ledger.
    params : ExportRulesParams
        Section ``aiops.export_rules``.
    today : date
        Rules that expire before it should not be published any more.

    Returns
    -------
    dict
        ``released``, ``published`` (names or None), ``files`` (path → state), ``rules`` (published
        rules with sentence and expiry), ``withdrawn`` and ``problems`` (each a sentence).

    Raises
    ------
    SignalboxError
        If registry and ledger disagree, a published file can't be read, or the published rules
        aren't what the ledger says.
    """
    entries = Ledger.of(project).entries()
    out = withdrawn(entries)
    released, last = production(project, PRODUCT), last_publication(entries)
    now = None if released is None else released.name
    then = None if last is None else str(last["release"])
    files = {} if last is None else {p: _state(p, state) for p, state in last["files"].items()}
    rules = [] if last is None else _rules(project, last)
    problems = [f"{path}: {state}" for path, state in files.items() if state != "as published"]
    if last is not None and now != then:
        problems.append(f"{now} is released and {then} is published: run 'signalbox rules publish'")
    problems += [
        f"rule {rule['id']} expired on {rule['expires']} and is still published"
        for rule in rules
        if date.fromisoformat(rule["expires"]) < today
    ]
    problems += [
        f"rule {rule['id']} was withdrawn and is still published: run 'signalbox rules publish'"
        for rule in rules
        if rule["id"] in out
    ]
    problems += [
        f"publication {name} was interrupted; the next one puts the files right"
        for name in open_backups(project / params.publish.backup_folder)
    ]
    return {
        "released": now,
        "published": then,
        "files": files,
        "rules": rules,
        "withdrawn": out,
        "problems": problems,
    }


def _state(path: str, recorded: dict[str, str]) -> str:
    if not Path(path).exists():
        return "missing"
    same = sha256_text(read_text(Path(path))) == recorded["sha256"]
    return "as published" if same else "changed since it was published"


def _rules(project: Path, last: dict[str, Any]) -> list[dict[str, str]]:
    found = read_rules_at(project, str(last["release"]), str(last["commit"]), str(last["rule_set"]))
    published = set(last["rules"])
    return [
        {"id": rule.id, "expires": rule.expires.isoformat(), "sentence": rule.sentence}
        for rule in found.rules
        if rule.id in published
    ]
