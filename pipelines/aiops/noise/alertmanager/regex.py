r"""Regexes of matchers: Go's RE2 syntax, matched against whole values, with Python's `re`.

Where the two differ we refuse rather than guess: what Python knows and RE2 doesn't
(look-around, back-references, atomic groups, possessive quantifiers, conditionals) is an error in
Alertmanager too; what RE2 knows and Python doesn't (``\pL``, ``\C``, ``[[:alpha:]]``, …) is
translated where that is exact (``\z``, POSIX classes in ASCII) and refused otherwise.
"""

import re
from functools import lru_cache

from pipelines.base.errors import SignalboxError

_FOREIGN = re.compile(
    r"""\(\?(?:[=!>(\#]|<[=!]|P=)     # look-around, atomic, conditional, comment, reference
      | [*+?}]\+                      # possessive
      | \\(?:[1-9pPCQEXRKGhHNZgk]|u|U|a(?!\w)) # references, Unicode classes, quoting
    """,
    re.VERBOSE,
)
_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ",
    "cntrl": r"\x00-\x1F\x7F", "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_POSIX_CLASS = re.compile(r"\[:(\^?)(\w+):\]")


def _posix(found: re.Match[str]) -> str:
    negated, name = found.groups()
    if negated or name not in _POSIX:
        raise SignalboxError(f"regex class {found.group()} is not supported; write its characters")
    return _POSIX[name]


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile an anchored RE2 regex with Python's `re`.

    Raises
    ------
    SignalboxError
        Invalid, or something the two engines understand differently.
    """
    bare = re.sub(r"\\\\", "", pattern)
    foreign = _FOREIGN.search(bare)
    if foreign:
        raise SignalboxError(
            f"regex {pattern!r} has {foreign.group()!r}, which Alertmanager (RE2) or Signalbox "
            "don't support; write it without"
        )
    translated = _POSIX_CLASS.sub(_posix, pattern).replace(r"\z", r"\Z")
    try:
        # ASCII: \d, \w, \s and \b mean ASCII in RE2.
        return re.compile(f"(?:{translated})", re.ASCII)
    except re.error as error:
        raise SignalboxError(f"regex {pattern!r} is invalid: {error}") from error
