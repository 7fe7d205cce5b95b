"""Each Prometheus that evaluates alerts: what its own expressions see of an alert's labels.

Matchers are learned from labels as Alertmanager has them. Prometheus adds ``external_labels`` on
the way there and may change labels by ``alert_relabel_configs``; neither its ``ALERTS`` series nor
the results of alerting rules have them. So what reads these, the guards and alerting rules that are
split, has to ask for less: `PrometheusServer.seen`.

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

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipelines.aiops.alerting.config import value_matches
from pipelines.aiops.alerting.rules import Matcher
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
    """

    name: str
    external: Mapping[str, str] = field(default_factory=dict)
    unclear: Mapping[str, str] = field(default_factory=dict)
    rule_files: tuple[str, ...] = ()

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

    def added(self) -> tuple[Matcher, ...]:
        """Return matchers that the server's alerts pass at Alertmanager, by what it adds."""
        return tuple(
            Matcher(label=name, op="=", value=self.external[name]) for name in sorted(self.external)
        )


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
        With the rule files that its patterns find now, and those that are named plainly.

    Raises
    ------
    SignalboxError
        If it isn't a Prometheus configuration.
    """
    try:
        data = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise SignalboxError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict) or not (data.keys() & _TOP):
        raise SignalboxError(
            f"{path}: not a Prometheus configuration (none of {', '.join(sorted(_TOP))} is in it); "
            f"name a prometheus.yml in {SETTING}"
        )
    external, unclear = _external(data, path)
    _relabelled(data, path, external, unclear)
    return PrometheusServer(path, external, unclear, _rule_files(data, path))


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

    def loading(self, rule_file: str) -> tuple[PrometheusServer, ...]:
        """Return the servers that load a rule file, by its path, else by its name alone."""
        exact = tuple(s for s in self.all if _same(rule_file, s.rule_files))
        if exact:
            return exact
        name = Path(rule_file).name
        return tuple(s for s in self.all if any(Path(own).name == name for own in s.rule_files))

    def seen(self, matchers: Sequence[Matcher], rule_file: str) -> tuple[Matcher, ...] | str | None:
        """Return what results of a file's expressions must pass, the same for all its servers.

        Parameters
        ----------
        matchers : sequence of Matcher
            On labels as Alertmanager has them.
        rule_file : str
            Path of the rule file.

        Returns
        -------
        tuple of Matcher, str or None
            As `PrometheusServer.seen`.
        """
        if not matchers:
            return ()
        if not self.all:
            return UNKNOWN
        loading = self.loading(rule_file)
        if not loading:
            return f"no Prometheus named in {SETTING} loads {rule_file}"
        found = [server.seen(matchers) for server in loading]
        for answer in found:
            if isinstance(answer, str):
                return answer
        if any(answer != found[0] for answer in found):
            names = ", ".join(server.name for server in loading)
            labels = ", ".join(sorted({m.label for m in matchers} & _external_names(loading)))
            return (
                f"{rule_file} is loaded by {names}, which differ in what they add ({labels}): one "
                "expression can't tell them apart; give each a file of its own"
            )
        return found[0]


def _external_names(servers: Sequence[PrometheusServer]) -> set[str]:
    return {name for server in servers for name in server.external}


def _same(path: str, files: Sequence[str]) -> bool:
    own = Path(path).resolve()
    return any(Path(name).resolve() == own for name in files)


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


_AGGREGATION = re.compile(
    r"(?:sum|min|max|avg|group|stddev|stdvar|count)\s*(?:(by|without)\s*\(([^()]*)\))?\s*\(",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\s*(?:(by|without)\s*\(([^()]*)\))?\s*"
    r"(?:(?:[<>]=?|[=!]=|[-+*/%^])\s*(?:bool\s*)?-?[\d.][\w.]*\s*)*"
)


def lacks(expression: str, label: str) -> bool:
    """Return whether the results of an expression certainly don't have a label.

    Parameters
    ----------
    expression : str
        PromQL. Only one aggregation, compared with or multiplied by numbers, is understood; of
        anything else nothing is certain.
    label : str
        Name of a label.

    Returns
    -------
    bool
        True only if an aggregation drops it.
    """
    text = re.sub(r"#[^\n]*", "", expression).strip()
    begin = _AGGREGATION.match(text)
    if begin is None:
        return False
    end = _closing(text, begin.end() - 1)
    rest = _COMPARED.fullmatch(text, end + 1) if end > 0 else None
    if rest is None:
        return False
    kind, names = (begin[1], begin[2]) if begin[1] else (rest[1], rest[2])
    listed = {name.strip() for name in (names or "").split(",")}
    return label in listed if (kind or "by").lower() == "without" else label not in listed


def _closing(text: str, at: int) -> int:
    """Index of the bracket that closes the one at `at`; -1 without."""
    depth, quote = 0, ""
    for index in range(at, len(text)):
        char = text[index]
        if quote:
            if char == quote and (quote == "`" or text[index - 1] != "\\"):
                quote = ""
        elif char in "\"'`":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return index
    return -1
