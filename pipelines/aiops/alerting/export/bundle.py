"""Everything that is exported from a rule set, as texts; nothing is written here."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pipelines.aiops.alerting.config import (
    CURRENT,
    Config,
    Process,
    parse_config,
    placements,
    with_pagers,
)
from pipelines.aiops.alerting.evidence import ExportedRule
from pipelines.aiops.alerting.export.alertmanager import MergedConfig, merge_config, problem
from pipelines.aiops.alerting.export.guard_rules import (
    for_server,
    guard_problem,
    guarded,
    guards_file,
)
from pipelines.aiops.alerting.export.pagerduty import orchestration
from pipelines.aiops.alerting.export.prometheus import (
    AlertRule,
    Merged,
    alert_rules,
    load,
    merge_rule_files,
    remaining,
)
from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers
from pipelines.aiops.alerting.export.spelling import duration, selector
from pipelines.aiops.alerting.export.yaml_edit import one_line, read, remove
from pipelines.aiops.alerting.rules import (
    GroupingRule,
    KeepFiringRule,
    KnownFixRule,
    MuteTimeRule,
    Rule,
    WaitRule,
)
from pipelines.core.errors import SignalboxError


def unified(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Return a unified diff over files.

    Parameters
    ----------
    before, after : mapping of str to str
        File → text; a file that is missing on one side counts as empty there.

    Returns
    -------
    str
        Files in order of name; empty where nothing changes.
    """
    parts = []
    for name in sorted({*before, *after}):
        old, new = before.get(name, ""), after.get(name, "")
        parts += _lines(name, old, new)
    return "".join(parts)


def _lines(name: str, old: str, new: str) -> list[str]:
    found = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
    return [
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found
    ]


ALERTMANAGER, GUARDS, PAGERDUTY = "alertmanager.yml", "prometheus_rules.yml", "pagerduty.json"

DEFAULT_CONFIG = """\
# Alertmanager's documented defaults, written by Signalbox because no configuration was given
# (params.yaml: aiops.export_rules.alertmanager_yml).
route:
  receiver: default
  group_by: [alertname]
receivers:
  - name: default
    webhook_configs:
      - url: 'http://127.0.0.1:9/'
"""
"""What `default_config` means, as a file. Port 9 takes nothing: put your own receiver here."""


@dataclass(frozen=True)
class Sources:
    """The user's files as they are.

    Attributes
    ----------
    alertmanager : str
        Text of ``alertmanager.yml``.
    name : str
        Its name or path, for messages and the diff.
    rule_files : mapping of str to str
        Path of a Prometheus rule file → text.
    servers : Servers
        Every Prometheus that is known; of one that isn't nobody knows which labels it adds.
    paging_receivers : tuple of str or None
        As for `merge_config`.
    process : Process
        The Alertmanager that reads them.
    """

    alertmanager: str
    name: str
    rule_files: Mapping[str, str] = field(default_factory=dict)
    servers: Servers = field(default_factory=Servers)
    paging_receivers: tuple[str, ...] | None = None
    process: Process = CURRENT


@dataclass(frozen=True)
class Bundle:
    """Everything that an export consists of.

    Attributes
    ----------
    alertmanager : MergedConfig
        The user's ``alertmanager.yml`` with the rules in it.
    rule_files : Merged
        The user's Prometheus rule files with the rules in them.
    guards : dict of str to str
        Name of a Prometheus rule file → text: the guards, one file a Prometheus.
    pagerduty : dict
        As `orchestration` returns it.
    diff : str
        Unified diff of the user's files.
    rules : list of ExportedRule
        Where each rule went, or why not.
    """

    alertmanager: MergedConfig
    rule_files: Merged
    guards: dict[str, str]
    pagerduty: dict[str, Any]
    diff: str
    rules: list[ExportedRule]


def make_bundle(sources: Sources, rules: Sequence[Rule], step: int, label_field: str) -> Bundle:
    """Merge rules into the user's files and write the other forms, all as texts.

    Parameters
    ----------
    sources : Sources
        The user's files.
    rules : sequence of Rule
        Rules with distinct ids.
    step : int, seconds
        Evaluation interval of the guards.
    label_field : str
        Where a PagerDuty event holds a label, as for `orchestration`.

    Returns
    -------
    Bundle
        A rule whose guard can't be written isn't in ``alertmanager.yml`` either.

    Raises
    ------
    SignalboxError
        If one of the user's files can't be read as what it should be, or a rule id stands twice.
    """
    ids = [rule.id for rule in rules]
    if len(set(ids)) < len(ids):
        twice = sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1})
        raise SignalboxError(f"rule set: {twice} stand in it twice")
    unheard = {
        rule.id: why for rule in rules if (why := guard_problem(rule, sources.servers))
    }  # a rule that hides must not go where its guard can't
    config = merge_config(
        sources.alertmanager,
        sources.name,
        [rule for rule in rules if rule.id not in unheard],
        sources.paging_receivers,
        sources.process,
    )
    config.refused.update(
        {name: f"its guard can't be written: {unheard[name]}" for name in unheard}
    )
    timing = [rule for rule in rules if isinstance(rule, WaitRule | KeepFiringRule)]
    merged = merge_rule_files(sources.rule_files, timing, sources.servers)
    active = tuple(rule for rule in rules if rule.id not in config.refused)
    notes = suggestions(timing, merged)
    before = {sources.name: sources.alertmanager, **sources.rule_files}
    after = {sources.name: config.text, **merged.texts}
    return Bundle(
        alertmanager=config,
        rule_files=merged,
        guards={
            name: guards_file(active, step, notes, server)
            for name, server in guard_files(sources.servers).items()
        },
        pagerduty=orchestration(rules, label_field),
        diff=unified(before, after),
        rules=[_rule_record(rule, config, merged, sources.servers) for rule in rules],
    )


def guard_files(servers: Servers) -> dict[str, PrometheusServer | None]:
    """Name the file with the guards of each Prometheus.

    Parameters
    ----------
    servers : Servers
        Those that are known.

    Returns
    -------
    dict of str to PrometheusServer or None
        File → who loads it; `GUARDS` alone where there is one server, or none is known.
    """
    if len(servers.all) < 2:
        return {GUARDS: next(iter(servers.all), None)}
    stem, suffix = GUARDS.rsplit(".", 1)
    names = [PurePath(server.name).stem for server in servers.all]
    if len(set(names)) < len(names):  # files of one name in different folders
        names = [str(number) for number in range(1, len(names) + 1)]
    return {f"{stem}-{name}.{suffix}": s for name, s in zip(names, servers.all, strict=True)}


def export_problems(sources: Sources, rules: Sequence[Rule]) -> dict[str, str]:
    """Say of each rule by itself why no file could take it; a set is only as good as its export.

    Parameters
    ----------
    sources : Sources
        The user's files.
    rules : sequence of Rule
        Candidates.

    Returns
    -------
    dict of str to str
        Id → why. A known fix belongs in no file. Together with others a rule may still be refused
        (`make_bundle`).

    Raises
    ------
    SignalboxError
        If one of the user's files can't be read as what it should be.
    """
    original = remove(sources.alertmanager, sources.name)
    config = parse_config(original, sources.name, sources.process)
    if sources.paging_receivers is not None:
        config = with_pagers(config, sources.paging_receivers)
    targets = []
    for name, text in sources.rule_files.items():
        bare = remove(text, name)
        targets += [(t, name) for t in alert_rules(read(bare, name), load(bare, name))]
    found = {}
    for rule in rules:
        why = _problem_of(rule, sources.servers, config, targets)
        if why:
            found[rule.id] = why
    return found


def _problem_of(
    rule: Rule, servers: Servers, config: Config, targets: Sequence[tuple[AlertRule, str]]
) -> str:
    if isinstance(rule, KnownFixRule):
        return ""
    if isinstance(rule, WaitRule | KeepFiringRule):
        answers = [remaining(rule, target, servers, name) for target, name in targets]
        if any(isinstance(answer, tuple) for answer in answers):
            return ""
        return next((a for a in answers if isinstance(a, str)), _NO_RULE_FILE)
    if why := guard_problem(rule, servers):
        return f"its guard can't be written: {why}"
    if why := problem(rule):
        return why
    placed = not isinstance(rule, GroupingRule | MuteTimeRule) or placements(config, rule.matchers)
    return "" if placed else _NO_ROUTE


_NO_RULE_FILE = (
    "no rule file of yours holds these alerts (aiops.export_rules.prometheus, prometheus_rules)"
)
_NO_ROUTE = "no route ends with these alerts alone; a child that continues takes them too"


def suggestions(rules: Sequence[WaitRule | KeepFiringRule], merged: Merged) -> list[str]:
    """Return what a person should set by hand, as comments.

    Parameters
    ----------
    rules : sequence of WaitRule or KeepFiringRule
        Rules that belong into Prometheus rule files.
    merged : Merged
        Where they went already.

    Returns
    -------
    list of str
        One line for each rule that isn't placed everywhere.
    """
    notes = []
    for rule in rules:
        if rule.id in merged.placed and rule.id not in merged.refused:
            continue
        key, value = (
            ("for", rule.for_seconds)
            if isinstance(rule, WaitRule)
            else ("keep_firing_for", rule.keep_firing_for_seconds)
        )
        why = "; ".join(merged.refused.get(rule.id, ["no rule file holds these alerts"]))
        alerts = one_line(selector("", rule.matchers))
        notes.append(
            f"by hand: {rule.id} (expires {rule.expires}): alerts {alerts}: add {duration(value)} "
            f"to {key}: {one_line(rule.sentence)} ({one_line(why)})"
        )
    return notes


def _rule_record(
    rule: Rule, config: MergedConfig, merged: Merged, servers: Servers
) -> ExportedRule:
    locations = [f"{ALERTMANAGER}: {location}" for location in config.placed.get(rule.id, [])]
    locations += merged.placed.get(rule.id, [])
    if guarded(rule) and rule.id not in config.refused:
        locations += [
            f"{name}: guard"
            for name, server in guard_files(servers).items()
            if server is not None and for_server(rule, server) is not None
        ]
    why = [config.refused[rule.id]] if rule.id in config.refused else []
    why += merged.refused.get(rule.id, [])
    if isinstance(rule, KnownFixRule):
        why.append("changes no configuration; see section aiops.remediation")
    elif not locations and not why:
        why.append(
            f"{_NO_RULE_FILE}; the file of guards says what to set by hand"
            if isinstance(rule, WaitRule | KeepFiringRule)
            else _NO_ROUTE
        )
    return ExportedRule(
        id=rule.id,
        family=rule.family,
        team=rule.team,
        sentence=rule.sentence,
        expires=rule.expires,
        exported=bool(locations),
        locations=locations,
        reasons=why,
    )


def rule_file_names(paths: Sequence[str]) -> dict[str, str]:
    """Name the user's rule files in the export's folder; equal names are told apart by number.

    Parameters
    ----------
    paths : sequence of str
        Paths of the user's files.

    Returns
    -------
    dict of str to str
        Path → name without folder.
    """
    names: dict[str, str] = {}
    for path in paths:
        base = PurePath(path).name
        taken = set(names.values())
        name, count = base, 2
        while name in taken:
            name, count = f"{count}-{base}", count + 1
        names[path] = name
    return names
