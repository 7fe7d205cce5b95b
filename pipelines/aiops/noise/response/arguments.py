"""Arguments of an action: label values go in as whole words, never through a shell."""

import re
from collections.abc import Mapping

from pipelines.aiops.params.response import ActionParams
from pipelines.base.errors import SignalboxError

_LONGEST = 256
_PLACE = re.compile(r"\{([^{}]*)\}")


class UnsafeValueError(SignalboxError):
    """A label value that must not become an argument."""


def arguments(action: ActionParams, labels: Mapping[str, str], *, rule: str, fix: str) -> list[str]:
    """Fill in an action's arguments.

    Raises
    ------
    UnsafeValueError
        If a label is missing or its value doesn't have the form that the action allows: an alert's
        labels come from outside, and somebody may have put ``--force`` or ``../..`` there.
    SignalboxError
        If a placeholder isn't one.
    """
    return [_filled(text, action, labels, rule, fix) for text in action.args]


def _filled(text: str, action: ActionParams, labels: Mapping[str, str], rule: str, fix: str) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1]
        if name in ("rule", "fix"):
            return rule if name == "rule" else _safe(fix, "fix", action)
        if not name.startswith("labels."):
            raise SignalboxError(
                f"params.yaml: aiops.response.actions: {action.id}: {found[0]} is no placeholder; "
                "use {labels.NAME}, {rule} or {fix}"
            )
        label = name.removeprefix("labels.")
        return _safe(labels.get(label, ""), f"label {label}", action)

    return _PLACE.sub(value, text)


def _safe(value: str, what: str, action: ActionParams) -> str:
    try:
        fits = re.fullmatch(action.label_pattern, value) is not None
    except re.error as error:
        raise SignalboxError(
            f"params.yaml: aiops.response.actions: {action.id}: label_pattern: {error}"
        ) from error
    odd = not value.isprintable() or value.startswith("-") or ".." in value
    if not fits or odd or len(value) > _LONGEST:
        raise UnsafeValueError(f"{what} has no value that {action.id} may be given")
    return value
