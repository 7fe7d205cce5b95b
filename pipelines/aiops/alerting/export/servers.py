"""Each Prometheus that evaluates alerts: what its own expressions see of an alert's labels.

Matchers are learned from labels as Alertmanager has them. Prometheus adds ``external_labels`` on
the way there and may change labels by ``alert_relabel_configs``; its ``ALERTS`` series know of
neither. So rules that read those have to ask for less: `PrometheusServer.seen`.

References
----------
Prometheus, `notifier/manager.go` (external labels are added, then alerts are relabelled) and
`rules/alerting.go` (``ALERTS`` has the alert's own labels).
"""

import glob
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.config import value_matches
from pipelines.aiops.alerting.export.yaml_edit import load
from pipelines.aiops.alerting.rules import Matcher, one_of
from pipelines.core.errors import SignalboxError

SETTING = "aiops.export_rules.prometheus"
UNKNOWN = (
    f"which labels Prometheus adds on the way to Alertmanager isn't known: name every "
    f"prometheus.yml in {SETTING}"
)
ANY = "*"
"""Key of `PrometheusServer.unclear` where any label may have been set."""


@dataclass(frozen=True)
class PrometheusServer:
    """One Prometheus, as far as the labels of its alerts go.

    Attributes
    ----------
    name : str
        Path of its ``prometheus.yml``, as it was named.
    external : mapping of str to str
        Labels that it adds to every alert it sends.
    unclear : mapping of str to str
        Label whose value at Alertmanager isn't the one in Prometheus → why.
    rule_files : tuple of str
        Paths of the rule files that it loads.
    names : frozenset of str or None
        Names of the alerts that these files define; None: not all of them could be read.
    """

    name: str
    external: Mapping[str, str] = field(default_factory=dict)
    unclear: Mapping[str, str] = field(default_factory=dict)
    rule_files: tuple[str, ...] = ()
    names: frozenset[str] | None = None

    def seen(self, matchers: Sequence[Matcher]) -> tuple[Matcher, ...] | str | None:
        """Return the matchers that the server's own series must pass.

        Parameters
        ----------
        matchers : sequence of Matcher
            On labels as Alertmanager has them.

        Returns
        -------
        tuple of Matcher
            Those on labels that aren't decided by the server alone.
        str
            Why that can't be told.
        None
            No alert of this server matches.
        """
        left = []
        for matcher in matchers:
            why = self.unclear.get(matcher.label) or self.unclear.get(ANY)
            if why:
                return f"{self.name}: label {matcher.label}: {why}"
            if matcher.label not in self.external:
                left.append(matcher)
            elif not value_matches(matcher, self.external[matcher.label]):
                return None
        return tuple(left)


def read_server(path: str, text: str) -> PrometheusServer:
    """Read what matters of a ``prometheus.yml``.

    Parameters
    ----------
    path : str
        Where it lies: its ``rule_files`` are relative to its folder.
    text : str
        Its text.

    Returns
    -------
    PrometheusServer
        With the rule files that its patterns find now, and those that are named plainly; those
        that are here are read.

    Raises
    ------
    SignalboxError
        If it isn't a Prometheus configuration, or a rule file isn't YAML.
    """
    data = load(text, path)
    if not isinstance(data, dict) or not (data.keys() & _TOP):
        raise SignalboxError(
            f"{path}: not a Prometheus configuration (none of {', '.join(sorted(_TOP))} is in it); "
            f"name a prometheus.yml in {SETTING}"
        )
    external, unclear = _external(data, path)
    _relabelled(data, path, external, unclear)
    files = _rule_files(data, path)
    return PrometheusServer(path, external, unclear, files, _alert_names(files))


_TOP = frozenset({"global", "scrape_configs", "rule_files", "alerting", "remote_write"})


def _section(data: Mapping[str, Any], key: str, path: str, kind: type) -> Any:
    value = data.get(key)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise SignalboxError(f"{path}: {key} isn't {'a list' if kind is list else 'a mapping'}")
    return value


def _external(data: Mapping[str, Any], path: str) -> tuple[dict[str, str], dict[str, str]]:
    labels = _section(_section(data, "global", path, dict), "external_labels", path, dict)
    external = {
        str(name): value if isinstance(value, str) else _scalar(value)
        for name, value in labels.items()
    }
    unclear = {
        name: f"its value {value!r} comes from the environment of Prometheus"
        for name, value in external.items()
        if re.search(r"\$\w|\$\{", value)
    }
    return {name: value for name, value in external.items() if name not in unclear}, unclear


def _scalar(value: Any) -> str:
    """Spell a YAML value that isn't a string as Go's YAML gives it to a string field."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _relabelled(
    data: Mapping[str, Any], path: str, external: dict[str, str], unclear: dict[str, str]
) -> None:
    """Take account of ``alert_relabel_configs``: labels that are dropped, set or renamed."""
    alerting = _section(data, "alerting", path, dict)
    steps = list(_section(alerting, "alert_relabel_configs", path, list))
    for manager in _section(alerting, "alertmanagers", path, list):
        if isinstance(manager, dict):
            steps += _section(manager, "alert_relabel_configs", path, list)
    for step in steps:
        if not isinstance(step, dict):
            raise SignalboxError(f"{path}: an entry of alert_relabel_configs isn't a mapping")
        _relabel(step, external, unclear)


def _relabel(step: Mapping[str, Any], external: dict[str, str], unclear: dict[str, str]) -> None:
    action = str(step.get("action", "replace")).lower()
    pattern = str(step.get("regex", "(.*)"))
    if action == "labeldrop":
        # What Alertmanager never has, no matcher was learned from.
        for name in [label for label in external if re.fullmatch(pattern, label)]:
            del external[name]
    elif action == "labelkeep":
        for name in [label for label in external if not re.fullmatch(pattern, label)]:
            del external[name]
    elif action not in ("keep", "drop", "keepequal", "dropequal"):
        target = step.get("target_label")
        why = f"alert_relabel_configs ({action}) sets it"
        unclear[str(target) if target else ANY] = why


def _rule_files(data: Mapping[str, Any], path: str) -> tuple[str, ...]:
    folder = Path(path).parent
    found: list[str] = []
    for pattern in _section(data, "rule_files", path, list):
        if not isinstance(pattern, str):
            raise SignalboxError(f"{path}: rule_files: {pattern!r} isn't a path")
        whole = pattern if Path(pattern).is_absolute() else str(folder / pattern)
        # A plain path stays, also where the file isn't here: publication knows it by its name.
        found += sorted(glob.glob(whole)) if glob.has_magic(whole) else [whole]
    return tuple(dict.fromkeys(_plain(name) for name in found))


def _alert_names(files: Sequence[str]) -> frozenset[str] | None:
    """Names of alerts in rule files; None if one isn't here to be read."""
    found: set[str] = set()
    for path in files:
        try:
            data = load(Path(path).read_bytes().decode(), path)
        except (OSError, UnicodeDecodeError):
            return None
        groups = (data.get("groups") or []) if isinstance(data, dict) else []
        rules = [r for g in groups if isinstance(g, dict) for r in g.get("rules") or []]
        found |= {str(r["alert"]) for r in rules if isinstance(r, dict) and "alert" in r}
    return frozenset(found)


def _plain(path: str) -> str:
    """Write a path without detours (``prometheus/../rules/a.yml`` is ``rules/a.yml``)."""
    return os.path.normpath(path)


@dataclass(frozen=True)
class Servers:
    """All servers that are known; without any nothing is known of labels.

    Attributes
    ----------
    all : tuple of PrometheusServer
        Distinct ones.
    """

    all: tuple[PrometheusServer, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that any of them adds, whether their values are known or not."""
        added = {name for each in self.all for name in (*each.external, *each.unclear)}
        return tuple(sorted(added - {ANY}))

    def added(self, server: PrometheusServer) -> tuple[Matcher, ...] | str:
        """Return what tells a server's alerts from those of the others at Alertmanager.

        Parameters
        ----------
        server : PrometheusServer
            One of them.

        Returns
        -------
        tuple of Matcher
            On labels that it adds; also on names of alerts where another server adds the same.
        str
            Why its alerts can't be told apart.
        """
        added = tuple(
            Matcher(label=name, op="=", value=server.external[name])
            for name in sorted(server.external)
        )
        alike = [s for s in self.all if s.name != server.name and s.external == server.external]
        if not alike:
            return added
        own, others = server.names, [each.names for each in alike]
        if own and all(names is not None and not names & own for names in others):
            return (one_of("alertname", sorted(own)), *added)
        return (
            f"{server.name} and {alike[0].name} add the same external labels, and their alerts "
            "aren't told apart by the names in rule files that can be read here: give each "
            f"external labels of its own, or name one of them alone in {SETTING}"
        )


def read_servers(texts: Mapping[str, str]) -> Servers:
    """Read every ``prometheus.yml``; of servers that send the same alerts one is kept.

    Parameters
    ----------
    texts : mapping of str to str
        Path → text.

    Returns
    -------
    Servers
        In the order of the paths.

    Raises
    ------
    SignalboxError
        If one isn't a Prometheus configuration.
    """
    found: list[PrometheusServer] = []
    for path, text in texts.items():
        server = read_server(path, text)
        twin = any(
            (s.external, s.unclear, s.rule_files)
            == (server.external, server.unclear, server.rule_files)
            for s in found
        )
        if not twin:  # as of a highly available pair, whose replica label is dropped
            found.append(server)
    return Servers(tuple(found))
