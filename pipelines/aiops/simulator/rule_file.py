"""The Prometheus rule file that a world's alerts come from."""

import re

import numpy as np
from numpy.typing import NDArray

from pipelines.aiops.simulator.labels import labels_of
from pipelines.aiops.simulator.model import World

HEADER = """\
# Synthetic: the Prometheus rules of a simulated world (signalbox simulate).
# Rules that make an alert wait or keep firing are merged into a file like this.
groups:
  - name: world
    rules:
"""


def rule_file(world: World, keys: NDArray[np.int64]) -> str:
    """Write a rule for every alert name that Prometheus evaluates; ``promtool`` accepts it.

    Parameters
    ----------
    keys
        Rule, service, instance and generation of each series, shape (series, 4).
    """
    found: dict[str, str] = {}
    seen: set[tuple[int, int]] = set()
    for rule, service, instance, generation in keys.tolist():
        if (rule, service) in seen or world.rules[rule].source != "alertmanager":
            continue
        seen.add((rule, service))
        labels = labels_of(world, world.rules[rule], world.services[service], instance, generation)
        found.setdefault(labels["alertname"], world.rules[rule].kind)
    return HEADER + "\n".join(_rule(name, found[name]) for name in sorted(found)) + "\n"


def _rule(name: str, kind: str) -> str:
    metric = "world_" + re.sub(r"\W", "_", kind)
    return f"""\
      - alert: {name}
        expr: {metric}_level > {metric}_threshold  # labels come from the series"""
