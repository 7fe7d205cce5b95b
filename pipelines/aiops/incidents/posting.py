"""Send an incident on: as an alert to Alertmanager, or as JSON to a webhook.

Nothing is sent unless it is asked for, and only to addresses of an allow-list.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from pipelines.aiops.incidents.model import Incident
from pipelines.core.errors import SignalboxError

ALERTNAME = "SignalboxIncident"
LONGEST = 1000
CAUSES = 3


@dataclass(frozen=True)
class Posted:
    """What was sent, or would have been.

    Attributes
    ----------
    url : str
        Address.
    dry_run : bool
        Whether nothing was sent.
    body : str
        JSON text.
    status : int or None
        Status of the HTTP answer; None in a dry run.
    """

    url: str
    dry_run: bool
    body: str
    status: int | None = None


def alertmanager_payload(incident: Incident) -> list[dict[str, Any]]:
    """Make the body of ``POST /api/v2/alerts``; equal incidents update the same alert.

    Parameters
    ----------
    incident : Incident
        The incident.

    Returns
    -------
    list of dict of str to object
        List with one alert: labels, annotations and start.
    """
    suspect = incident.causes[0].service if incident.causes else ""
    labels = {"alertname": ALERTNAME, "incident": incident.id}
    if incident.services:
        labels["service"] = incident.services[0]
    causes = [
        f"{i}. {cause.service} ({cause.score:.1f}): {'; '.join(cause.evidence)}"
        for i, cause in enumerate(incident.causes[:CAUSES], start=1)
    ]
    fixes = [
        f"{similar.id}: {similar.fix or similar.resolution}"
        for similar in incident.similar
        if similar.fix or similar.resolution
    ]
    notes = {
        "summary": incident.title,
        "suspect": suspect,
        "causes": "\n".join(causes),
        "affected": ", ".join(incident.affected),
        "fixed_before": "; ".join(fixes),
    }
    kept = {key: text[:LONGEST] for key, text in notes.items() if text}
    return [{"labels": labels, "annotations": kept, "startsAt": _time(incident.start_us)}]


def webhook_payload(incident: Incident) -> dict[str, Any]:
    """Make the body for a webhook: the whole incident.

    Parameters
    ----------
    incident : Incident
        The incident.

    Returns
    -------
    dict of str to object
        Version of the format, and `Incident.as_json`.
    """
    return {"version": 1, "incident": incident.as_json()}


def post(
    url: str, payload: Any, allowed: Sequence[str], *, dry_run: bool = True, timeout: float = 10.0
) -> Posted:
    """Send JSON to an allowed address; by default only say what would be sent.

    Parameters
    ----------
    url : str
        Address to send to.
    payload : object
        Anything that JSON can hold.
    allowed : sequence of str
        Addresses: scheme, host and port must be equal, and the path the same or below.
    dry_run : bool, default True
        Whether to send nothing.
    timeout : float, default 10.0
        Seconds.

    Returns
    -------
    Posted
        What was sent, or would have been.

    Raises
    ------
    SignalboxError
        If the address isn't allowed, can't be reached, redirects or refuses.
    """
    if not any(_allows(entry, url) for entry in allowed):
        raise SignalboxError(f"{url}: not on the allow-list; add it to the list of addresses")
    body = json.dumps(payload, sort_keys=True, ensure_ascii=False)
    if dry_run:
        return Posted(url, True, body)
    request = Request(url, body.encode(), {"Content-Type": "application/json"}, method="POST")
    try:
        with build_opener(_NoRedirect, ProxyHandler({})).open(request, timeout=timeout) as answer:
            return Posted(url, False, body, int(answer.status))
    except (URLError, OSError) as error:
        raise SignalboxError(f"{url}: the incident was not sent: {error}") from None


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would leave the allow-list."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _allows(entry: str, url: str) -> bool:
    want, have = urlsplit(entry), urlsplit(url)
    if have.scheme not in ("http", "https") or have.username or have.password or not have.hostname:
        return False
    same = (want.scheme, want.hostname, _port(entry)) == (have.scheme, have.hostname, _port(url))
    path = want.path.rstrip("/")
    inside = have.path.rstrip("/") == path or have.path.startswith(f"{path}/")
    return same and inside and ".." not in have.path.split("/")


def _port(url: str) -> int | None:
    parts = urlsplit(url)
    try:
        return parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


def _time(us: int) -> str:
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="milliseconds")
