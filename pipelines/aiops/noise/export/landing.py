"""Whether two sets of matchers can match the same alert."""

from collections.abc import Sequence

from pipelines.aiops.noise.alertmanager import value_matches, values_of
from pipelines.aiops.noise.rules import Matcher


def disjoint(one: Sequence[Matcher], other: Sequence[Matcher]) -> bool:
    """Whether no alert can match both, as far as listed values tell."""
    return any(_apart(left, right) for left in one for right in other if left.label == right.label)


def _apart(left: Matcher, right: Matcher) -> bool:
    for mine, theirs in ((left, right), (right, left)):
        values = values_of(mine)
        if values is not None:
            return not any(value_matches(theirs, value) for value in values)
    return False
