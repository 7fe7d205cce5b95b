"""What personal data and secrets look like: one RE2 pattern a kind.

When in doubt a pattern masks: a version number of four parts is taken for an address rather than an
address for a version. Cards are the exception, since any long number looks like one: they are
checked (first digit of an issuer of cards, Luhn, not joined to anything before).
"""

from __future__ import annotations

from dataclasses import dataclass

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_HEXTET = r"[0-9A-Fa-f]{1,4}"
_SECRET_NAMES = (
    r"pass(?:word|wd|phrase)|pwd|secret|token|api[_-]?key|apikey|access[_-]?key|private[_-]?key"
    r"|client[_-]?secret|auth[_-]?key|session[_-]?token|authorization"
)


@dataclass(frozen=True)
class Kind:
    r"""One kind of data to mask.

    Attributes
    ----------
    name : str
        As in params.
    pattern : str
        RE2; what its groups capture is kept around the mask.
    replacement : str
        What stands there afterwards, with ``\1`` for the group.
    checked : bool
        Whether a match is masked only if its digits pass the Luhn check.
    """

    name: str
    pattern: str
    replacement: str
    checked: bool = False


_ALL = (
    Kind(
        "token",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"
        r"|\beyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]*)?"
        r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"
        r"|\bgh[pousr]_[0-9A-Za-z]{20,}|\bgithub_pat_[0-9A-Za-z_]{20,}|\bglpat-[0-9A-Za-z_-]{16,}"
        r"|(?i:\b(?:bearer|basic)\s)\s*[0-9A-Za-z._~+/=-]{16,}"
        r"|\bxox[a-z]-[0-9A-Za-z-]{10,}|\b[sr]k_(?:live|test)_[0-9A-Za-z]{10,}",
        "<token>",
    ),
    Kind(
        "secret",
        rf"((?i:\b[0-9A-Za-z_.-]*(?:{_SECRET_NAMES})[\"']?\s*[=:]\s*[\"']?))"
        r"(?:(?i:(?:bearer|basic)\s+))?[^\s\"',;&<>(){}\[\]]+",
        r"\1<secret>",
    ),
    Kind("credentials", r"(\b[0-9A-Za-z+.]+://[^\s/:@<]*:)[^\s/@<]+@", r"\1<secret>@"),
    Kind(
        "mail",
        r"[0-9A-Za-z._%+-]+@[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)+",
        "<mail>",
    ),
    Kind("ip", rf"\b(?:{_OCTET}\.){{3}}{_OCTET}\b", "<ip>"),
    Kind(
        "ipv6",
        # Whole, or with one gap; a lone "::" is left: it is C++ more often than an address.
        rf"(?:\b(?:{_HEXTET}:){{7}}{_HEXTET}\b"
        rf"|\b{_HEXTET}(?::{_HEXTET}){{0,6}}::(?:{_HEXTET}(?::{_HEXTET}){{0,6}})?"
        rf"|\B::{_HEXTET}(?::{_HEXTET}){{0,6}}\b)",
        "<ip>",
    ),
    Kind("card", r"\b[2-6](?:[ -]?[0-9]){12,18}\b", "<card>", checked=True),
    Kind(
        "phone",
        r"\+[1-9][0-9]{0,2}[ .-]?(?:\([0-9]{1,4}\)[ .-]?)?[0-9]{1,4}(?:[ .-]?[0-9]{2,4}){1,4}\b",
        "<phone>",
    ),
)
BY_NAME = {kind.name: kind for kind in _ALL}
"""Name of a kind (`pipelines.aiops.params.telemetry.KINDS`) → what it looks like."""
