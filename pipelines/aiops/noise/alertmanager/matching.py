"""Whether a label set matches; `pkg/labels/matcher.go`."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from pipelines.aiops.noise.alertmanager.model import Route
from pipelines.aiops.noise.alertmanager.regex import compiled
from pipelines.aiops.noise.rules import Matcher

_SYNTAX = frozenset("\\.+*?()[]{}^$")


@lru_cache(maxsize=16384)
def listed(pattern: str) -> tuple[str, ...] | None:
    r"""Return the values that a regex lists, or None if it isn't a plain list of values.

    Escaped characters in ``a|b\.c`` count as themselves.
    """
    found, current, rest = [], "", iter(pattern)
    for char in rest:
        if char == "\\":
            following = next(rest, "")
            if not following or following.isalnum():
                return None
            current += following
        elif char == "|":
            found.append(current)
            current = ""
        elif char in _SYNTAX:
            return None
        else:
            current += char
    return (*found, current)


def value_matches(matcher: Matcher, value: str) -> bool:
    """Whether one value (empty: label missing) satisfies one matcher."""
    if matcher.op in {"=", "!="}:
        return (value == matcher.value) == (matcher.op == "=")
    values = listed(matcher.value)
    if values is None:
        found = compiled(matcher.value).fullmatch(value) is not None
    else:
        found = value in values
    return found == (matcher.op == "=~")


def matches(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Whether all matchers are satisfied; no matchers match everything."""
    return all(value_matches(each, labels.get(each.label, "")) for each in matchers)


def routes_of(
    route: Route, labels: Mapping[str, str], path: tuple[int, ...] = ()
) -> list[tuple[int, ...]]:
    """Paths of the routes an alert ends at; `dispatch/route.go`, ``Route.Match``."""
    if not matches(route.matchers, labels):
        return []
    found: list[tuple[int, ...]] = []
    for position, child in enumerate(route.routes):
        below = routes_of(child, labels, (*path, position))
        found += below
        if below and not child.continues:
            break
    return found or [path]
