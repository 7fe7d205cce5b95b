"""Where no alert names an incident, one of its service that begins about then is a guess."""

import csv
import gzip
import json
from dataclasses import replace

import numpy as np

from pipelines.aiops import alert_history
from pipelines.aiops.alerting.evaluation import Backtest, Ticket
from pipelines.aiops.alerting.mining.episodes import find_episodes
from pipelines.aiops.alerting.windows import HistoryWindow
from pipelines.aiops.lake.frame import NO, UNKNOWN, YES
from pipelines.aiops.lake.read import UnlinkedIncident, read_history, with_assumed_links
from pipelines.core.time import DAY_US, SECOND_US
from tests.support.alert_worlds import freeze
from tests.unit.aiops.alerting.evaluation.made_up import CONFIG, holding
from tests.unit.aiops.alerting.replay.worlds import frame_of

HOUR = 3600
LABELS = [
    {"alertname": "a", "service": "shop"},
    {"alertname": "b", "service": "shop"},
    {"alertname": "a", "service": "mail"},
]
ROWS = [(0, 10 * HOUR, 11 * HOUR), (1, 10 * HOUR + 1200, 11 * HOUR), (2, 10 * HOUR, 11 * HOUR)]
AT = (10 * HOUR + 1500) * SECOND_US


def linked(acted=(NO, NO, NO), **incident):
    frame = replace(frame_of(ROWS, LABELS), acted=np.array(acted, np.int8))
    given = {"ticket": "T9", "opened": AT, "service": "shop", **incident}
    return with_assumed_links(frame, [UnlinkedIncident(**given)])


def test_it_is_the_nearest_alert_of_its_service():
    frame = linked()
    assert frame.ticket.tolist() == [-1, 0, -1]
    assert frame.tickets == ["T9"]
    assert frame.ticket_assumed.tolist() == [False, True, False]


def test_one_that_somebody_acted_on_comes_before_a_nearer_one():
    assert linked(acted=(YES, NO, NO)).ticket.tolist() == [0, -1, -1]


def test_other_services_and_other_times_are_not_linked():
    assert linked(service="search").ticket.tolist() == [-1, -1, -1]
    assert linked(opened=AT + 5 * HOUR * SECOND_US).ticket.tolist() == [-1, -1, -1]


def test_a_guessed_link_teaches_neither_that_somebody_acted_nor_that_nobody_did():
    episodes = find_episodes(linked(), HistoryWindow(0, DAY_US))
    assert episodes.ticket.tolist() == [-1, -1, -1]
    assert episodes.acted.tolist() == [NO, UNKNOWN, NO]


def test_an_incident_of_a_guessed_link_is_told_or_missed_and_proves_nothing():
    frame = linked(acted=(YES, NO, NO))
    known = {"T9": Ticket(service="shop", fix="restart", opened=AT)}
    backtest = Backtest(frame, HistoryWindow(0, DAY_US), CONFIG, known)
    slow = {"wait_seconds": 7200, "names": 9}
    effect = backtest([holding("a", "shop", **slow), holding("b", "shop", n=2, **slow)])
    assert [each.ticket for each in effect.missed] == ["T9"]
    assert effect.missed[0].assumed_link
    assert effect.credible == ()
    assert not backtest([]).missed


def world(folder, alerts, tickets):
    folder.mkdir()
    (folder / "alerts.jsonl.gz").write_bytes(
        gzip.compress("\n".join(map(json.dumps, alerts)).encode())
    )
    names = ["id", "opened", "closed", "title", "service", "team", "kind", "severity", "fix"]
    with (folder / "tickets.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names, restval="")
        writer.writeheader()
        writer.writerows(tickets)
    return folder


def alert(at, service, **more):
    labels = {"alertname": "a", "service": service, "team": "web"}
    return {"starts_at": at, "ends_at": at.replace(":00Z", ":50Z"), "labels": labels, **more}


ALERTS = [
    alert("2026-03-01T10:00:00Z", "shop"),
    alert("2026-03-02T01:00:00Z", "shop", acted=False, ticket="T1"),
    alert("2026-03-02T10:00:00Z", "mail", acked_at="2026-03-02T10:05:00Z", ticket="T1"),
    alert(
        "2026-03-02T10:01:00Z", "shop", acted=False, acked_at="2026-03-02T10:05:00Z", ticket="T1"
    ),
]
TICKETS = [
    {"id": "T1", "opened": "2026-03-02T10:10:00Z", "closed": "2026-03-02T12:00:00Z",
     "service": "shop", "kind": "incident"},
    {"id": "T2", "opened": "2026-03-01T10:20:00Z", "service": "shop", "kind": "incident"},
    {"id": "T3", "opened": "2026-03-05T10:20:00Z", "service": "shop", "kind": "incident"},
]  # fmt: skip


def test_a_tickets_table_alone_links_by_service_and_time(tmp_path):
    freeze(world(tmp_path / "w", ALERTS, TICKETS), tmp_path)
    frame = read_history(tmp_path / "data/alert_history")
    assert [frame.tickets[code] for code in frame.ticket] == ["T2", "T1", "T1", "T1"]
    assert frame.ticket_assumed.tolist() == [True, False, False, False]


def test_whoever_acknowledges_has_acted(tmp_path):
    freeze(world(tmp_path / "w", ALERTS, TICKETS), tmp_path)
    frame = read_history(tmp_path / "data/alert_history")
    assert frame.acted.tolist() == [UNKNOWN, NO, YES, YES]


def test_suspicious_links_and_what_each_team_can_prove_are_evidence(tmp_path, monkeypatch):
    import duckdb

    freeze(world(tmp_path / "w", ALERTS, TICKETS), tmp_path)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as raw:
        found = alert_history._suspicious(raw)
        [team] = alert_history._teams(raw)
        only = alert_history._only_suspicious(raw)
    assert only == 0  # T1 has an alert of its service and hour, too
    assert found == [
        ("T1", "a", "begins 9 hours before the ticket was opened"),
        ("T1", "a", "is of service mail, the ticket of shop"),
    ]
    assert (team.team, team.alerts, team.days, team.incidents) == ("web", 4, 2, 1)
    assert team.acted_known_share == 0.75


def test_an_incident_counts_as_suspicious_where_no_link_of_it_holds(tmp_path, monkeypatch):
    """An alert hours before T1 and one of another service: nobody knows when T1 began."""
    import duckdb

    freeze(world(tmp_path / "w", ALERTS[:3], TICKETS), tmp_path)
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as raw:
        assert len(alert_history._suspicious(raw)) == 2
        assert alert_history._only_suspicious(raw) == 1
    share = alert_history._suspicious_share(1, 40)
    assert (share.value, share.n, share.missing) == (0.025, 40, "")
    assert 0 < share.low < 0.025 < share.high < 0.2
    nothing = alert_history._suspicious_share(0, 0)
    assert (nothing.value, nothing.low, nothing.high) == (None, None, None)
    assert "no incident is linked" in nothing.missing
