"""Send a place's incidents on."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipelines.aiops.analysis.incident_file import read
from pipelines.aiops.incidents import alertmanager_payload, post, webhook_payload
from pipelines.aiops.incidents.model import Incident
from pipelines.aiops.params.group_incidents import PostParams


def post_all(settings: PostParams, place: Path) -> list[dict[str, Any]]:
    """Send every incident of a place to every address.

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
    told = []
    for url in settings.urls:
        for incident in found:
            sent = post(url, _payload(url, incident), settings.allowed, dry_run=settings.dry_run)
            told.append({"url": url, "incident": incident.id, "dry_run": sent.dry_run,
                         "status": sent.status, "body": sent.body})  # fmt: skip
    return told


def _payload(url: str, incident: Incident) -> Any:
    if urlsplit(url).path.endswith("/api/v2/alerts"):
        return alertmanager_payload(incident)
    return webhook_payload(incident)
