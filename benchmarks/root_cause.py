"""Root causes: PetShop (recall@1, @3) and Nezha (AS@1, AS@3 of services), untrained.

Faults with their alerts (``fault_alerts*``) and a shop's metrics (``sock_shop``) are read by
`root_cause_boards`; there a suspect is right if it is the true subject, or an instance of it or its
service. With ``--out`` all ranked suspects of all cases stand in ``causes.csv``.

``python -m benchmarks.root_cause --data PATH [--reference R] [--without] [--out DIR]`` prints
readable lines, then one line of JSON. PATH holds ``petshop`` and/or ``nezha_*``, or is one of them
or a part of one; whatever lies there is measured with the same code and constants.

Hits: PetShop as its `in_top_k`: the true node is among the first k (and, if the truth names a
metric, with it). Nezha at service level: the service of the injected pod (deployment: the pod's
name without its two generated parts) is among the first k. Times of Nezha's faults are their
``inject_time``; its time zone is told from the names of the telemetry's files.

Reference of Nezha's spans and logs: ``others`` (default): everything that was recorded farther than
two minutes from the fault, later ones and other faults included, no labels used; ``earlier``: only
what lies before, and the fault-free period; ``fault_free``: only that (``construct_data``, some 70
traces), as Nezha itself does. Series of resources are
always compared with the whole recording. All three figures are printed.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.root_cause_boards import COLUMNS, Case, boards, cases_of, owners, rows_of
from benchmarks.root_cause_nezha import NezhaDay, read_days, windows
from benchmarks.root_cause_petshop import Issue, read_scenarios
from pipelines.aiops.incidents.causes import SIGNAL_SOURCES as SOURCES
from pipelines.aiops.incidents.causes import prepare, rank
from pipelines.aiops.incidents.model import Cause

REFERENCES = ("others", "earlier", "fault_free")
KEPT = 10


def place(causes: Sequence[Cause], service: str, metric: str | None) -> int | None:
    """Rank of the truth, from 1; None if it isn't listed."""
    for i, cause in enumerate(causes, start=1):
        if cause.service == service and metric in (None, cause.metric):
            return i
    return None


def recall(places: Sequence[int | None], k: int) -> float | None:
    hits = [place is not None and place <= k for place in places]
    return round(sum(hits) / len(hits), 4) if hits else None


Rows = list[tuple[str, ...]]
"""Lines of ``causes.csv``."""


def petshop(issues: list[Issue], out: Path | None, rows: Rows) -> dict[str, Any]:
    answers = {}
    for issue in issues:
        causes = rank(issue.window, issue.graph, issue.signals, target=issue.target)
        answers[issue.name] = (place(causes, issue.service, issue.metric), causes, issue.kind)
        write_causes(out, issue.name, causes)
        board, _, case = issue.name.partition("/")
        rows += rows_of(board, case, [("", cause) for cause in causes])
    return figures({name: (p, kind) for name, (p, _, kind) in answers.items()}, "recall")


def nezha(day: NezhaDay, reference: str, out: Path | None, rows: Rows) -> dict[str, Any]:
    prepared = prepare(day.signals)
    results: dict[str, Any] = {}
    for name in (reference, *(r for r in REFERENCES if r != reference)):
        places = {}
        for fault, window in zip(day.faults, windows(day, name), strict=True):
            causes = rank(window, day.graph, day.signals, prepared=prepared)
            places[fault.name] = (place(causes, fault.service, None), fault.kind)
            if name == reference:
                write_causes(out, fault.name, causes)
                ranking = [("", cause) for cause in causes]
                rows += rows_of(day.board, fault.time, ranking)
        results[name] = figures(places, "AS")
    return results


def board_figures(cases: list[Case], service: dict[str, str]) -> dict[str, Any]:
    """Recall of services, of the exact subject, and of plain rules."""

    def found(names: Sequence[str], truth: str, owner: dict[str, str]) -> int | None:
        wanted = owner.get(truth, truth)
        places = (i for i, name in enumerate(names, 1) if owner.get(name, name) == wanted)
        return next(places, None)

    suspects = {case.name: [cause.service for _, cause in case.ranking] for case in cases}
    right = {c.name: (found(suspects[c.name], c.truth, service), c.kind) for c in cases}
    exact = [found(suspects[case.name], case.truth, {}) for case in cases]
    rules = sorted({rule for case in cases for rule in case.rules})
    plain = {
        rule: [found(case.rules[rule], case.truth, service) for case in cases] for rule in rules
    }
    return {
        **figures(right, "recall"),
        "exact@1": recall(exact, 1),
        "incidents": sum(len({i for i, _ in case.ranking}) for case in cases),
        "rules": {rule: [recall(places, 1), recall(places, 3)] for rule, places in plain.items()},
    }


def nezha_without(day: NezhaDay, reference: str) -> dict[str, Any]:
    """Give the figures without each source of evidence."""
    prepared = prepare(day.signals)
    results = {}
    for source in SOURCES:
        left = tuple(s for s in SOURCES if s != source)
        places = {
            fault.name: (
                place(
                    rank(window, day.graph, day.signals, prepared=prepared, sources=left),
                    fault.service,
                    None,
                ),
                fault.kind,
            )
            for fault, window in zip(day.faults, windows(day, reference), strict=True)
        }
        results[source] = {k: v for k, v in figures(places, "AS").items() if "@" in k}
    return results


def figures(places: dict[str, tuple[int | None, str]], name: str) -> dict[str, Any]:
    """Recall over all, per kind, and with each kind left out."""
    every = [place for place, _ in places.values()]
    kinds = sorted({kind for _, kind in places.values()})

    def of(keep: Callable[[str], bool]) -> list[float | None]:
        chosen = [place for place, kind in places.values() if keep(kind)]
        return [recall(chosen, 1), recall(chosen, 3)]

    return {
        f"{name}@1": recall(every, 1),
        f"{name}@3": recall(every, 3),
        "issues": len(every),
        "by_kind": {kind: of(lambda k, kind=kind: k == kind) for kind in kinds},
        "without_kind": {kind: of(lambda k, kind=kind: k != kind) for kind in kinds},
        "rank_of_truth": {issue: place for issue, (place, _) in places.items()},
    }


def write_causes(out: Path | None, name: str, causes: Sequence[Cause]) -> None:
    if out is None:
        return
    path = out / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(cause) for cause in causes], indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder that holds petshop, nezha_*, or is one")
    parser.add_argument("--reference", choices=REFERENCES, default=REFERENCES[0])
    parser.add_argument("--without", action="store_true", help="also without each source")
    parser.add_argument("--out", type=Path, help="write the ranked causes of each issue here")
    options = parser.parse_args(arguments)
    if options.data is None:
        print("root_cause: needs --data PATH (the README says where to get the collections)")
        print(json.dumps({"benchmark": "root_cause", "skipped": "no --data"}))
        return 0
    result: dict[str, Any] = {"benchmark": "root_cause", "petshop": {}, "nezha": {}, "boards": {}}
    rows: Rows = []
    for folder in boards(options.data):
        cases = cases_of(folder)
        for case in cases:
            rows += rows_of(folder.name, case.name, case.ranking)
        result["boards"][folder.name] = shown(folder.name, board_figures(cases, owners(folder)))
    for name, issues in read_scenarios(options.data).items():
        result["petshop"][name] = shown(name, petshop(issues, options.out, rows))
    with tempfile.TemporaryDirectory() as scratch:
        for day in read_days(options.data, Path(scratch)):
            result["nezha"][day.name] = nezha(day, options.reference, options.out, rows)
            for reference, figure in result["nezha"][day.name].items():
                shown(f"{day.name} ({reference})", figure)
            if options.without:
                result["nezha"][day.name]["without"] = nezha_without(day, options.reference)
    if not any(result[name] for name in ("petshop", "nezha", "boards")):
        raise SystemExit(f"{options.data}: no board lies there that the README names")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        with (options.out / "causes.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    result["python"] = platform.python_version()
    print(json.dumps(result))
    return 0


def shown(name: str, figure: dict[str, Any]) -> dict[str, Any]:
    kept = {
        key: value for key, value in figure.items() if "@" in key or key in ("by_kind", "rules")
    }
    print(f"{name}: {kept}", flush=True)
    return figure


if __name__ == "__main__":
    sys.exit(main())
