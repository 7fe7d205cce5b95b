"""The ``alertmanager.yml`` that a world uses today, as people write them: comments and all."""

import numpy as np

from pipelines.aiops.simulator.model import World
from pipelines.aiops.simulator.randomness import stream

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
    teams = sorted({one.team for one in world.services})
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
