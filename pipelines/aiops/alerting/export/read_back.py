"""What exported files do: read back from their bytes, as Alertmanager and Prometheus would.

The gate must judge what is deployed, not what was meant. So a backtest doesn't apply the rules of
a rule set: it takes the configuration that the exported ``alertmanager.yml`` holds, waits as the
exported rule files make alerts wait, and hears the guards that the exported guard files define,
each Prometheus with the labels that it has. A rule that is in no file has no effect.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipelines.aiops.alerting.config import (
    CURRENT,
    GUARD_NAME,
    STILL_NAME,
    Process,
    apply_rules,
    parse_config,
    value_matches,
    with_pagers,
)
from pipelines.aiops.alerting.export.bundle import (
    ALERTMANAGER,
    Bundle,
    Sources,
    guard_files,
    rule_file_names,
)
from pipelines.aiops.alerting.export.config_tree import without_origin
from pipelines.aiops.alerting.export.guard_rules import (
    guard_expression,
    guarded,
    lasting_expression,
)
from pipelines.aiops.alerting.export.prometheus import TIMES, TimingRule, load
from pipelines.aiops.alerting.export.servers import PrometheusServer, Servers
from pipelines.aiops.alerting.export.spelling import (
    as_regex,
    matchers_in,
    seconds_of,
    selected,
    without,
)
from pipelines.aiops.alerting.export.write import FOLDER, read_text
from pipelines.aiops.alerting.export.yaml_edit import remove
from pipelines.aiops.alerting.replay.model import Deployed
from pipelines.aiops.alerting.rules import (
    DemotionRule,
    Guard,
    KeepFiringRule,
    Matcher,
    MuteTimeRule,
    Rule,
    WaitRule,
)
from pipelines.core.errors import SignalboxError


@dataclass(frozen=True)
class DeployedFiles:
    """The texts that are deployed.

    Attributes
    ----------
    alertmanager : str
        Text of ``alertmanager.yml``.
    name : str
        Its name, for messages.
    rule_files : mapping of str to str
        Path of a Prometheus rule file → text.
    guards : mapping of str to str
        Name of a file of guards → text.
    servers : Servers
        Who loads them: `guard_files` says whose guards are whose.
    paging_receivers : tuple of str or None
        As for `merge_config`.
    process : Process
        The Alertmanager that reads `alertmanager`.
    """

    alertmanager: str
    name: str
    rule_files: Mapping[str, str]
    guards: Mapping[str, str]
    servers: Servers
    paging_receivers: tuple[str, ...] | None = None
    process: Process = CURRENT


def files_of(bundle: Bundle, sources: Sources) -> DeployedFiles:
    """Return the texts of an export that isn't written yet.

    Parameters
    ----------
    bundle : Bundle
        The export.
    sources : Sources
        What it was made from.

    Returns
    -------
    DeployedFiles
        Its texts.
    """
    return DeployedFiles(
        bundle.alertmanager.text,
        sources.name,
        bundle.rule_files.texts,
        bundle.guards,
        sources.servers,
        sources.paging_receivers,
        sources.process,
    )


def exported_files(folder: Path, sources: Sources) -> DeployedFiles:
    """Read the files of an export's folder.

    Parameters
    ----------
    folder : Path
        As `export` wrote it.
    sources : Sources
        What it was made from.

    Returns
    -------
    DeployedFiles
        Its texts; those of rule files under the paths of the user's own.

    Raises
    ------
    SignalboxError
        If one can't be read: the export is older than the files that are named now.
    """
    names = rule_file_names(list(sources.rule_files))
    return DeployedFiles(
        alertmanager=read_text(folder / ALERTMANAGER),
        name=str(folder / ALERTMANAGER),
        rule_files={path: read_text(folder / FOLDER / name) for path, name in names.items()},
        guards={name: read_text(folder / name) for name in guard_files(sources.servers)},
        servers=sources.servers,
        paging_receivers=sources.paging_receivers,
        process=sources.process,
    )


def read_back(
    files: DeployedFiles, rules: Sequence[Rule], labels: Collection[str] | None = None
) -> Deployed:
    """Read what files do.

    Parameters
    ----------
    files : DeployedFiles
        Exported or published files.
    rules : sequence of Rule
        The rules that they were made from: they give what is read its ids, and nothing else.
    labels : collection of str, optional
        Labels that the history's alerts have. One that Prometheus adds and no alert has tells
        nothing apart: such a history was taken from Prometheus, not from Alertmanager.

    Returns
    -------
    Deployed
        What a replay applies.

    Raises
    ------
    SignalboxError
        If a part of ours is of no shape that the export writes: nobody judged it.
    """
    today = parse_config(remove(files.alertmanager, files.name), files.name, files.process)
    found = parse_config(files.alertmanager, files.name, files.process)
    if files.paging_receivers is not None:
        today = with_pagers(today, files.paging_receivers)
        found = with_pagers(found, files.paging_receivers)
    meant = apply_rules(today, [rule for rule in rules if _stands_in(rule, files.alertmanager)])
    # Equal in all that counts: the model that knows which rule put what where.
    config = meant if without_origin(meant) == without_origin(found) else found
    timing: list[TimingRule] = []
    for path, text in files.rule_files.items():
        loading = files.servers.loading(path)
        timing += _timing(path, text, rules, [_added(server, labels) for server in loading])
    guards: list[Rule] = []
    for name, server in guard_files(files.servers).items():
        if server is not None and name in files.guards:
            guards += _guards(name, files.guards[name], rules, _added(server, labels))
    return Deployed(today, config, (*timing, *guards))


Added = tuple[Matcher, ...]
"""Matchers that every alert of one Prometheus passes at Alertmanager."""


def _added(server: PrometheusServer, labels: Collection[str] | None) -> Added:
    return tuple(m for m in server.added() if labels is None or m.label in labels)


def _stands_in(rule: Rule, text: str) -> bool:
    return rule.id in text


def _timing(
    path: str, text: str, rules: Sequence[Rule], added: Sequence[Added]
) -> Iterator[TimingRule]:
    """Yield what a rule file makes alerts wait, on top of what they waited before."""
    before, after = load(remove(text, path), path), load(text, path)
    for old_group, new_group in zip(before["groups"], after["groups"], strict=True):
        rest = list(new_group.get("rules") or [])
        for old in old_group.get("rules") or []:
            if not isinstance(old, dict) or not isinstance(old.get("alert"), str):
                rest.pop(0)
                continue
            yield from _changes(path, old, _taken(path, old, rest), rules, added)


def _taken(path: str, old: dict[str, Any], rest: list[Any]) -> list[tuple[Any, dict[str, Any]]]:
    """Take from `rest` what an alerting rule became: parts with matchers; the rule itself last."""
    inner = str(old.get("expr"))
    new = rest.pop(0)
    parts: list[tuple[Any, dict[str, Any]]] = []
    while rest and isinstance(rest[0], dict) and rest[0].get("alert") == old["alert"]:
        matchers = matchers_in(str(rest[0].get("expr")), f"(\n{inner}\n)")
        if not matchers:
            break
        parts.append((matchers, rest.pop(0)))
    left = without(inner.strip(), [part["expr"] for _, part in parts]) if parts else inner
    if new.get("expr") != left or _others(new) != _others(old):
        raise SignalboxError(
            f"{path}: alert {old['alert']}: what Signalbox put there was changed; take the file of "
            "the last publication, or publish again"
        )
    return [*parts, ((), new)]


def _others(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule.items() if key not in ("expr", *TIMES)}


def _changes(
    path: str,
    old: dict[str, Any],
    found: Sequence[tuple[Any, dict[str, Any]]],
    rules: Sequence[Rule],
    added: Sequence[Added],
) -> Iterator[TimingRule]:
    own = {"alertname": old["alert"], **(old.get("labels") or {})}
    named = tuple(
        Matcher(label=str(label), op="=", value=str(value))
        for label, value in own.items()
        if "{{" not in str(value)
    )
    for matchers, new in found:
        for key in TIMES:
            more = _seconds(new.get(key), path) - _seconds(old.get(key), path)
            if more <= 0:
                continue
            rule = _like(rules, key, more, own, matchers)
            for labels in added or [()]:
                where = (*named, *(each for each in labels if each.label not in own), *matchers)
                yield rule.model_copy(update={"matchers": where, _FIELD[key]: more})


_FIELD: Final = {"for": "for_seconds", "keep_firing_for": "keep_firing_for_seconds"}


def _like(
    rules: Sequence[Rule],
    key: str,
    seconds: int,
    own: Mapping[str, Any],
    matchers: Sequence[Matcher],
) -> TimingRule:
    """Return the rule that a change serves: of its family, for this alert, of this length."""
    mine: list[TimingRule] = [
        rule
        for rule in rules
        if (isinstance(rule, WaitRule) if key == "for" else isinstance(rule, KeepFiringRule))
        and isinstance(rule, WaitRule | KeepFiringRule)
        and _may_mean(rule, own)
    ]
    long = [rule for rule in mine if getattr(rule, _FIELD[key]) == seconds]
    wanted = set(matchers)
    exact = [rule for rule in long if wanted <= {as_regex(each) for each in rule.matchers}] or long
    if not mine:
        raise SignalboxError(
            f"alert {own['alertname']}: {key} is {seconds} s longer than before, and no rule of "
            "the set asks for that"
        )
    return (exact or mine)[0]


def _may_mean(rule: Rule, own: Mapping[str, Any]) -> bool:
    return all(
        value_matches(matcher, str(own[matcher.label]))
        for matcher in rule.matchers
        if matcher.label in own and "{{" not in str(own[matcher.label])
    )


def _seconds(value: Any, path: str) -> int:
    found = seconds_of(str(value or "0"))
    if found is None:
        raise SignalboxError(f"{path}: {value!r} isn't a duration")
    return found


def _guards(name: str, text: str, rules: Sequence[Rule], added: Added) -> Iterator[Rule]:
    """Yield the rules whose guards a file defines, as the server's alerts trip them."""
    known = {rule.id: rule for rule in rules}
    found: dict[str, Rule] = {}
    for group in (load(text, name) or {}).get("groups") or []:
        step = _seconds(group.get("interval"), name)
        for each in group.get("rules") or []:
            identity = str((each.get("labels") or {}).get("rule"))
            rule = found.get(identity) or known.get(identity)
            read = _guard_of(each, rule, step) if rule is not None else None
            if read is None:
                raise SignalboxError(
                    f"{name}: alert {each.get('alert')} of rule {identity!r} isn't one that this "
                    "rule set exports; take the file of the last publication, or publish again"
                )
            found[identity] = read
    more = tuple(matcher.label for matcher in added)
    for rule in found.values():
        guard = guarded(rule)
        assert guard is not None  # read above
        by = (*guard.by, *(label for label in more if label not in guard.by))
        yield rule.model_copy(
            update={
                "matchers": (*rule.matchers, *added),
                "guard": guard.model_copy(update={"by": by}),
            }
        )


_COUNT: Final = re.compile(
    r"sum by \(([^()]*)\) \(count_over_time\(\((.*)\)\[(\w+):(\w+)\]\)\) > (\d+)\Z", re.DOTALL
)
_ALERTS: Final = re.compile(r'ALERTS\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}')


def _guard_of(each: Mapping[str, Any], rule: Rule, step: int) -> Rule | None:
    """Read one alerting rule of a guard; None if it is of no shape that the export writes.

    What is read is written again: equal texts mean that nothing in them was overlooked.
    """
    expression = str(each.get("expr"))
    alerts = _ALERTS.search(expression)
    seen = selected(alerts[0], "ALERTS") if alerts else None
    guard = guarded(rule)
    if seen is None or guard is None:
        return None
    matchers = tuple(matcher for matcher in seen if matcher.label != "alertstate")
    if each.get("alert") == STILL_NAME:
        read = guard.model_copy(update={"max_seconds": seconds_of(str(each.get("for")))})
        again = _as_read(rule, matchers, read)
        return again if lasting_expression(again) == expression else None
    count = _COUNT.match(expression)
    if each.get("alert") != GUARD_NAME or count is None:
        return None
    read = Guard(
        by=tuple(name for name in count[1].split(", ") if name),
        window_seconds=seconds_of(count[3]) or 0,
        max_count=int(count[5]),
        max_seconds=None,
    )
    again = _as_read(rule, matchers, read)
    return again if guard_expression(again, read, step) == expression else None


def _as_read(
    rule: Rule, matchers: tuple[Matcher, ...], guard: Guard
) -> DemotionRule | MuteTimeRule:
    assert isinstance(rule, DemotionRule | MuteTimeRule)  # only these have guards
    return rule.model_copy(update={"matchers": matchers, "guard": guard})
