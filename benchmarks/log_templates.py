"""Log templates: grouping accuracy on loghub_2k, and lines a second against Drain3.

``python -m benchmarks.log_templates --data PATH [--drain3-python PATH] [--lines N] [--out DIR]``
prints readable lines, then one line of JSON. PATH holds ``loghub_2k/<System>/…`` or is that folder;
whatever systems lie there are measured, all with the miner's one default configuration.

Grouping accuracy (GA): share of lines whose predicted group has exactly the lines of their true
one. FGA: F1 of groups found whole. Pairs: F1 over pairs of lines. Truth is the text of the
corrected template (one group a template; the collection's event ids, which three times split one
corrected template, are scored beside). Messages are the ``Content`` column; ``ga_raw`` mines the
raw log with its header instead, which no parser's published figures do.

Throughput: the collection's lines, resampled, with fresh digits wherever the truth has a variable;
the same file for both, one process each, reading not counted. Drain3 runs with its own defaults in
the interpreter that is given; it gets ``--drain3-lines`` of the same lines when all would take too
long, which flatters it (it slows down as its clusters grow).
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.aiops.logs.templates import DEFAULT_SETTINGS, Mined, MinerSettings, mine
from pipelines.aiops.logs.templates.variables import RULES

LINES = 1_000_000
DRAIN3 = """
import logging, sys, time
from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig
logging.disable(logging.CRITICAL)
lines = open(sys.argv[1], encoding="utf-8", newline="\\n").read().split("\\n")
miner = TemplateMiner(config=TemplateMinerConfig())
start = time.perf_counter()
for line in lines:
    miner.add_log_message(line)
print(len(lines) / (time.perf_counter() - start))
"""


@dataclass(frozen=True)
class System:
    """Lines of one system with their truth."""

    name: str
    content: list[str]
    templates: list[str]
    events: list[str]
    raw: list[str]


@dataclass(frozen=True)
class Score:
    """How well groups agree with the truth."""

    ga: float
    fga: float
    pairs: float


def systems(data: Path) -> list[System]:
    folder = data / "loghub_2k" if (data / "loghub_2k").is_dir() else data
    found = sorted(folder.glob("*/*_structured_corrected.csv"))
    if not found:
        raise SystemExit(f"no */*_structured_corrected.csv below {folder}; see the README for data")
    return [read_system(path) for path in found]


def read_system(path: Path) -> System:
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = list(csv.DictReader(file))
    log = path.with_name(path.name.removesuffix("_structured_corrected.csv"))
    raw = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return System(
        path.parent.name,
        [row["Content"] for row in rows],
        [row["EventTemplate"] for row in rows],
        [row["EventId"] for row in rows],
        [line.rstrip("\r") for line in raw.split("\n")][: len(rows)],
    )


def groups_of(labels: Sequence[Hashable]) -> set[tuple[int, ...]]:
    groups: dict[Hashable, list[int]] = {}
    for i, label in enumerate(labels):
        groups.setdefault(label, []).append(i)
    return {tuple(group) for group in groups.values()}


def score(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> Score:
    true, found = groups_of(truth), groups_of(predicted)
    whole = true & found
    both = Counter(zip(truth, predicted, strict=True)).values()
    agreed = pairs(both)
    possible = pairs(Counter(truth).values()) + pairs(Counter(predicted).values())
    return Score(
        sum(map(len, whole)) / len(truth),
        2 * len(whole) / (len(true) + len(found)),
        2 * agreed / possible if possible else 1.0,
    )


def pairs(sizes: Any) -> int:
    return sum(n * (n - 1) // 2 for n in sizes)


def measured(system: System) -> tuple[dict[str, float], Mined]:
    mined = mine(system.content)
    codes = mined.codes.tolist()
    result = score(system.templates, codes)
    figures = {
        "ga": result.ga,
        "fga": result.fga,
        "pairwise_f1": result.pairs,
        "ga_by_event_id": score(system.events, codes).ga,
        "templates": float(len(mined.templates)),
        "true_templates": float(len(set(system.templates))),
    }
    if len(system.raw) == len(system.content):
        figures["ga_raw"] = score(system.templates, mine(system.raw).codes.tolist()).ga
    return figures, mined


def without_each_rule(found: list[System]) -> dict[str, float]:
    settings = {rule.name: MinerSettings(left_out=frozenset({rule.name})) for rule in RULES}
    return {name: mean_ga(found, setting) for name, setting in settings.items()}


def mean_ga(found: list[System], settings: MinerSettings = DEFAULT_SETTINGS) -> float:
    each = (score(s.templates, mine(s.content, settings=settings).codes.tolist()).ga for s in found)
    return float(np.mean(list(each)))


def variable_digits(content: str, template: str) -> list[int]:
    """Return positions of digits inside the variables of a line."""
    constants = re.sub(r"\s+", " ", template).split("<*>")
    pattern = "(.*?)".join(re.escape(part).replace(r"\ ", r"\s+") for part in constants)
    match = re.fullmatch(pattern, content, re.S)
    if match is None:
        return []
    spans = [match.span(i + 1) for i in range(match.re.groups)]
    return [
        i for a, b in spans for i in range(a, b) if content[i].isascii() and content[i].isdigit()
    ]


def resampled(found: list[System], count: int, seed: int = 1) -> list[str]:
    rng = np.random.default_rng(seed)
    source = [
        (line.encode(), template, line)
        for system in found
        for line, template in zip(system.content, system.templates, strict=True)
        if line.isascii()
    ]
    at = [np.array(variable_digits(line, template), int) for _, template, line in source]
    made = []
    for i in rng.integers(0, len(source), count).tolist():
        line = np.frombuffer(source[i][0], np.uint8).copy()
        line[at[i]] = rng.integers(48, 58, len(at[i]), dtype=np.uint8)
        made.append(line.tobytes().decode())
    return made


def our_speed(lines: list[str]) -> float:
    start = time.perf_counter()
    mine(lines)
    return len(lines) / (time.perf_counter() - start)


def drain3_speed(python: str | None, lines: list[str]) -> tuple[float | None, str]:
    if python is None:
        return None, "no interpreter with drain3 was given (--drain3-python)"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.log"
        path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
        command = [python, "-c", DRAIN3, str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            return None, f"Drain3 could not be started: {error}"
    if done.returncode:
        return None, f"Drain3 failed: {done.stderr.strip().splitlines()[-1:]}"
    return float(done.stdout), ""


def write_out(folder: Path, name: str, mined: Mined) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("LineId", "ClusterId", "Template"))
        for i, code in enumerate(mined.codes.tolist(), start=1):
            template = mined.templates[code]
            writer.writerow((i, template.id, template.text))


def throughput(found: list[System], options: argparse.Namespace) -> dict[str, Any]:
    lines = resampled(found, options.lines)
    ours = our_speed(lines)
    theirs, why = drain3_speed(options.drain3_python, lines[: options.drain3_lines])
    return {
        "lines": len(lines),
        "lines_per_second": round(ours),
        "drain3_lines": min(len(lines), options.drain3_lines) if theirs else None,
        "drain3_lines_per_second": theirs and round(theirs),
        "times_drain3": theirs and round(ours / theirs, 1),
        "why_not": why or None,
    }


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds loghub_2k, or is it")
    parser.add_argument("--out", type=Path, help="write the cluster of each line here, as CSV")
    parser.add_argument("--lines", type=int, default=LINES, help="lines for throughput; 0: none")
    parser.add_argument("--drain3-python", help="interpreter that has the package drain3")
    parser.add_argument("--drain3-lines", type=int, default=LINES, help="first lines for Drain3")
    parser.add_argument("--rules", action="store_true", help="also GA without each rule")
    return parser.parse_args(arguments)


def main() -> int:
    options = options_of()
    if options.data is None:
        print("log_templates: needs --data PATH (the README says where to get loghub_2k)")
        print(json.dumps({"benchmark": "log_templates", "skipped": "no --data"}))
        return 0
    found = systems(options.data)
    figures = {}
    for system in found:
        figures[system.name], mined = measured(system)
        f = figures[system.name]
        print(
            f"{system.name:12} GA {f['ga']:.4f}  FGA {f['fga']:.4f}  pairs {f['pairwise_f1']:.4f}"
        )
        if options.out:
            write_out(options.out, system.name, mined)
    names = ("ga", "fga", "pairwise_f1", "ga_by_event_id")
    mean = {n: round(float(np.mean([f[n] for f in figures.values()])), 4) for n in names}
    print("mean", mean)
    result: dict[str, Any] = {"benchmark": "log_templates", "mean": mean, "systems": figures}
    if options.rules:
        result["mean_ga_without"] = without_each_rule(found)
    if options.lines:
        result["throughput"] = throughput(found, options)
    result["python"] = platform.python_version()
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
