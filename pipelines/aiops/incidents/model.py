"""What an incident is made of, and what it is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.aiops.incidents.signals import Cause
from pipelines.base.errors import SignalboxError


@dataclass(frozen=True)
class Change:
    """A deployment, configuration or infrastructure change (table `changes` of the contract)."""

    id: str
    service: str
    at_us: int
    title: str
    kind: str = "deployment"


@dataclass(frozen=True)
class PastIncident:
    """An incident that was dealt with, from tickets.

    Attributes
    ----------
    names
        Alert names, kinds of findings and template ids that it was made of, as far as known.
    """

    id: str
    opened_us: int
    services: tuple[str, ...]
    names: tuple[str, ...] = ()
    title: str = ""
    fix: str = ""
    resolution: str = ""


@dataclass(frozen=True)
class Entry:
    """One line of a timeline."""

    at_us: int
    what: str
    service: str
    sentence: str


@dataclass(frozen=True)
class Similar:
    """A past incident that resembles this one; `score` is a cosine, 0 to 1."""

    id: str
    score: float
    shared: tuple[str, ...]
    fix: str
    resolution: str


@dataclass(frozen=True)
class Incident:
    """What belongs together, with what is known about it.

    Attributes
    ----------
    id
        From its first finding: it doesn't change while the incident grows.
    affected
        Services with findings, by first finding.
    exposed
        Services that call an affected one, directly or through others, and show nothing yet.
    timeline
        Changes shortly before, then findings, by time.
    """

    id: str
    title: str
    start_us: int
    end_us: int
    affected: tuple[str, ...]
    exposed: tuple[str, ...]
    findings: tuple[str, ...]
    timeline: tuple[Entry, ...]
    causes: tuple[Cause, ...]
    similar: tuple[Similar, ...] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        """Return JSON values with keys in a fixed order."""
        return {
            "id": self.id,
            "title": self.title,
            "start_us": self.start_us,
            "end_us": self.end_us,
            "affected": list(self.affected),
            "exposed": list(self.exposed),
            "findings": list(self.findings),
            "timeline": [vars(entry) for entry in self.timeline],
            "causes": [{**vars(c), "evidence": list(c.evidence)} for c in self.causes],
            "similar": [{**vars(s), "shared": list(s.shared)} for s in self.similar],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Incident":
        """Return the incident that `as_json` wrote.

        Raises
        ------
        SignalboxError
            If keys are missing or unknown.
        """
        made: dict[str, Any] = {
            key: tuple(one) if isinstance(one, list) else one for key, one in values.items()
        }
        try:
            made["timeline"] = tuple(Entry(**one) for one in values["timeline"])
            made["causes"] = tuple(
                Cause(**{**one, "evidence": tuple(one["evidence"])}) for one in values["causes"]
            )
            made["similar"] = tuple(
                Similar(**{**one, "shared": tuple(one["shared"])}) for one in values["similar"]
            )
            return cls(**made)
        except (KeyError, TypeError) as error:
            raise SignalboxError(f"not an incident: {error}") from None
