"""The ``alertmanager.yml`` and the rule file that a world uses today, as people write them."""

import re

import numpy as np
from numpy.typing import NDArray

from pipelines.simulator.world.model import World
from pipelines.simulator.world.randomness import stream
from pipelines.simulator.world.tables import labels_of

HEADER = """\
# Synthetic: the Alertmanager configuration of a simulated world (signalbox simulate).
# It stands for "today's configuration", which learned rules are compared with.
global:
  resolve_timeout: 5m
"""


def configuration(world: World) -> str:
    """Write the world's configuration; ``amtool check-config`` accepts it."""
    rng = stream(world.seed, "configuration")
    teams = _teams(rng, world)
    silent = bool(rng.random() < 0.85)
    info = str(rng.choice(["page", "nobody", "chat"], p=[0.4, 0.35, 0.25]))
    parts = [HEADER, _route(rng, world, teams, silent, info)]
    if rng.random() < 0.5:
        parts.append(_inhibition(world))
    receivers = ["on-call", *(f"{team}-on-call" for team in teams)]
    if info == "chat":
        receivers.append("chat")
    parts.append(_receivers(receivers, silent or info == "nobody"))
    return "\n".join(parts)


def _teams(rng: np.random.Generator, world: World) -> list[str]:
    """Teams that have a receiver of their own."""
    teams = sorted({service.team for service in world.services})
    return [team for team in teams if rng.random() < 0.5]


def _grouping(rng: np.random.Generator, world: World) -> str:
    service = world.style.service
    choices = (
        ["alertname", "cluster", service], ["alertname", service], ["alertname", "cluster"],
        ["alertname", "cluster", service, "severity"],
    )  # fmt: skip
    chosen = choices[int(rng.choice(len(choices), p=[0.45, 0.25, 0.15, 0.15]))]
    return f"[{', '.join(chosen)}]"


def _route(
    rng: np.random.Generator, world: World, teams: list[str], silent: bool, info: str
) -> str:
    lines = [
        "route:",
        "  receiver: on-call",
        f"  group_by: {_grouping(rng, world)}",
        f"  group_wait: {rng.choice(['10s', '30s', '45s'])}",
        f"  group_interval: {rng.choice(['2m', '5m', '5m', '10m'])}",
        f"  repeat_interval: {rng.choice(['1h', '4h', '4h', '12h'])}",
    ]
    children: list[str] = []
    if silent:
        children += ["    # fires always, to show that alerting works",
                     *_child(f'alertname = "{world.rule("watchdog").name}"', "nobody")]  # fmt: skip
    if info != "page":
        level = world.style.severities["info"]
        children += _child(f'severity = "{level}"', "nobody" if info == "nobody" else "chat")
    for team in teams:
        children += _child(f'{world.style.team} = "{team}"', f"{team}-on-call")
        if rng.random() < 0.2:
            children.append("      repeat_interval: 2h  # asked for after the last outage")
    if children:
        lines += ["  routes:", *children]
    return "\n".join(lines) + "\n"


def _child(matcher: str, receiver: str) -> list[str]:
    return ["    - matchers:", f"        - {matcher}", f"      receiver: {receiver}"]


def _inhibition(world: World) -> str:
    levels, style = world.style.severities, world.style
    return f"""\
inhibit_rules:
  # one page is enough where the critical alert of the same name fires too
  - source_matchers:
      - severity = "{levels["critical"]}"
    target_matchers:
      - severity = "{levels["warning"]}"
    equal: [alertname, cluster, {style.service}, {style.instance}]
"""


def _receivers(names: list[str], nobody: bool) -> str:
    lines = ["receivers:"]
    for name in names:
        lines += [
            f"  - name: {name}",
            "    webhook_configs:",
            f"      - url: https://pager.example.com/{name}",
            "        send_resolved: true",
        ]
    if nobody:
        lines += ["  # without integrations: wakes nobody", "  - name: nobody"]
    return "\n".join(lines) + "\n"


SERVER_HEADER = """\
# Synthetic: the Prometheus of a simulated world (signalbox simulate).
# Alertmanager sees its external labels on every alert; its own series don't have them.
"""


def prometheus_yml(world: World, rule_file_name: str) -> str:
    """Write the ``prometheus.yml`` of the world's only Prometheus; ``promtool`` accepts it."""
    labels = [f"    {name}: {value}" for name, value in sorted(world.style.constant.items())]
    external = ["  external_labels:", *labels] if labels else []
    return SERVER_HEADER + "\n".join(
        ["global:", "  evaluation_interval: 1m", *external, f"rule_files: [{rule_file_name}]", ""]
    )


RULE_FILE_HEADER = """\
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
    return RULE_FILE_HEADER + "\n".join(_rule(name, found[name]) for name in sorted(found)) + "\n"


def _rule(name: str, kind: str) -> str:
    metric = "world_" + re.sub(r"\W", "_", kind)
    return f"""\
      - alert: {name}
        expr: {metric}_level > {metric}_threshold  # labels come from the series"""
