"""Alert rules on companies that nobody here invented: the product's own stages, up to its gate.

``python -m benchmarks.alert_worlds --data PATH [--out DIR]`` prints a few lines a world, then one
line of JSON. PATH is a folder of worlds (or one world), each as a company has its files:

- ``alerts.jsonl.gz``: ``starts_at``, ``ends_at``, ``labels``, ``acted``, ``acked_at``, ``ticket``
- ``tickets.csv``: ``id``, ``opened``, ``closed``, ``title``, ``service``, ``kind``, ``severity``,
  ``fix``; ``changes.csv``: ``id``, ``at``, ``service``, ``kind``, ``title``
- ``alertmanager.yml``, ``prometheus/*.yml`` and the rule files that these load

Every world goes through ``signalbox ingest`` and the stages ``alert_history`` to ``gate_rules``
with the project's own ``params.yaml``, in which only the paths are the world's. Nothing is set for
a world. What a set saves *after the gate* is 0 where the gate rejects it: nobody can release it.

Where a world has ``truth/truth.json`` and ``truth/rows.parquet``, the same replays are judged by it
as well: its incidents have the alerts that really belong to them (``rows``, as numbered in
``rows.parquet``), whatever people linked, and end when they really ended. "Notified" means the same
as everywhere (docs/alert-rules.md). No stage reads the truth.

With ``--out``, for each world ``<world>.json``: all that is printed, and the incidents missed.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.aiops.alerting.evaluation import Backtest, BacktestResult
    from pipelines.aiops.alerting.replay import Replay
    from pipelines.aiops.alerting.rules import Rule
    from pipelines.aiops.lake.frame import AlertFrame
    from pipelines.aiops.params import AiopsParams

PROJECT = Path(__file__).resolve().parents[1]
ALERTS, TRUTH = "alerts.jsonl.gz", "truth/truth.json"
LATE_SECONDS = 60
SOURCES = (
    {
        "name": "alerts", "kind": "table", "table": "alerts", "files": [ALERTS],
        "columns": {
            "starts_at": "starts_at", "ends_at": "ends_at", "acted": "acted",
            "acknowledged_at": "acked_at", "ticket_id": "ticket",
        },
        "labels_json": "labels",
    },
    {
        "name": "tickets", "kind": "table", "table": "tickets", "files": ["tickets.csv"],
        "columns": {
            "ticket_id": "id", "opened_at": "opened", "closed_at": "closed", "title": "title",
            "service": "service", "kind": "kind", "severity": "severity", "fix": "fix",
        },
    },
    {
        "name": "changes", "kind": "table", "table": "changes", "files": ["changes.csv"],
        "columns": {
            "change_id": "id", "at": "at", "service": "service", "kind": "kind", "title": "title",
        },
    },
)  # fmt: skip
"""How a user would map the columns of such files (docs/own-telemetry.md)."""


def worlds_in(folder: Path) -> list[Path]:
    """Folders of worlds at `folder` or right below it."""
    return [one for one in (folder, *sorted(folder.iterdir())) if (one / ALERTS).is_file()]


def params_for(world: Path, lake: Path) -> AiopsParams:
    """Return the project's own params with the world's paths."""
    import yaml

    from pipelines.aiops.params import AiopsParams

    ours = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))["aiops"]
    ours["telemetry"] = {"lake": str(lake), "sources": list(SOURCES)}
    ours["alert_history"]["lake"] = str(lake)
    ours["export_rules"] |= {
        "alertmanager_yml": str(world / "alertmanager.yml"),
        "prometheus": [str(path) for path in sorted((world / "prometheus").glob("*.yml"))],
        "prometheus_rules": [],
        "watch": str(world),
    }
    return AiopsParams.model_validate(ours)


def in_world(world: Path) -> dict[str, Any]:
    """Ingest a world, mine, select, export, replay and gate; say what came of it."""
    import os

    from pipelines.aiops import (
        alert_history,
        export_rules,
        gate_rules,
        mine_rules,
        replay_rules,
        select_rules,
        watch_rules,
    )
    from pipelines.aiops.lake.batch import ReadWindow
    from pipelines.aiops.params.artifacts import RULES_RELEASED
    from pipelines.aiops.sources.ingest import ingest
    from pipelines.core.artifacts import evidence_of, metrics_of
    from pipelines.core.evidence import read_evidence
    from pipelines.core.files import write_json

    world, begun = world.resolve(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder, "lake")
        params = params_for(world, lake)
        Path(folder, "expectations").symlink_to(PROJECT / "expectations", target_is_directory=True)
        os.chdir(folder)
        write_json(RULES_RELEASED, {"released": None})  # a first release
        everything = ReadWindow(None, None, last_moment(world))
        for source in params.telemetry.sources:
            ingest(params, source, everything, world)
        for stage in (
            alert_history, mine_rules, select_rules, export_rules, replay_rules, watch_rules,
            gate_rules,
        ):  # fmt: skip
            stage.main(params)
        gate = json.loads(metrics_of("gate_rules").read_text(encoding="utf-8"))
        because = read_evidence(evidence_of("gate_rules")).details["because"]
        judged = judge_files(params)
        os.chdir("/")
    verdict, effect, rules = gate["verdict"], judged.effect, judged.rules
    saved = round(effect.saved_share, 4) if len(effect.baseline) else 0.0
    row = {
        "world": world.name,
        "pages_today": len(effect.baseline),
        "pages": len(effect.candidate),
        "saved_share": saved,
        "saved_after_gate": 0.0 if verdict == "reject" else saved,
        "verdict": verdict,
        "because": because,
        "not_passed": {name: one for name, one in gate["checks"].items() if one != "pass"},
        "rules": dict(Counter(rule.family for rule in rules)),
        **about_incidents(effect),
    }
    if (world / TRUTH).is_file():
        linked, ended = truth_links(world, judged.backtest.rows)
        row["truth"] = about_incidents(judged_by(linked, ended, judged))
    return {**row, "seconds": round(time.perf_counter() - begun, 1)}


@dataclass(frozen=True)
class JudgedFiles:
    """Exported files, replayed on the test window; by its stage no replay is kept."""

    backtest: Backtest
    candidate: Replay
    rules: tuple[Rule, ...]
    effect: BacktestResult


def judge_files(params: AiopsParams) -> JudgedFiles:
    """Replay the files that ``export_rules`` wrote in this folder, as ``replay_rules`` does."""
    from pipelines.aiops import replay_rules
    from pipelines.aiops.alerting.export.read_back import exported_files, read_back
    from pipelines.aiops.alerting.export.write import sources_of
    from pipelines.aiops.alerting.rules import read_rules
    from pipelines.aiops.params.artifacts import EXPORT, RULE_SET

    rules = read_rules(RULE_SET)
    backtest = replay_rules.backtest_on_last(params)
    sources = sources_of(params.export_rules)
    labels = {name for one in backtest.rows.labels for name in one}
    deployed = read_back(exported_files(EXPORT, sources), rules, labels)
    candidate = backtest.replay_deployed(deployed)
    return JudgedFiles(backtest, candidate, rules, backtest.effect(candidate, rules))


def last_moment(world: Path) -> Any:
    """Return a moment after everything in a world: when it is read."""
    from datetime import datetime, timedelta

    import pyarrow.json as pj

    ends = pj.read_json(world / ALERTS)["starts_at"].to_pylist()
    last = max(one if isinstance(one, datetime) else datetime.fromisoformat(one) for one in ends)
    return last.astimezone() + timedelta(days=1)


def about_incidents(effect: BacktestResult) -> dict[str, Any]:
    """Count incidents notified today, missed with the files, and late ones."""
    delays = effect.delays()
    return {
        "incidents": len(effect.incidents),
        "notified_today": len(effect.notified),
        "missed": len(effect.missed),
        "missed_incidents": [
            {"incident": one.ticket, "hidden_by": one.hidden_by, "touched_by": one.touched_by}
            for one in effect.missed
        ],
        "vanished": len(effect.vanished),
        "late": int((delays > LATE_SECONDS).sum()),
        "longest_delay_s": round(float(delays.max()), 1) if len(delays) else None,
    }


def truth_links(world: Path, rows: AlertFrame) -> tuple[AlertFrame, dict[str, int]]:
    """Link alerts to the incidents that they really belong to.

    Returns
    -------
    The same alerts with the truth's incidents as their tickets, and when each really ended
    (microseconds since 1970).
    """
    import numpy as np
    import pyarrow.parquet as pq

    known = json.loads((world / TRUTH).read_text(encoding="utf-8"))["incidents"]
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
    ended = {name: round(one["end"] * 1e6) for name, one in zip(names, known, strict=True)}
    linked = replace(rows, ticket=np.array(of_row, np.int32), tickets=names, ticket_assumed=None)
    return linked, ended


def canonical(labels: dict[str, str]) -> str:
    return json.dumps(labels, sort_keys=True)


def judged_by(linked: AlertFrame, ended: dict[str, int], judged: JudgedFiles) -> BacktestResult:
    """Judge replays that are done by other links of the same alerts."""
    from pipelines.aiops.alerting.evaluation.attribution import RuleAttribution
    from pipelines.aiops.alerting.evaluation.backtest import evaluate_outcomes

    return evaluate_outcomes(
        RuleAttribution(linked),
        window=judged.backtest.window,
        baseline=judged.backtest.baseline,
        candidate=judged.candidate,
        rules=judged.rules,
        closed=ended,
    )


def show(row: dict[str, Any]) -> None:
    asked = ", ".join(f"{name} {verdict}" for name, verdict in row["not_passed"].items())
    print(
        f"{row['world']}: {row['pages_today']} pages today -> {row['pages']} with the files "
        f"({row['saved_share']:.1%} saved, {row['saved_after_gate']:.1%} after the gate), "
        f"rules {row['rules'] or 'none'}, {row['seconds']} s\n"
        f"    gate: {row['verdict']} ({asked or 'every check passed'})\n"
        f"    by tickets: {in_words(row)}",
        flush=True,
    )
    if "truth" in row:
        print(f"    by truth:   {in_words(row['truth'])}", flush=True)
    for one in [*row["missed_incidents"], *row.get("truth", {}).get("missed_incidents", [])]:
        print(f"    missed: {one['incident']}, touched by {', '.join(one['touched_by']) or '-'}")


def in_words(one: dict[str, Any]) -> str:
    return (
        f"{one['missed']} of {one['notified_today']} incidents that are paged today missed "
        f"({one['incidents']} in all), {one['vanished']} vanish from every receiver, "
        f"{one['late']} more than {LATE_SECONDS} s late, longest delay {one['longest_delay_s']} s"
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and worst over the worlds; incidents missed, and missed in what the gate lets pass."""
    judged = [{**row, **row.get("truth", {})} for row in rows]

    def mean_and_worst(key: str) -> dict[str, float]:
        shares = [row[key] for row in rows]
        return {"mean": round(math.fsum(shares) / len(shares), 4), "worst": min(shares)}

    passed = [one for one in judged if one["verdict"] != "reject"]
    return {
        "benchmark": "alert_worlds",
        "worlds": len(rows),
        "saved_share": mean_and_worst("saved_share"),
        "saved_after_gate": mean_and_worst("saved_after_gate"),
        "verdicts": dict(Counter(row["verdict"] for row in rows)),
        "notified_today": sum(one["notified_today"] for one in judged),
        "missed": sum(one["missed"] for one in judged),
        "missed_after_gate": sum(one["missed"] for one in passed),
        "longest_delay_after_gate_s": max(
            (one["longest_delay_s"] for one in passed if one["longest_delay_s"] is not None),
            default=None,
        ),
        "rows": rows,
    }


def child(world: Path) -> dict[str, Any]:
    """One world in a process of its own, so that worlds don't share memory."""
    command = [sys.executable, "-m", "benchmarks.alert_worlds", "--world", str(world)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder of worlds")
    parser.add_argument("--out", type=Path, help="folder for what is printed, as JSON")
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.world is not None:
        print(json.dumps(in_world(options.world)))
        return
    if options.data is None:
        print("alert_worlds: skipped, --data PATH names a folder of alert histories")
        print(json.dumps({"benchmark": "alert_worlds", "skipped": "no --data"}))
        return
    rows = []
    for world in worlds_in(options.data):
        rows.append(child(world))
        show(rows[-1])
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            text = json.dumps(rows[-1], indent=1)
            (options.out / f"{world.name}.json").write_text(text, encoding="utf-8")
    if not rows:
        raise SystemExit(f"{options.data}: no world (a folder with {ALERTS}) there or right below")
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
