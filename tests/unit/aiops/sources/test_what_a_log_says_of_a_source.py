"""What came of a source in a log: rows, days of the lake, and reasons for quarantine."""

from pipelines.aiops.sources.ingest import Ingested, describe


def test_rows_and_the_days_that_changed() -> None:
    done = Ingested(
        "hook", "alertmanager_webhook", {"alerts": 1200, "tickets": 0},
        {"alerts": ["2026-11-21", "2026-11-20"], "tickets": ["2026-11-22"]},
    )  # fmt: skip
    assert describe(done) == "  1,200 alerts, 0 tickets; 3 days changed (2026-11-20 to 2026-11-22)"


def test_versions_of_one_alert_are_one_alert() -> None:
    done = Ingested("hook", "alertmanager_webhook", {"alerts": 7}, {}, records={"alerts": 3})
    assert describe(done) == "  3 alerts (from 7 rows); nothing changed"


def test_quarantine_with_its_reasons() -> None:
    done = Ingested(
        "hook", "alertmanager_webhook", {"alerts": 0}, {}, 1005, 5, {"no time": 1003, "no name": 2}
    )
    assert describe(done).splitlines() == [
        "  0 alerts; nothing changed",
        "  1,005 in quarantine, 5 of them new:",
        "      1,003  no time",
        "          2  no name",
    ]
