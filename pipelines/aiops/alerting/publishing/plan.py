"""What a publication would write, what it would do, what stands against it; nothing is written."""

import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from pipelines.aiops.alerting.config import process_of
from pipelines.aiops.alerting.config.parse import require_pagers
from pipelines.aiops.alerting.evaluation import Backtest, figures, known_tickets
from pipelines.aiops.alerting.evaluation.backtest import Fold
from pipelines.aiops.alerting.evaluation.tables import JudgedWindow
from pipelines.aiops.alerting.export.bundle import (
    ALERTMANAGER,
    DEFAULT_CONFIG,
    Bundle,
    Sources,
    make_bundle,
    prometheus_files,
    unified,
)
from pipelines.aiops.alerting.export.hold_rules import for_server
from pipelines.aiops.alerting.export.read_back import DeployedFiles, read_back
from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers, read_servers
from pipelines.aiops.alerting.export.write import (
    own_sha256,
    read_text,
    sha256_text,
)
from pipelines.aiops.alerting.export.yaml_edit import remove
from pipelines.aiops.alerting.publishing.released import (
    PRODUCT,
    ReleasedRules,
    last_publication,
    withdrawn,
)
from pipelines.aiops.alerting.rules import HoldRule, Rule
from pipelines.aiops.alerting.windows import iso, whole_window
from pipelines.aiops.lake.read import read_history
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import ExportRulesParams, PublishParams
from pipelines.aiops.params.artifacts import HISTORY
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import Figure
from pipelines.core.files import canonical_json, sha256_file
from pipelines.release.gating import Verdict, judge, sentence
from pipelines.release.ledger import Entry
from pipelines.release.lifecycle.files import CommitFiles, GoneError

__all__ = ["PRODUCT", "Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """What would be written.

    Attributes
    ----------
    released : ReleasedRules
        The release that is published.
    rules : tuple of Rule
        Its rules without those that expired or were withdrawn.
    before, after : mapping of str to str
        Target → text; a target that isn't there yet is missing in `before`.
    changed : mapping of str to str
        Target → why it isn't the file that the export was made from.
    expired, withdrawn : mapping of str to str
        Id of a rule that is left out → why.
    unplaced : mapping of str to str
        Id of a rule that is in the release and in none of the targets → why.
    shadow : bool
        Whether nothing of it is written: it is only judged, and the ledger says so.
    """

    released: ReleasedRules
    rules: tuple[Rule, ...]
    before: Mapping[str, str]
    after: Mapping[str, str]
    changed: Mapping[str, str]
    expired: Mapping[str, str]
    withdrawn: Mapping[str, str]
    unplaced: Mapping[str, str] = field(default_factory=dict)
    shadow: bool = False

    @property
    def texts(self) -> dict[str, str]:
        """Target → text, of the targets whose text would change."""
        return {path: text for path, text in self.after.items() if self.before.get(path) != text}

    @property
    def diff(self) -> str:
        """The unified diff from `before` to `after`."""
        return unified(self.before, self.after)


def make_plan(
    released: ReleasedRules,
    entries: list[Entry],
    params: ExportRulesParams,
    *,
    today: date,
    readmit: Collection[str] = (),
    without: Mapping[str, str] | None = None,
    shadow: bool | None = None,
) -> Plan:
    """Merge the released rules into the target files as they are now.

    Parameters
    ----------
    released : ReleasedRules
        The release that is published.
    entries : list of Entry
        The ledger's entries, oldest first.
    params : ExportRulesParams
        Section ``aiops.export_rules``; its ``publish`` names the targets.
    today : date
        Rules whose `expires` is before this day are left out.
    readmit : collection of str
        Ids of rules that were withdrawn and may come back; none by default.
    without : mapping of str to str, optional
        Id of a rule that stays out → why.
    shadow : bool, optional
        Whether it is for a trial in shadow; by default as `params` say. Where the files hold all of
        it already it is in effect, and no trial.

    Returns
    -------
    Plan
        Nothing is written yet.

    Raises
    ------
    SignalboxError
        If no target is named, one can't be read, a file to merge into is missing, or rules that
        hold alerts back would be published to Alertmanager alone or to Prometheus alone.
    """
    targets = targets_of(params.publish)
    out = {**withdrawn(entries), **(without or {})}
    out = {rule: why for rule, why in out.items() if rule not in readmit}
    known = {rule.id for rule in released.rules}
    expired = {r.id: f"expired on {r.expires}" for r in released.rules if r.expires < today}
    rules = tuple(r for r in released.rules if r.id not in expired and r.id not in out)
    before = {path: read_text(Path(path)) for path in targets if Path(path).exists()}
    sources = _sources(before, params, rules, released.commit)
    bundle = make_bundle(sources, rules, params.step_seconds, params.pagerduty_label_field)
    after = _texts(bundle, params.publish, sources.servers)
    plan = Plan(
        released=released,
        rules=rules,
        before=before,
        after=after,
        changed=_changed(before, params.publish, last_publication(entries), released.sources),
        expired=expired,
        withdrawn={rule: why for rule, why in out.items() if rule in known},
        unplaced=_unplaced(bundle, params.publish),
    )
    wanted = params.publish.shadow if shadow is None else shadow
    return replace(plan, shadow=wanted and bool(plan.texts))


def targets_of(params: PublishParams) -> list[str]:
    """Return every file that is written.

    Parameters
    ----------
    params : PublishParams
        Section ``aiops.export_rules.publish``.

    Returns
    -------
    list of str
        Paths as they are named.

    Raises
    ------
    SignalboxError
        If there is none, one is named twice, or PagerDuty's form beside the other files.
    """
    named = [
        params.alertmanager_yml,
        *params.hold_rule_files().values(),
        params.pagerduty_json,
    ]
    found = [path for path in named if path]
    if not found:
        raise SignalboxError(
            "params.yaml: aiops.export_rules.publish names no file, so nothing is published; "
            "name alertmanager_yml there, or take the files of rules/export"
        )
    if params.pagerduty_json and (params.alertmanager_yml or params.hold_rule_files()):
        raise SignalboxError(
            "params.yaml: aiops.export_rules.publish names pagerduty_json beside alertmanager_yml "
            "or hold_rules_yml: PagerDuty's form was judged instead of those files, not behind "
            "them; name the ones or the other"
        )
    real = [Path(path).resolve() for path in found]
    if len(set(real)) < len(real):
        raise SignalboxError(f"params.yaml: aiops.export_rules.publish: {found}: one file twice")
    return found


def _sources(
    before: Mapping[str, str], params: ExportRulesParams, rules: tuple[Rule, ...], commit: str
) -> Sources:
    own = params.publish
    target = own.alertmanager_yml
    if target and target not in before:
        raise SignalboxError(f"{target}: no such file; it must be there to be merged into")
    text = before.get(target or "", DEFAULT_CONFIG)
    if own.pagerduty_json and params.alertmanager_yml:  # it says what PagerDuty is sent
        text = _source_text(params.alertmanager_yml, commit)
    sources = Sources(
        text,
        own.alertmanager_yml or "alertmanager.yml",
        read_servers({path: _source_text(path, commit) for path in params.prometheus}),
        tuple(params.paging_receivers),
        process_of(*params.reader),
    )
    _require_both(rules, own, sources.servers)
    return sources


def _source_text(path: str, commit: str) -> str:
    """Read a file that the release was made from; an out of a stage may be in its commit alone."""
    if Path(path).exists() or Path(path).is_absolute():
        return read_text(Path(path))
    with tempfile.TemporaryDirectory(prefix="signalbox-source-") as scratch:
        copied = Path(scratch) / Path(path).name
        try:
            CommitFiles(Path.cwd(), commit).copy(path, copied)
        except GoneError:
            return read_text(Path(path))  # says that it can't be read
        return read_text(copied)


def _require_both(rules: tuple[Rule, ...], own: PublishParams, servers: Servers) -> None:
    """Refuse to hold alerts back where nobody would page for them, or pages have no route."""
    held = [rule for rule in rules if isinstance(rule, HoldRule)]
    named = own.hold_rule_files()
    if not own.alertmanager_yml:
        if held and named:
            raise SignalboxError(
                f"rules {[r.id for r in held[:3]]} hold alerts back: Alertmanager must send them "
                "to chat and their pages to the pager; name its file in params.yaml: "
                "aiops.export_rules.publish.alertmanager_yml"
            )
        return
    for server in servers.all or (None,):
        mine = [r.id for r in held if server is None or for_server(r, server) is not None]
        if mine and not _rules_path(named, server, servers):
            whose = f" of {server.name}" if server and len(servers.all) > 1 else ""
            raise SignalboxError(
                f"rules {mine[:3]} hold alerts back and what pages for them{whose} has no file; "
                "name one in params.yaml: aiops.export_rules.publish.hold_rules_yml (a rule file "
                "that Prometheus loads; with several Prometheis a mapping from each prometheus.yml "
                "to its file)"
            )


def _rules_path(
    named: Mapping[str, str], server: PrometheusServer | None, servers: Servers
) -> str | None:
    """Return the rule file of a server; one that is named alone is the only server's."""
    if server is not None and server.name in named:
        return named[server.name]
    return named.get("") if len(servers.all) < 2 else None


def _texts(bundle: Bundle, own: PublishParams, servers: Servers) -> dict[str, str]:
    texts: dict[str, str] = {}
    if own.alertmanager_yml:
        texts[own.alertmanager_yml] = bundle.alertmanager.text
    for name, server in prometheus_files(servers).items():
        path = _rules_path(own.hold_rule_files(), server, servers)
        if path:
            texts[path] = bundle.prometheus[name]
    if own.pagerduty_json:
        texts[own.pagerduty_json] = canonical_json(bundle.pagerduty)
    return texts


def _changed(
    before: Mapping[str, str],
    own: PublishParams,
    last: Mapping[str, Any] | None,
    sources: frozenset[str],
) -> dict[str, str]:
    published = (last or {}).get("files", {})
    found = {}
    for path, text in before.items():
        whole = path in (*own.hold_rule_files().values(), own.pagerduty_json)
        if path in published:
            if sha256_text(text) != published[path]["sha256"]:
                found[path] = "changed since it was published"
        elif whole:
            found[path] = "there already, and not written by Signalbox"
        elif own_sha256(text, path) not in sources:
            found[path] = "not the file that the export was made from, or changed since"
        elif remove(text, path) != text:
            found[path] = "holds rules that no publication in the ledger wrote"
    return found


def _unplaced(bundle: Bundle, own: PublishParams) -> dict[str, str]:
    if own.pagerduty_json:
        return {each["rule"]: each["reason"] for each in bundle.pagerduty["not_expressed"]}
    if not own.alertmanager_yml:
        return {}
    return {
        exported_rule.id: "; ".join(exported_rule.reasons)
        for exported_rule in bundle.rules
        if not exported_rule.exported
    }


def deployed_files(plan: Plan, params: ExportRulesParams) -> DeployedFiles:
    """Return the texts that Alertmanager and Prometheus would read after the publication.

    Parameters
    ----------
    plan : Plan
        What would be written.
    params : ExportRulesParams
        Section ``aiops.export_rules``; files that aren't published are its sources as they are.

    Returns
    -------
    DeployedFiles
        Texts and who reads them.
    """
    own, commit = params.publish, plan.released.commit
    servers = read_servers({path: _source_text(path, commit) for path in params.prometheus})
    paths = {
        name: _rules_path(own.hold_rule_files(), server, servers)
        for name, server in prometheus_files(servers).items()
    }
    target, source = own.alertmanager_yml, params.alertmanager_yml
    if target:
        text = plan.after[target]
    else:
        text = _source_text(source, commit) if source else DEFAULT_CONFIG
    return DeployedFiles(
        alertmanager=text,
        name=target or source or ALERTMANAGER,
        prometheus={name: plan.after[path] for name, path in paths.items() if path},
        servers=servers,
        paging_receivers=tuple(params.paging_receivers),
        process=process_of(*params.reader),
        pagerduty=plan.after[own.pagerduty_json] if own.pagerduty_json else "",
    )


_WORSE: Final[tuple[Verdict, ...]] = ("not_applicable", "pass", "inconclusive", "fail")


def judge_again(project: Path, plan: Plan, params: AiopsParams, *, harm: bool) -> dict[str, Any]:
    """Replay the bytes that would be written on the newest history.

    Parameters
    ----------
    project : Path
        Root of the project: its frozen history is the newest one that there is.
    plan : Plan
        What would be written.
    params : AiopsParams
        Section ``aiops``: its gate's checks of what the replay measures are asked once more.
    harm : bool
        Only ask about harm: a withdrawal saves less, and that is meant.

    Returns
    -------
    dict
        ``history`` (SHA-256 of the alerts), ``window`` and the replay's ``figures``, for the
        ledger; ``why`` where nothing is written that a replay could judge. In shadow ``refused``,
        too: the checks for which it would not be written, each in a sentence.

    Raises
    ------
    SignalboxError
        If a check is met less than at the release (in shadow that is recorded, and harms nobody),
        or there is no history.
    """
    own = params.export_rules.publish
    if not (own.alertmanager_yml or own.hold_rule_files() or own.pagerduty_json):
        return {"why": "nothing is published that Alertmanager, Prometheus or PagerDuty reads"}
    with _newest_history(project, plan.released.commit) as history:
        fold, found = _judged(history, plan, params)
        sha256 = sha256_file(history / "alerts.parquet")
    measured = {figure.id: figure for figure in found}
    worse = []
    for check in params.gate_rules.checks:
        if check.figure not in measured or (harm and check.figure.endswith(".saved_share")):
            continue
        verdict = judge(check, measured[check.figure])
        # What the release was not asked (another policy then), its files aren't asked either.
        before = plan.released.verdicts.get(check.id, "fail" if plan.released.verdicts else "pass")
        if _WORSE.index(verdict) > _WORSE.index(before):
            worse.append(f"{check.id}: {sentence(check, measured[check.figure], verdict)}")
    if worse and not plan.shadow:
        raise SignalboxError(
            f"the files as they would be written no longer hold what {plan.released.name} was "
            f"released for, on the history until {iso(fold.effect.window.end)}: "
            f"{'; '.join(worse)}. Nothing was written; see 'signalbox rules diff', or, with a "
            "reason, say --unjudged"
        )
    return {
        "history": sha256,
        "window": [iso(fold.effect.window.start), iso(fold.effect.window.end)],
        "figures": {name: figure.value for name, figure in measured.items()},
        **({"refused": worse} if plan.shadow else {}),
    }


@contextmanager
def _newest_history(project: Path, commit: str) -> Iterator[Path]:
    """Yield the folder of the project's own history, or of the release's if that is newer."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    def last(folder: Path) -> int:
        starts: Any = pq.read_table(folder / "alerts.parquet", columns=["starts_at"])["starts_at"]
        return int(pc.max(starts.cast("int64")).as_py() or 0)

    with tempfile.TemporaryDirectory(prefix="signalbox-history-") as scratch:
        files = CommitFiles(project, commit)
        found = [project / HISTORY] if (project / HISTORY / "alerts.parquet").is_file() else []
        try:
            for name in ("alerts.parquet", "tickets.parquet"):
                files.copy((HISTORY / name).as_posix(), Path(scratch) / name)
            found.append(Path(scratch))
        except GoneError:
            pass
        if not found:
            raise SignalboxError(
                f"{project / HISTORY}: no history to judge the files on, and nothing unjudged is "
                f"written: 'dvc pull {HISTORY}' or 'dvc repro alert_history'; or say --unjudged, "
                "with a reason"
            )
        yield max(found, key=last)


def _judged(history: Path, plan: Plan, params: AiopsParams) -> tuple[Fold, list[Figure]]:
    """Replay the whole history through the files; all of it may have been mined."""
    files = deployed_files(plan, params.export_rules)
    frame = read_history(history, params.runtime.memory_mb)
    labels = {name for labels in frame.labels for name in labels}
    deployed = read_back(files, plan.rules, labels)
    config = require_pagers(deployed.today, files.name, params.export_rules.paging_receivers)
    backtest = Backtest(frame, whole_window(frame), config, known_tickets(history))
    candidate = backtest.replay_deployed(deployed)
    fold = Fold(backtest, plan.rules, candidate, backtest.effect(candidate, plan.rules))
    judged = JudgedWindow.of(fold)
    held = deployed.pagerduty
    # Where PagerDuty's form is published, the other files stay as they are.
    own = params.export_rules.publish
    found = [] if own.pagerduty_json else figures.figures([judged], judged, plan.rules)
    if held:
        effect = backtest.pagerduty_effect(held, plan.rules)
        found += figures.pagerduty_figures(effect, sum(len(each.rules) for each in held.values()))
    return fold, found
