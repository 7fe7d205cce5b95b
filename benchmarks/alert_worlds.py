"""Alert rules on companies that nobody here invented: the product's own stages, up to its gate.

``python -m benchmarks.alert_worlds --data PATH [--out DIR]`` prints a few lines a world, a table
over all of them, then one line of JSON. PATH is a folder of worlds (or one world), each as a
company has its files:

- ``alerts.jsonl.gz``: ``starts_at``, ``ends_at``, ``labels``, ``acted``, ``acked_at``, ``ticket``
- ``tickets.csv``: ``id``, ``opened``, ``closed``, ``title``, ``service``, ``kind``, ``severity``,
  ``fix``; ``changes.csv``: ``id``, ``at``, ``service``, ``kind``, ``title``
- ``alertmanager.yml``, ``prometheus/*.yml`` and the rule files that these load

Every world goes through ``signalbox ingest`` and the stages ``alert_history`` to ``gate_rules``
with the project's own ``params.yaml``, in which only the paths are the world's. Nothing is set for
a world. What a set saves *after the gate* is 0 where the gate rejects it: nobody can release it.

All is judged as the product does (docs/alert-rules.md): each third of the history by rules that
were mined on the other two. Other methods are judged on the same thirds by the same judge.

Two bad sets go through the same stages and the same gate: lone alerts that wait 10 minutes, or
4 hours, whatever comes beside them and however soon they are back. It must reject both everywhere.

``--alerts N`` repeats the largest world, one copy after the other in time, until it has N alerts,
and times ``ingest`` and the stages up to the gate on them.

Where a world has ``truth/truth.json`` and ``truth/rows.parquet``, the same replays are judged by it
as well: its incidents have the alerts that really belong to them (``rows``, as numbered in
``rows.parquet``), whatever people linked, and end when they really ended. No stage reads the truth.

With ``--out``, for each world ``<world>.json``: all that is printed, and every incident missed; and
a folder ``<world>`` with the exported files (``export``), the files that judged each third
(``third_1`` …), and ``pages.csv``: every page of the thirds, with its alerts.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.aiops.params import AiopsParams

PROJECT = Path(__file__).resolve().parents[1]
ALERTS = "alerts.jsonl.gz"
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


ALONE = 1_000_000
"""More alert names, instances, services, or times as often, than any company has."""
BAD_SETS = {"lone, 10 min": 600, "lone, 4 h": 4 * 3600}
"""Name → seconds that lone alerts wait, without company and without a second page."""


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
        "watch": str(world),
    }
    return AiopsParams.model_validate(ours)


def in_world(world: Path, out: Path | None = None) -> dict[str, Any]:
    """Ingest a world, mine, select, export, replay and gate; say what came of it."""
    from benchmarks.alert_judges import OWN, TRUTH, judge_world
    from pipelines.aiops.alerting.rules import read_rules
    from pipelines.aiops.alerting.windows import alerts_in
    from pipelines.aiops.params.artifacts import EXPORT, HISTORY, RULE_SET
    from pipelines.core.artifacts import evidence_of
    from pipelines.core.evidence import read_evidence

    world, begun = world.resolve(), time.perf_counter()
    out = None if out is None else out.resolve() / world.name
    with tempfile.TemporaryDirectory() as folder:
        params = through_stages(world, Path(folder))
        product = time.perf_counter() - begun
        gate = decision()
        because = read_evidence(evidence_of("gate_rules")).details["because"]
        told = read_evidence(evidence_of("replay_rules")).details
        rules, alerts = read_rules(RULE_SET), alerts_in(HISTORY)
        if out is not None:
            copy_files(EXPORT, out / "export")
        methods = judge_world(params, world, out)
        counted = evaluations(params)
        bad = {name: bad_set(params, wait) for name, wait in BAD_SETS.items()}
        os.chdir("/")
    verdict, own = gate["verdict"], methods[OWN]
    saved = own["saved_share"]
    return {
        "world": world.name,
        "alerts": alerts,
        "pages_today": own["pages_today"],
        "pages": own["pages"],
        "nights_today": own["nights_today"],
        "nights": own["nights"],
        "saved_share": saved,
        "saved_after_gate": 0.0 if verdict == "reject" else saved,
        "verdict": verdict,
        "because": because,
        "not_passed": {name: one for name, one in gate["checks"].items() if one != "pass"},
        "rules": dict(Counter(rule.family for rule in rules)),
        "bad_sets": bad,
        "evaluations": counted,
        "credible": own["credible"],
        "tickets": own["tickets"],
        **({"truth": own[TRUTH]} if TRUTH in own else {}),
        "product_outcome": told["outcome"],
        "product_baselines": told["baselines"],
        "methods": methods,
        "seconds": round(product, 1),
        "seconds_with_judging": round(time.perf_counter() - begun, 1),
    }


def through_stages(world: Path, project: Path) -> AiopsParams:
    """Bring a world from its files to the gate, in an empty folder that becomes the current one."""
    from pipelines.aiops import alert_history
    from pipelines.aiops.lake.batch import ReadWindow
    from pipelines.aiops.params.artifacts import RULES_RELEASED
    from pipelines.aiops.sources.ingest import ingest
    from pipelines.core.files import write_json

    params = params_for(world, project / "lake")
    (project / "expectations").symlink_to(PROJECT / "expectations", target_is_directory=True)
    os.chdir(project)
    write_json(RULES_RELEASED, {"released": None})  # a first release
    everything = ReadWindow(None, None, last_moment(world))
    for source in params.telemetry.sources:
        ingest(params, source, everything, world)
    alert_history.main(params)
    from_history(params)
    return params


def from_history(params: AiopsParams) -> None:
    """Run the stages from the frozen history to the gate."""
    from pipelines.aiops import (
        export_rules,
        gate_rules,
        mine_rules,
        replay_rules,
        select_rules,
        watch_rules,
    )

    for stage in (mine_rules, select_rules, export_rules, replay_rules, watch_rules, gate_rules):
        stage.main(params)


def decision() -> dict[str, Any]:
    """Return what the gate said of the current project."""
    from pipelines.core.artifacts import metrics_of

    found: dict[str, Any] = json.loads(metrics_of("gate_rules").read_text(encoding="utf-8"))
    return found


def bad_set(params: AiopsParams, wait_seconds: int) -> dict[str, Any]:
    """Judge a set that holds lone alerts for so long, and nothing else matters to it."""
    from pipelines.core.artifacts import evidence_of
    from pipelines.core.evidence import read_evidence

    step = params.export_rules.step_seconds
    alone = params.mine_rules.hold.model_copy(update={
        "wait_seconds": wait_seconds, "again_seconds": step, "names": ALONE, "instances": ALONE,
        "services": ALONE, "rise": ALONE,
    })  # fmt: skip
    from_history(params.model_copy(update={
        "mine_rules": params.mine_rules.model_copy(update={"hold": alone}),
        "select_rules": params.select_rules.model_copy(update={"incidents_for_full_wait": 1}),
    }))  # fmt: skip
    outcome = read_evidence(evidence_of("replay_rules")).details["outcome"]
    return {
        "verdict": decision()["verdict"],
        "because": read_evidence(evidence_of("gate_rules")).details["because"],
        "saved_share": outcome["saved_share"],
        "missed": outcome["missed"],
    }


def evaluations(params: AiopsParams) -> dict[str, float]:
    """Count how many rules all Prometheis evaluate in a minute, today and for what is exported."""
    from pipelines.aiops.alerting.export.bundle import prometheus_files
    from pipelines.aiops.alerting.export.write import sources_of
    from pipelines.aiops.params.artifacts import EXPORT

    today = ours = 0.0
    for file, server in prometheus_files(sources_of(params.export_rules).servers).items():
        if server is not None:
            usual = yaml_of(Path(server.name)).get("global") or {}
            interval = usual.get("evaluation_interval", "1m")
            today += sum(a_minute(Path(path), interval) for path in server.rule_files)
            ours += a_minute(EXPORT / file, interval)
    return {"today": today, "more": ours, "ratio": round(1 + ours / today, 3) if today else 0.0}


def a_minute(path: Path, interval: str) -> float:
    """How many rules of a file are evaluated in a minute."""
    from pipelines.aiops.alerting.export.spelling import seconds_of

    groups = yaml_of(path).get("groups") or []
    every = [seconds_of(str(group.get("interval", interval))) or 60 for group in groups]
    return sum(
        60 / seconds * len(group["rules"]) for group, seconds in zip(groups, every, strict=True)
    )


def yaml_of(path: Path) -> dict[str, Any]:
    """Read a YAML file."""
    import yaml

    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def repeated(world: Path, out: Path, alerts: int) -> None:
    """Write a world that is another one again and again, one copy after the other in time.

    Alerts, tickets and changes are moved by whole weeks, so that hours and weekdays stay.
    """
    import csv
    import gzip
    import re
    import shutil
    from datetime import datetime, timedelta

    shutil.copytree(world, out, ignore=shutil.ignore_patterns("truth"))
    with gzip.open(world / ALERTS, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    begins = [datetime.fromisoformat(row["starts_at"]) for row in rows]
    weeks = (max(begins) - min(begins)).days // 7 + 1

    def moved(value: str | None, copy: int) -> str | None:
        if not value or not re.match(r"\d{4}-\d\d-\d\dT", value):
            return value
        return (datetime.fromisoformat(value) + timedelta(weeks=weeks * copy)).isoformat()

    copies = range(-(-alerts // len(rows)))
    with gzip.open(out / ALERTS, "wt", encoding="utf-8", compresslevel=1) as file:
        for number, (copy, row) in enumerate((c, row) for c in copies for row in rows):
            if number == alerts:
                break
            times = {key: moved(row[key], copy) for key in ("starts_at", "ends_at", "acked_at")}
            ticket = row["ticket"] and f"{row['ticket']}-{copy}"
            file.write(json.dumps({**row, **times, "ticket": ticket}) + "\n")
    for name in ("tickets.csv", "changes.csv"):
        with (world / name).open(encoding="utf-8", newline="") as source:
            reader = csv.DictReader(source)
            known, columns = list(reader), list(reader.fieldnames or ())
        with (out / name).open("w", encoding="utf-8", newline="") as target:
            writer = csv.DictWriter(target, columns)
            writer.writeheader()
            for copy in copies:
                for row in known:
                    ids = {"id": f"{row['id']}-{copy}"}
                    writer.writerow({key: moved(value, copy) for key, value in row.items()} | ids)


def timed(worlds: list[Path], alerts: int) -> dict[str, Any]:
    """Bring the largest world, repeated until it has so many alerts, from its files to the gate."""
    largest = max(worlds, key=lambda world: (world / ALERTS).stat().st_size)
    with tempfile.TemporaryDirectory() as folder:
        repeated(largest, Path(folder, "world"), alerts)
        Path(folder, "project").mkdir()
        begun, before = time.perf_counter(), os.times()
        through_stages(Path(folder, "world"), Path(folder, "project"))
        seconds, after = time.perf_counter() - begun, os.times()
        os.chdir("/")
    return {
        "world": largest.name,
        "alerts": alerts,
        "seconds": round(seconds, 1),
        "processor_seconds": round(sum(after[:4]) - sum(before[:4]), 1),
    }


def copy_files(folder: Path, out: Path) -> None:
    """Copy a folder of files to another place, in the place of what is there."""
    import shutil

    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(folder, out)


def last_moment(world: Path) -> Any:
    """Return a moment after everything in a world: when it is read."""
    from datetime import datetime, timedelta

    import pyarrow.json as pj

    ends = pj.read_json(world / ALERTS)["starts_at"].to_pylist()
    last = max(one if isinstance(one, datetime) else datetime.fromisoformat(one) for one in ends)
    return last.astimezone() + timedelta(days=1)


def show(row: dict[str, Any]) -> None:
    asked = ", ".join(f"{name} {verdict}" for name, verdict in row["not_passed"].items())
    print(
        f"{row['world']}: {row['pages_today']:,} pages today -> {row['pages']:,} with the files "
        f"({row['saved_share']:.1%} saved, {row['saved_after_gate']:.1%} after the gate; nights "
        f"{row['nights_today']:,} -> {row['nights']:,}), rules {row['rules'] or 'none'}, "
        f"{row['alerts']:,} alerts in {row['seconds']} s\n"
        f"    gate: {row['verdict']} ({asked or 'every check passed'})",
        flush=True,
    )
    for judge in JUDGES:
        if judge in row:
            print(f"    by {judge}: {in_words(row[judge])}", flush=True)
    said = ", ".join(
        f"{name}: {found['verdict']} ({found['saved_share']:.1%} saved, {found['missed']} missed)"
        for name, found in row["bad_sets"].items()
    )
    print(f"    bad sets at the same gate: {said}")
    print(
        f"    rules evaluated a minute: {row['evaluations']['today']:g} today, "
        f"{row['evaluations']['more']:g} more ({row['evaluations']['ratio']} x)"
    )
    for judge in JUDGES:
        for one in row.get(judge, {}).get("missed_incidents", []):
            print(f"    missed by {judge}: {one}")


JUDGES = ("credible", "tickets", "truth")
"""Credible tickets, as the gate counts; all tickets; what really happened."""


def in_words(one: dict[str, Any]) -> str:
    return (
        f"{one['missed']} of {one['told_today']} incidents that are paged today missed "
        f"({one['strict_missed']} strictly), "
        f"later than 1 / 5 / 15 min: {late_shares(one)}, longest delay {one['longest_delay_s']} s"
    )


def late_shares(one: dict[str, Any]) -> str:
    """Write shares of the incidents that are told later, in percent."""
    told = max(one["told_today"], 1)
    return " / ".join(f"{100 * one[key] / told:.1f}" for key in ("late_1m", "late_5m", "late_15m"))


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and least saving of each method over the worlds, incidents summed."""
    methods = list(dict.fromkeys(name for row in rows for name in row["methods"]))
    table = {name: over_worlds([row["methods"][name] for row in rows]) for name in methods}
    gated = [
        row["methods"][methods[0]] if row["verdict"] != "reject" else refused(row) for row in rows
    ]
    return {
        "benchmark": "alert_worlds",
        "worlds": len(rows),
        "verdicts": dict(Counter(row["verdict"] for row in rows)),
        "methods": {AFTER_GATE: over_worlds(gated), **table},
        "bad_sets": {
            name: dict(Counter(row["bad_sets"][name]["verdict"] for row in rows))
            for name in BAD_SETS
        },
        "most_evaluations": max(row["evaluations"]["ratio"] for row in rows),
        "most_seconds": max(row["seconds"] for row in rows),
        "alerts_a_second": round(
            sum(row["alerts"] for row in rows) / sum(row["seconds"] for row in rows)
        ),
        "rows": rows,
    }


AFTER_GATE = "held, after the gate"


def refused(row: dict[str, Any]) -> dict[str, Any]:
    """Say what a rejected set does: nothing; every page is as today."""
    nothing = {
        key: row[key] | {"missed": 0, "strict_missed": 0, "missed_other": 0, "missed_major": 0,
                         "late_1m": 0, "late_5m": 0, "late_15m": 0, "longest_delay_s": 0.0}
        for key in JUDGES
        if key in row
    }  # fmt: skip
    pages, nights = row["pages_today"], row["nights_today"]
    return {
        "pages_today": pages, "pages": pages, "nights_today": nights, "nights": nights,
        "saved_share": 0.0, **nothing,
    }  # fmt: skip


def over_worlds(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Add up one method's results of several worlds."""
    shares = [one["saved_share"] for one in results]
    nights = [1 - one["nights"] / max(one["nights_today"], 1) for one in results]
    found: dict[str, Any] = {
        "mean": round(sum(shares) / len(shares), 4),
        "least": min(shares),
        "nights_mean": round(sum(nights) / len(nights), 4),
    }
    for judge in JUDGES:
        own = [one[judge] for one in results if judge in one]
        if own:
            counts = ("told_today", "missed", "strict_missed", "missed_other", "missed_major",
                      "late_1m", "late_5m", "late_15m")  # fmt: skip
            found[judge] = {key: sum(one[key] for one in own) for key in counts}
            found[judge]["longest_delay_s"] = max(
                (one["longest_delay_s"] for one in own if one["longest_delay_s"] is not None),
                default=None,
            )
    return found


def show_table(methods: dict[str, dict[str, Any]]) -> None:
    """Print the table over all worlds; incidents by truth where it is known, else by tickets."""
    print("| method | pages saved (least) | nights | missed | later than 1 / 5 / 15 min, % |")
    print("|---|---|---|---|---|")
    for name, one in methods.items():
        counts = one.get("truth", one.get("tickets", {}))
        print(
            f"| {name} | {one['mean']:.1%} ({one['least']:.1%}) | {one['nights_mean']:.1%} "
            f"| {counts['missed']} of {counts['told_today']} ({counts['missed_other']} other than "
            f"undetectable, {counts['missed_major']} major; {counts['strict_missed']} strictly) "
            f"| {late_shares(counts)} |",
            flush=True,
        )


def child(world: Path, out: Path | None) -> dict[str, Any]:
    """One world in a process of its own, so that worlds don't share memory."""
    command = [sys.executable, "-m", "benchmarks.alert_worlds", "--world", str(world)]
    command += [] if out is None else ["--out", str(out)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--data", type=Path, help="folder of worlds")
    parser.add_argument("--out", type=Path, help="folder for files, pages, and what is printed")
    parser.add_argument("--alerts", type=int, help="time the largest world with so many alerts")
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.world is not None:
        print(json.dumps(in_world(options.world, options.out)))
        return
    if options.data is None:
        print("alert_worlds: skipped, --data PATH names a folder of alert histories")
        print(json.dumps({"benchmark": "alert_worlds", "skipped": "no --data"}))
        return
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    worlds = worlds_in(options.data)
    if options.alerts is not None and worlds:
        print(json.dumps({"benchmark": "alert_worlds", "timed": timed(worlds, options.alerts)}))
        return
    rows = []
    for world in worlds:
        rows.append(child(world, options.out))
        show(rows[-1])
        if options.out is not None:
            text = json.dumps(rows[-1], indent=1)
            (options.out / f"{world.name}.json").write_text(text, encoding="utf-8")
    if not rows:
        raise SystemExit(f"{options.data}: no world (a folder with {ALERTS}) there or right below")
    found = summary(rows)
    show_table(found["methods"])
    for name, verdicts in found["bad_sets"].items():
        print(f"bad set, {name}: {verdicts} at the gate")
    print(
        f"at most {found['most_seconds']} s a world, {found['alerts_a_second']:,} alerts a second"
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
