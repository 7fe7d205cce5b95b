"""Write released rules to the files that are read, or take one out; each is a ledger entry."""

import subprocess
import tempfile
from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pipelines.aiops.alerting.export.write import (
    check_config,
    check_rule_file,
    own_sha256,
    sha256_text,
)
from pipelines.aiops.alerting.publishing.plan import Plan, judge_again, make_plan, targets_of
from pipelines.aiops.alerting.publishing.released import (
    PRODUCT,
    Backup,
    ReleasedRules,
    in_shadow,
    last_publication,
    mine,
    read_rules_at,
    recover,
    released_rules,
    write_together,
)
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import ExportRulesParams, PublishParams, ReloadParams
from pipelines.core.errors import SignalboxError
from pipelines.core.files import write_bytes
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.files import exclusive_lock

_SAID = 500
NOT_JUDGED = {"why": "not judged"}
"""What the ledger says of a publication whose files nobody replayed."""

Judging = Callable[[Plan], dict[str, Any]]
"""Says what the files of a plan would do; raises where they must not be written."""


def check_reload(params: ReloadParams) -> None:
    """Check that the reload is allowed, before anything is written.

    Parameters
    ----------
    params : ReloadParams
        Section ``aiops.export_rules.publish.reload``.

    Raises
    ------
    SignalboxError
        If it isn't in the list, or there are two.
    """
    if params.url and params.command:
        raise SignalboxError(
            "params.yaml: aiops.export_rules.publish.reload: url and command; name one"
        )
    wanted = params.url or (params.command[0] if params.command else "")
    if wanted and wanted not in params.allowed:
        raise SignalboxError(
            f"params.yaml: aiops.export_rules.publish.reload: {wanted!r} isn't in 'allowed' "
            f"({params.allowed}); nothing was written"
        )


def reload(params: ReloadParams) -> str:
    """Let the programs read the new files: post to a URL or run a command.

    Parameters
    ----------
    params : ReloadParams
        Section ``aiops.export_rules.publish.reload``.

    Returns
    -------
    str
        What was done; empty where nothing is asked for.

    Raises
    ------
    SignalboxError
        If it isn't allowed, fails or doesn't answer.
    """
    check_reload(params)
    if params.url:
        return _post(params.url, params.timeout_seconds)
    return _run(params) if params.command else ""


def _post(url: str, timeout_seconds: int) -> str:
    import httpx

    try:
        answer = httpx.post(url, timeout=timeout_seconds, follow_redirects=False)
    except httpx.HTTPError as error:
        raise SignalboxError(f"reload: {url}: {type(error).__name__}") from error
    if not answer.is_success:
        said = " ".join(answer.text.split())[:_SAID]
        raise SignalboxError(f"reload: {url} answers {answer.status_code}: {said}")
    return f"POST {url}: {answer.status_code}"


def _run(params: ReloadParams) -> str:
    try:
        done = subprocess.run(
            params.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=params.timeout_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SignalboxError(
            f"reload: {params.command[0]}: no end within {error.timeout} s"
        ) from error
    except OSError as error:
        raise SignalboxError(f"reload: {params.command[0]}: {error.strerror}") from error
    if done.returncode:
        raise SignalboxError(f"reload: {params.command[0]} ends with {done.returncode}")
    return f"{params.command[0]}: done"


class Published(BaseModel):
    """What a publication did.

    Attributes
    ----------
    release : str
        Name of the release.
    files : list of str
        Files that were written; none where all held the right bytes already, and in shadow.
    rules : list of str
        Ids of the rules that were published.
    expired, withdrawn, unplaced : dict of str to str
        Id of a rule that is left out (or can't be expressed in the files) → why.
    diff : str
        What changed in them.
    entry : int
        Number of the ledger's entry.
    reload : str
        What was done so that the files are read; empty: nothing.
    recovered : list of str
        Files that an earlier, interrupted publication had left half done.
    shadow : bool
        Whether nothing was written, and the ledger says that the release is in shadow.
    would_write : list of str
        In shadow: files that would have been written.
    judged : dict of str to object
        What the replay on the newest history found (`judge_again`).
    """

    model_config = ConfigDict(frozen=True)

    release: str
    files: list[str]
    rules: list[str]
    expired: dict[str, str]
    withdrawn: dict[str, str]
    unplaced: dict[str, str]
    diff: str
    entry: int
    reload: str = ""
    recovered: list[str] = []
    shadow: bool = False
    would_write: list[str] = []
    judged: dict[str, Any] = {}


def publish(
    project: Path,
    params: ExportRulesParams,
    *,
    today: date,
    who: str = "",
    reason: str = "",
    merge_changed: bool = False,
    readmit: Collection[str] = (),
    judging: Judging | None = None,
) -> Published:
    """Write the rule set in production to the target files.

    After a rollback this publishes the version before. Rules that expired are left out. In shadow
    (``aiops.export_rules.publish.shadow``) all is done but the writing, and nothing is reloaded;
    only what an interrupted publication left half done is put back first, as always.

    Parameters
    ----------
    project : Path
        Root of the project, with its ledger.
    params : ExportRulesParams
        Section ``aiops.export_rules``.
    today : date
        Rules that expire before it are left out.
    who, reason : str
        Who publishes, and why; for the ledger.
    merge_changed : bool
        Merge into files that changed since the export; else they are an error that shows the diff.
    readmit : collection of str
        Ids of withdrawn rules that may come back.
    judging : callable, optional
        Judges what would be written (`judge_again`) and raises where it must not be; without, the
        ledger says that nothing was judged.

    Returns
    -------
    Published
        What was done.

    Raises
    ------
    SignalboxError
        If nothing is released, something was changed, the files as they would be don't hold what
        was released, a check or the reload fails. The files are as they were before then.
    """
    with exclusive_lock(project, f"{PRODUCT}-publication"):
        recovered = _recover(project, params.publish)
        entries = Ledger.of(project).entries()
        plan = make_plan(
            released_rules(project), entries, params, today=today, readmit=set(readmit)
        )
        _require_unchanged(plan, merge_changed)
        judged = judging(plan) if judging else NOT_JUDGED
        facts = {"who": who, "reason": reason, "readmitted": sorted(readmit), "judged": judged}
        return _apply_plan(project, params.publish, plan, facts, recovered)


def withdraw(
    project: Path,
    params: ExportRulesParams,
    rule: str,
    *,
    reason: str,
    who: str,
    today: date,
    merge_changed: bool = False,
    judging: Judging | None = None,
) -> Published | None:
    """Take one rule out of what is published, and of what is in shadow, and keep it out.

    Published files are written even while new releases are tried in shadow: a rule that does harm
    is taken out at once.

    Parameters
    ----------
    project : Path
        Root of the project, with its ledger.
    params : ExportRulesParams
        Section ``aiops.export_rules``.
    rule : str
        Id of the rule.
    reason, who : str
        Why (must be given), and who withdraws it; for the ledger.
    today : date
        Rules that expire before it are left out.
    merge_changed : bool
        As for `publish`.
    judging : callable, optional
        As for `publish`.

    Returns
    -------
    Published or None
        None where nothing was published yet: then only the ledger says that it must not be. Where
        it is both in the files and in shadow, what was done to the files.

    Raises
    ------
    SignalboxError
        If there is no reason, or neither the published rules, nor those in shadow, nor (if there
        are none of both) the released ones hold the rule; and as `publish`.
    """
    if not reason.strip():
        raise SignalboxError(f"{rule}: a withdrawal needs a reason (--reason)")
    with exclusive_lock(project, f"{PRODUCT}-publication"):
        recovered = _recover(project, params.publish)
        ledger = Ledger.of(project)
        entries = ledger.entries()
        last, shadow = last_publication(entries), in_shadow(entries)
        standing = [(_published_rules(project, last), False)] if last else []
        standing += [(_published_rules(project, shadow.data), True)] if shadow else []
        known = standing or [(released_rules(project), False)]
        holding = [(r, tried) for r, tried in known if rule in {each.id for each in r.rules}]
        if not holding:
            names = " and ".join(released.name for released, _ in known)
            raise SignalboxError(f"{names}: no rule {rule!r}; see 'signalbox rules status'")
        data = {"rule": rule, "release": holding[0][0].name, "reason": reason, "who": who}
        if not standing:
            ledger.append("withdrawal", PRODUCT, data)
            return None
        out = {rule: reason}
        plans = [
            make_plan(released, entries, params, today=today, without=out, shadow=tried)
            for released, tried in holding
        ]
        for plan in plans:
            _require_unchanged(plan, merge_changed)
        judged = [judging(plan) if judging else NOT_JUDGED for plan in plans]
        ledger.append("withdrawal", PRODUCT, data)
        facts: dict[str, Any] = {
            "who": who,
            "reason": f"withdrawal of {rule}",
            "readmitted": [],
            "withdrawal": rule,
        }
        done = [
            _apply_plan(project, params.publish, plan, {**facts, "judged": found}, recovered)
            for plan, found in zip(plans, judged, strict=True)
        ]
        return done[0]


def publish_released(project: Path, params: AiopsParams, *, today: date) -> dict[str, Any]:
    """Publish from a DAG, where naming no target means that nothing is to be published.

    Parameters
    ----------
    project : Path
        Root of the project, with its ledger.
    params : AiopsParams
        Section ``aiops``.
    today : date
        Rules that expire before it are left out.

    Returns
    -------
    dict
        ``published`` (bool; false in shadow), and the fields of `Published`, or, without a target,
        ``why``.

    Raises
    ------
    SignalboxError
        As `publish`.
    """
    try:
        targets_of(params.export_rules.publish)
    except SignalboxError as error:
        return {"published": False, "why": str(error)}
    done = publish(
        project,
        params.export_rules,
        today=today,
        reason="released",
        judging=judging_of(project, params),
    )
    return {"published": not done.shadow, **done.model_dump(mode="json")}


def judging_of(project: Path, params: AiopsParams, *, harm: bool = False) -> Judging:
    """Return what judges a publication by the newest history of the project.

    Parameters
    ----------
    project : Path
        Root of the project.
    params : AiopsParams
        Section ``aiops``.
    harm : bool
        As for `judge_again`.

    Returns
    -------
    callable
        For `publish` and `withdraw`.
    """
    return lambda plan: judge_again(project, plan, params, harm=harm)


def _published_rules(project: Path, last: Mapping[str, Any]) -> ReleasedRules:
    return read_rules_at(project, str(last["release"]), str(last["commit"]), str(last["rule_set"]))


def _recover(project: Path, own: PublishParams) -> list[str]:
    entries = mine(Ledger.of(project).entries(), "publication")
    return recover(
        project / own.backup_folder, {str(entry.data.get("backup")) for entry in entries}
    )


def _require_unchanged(plan: Plan, merge_changed: bool) -> None:
    if not plan.changed or merge_changed or plan.shadow:
        return
    reasons = "; ".join(f"{path}: {why}" for path, why in plan.changed.items())
    raise SignalboxError(
        f"{reasons}. Nothing was written. What a merge into the files as they are would change:\n"
        f"{plan.diff}look at it, then say --merge"
    )


def _apply_plan(
    project: Path, own: PublishParams, plan: Plan, facts: dict[str, Any], recovered: list[str]
) -> Published:
    check_reload(own.reload)
    _check(plan, own)
    texts = {} if plan.shadow else plan.texts
    backup = write_together(project / own.backup_folder, texts) if texts else None
    try:
        reload_answer = reload(own.reload) if texts else ""
        entry = _log(project, plan, facts, backup, reload_answer)
    except BaseException as error:
        if backup is not None:
            _undo(backup, own, error)
        raise
    if backup is not None:
        backup.close()
    return Published(
        release=plan.released.name,
        files=list(texts),
        rules=[rule.id for rule in plan.rules],
        expired=dict(plan.expired),
        withdrawn=dict(plan.withdrawn),
        unplaced=dict(plan.unplaced),
        diff=plan.diff,
        entry=entry.seq,
        reload=reload_answer,
        recovered=recovered,
        shadow=plan.shadow,
        would_write=list(plan.texts) if plan.shadow else [],
        judged=facts["judged"],
    )


def _undo(backup: Backup, own: PublishParams, error: BaseException) -> None:
    """Put the files back, and let the programs read them again as far as they do."""
    backup.restore()
    if not isinstance(error, SignalboxError):
        return
    try:
        reload(own.reload)
    except SignalboxError as again:
        error.add_note(str(again))
    raise SignalboxError(f"{error}; the files are as they were before") from error


def _log(
    project: Path, plan: Plan, facts: dict[str, Any], backup: Backup | None, reload_answer: str
) -> Entry:
    texts = {
        path: {"sha256": sha256_text(text), "own": own_sha256(text, path)}
        for path, text in plan.after.items()
    }
    data = {
        "release": plan.released.name,
        "commit": plan.released.commit,
        "rule_set": plan.released.sha256,
        "files": {} if plan.shadow else texts,
        "rules": [rule.id for rule in plan.rules],
        "expired": sorted(plan.expired),
        "withdrawn": sorted(plan.withdrawn),
        "backup": "" if backup is None else backup.name,
        "reload": reload_answer,
        **({"shadow": True, "would_write": texts} if plan.shadow else {}),
        **facts,
    }
    return Ledger.of(project).append("publication", PRODUCT, data)


def _check(plan: Plan, own: PublishParams) -> None:
    """Ask amtool and promtool about the texts before a file changes."""
    with tempfile.TemporaryDirectory(prefix="signalbox-publish-") as directory:
        for number, (path, text) in enumerate(plan.after.items()):
            if path == own.pagerduty_json:
                continue
            file = Path(directory) / str(number) / Path(path).name
            write_bytes(file, text.encode())
            ask = check_config if path == own.alertmanager_yml else check_rule_file
            found = ask(file)
            if found.outcome == "failed":
                said = " ".join(found.says.split())
                raise SignalboxError(f"{path}: {found.program}: {said}; nothing was written")
