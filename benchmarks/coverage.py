"""How often the intervals that Signalbox prints hold the truth, beside what they promise.

``python -m benchmarks.coverage [--samples N] [--only WORD] [--out DIR]`` draws N samples from
worlds whose truth is known, asks the project's own functions for every interval, and prints tables
in Markdown: for every kind of interval and setting the percentage of samples whose interval holds
the truth, and how often it excluded its own estimate, if ever. The last line is JSON.

The truth is that of the population, or of a very large sample from it; a calibration error's is
that of the sample's own bins, which its scores fix. ``!`` marks what is more than two points and
three Monte Carlo errors below what is promised.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.aiops.alerting.evaluation import figures as replayed
from pipelines.aiops.service_map import statistics as service_map
from pipelines.aiops.service_map.model import GROWTH
from pipelines.core import stats
from pipelines.mlops.evaluation.bootstrap import interval, resample
from pipelines.mlops.evaluation.closed_forms import bin_rates, calibration_gaps, closed_forms
from pipelines.mlops.evaluation.figures import delta_figures, metric_figures
from pipelines.mlops.evaluation.metrics import METRICS, measure, observed_rates, view
from pipelines.mlops.fairness import AuditConfig, FeatureSpec, audit, build_table, encode_groups
from pipelines.mlops.fairness.mitigation import DecisionTable, paired_changes
from pipelines.mlops.fairness.orientation import ASSISTIVE
from pipelines.mlops.fairness.rates import Proportion
from pipelines.mlops.fairness.subjects import independent_rows, subject_codes
from pipelines.mlops.modeling.scoring import one_thread

LEVEL, REPLICATES, BINS = 0.95, 300, 10
SAMPLES = 300

Floats = NDArray[np.float64]
Found = Iterator[tuple[str, float, float, float, float]]
"""Kind of interval, truth, lower limit, value, upper limit."""


@dataclass(frozen=True)
class World:
    """People with a chance of being positive, and a score.

    Attributes
    ----------
    subjects, rows_each : int
        People, and rows of each; its rows are alike but for what the model sees of them.
    rare : bool
        Whether about 3 % are positive instead of 40 %.
    off : float
        By how much scores are too high.
    """

    subjects: int
    rows_each: int = 1
    rare: bool = False
    off: float = 0.0

    @property
    def name(self) -> str:
        """Setting as it stands in the table."""
        rows = f"{self.subjects:,}"
        if self.rows_each > 1:
            rows = f"{self.subjects:,} × {self.rows_each}"
        return rows + ", rare" * self.rare + f", off by {self.off:g}" * bool(self.off)


@dataclass(frozen=True)
class Sample:
    """Rows of a world."""

    chance: Floats
    score: Floats
    other: Floats
    y: NDArray[np.int8]
    owner: NDArray[np.int64]
    group: NDArray[np.int64]


FLOOR = 0.001
THRESHOLD = {False: 0.5, True: 0.1}


def sample(world: World, rng: np.random.Generator) -> Sample:
    """Draw people, their outcomes, and the scores of two models; groups differ in size alone."""
    a, b = (0.6, 19.0) if world.rare else (2.0, 3.0)
    chance = rng.beta(a, b, world.subjects)
    owner = np.repeat(np.arange(world.subjects), world.rows_each)
    y = (rng.random(world.subjects) < chance)[owner]
    # A second model sees half of it, and some noise.
    noise = rng.normal(0, 0.3 * chance.std(), world.subjects)
    other = np.clip((chance + a / (a + b)) / 2 + noise, FLOOR, 1 - FLOOR)
    group = rng.choice(3, world.subjects, p=[0.6, 0.3, 0.1])[owner]
    score = np.clip(chance + world.off, FLOOR, 1 - FLOOR)[owner]
    return Sample(chance[owner], score, other[owner], y.astype(np.int8), owner, group)


@cache
def population(world: World) -> Sample:
    """Draw so many that what is measured on them is the truth."""
    big = World(400_000, 1, world.rare, world.off)
    return sample(big, np.random.default_rng(99))


def measured(y: NDArray[np.int8], score: Floats, threshold: float) -> dict[str, float]:
    rows = view(y, score, threshold=threshold, bins=BINS)
    return dict(zip(METRICS, measure(rows, np.ones((1, len(y))))[0].tolist(), strict=True))


@cache
def truths(world: World) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics of both models on the population."""
    whole = population(world)
    threshold = THRESHOLD[world.rare]
    return measured(whole.y, whole.score, threshold), measured(whole.y, whole.other, threshold)


def true_error(found: Sample, score: Floats) -> float:
    """Calibration error of the sample's own bins, without chance."""
    rows = view(found.y, score, threshold=0.5, bins=BINS)
    gaps = np.add.reduceat(
        found.chance[rows.rows] - rows.scores, np.append(0, rows.bin_ends[:-1] + 1)
    )
    return float(np.abs(gaps).sum() / len(score))


def evaluation(world: World, rng: np.random.Generator) -> Found:
    """Metrics, calibration bins and differences to a released model, as in stage evaluate."""
    found = sample(world, rng)
    subjects = found.owner.astype(np.intp)
    cut = partial(view, found.y, threshold=THRESHOLD[world.rare], bins=BINS)
    views = [cut(found.score), cut(found.other)]
    statistics: list[Any] = [partial(measure, rows) for rows in views]
    statistics += [partial(calibration_gaps, rows) for rows in views]
    statistics.append(partial(observed_rates, views[0]))
    with np.errstate(all="ignore"):
        drawn = resample(statistics, subjects, REPLICATES)
    closed = [closed_forms(v, g, subjects, LEVEL) for v, g in zip(views, drawn[2:4], strict=True)]
    ones = np.ones((1, len(found.y)))
    with np.errstate(all="ignore"):
        points = [measure(rows, ones)[0] for rows in views]
    n = len(found.y)
    figures = metric_figures(points[0], drawn[0], closed=closed[0], n=n, confidence=LEVEL)
    truth, released = truths(world)
    errors = [true_error(found, score) for score in (found.score, found.other)]
    truth = {**truth, "calibration_error": errors[0]}
    for name, figure in zip(METRICS, figures, strict=True):
        if figure.value is not None and figure.low is not None and figure.high is not None:
            yield name, truth[name], figure.low, figure.value, figure.high
    deltas = delta_figures(
        (points[0], points[1]),
        (drawn[0], drawn[1]),
        closed=(closed[0], closed[1]),
        n=n,
        confidence=LEVEL,
    )
    released = {**released, "calibration_error": errors[1]}
    for figure in deltas:
        name = figure.id.removeprefix("evaluate.delta_")
        sign = 1 if name in {"log_loss", "brier", "calibration_error"} else -1
        if figure.value is not None and figure.low is not None and figure.high is not None:
            change = sign * (truth[name] - released[name])
            yield f"delta_{name}", change, figure.low, figure.value, figure.high
    rates = bin_rates(views[0], interval(drawn[4], LEVEL), subjects, LEVEL)
    starts = np.append(0, views[0].bin_ends[:-1] + 1)
    chances = np.add.reduceat(found.chance[views[0].rows], starts) / np.diff(
        np.append(starts, len(found.y))
    )
    for rate, chance in zip(rates, chances.tolist(), strict=True):
        if rate.low is not None and rate.high is not None:
            yield "observed rate of a bin", chance, rate.low, rate.value, rate.high


CONFIG = AuditConfig(
    features=(FeatureSpec(name="group"),), min_share=0.0, replicates=REPLICATES, level=LEVEL
)


@cache
def true_rates(world: World) -> dict[str, float]:
    """Rates of the population; groups are alike."""
    whole = population(world)
    chosen, y = whole.score >= THRESHOLD[world.rare], whole.y == 1
    return {
        "selection_rate": chosen.mean(),
        "tpr": chosen[y].mean(),
        "precision": y[chosen].mean(),
        "accuracy": (chosen == y).mean(),
    }


def fairness(world: World, rng: np.random.Generator) -> Found:
    """Rates, ratios and worst cases of three groups that are alike, and calibration by group."""
    found = sample(world, rng)
    frame = pd.DataFrame({"group": np.array(["a", "b", "c"])[found.group]})
    chosen = found.score >= THRESHOLD[world.rare]
    table = build_table(
        encode_groups(frame, CONFIG.features), found.y, chosen, found.score,
        bin_edges=[0.0, 0.02, 0.1, 1.0] if world.rare else [0.0, 0.2, 0.5, 1.0],
        subjects=found.owner,
    )  # fmt: skip
    result = audit(table, CONFIG)
    truth = true_rates(world)
    for group in result.dimensions[0].groups:
        for name, rate in truth.items():
            yield from _estimate(f"{name} of a group", rate, group.rates[name])
        for part in group.calibration.bins if group.calibration else ():
            inside = (found.score >= part.score_from) & (found.score < part.score_to)
            mine = inside & (frame["group"].to_numpy() == group.group)
            kind = "calibration bin of a group"
            yield kind, found.chance[mine].mean(), part.low, part.observed_rate, part.high
    for ratio in result.dimensions[0].impact_ratios:
        if ratio.group != ratio.versus:
            yield from _estimate("impact ratio of a group", 1.0, ratio.estimate)
    for gap in result.dimensions[0].gaps:
        yield from _estimate(f"difference in {gap.rate}", 0.0, gap.difference)
    for figure in result.summary:
        kind, ratio_like = f"{figure.name}", figure.name.endswith("ratio")
        yield from _estimate(kind, 1.0 if ratio_like else 0.0, figure.estimate)
    yield from _mitigation(world, found, frame["group"].to_numpy(dtype=object), chosen)


def _estimate(kind: str, truth: float, estimate: Any) -> Found:
    if estimate.value is not None and estimate.low is not None and estimate.high is not None:
        yield kind, truth, estimate.low, estimate.value, estimate.high


@cache
def true_change(world: World) -> float:
    whole = population(world)
    y, threshold = whole.y == 1, THRESHOLD[world.rare]
    before, after = whole.score >= threshold, whole.score >= threshold * _lower(whole.group)
    return float((after == y).mean() - (before == y).mean())


def _lower(group: NDArray[np.int64]) -> Floats:
    return np.where(group == 1, 0.8, 1.0)


def _mitigation(
    world: World, found: Sample, names: NDArray[np.object_], chosen: NDArray[np.bool_]
) -> Found:
    after = found.score >= THRESHOLD[world.rare] * _lower(found.group)
    table = DecisionTable.make(
        names, found.y.astype(np.int64), chosen, after,
        subject_codes(found.owner, len(found.owner)),
    )  # fmt: skip
    overall, _ = paired_changes(table, replicates=REPLICATES, level=LEVEL, seed=0, how=ASSISTIVE)
    change = next(item.change for item in overall if item.name == "accuracy")
    yield from _estimate("mitigation, change of accuracy", true_change(world), change)


def live(world: World, rng: np.random.Generator) -> Found:
    """Shares of scored rows, as the watch has them."""
    found = sample(world, rng)
    rate = true_rates(world)["selection_rate"]
    chosen = found.score >= THRESHOLD[world.rare]
    odd = rng.random(len(chosen)) < 0.01  # rows break one by one
    for kind, truth, hits, known in (
        ("selection_rate", rate, chosen, True),
        ("unreadable_share", 0.01, odd, True),
        ("strange_share", 0.01, odd, False),
    ):
        worth = independent_rows(found.owner, hits if known else None)
        share = Proportion(int(hits.sum()), len(hits), worth)
        yield kind, truth, *_around(share.value, share.wilson(LEVEL))


def _around(value: float, limits: tuple[float, float]) -> tuple[float, float, float]:
    return limits[0], value, limits[1]


@dataclass(frozen=True)
class Days:
    """Pages of some days, with busy and quiet ones."""

    days: int

    @property
    def name(self) -> str:
        """Setting as it stands in the table."""
        return f"{self.days} days"


def pages(world: Days, rng: np.random.Generator) -> Found:
    """Share of pages saved: busy days save more."""

    def drawn(days: int, source: np.random.Generator) -> tuple[Any, Any]:
        busy = source.gamma(2.0, 10.0, days)
        kept = source.beta(2.0, 14.0, days) * np.where(busy > 20, 0.8, 1.2)
        before = source.poisson(busy)
        return before, source.binomial(before, np.minimum(kept, 1.0))

    big = drawn(2_000_000, np.random.default_rng(1)) if world not in _SAVED else None
    if big is not None:
        _SAVED[world] = 1 - float(big[1].sum() / big[0].sum())
    before, after = drawn(world.days, rng)
    limits = replayed.saved_interval(before, after)
    if limits is not None:
        value = 1 - float(after.sum() / before.sum())
        yield "share of pages saved", _SAVED[world], *_around(value, limits)


_SAVED: dict[Days, float] = {}


@dataclass(frozen=True)
class Shares:
    """Counts of a share."""

    n: int
    share: float

    @property
    def name(self) -> str:
        """Setting as it stands in the table."""
        return f"n = {self.n}, share {self.share:g}"


def bounds(world: Shares, rng: np.random.Generator) -> Found:
    """One-sided bounds of rules, and what an action did, against as many untreated."""
    tried = 20
    good = rng.binomial(world.n, world.share, tried)
    confidence = stats.bonferroni_level(1 - LEVEL, tried)
    lows = stats.clopper_pearson_lower(good, world.n, confidence)
    worst = int(np.argmax(lows))
    value = float(good[worst] / world.n)
    yield "bound of every rule tried (20)", world.share, float(lows[worst]), value, math.inf
    lost = int(rng.binomial(world.n, 1 - world.share))
    high = float(stats.clopper_pearson_upper(lost, world.n, LEVEL))
    yield "share of incidents lost", 1 - world.share, 0.0, lost / world.n, high
    a, b = (int(k) / world.n for k in rng.binomial(world.n, world.share, 2))
    z = stats.normal_quantile(LEVEL)
    low, up = (float(x) for x in stats.newcombe_interval(a, world.n, b, world.n, z))
    yield "remediation, effect of an action", 0.0, low, a - b, up
    delays = rng.lognormal(2.0, 1.5, world.n)
    limits = replayed.median_interval(delays)
    if limits is not None:
        yield "median delay", math.exp(2.0), *_around(float(np.median(delays)), limits)


@dataclass(frozen=True)
class Windows:
    """Calls of an edge in some windows that hang together, or don't."""

    windows: int
    calls: int
    spread: float
    errors: float

    @property
    def name(self) -> str:
        """Setting as it stands in the table."""
        together = "together" if self.spread else "independent"
        return f"{self.windows} × {self.calls}, {self.errors:.0%} errors, {together}"


def edges(world: Windows, rng: np.random.Generator) -> Found:
    """Durations, errors and calls before and after, between which nothing changed."""

    def side() -> tuple[service_map.Calls, NDArray[np.int64]]:
        n = rng.poisson(world.calls * rng.gamma(20, 1 / 20, world.windows)) + 1
        slow = rng.normal(0, world.spread, world.windows)
        took = np.zeros((world.windows, 400), np.int64)
        for w in range(world.windows):
            log = rng.normal(math.log(50_000) + slow[w], 0.8, n[w]) / math.log(GROWTH)
            took[w] = np.bincount(np.clip(log.astype(int), 0, 399), minlength=400)
        # Errors come in bad windows where calls hang together.
        chance = np.full(world.windows, world.errors)
        if world.spread:
            chance = rng.beta(world.errors * 30, (1 - world.errors) * 30, world.windows)
        return service_map.Calls(n, rng.binomial(n, chance), took), n

    (before, n), (after, m) = side(), side()
    for kind, truth, found in (
        ("ratio of median durations", 1.0, service_map.durations(before, after)),
        ("ratio of 95 % durations", 1.0, service_map.durations(before, after, 0.95)),
        ("difference of error rates", 0.0,
         service_map.shares((before.errors, after.errors), (n, m))),
        ("ratio of calls", 1.0, service_map.rates(n.tolist(), m.tolist())),
    ):  # fmt: skip
        if found is not None:
            yield kind, truth, found.low, found.change, found.high


MODELS = (
    World(50),
    World(150),
    World(300),
    World(3000),
    World(100, 12),
    World(1000, 3),
    World(300, rare=True),
    World(3000, rare=True),
    World(100, rare=True),
    World(300, 12, rare=True),
    World(300, off=0.1),
    World(3000, off=0.1),
)
SETTINGS: tuple[tuple[Callable[..., Found], Any], ...] = (
    *((evaluation, world) for world in MODELS),
    *((fairness, world) for world in MODELS if not world.off),
    *((live, world) for world in MODELS if not world.off),
    *((pages, Days(days)) for days in (5, 14, 42)),
    *((bounds, Shares(n, share)) for n in (10, 40, 400) for share in (0.5, 0.97)),
    *((edges, Windows(*w)) for w in (
        (3, 100, 0.0, 0.02), (12, 20, 0.0, 0.02), (12, 200, 0.3, 0.02), (60, 50, 0.3, 0.1),
    )),
)  # fmt: skip


def tally(samples: int, only: str, seed: int = 1) -> list[dict[str, Any]]:
    """Count for every kind and setting how often intervals hold the truth and their estimate."""
    rows = []
    for kind, world in SETTINGS:
        if only and only not in f"{kind.__name__} {world.name}":
            continue
        start = time.process_time()
        rng = np.random.default_rng([seed, *map(ord, f"{kind.__name__}{world.name}")])
        found: dict[str, list[list[float]]] = {}
        for _ in range(samples):
            mine: dict[str, list[list[float]]] = {}
            for name, truth, low, value, high in kind(world, rng):
                slack = 1e-6  # figures are rounded
                seen = [low - slack <= truth <= high + slack, truth < low - slack,
                        low - slack <= value <= high + slack, min(high, 1e9) - low]  # fmt: skip
                mine.setdefault(name, []).append([float(x) for x in seen])
            # What a sample has several of (groups, bins) counts by its mean: they hang together.
            for name, parts in mine.items():
                found.setdefault(name, []).append(np.mean(parts, axis=0).tolist())
        for name, parts in found.items():
            table = np.array(parts)
            held = float(table[:, 0].mean())
            rows.append(
                {
                    "family": kind.__name__,
                    "interval": name,
                    "setting": world.name,
                    "samples": len(table),
                    "nominal": LEVEL,
                    "held": round(held, 4),
                    "error": round(float(table[:, 0].std() / math.sqrt(len(table))), 4),
                    "too_high": round(float(table[:, 1].mean()), 4),
                    "excludes_estimate": round(float(1 - table[:, 2].mean()), 4),
                    "width": round(float(table[:, 3].mean()), 5),
                }
            )
        took = time.process_time() - start
        print(f"# {kind.__name__}, {world.name}: {took:.0f} s", file=sys.stderr, flush=True)
    return rows


def is_low(row: dict[str, Any]) -> bool:
    """Whether coverage is clearly and noticeably below what is promised."""
    error = max(row["error"], math.sqrt(LEVEL * (1 - LEVEL) / row["samples"]))
    return bool(row["held"] < LEVEL - 0.02 - 3 * error)


def show(rows: list[dict[str, Any]]) -> None:
    """Print Markdown: a table for each family of settings, coverage in percent."""
    families: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        families.setdefault(row["family"], []).append(row)
    for mine in families.values():
        settings = list(dict.fromkeys(row["setting"] for row in mine))
        found = {(row["interval"], row["setting"]): row for row in mine}
        print(f"\n| interval | {' | '.join(settings)} |")
        print(f"|---|{'---|' * len(settings)}")
        for name in dict.fromkeys(row["interval"] for row in mine):
            cells = [_cell(found.get((name, setting))) for setting in settings]
            print(f"| {name} | {' | '.join(cells)} |")
    print(f"\nlargest Monte Carlo error: {max((row['error'] for row in rows), default=0):.1%}")


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    excluded = float(row["excludes_estimate"])
    mark = "**!**" if is_low(row) else ""
    note = f" (excludes its estimate: {excluded:.1%})" if excluded > 0 else ""
    return f"{100 * row['held']:.1f}{mark}{note}"


def main() -> None:
    """Run the simulations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="samples of every setting")
    parser.add_argument("--only", default="", help="settings whose name holds this word")
    parser.add_argument("--out", type=Path, help="folder for coverage.json")
    options = parser.parse_args()
    start = time.process_time()
    with one_thread():
        rows = tally(options.samples, options.only)
    show(rows)
    result = {
        "benchmark": "coverage",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "level": LEVEL,
        "replicates": REPLICATES,
        "seconds": round(time.process_time() - start, 1),
        "rows": rows,
    }
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "coverage.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
