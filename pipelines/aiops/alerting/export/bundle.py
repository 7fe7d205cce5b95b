"""Everything that is exported from a rule set, as texts; nothing is written here."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from pipelines.aiops.alerting.config import (
    CURRENT,
    Process,
    leaves_of,
    parse_config,
    with_pagers,
)
from pipelines.aiops.alerting.evidence import ExportedRule
from pipelines.aiops.alerting.export.alertmanager import MergedConfig, merge_config, problem
from pipelines.aiops.alerting.export.hold_rules import (
    for_server,
    hold_file,
    hold_problem,
    settings_of,
)
from pipelines.aiops.alerting.export.pagerduty import orchestration
from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers
from pipelines.aiops.alerting.export.yaml_edit import remove
from pipelines.aiops.alerting.rules import HoldRule, KnownFixRule, Rule
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


ALERTMANAGER, PROMETHEUS_RULES, PAGERDUTY = (
    "alertmanager.yml",
    "prometheus_rules.yml",
    "pagerduty.json",
)

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
    """The user's files as they are, and who reads them.

    Attributes
    ----------
    alertmanager : str
        Text of ``alertmanager.yml``.
    name : str
        Its name or path, for messages and the diff.
    servers : Servers
        Every Prometheus that is known; of one that isn't nobody knows which labels it adds.
    paging_receivers : tuple of str or None
        As for `merge_config`.
    process : Process
        The Alertmanager that reads them.
    """

    alertmanager: str
    name: str
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
    prometheus : dict of str to str
        Name of a Prometheus rule file → text: what is held, one file a Prometheus.
    pagerduty : dict
        As `orchestration` returns it.
    diff : str
        Unified diff of the user's ``alertmanager.yml``.
    rules : list of ExportedRule
        Where each rule went, or why not.
    """

    alertmanager: MergedConfig
    prometheus: dict[str, str]
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
        Evaluation interval of the rules that hold alerts back.
    label_field : str
        Where a PagerDuty event holds a label, as for `orchestration`.

    Returns
    -------
    Bundle
        What Prometheus can't hold back isn't in ``alertmanager.yml`` either, nor the other way
        round: nobody would page for it, or it would page twice.

    Raises
    ------
    SignalboxError
        If one of the user's files can't be read as what it should be, or a rule id stands twice.
    """
    ids = [rule.id for rule in rules]
    if len(set(ids)) < len(ids):
        twice = sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1})
        raise SignalboxError(f"rule set: {twice} stand in it twice")
    refused = _unheld(rules, sources.servers)
    config = merge_config(
        sources.alertmanager,
        sources.name,
        [rule for rule in rules if rule.id not in refused],
        sources.paging_receivers,
        sources.process,
        apart=sources.servers.labels,
    )
    config.refused.update(refused)
    held = [rule for rule in rules if isinstance(rule, HoldRule) and rule.id in config.placed]
    files = prometheus_files(sources.servers)
    today = parse_config(remove(sources.alertmanager, sources.name), sources.name, sources.process)
    if sources.paging_receivers is not None:
        today = with_pagers(today, sources.paging_receivers)
    return Bundle(
        alertmanager=config,
        prometheus={name: hold_file(_seen(held, server), step) for name, server in files.items()},
        pagerduty=orchestration(rules, label_field, today),
        diff=unified({sources.name: sources.alertmanager}, {sources.name: config.text}),
        rules=[_rule_record(rule, config, sources.servers) for rule in rules],
    )


def _unheld(rules: Sequence[Rule], servers: Servers) -> dict[str, str]:
    """Hold rules that no Prometheus can evaluate, or not together with the first, and why."""
    found: dict[str, str] = {}
    first: HoldRule | None = None
    for rule in rules:
        if not isinstance(rule, HoldRule):
            continue
        why = hold_problem(rule, servers)
        if not why and first and settings_of(rule) != settings_of(first):
            why = f"its settings aren't those of {first.id}: all hold rules of a set share them"
        if why:
            found[rule.id] = why
        else:
            first = first or rule
    return found


def _seen(rules: Sequence[HoldRule], server: PrometheusServer | None) -> list[HoldRule]:
    found = [for_server(rule, server) for rule in rules] if server else []
    return [each for each in found if isinstance(each, HoldRule)]


def prometheus_files(servers: Servers) -> dict[str, PrometheusServer | None]:
    """Name the rule file of each Prometheus.

    Parameters
    ----------
    servers : Servers
        Those that are known.

    Returns
    -------
    dict of str to PrometheusServer or None
        File → who loads it; `PROMETHEUS_RULES` alone where there is one server, or none is known.
    """
    if len(servers.all) < 2:
        return {PROMETHEUS_RULES: next(iter(servers.all), None)}
    stem, suffix = PROMETHEUS_RULES.rsplit(".", 1)
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
    found = {}
    for rule in rules:
        if isinstance(rule, HoldRule):
            why = hold_problem(rule, sources.servers) or problem(rule)
            if why or not leaves_of(config, rule):
                found[rule.id] = why or _NO_ROUTE
    return found


_NO_ROUTE = (
    "no route to its pager ends with these alerts alone; a child that continues takes them too"
)


def _rule_record(rule: Rule, config: MergedConfig, servers: Servers) -> ExportedRule:
    locations = [f"{ALERTMANAGER}: {location}" for location in config.placed.get(rule.id, [])]
    if isinstance(rule, HoldRule) and locations:
        locations += [
            name for name, server in prometheus_files(servers).items() if _seen([rule], server)
        ]
    why = [config.refused[rule.id]] if rule.id in config.refused else []
    if isinstance(rule, KnownFixRule):
        why.append("changes no configuration; see section aiops.remediation")
    elif not locations and not why:
        why.append(_NO_ROUTE)
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
