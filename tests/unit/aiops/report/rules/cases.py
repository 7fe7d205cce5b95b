"""A small rule set in an empty folder: every evidence file, as the stages would leave it."""

from pathlib import Path
from typing import Any

import yaml

from pipelines.aiops.alerting.evidence import EXPORT_SUMMARY
from pipelines.aiops.alerting.rules import (
    Bound,
    DemotionRule,
    Example,
    GroupingRule,
    Guard,
    InhibitionRule,
    KeepFiringRule,
    KnownFixRule,
    Matcher,
    MuteTimeRule,
    RuleBase,
    Support,
    WaitRule,
)
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import PAGES_PER_DAY, TRADE_OFF
from pipelines.aiops.report.rules.evidence import STAGES
from pipelines.core.artifacts import evidence_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json, write_text
from pipelines.core.params import Check
from pipelines.release.gating import run_gate

Details = dict[str, Any]
DAY1, DAY19, DAY20, DAY25, DAY35 = (f"2026-03-{d:02d}T00:00:00Z" for d in (1, 19, 20, 25, 31))


def rules(alert: str = "disk_full", says: str = "nobody acted on it") -> list[Details]:
    """One rule of every family, as the mining would write it."""
    of_alert = Matcher(label="alertname", op="=", value=alert)
    example = Example(
        starts_at="2026-03-02T10:00:00Z",
        ends_at="2026-03-02T10:05:30Z",
        labels={"alertname": alert, "host": alert, "zone": "a"},
        sentence=says,
    )
    base: Details = {
        "matchers": (of_alert,),
        "sentence": f"{alert} is told in a sentence.",
        "support": Support(alerts=900, episodes=50, days=20, first=DAY1, last=DAY19),
        "bound": Bound(
            measures=f"share of stretches with {alert}", value=0.0, high=0.058, n=50, level=0.9997,
            method="Clopper-Pearson", tried=200,
        ),
        "expires": "2026-06-20",
        "team": alert,
        "examples": (example, example.model_copy(update={"ends_at": None}), example),
    }  # fmt: skip
    guard = Guard(window_seconds=3600, max_count=9, max_seconds=600)
    found: list[RuleBase] = [
        GroupingRule(id="grouping-1", group_by=("host",), group_wait_seconds=30,
                     group_interval_seconds=300, repeat_interval_seconds=3600, **base),
        WaitRule(id="wait-1", for_seconds=300, **base),
        KeepFiringRule(id="keep_firing-1", keep_firing_for_seconds=5400, **base),
        InhibitionRule(id="inhibition-1", source=(of_alert,), equal=("host",), **base),
        MuteTimeRule(id="mute_time-1", weekdays=(0, 1), start_minute=300, end_minute=390, **base),
        DemotionRule(id="demotion-1", guard=guard, **base),
        KnownFixRule(id="known_fix-1", fix=alert, median_minutes=5.0, **base),
    ]  # fmt: skip
    return [rule.model_dump(mode="json") for rule in found]


def incident(
    ticket: str, delay: float | None, *, missed: bool = False, notified: bool = True
) -> Details:
    return {
        "ticket": ticket,
        "starts": "2026-03-26T08:00:00Z",
        "baseline_first_page": "2026-03-26T08:00:10.205Z" if notified else None,
        "candidate_first_page": "2026-03-26T08:05:25Z" if notified and not missed else None,
        "missed": missed,
        "delay_seconds": delay,
        "rules": ["demotion-1", "gone-1"],
    }


INCIDENTS = [
    incident("INC-2", 315.0),
    incident("INC-1", 0.0),
    incident("INC-3", None, notified=False),
]


def noisy(alert: str, acted: int, ids: list[str], **more: Any) -> Details:
    counts = {"alerts": 100, "acted": acted, "baseline_paged": 80, "candidate_paged": 8}
    return {"value": alert, **counts, "median_seconds": 90.0, "rules": ids, **more}


def replayed(found: list[Details], incidents: list[Details], alert: str) -> Details:
    stages = {"events": 400, "episodes": 390, "alerts": 380, "notifications": 300, "pages": 200}
    fewer = {**stages, "alerts": 200, "notifications": 60, "pages": 30}
    families = list(dict.fromkeys(rule["family"] for rule in found))
    return {
        "window": {"start": DAY25, "end": DAY35, "days": 6.0},
        "stages": {"baseline": stages, "candidate": fewer},
        "certificate": {
            "start": DAY25, "end": DAY35, "incidents": 3, "notified_today": 3,
            "notified_with_files": 2, "missed_share_at_most": 0.8, "level": 0.95,
            "longest_delay_seconds": 61.0, "files": {alert: "ab" * 32}, "judge": "a replay",
        },
        "families": [
            {"family": one, "rules": 1, "pages_saved": 20.5, "alerts": 30} for one in families
        ],
        "rules": [{"rule": rule, "pages_saved": 12.3, "alerts": 40} for rule in found],
        "incidents": incidents,
        "teams": [
            {"value": alert, "alerts": 300, "acted": 3, "baseline_paged": 90, "candidate_paged": 9},
            {"value": "(no team)", "alerts": 1, "acted": 0, "baseline_paged": 0,
             "candidate_paged": 0},
        ],
        "noisiest": [noisy(alert, 0, [rule["id"] for rule in found]), noisy("other", 5, [])],
        "receivers": [
            {"receiver": f"{alert}-on-call", "pager": True, "baseline": 250, "candidate": 40},
            {"receiver": f"{alert}-chat", "pager": False, "baseline": 50, "candidate": 20},
        ],
        "heartbeats": [f"Watchdog {alert}"],
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
            number("replay_rules.baseline_pages", 600, unit="pages"),
            number("replay_rules.candidate_pages", 60, unit="pages"),
            number("replay_rules.saved_share", 0.9, low=0.88, high=0.92, level=0.95, unit="share"),
            number("replay_rules.missed", missed, unit="incidents", n=max(notified, 1)),
            number("replay_rules.missed_share", missed / notified if notified else None, n=notified,
                   low=0.0 if notified else None, high=0.4 if notified else None,
                   level=0.95 if notified else None, unit="share", missing=nothing),
            number("replay_rules.median_delay", 0.0 if notified else None, **seconds),
            number("replay_rules.longest_delay", 314.87 if notified else None, **seconds),
        ],
        "watch_rules": [number("watch_rules.rules", 2, unit="rules")],
        "export_rules": [number("export_rules.exported", rules_)],
    }  # fmt: skip
    return found[stage]


def details(
    stage: str, found: list[Details], incidents: list[Details], alert: str, why: str
) -> Details:
    train = {"start": DAY1, "end": DAY20}
    validation, test = {"start": DAY20, "end": DAY25}, {"start": DAY25, "end": DAY35}
    placed = [
        {**{key: rule[key] for key in ("id", "family", "team", "sentence", "expires")},
         "exported": rule["id"] != "demotion-1",
         "locations": [f"{alert}: route.routes"],
         "reasons": [why] if rule["id"] == "demotion-1" else []}
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
            "windows": {"train": train, "validation": validation, "test": test},
            "families": {rule["family"]: {"tried": 200, "found": 2} for rule in found},
            "needs": {rule["family"]: {"days": 5, "stretches": 15} for rule in found},
        },
        "select_rules": {
            "window": validation,
            "curve": [
                {"rules": n, "pages": 500 - 40 * n, "saved_share": 0.1, "missed": 0,
                 "median_delay_seconds": 0.0, "longest_delay_seconds": 0.0}
                for n in range(len(found) + 1)
            ],
            "dropped": [
                {"rule": "demotion-9", "family": "demotion",
                 "reason": f"incident {alert} would be missed"},
                {"rule": "demotion-8", "family": "demotion", "reason": why},
            ],
        },
        "replay_rules": replayed(found, incidents, alert),
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
    aiops: Details | None = None,
    why: str = "saves no page",
) -> AiopsParams:
    """Leave everything that the report reads in the current folder."""
    found = rules(alert) if found is None else found
    incidents = INCIDENTS if incidents is None else incidents
    missed = sum(one["missed"] for one in incidents)
    notified = sum(one["baseline_first_page"] is not None for one in incidents)
    write_text(Path("data/alert_history"), "frozen")
    inputs = hash_inputs(Path("data/alert_history"))
    for stage in STAGES[:-1]:
        measured = figures(stage, len(found), missed, notified)
        told = details(stage, found, incidents, alert, why)
        if stage == "watch_rules":
            told = {"released": released, "harmful_rules": harmful or []}
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
    write_text(TRADE_OFF, "rules,pages\n")
    pagerduty = {"rules": 6, "not_expressed": [{}], "weaker": []}
    write_json(EXPORT_SUMMARY, {"sources": {}, "rules": [], "exported": 6, "not_exported": 1,
                                "changed_lines": 7, "pagerduty": pagerduty})  # fmt: skip
    write_text(Path("params.yaml"), yaml.safe_dump({"aiops": aiops or {}}))
    return load_aiops_params()
