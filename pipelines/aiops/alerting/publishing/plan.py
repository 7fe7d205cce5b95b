"""What a publication would write, and what stands against it; nothing is written here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.export.bundle import Bundle, Sources, make_bundle, unified
from pipelines.aiops.alerting.export.write import own_sha256, read_text, sha256_text
from pipelines.aiops.alerting.export.yaml_edit import remove
from pipelines.aiops.alerting.publishing.released import (
    PRODUCT,
    ReleasedRules,
    last_publication,
    withdrawn,
)
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.params.alert_rules import ExportRulesParams, PublishParams
from pipelines.core.errors import SignalboxError
from pipelines.core.files import canonical_json
from pipelines.release.ledger import Entry

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
    """

    released: ReleasedRules
    rules: tuple[Rule, ...]
    before: Mapping[str, str]
    after: Mapping[str, str]
    changed: Mapping[str, str]
    expired: Mapping[str, str]
    withdrawn: Mapping[str, str]
    unplaced: Mapping[str, str] = field(default_factory=dict)

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

    Returns
    -------
    Plan
        Nothing is written yet.

    Raises
    ------
    SignalboxError
        If no target is named, one can't be read, a file to merge into is missing, or rules that
        hide alerts would be published without a file for their guards.
    """
    targets = targets_of(params.publish)
    out = {**withdrawn(entries), **(without or {})}
    out = {rule: why for rule, why in out.items() if rule not in readmit}
    known = {rule.id for rule in released.rules}
    expired = {r.id: f"expired on {r.expires}" for r in released.rules if r.expires < today}
    rules = tuple(r for r in released.rules if r.id not in expired and r.id not in out)
    before = {path: read_text(Path(path)) for path in targets if Path(path).exists()}
    bundle = _bundle(before, params, rules)
    after = _texts(bundle, params.publish)
    return Plan(
        released=released,
        rules=rules,
        before=before,
        after=after,
        changed=_changed(before, params.publish, last_publication(entries), released.sources),
        expired=expired,
        withdrawn={rule: why for rule, why in out.items() if rule in known},
        unplaced=_unplaced(bundle, params.publish),
    )


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
        If there is none, or one is named twice.
    """
    named = [
        params.alertmanager_yml,
        *params.prometheus_rules,
        params.guards_yml,
        params.pagerduty_json,
    ]
    found = [path for path in named if path]
    if not found:
        raise SignalboxError(
            "params.yaml: aiops.export_rules.publish names no file, so nothing is published; "
            "name alertmanager_yml there, or take the files of rules/export"
        )
    real = [Path(path).resolve() for path in found]
    if len(set(real)) < len(real):
        raise SignalboxError(f"params.yaml: aiops.export_rules.publish: {found}: one file twice")
    return found


def _bundle(
    before: Mapping[str, str], params: ExportRulesParams, rules: tuple[Rule, ...]
) -> Bundle:
    own = params.publish
    missing = [p for p in (own.alertmanager_yml, *own.prometheus_rules) if p and p not in before]
    if missing:
        raise SignalboxError(f"{missing[0]}: no such file; it must be there to be merged into")
    from pipelines.aiops.alerting.export.bundle import DEFAULT_CONFIG

    sources = Sources(
        before.get(own.alertmanager_yml or "", DEFAULT_CONFIG),
        own.alertmanager_yml or "alertmanager.yml",
        {path: before[path] for path in own.prometheus_rules},
        tuple(params.paging_receivers),
    )
    if own.alertmanager_yml and not own.guards_yml:
        _require_guards(rules)
    return make_bundle(sources, rules, params.guard_step_seconds, params.pagerduty_label_field)


def _require_guards(rules: tuple[Rule, ...]) -> None:
    from pipelines.aiops.alerting.export.guard_rules import guarded

    hidden = [rule.id for rule in rules if guarded(rule) is not None]
    if hidden:
        raise SignalboxError(
            f"rules {hidden[:3]} hide alerts and their guards have no file; name one in "
            "params.yaml: aiops.export_rules.publish.guards_yml (a rule file that Prometheus loads)"
        )


def _texts(bundle: Bundle, own: PublishParams) -> dict[str, str]:
    texts = dict(bundle.rule_files.texts)
    if own.alertmanager_yml:
        texts[own.alertmanager_yml] = bundle.alertmanager.text
    if own.guards_yml:
        texts[own.guards_yml] = bundle.guards
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
        whole = path in (own.guards_yml, own.pagerduty_json)
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
    if not own.alertmanager_yml and not own.prometheus_rules:
        return {}
    return {
        exported_rule.id: "; ".join(exported_rule.reasons)
        for exported_rule in bundle.rules
        if not exported_rule.exported
    }
