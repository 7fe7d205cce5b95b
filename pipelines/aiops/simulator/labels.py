"""Labels and annotations of a world's alert series, once a series."""

import hashlib

from pipelines.aiops.simulator.kinds import KINDS, LEGACY
from pipelines.aiops.simulator.model import AlertRule, Service, World

MOUNTS = ("/", "/var/lib/data", "/var/log", "/srv")


def labels_of(
    world: World, rule: AlertRule, service: Service, instance: int, generation: int
) -> dict[str, str]:
    """Label set of one series.

    Parameters
    ----------
    instance
        Position among the service's instances; -1 for an alert of the whole service.
    generation
        How often the service was deployed before: part of the names of containers.
    """
    style, kind = world.style, _kind(rule)
    if kind in LEGACY:
        return _legacy(world, rule, service, instance)
    labels = {
        "alertname": _name(world, rule, service),
        "severity": style.severities[rule.severity],
        style.service: service.name,
        style.team: service.team,
        "cluster": service.cluster,
        **style.constant,
    }
    if style.job:
        labels["job"] = "node" if service.kind == "nodes" else f"{service.kind}-metrics"
    if style.tier:
        labels["tier"] = str(service.tier)
    if style.namespace:
        labels["namespace"] = service.team
    if instance >= 0:
        labels |= _place(world, service, instance, generation)
        if kind == "disk":
            labels["mountpoint"] = MOUNTS[(service.index + instance) % len(MOUNTS)]
    if kind == "lag":
        labels["queue"] = f"{service.name.split('-')[0]}-events"
    if kind == "certificate":
        labels["domain"] = f"{service.name}.example.com"
    return labels


def annotations_of(world: World, rule: AlertRule, service: Service) -> dict[str, str]:
    """Annotations of one series."""
    kind = KINDS[_kind(rule)]
    return {
        "summary": f"{service.name}: {kind.says}",
        "runbook_url": f"https://runbooks.example.com/{kind.key}",
    }


def _kind(rule: AlertRule) -> str:
    return rule.kind.split("@")[0]


def _name(world: World, rule: AlertRule, service: Service) -> str:
    if not world.style.name_has_service or service.layer > 1:
        return rule.name
    return f"{service.name.split('-')[0].capitalize()}{rule.name}"


def _place(world: World, service: Service, instance: int, generation: int) -> dict[str, str]:
    style = world.style
    if service.kind == "nodes":
        return {"instance": f"{service.cluster}-node-{instance:02d}:9100"}
    if style.instance == "instance" or service.layer == 3:
        name = f"{service.name}-{instance}"
        return {style.instance: name if style.instance == "pod" else f"{name}:9090"}
    text = f"{service.index}.{instance}.{generation}"
    mark = hashlib.sha256(text.encode()).hexdigest()
    return {style.instance: f"{service.name}-{mark[:9]}-{mark[9:14]}"}


def _legacy(world: World, rule: AlertRule, service: Service, instance: int) -> dict[str, str]:
    return {
        "alertname": rule.name,
        "severity": world.style.severities[rule.severity],
        "host": f"{service.cluster}-{service.name}-{max(instance, 0):02d}",
        "check": _kind(rule).removeprefix("legacy_"),
    }
