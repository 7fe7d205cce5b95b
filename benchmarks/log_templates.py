"""Log templates against the truth of public sets, beside Drain3, and how fast they are mined.

``python -m benchmarks.log_templates --data DIR --out DIR`` mines every set below DIR (layouts:
``benchmarks.log_data``) with the one configuration that the stage runs and writes
``<System>.csv`` (LineId, ClusterId, Template) into OUT; then readable lines of scores where there
is truth, then one line of JSON. Messages are the ``Content`` column; ``ga_raw`` mines the raw log
with its header instead, which no parser's published figures do.

``--leave-one-out`` chooses the evidence on all sets but one and reports the one left out.

``--drain3-python`` is an interpreter that has the package drain3 (it is no dependency): then Drain3
runs beside, plain and with four masks (addresses, hexadecimal, paths, whole numbers), with its own
defaults otherwise.

``--lines 20000,500000`` times whole processes, cold, from their start to their end, on as many real
lines: of ``--log`` if it is given, else of the sets themselves, which are repeated with fresh
digits in the truth's variables when they have too few.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.log_data import NAMES, LogSet, Score, log_sets, opened, score
from pipelines.aiops.logs.templates import DEFAULT_SETTINGS, Mined, MinerSettings, mine
from pipelines.aiops.logs.templates.words import DEFAULT_EVIDENCE, Evidence

LINES = "20000,500000"
DRAIN3 = r"""
import json, logging, sys
try:
    from drain3 import TemplateMiner
    from drain3.masking import MaskingInstruction
    from drain3.template_miner_config import TemplateMinerConfig
except ImportError as error:
    raise SystemExit(f"{sys.executable} has no package drain3 ({error}): pip install drain3 there")
logging.disable(logging.CRITICAL)
config = TemplateMinerConfig()
edge = r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])"
if sys.argv[2] == "masked":
    forms = (r"\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?", r"0x[0-9a-fA-F]+|[0-9a-f]{8,}", r"[-+]?\d+")
    config.masking_instructions = [
        MaskingInstruction(f"{edge[0]}(?:{form}){edge[1]}", "*") for form in forms
    ] + [MaskingInstruction(r"(?<![\w.])/[\w./$-]+", "*")]
miner = TemplateMiner(config=config)
found = []
with open(sys.argv[1], encoding="utf-8", newline="\n") as file:
    for line in file:
        found.append(miner.add_log_message(line.rstrip("\n"))["cluster_id"])
if len(sys.argv) > 3:
    texts = {str(c.cluster_id): c.get_template() for c in miner.drain.clusters}
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump([found, texts], file)
"""
OURS = """
import sys
from pipelines.aiops.logs.templates import mine
with open(sys.argv[1], encoding="utf-8", newline="\\n") as file:
    mine(file.read().split("\\n"))
"""


def scored(found: LogSet, settings: MinerSettings = DEFAULT_SETTINGS) -> tuple[Score, Mined]:
    mined = mine(found.content, settings=settings)
    texts = [mined.templates[code].text for code in mined.codes.tolist()]
    return score(found.templates, mined.codes.tolist(), texts), mined


def measured(found: LogSet) -> tuple[dict[str, float], Mined]:
    if not found.templates:
        mined = mine(found.content)
        return {"templates": float(len(mined.templates))}, mined
    result, mined = scored(found)
    figures = result.rounded()
    figures["templates"] = float(len(mined.templates))
    figures["true_templates"] = float(len(set(found.templates)))
    if len(found.raw) == len(found.content):
        codes = mine(found.raw).codes.tolist()
        figures["ga_raw"] = round(score(found.templates, codes).ga, 4)
    return figures, mined


def choices() -> list[Evidence]:
    """Return what leave-one-out chooses from."""
    grid = itertools.product((3, 4, 5), (3, 4), (5, 8, 12), (2, 3), (5, 8))
    return [
        replace(
            DEFAULT_EVIDENCE,
            words=words,
            words_beside_many=many,
            words_beside_two=words + 1,
            words_beside_one=one,
            identifiers=identifiers,
            proof=proof,
        )
        for words, many, one, identifiers, proof in grid
    ]


def leave_one_out(found: Sequence[LogSet]) -> dict[str, Any]:
    """Choose the evidence on all sets but one (mean of GA and FGA), report the one left out."""
    options = choices()
    # Shape (choices, sets).
    results = [[scored(s, MinerSettings(evidence=e))[0] for s in found] for e in options]
    merit = np.array([[(r.ga + r.fga) / 2 for r in row] for row in results])
    systems = np.array([s.name.removesuffix("_full") for s in found])
    left_out = {}
    for i, one in enumerate(found):
        # Both sizes of a system are left out together.
        best = int(merit[:, systems != systems[i]].mean(1).argmax()) if len(set(systems)) > 1 else 0
        chosen = options[best]
        left_out[one.name] = {**results[best][i].rounded(), "words": chosen.words,
                              "beside_one": chosen.words_beside_one}  # fmt: skip
        print(f"left out {one.name:12} {told(results[best][i].rounded())}  {chosen}")
    each = {n: [f[n] for f in left_out.values()] for n in NAMES}
    mean = {n: round(float(np.mean(v)), 4) for n, v in each.items()}
    worst = {n: round(min(map(float, v)), 4) for n, v in each.items()}
    print(f"mean of those left out  {told(mean)}\nworst                   {told(worst)}")
    return {"mean": mean, "worst": worst, "sets": left_out}


def told(figures: dict[str, float]) -> str:
    return "  ".join(f"{name.upper()} {figures[name]:.3f}" for name in NAMES if name in figures)


def drain3(python: str, lines: Sequence[str], way: str, out: Path | None = None) -> float:
    """Run Drain3 in an interpreter of its own; return seconds from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.log"
        path.write_text("".join(f"{one_row(line)}\n" for line in lines), encoding="utf-8")
        command = [python, "-c", DRAIN3, str(path), way, *([str(out)] if out else [])]
        return timed(command)


def one_row(line: str) -> str:
    return re.sub(r"[\r\n]+", " ", line)


def timed(command: list[str]) -> float:
    start = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise SystemExit(f"{command[0]} could not be started: {error}") from error
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr.strip().splitlines()[-1:]}")
    return time.perf_counter() - start


def drain3_scores(python: str, found: Sequence[LogSet]) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for way in ("plain", "masked"):
        each = {}
        for one in found:
            with tempfile.TemporaryDirectory() as folder:
                out = Path(folder) / "groups.json"
                drain3(python, one.content, way, out)
                codes, texts = json.loads(out.read_text(encoding="utf-8"))
            each[one.name] = score(one.templates, codes, [texts[str(c)] for c in codes]).rounded()
            print(f"Drain3 {way:6} {one.name:12} {told(each[one.name])}")
        mean = {n: round(float(np.mean([f[n] for f in each.values()])), 4) for n in NAMES}
        results[way] = {"mean": mean, "sets": each}
    return results


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


def real_lines(found: Sequence[LogSet], count: int, log: Path | None = None) -> list[str]:
    """Return lines as they were written; repeated with fresh digits when there are too few."""
    if log is not None:
        with opened(log) as file:
            return [line.rstrip("\r\n") for line in itertools.islice(file, count)]
    largest_first = sorted(found, key=lambda one: -len(one.content))
    lines = [line for one in largest_first for line in one.content]
    if count <= len(lines):
        return lines[:count]
    truth = [text for one in largest_first for text in one.templates or one.content]
    rng = np.random.default_rng(1)
    at = [np.array(variable_digits(*pair), int) for pair in zip(lines, truth, strict=True)]
    made = list(lines)
    while len(made) < count:
        for line, digits in zip(lines, at, strict=True):
            if not len(digits) or not line.isascii():
                made.append(line)
                continue
            letters = np.frombuffer(line.encode(), np.uint8).copy()
            letters[digits] = rng.integers(48, 58, len(digits), dtype=np.uint8)
            made.append(letters.tobytes().decode())
    return made[:count]


def throughput(found: Sequence[LogSet], options: argparse.Namespace) -> list[dict[str, Any]]:
    results = []
    for count in map(int, options.lines.split(",")):
        lines = real_lines(found, count, options.log)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "lines.log"
            path.write_text("\n".join(map(one_row, lines)), encoding="utf-8", newline="\n")
            ours = len(lines) / timed([sys.executable, "-c", OURS, str(path)])
        python = options.drain3_python
        theirs = len(lines) / drain3(python, lines, "plain") if python else None
        times = f"{ours / theirs:.1f} × Drain3" if theirs else "no --drain3-python"
        print(f"{len(lines):,} lines, cold: {ours:,.0f} a second, {times}")
        results.append({
            "lines": len(lines), "lines_per_second": round(ours),
            "drain3_lines_per_second": theirs and round(theirs),
            "times_drain3": theirs and round(ours / theirs, 2),
        })  # fmt: skip
    return results


def write_out(folder: Path, found: LogSet, mined: Mined) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{found.name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("LineId", "ClusterId", "Template"))
        for line_id, code in zip(found.ids, mined.codes.tolist(), strict=True):
            template = mined.templates[code]
            writer.writerow((line_id, template.id, template.text))


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", type=Path, help="folder of log sets (layouts: benchmarks.log_data)"
    )
    parser.add_argument("--out", type=Path, help="write the cluster of each line here, as CSV")
    parser.add_argument("--lines", default=LINES, help="lines for throughput; empty: none")
    parser.add_argument("--log", type=Path, help="a real log for throughput")
    parser.add_argument("--drain3-python", help="interpreter that has the package drain3")
    parser.add_argument("--leave-one-out", action="store_true", help="of the evidence; slow")
    return parser.parse_args(arguments)


def main() -> int:
    options = options_of()
    if options.data is None:
        print("log_templates: needs --data PATH (the README says where to get loghub)")
        print(json.dumps({"benchmark": "log_templates", "skipped": "no --data"}))
        return 0
    found = log_sets(options.data)
    figures = {}
    for one in found:
        figures[one.name], mined = measured(one)
        print(f"{one.name:14} {told(figures[one.name])}")
        if options.out:
            write_out(options.out, one, mined)
    with_truth = [one for one in found if one.templates]
    result: dict[str, Any] = {"benchmark": "log_templates", "systems": figures}
    if with_truth:
        each = [figures[one.name] for one in with_truth]
        result["mean"] = {n: round(float(np.mean([f[n] for f in each])), 4) for n in NAMES}
        result["worst"] = {n: min(f[n] for f in each) for n in NAMES}
        print(f"{'mean':14} {told(result['mean'])}\n{'worst':14} {told(result['worst'])}")
    if options.drain3_python:
        result["drain3"] = drain3_scores(options.drain3_python, with_truth)
    if options.leave_one_out:
        result["left_out"] = leave_one_out(with_truth)
    if options.lines:
        result["throughput"] = throughput(found, options)
    result["python"] = platform.python_version()
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
