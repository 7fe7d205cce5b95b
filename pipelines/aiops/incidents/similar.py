"""Past incidents that resemble one: cosine of their traits, rare ones counting more."""

import re
from collections import Counter
from collections.abc import Sequence
from math import log, sqrt

from pipelines.aiops.incidents.model import PastIncident, Similar

LEAST = 0.15
SHARED = 5
WORD = re.compile(r"[^\W\d_]{3,}")


def traits(services: Sequence[str], names: Sequence[str], text: str) -> frozenset[str]:
    """Give what an incident is compared by: services, names, and words of its title."""
    words = {f"word {word.lower()}" for word in WORD.findall(text)}
    return frozenset(
        {f"service {name}" for name in services if name}
        | {f"name {name}" for name in names if name}
        | words
    )


class Memory:
    """Past incidents, indexed once."""

    def __init__(self, past: Sequence[PastIncident]) -> None:
        self.past = sorted(past, key=lambda one: (one.opened_us, one.id))
        self.traits = [traits(one.services, one.names, one.title) for one in self.past]
        counts = Counter(trait for one in self.traits for trait in one)
        self.weight = {trait: log(1 + len(self.past) / n) for trait, n in counts.items()}
        self.norm = [self._norm(one) for one in self.traits]
        self.places: dict[str, list[int]] = {}
        for i, one in enumerate(self.traits):
            for trait in sorted(one):
                self.places.setdefault(trait, []).append(i)

    def _norm(self, own: frozenset[str]) -> float:
        # What no past incident has tells nothing about which of them is like this one.
        return sqrt(sum(self.weight.get(trait, 0.0) ** 2 for trait in sorted(own)))

    def similar(self, own: frozenset[str], before_us: int, top: int = 3) -> tuple[Similar, ...]:
        """Give the past incidents opened before a time that resemble one most."""
        dot: dict[int, float] = {}
        for trait in sorted(own):
            for i in self.places.get(trait, ()):
                dot[i] = dot.get(i, 0.0) + self.weight[trait] ** 2
        norm = self._norm(own)
        found = []
        for i, product in dot.items():
            one = self.past[i]
            score = round(product / (norm * self.norm[i]), 6)
            if one.opened_us < before_us and score >= LEAST:
                shared = sorted(own & self.traits[i], key=lambda t: (-self.weight[t], t))[:SHARED]
                found.append(Similar(one.id, score, tuple(shared), one.fix, one.resolution))
        return tuple(sorted(found, key=lambda s: (-s.score, s.id))[:top])
