"""A small rule set in an empty folder: every evidence file, as the stages would leave it."""

from pathlib import Path
from typing import Any

import yaml

from pipelines.aiops.alerting.evidence import EXPORT_SUMMARY
from pipelines.aiops.alerting.rules import (
    Bound,
    Example,
    HoldRule,
    KnownFixRule,
    Matcher,
    RuleBase,
    Support,
    one_of,
)
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import PAGES_PER_DAY, TRADE_OFF
from pipelines.aiops.report.rules.evidence import STAGES
from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json, write_text
from pipelines.core.params import Check
from pipelines.release.gating import run_gate
from tests.support.markup import Page

Details = dict[str, Any]
DAY1, DAY19, DAY25, DAY35 = (f"2026-03-{d:02d}T00:00:00Z" for d in (1, 19, 25, 31))


def rules(alert: str = "disk_full", says: str = "over within 5 minutes") -> list[Details]:
    """A rule that holds and a known fix, as the mining would write them."""
    of_alert = Matcher(label="alertname", op="=", value=alert)
    services = one_of("service", [alert, "cart-api", "db|main"])
    example = Example(
        starts_at="2026-03-02T10:00:00Z",
        ends_at="2026-03-02T10:05:30Z",
        labels={"alertname": alert, "host": alert, "zone": "a"},
        sentence=says,
    )
    base: Details = {
        "sentence": f"{alert} is told in a sentence.",
        "support": Support(alerts=900, episodes=50, days=20, first=DAY1, last=DAY19),
        "bound": Bound(
            measures=f"share of its alerts that were over, {alert}", value=0.9, low=0.85, n=50,
            level=0.9997, method="Clopper-Pearson", tried=1,
        ),
        "expires": "2026-06-20",
        "team": alert,
        "examples": (example, example.model_copy(update={"ends_at": None}), example),
    }  # fmt: skip
    found: list[RuleBase] = [
        HoldRule(
            id="hold-1", matchers=(of_alert, services), service_label="service",
            receiver=f"{alert}-on-call", chat=f"{alert}-chat", wait_seconds=300,
            again_seconds=1800, fresh_seconds=600, names=2, instances=3, window_seconds=3600,
            services=3, storm_seconds=60, rate_seconds=86_400, usual_rates=7, rise=5,
            **base,
        ),
        KnownFixRule(
            id="known_fix-1", matchers=(of_alert,), fix=alert, median_minutes=5.0, **base
        ),
    ]  # fmt: skip
    return [rule.model_dump(mode="json") for rule in found]


def incident(
    ticket: str, delay: float | None, *, missed: bool = False, notified: bool = True, **more: Any
) -> Details:
    return {
        "ticket": ticket,
        "title": f"outage of {ticket}",
        "service": "cart-api",
        "severity": "sev2",
        "starts": "2026-03-26T08:00:00Z",
        "baseline_first_page": "2026-03-26T08:00:10.205Z" if notified else None,
        "candidate_first_page": "2026-03-26T08:05:25Z" if notified and not missed else None,
        "credible": True,
        "missed": missed,
        "delay_seconds": delay,
        "rules": ["hold-1", "gone-1"],
        "names": ["disk_full", "gone"],
        "heard_after_seconds": 754.0 if missed else None,
        **more,
    }


INCIDENTS = [
    incident("INC-2", 315.0),
    incident("INC-1", 0.0),
    incident("INC-3", None, notified=False),
]


def outcome(pages: int, saved: float, **more: Any) -> Details:
    late = {"late_1m_share": 0.25, "late_5m_share": 0.04, "late_15m_share": 0.021}
    counts = {"pages": pages, "saved_share": saved, "incidents": 48, "missed": 0}
    return {**counts, "strict_missed": 2, **late, "longest_delay_seconds": 314.87, **more}


def remaining(alert: str, **more: Any) -> Details:
    return {
        "name": alert, "noisy": True, "pages": 40.0, "share": 0.6, "night": 10.0,
        "night_hours": {"02": 7.0, "23": 3.0}, "median_seconds": 900.0,
        "services": [alert, "cart-api"], **more,
    }  # fmt: skip


def named(alert: str, **more: Any) -> Details:
    return {
        "value": alert, "baseline": 420.0, "candidate": 42.0, "baseline_night": 210.0,
        "candidate_night": 21.0, "alerts": 500, "held": 480, "incidents": 7, "delayed": 3,
        "missed": 0, "median_seconds": 90.0, **more,
    }  # fmt: skip


SMALLER = {
    "guilty": ["disk_full"],
    "outcome": outcome(330, 0.45),
    "exclude": [{"alertname": "disk_full"}],
}


def replayed(found: list[Details], incidents: list[Details], alert: str, more: Details) -> Details:
    stages = {"events": 400, "episodes": 390, "alerts": 380, "notifications": 300, "pages": 200}
    fewer = {**stages, "alerts": 200, "notifications": 60, "pages": 30}
    return {
        "window": {"start": DAY1, "end": DAY35, "days": 30.0},
        "windows": [{"start": DAY1, "end": DAY19}, {"start": DAY19, "end": DAY25},
                    {"start": DAY25, "end": DAY35}],
        "stages": {"baseline": stages, "candidate": fewer},
        "outcome": outcome(300, 0.57),
        "deployed": outcome(280, 0.61),
        "certificate": {
            "start": DAY1, "end": DAY35, "incidents": 3, "told_with_files": 2,
            "judged_incidents": 3, "judged_missed": 1, "missed_share_at_most": 0.8, "level": 0.95,
            "longest_delay_seconds": 61.0, "files": {alert: "ab" * 32}, "judge": "a replay",
        },
        "rules": [{"rule": rule, "pages_saved": 12.3, "alerts": 40} for rule in found],
        "names": [named(alert), named("other", held=0, incidents=0)],
        "incidents": incidents,
        "missed": [one for one in incidents if one["missed"] and one["credible"]],
        "teams": [
            {"value": alert, "baseline": 90.0, "candidate": 9.5, "baseline_night": 30.0,
             "candidate_night": 3.0},
            {"value": "(no team)", "baseline": 0.0, "candidate": 0.0, "baseline_night": 0.0,
             "candidate_night": 0.0},
        ],
        "receivers": [
            {"receiver": f"{alert}-on-call", "pager": True, "baseline": 700, "candidate": 300,
             "baseline_night": 210, "candidate_night": 90},
            {"receiver": f"{alert}-chat", "pager": False, "baseline": 50, "candidate": 450},
        ],
        "remaining": [remaining(alert), remaining("rare", noisy=False, night=0.0)],
        "baselines": [
            {**outcome(622, 0.11), "name": "grouped", "label": f"grouped by {alert}"},
            {**outcome(536, 0.234, missed=4), "name": "cool_down_1h", "label": "cool-down of 1 h"},
        ],
        "heartbeats": [f"Watchdog {alert}"],
        **more,
    }  # fmt: skip


def number(figure_id: str, value: float | None, **more: Any) -> Figure:
    base = {"label": figure_id, "value": value, "method": "count", "n": 100}
    return Figure(**{"id": figure_id, **base, **more})


def figures(stage: str, rules_: int, missed: int, notified: int) -> list[Figure]:
    nothing = (
        "" if notified else "today's configuration pages about no ticketed incident in this window"
    )
    seconds: Details = {"unit": "seconds", "n": notified, "missing": nothing}
    found = {
        "alert_history": [
            number("alert_history.days_covered", 30, unit="days"),
            number("alert_history.acted_known_share", 0.9, unit="share"),
            number("alert_history.incidents", 3, unit="tickets"),
        ],
        "mine_rules": [number("mine_rules.alerts", 1000, unit="alerts")],
        "select_rules": [number("select_rules.rules", rules_, unit="rules")],
        "replay_rules": [
            number("replay_rules.baseline_pages", 700, unit="pages"),
            number("replay_rules.candidate_pages", 300, unit="pages"),
            number("replay_rules.saved_share", 0.57, low=0.52, high=0.62, level=0.95, unit="share"),
            number("replay_rules.missed", missed, unit="incidents", n=max(notified, 1)),
            number("replay_rules.missed_share", missed / notified if notified else None, n=notified,
                   low=0.0 if notified else None, high=0.4 if notified else None,
                   level=0.95 if notified else None, unit="share", missing=nothing),
            *(
                number(f"replay_rules.late_{key}_share", share if notified else None,
                       n=40 * bool(notified), unit="share", missing=nothing)
                for key, share in (("1m", 0.25), ("5m", 0.04), ("15m", 0.021))
            ),
            number("replay_rules.strict_missed", missed + 1, unit="incidents", n=max(notified, 1)),
            number("replay_rules.longest_delay", 314.87 if notified else None, **seconds),
        ],
        "watch_rules": [number("watch_rules.rules", 2, unit="rules")],
        "export_rules": [number("export_rules.exported", rules_)],
    }  # fmt: skip
    return found[stage]


def details(
    stage: str, found: list[Details], incidents: list[Details], alert: str, why: str, more: Details
) -> Details:
    history = {"start": DAY1, "end": DAY35}
    placed = [
        {**{key: rule[key] for key in ("id", "family", "team", "sentence", "expires")},
         "exported": rule["id"] != "hold-1",
         "locations": [f"{alert}: route.routes"],
         "reasons": [why] if rule["id"] == "hold-1" else []}
        for rule in found
    ]  # fmt: skip
    return {
        "alert_history": {
            "counts": {"alerts": 1000, "tickets": 3, "changes": 4, "quarantined": 2},
            "days_missing": ["2026-03-07"],
            "sources": {alert: 900, "nagios": 100},
            "window": {"first": "2026-03-01", "last": "2026-03-30"},
            "rules": {"alerts": [{"rule": alert, "action": "quarantine", "reason": "r",
                                  "kept": False, "broken_rows": 2}]},
            "teams": [{"team": alert, "alerts": 900, "days": 29, "incidents": 2,
                       "acted_known_share": 0.97},
                      {"team": "", "alerts": 100, "days": 3, "incidents": 0,
                       "acted_known_share": 0.0}],
            "suspicious_links": [{"ticket": "INC-1", "alert": alert, "reason": f"is of {alert}"}],
        },
        "mine_rules": {
            "windows": {"history": history},
            "families": {rule["family"]: {"tried": 200, "found": 2} for rule in found},
            "pages": 1000,
            "noisy": [{"alertname": alert, "pages": 420, "services": 9, "held_services": 7,
                       "held_pages": 410}],
            "not_held": {f"{alert} is rare": 120, "no service": 0},
            "left_out": [{"entry": {"alertname": alert}, "pairs": 4}],
            **more.get("mine_rules", {}),
        },
        "select_rules": {
            "window": history,
            "curve": [
                {**outcome(pages, saved), "wait_seconds": wait, "late_1m_share": late}
                for wait, pages, saved, late in
                ((180, 350, 0.5, 0.2), (300, 300, 0.57, 0.25), (600, 210, 0.7, 0.3))
            ],
            "dropped": [{"rule": "hold-8", "family": "hold", "reason": why}],
            "wait_seconds": 300,
            "credible_incidents": 48,
            **more.get("select_rules", {}),
        },
        "replay_rules": replayed(found, incidents, alert, more.get("replay_rules", {})),
        "watch_rules": {},
        "export_rules": {"rules": placed, "sources": {}},
    }[stage]  # fmt: skip


def check(label: str = "") -> Check:
    return Check(
        id="no_incident_missed",
        protects=f"people are notified of every incident{label}",
        figure="replay_rules.missed",
        compare="at_most",
        threshold=0,
        owner=f"operations{label}",
        reason=f"judgement{label}",
    )


def leave(
    alert: str = "disk_full",
    *,
    found: list[Details] | None = None,
    incidents: list[Details] | None = None,
    harmful: list[Details] | None = None,
    released: str | None = "rules-1",
    watched: Details | None = None,
    aiops: Details | None = None,
    why: str = "excluded in params.yaml",
    more: Details | None = None,
) -> AiopsParams:
    """Leave everything that the report reads in the current folder."""
    found = rules(alert) if found is None else found
    incidents = INCIDENTS if incidents is None else incidents
    missed = sum(one["missed"] and one["credible"] for one in incidents)
    notified = sum(one["baseline_first_page"] is not None for one in incidents)
    write_text(Path("data/alert_history"), "frozen")
    inputs = hash_inputs(Path("data/alert_history"))
    for stage in STAGES[:-1]:
        measured = figures(stage, len(found), missed, notified)
        told = details(stage, found, incidents, alert, why, more or {})
        if stage == "watch_rules":
            told = {"released": released, "harmful_rules": harmful or [], **(watched or {})}
        write_evidence(
            evidence_of(stage), Evidence(stage=stage, inputs=inputs, figures=measured, details=told)
        )
    run_gate(
        "gate_rules",
        [check("" if alert == "disk_full" else alert)],
        STAGES[:-1],
        "aiops.gate_rules.checks",
    )
    write_text(PAGES_PER_DAY, "day,baseline,candidate\n2026-03-25,100,10\n2026-03-26,120,8\n")
    write_text(TRADE_OFF, "wait_seconds,pages\n")
    left = {"rule": "hold-1", "family": "hold", "reason": "no details"}
    fix = {"rule": "known_fix-1", "family": "known_fix", "reason": "changes no event"}
    pagerduty = {"rules": 6, "not_expressed": [left, fix], "weaker": []}
    write_json(EXPORT_SUMMARY, {"sources": {}, "rules": [], "exported": 6, "not_exported": 1,
                                "changed_lines": 7, "pagerduty": pagerduty})  # fmt: skip
    write_text(Path("params.yaml"), yaml.safe_dump({"aiops": aiops or {}}))
    return load_aiops_params()


def rows_of(page: Page, caption: str) -> dict[str, list[str]]:
    """First cell → other cells, of the rows of a table; spaces are plain."""
    found: dict[str, list[str]] = {}
    rows: list[list[str]] = []
    inside = False
    for element in page.elements:
        if element.tag == "table":
            inside = caption in element.text
        elif inside and element.tag == "tr":
            rows.append([])
        elif inside and element.tag in ("td", "th"):
            rows[-1].append(" ".join(element.text.split()))
    for first, *others in rows:
        found[first] = others
    return found
