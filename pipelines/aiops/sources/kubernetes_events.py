"""Changes from Kubernetes events: ``core/v1`` and ``events.k8s.io/v1``.

A list (``kubectl get events -o json``), a watch (``{"type": "ADDED", "object": …}``) or events, a
line each. Every time that an event of the same identity was seen last is a change of its own.
"""

import re
from pathlib import Path
from typing import Any

from pipelines.aiops.lake.batch import Batch, Collector, MalformedError, ReadWindow
from pipelines.aiops.params.telemetry import KubernetesEventsParams
from pipelines.aiops.sources.records import (
    collector,
    documents,
    files_of,
    listing,
    mapping,
    quarantining,
)
from pipelines.aiops.sources.spans import plain
from pipelines.aiops.sources.times import read_time

# Kubernetes makes names of these characters: no vowels, no 0, 1, 3.
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]"
_POD = re.compile(rf"-{_SAFE}{{5}}$")
_REPLICAS = re.compile(rf"-(?:{_SAFE}{{8,10}}|[0-9a-f]{{8,10}})$")
_ORDINAL = re.compile(r"-\d+$")
_IMAGE = re.compile(r'image "([^"\s]+)"')
_OWNERS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Rollout", "Service", "Ingress",
           "HorizontalPodAutoscaler", "ConfigMap", "Job")  # fmt: skip


def read(settings: KubernetesEventsParams, window: ReadWindow, project: Path) -> Batch:
    """Read all events of the files.

    Parameters
    ----------
    settings : KubernetesEventsParams
    window : ReadWindow
        What to read.
    project : Path
        Folder that paths in `settings` are relative to.

    Returns
    -------
    Batch

    Raises
    ------
    SignalboxError
        If a file is missing or can't be read.
    """
    rows = collector(settings, window)
    for path in files_of(settings, project):
        for location, document in documents(rows, path, project):
            with quarantining(rows, location, document):
                for number, event in enumerate(_events(document), 1):
                    with quarantining(rows, f"{location}#{number}", event):
                        _event(rows, settings, mapping(event, "event"))
    return rows.batch()


def _events(document: Any) -> list[Any]:
    if isinstance(document, list):
        return document
    found = mapping(document, "document")
    if "items" in found:
        return listing(found["items"], "items")
    return [found]


def _event(rows: Collector, settings: KubernetesEventsParams, event: dict[str, Any]) -> None:
    if isinstance(event.get("object"), dict):  # of a watch
        if event.get("type") in ("DELETED", "BOOKMARK", "ERROR"):
            return
        event = event["object"]
    reason = event.get("reason")
    if not isinstance(reason, str) or not reason:
        raise MalformedError("reason is missing: not a Kubernetes event")
    kind = settings.reasons.get(reason)
    if kind is None:
        return
    about = mapping(event.get("metadata") or {}, "metadata")
    target = mapping(event.get("involvedObject") or event.get("regarding") or {}, "involvedObject")
    times = _times(event, about)
    if not times or not (about.get("uid") or about.get("name")):
        raise MalformedError("has no time, or neither uid nor name")
    text = plain(str(event.get("message") or event.get("note") or ""))
    source = mapping(event.get("source") or event.get("deprecatedSource") or {}, "source")
    image = _IMAGE.search(text)
    author = event.get("reportingComponent") or event.get("reportingController")
    rows.change({
        "change_id": plain(f"{about.get('uid') or about['name']}@{times[0].isoformat()}"),
        "at": times[0], "kind": kind, "service": service_of(target),
        "version": image[1] if image else None,
        "author": plain(str(author or source.get("component") or "")) or None,
        "title": f"{reason}: {text}" if text else reason,
    })  # fmt: skip


def _times(event: dict[str, Any], about: dict[str, Any]) -> list[Any]:
    """Give the times of an event, the one that says best when it was seen last first."""
    series = mapping(event.get("series") or {}, "series")
    named = (
        series.get("lastObservedTime"), event.get("lastTimestamp"),
        event.get("deprecatedLastTimestamp"), event.get("eventTime"),
        event.get("firstTimestamp"), about.get("creationTimestamp"),
    )  # fmt: skip
    return [time for time in map(read_time, named) if time is not None]


def service_of(target: dict[str, Any]) -> str | None:
    """Return the service that an object belongs to, by the names that controllers give.

    Parameters
    ----------
    target : dict
        An event's ``involvedObject`` or ``regarding``: ``kind`` and ``name``.

    Returns
    -------
    str or None
        None for a node, an object without a name, or one of a kind that names no service.
    """
    kind, name = target.get("kind"), plain(str(target.get("name") or ""))
    if not name or kind == "Node":
        return None
    if kind == "ReplicaSet":
        return _REPLICAS.sub("", name)
    if kind == "Pod":
        bare = _POD.sub("", name)
        return _REPLICAS.sub("", bare) if bare != name else _ORDINAL.sub("", name)
    return name if kind in _OWNERS else None
