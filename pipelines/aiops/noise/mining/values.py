"""Matchers that list values."""

from collections.abc import Sequence

from pipelines.aiops.noise.rules import Matcher

_SPECIAL = frozenset(r"\.+*?()|[]{}^$")


def quoted(value: str) -> str:
    """`value` as a regular expression that matches it alone (what Go calls QuoteMeta)."""
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in value)


def one_of(label: str, values: Sequence[str]) -> Matcher:
    """Match exactly these values of a label; the empty one is a missing label."""
    if len(values) == 1:
        return Matcher(label=label, op="=", value=values[0])
    return Matcher(label=label, op="=~", value="|".join(quoted(value) for value in values))
