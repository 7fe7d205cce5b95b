"""Personal data and secrets are masked before a line is stored, shown or mined."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from pipelines.aiops.log_parsing.mask_patterns import BY_NAME, Kind
from pipelines.aiops.params.telemetry import DEFAULT_KINDS, KINDS
from pipelines.core.arrays import as_array
from pipelines.core.errors import SignalboxError

__all__ = ["DEFAULT_KINDS", "KINDS", "Masked", "mask"]


# A number joined to something before it is an id (blk_-4111…); one in ten passes the check.
_JOINS = ("-", "_", ".", "/", "#", "@", "+")


@dataclass(frozen=True)
class Masked:
    """Lines without personal data.

    Attributes
    ----------
    lines : pyarrow.LargeStringArray, shape (lines,)
        As long as the input.
    counts : dict of str to int
        For each kind the number of lines in which it was masked.
    """

    lines: Any
    counts: dict[str, int]


def mask(lines: Any, kinds: Sequence[str] = DEFAULT_KINDS) -> Masked:
    """Mask personal data and secrets.

    Parameters
    ----------
    lines : sequence of str or pyarrow array, shape (lines,)
    kinds : sequence of str
        What to mask (:data:`~pipelines.aiops.params.telemetry.KINDS`); none: nothing.

    Returns
    -------
    Masked
        The lines, and how many were touched. Masking masked lines changes nothing.

    Raises
    ------
    SignalboxError
        If there is no such kind.
    """
    import pyarrow.compute as pc

    if unknown := sorted(set(kinds) - set(KINDS)):
        raise SignalboxError(
            f"no kind of personal data {unknown[0]!r}; there are {', '.join(KINDS)}"
        )
    wanted = tuple(kind for kind in KINDS if kind in kinds)
    array = as_array(lines)
    counts = dict.fromkeys(wanted, 0)
    if not wanted or not len(array):
        return Masked(array, counts)
    # One pass with all patterns finds the few lines that hold anything to mask.
    candidates = pc.match_substring_regex(array, _combined(wanted))
    rows = np.flatnonzero(candidates.to_numpy(zero_copy_only=False))
    if not len(rows):
        return Masked(array, counts)
    found = array.take(rows)
    for name in wanted:
        masked = _apply(found, BY_NAME[name])
        counts[name] = int(pc.sum(pc.not_equal(masked, found)).as_py())
        found = masked
    return Masked(pc.replace_with_mask(array, candidates, found), counts)


@cache
def _combined(kinds: tuple[str, ...]) -> str:
    return "|".join(f"(?:{BY_NAME[name].pattern})" for name in kinds)


def _apply(lines: Any, kind: Kind) -> Any:
    import pyarrow.compute as pc

    if kind.checked:
        return _checked(lines, kind)
    return pc.replace_substring_regex(lines, kind.pattern, kind.replacement)


def _checked(lines: Any, kind: Kind) -> Any:
    # Lines with a number as long as a card's are rare; only they are looked at one by one.
    import pyarrow as pa
    import pyarrow.compute as pc

    candidates = pc.match_substring_regex(lines, kind.pattern)
    rows = np.flatnonzero(candidates.to_numpy(zero_copy_only=False))
    if not len(rows):
        return lines
    pattern = re.compile(kind.pattern, re.ASCII)

    def judged(match: re.Match[str]) -> str:
        return kind.replacement if is_card(match) else match[0]

    texts = [pattern.sub(judged, text) for text in lines.take(rows).to_pylist()]
    return pc.replace_with_mask(lines, candidates, pa.array(texts, pa.large_string()))


def is_card(match: re.Match[str]) -> bool:
    """Return whether what looks like a card's number is one: it passes the check, and isn't an id.

    Parameters
    ----------
    match : re.Match
        Of the pattern of kind ``card``.

    Returns
    -------
    bool
    """
    joined = match.string[max(match.start() - 1, 0) : match.start()] in _JOINS
    return not joined and luhn(match[0])


def luhn(text: str) -> bool:
    """Return whether the digits in a text pass the check of card numbers.

    Parameters
    ----------
    text : str
        Other characters are skipped.

    Returns
    -------
    bool

    References
    ----------
    ISO/IEC 7812 (Luhn's algorithm).
    """
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return sum(digits[::-2], sum(doubled)) % 10 == 0
