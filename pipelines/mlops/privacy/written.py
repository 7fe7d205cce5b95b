"""Keys as they are written in the source, against numbers that stand for them elsewhere.

Tables of versions that typed keys, and tables of others, hold numbers: 1 may have been "1" or
"00001", 1234567890123456768.0 any of some hundred people. Whose row it is, only the keys in the
source can tell, and only if no two of them are the same number.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from pipelines.mlops.columns import as_label

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DIGITS = 40
"""No integer column holds numbers of more digits."""


@dataclass(frozen=True)
class Number:
    """Numbers that a key may have become.

    Attributes
    ----------
    near
        As float64; several keys may share it.
    exact
        Digits of the whole number it is; empty if it is none that an integer column holds.
    """

    near: float
    exact: str


def number_of(key: str, decimal: str) -> Number | None:
    """Read the number that `key` looks like; None if it looks like none."""
    text = key.strip().replace(decimal, ".")
    if not _NUMBER.fullmatch(text):
        return None
    near = float(text)
    if abs(near) == float("inf"):
        return None
    try:
        value = Decimal(text)
        whole = value.adjusted() < _DIGITS and value == value.to_integral_value()
    except ArithmeticError:
        whole = False
    return Number(near, str(int(value)) if whole else "")


@dataclass
class Written:
    """Keys that stand in the source, and which of them are like the subject's.

    Attributes
    ----------
    subject
        The subject's key.
    decimal
        Decimal mark of numbers in the source.
    keys
        All keys that are known to be written somewhere.
    """

    subject: str = field(repr=False)
    decimal: str = "."
    keys: set[str] = field(default_factory=set, repr=False)
    alike: set[str] = field(default_factory=set, repr=False)
    """Other keys that are told apart only by what a person overlooks."""
    around: set[str] = field(default_factory=set, repr=False)
    """Other keys that the subject's key is a part of."""

    def __post_init__(self) -> None:
        """Say what the subject's key looks like once."""
        self.number = number_of(self.subject, self.decimal)
        self._folded = _fold(self.subject)

    def add(self, keys: Iterable[str]) -> None:
        """Take note of keys."""
        for key in set(keys) - self.keys:
            self.keys.add(key)
            if key == self.subject:
                continue
            if self.subject in key:
                self.around.add(key)
            if _fold(key) == self._folded or self._near(key):
                self.alike.add(key)

    def _near(self, key: str) -> bool:
        if self.number is None:
            return False
        number = number_of(key, self.decimal)
        return number is not None and number.near == self.number.near

    def claimants(self, *, exact: bool) -> set[str]:
        """Keys that a row with the subject's number may belong to.

        Parameters
        ----------
        exact
            The number stands in a column of integers, not of floats.
        """
        if self.number is None:
            return set()
        text = self.number.exact if exact else as_label(self.number.near)
        if not text:
            return set()
        found = {key for key in self.alike if self._is(key, exact=exact)}
        if not self.keys:
            return {self.subject, text}
        if self.subject in self.keys or self.subject == text:
            found.add(self.subject)
        return found

    def _is(self, key: str, *, exact: bool) -> bool:
        number = number_of(key, self.decimal)
        if number is None or self.number is None:
            return False
        return number.exact == self.number.exact if exact else number.near == self.number.near

    def former(self) -> set[str]:
        """Other texts under which versions that typed keys may have kept the subject."""
        texts = {self.subject.strip()}
        if self.number is not None:
            texts |= {self.number.exact, as_label(self.number.near)}
        return {text for text in texts - self.keys - {self.subject} if text}


def _fold(key: str) -> str:
    """`key` without what a reader overlooks: blanks around, case, forms of the same letter."""
    return unicodedata.normalize("NFKC", key).strip().casefold()
