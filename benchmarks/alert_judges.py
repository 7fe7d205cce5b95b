"""What alert rules, and other methods, do on a company's history: by its tickets and by truth.

All methods are judged on the same thirds of the history, by the product's own judge
(`pipelines.aiops.alerting.evaluation`). Rules are mined on the other two thirds, exported, read
back from the bytes and replayed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pipelines.aiops.alerting.evaluation import Backtest, BacktestResult, TicketedIncident
    from pipelines.aiops.alerting.replay import Replay
    from pipelines.aiops.alerting.rules import Rule
    from pipelines.aiops.alerting.windows import HistoryWindow
    from pipelines.aiops.lake.frame import AlertFrame
    from pipelines.aiops.params import AiopsParams

OWN, TRUTH = "held", "truth"
TRUTH_FILE = "truth/truth.json"
UNDETECTABLE = "noise_real_same"
"""Kind of a true incident: noise that is real once, alone, at its usual length."""
NEVER_ACTED_ALERTS = 20
NIGHT = (22, 7)
"""Hours, UTC, as in the report."""


@dataclass(frozen=True)
class Third:
    """A judged window, and what files do there that were mined on the rest.

    Attributes
    ----------
    backtest
        The window, today.
    learned
        Alerts of the windows that the rules were mined on.
    rules
        What was mined and exported.
    candidate
        Replay through the exported files.
    """

    backtest: Backtest
    learned: tuple[AlertFrame, ...]
    rules: tuple[Rule, ...]
    candidate: Replay


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
    from pipelines.aiops.alerting.evaluation.baselines import BASELINES, cool_down

    results: dict[str, list[Judged]] = {}
    pages: list[dict[str, Any]] = []
    for number, third in enumerate(
        thirds_of(params, None if out is None else out / "third"), start=1
    ):
        methods: dict[str, Callable[[Backtest], BacktestResult]] = {
            OWN: third_effect(third),
            **{one.name: one.measure for one in BASELINES},
            "cool_down_24h": cool_down(24),
            "never_acted_dropped": never_acted_dropped(third.learned),
        }
        by_truth = true_incidents(world, third.backtest)
        for name, measure in methods.items():
            found = measure(third.backtest)
            true = None if by_truth is None else measure(by_truth.backtest)
            kinds = {} if by_truth is None else by_truth.kinds
            results.setdefault(name, []).append(Judged(found, true, kinds))
        pages += pages_of(number, third)
    if out is not None:
        write_pages(pages, out / "pages.csv")
    return {name: counted(found) for name, found in results.items()}


def thirds_of(params: AiopsParams, out: Path | None = None) -> Iterable[Third]:
    """Mine rules on two thirds of the frozen history, and replay their files on the other one.

    Parameters
    ----------
    params
        Of the project that one stands in.
    out
        ``<out>_1`` … are the folders for the files that judge each third; None: none are written.

    Yields
    ------
    Third
        In the order of time.
    """
    from pipelines.aiops.alerting.windows import thirds, whole_window

    history = History.read(params)
    parts = thirds(whole_window(history.frame))
    for number, judged in enumerate(parts, start=1):
        learned = tuple(part for part in parts if part != judged)
        folder = None if out is None else out.with_name(f"{out.name}_{number}")
        yield history.judged_on(judged, learned, folder)


@dataclass(frozen=True)
class History:
    """A frozen history, and all that mining and judging needs beside it."""

    params: AiopsParams
    frame: AlertFrame

    @classmethod
    def read(cls, params: AiopsParams) -> History:
        """Read the one of the project that one stands in."""
        from pipelines.aiops.lake.read import read_history
        from pipelines.aiops.params.artifacts import HISTORY

        return cls(params, read_history(HISTORY, params.runtime.memory_mb, ids=True))

    def judged_on(
        self, judged: HistoryWindow, learned: Sequence[HistoryWindow], folder: Path | None = None
    ) -> Third:
        """Mine rules on some windows, and replay their files on another one.

        Parameters
        ----------
        judged
            Where pages and incidents count.
        learned
            What rules are mined on.
        folder
            Where the files are written to; None: nowhere.
        """
        from pipelines.aiops.alerting.config import process_of
        from pipelines.aiops.alerting.config.parse import config_with_pagers
        from pipelines.aiops.alerting.evaluation import Backtest, known_tickets
        from pipelines.aiops.alerting.export.bundle import export_problems, make_bundle
        from pipelines.aiops.alerting.export.read_back import files_of, read_back
        from pipelines.aiops.alerting.export.write import export, sources_of
        from pipelines.aiops.alerting.mining.mine import mine_all
        from pipelines.aiops.alerting.windows import started_in
        from pipelines.aiops.lake.read import read_tickets
        from pipelines.aiops.params.artifacts import HISTORY

        own = self.params.export_rules
        config = config_with_pagers(
            own.alertmanager_yml, own.paging_receivers, process_of(*own.reader)
        )
        backtest = Backtest(self.frame, judged, config, known_tickets(HISTORY))
        found = mine_all(
            self.frame,
            self.params.mine_rules,
            learned,
            read_tickets(HISTORY / "tickets.parquet"),
            config=config,
            chat_receiver=own.chat_receiver,
        )
        sources = sources_of(own)
        mined = waiting_as_selected(tuple(rule for one in found.values() for rule in one.rules))
        left_out = {*export_problems(sources, mined), *backtest.changing_heartbeats(mined)}
        rules = tuple(rule for rule in mined if rule.id not in left_out)
        bundle = make_bundle(sources, rules, own.step_seconds, own.pagerduty_label_field)
        if folder is not None:
            export(
                folder, sources, rules, step=own.step_seconds,
                label_field=own.pagerduty_label_field,
            )  # fmt: skip
        labels = {name for one in backtest.rows.labels for name in one}
        candidate = backtest.replay_deployed(read_back(files_of(bundle, sources), rules, labels))
        rows = [started_in(self.frame, window) for window in learned]
        return Third(backtest, tuple(rows), rules, candidate)


def waiting_as_selected(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Let rules wait as long as those of the selected set do: less where incidents are few."""
    from pipelines.aiops.alerting.rules import HoldRule, read_rules, with_id
    from pipelines.aiops.params.artifacts import RULE_SET

    waits = {rule.wait_seconds for rule in read_rules(RULE_SET) if isinstance(rule, HoldRule)}
    if len(waits) != 1:
        return rules
    (wait,) = waits
    return tuple(
        with_id(rule.model_copy(update={"wait_seconds": wait}))
        if isinstance(rule, HoldRule)
        else rule
        for rule in rules
    )


def third_effect(third: Third) -> Callable[[Backtest], BacktestResult]:
    """Judge the replay of a third's files."""
    return lambda backtest: backtest.effect(third.candidate, third.rules)


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
    from pipelines.aiops.alerting.evaluation.attribution import RuleAttribution

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


def pages_of(number: int, third: Third) -> list[dict[str, Any]]:
    """List the pages of a third, each with the alerts that it is the first to tell of."""
    sent = third.candidate.notifications
    sent = sent[sent["page"].to_numpy(bool)]
    alerts, rows = third.candidate.alerts, third.backtest.rows
    first = alerts["first_page"].to_numpy(np.int64)
    told: dict[int, set[str]] = {}
    for at, code in zip(first.tolist(), rows.series.tolist(), strict=True):
        if at >= 0:
            labels = rows.labels[code]
            told.setdefault(at, set()).add(
                f"{labels.get('alertname', '')} {labels.get('service', '')}".strip()
            )
    window = third.backtest.window
    columns = (sent[name].tolist() for name in ("time", "receiver", "group", "firing", "reason"))
    return [
        {
            "third": number,
            "time": at,
            "receiver": receiver,
            "group": group,
            "firing": firing,
            "reason": reason,
            "first_told": "; ".join(sorted(told.get(at, ()))),
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
