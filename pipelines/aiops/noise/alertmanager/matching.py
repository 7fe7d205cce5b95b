"""Whether a label set matches; `pkg/labels/matcher.go`."""

from collections.abc import Mapping, Sequence

from pipelines.aiops.noise.alertmanager.model import Route
from pipelines.aiops.noise.alertmanager.regex import compiled
from pipelines.aiops.noise.rules import Matcher


def value_matches(matcher: Matcher, value: str) -> bool:
    """Whether one value (empty: label missing) satisfies one matcher."""
    if matcher.op in {"=", "!="}:
        return (value == matcher.value) == (matcher.op == "=")
    found = compiled(matcher.value).fullmatch(value) is not None
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
