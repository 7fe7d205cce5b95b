"""What comes on most days is usual; what hasn't come for days is news. Nothing later is known."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from pipelines.aiops.incidents.contract import alert_findings
from pipelines.aiops.incidents.deduplication import read_alert_history, split_background_alerts
from pipelines.aiops.incidents.model import Graph
from pipelines.aiops.lake.contract import ALERTS, fingerprint
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.lake.window import Window
from tests.support.aiops_world import params_for

DAY = datetime(2026, 5, 15, tzinfo=UTC)


def row(name: str, service: str, at: datetime) -> dict[str, object]:
    labels = {"alertname": name, "service": service}
    own = fingerprint(labels)
    known = dict.fromkeys(ALERTS.schema.names)
    return {**known, "alert_id": f"{own}{at:%d%H%M}", "source": "test", "fingerprint": own,
            "name": name, "labels": list(labels.items()), "starts_at": at,
            "updated_at": at}  # fmt: skip


def told(place: Path, *rows: dict[str, object]) -> tuple[dict[str, float], dict[str, float]]:
    """Scores of the day's alerts, by name and service: news, and usual ones."""
    table = pa.Table.from_pylist(list(rows), schema=ALERTS.schema)
    upsert(place / "lake", {"alerts": table})
    window = Window(DAY, DAY + timedelta(days=1))
    found = alert_findings(table, window.end_us)
    today = [one for one in found if one.start_us >= window.start_us]

    def scores(own: list[Finding]) -> dict[str, float]:
        return {f"{one.labels['alertname']}@{one.service}": one.score for one in own}

    params = params_for(place)
    history = read_alert_history(params, window, Graph())
    news, usual = split_background_alerts(params, window, today, Graph(), history)
    return scores(news), scores(usual)


def days_before(name: str, service: str, *days: int) -> list[dict[str, object]]:
    return [row(name, service, DAY - timedelta(days=n, hours=-5)) for n in days]


def test_an_alert_of_most_days_is_usual_and_one_that_was_away_is_news(tmp_path: Path) -> None:
    now = DAY + timedelta(hours=5)
    news, usual = told(
        tmp_path, *days_before("Disk", "shop", *range(1, 15)), *days_before("Slow", "shop", 3, 9),
        row("Disk", "shop", now), row("Slow", "shop", now), row("Disk", "pay", now),
    )  # fmt: skip
    assert usual == {"Disk@shop": 0.015}
    assert news == {"Slow@shop": 0.778, "Disk@pay": 1.477}


def test_what_came_too_long_ago_or_later_that_day_is_not_read(tmp_path: Path) -> None:
    now = DAY + timedelta(hours=5)
    later = [row("Disk", "shop", now + timedelta(minutes=n)) for n in range(1, 9)]
    long_ago = days_before("Disk", "shop", *range(15, 40))
    other = days_before("Slow", "pay", *range(1, 15))
    news, usual = told(tmp_path, *long_ago, *other, row("Disk", "shop", now), *later)
    assert (news, usual) == ({"Disk@shop": 1.477}, {})


def test_without_history_everything_is_news(tmp_path: Path) -> None:
    news, usual = told(tmp_path, row("Disk", "shop", DAY))
    assert (news, usual) == ({"Disk@shop": 0.301}, {})
