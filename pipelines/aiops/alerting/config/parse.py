"""Reads an ``alertmanager.yml``: what decides routing is checked, the rest isn't looked at.

`config/config.go`. Receivers' contents and templates may be anything; a key that decides who is
notified of what and when must be understood, or it is an error that names the file and the key.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pipelines.aiops.alerting.config.matching import checked, parse_matchers
from pipelines.aiops.alerting.config.model import (
    CURRENT,
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    Config,
    InhibitRule,
    Integration,
    Process,
    Receiver,
    Route,
    TimeInterval,
    default_config,
    is_pager,
    parse_time_range,
)
from pipelines.aiops.alerting.rules import Matcher
from pipelines.core.errors import SignalboxError

_UNITS = {
    "y": 365 * DAY, "w": 7 * DAY, "d": DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": 1000,
}  # fmt: skip
_FORM = re.compile("".join(rf"(?:(\d+){unit})?" for unit in _UNITS), re.ASCII)


def parse_duration(text: object, where: str) -> int:
    """Read a duration like ``1d2h`` as microseconds.

    Parameters
    ----------
    text : object
        What YAML has there; it should be text. ``0`` needs no unit.
    where : str
        File and key, for messages.

    Returns
    -------
    int, microseconds
        Not negative.

    Raises
    ------
    SignalboxError
        Not a duration; the message starts with `where`.
    """
    if text == "0":
        return 0
    found = _FORM.fullmatch(text) if isinstance(text, str) and text else None
    if found is None:
        raise SignalboxError(f"{where}: {text!r} is not a duration; write one like 30s, 5m or 1d2h")
    pairs = zip(found.groups(), _UNITS.values(), strict=True)
    return sum(int(count) * unit for count, unit in pairs if count)


SEND_RESOLVED = {
    "discord": True, "email": False, "msteams": True, "opsgenie": True, "pagerduty": True,
    "pushover": True, "slack": False, "sns": True, "telegram": True, "victorops": True,
    "webex": True, "webhook": True, "wechat": False,
}  # fmt: skip
"""Whether each kind tells of resolved alerts if nothing is said; `config/notifiers.go`."""

_TOP = frozenset(
    ("global", "templates", "route", "inhibit_rules", "receivers", "mute_time_intervals",
     "time_intervals", "tracing", "event_recorder")
)  # fmt: skip
_ROUTE = frozenset(
    ("receiver", "group_by", "continue", "match", "match_re", "matchers", "group_wait",
     "group_interval", "repeat_interval", "mute_time_intervals", "active_time_intervals", "routes")
)  # fmt: skip
_INHIBIT = frozenset(
    ("source_match", "source_match_re", "source_matchers", "target_match", "target_match_re",
     "target_matchers", "equal", "name")
)  # fmt: skip


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SignalboxError(f"{where}: must be a mapping")
    return value


def _items(value: Any, where: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise SignalboxError(f"{where}: must be a list")
    return value


def _known(keys: Mapping[str, Any], allowed: frozenset[str], where: str) -> None:
    unknown = sorted(str(key) for key in keys if key not in allowed)
    if unknown:
        raise SignalboxError(f"{where}: unknown key {unknown[0]!r}")


def _texts(value: Any, where: str) -> tuple[str, ...]:
    items = _items(value, where)
    for item in items:
        if not isinstance(item, str):
            raise SignalboxError(f"{where}: {item!r} must be text")
    return tuple(items)


def _matchers(keys: Mapping[str, Any], prefix: str, where: str) -> tuple[Matcher, ...]:
    found: list[Matcher] = []
    old: tuple[tuple[str, Literal["=", "=~"]], ...] = (("match", "="), ("match_re", "=~"))
    for key, op in old:
        location = f"{where}.{prefix}{key}"
        for label, value in _mapping(keys.get(prefix + key), location).items():
            text = _plain(value, f"{location}.{label}")
            matcher = Matcher(label=str(label), op=op, value=text)
            found.append(checked(matcher, f"{location}.{label}"))
    key = f"{prefix}matchers"
    texts = keys.get(key)
    for i, text in enumerate([texts] if isinstance(texts, str) else _items(texts, where)):
        location = f"{where}.{key}[{i}]"
        found += parse_matchers(_plain(text, location), location)
    # In Alertmanager they are sorted; what matches is the same.
    return tuple(found)


def _plain(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SignalboxError(f"{where}: {value!r} must be text")
    return value


def _boolean(value: Any, default: bool, where: str) -> bool:
    if value is None:
        return default
    if not isinstance(value, str) or value.lower() not in _BOOLEANS:
        raise SignalboxError(f"{where}: must be true or false")
    return _BOOLEANS[value.lower()]


def _duration(keys: Mapping[str, Any], key: str, default: int, where: str) -> int:
    if keys.get(key) is None:
        return default
    found = parse_duration(keys[key], f"{where}.{key}")
    if found == 0 and key != "group_wait":
        raise SignalboxError(f"{where}.{key}: cannot be zero")
    return found


def _group_by(
    keys: Mapping[str, Any], parent: Route, where: str, process: Process
) -> tuple[str, ...]:
    if keys.get("group_by") is None:
        return parent.group_by
    labels = _texts(keys["group_by"], f"{where}.group_by")
    if len(set(labels)) != len(labels):
        raise SignalboxError(f"{where}.group_by: a label is listed twice")
    if "..." in labels and len(labels) > 1:
        raise SignalboxError(f"{where}.group_by: '...' stands alone or not at all")
    return parent.group_by if not labels and process.empty_group_by_inherits else labels


def _route(keys: Mapping[str, Any], parent: Route, where: str, process: Process) -> Route:
    _known(keys, _ROUTE | {"labels"} if process.routes_have_labels else _ROUTE, where)
    receiver = keys.get("receiver") or parent.receiver
    route = Route(
        receiver=_plain(receiver, f"{where}.receiver"),
        matchers=_matchers(keys, "", where),
        group_by=_group_by(keys, parent, where, process),
        group_wait=_duration(keys, "group_wait", parent.group_wait, where),
        group_interval=_duration(keys, "group_interval", parent.group_interval, where),
        repeat_interval=_duration(keys, "repeat_interval", parent.repeat_interval, where),
        continues=_boolean(keys.get("continue"), False, f"{where}.continue"),
        mute=_texts(keys.get("mute_time_intervals"), f"{where}.mute_time_intervals"),
        active=_texts(keys.get("active_time_intervals"), f"{where}.active_time_intervals"),
    )
    children = _items(keys.get("routes"), f"{where}.routes")
    below = tuple(
        _route(_mapping(child, f"{where}.routes[{i}]"), route, f"{where}.routes[{i}]", process)
        for i, child in enumerate(children)
    )
    return Route(**{**vars(route), "routes": below})


def _top(keys: Mapping[str, Any], where: str, process: Process) -> Route:
    if not keys:
        raise SignalboxError(f"{where}: is missing")
    if not keys.get("receiver"):
        raise SignalboxError(f"{where}.receiver: the top route needs one")
    top = _route(keys, Route(receiver=""), where, process)
    if top.matchers:
        raise SignalboxError(f"{where}: the top route must not have matchers")
    if top.mute or top.active:
        raise SignalboxError(f"{where}: the top route must not have time intervals")
    if top.continues:
        raise SignalboxError(f"{where}.continue: the top route can't have it")
    return top


def _receiver(entry: Any, where: str) -> Receiver:
    keys = _mapping(entry, where)
    if not keys.get("name"):
        raise SignalboxError(f"{where}.name: is missing")
    integrations = []
    for key in sorted(k for k in keys if str(k).endswith("_configs")):
        kind = str(key).removesuffix("_configs")
        for i, each in enumerate(_items(keys[key], f"{where}.{key}")):
            location = f"{where}.{key}[{i}]"
            keys_of_it = _mapping(each, location)
            said = keys_of_it.get("send_resolved")
            send = _boolean(said, SEND_RESOLVED.get(kind, True), f"{location}.send_resolved")
            details = keys_of_it.get("details") if kind == "pagerduty" else None
            integrations.append(Integration(kind, send, tuple(sorted(_common_labels(details)))))
    name = str(keys["name"])
    return Receiver(name, tuple(integrations), pages=is_pager(name, integrations))


_COMMON_LABEL = re.compile(r"\{\{-?\s*\.CommonLabels\.([A-Za-z_][A-Za-z0-9_]*)\s*-?\}\}")


def _common_labels(
    details: Any, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where PagerDuty's custom details hold nothing but a label common to all alerts."""
    for key, value in details.items() if isinstance(details, Mapping) else ():
        way = (*above, str(key))
        found = _COMMON_LABEL.fullmatch(value) if isinstance(value, str) else None
        if found:
            yield way, found[1]
        elif isinstance(value, Mapping):
            yield from _common_labels(value, way)


def _inhibit(entry: Any, where: str) -> InhibitRule:
    keys = _mapping(entry, where)
    _known(keys, _INHIBIT, where)
    return InhibitRule(
        source=_matchers(keys, "source_", where),
        target=_matchers(keys, "target_", where),
        equal=_texts(keys.get("equal"), f"{where}.equal"),
    )


def _intervals(keys: Mapping[str, Any], name: str) -> tuple[TimeInterval, ...]:
    found: dict[str, TimeInterval] = {}
    for key in ("mute_time_intervals", "time_intervals"):
        for i, entry in enumerate(_items(keys.get(key), f"{name}: {key}")):
            where = f"{name}: {key}[{i}]"
            fields = _mapping(entry, where)
            _known(fields, frozenset({"name", "time_intervals"}), where)
            title = fields.get("name")
            if not title or title in found:
                raise SignalboxError(f"{where}.name: must be given and not twice")
            ranges = _items(fields.get("time_intervals"), f"{where}.time_intervals")
            found[title] = TimeInterval(
                str(title),
                tuple(
                    parse_time_range(each, f"{where}.time_intervals[{j}]")
                    for j, each in enumerate(ranges)
                ),
            )
    return tuple(found.values())


def _check_names(config: Config, name: str) -> None:
    receivers = {receiver.name for receiver in config.receivers}
    intervals = {interval.name for interval in config.time_intervals}
    for path, route in config.route.walk():
        where = f"{name}: route" + "".join(f".routes[{i}]" for i in path)
        if route.receiver not in receivers:
            raise SignalboxError(f"{where}.receiver: there is no receiver {route.receiver!r}")
        for wanted in (*route.mute, *route.active):
            if wanted not in intervals:
                raise SignalboxError(f"{where}: there is no time interval {wanted!r}")


def parse_config(text: str, name: str, process: Process = CURRENT) -> Config:
    """Read the text of an ``alertmanager.yml``.

    Parameters
    ----------
    text : str
        The whole file.
    name : str
        The file's name, for messages.
    process : Process
        The Alertmanager that reads it: its version decides what some of it means.

    Returns
    -------
    Config
        With everything that routes inherit filled in; names of receivers and intervals exist.

    Raises
    ------
    SignalboxError
        Not YAML, or something in it that decides routing isn't understood; names the key.

    References
    ----------
    Alertmanager, `config/config.go`.
    """
    import yaml

    try:
        document = yaml.load(text, Loader=_loader())
    except yaml.YAMLError as error:
        raise SignalboxError(f"{name}: is not valid YAML: {error}") from error
    keys = _mapping(document, name)
    _known(keys, _TOP, name)
    receivers = tuple(
        _receiver(each, f"{name}: receivers[{i}]")
        for i, each in enumerate(_items(keys.get("receivers"), f"{name}: receivers"))
    )
    names = [receiver.name for receiver in receivers]
    if len(set(names)) != len(names):
        raise SignalboxError(f"{name}: receivers: a name is there twice")
    rules = _items(keys.get("inhibit_rules"), f"{name}: inhibit_rules")
    settings = _mapping(keys.get("global"), f"{name}: global")
    config = Config(
        route=_top(_mapping(keys.get("route"), f"{name}: route"), f"{name}: route", process),
        receivers=receivers,
        inhibit_rules=tuple(
            _inhibit(each, f"{name}: inhibit_rules[{i}]") for i, each in enumerate(rules)
        ),
        time_intervals=_intervals(keys, name),
        resolve_timeout=_duration(settings, "resolve_timeout", 5 * MINUTE, f"{name}: global"),
        process=process,
    )
    _check_names(config, name)
    return config


def _loader() -> Any:
    """YAML as Go reads it into text fields: ``off``, ``1`` and ``09:00`` stay what was written."""
    import yaml

    # LibYAML where it is: a large file is read ten times faster.
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader: Any = type("Loader", (base,), {})

    loader.yaml_implicit_resolvers = {
        first: [pair for pair in pairs if pair[0] in _RESOLVED]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return loader


_RESOLVED = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "merge"))
_BOOLEANS = dict.fromkeys(("true", "yes", "on", "y"), True) | dict.fromkeys(
    ("false", "no", "off", "n"), False
)


def load_config(path: Path, process: Process = CURRENT) -> Config:
    """Read an ``alertmanager.yml`` from disk.

    Parameters
    ----------
    path : Path
        The file; messages have its name without folders.
    process : Process
        As for `parse_config`.

    Returns
    -------
    Config
        As `parse_config` returns it.

    Raises
    ------
    SignalboxError
        As `parse_config`; or if there is no such file, or it isn't UTF-8.
    """
    try:
        return parse_config(path.read_text(encoding="utf-8"), path.name, process)
    except FileNotFoundError as error:
        raise SignalboxError(f"{path} is missing") from error
    except UnicodeDecodeError as error:
        raise SignalboxError(f"{path} is not UTF-8 text: {error}") from error


def todays_config(path: str | None, process: Process = CURRENT) -> Config:
    """Load the configuration of today.

    Parameters
    ----------
    path : str or None
        The user's ``alertmanager.yml``; None (or empty) gives Alertmanager's documented defaults.
    process : Process
        As for `parse_config`.

    Returns
    -------
    Config
        Without rules of ours, unless the file holds some.

    Raises
    ------
    SignalboxError
        As `load_config`.
    """
    return load_config(Path(path), process) if path else default_config(process)


PAGING_KEY = "aiops.export_rules.paging_receivers"


def with_pagers(config: Config, paging_receivers: Sequence[str]) -> Config:
    """Say which receivers page.

    Parameters
    ----------
    config : Config
        Today's configuration.
    paging_receivers : sequence of str
        Names of the receivers that page; with none, `is_pager` decides.

    Returns
    -------
    Config
        With `Receiver.pages`.
    """
    if not paging_receivers:
        return config
    pages = [replace(each, pages=each.name in paging_receivers) for each in config.receivers]
    return replace(config, receivers=tuple(pages))


def config_with_pagers(
    path: str | None, paging_receivers: Sequence[str], process: Process = CURRENT
) -> Config:
    """Load the configuration of today, and say which of its receivers page.

    Parameters
    ----------
    path : str or None
        As for `todays_config`.
    paging_receivers : sequence of str
        ``aiops.export_rules.paging_receivers``: names of the receivers that page; with none,
        `is_pager` decides.
    process : Process
        As for `parse_config`.

    Returns
    -------
    Config
        As `todays_config` returns it; at least one receiver that a route names pages.

    Raises
    ------
    SignalboxError
        As `load_config`; if there is no receiver of a given name, or none pages: what people are
        woken by is then unknown, and so is what a rule saves or hides.
    """
    name = Path(path).name if path else "Alertmanager's defaults"
    return require_pagers(todays_config(path, process), name, paging_receivers)


def require_pagers(config: Config, name: str, paging_receivers: Sequence[str]) -> Config:
    """Say which receivers of a configuration page.

    Parameters
    ----------
    config : Config
        A configuration.
    name : str
        Name of its file, for messages.
    paging_receivers : sequence of str
        As for `config_with_pagers`.

    Returns
    -------
    Config
        At least one receiver that a route names pages.

    Raises
    ------
    SignalboxError
        As `config_with_pagers`.
    """
    known = {receiver.name for receiver in config.receivers if receiver.integrations}
    unknown = [each for each in paging_receivers if each not in known]
    if unknown:
        raise SignalboxError(
            f"{PAGING_KEY}: {name} has no receiver {unknown[0]!r} with integrations; "
            f"there are: {_listed(config)}"
        )
    config = with_pagers(config, paging_receivers)
    used = {route.receiver for _, route in config.route.walk()}
    if not any(each.pages for each in config.receivers if each.name in used):
        raise SignalboxError(
            f"{name}: no receiver that a route names pages anybody (PagerDuty, Opsgenie and the "
            "like do; a webhook does if its receiver's name says on-call, pager, phone or sms): "
            f"set {PAGING_KEY} to the names of those that do; there are: {_listed(config)}"
        )
    return config


def _listed(config: Config) -> str:
    """Receivers and what they have, for messages."""
    return ", ".join(
        f"{receiver.name} ({', '.join(sorted({each.kind for each in receiver.integrations}))})"
        for receiver in config.receivers
        if receiver.integrations
    )
