"""Rule sets that were released, and what the ledger says of their publications.

Several files written together or not at all, with a backup; safe against a kill at any time.

Before the first file changes, a backup folder holds the old bytes and a journal. A journal that was
not closed means that someone was stopped half-way: `recover` puts the old bytes back.

What is published, and what is not as it should be.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.export.write import read_text, sha256_text
from pipelines.aiops.alerting.rules import Rule, parse_rules
from pipelines.aiops.params.alert_rules import ExportRulesParams
from pipelines.aiops.params.artifacts import RULE_SET
from pipelines.core.artifacts import evidence_of
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, sha256_file, write_bytes, write_in_place, write_json
from pipelines.release.gating import Verdict
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle import production
from pipelines.release.lifecycle.files import CommitFiles
from pipelines.release.released import Released

_JOURNAL = "publication.json"


@dataclass(frozen=True)
class Backup:
    """The backup of one publication.

    Attributes
    ----------
    folder : Path
        Holds the old bytes and the journal.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Number of the publication, as the ledger has it."""
        return self.folder.name

    def close(self) -> None:
        """Mark the publication as done in its journal."""
        write_json(self.folder / _JOURNAL, {**self._read(), "state": "done"})

    def restore(self) -> list[str]:
        """Put back what the files held before, where they hold what we wrote.

        Returns
        -------
        list of str
            Paths of the files that were put back; what somebody changed since stays as it is.
        """
        journal = self._read()
        restored = []
        for path, state in journal["files"].items():
            target = Path(path)
            found = sha256_file(target) if target.exists() else None
            if found != state["after"]:
                continue
            if state["before"] is None:
                target.unlink()
            else:
                write_in_place({target: (self.folder / state["kept"]).read_bytes()})
            restored.append(path)
        write_json(self.folder / _JOURNAL, {**journal, "state": "restored"})
        return restored

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self.folder / _JOURNAL)
        return found


def write_together(folder: Path, texts: Mapping[str, str]) -> Backup:
    """Write files, all or none; the caller closes the backup when all else is done too.

    Parameters
    ----------
    folder : Path
        Where backups lie; this one gets the next number.
    texts : mapping of str to str
        Path → text.

    Returns
    -------
    Backup
        Not closed yet.

    Raises
    ------
    SignalboxError
        If one can't be written; those written before it are as they were.
    """
    backup = _begin(folder, texts)
    try:
        write_in_place({Path(path): text.encode() for path, text in texts.items()})
    except OSError as error:
        backup.restore()
        raise SignalboxError(
            f"{error.filename or folder}: cannot be written: {error.strerror}; no file was changed"
        ) from error
    return backup


def recover(folder: Path, finished: set[str]) -> list[str]:
    """Undo publications that were stopped half-way.

    Parameters
    ----------
    folder : Path
        Where backups lie.
    finished : set of str
        Names of backups whose publication the ledger has: they are complete.

    Returns
    -------
    list of str
        Paths of the files that were put back.
    """
    restored = []
    for journal in sorted(folder.glob(f"*/{_JOURNAL}")):
        if read_json(journal).get("state") != "begun":
            continue
        backup = Backup(journal.parent)
        if backup.name in finished:
            backup.close()
        else:
            restored += backup.restore()
    return restored


def open_backups(folder: Path) -> list[str]:
    """Return the names of backups whose publication was stopped half-way.

    Parameters
    ----------
    folder : Path
        Where backups lie.

    Returns
    -------
    list of str
        In order of their numbers.
    """
    journals = sorted(folder.glob(f"*/{_JOURNAL}"))
    return [
        journal.parent.name for journal in journals if read_json(journal).get("state") == "begun"
    ]


def _begin(folder: Path, texts: Mapping[str, str]) -> Backup:
    from hashlib import sha256

    numbers = [int(p.name) for p in folder.glob("*") if p.name.isdigit()]
    directory = folder / f"{max(numbers, default=0) + 1:05d}"
    files = {}
    try:
        directory.mkdir(parents=True)
        for position, (path, text) in enumerate(texts.items()):
            target = Path(path)
            kept = f"{position}-{target.name}"
            there = target.exists()
            if there:
                write_bytes(directory / kept, target.read_bytes())
            files[str(target)] = {
                "before": sha256_file(target) if there else None,
                "after": sha256(text.encode()).hexdigest(),
                "kept": kept,
            }
        write_json(directory / _JOURNAL, {"state": "begun", "files": files})
    except OSError as error:
        raise SignalboxError(
            f"{error.filename or directory}: no backup can be made: {error.strerror}; nothing was "
            "changed"
        ) from error
    return Backup(directory)


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
    verdicts : mapping of str to str
        Id of a check → the gate's verdict at the release.
    """

    name: str
    commit: str
    sha256: str
    rules: tuple[Rule, ...]
    sources: frozenset[str]
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)


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
        Without `sources` and `verdicts` where the commit doesn't tell them.

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
        name,
        commit,
        found,
        _rules(content, name),
        _sources(files.read, evidence_path()),
        _verdicts(files.read),
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


def _verdicts(read: Any) -> dict[str, Verdict]:
    """Verdicts of the gate at the release; none where they can't be told."""
    try:
        told = json.loads(read(evidence_of("gate_rules").as_posix()))["details"]["checks"]
        return {str(check["id"]): check["verdict"] for check in told}
    except (SignalboxError, ValueError, KeyError, TypeError, AttributeError):
        return {}


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
    """Return the data of the last publication that is in effect; those in shadow wrote nothing.

    Parameters
    ----------
    entries : sequence of Entry
        The ledger's, oldest first.

    Returns
    -------
    dict or None
        None if nothing was published.
    """
    found = [entry for entry in mine(entries, "publication") if not entry.data.get("shadow")]
    return found[-1].data if found else None


@dataclass(frozen=True)
class Shadow:
    """A release that is tried in shadow: judged, and in none of the user's files.

    Attributes
    ----------
    since : str
        Time of the ledger's first entry of this trial, UTC.
    data : mapping of str to object
        Data of its last entry.
    """

    since: str
    data: Mapping[str, Any]


def in_shadow(entries: Sequence[Entry]) -> Shadow | None:
    """Return the release that is in shadow.

    Parameters
    ----------
    entries : sequence of Entry
        The ledger's, oldest first.

    Returns
    -------
    Shadow or None
        None if there is none. Publishing ends a trial; taking a rule out of the files doesn't.
    """
    found: Shadow | None = None
    for entry in mine(entries, "publication"):
        if entry.data.get("shadow"):
            same = found is not None and found.data["release"] == entry.data["release"]
            found = Shadow(found.since if found and same else entry.time, entry.data)
        elif not entry.data.get("withdrawal"):
            found = None
    return found


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
        rules with sentence and expiry), ``shadow`` (None, or what is tried: ``release``, ``since``,
        ``rules`` and how they were ``judged``), ``withdrawn`` and ``problems`` (each a sentence).

    Raises
    ------
    SignalboxError
        If registry and ledger disagree, a published file can't be read, or the published rules
        aren't what the ledger says.
    """
    entries = Ledger.of(project).entries()
    out = withdrawn(entries)
    released, last = production(project, PRODUCT), last_publication(entries)
    shadow = in_shadow(entries)
    tried = None if shadow is None else str(shadow.data["release"])
    now = None if released is None else released.name
    then = None if last is None else str(last["release"])
    files = {} if last is None else {p: _state(p, state) for p, state in last["files"].items()}
    rules = [] if last is None else _rules_of_status(project, last)
    problems = [f"{path}: {state}" for path, state in files.items() if state != "as published"]
    if shadow is not None and now != tried:
        problems.append(
            f"{now} is released and {tried} is in shadow: run 'signalbox rules publish'"
        )
    elif shadow is None and last is not None and now != then:
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
        "shadow": None
        if shadow is None
        else {
            "release": tried,
            "since": shadow.since,
            "rules": _rules_of_status(project, shadow.data),
            "judged": shadow.data["judged"],
        },
        "withdrawn": out,
        "problems": problems,
    }


def _state(path: str, recorded: dict[str, str]) -> str:
    if not Path(path).exists():
        return "missing"
    same = sha256_text(read_text(Path(path))) == recorded["sha256"]
    return "as published" if same else "changed since it was published"


def _rules_of_status(project: Path, last: Mapping[str, Any]) -> list[dict[str, str]]:
    found = read_rules_at(project, str(last["release"]), str(last["commit"]), str(last["rule_set"]))
    published = set(last["rules"])
    return [
        {"id": rule.id, "expires": rule.expires.isoformat(), "sentence": rule.sentence}
        for rule in found.rules
        if rule.id in published
    ]
