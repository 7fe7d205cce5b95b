"""What alert rules, and other methods, do on a company's history: by its tickets and by truth.

All methods are judged on the same thirds of the history, by the product's own judge
(`pipelines.aiops.alerting.evaluation`). Rules are mined on the other two thirds, exported, read
back from the bytes and replayed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pipelines.aiops.alerting.evaluation import Backtest, BacktestResult, TicketedIncident
    from pipelines.aiops.alerting.evaluation.backtest import Fold
    from pipelines.aiops.alerting.judging import Case
    from pipelines.aiops.lake.frame import AlertFrame
    from pipelines.aiops.params import AiopsParams

OWN, TRUTH = "held", "truth"
TRUTH_FILE = "truth/truth.json"
UNDETECTABLE = "noise_real_same"
"""Kind of a true incident: noise that is real once, alone, at its usual length."""
NEVER_ACTED_ALERTS = 20
NIGHT = (22, 7)
"""Hours, UTC, as in the report."""


def judge_world(params: AiopsParams, world: Path, out: Path | None) -> dict[str, dict[str, Any]]:
    """Judge the rules of a project that went through the stages, and other methods.

    Parameters
    ----------
    params
        Of the project that one stands in.
    world
        Folder of the company's files.
    out
        Folder for the files and pages of each third; None: none are written.

    Returns
    -------
    dict of str to dict
        Method → pages, nights, and incidents by credible tickets, by all tickets and by truth.
    """
    from pipelines.aiops.alerting.evaluation.baselines import BASELINES
    from pipelines.aiops.alerting.windows import started_in

    case, folds = folds_of(params)
    results: dict[str, list[Judged]] = {}
    for fold in folds:
        others = [each.backtest.window for each in folds if each is not fold]
        methods: dict[str, Callable[[Backtest], BacktestResult]] = {
            OWN: effect_of(fold),
            **{one.name: one.measure for one in BASELINES},
            "never_acted_dropped": never_acted_dropped(
                [started_in(case.frame, window) for window in others]
            ),
        }
        by_truth = true_incidents(world, fold.backtest)
        for name, measure in methods.items():
            found = measure(fold.backtest)
            true = None if by_truth is None else measure(by_truth.backtest)
            kinds = {} if by_truth is None else by_truth.kinds
            results.setdefault(name, []).append(Judged(found, true, kinds))
    if out is not None:
        write_folds(case, folds, out)
    return {name: counted(found) for name, found in results.items()}


def folds_of(params: AiopsParams) -> tuple[Case, tuple[Fold, ...]]:
    """Judge each third of the frozen history as ``replay_rules`` does; by it no replay is kept."""
    from pipelines.aiops.alerting.judging import Case, Unseen
    from pipelines.aiops.alerting.rules import read_rules
    from pipelines.aiops.params.artifacts import RULE_SET
    from pipelines.aiops.replay_rules import judged

    case = Case.read(params, ids=True)
    return case, judged(case, read_rules(RULE_SET), Unseen.fold)


def effect_of(fold: Fold) -> Callable[[Backtest], BacktestResult]:
    """Judge the replay of a third's files."""
    return lambda backtest: backtest.effect(fold.candidate, fold.rules)


def write_folds(case: Case, folds: Sequence[Fold], out: Path) -> None:
    """Write the files that judge each third, and the pages that they send there."""
    from pipelines.aiops.alerting.export.write import export

    own = case.params.export_rules
    for number, fold in enumerate(folds, start=1):
        export(
            out / f"third_{number}", case.sources, fold.rules,
            step=own.step_seconds, label_field=own.pagerduty_label_field,
        )  # fmt: skip
    pages = [page for number, fold in enumerate(folds, start=1) for page in pages_of(number, fold)]
    write_pages(pages, out / "pages.csv")


def never_acted_dropped(
    learned: Sequence[AlertFrame],
) -> Callable[[Backtest], BacktestResult]:
    """Drop each (alertname, service) that nobody ever acted on, and group the rest coarsely."""
    from pipelines.aiops.alerting.evaluation.baselines import grouped
    from pipelines.aiops.alerting.rules import one_of

    keys = never_acted(learned)
    services: dict[str, list[str]] = {}
    for name, service in sorted(keys):
        services.setdefault(name, []).append(service)

    def measure(backtest: Backtest) -> BacktestResult:
        from pipelines.aiops.alerting.config import QUIET_RECEIVER, Receiver

        config = grouped(backtest.config)
        dropped = tuple(
            replace(
                config.route,
                receiver=QUIET_RECEIVER,
                matchers=(one_of("alertname", [name]), one_of("service", known)),
                routes=(),
            )
            for name, known in services.items()
        )
        config = replace(
            config,
            route=replace(config.route, routes=(*dropped, *config.route.routes)),
            receivers=(*config.receivers, Receiver(QUIET_RECEIVER, (), pages=False)),
        )
        return backtest.effect(backtest.replay((), config), ())

    return measure


def never_acted(learned: Sequence[AlertFrame]) -> set[tuple[str, str]]:
    """(alertname, service) with 20 alerts or more, none of which anybody is known to act on."""
    from pipelines.aiops.lake.contract import service_of
    from pipelines.aiops.lake.frame import YES

    alerts: dict[tuple[str, str], int] = {}
    acted: dict[tuple[str, str], int] = {}
    for rows in learned:
        number = np.bincount(rows.series, minlength=len(rows.labels)).tolist()
        by_people = np.bincount(rows.series[rows.acted == YES], minlength=len(rows.labels)).tolist()
        for labels, all_of, theirs in zip(rows.labels, number, by_people, strict=True):
            key = labels.get("alertname", ""), service_of(labels)
            alerts[key] = alerts.get(key, 0) + all_of
            acted[key] = acted.get(key, 0) + theirs
    return {
        key
        for key, number in alerts.items()
        if number >= NEVER_ACTED_ALERTS and not acted[key] and key[1]
    }


@dataclass(frozen=True)
class TrueIncidents:
    """A backtest whose alerts are linked to what really happened.

    Attributes
    ----------
    backtest
        Of the same replays.
    kinds
        Name of an incident → what ``truth.json`` says of it.
    """

    backtest: Backtest
    kinds: dict[str, dict[str, Any]]


def true_incidents(world: Path, backtest: Backtest) -> TrueIncidents | None:
    """Link a backtest's alerts to the incidents that they really belong to; None without truth."""
    from pipelines.aiops.alerting.evaluation import Ticket
    from pipelines.aiops.alerting.evaluation.incidents import RuleAttribution

    if not (world / TRUTH_FILE).is_file():
        return None
    linked, known = truth_links(world, backtest.rows)
    found = copy.copy(backtest)
    found.attribution = RuleAttribution(linked)
    found.tickets = {
        name: Ticket(title=name, closed=round(one["end"] * 1e6)) for name, one in known.items()
    }
    return TrueIncidents(found, known)


def truth_links(world: Path, rows: AlertFrame) -> tuple[AlertFrame, dict[str, dict[str, Any]]]:
    """Link alerts to the incidents that they really belong to.

    Returns
    -------
    The same alerts with the truth's incidents as their tickets, and what the truth says of each.
    """
    import pyarrow.parquet as pq

    known = json.loads((world / TRUTH_FILE).read_text(encoding="utf-8"))["incidents"]
    table = pq.read_table(
        world / "truth/rows.parquet", columns=["row", "start", "labels"]
    ).to_pydict()
    key_of_row = {
        row: (round(start * 1000), canonical(json.loads(labels)))
        for row, start, labels in zip(table["row"], table["start"], table["labels"], strict=True)
    }
    number = {key_of_row[row]: n for n, one in enumerate(known) for row in one["rows"]}
    series = [canonical(labels) for labels in rows.labels]
    moments = np.rint(rows.starts / 1000).astype(np.int64).tolist()
    of_row = [
        number.get((at, series[code]), -1)
        for at, code in zip(moments, rows.series.tolist(), strict=True)
    ]
    names = [f"{one['id']} ({one['kind']}, {one.get('ticket') or 'no ticket'})" for one in known]
    linked = replace(rows, ticket=np.array(of_row, np.int32), tickets=names, ticket_assumed=None)
    return linked, dict(zip(names, known, strict=True))


def canonical(labels: dict[str, str]) -> str:
    """Write labels as a key."""
    return json.dumps(labels, sort_keys=True)


@dataclass(frozen=True)
class Judged:
    """One method in one third: by tickets, by truth (None without), and the truth's incidents."""

    by_tickets: BacktestResult
    by_truth: BacktestResult | None
    kinds: dict[str, dict[str, Any]]


def counted(found: Sequence[Judged]) -> dict[str, Any]:
    """Add up what a method does in all thirds."""
    today = np.concatenate([one.by_tickets.baseline for one in found])
    pages = np.concatenate([one.by_tickets.candidate for one in found])
    tickets = [incident for one in found for incident in one.by_tickets.notified]
    result: dict[str, Any] = {
        "pages_today": len(today),
        "pages": len(pages),
        "saved_share": round(1 - len(pages) / len(today), 4) if len(today) else 0.0,
        "nights_today": int(at_night(today).sum()),
        "nights": int(at_night(pages).sum()),
        "credible": about([one for one in tickets if one.credible], {}),
        "tickets": about(tickets, {}),
    }
    if all(one.by_truth is not None for one in found):
        true = [incident for one in found if one.by_truth for incident in one.by_truth.notified]
        kinds = {name: known for one in found for name, known in one.kinds.items()}
        result[TRUTH] = about(true, kinds)
    return result


def at_night(times: Any) -> Any:
    """Which times are at night (UTC)."""
    hours = times // 3_600_000_000 % 24
    return (hours >= NIGHT[0]) | (hours < NIGHT[1])


def about(notified: Sequence[TicketedIncident], kinds: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Count incidents that are paged today: missed with the method, and later than today."""
    missed = [one for one in notified if one.missed]
    delays = np.array([one.delay for one in notified if not one.missed])
    kind = {one.ticket: kinds.get(one.ticket, {}) for one in notified}
    return {
        "told_today": len(notified),
        "missed": len(missed),
        "strict_missed": sum(one.strict_missed for one in notified),
        "missed_other": sum(kind[one.ticket].get("kind") != UNDETECTABLE for one in missed),
        "missed_major": sum(
            bool(kind[one.ticket].get("major", one.known.severity == "sev1")) for one in missed
        ),
        "missed_incidents": [f"{one.ticket}: {one.known.title}" for one in missed],
        "late_1m": int((delays > 60).sum()),
        "late_5m": int((delays > 300).sum()),
        "late_15m": int((delays > 900).sum()),
        "longest_delay_s": round(float(delays.max()), 1) if len(delays) else None,
        "longest_delay_by_kind_s": by_kind(notified, kind),
    }


def by_kind(
    notified: Sequence[TicketedIncident], kind: dict[str, dict[str, Any]]
) -> dict[str, float]:
    """Longest delay of each kind of true incident, of those that aren't missed."""
    found: dict[str, float] = {}
    for one in notified:
        name = kind[one.ticket].get("kind")
        if name and not one.missed:
            found[name] = max(found.get(name, 0.0), round(one.delay, 1))
    return found


def pages_of(number: int, fold: Fold) -> list[dict[str, Any]]:
    """List the pages of a third, each with the alerts that it is the first to tell of."""
    sent = fold.candidate.notifications
    sent = sent[sent["page"].to_numpy(bool)]
    alerts, rows = fold.candidate.alerts, fold.backtest.rows
    by = (alerts["first_page"].tolist(), alerts["group"].tolist(), rows.series.tolist())
    told: dict[tuple[int, int], set[str]] = {}
    for at, group, code in zip(*by, strict=True):
        if at >= 0:
            labels = rows.labels[code]
            told.setdefault((at, group), set()).add(
                f"{labels.get('alertname', '')} {labels.get('service', '')}".strip()
            )
    window = fold.backtest.window
    columns = (sent[name].tolist() for name in ("time", "receiver", "group", "firing", "reason"))
    return [
        {
            "third": number,
            "time": at,
            "receiver": receiver,
            "group": group,
            "firing": firing,
            "reason": reason,
            "first_told": "; ".join(sorted(told.get((at, group), ()))),
        }
        for at, receiver, group, firing, reason in zip(*columns, strict=True)
        if window.start <= at < window.end
    ]


def write_pages(pages: list[dict[str, Any]], path: Path) -> None:
    """Write pages as CSV; times are microseconds since 1970."""
    import csv

    path.parent.mkdir(parents=True, exist_ok=True)
    names = ("third", "time", "receiver", "group", "firing", "reason", "first_told")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(pages)
