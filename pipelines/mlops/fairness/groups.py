"""Who is compared with whom: group labels from sensitive columns, as small integer codes.

A *feature* is one sensitive column (sex, race, age band). A *dimension* is what an audit looks at:
one feature alone, or an intersection of several. Rows with a missing value are kept in an explicit
``unknown`` category, because 6 RCNY § 5-301 asks for their number and because a silently dropped
row is how an audit starts to lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, field_validator

UNKNOWN: Final = "unknown"
"""Label of the category for missing values."""

JOIN: Final = " & "
"""Joins the parts of an intersection: dimension ``sex & race``, group ``Female & Black``."""

_EN_DASH: Final = "\u2013"

Codes = NDArray[np.int32]


class FeatureSpec(BaseModel):
    """How one sensitive column becomes groups.

    Parameters
    ----------
    name : str
        Column name.
    edges : tuple of float, default=()
        Inner band edges for a numeric column, strictly increasing; a band holds its lower edge.
        Empty means the column is categorical.
    unknown_values : tuple of str, default=()
        Values that mean "not known" besides the missing ones, such as ``"?"`` in UCI Adult.
        Compared after stripping blanks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    edges: tuple[float, ...] = ()
    unknown_values: tuple[str, ...] = ()

    @field_validator("edges")
    @classmethod
    def _edges_increase(cls, edges: tuple[float, ...]) -> tuple[float, ...]:
        finite = all(math.isfinite(edge) for edge in edges)
        if not finite or any(a >= b for a, b in pairwise(edges)):
            raise ValueError(f"band edges must be finite and strictly increasing, got {edges}")
        return edges


@dataclass(frozen=True)
class Feature:
    """A coded feature: its levels in a fixed order.

    Attributes
    ----------
    name : str
        Column name.
    levels : tuple of str
        Labels of the groups, ``unknown`` last when there is one.
    banded : bool
        Whether the levels are bands of a number.
    """

    name: str
    levels: tuple[str, ...]
    banded: bool = False

    @property
    def known_levels(self) -> tuple[str, ...]:
        """The levels without ``unknown``."""
        return tuple(level for level in self.levels if level != UNKNOWN)


@dataclass(frozen=True)
class GroupCodes:
    """Coded sensitive features of N rows.

    Attributes
    ----------
    features : tuple of Feature
        F of them.
    codes : tuple of ndarray of int32, each of shape (N,)
        One array per feature: ``codes[f][row]`` indexes ``features[f].levels``.
    """

    features: tuple[Feature, ...]
    codes: tuple[Codes, ...]

    def __len__(self) -> int:
        return len(self.codes[0]) if self.codes else 0


def encode_groups(frame: pd.DataFrame, specs: Sequence[FeatureSpec]) -> GroupCodes:
    """Code the sensitive columns of a frame.

    Parameters
    ----------
    frame : pandas.DataFrame
        One row per person, or one per already grouped combination.
    specs : sequence of FeatureSpec
        The sensitive columns; at least one, names distinct.

    Returns
    -------
    GroupCodes
        Levels and codes; the levels of a categorical column are those that occur, in natural
        order, so that the result doesn't depend on the order of the rows or the column's dtype.

    Raises
    ------
    ValueError
        No column, a name used twice, a column that is not there, or a value in a numeric column
        that is neither a number nor declared in ``unknown_values``.
    """
    names = [spec.name for spec in specs]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"an audit needs distinct sensitive columns, got {names}")
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise ValueError(f"sensitive columns not in the data: {', '.join(absent)}")
    coded = [_encode_column(frame[spec.name], spec) for spec in specs]
    return GroupCodes(tuple(feature for feature, _ in coded), tuple(codes for _, codes in coded))


def dimensions(
    names: Iterable[str], intersections: Iterable[Sequence[str]] = ()
) -> tuple[tuple[str, ...], ...]:
    """List what is audited: each feature alone, then the requested intersections.

    Parameters
    ----------
    names : iterable of str
        Feature names.
    intersections : iterable of sequences of str
        Feature names to cross, such as ``[("sex", "race")]``.

    Returns
    -------
    tuple of tuples of str

    Raises
    ------
    ValueError
        An intersection names an unknown feature, repeats one, or has fewer than two.
    """
    singles = [(name,) for name in names]
    known = {name for (name,) in singles}
    crossed: list[tuple[str, ...]] = []
    for intersection in map(tuple, intersections):
        if len(intersection) < 2 or len(set(intersection)) != len(intersection):
            raise ValueError(f"an intersection needs two or more distinct features: {intersection}")
        if not set(intersection) <= known:
            raise ValueError(f"intersection {intersection} names a feature that is not audited")
        if intersection not in crossed:
            crossed.append(intersection)
    return tuple(singles) + tuple(crossed)


def order_levels(labels: Iterable[str]) -> tuple[str, ...]:
    """Put labels in natural order: numbers by value, then words, ``unknown`` last.

    Parameters
    ----------
    labels : iterable of str
        Repetitions are allowed.

    Returns
    -------
    tuple of str
        Each label once.
    """
    return tuple(sorted(set(labels), key=_natural_key))


def band_labels(edges: Sequence[float]) -> tuple[str, ...]:
    """Name the bands between edges.

    Labels depend on the edges only, never on the data, so that two files agree. Whole-number edges
    give the labels used for completed years: an age of 44.5 is in the band that ends at 44.

    Parameters
    ----------
    edges : sequence of float
        Inner edges, strictly increasing; a band holds its lower edge.

    Returns
    -------
    tuple of str
        One label more than there are edges.

    Raises
    ------
    ValueError
        There is no edge.

    Examples
    --------
    >>> band_labels([25, 45])
    ('<25', '25\u201344', '45+')
    """
    if not edges:
        raise ValueError("bands need at least one edge")
    whole = all(float(edge).is_integer() for edge in edges)
    shown = [str(int(edge)) if whole else f"{edge:g}" for edge in edges]
    middle = [
        _band(int(low), int(high)) if whole else f"{low:g}{_EN_DASH}<{high:g}"
        for low, high in pairwise(edges)
    ]
    return (f"<{shown[0]}", *middle, f"{shown[-1]}+")


def _band(low: int, high: int) -> str:
    return str(low) if high - low == 1 else f"{low}{_EN_DASH}{high - 1}"


def _natural_key(label: str) -> tuple[int, float, str]:
    if label == UNKNOWN:
        return (2, 0.0, label)
    try:
        number = float(label)
    except ValueError:
        return (1, 0.0, label)
    return (0, number, label) if math.isfinite(number) else (1, 0.0, label)


def _encode_column(column: pd.Series[Any], spec: FeatureSpec) -> tuple[Feature, Codes]:
    return _encode_bands(column, spec) if spec.edges else _encode_categories(column, spec)


def _encode_categories(column: pd.Series[Any], spec: FeatureSpec) -> tuple[Feature, Codes]:
    raw, uniques = pd.factorize(column, use_na_sentinel=True)
    labels = [_label(value, spec.unknown_values) for value in uniques]
    # Labels are translated once per distinct value; code -1 (missing) reads the last entry.
    seen = labels + ([UNKNOWN] if bool((raw < 0).any()) else [])
    levels = order_levels(seen)
    position = {level: index for index, level in enumerate(levels)}
    lookup = np.array([position[label] for label in labels] + [position.get(UNKNOWN, 0)], np.int32)
    return Feature(spec.name, levels), lookup[raw]


def _label(value: object, unknown_values: tuple[str, ...]) -> str:
    # 1.0 and 1 are one group: an integer column turns float as soon as one value is missing.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return UNKNOWN if not text or text in unknown_values else text


def _encode_bands(column: pd.Series[Any], spec: FeatureSpec) -> tuple[Feature, Codes]:
    numbers = _numbers(column, spec)
    bands = band_labels(spec.edges)
    # side=right: a band holds its lower edge. NaN sorts last and is overwritten below.
    codes = np.searchsorted(np.asarray(spec.edges, float), numbers, side="right").astype(np.int32)
    missing = np.isnan(numbers)
    if not bool(missing.any()):
        return Feature(spec.name, bands, banded=True), codes
    codes[missing] = len(bands)
    return Feature(spec.name, (*bands, UNKNOWN), banded=True), codes


def _numbers(column: pd.Series[Any], spec: FeatureSpec) -> NDArray[np.float64]:
    if pd.api.types.is_numeric_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    text = column.astype("string").str.strip()
    declared = text.isin([*spec.unknown_values, ""]).fillna(False)
    numbers = pd.to_numeric(text.mask(declared), errors="coerce")
    bad = text[numbers.isna() & ~declared & text.notna()]
    if len(bad):
        raise ValueError(
            f"column {spec.name!r} has {len(bad)} values that are not numbers, such as "
            f"{bad.iloc[0]!r}; list them under unknown_values if they mean 'not known'"
        )
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
