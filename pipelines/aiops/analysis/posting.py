"""Send a place's incidents on, each as it stands once."""

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.aiops.analysis.incident_file import read
from pipelines.aiops.artifacts import INCIDENTS
from pipelines.aiops.incidents import alertmanager_payload, post, webhook_payload
from pipelines.aiops.incidents.model import Incident
from pipelines.aiops.params.group_incidents import PostParams
from pipelines.base.files import read_json, write_json

POSTED = INCIDENTS.parent / "posted.json"
"""Hashes of address and body of what was taken."""


def post_all(settings: PostParams, place: Path) -> list[dict[str, Any]]:
    """Send every incident of a place to every address; not again what an address took before.

    Returns
    -------
    list of dict
        ``url``, ``incident``, ``dry_run``, ``body``, ``status`` (None in a dry run).

    Raises
    ------
    SignalboxError
        If an address isn't allowed or doesn't take it.
    """
    if not settings.urls:
        return []
    found = [Incident.from_json(one) for one in read(place)["incidents"]]
    before = _taken(place)
    told = []
    for url in settings.urls:
        for incident in found:
            payload = _payload(url, incident)
            ready = post(url, payload, settings.allowed)
            mark = hashlib.sha256(f"{url}\n{ready.body}".encode()).hexdigest()
            if mark in before:
                continue
            sent = (
                ready if settings.dry_run else post(url, payload, settings.allowed, dry_run=False)
            )
            if not sent.dry_run:
                # Noted at once: what fails after it doesn't make it be sent again.
                before.add(mark)
                write_json(place / POSTED, sorted(before))
            told.append({"url": url, "incident": incident.id, "dry_run": sent.dry_run,
                         "status": sent.status, "body": sent.body})  # fmt: skip
    return told


def _taken(place: Path) -> set[str]:
    path = place / POSTED
    return set(read_json(path)) if path.is_file() else set()


def _payload(url: str, incident: Incident) -> Any:
    if urlsplit(url).path.endswith("/api/v2/alerts"):
        return alertmanager_payload(incident)
    return webhook_payload(incident)
