"""Parts of Alertmanager's configuration as trees, and trees as lines of YAML."""

from collections.abc import Sequence

from pipelines.aiops.alerting.config import Config, Route
from pipelines.aiops.alerting.export.spelling import duration, matcher_text, yaml_scalar
from pipelines.aiops.alerting.rules import Matcher
from pipelines.core.time import SECOND_US

Tree = str | list["Tree"] | dict[str, "Tree"]


def time_text(micros: int) -> str:
    """Write microseconds as a duration; Alertmanager knows milliseconds.

    Parameters
    ----------
    micros : int, microseconds
        Not negative; what is less than a millisecond is cut off.

    Returns
    -------
    str
        In milliseconds if it isn't a whole number of seconds.
    """
    seconds, rest = divmod(micros, SECOND_US)
    return f"{micros // 1000}ms" if rest else duration(seconds)


def route_tree(route: Route, parent: Route) -> dict[str, Tree]:
    """Return a route as YAML would load it, without what it inherits.

    Parameters
    ----------
    route : Route
        The route, its children included.
    parent : Route
        Where it inherits from.

    Returns
    -------
    dict of str to Tree
        Keys in the order in which they are written.
    """
    tree: dict[str, Tree] = {}
    if route.receiver != parent.receiver:
        tree["receiver"] = route.receiver
    tree["matchers"] = matcher_list(route.matchers)
    if route.group_by != parent.group_by:
        tree["group_by"] = list(route.group_by)
    for key in ("group_wait", "group_interval", "repeat_interval"):
        value = getattr(route, key)
        if value != getattr(parent, key):
            tree[key] = time_text(value)
    if route.mute:
        tree["mute_time_intervals"] = list(route.mute)
    if route.active:
        tree["active_time_intervals"] = list(route.active)
    if route.continues:
        tree["continue"] = "\0true"
    if route.routes:
        tree["routes"] = [route_tree(branch, route) for branch in route.routes]
    return tree


def matcher_list(matchers: Sequence[Matcher]) -> list[Tree]:
    """Return matchers as YAML would load them.

    Parameters
    ----------
    matchers : sequence of Matcher
        Matchers of a route or an inhibit rule.

    Returns
    -------
    list of Tree
        One string each.
    """
    return [matcher_text(matcher) for matcher in matchers]


def lines(tree: Tree) -> list[str]:
    """Write a tree in block style; lists of strings stay on one line where they are short.

    Parameters
    ----------
    tree : Tree
        Text, list or mapping.

    Returns
    -------
    list of str
        Without indentation and line endings.
    """
    if isinstance(tree, str):
        return [flow(tree)]
    if isinstance(tree, list):
        return [line for item in tree for line in _dashed(lines(item))]
    found: list[str] = []
    for key, value in tree.items():
        if _is_short(value):
            found.append(f"{key}: {flow(value)}")
        else:
            found.append(f"{key}:")
            found += [f"  {line}" for line in lines(value)]
    return found


def _is_short(value: Tree) -> bool:
    if isinstance(value, str):
        return True
    strings = isinstance(value, list) and all(isinstance(item, str) for item in value)
    return strings and len(flow(value)) <= 80


def _dashed(inner: list[str]) -> list[str]:
    return [f"- {inner[0]}", *(f"  {line}" for line in inner[1:])]


def flow(tree: Tree) -> str:
    """Write a tree in flow style; a text behind a null character is written bare.

    Parameters
    ----------
    tree : Tree
        Text, list or mapping.

    Returns
    -------
    str
        One line.
    """
    if isinstance(tree, str):
        return tree[1:] if tree.startswith("\0") else _safe(tree)
    if isinstance(tree, list):
        return "[" + ", ".join(flow(item) for item in tree) + "]"
    return "{" + ", ".join(f"{key}: {flow(value)}" for key, value in tree.items()) + "}"


def _safe(text: str) -> str:
    return yaml_scalar(text)


def without_origin(config: Config) -> Config:
    """Return the configuration as a file would give it, which can't say whose a part is.

    Parameters
    ----------
    config : Config
        With rules applied to it.

    Returns
    -------
    Config
        Without origins, and without what params say of receivers.
    """
    from dataclasses import replace

    def bare(route: Route) -> Route:
        routes = tuple(bare(branch) for branch in route.routes)
        return replace(route, origin="", routes=routes)

    return replace(
        config,
        route=bare(config.route),
        receivers=tuple(replace(each, pages=False) for each in config.receivers),
    )
