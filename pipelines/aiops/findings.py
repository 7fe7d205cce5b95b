"""One shape for everything that detectors find: in metrics, logs, the service map, alerts, changes.

A finding says where, from when to when, how rare, what was expected and what was seen, in numbers
and in one sentence. Incidents group findings, reports show them; neither needs to know the
detector.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pipelines.base.errors import SignalboxError
from pipelines.base.numbers import tidy

Signal = Literal["metric", "log", "service_map", "alert", "change"]
SIGNALS: tuple[str, ...] = get_args(Signal)
SERVICE_LABELS = ("service", "service_name", "service.name", "app", "application", "job",
                  "namespace")  # fmt: skip
"""Labels that may name a service, best first."""


def service_of(labels: Mapping[str, str]) -> str:
    """Tell the service that labels name; empty if none does."""
    return next((labels[name] for name in SERVICE_LABELS if labels.get(name)), "")


@dataclass(frozen=True)
class Finding:
    """Something unusual that a detector found.

    Attributes
    ----------
    id
        `finding_id` of signal, kind, subject and start: the same finding of another run has the
        same id.
    signal
        What it was found in.
    kind
        What it is, in the detector's vocabulary: ``spike``, ``level_shift``, ``new_template``, …
    service, instance
        Where; empty if not known. Shown to people, so treated as data everywhere.
    labels
        Other labels of the subject (metric name as ``__name__``, edge as ``from`` and ``to``, …).
    start_us, end_us
        UTC, microseconds since 1970; the end is that of the last unusual observation and never
        before the start.
    score
        How rare: -log10 of the chance of at least this in data without anomalies, after correction
        for everything else that was looked at in the run. 2: one in a hundred runs. Zero or more.
    sentence
        One sentence for people, without markup.
    expected_low, expected_high, observed
        Expected band and the most unusual value seen, in the subject's unit; None if there is no
        such number.
    evidence
        Numbers and names behind it, JSON values only.
    """

    id: str
    signal: Signal
    kind: str
    service: str
    instance: str
    labels: Mapping[str, str]
    start_us: int
    end_us: int
    score: float
    sentence: str
    expected_low: float | None = None
    expected_high: float | None = None
    observed: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise SignalboxError(
                f"finding {self.id}: signal {self.signal!r} is none of {', '.join(SIGNALS)}"
            )
        if self.end_us < self.start_us:
            raise SignalboxError(
                f"finding {self.id}: end_us {self.end_us} lies before start_us {self.start_us}"
            )
        if not 0 <= self.score < float("inf"):
            raise SignalboxError(
                f"finding {self.id}: score {self.score} must be zero or more and finite"
            )

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values, floats rounded, keys in a fixed order."""
        return tidy(
            {
                "id": self.id,
                "signal": self.signal,
                "kind": self.kind,
                "service": self.service,
                "instance": self.instance,
                "labels": dict(sorted(self.labels.items())),
                "start_us": self.start_us,
                "end_us": self.end_us,
                "score": float(self.score),
                "sentence": self.sentence,
                "expected_low": self.expected_low,
                "expected_high": self.expected_high,
                "observed": self.observed,
                "evidence": dict(self.evidence),
            }
        )

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Finding:
        """Return the finding that `as_json` wrote.

        Raises
        ------
        SignalboxError
            If keys are missing or unknown.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise SignalboxError(f"not a finding: {error}") from None


def finding_id(signal: str, kind: str, subject: Mapping[str, str], start_us: int) -> str:
    """Return an id that depends on what was found where and since when, and on nothing else.

    Parameters
    ----------
    signal, kind
        As in `Finding`.
    subject
        Whatever identifies the subject: service, instance, labels, fingerprint, template id.
    start_us
        Start, microseconds since 1970.

    Returns
    -------
    str
        First 16 hex digits of a SHA-256.
    """
    # Length before text: no two subjects run together into the same bytes.
    parts = [signal, kind, str(start_us)]
    for key, value in sorted(subject.items()):
        parts += [key, value]
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by start, the rarest first among equals, then by id: the same each run."""
    return sorted(findings, key=lambda f: (f.start_us, -f.score, f.id))
