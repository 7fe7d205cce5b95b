"""Log anomalies: planted ones found, and false alarms a day on logs without any.

``python -m benchmarks.log_anomalies [--data PATH] [--days N] [--lines N] [--seed N] [--out DIR]``
prints readable lines, then one line of JSON. Each set of 2,000 lines below PATH is a
service whose lines are resampled: rates follow the hour of the day, vary between hours, and lines
come in clumps. Without it lines are made up (synthetic). What is planted is synthetic in either
case, but new templates, which are real ones held out (with ``--data``).

Planted on each test day: in a service each, a template never seen (1, 3 or 10 times), a burst (ten
times the hour's lines within ten minutes), a heartbeat that stops for two hours, a mix of messages
that changes for six hours while their number stays, and a new value of a variable with three.
Beside them stand stray lines that nobody planted a fault for: lone ones, without weight. Precision
is the share of findings on these days that overlap something planted in their service.

``--labelled`` judges lines that were labelled by those who ran the system (column ``Label`` of
loghub's BGL), a day at a time, as the DAG does: which alerts' messages are told, and how many
findings are about them.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.log_data import LogSet, log_sets
from benchmarks.log_templates import variable_digits
from pipelines.aiops.lake.batch import ReadWindow
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.logs.anomalies import LogAnomalySettings, count_lines, find
from pipelines.aiops.logs.templates import TemplateStore, mine
from pipelines.aiops.params.telemetry import LogFilesParams
from pipelines.aiops.sources.log_files import read
from pipelines.core.time import DAY_US, HOUR_US

KINDS = ("new_template", "burst", "silence", "changed_mix", "new_value")
START = 20_000 * DAY_US
SMALL = 2_000
"""Lines of the sets that services are made of; full ones would make the others vanish."""
HISTORY, HELD_OUT, HEARTBEAT_SECONDS = 7, 6, 60
MADE_UP = ("request <*> done in <*> ms", "cache hit for key <*>", "user <*> logged in from <*>",
           "job <*> started", "job <*> finished with <*> rows", "connection <*> opened",
           "connection <*> closed after <*> s", "retry <*> of call <*>", "flushed <*> segments",
           "lease <*> renewed", "queue depth is <*>", "config <*> reloaded", "gc took <*> ms",
           "slow query <*> took <*> ms", "disk <*> is at <*> percent")  # fmt: skip


@dataclass
class Service:
    """A service: texts of each of its templates (with the places of fresh digits) and weights."""

    name: str
    texts: list[list[tuple[bytes, np.ndarray]]]
    weights: np.ndarray
    held_out: list[list[tuple[bytes, np.ndarray]]]
    levels: list[str]


@dataclass
class Lines:
    """Lines of one day."""

    us: list[np.ndarray] = field(default_factory=list)
    service: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)
    severity: list[str] = field(default_factory=list)

    def add(self, us: np.ndarray, service: str, bodies: list[str], severity: str = "info") -> None:
        """Take lines of one service and level."""
        self.us.append(us)
        self.service += [service] * len(bodies)
        self.body += bodies
        self.severity += [severity] * len(bodies)

    def table(self) -> pa.Table:
        """Return them with the contract's columns."""
        us = np.concatenate(self.us)
        return pa.table({
            "at": pa.array(us).cast(pa.timestamp("us", tz="UTC")), "service": self.service,
            "severity": self.severity, "body": self.body,
        })  # fmt: skip


@dataclass(frozen=True)
class Plant:
    """What was planted."""

    day: int
    kind: str
    service: str
    start_us: int
    end_us: int
    note: str


def services(data: Path | None, rng: np.random.Generator) -> list[Service]:
    if data is None:
        return [made_up(f"svc-{i}", rng) for i in range(6)]
    found = []
    for system in (one for one in log_sets(data) if 2 * SMALL > len(one.content) > 1):
        groups: dict[str, list[tuple[bytes, np.ndarray]]] = defaultdict(list)
        for line, template in zip(system.content, system.templates, strict=True):
            if line.isascii() and line:
                places = np.array(variable_digits(line, template), int)
                groups[template].append((line.encode(), places))
        names = sorted(groups, key=lambda t: (-len(groups[t]), t))
        enough = len(names) > 3 + HELD_OUT
        rest: list[int] = rng.permutation(np.arange(3, len(names))).tolist() if enough else []
        out = {names[i] for i in rest[:HELD_OUT]}
        kept = [groups[name] for name in names if name not in out]
        weights = np.array([len(group) for group in kept], float)
        held = [groups[name] for name in sorted(out)]
        told = levels(system)
        own = [told.get(name, "") for name in names if name not in out]
        found.append(Service(system.name, kept, weights / weights.sum(), held, own))
    return found


def levels(system: LogSet) -> dict[str, str]:
    """Highest level of each template, as its system tells it (column Level)."""
    from pipelines.aiops.log_parsing.records import severity_of

    rows = [severity_of(level) for level in system.columns.get("Level", [])]
    order = ("", "trace", "debug", "info", "warn", "error", "fatal")
    found: dict[str, str] = {}
    for template, level in zip(system.templates, rows, strict=False):
        found[template] = max(found.get(template, ""), level, key=order.index)
    return found


def made_up(name: str, rng: np.random.Generator) -> Service:
    def group(text: str) -> list[tuple[bytes, np.ndarray]]:
        line = text.replace("<*>", "12345").encode()
        at = [i for i, byte in enumerate(line) if chr(byte).isdigit()]
        return [(line, np.array(at, int))]

    words = ("alpha", "beta", "gamma", "delta", "omega", "sigma")
    held = [group(f"failed to bind {word} port <*>: address in use") for word in words]
    return Service(name, [group(text) for text in MADE_UP], rng.dirichlet(np.ones(15)), held,
                   ["info"] * 15)  # fmt: skip


def written(group: list[tuple[bytes, np.ndarray]], n: int, rng: np.random.Generator) -> list[str]:
    made = []
    for i in rng.integers(0, len(group), n).tolist():
        line, places = group[i]
        bytes_ = np.frombuffer(line, np.uint8).copy()
        bytes_[places] = rng.integers(48, 58, len(places), dtype=np.uint8)
        made.append(bytes_.tobytes().decode())
    return made


def clean_day(all_: list[Service], day: int, per_day: int, rng: np.random.Generator) -> Lines:
    lines = Lines()
    begin = START + day * DAY_US
    hours = np.arange(24)
    for k, service in enumerate(all_):
        season = 1 + 0.6 * np.sin(2 * np.pi * (hours + 3 * k) / 24)
        for i, group in enumerate(service.texts):
            mean = service.weights[i] * per_day / 24 * season
            clumps = rng.poisson(mean / 2 * rng.gamma(4, 1 / 4, 24))
            hour = np.repeat(hours, clumps)
            sizes = rng.geometric(0.5, len(hour))
            at = begin + hour * HOUR_US + rng.integers(0, HOUR_US, len(hour))
            us = np.repeat(at, sizes) + rng.integers(0, 2_000_000, int(sizes.sum()))
            us = np.minimum(us, begin + DAY_US - 1)
            lines.add(us, service.name, written(group, len(us), rng), service.levels[i])
        beats = np.arange(0, 86_400, HEARTBEAT_SECONDS) * 1_000_000
        us = begin + beats + rng.integers(0, 5_000_000, len(beats))
        lines.add(us, service.name, ["heartbeat ok"] * len(us))
        status = rng.choice(["OK", "RETRY", "EMPTY"], 500, p=[0.9, 0.07, 0.03])
        us = begin + rng.integers(0, DAY_US, 500)
        bodies = [f"batch ended state={s} rows={rng.integers(1, 9999)}" for s in status]
        lines.add(us, service.name, bodies)
    return lines


WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "hazel", "inlet", "juniper")


def stray(
    lines: Lines, all_: list[Service], day: int, count: int, rng: np.random.Generator
) -> None:
    """Add lone lines that are no fault: never seen before, of no weight."""
    for _ in range(count):
        us = np.array([START + day * DAY_US + int(rng.integers(0, DAY_US))])
        text = " ".join(rng.choice(WORDS, 5, replace=False))
        lines.add(us, all_[int(rng.integers(0, len(all_)))].name, [f"note {text}"])


def plant(
    lines: Lines, all_: list[Service], day: int, rng: np.random.Generator
) -> tuple[pa.Table, list[Plant]]:
    begin = START + day * DAY_US
    order = rng.permutation(len(all_))
    at = {kind: all_[order[i % len(all_)]] for i, kind in enumerate(KINDS)}
    plants = []

    def told(kind: str, start: int, end: int, note: str = "") -> None:
        plants.append(Plant(day, kind, at[kind].name, start, end, note))

    start = begin + int(rng.integers(6, 16)) * HOUR_US
    one = at["new_template"]
    if one.held_out:
        n = int(rng.choice([1, 3, 10]))
        us = np.sort(start + rng.integers(0, 4 * HOUR_US, n))
        group = one.held_out[day % len(one.held_out)]
        lines.add(us, one.name, written(group, n, rng), "error")
        told("new_template", int(us[0]), int(us[-1]), f"{n} times")
    one = at["burst"]
    i = int(rng.integers(0, min(8, len(one.texts))))
    hourly = sum(s == one.name for s in lines.service) * one.weights[i] / 24
    n = int(max(40, 10 * hourly))
    us = start + rng.integers(0, 600_000_000, n)
    lines.add(us, one.name, written(one.texts[i], n, rng))
    told("burst", int(us.min()), int(us.max()), f"{n} lines where {hourly:.1f} an hour")
    one = at["new_value"]
    us = np.sort(start + rng.integers(0, 3 * HOUR_US, 4))
    bodies = [f"batch ended state=POISONED rows={rng.integers(1, 9999)}" for _ in us]
    lines.add(us, one.name, bodies)
    told("new_value", int(us[0]), int(us[-1]))
    table = lines.table()
    us_all = table["at"].cast(pa.int64()).to_numpy()
    names, bodies_all = np.array(lines.service, object), np.array(lines.body, object)
    drop = np.zeros(len(us_all), bool)
    one = at["silence"]
    inside = (us_all >= start) & (us_all < start + 2 * HOUR_US)
    drop |= (names == one.name) & (bodies_all == "heartbeat ok") & inside
    told("silence", start, start + 2 * HOUR_US)
    one = at["changed_mix"]
    block = begin + int(rng.integers(1, 4)) * 6 * HOUR_US
    inside = np.flatnonzero(
        (us_all >= block) & (us_all < block + 6 * HOUR_US) & (names == one.name)
        & (bodies_all != "heartbeat ok") & ~drop
    )  # fmt: skip
    # Two in three of all lines become lines of templates that are there but seldom.
    chosen = rng.choice(inside, 2 * len(inside) // 3, replace=False)
    seldom = [one.texts[j] for j in range(len(one.texts) // 4, max(len(one.texts) // 2, 2))]
    for j, row in enumerate(chosen.tolist()):
        bodies_all[row] = written(seldom[j % len(seldom)], 1, rng)[0]
    told("changed_mix", block, block + 6 * HOUR_US)
    table = table.set_column(3, "body", pa.array(bodies_all.tolist()))
    return table.filter(pa.array(~drop)), plants


def judged(days: list[pa.Table], first: int, settings: LogAnomalySettings) -> list[list[Finding]]:
    """Judge each day from `first` on, with what was known then."""
    store = TemplateStore()
    counts, values, found = [], [], []
    for day, logs in enumerate(days):
        counted = count_lines(logs, store, settings)
        store = counted.store
        counts.append(counted.counts)
        values.append(counted.values)
        if day >= first:
            begin = START + day * DAY_US
            found.append(find(pa.concat_tables(counts), pa.concat_tables(values), store, begin,
                              begin + DAY_US, settings=settings))  # fmt: skip
    return found


def overlaps(finding: Finding, one: Plant) -> bool:
    return (
        finding.service == one.service
        and finding.start_us <= one.end_us + HOUR_US
        and finding.end_us >= one.start_us - HOUR_US
    )


def reading_speed(days: list[pa.Table]) -> float:
    """Lines a second from a file through masking into rows of the contract."""
    logs = days[0]
    with tempfile.TemporaryDirectory() as folder:
        stamps = logs["at"].to_pylist()
        text = "\n".join(
            f"{at:%Y-%m-%dT%H:%M:%S.%f}Z INFO [main] {body}"
            for at, body in zip(stamps, logs["body"].to_pylist(), strict=True)
        )
        (Path(folder) / "app.log").write_text(text, encoding="utf-8")
        settings = LogFilesParams(kind="log_files", name="bench", files=["app.log"])
        start = time.perf_counter()
        read(settings, ReadWindow(None, None, datetime(2100, 1, 1, tzinfo=UTC)), Path(folder))
        return len(logs) / (time.perf_counter() - start)


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of log sets (benchmarks.log_data)")
    parser.add_argument("--days", type=int, default=6, help="test days, after a week of history")
    parser.add_argument("--lines", type=int, default=3_000, help="lines of a service and day")
    parser.add_argument("--strays", type=int, default=5, help="stray lines a test day")
    parser.add_argument("--labelled", action="store_true", help="also lines with labels (--data)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write plants and findings here, as JSON lines")
    return parser.parse_args(arguments)


def write_out(folder: Path, plants: list[Plant], planted: Any, clean: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "plants.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("day", "kind", "service", "start_us", "end_us", "note"))
        writer.writerows((p.day, p.kind, p.service, p.start_us, p.end_us, p.note) for p in plants)
    for name, days in (("planted", planted), ("clean", clean)):
        rows = [json.dumps(f.as_json()) for day in days for f in day]
        (folder / f"findings_{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")


def measured(options: argparse.Namespace) -> dict[str, Any]:
    rng = np.random.default_rng(options.seed)
    all_ = services(options.data, rng)
    settings = LogAnomalySettings()
    history = [clean_day(all_, day, options.lines, rng) for day in range(HISTORY)]
    tests = [clean_day(all_, HISTORY + i, options.lines, rng) for i in range(options.days)]
    clean = [day.table() for day in (*history, *tests)]
    start = time.perf_counter()
    clean_found = judged(clean, HISTORY, settings)
    speed = sum(map(len, clean)) / (time.perf_counter() - start)
    plants: list[Plant] = []
    found: list[list[Finding]] = []
    for i, lines in enumerate(tests):
        stray(lines, all_, HISTORY + i, options.strays, rng)
        # Each day is judged by a week without anything planted.
        table, own = plant(lines, all_, HISTORY + i, rng)
        plants += own
        found += judged([*clean[i : HISTORY + i], table], HISTORY, settings) if i == 0 else (
            judged([*clean[: HISTORY + i], table], HISTORY + i, settings))  # fmt: skip
    by_day = dict(zip(range(HISTORY, HISTORY + options.days), found, strict=True))
    hits = [(p, any(f.kind == p.kind and overlaps(f, p) for f in by_day[p.day])) for p in plants]
    any_kind = [any(overlaps(f, p) for f in by_day[p.day]) for p in plants]
    for p, hit in hits:
        print(f"day {p.day} {p.kind:13} {p.service:12} {'found' if hit else 'MISSED':7} {p.note}")
    false = Counter(f.kind for day in clean_found for f in day)
    for day in clean_found:
        for f in day:
            print("false alarm:", f.kind, f.score, f.sentence[:150])
    if options.out:
        write_out(options.out, plants, found, clean_found)
    asked = Counter(p.kind for p in plants)
    got = Counter(p.kind for p, hit in hits if hit)
    return {
        "data": "loghub_2k" if options.data else "synthetic",
        "recall": {kind: round(got[kind] / asked[kind], 3) for kind in KINDS if asked[kind]},
        "recall_as_any_kind": round(sum(any_kind) / len(plants), 3),
        "precision": {
            kind: round(sum(right) / len(right), 3)
            for kind in KINDS
            if (
                right := [
                    any(overlaps(f, p) for p in plants if p.day == day)
                    for day, findings in by_day.items()
                    for f in findings
                    if f.kind == kind
                ]
            )
        },
        "planted": dict(asked),
        "false_alarms_per_day": {
            "all": round(sum(false.values()) / options.days, 3),
            **{kind: round(false[kind] / options.days, 3) for kind in KINDS},
        },
        "services": len(all_),
        "lines": sum(map(len, clean)),
        "lines_per_second_templates_counts_findings": round(speed),
        "lines_per_second_reading_and_masking": round(reading_speed(clean)),
    }


def labelled(system: LogSet, settings: LogAnomalySettings | None = None) -> dict[str, Any]:
    """Judge labelled lines: a label other than ``-`` is an alert, its first day is to be told.

    An alert's message is to be told on a day on which it comes and did not come in the days of
    history before; a finding is right if labelled lines of its template lie in its day.
    """
    settings = settings or LogAnomalySettings()
    us = np.array([int(at) * 1_000_000 for at in system.columns["Timestamp"]], np.int64)
    alert = np.array([label != "-" for label in system.columns["Label"]])
    order = np.argsort(us, kind="stable")
    us, alert = us[order], alert[order]
    logs = pa.table({
        "at": pa.array(us).cast(pa.timestamp("us", tz="UTC")),
        "service": [system.name] * len(us),
        "severity": [system.columns["Level"][i].lower() for i in order.tolist()],
        "body": [system.content[i] for i in order.tolist()],
    })  # fmt: skip
    truth = np.array(system.templates, object)[order]
    begin = int(us[0]) // DAY_US * DAY_US
    store = TemplateStore()
    counts, values, ids = [], [], np.empty(len(us), object)
    told = right = asked = got = plain_told = plain_right = 0
    last_seen: dict[str, int] = {}
    by_class: dict[str, list[bool]] = defaultdict(list)
    for day in range(begin, int(us[-1]) + 1, DAY_US):
        rows = np.flatnonzero((us >= day) & (us < day + DAY_US))
        if not len(rows):
            continue
        counted = count_lines(logs.take(pa.array(rows)), store, settings)
        store = counted.store
        ids[rows] = mine(logs["body"].take(pa.array(rows)), store).ids
        counts.append(counted.counts)
        values.append(counted.values)
        known = {t for t, at in last_seen.items() if at >= day - settings.history_days * DAY_US}
        fresh = {t for t in truth[rows] if t not in known}
        last_seen.update(dict.fromkeys(truth[rows], day))
        if day < begin + HISTORY * DAY_US:
            continue
        findings = find(pa.concat_tables(counts), pa.concat_tables(values), store, day,
                        day + DAY_US, settings=settings)  # fmt: skip
        named = {
            f.labels.get("template", "") for f in findings if f.kind in ("new_template", "burst")
        }
        for f in findings:
            if f.kind == "new_template":
                hit = bool(alert[rows][ids[rows] == f.labels.get("template", "")].any())
                by_class[str(f.evidence["class"])].append(hit)
        told += len(named)
        right += sum(bool(alert[rows][ids[rows] == name].any()) for name in named)
        to_tell = {t for t in fresh if alert[rows][truth[rows] == t].any()}
        asked += len(to_tell)
        got += sum(bool(set(ids[rows][truth[rows] == t]) & named) for t in to_tell)
        plain_told += len(fresh)
        plain_right += len(to_tell)
    return {
        "alerts_to_tell": asked, "recall": round(got / max(asked, 1), 3),
        "precision": round(right / max(told, 1), 3), "findings": told,
        "new_templates_by_class": {
            name: {"findings": len(hits), "precision": round(sum(hits) / len(hits), 3)}
            for name, hits in sorted(by_class.items())
        },
        "precision_of_telling_every_message_not_seen_for_the_history": round(
            plain_right / max(plain_told, 1), 3),
    }  # fmt: skip


def main() -> int:
    options = options_of()
    result = measured(options)
    if options.labelled:
        sets = log_sets(options.data) if options.data else []
        result["labelled"] = {
            one.name: labelled(one) for one in sets if {"Label", "Timestamp"} <= set(one.columns)
        }
        print(result["labelled"])
    print(json.dumps({"benchmark": "log_anomalies", **result, "python": platform.python_version()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
