"""Formulas of KPIs: arithmetic over figures, and nothing else.

Grammar, with the usual precedence::

    sum     = product (("+" | "-") product)*
    product = sign (("*" | "/") sign)*
    sign    = "-"* atom
    atom    = number | figure | ("min" | "max") "(" sum ("," sum)* ")" | "(" sum ")"
    figure  = stage.name, stage.name:group, or any id in backticks: `stage.name:a & b-c`

A parser of its own and not Python's: nothing in a formula can name a Python object, so there is
nothing to be kept from being called, and its length and depth have limits.

Section ``kpis`` of ``release.yaml``.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pipelines.core.evidence import refuse_old
from pipelines.core.settings import Name, Section, Slug
from pipelines.release.products import DEFAULT

MAX_LENGTH = 500
MAX_DEPTH = 30


class FormulaError(ValueError):
    """A formula that cannot be read; the message says where."""


class UndefinedError(ValueError):
    """A formula that has no value for these figures; the message says why."""


@dataclass(frozen=True)
class Number:
    """A number as it stands in the formula.

    Attributes
    ----------
    value : float
    """

    value: float


@dataclass(frozen=True)
class Figure:
    """The value of the figure called `id`.

    Attributes
    ----------
    id : str
        ``stage.name`` or ``stage.name:group``.
    """

    id: str


@dataclass(frozen=True)
class Operation:
    """``+ - * / min max``, or ``neg`` with one part.

    Attributes
    ----------
    name : str
        ``+``, ``-``, ``*``, ``/``, ``min``, ``max`` or ``neg``.
    parts : tuple of Number, Figure or Operation
        The operands, in order.
    """

    name: str
    parts: "tuple[Formula, ...]"


Formula = Number | Figure | Operation

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<figure>[a-z_]+\.[A-Za-z]\w*(?::[\w&]+)?)
    | `(?P<quoted>[a-z_]+\.[^`\s](?:[^`]*[^`\s])?)`
    | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<call>min|max)\b
    | (?P<sign>[-+*/(),])
    )""",
    re.VERBOSE | re.ASCII,
)


def parse(text: str) -> Formula:
    """Read a formula.

    Parameters
    ----------
    text : str
        The formula, at most `MAX_LENGTH` characters.

    Returns
    -------
    Number, Figure or Operation
        The root of the expression tree.

    Raises
    ------
    FormulaError
        Naming the place that cannot be read.
    """
    if len(text) > MAX_LENGTH:
        raise FormulaError(f"formula is longer than {MAX_LENGTH} characters")
    parser = _Parser(text)
    found = parser.sum(0)
    parser.end()
    return found


def figures_in(formula: Formula) -> list[str]:
    """List the ids of the figures a formula asks for, each once, in order.

    Parameters
    ----------
    formula : Number, Figure or Operation
        A parsed formula.

    Returns
    -------
    list of str
    """
    if isinstance(formula, Figure):
        return [formula.id]
    if isinstance(formula, Number):
        return []
    return list(dict.fromkeys(i for part in formula.parts for i in figures_in(part)))


def value_of(formula: Formula, figures: Mapping[str, float]) -> float:
    """Compute the value of a formula.

    Parameters
    ----------
    formula : Number, Figure or Operation
        A parsed formula.
    figures : mapping of str to float
        Id → value of every figure that has one.

    Returns
    -------
    float
        A finite number.

    Raises
    ------
    UndefinedError
        If a figure has no value, something is divided by 0, or the result isn't finite.
    """
    value = _value(formula, figures)
    if not math.isfinite(value):
        raise UndefinedError("the result is not a finite number")
    return value


def _value(formula: Formula, figures: Mapping[str, float]) -> float:
    if isinstance(formula, Number):
        return formula.value
    if isinstance(formula, Figure):
        if formula.id not in figures:
            raise UndefinedError(f"{formula.id} has no value")
        return figures[formula.id]
    parts = [_value(part, figures) for part in formula.parts]
    if formula.name == "/" and parts[1] == 0:
        raise UndefinedError("division by 0")
    return _OPERATIONS[formula.name](*parts)


_OPERATIONS: dict[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "neg": lambda a: -a,
    "min": lambda *parts: min(parts),
    "max": lambda *parts: max(parts),
}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    """Recursive descent, one method a rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0

    def sum(self, depth: int) -> Formula:
        return self._chain(self.product, "+-", depth)

    def product(self, depth: int) -> Formula:
        return self._chain(self.sign, "*/", depth)

    def sign(self, depth: int) -> Formula:
        negative = False
        while self._take("-"):
            negative = not negative
        atom = self.atom(depth)
        return Operation("neg", (atom,)) if negative else atom

    def atom(self, depth: int) -> Formula:
        if depth > MAX_DEPTH:
            raise FormulaError(f"formula is nested deeper than {MAX_DEPTH} brackets")
        token = self._tokens[self._next]
        self._next += 1
        if token.kind == "number":
            return Number(float(token.text))
        if token.kind in ("figure", "quoted"):
            return Figure(token.text)
        if token.kind == "call":
            return self._call(token.text, depth)
        if token.text == "(":
            inner = self.sum(depth + 1)
            self._expect(")")
            return inner
        raise FormulaError(
            f"at {token.at}: expected a number, a figure like evaluate.roc_auc, min, max or "
            f"'(', found {token.text or 'the end'!r}"
        )

    def end(self) -> None:
        if self._tokens[self._next].kind != "end":
            token = self._tokens[self._next]
            raise FormulaError(f"at {token.at}: expected + - * / or the end, found {token.text!r}")

    def _chain(self, rule: Callable[[int], Formula], signs: str, depth: int) -> Formula:
        left = rule(depth)
        while self._tokens[self._next].kind == "sign" and self._tokens[self._next].text in signs:
            name = self._tokens[self._next].text
            self._next += 1
            left = Operation(name, (left, rule(depth)))
        return left

    def _call(self, name: str, depth: int) -> Formula:
        self._expect("(")
        parts = [self.sum(depth + 1)]
        while self._take(","):
            parts.append(self.sum(depth + 1))
        self._expect(")")
        return Operation(name, tuple(parts))

    def _take(self, sign: str) -> bool:
        token = self._tokens[self._next]
        found = token.kind == "sign" and token.text == sign
        self._next += found
        return found

    def _expect(self, sign: str) -> None:
        token = self._tokens[self._next]
        if not self._take(sign):
            raise FormulaError(
                f"at {token.at}: expected {sign!r}, found {token.text or 'the end'!r}"
            )


def _tokens(text: str) -> list[_Token]:
    """Cut a formula into tokens; the last one is the end."""
    tokens, at = [], 0
    stop = len(text.rstrip())
    while at < stop:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise FormulaError(
                f"at {at}: cannot read {text[at : at + 20].strip()!r}; allowed are numbers, ids of "
                "figures (with other characters than letters, digits, _ : & in backticks), "
                "+ - * / ( ) , min and max"
            )
        tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start()))
        at = match.end()
    return [*tokens, _Token("end", "", at)]


LIVE = "live"
"""Figures ``live.…`` are measured by monitoring on what was scored, not by a stage."""


class Kpi(Section):
    """One KPI."""

    id: Slug
    owner: Name
    """Who answers for it."""
    measures: Name
    """What it says, in words its owner would use."""
    formula: Name
    """Over ids of figures, see `formula`."""
    target: float
    """Number that the KPI's value is compared with."""
    direction: Literal["at_least", "at_most"]
    """On which side of the target the KPI is met."""
    unit: str = ""
    product: Slug = DEFAULT
    """Whose releases it follows: its trend is over this product's entries in the ledger."""

    @field_validator("formula")
    @classmethod
    def _can_be_parsed(cls, formula: str) -> str:
        try:
            parsed = parse(formula)
        except FormulaError as error:
            raise ValueError(str(error)) from error
        for name in figures_in(parsed):
            refuse_old(name)
        return formula


class KpisParams(Section):
    """The list of KPIs, in the order in which they are shown."""

    definitions: list[Kpi] = Field(default_factory=list, max_length=100)

    def of(self, product: str) -> list[Kpi]:
        """KPIs of a product."""
        return [kpi for kpi in self.definitions if kpi.product == product]

    def products(self) -> list[str]:
        """Products with KPIs, in the order in which they first stand in the file."""
        return list(dict.fromkeys(kpi.product for kpi in self.definitions))

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        ids = [kpi.id for kpi in self.definitions]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"KPI ids must differ; used twice: {twice}")
        return self
