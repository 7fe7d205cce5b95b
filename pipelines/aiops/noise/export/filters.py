"""Keep those results of a PromQL expression whose labels match, whatever the expression is.

PromQL has no operator for that. A label is set where the value matches (`label_replace` with a
regex), the vector is joined with a constant that has this label, and the label is taken off again.
"""

from collections.abc import Iterable

from pipelines.aiops.noise.export.scalars import quoted, re2_escape
from pipelines.aiops.noise.rules import Matcher

_FLAG = "signalbox_rule"
_CONSTANT = f'label_replace(vector(1), "{_FLAG}", "1", "{_FLAG}", ".*")'


def matching(expr: str, matchers: Iterable[Matcher]) -> str:
    """Return `expr` without the results whose labels don't match."""
    for one in matchers:
        pattern = one.value if one.op in ("=~", "!~") else re2_escape(one.value)
        keeps = "and" if one.op in ("=", "=~") else "unless"
        flagged = (
            f'label_replace(\n{expr}\n, "{_FLAG}", "1", {quoted(one.label)}, {quoted(pattern)})'
        )
        expr = (
            f"label_replace(\n{flagged}\n{keeps} on ({_FLAG}) {_CONSTANT}\n"
            f', "{_FLAG}", "", "{_FLAG}", ".*")'
        )
    return expr


def without(expr: str, taken: Iterable[str]) -> str:
    """Return `expr` without the results of other expressions made from it."""
    result = f"(\n{expr}\n)"
    for one in taken:
        result += f"\nunless\n{one}"
    return result
