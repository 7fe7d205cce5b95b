"""What changed on edges between two maps, corrected for how many were looked at, and when."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from pipelines.aiops.service_map import statistics
from pipelines.aiops.service_map.model import ANY, Key, ServiceMap
from pipelines.aiops.service_map.peers import name_of
from pipelines.aiops.service_map.statistics import Calls, Compared
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import round_floats
from pipelines.core.stats import benjamini_hochberg
from pipelines.core.time import in_one_unit

TAIL = 0.95
KINDS = ("appeared", "vanished", "more_errors", "fewer_errors", "slowed", "more_slow_calls",
         "faster", "quieter", "busier")  # fmt: skip


@dataclass(frozen=True)
class MoveSettings:
    """From when on something has moved.

    Attributes
    ----------
    alpha : float
        Of what is said to have moved, at most this share is chance (false discovery rate, Benjamini
        and Hochberg).
    min_ratio : float
        Durations or rates must grow or shrink by this factor; less is chance or nobody's business.
    min_difference : float
        Shares of errors or of slow calls must differ by this much, between 0 and 1.
    min_calls : int
        Calls that both sides need for a comparison.
    rates : bool
        Whether calls a window are compared too; they follow the hour of the day.
    """

    alpha: float = 0.01
    min_ratio: float = 1.2
    min_difference: float = 0.01
    min_calls: int = 20
    rates: bool = False


DEFAULT_SETTINGS = MoveSettings()


@dataclass(frozen=True)
class EdgeChange:
    """One thing that moved on an edge.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    source, target : str
        Ids of the edge's nodes; an empty source: all callers of the target together.
    calls : tuple of (int, int)
        Calls before and after.
    compared : Compared or None
        Microseconds (median) for ``slowed`` and ``faster``, shares for errors and slow calls,
        calls a window for ``busier`` and ``quieter``; None for ``appeared`` and ``vanished``.
    p : float
        p-value, adjusted for everything that was tested.
    certain : bool
        Whether it is beyond chance. Only edges that appeared or vanished are kept otherwise too.
    where : str
        Of a change: ``on it``, ``downstream``, ``upstream`` or ``elsewhere``; else empty.
    """

    kind: str
    source: str
    target: str
    calls: tuple[int, int]
    compared: Compared | None
    p: float
    certain: bool
    where: str = ""

    @property
    def sentence(self) -> str:
        """Say it in one sentence, without markup."""
        edge = f"{name_of(self.source)} to {name_of(self.target)}"
        edge = f"Calls of {name_of(self.target)}" if self.source == ANY else f"Calls from {edge}"
        old, new = (f"{n:,} call{'' if n == 1 else 's'}" for n in self.calls)
        if self.compared is None:
            chance = "" if self.certain else "; so few may be chance"
            appeared_text = f"appeared: none before, {new} after" if self.kind == "appeared" else (
                f"vanished: {old} before, none after")  # fmt: skip
            return f"{edge} {appeared_text}{chance}."
        return f"{edge} {_change_text(self.kind, self.compared)}."

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON values.

        Returns
        -------
        dict
            Keys of `RecordedEdgeChange`; the numbers of `compared` only where there are any.
        """
        compared = vars(self.compared) if self.compared else {}
        # Its own p-value isn't adjusted.
        numbers = {name: value for name, value in compared.items() if name != "p"}
        record = RecordedEdgeChange(
            kind=self.kind,
            source=self.source,
            target=self.target,
            where=self.where,
            calls_before=self.calls[0],
            calls_after=self.calls[1],
            p=self.p,
            certain=self.certain,
            sentence=self.sentence,
            **numbers,
        )
        return round_floats({k: v for k, v in vars(record).items() if v is not None})


@dataclass(frozen=True, kw_only=True)
class RecordedEdgeChange:
    """An `EdgeChange` as it is written: flat, with its sentence."""

    kind: str
    source: str
    target: str
    where: str
    calls_before: int
    calls_after: int
    before: float | None = None
    after: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    by_windows: bool | None = None
    p: float
    certain: bool
    sentence: str


def _change_text(kind: str, c: Compared) -> str:
    if kind in ("slowed", "faster"):
        return (
            f"{'became slower' if kind == 'slowed' else 'became faster'}: median "
            f"{duration(c.before)} before, {duration(c.after)} after, "
            f"×{c.change:.2f} ({c.low:.2f} to {c.high:.2f})"
        )
    if kind in ("busier", "quieter"):
        return (
            f"became {'more' if kind == 'busier' else 'fewer'}: {c.before:,.1f} a window before, "
            f"{c.after:,.1f} after, ×{c.change:.2f} ({c.low:.2f} to {c.high:.2f})"
        )
    what = "are slow more often" if kind == "more_slow_calls" else (
        "fail more often" if kind == "more_errors" else "fail less often")  # fmt: skip
    return (
        f"{what}: {100 * c.before:.2f}% before, {100 * c.after:.2f}% after, "
        f"{100 * c.change:+.2f} points ({100 * c.low:+.2f} to {100 * c.high:+.2f})"
    )


def duration(us: float | None) -> str:
    """Format a duration for people, with three digits.

    Parameters
    ----------
    us : float or None
        Microseconds.

    Returns
    -------
    str
        A dash for None.
    """
    if us is None:
        return "–"
    value, unit = in_one_unit(us)
    return f"{value:.3g} {unit}"


@dataclass(frozen=True)
class Baseline:
    """Windows of one side of a comparison.

    Attributes
    ----------
    rows : mapping of (str, str) to list of dict
        Edge → its windows that have calls: ``source``, ``target``, ``n``, ``errors``, ``buckets``,
        ``counts`` as in `WINDOWS`.
    windows : int
        How many windows the side has at all.
    """

    rows: Mapping[Key, list[dict[str, Any]]]
    windows: int


def side(windows: pa.Table, count: int) -> Baseline:
    """Group windows by edge.

    Parameters
    ----------
    windows : pyarrow.Table
        With the schema `WINDOWS`.
    count : int
        Windows that the side's time has, those without calls too.

    Returns
    -------
    Baseline
    """
    rows: dict[Key, list[dict[str, Any]]] = {}
    names = ["source", "target", "n", "errors", "buckets", "counts"]
    for row in windows.select(names).to_pylist():
        rows.setdefault((row["source"], row["target"]), []).append(row)
    return Baseline(rows, max(count, max((len(found) for found in rows.values()), default=0)))


def moves(
    before: Baseline,
    after: Baseline,
    keys: Iterable[Key],
    settings: MoveSettings = DEFAULT_SETTINGS,
) -> tuple[list[EdgeChange], int]:
    """Find what moved on some edges.

    p-values are adjusted for all tests made here (Benjamini and Hochberg).

    Parameters
    ----------
    before, after : Baseline
        Windows of both sides.
    keys : iterable of (str, str)
        Edges to compare.
    settings : MoveSettings

    Returns
    -------
    moved : list of EdgeChange
        In order of edges; edges that appeared or vanished also where they may be chance.
    tests : int
        Number of tests.
    """
    tested: list[EdgeChange] = []
    for key in sorted(set(keys)):
        old, new = before.rows.get(key, []), after.rows.get(key, [])
        if old or new:
            tested += _edge(key, old, new, (before.windows, after.windows), settings)
    chances = benjamini_hochberg([change.p for change in tested]).tolist()
    judged = [
        replace(change, p=p, certain=p < settings.alpha)
        for change, p in zip(tested, chances, strict=True)
    ]
    kept = [change for change in judged if _counts(change, settings)]
    slowed = {(m.source, m.target) for m in kept if m.kind == "slowed"}
    return [
        m for m in kept if m.kind != "more_slow_calls" or (m.source, m.target) not in slowed
    ], len(tested)


def _counts(change: EdgeChange, settings: MoveSettings) -> bool:
    c = change.compared
    if c is None:
        return True
    if not change.certain:
        return False
    if change.kind in ("slowed", "faster", "busier", "quieter"):
        return max(c.change, 1 / c.change) >= settings.min_ratio
    if change.kind == "more_slow_calls" and c.change <= 0:
        return False
    return abs(c.change) >= settings.min_difference


def _edge(
    key: Key, old: list[dict[str, Any]], new: list[dict[str, Any]], counts: tuple[int, int],
    settings: MoveSettings,
) -> list[EdgeChange]:  # fmt: skip
    calls = (sum(row["n"] for row in old), sum(row["n"] for row in new))
    if not old or not new:
        rows = new or old
        own, other = (counts[1], counts[0]) if new else counts
        p = statistics.only_in(sum(calls), len(rows), own, other)
        return [EdgeChange("appeared" if new else "vanished", *key, calls, None, p, False)]
    found: list[tuple[str, str, Compared | None]] = []
    if min(calls) >= settings.min_calls:
        a, b = _calls(old, new)
        found.append(("slowed", "faster", statistics.durations(a, b)))
        found.append(("more_slow_calls", "more_slow_calls", _slow(a, b)))
        found.append(
            ("more_errors", "fewer_errors", statistics.shares((a.errors, b.errors), (a.n, b.n)))
        )
    if settings.rates:
        padded = [
            [row["n"] for row in rows] + [0] * (count - len(rows))
            for rows, count in zip((old, new), counts, strict=True)
        ]
        found.append(("busier", "quieter", statistics.rates(*padded)))
    return [
        EdgeChange(up if c.after >= c.before else down, *key, calls, c, c.p, False)
        for up, down, c in found
        if c is not None
    ]


def _calls(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> tuple[Calls, Calls]:
    import numpy as np

    # Both sides get the same columns, a bucket each, so that they can be compared.
    width = max((row["buckets"][-1] for row in (*old, *new) if row["buckets"]), default=0) + 1

    def one(rows: list[dict[str, Any]]) -> Calls:
        table = np.zeros((len(rows), width), np.int64)
        for i, row in enumerate(rows):
            table[i, row["buckets"]] = row["counts"]
        return Calls(np.array([row["n"] for row in rows]), np.array([r["errors"] for r in rows]),
                     table)  # fmt: skip

    return one(old), one(new)


def _slow(before: Calls, after: Calls) -> Compared | None:
    """Share of calls that take longer than 95% of those before did."""
    import numpy as np

    a = before.durations.sum(0)
    if not a.sum():
        return None
    # First bucket beyond the one that holds the 95th percentile; shape (windows,) after sum(1).
    limit = int(np.searchsorted(np.cumsum(a), TAIL * a.sum())) + 1
    sides = (before.durations, after.durations)
    slow, timed = [d[:, limit:].sum(1) for d in sides], [d.sum(1) for d in sides]
    return statistics.shares((slow[0], slow[1]), (timed[0], timed[1]))


@dataclass(frozen=True)
class Diff:
    """What differs between two maps.

    Attributes
    ----------
    moved : list of EdgeChange
        Sorted by kind (`KINDS`), then by p-value.
    appeared, vanished : list of str
        Ids of nodes, sorted.
    tests : int
        Comparisons that p-values are adjusted for.
    """

    moved: list[EdgeChange]
    appeared: list[str]
    vanished: list[str]
    tests: int

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON values.

        Returns
        -------
        dict
            Keys of `RecordedDiff`.
        """
        return {
            "moved": [change.as_data() for change in self.moved],
            "nodes_appeared": self.appeared,
            "nodes_vanished": self.vanished,
            "tests": self.tests,
        }


@dataclass(frozen=True)
class RecordedDiff:
    """A `Diff` as it is written."""

    moved: list[RecordedEdgeChange]
    nodes_appeared: list[str]
    nodes_vanished: list[str]
    tests: int


def diff_maps(old: ServiceMap, new: ServiceMap, settings: MoveSettings = DEFAULT_SETTINGS) -> Diff:
    """Compare two maps with windows of the same length.

    Compare like with like: the same hours of the day, the same days of the week. Rates are not
    compared unless ``settings.rates`` is set, because they follow the hour.

    Parameters
    ----------
    old, new : ServiceMap
    settings : MoveSettings

    Returns
    -------
    Diff

    Raises
    ------
    SignalboxError
        If windows differ in length.
    """
    if old.window_us != new.window_us:
        raise SignalboxError(
            f"service maps have windows of {old.window_us} and {new.window_us} µs; build them alike"
        )
    sides = [side(window_map.windows, windows_of(window_map)) for window_map in (old, new)]
    keys = {key for baseline in sides for key in baseline.rows if key[0] != ANY}
    moved, tests = moves(sides[0], sides[1], keys, settings)
    before, after = ({node.id for node in window_map.nodes} for window_map in (old, new))
    return Diff(in_order(moved), sorted(after - before), sorted(before - after), tests)


def in_order(moved: list[EdgeChange]) -> list[EdgeChange]:
    """Sort by kind (`KINDS`), then by p-value, then by name.

    Parameters
    ----------
    moved : list of EdgeChange

    Returns
    -------
    list of EdgeChange
    """
    return sorted(moved, key=lambda m: (KINDS.index(m.kind), m.p, m.source, m.target))


def windows_of(service_map: ServiceMap) -> int:
    """Count the windows of a map's time, those without calls too.

    Parameters
    ----------
    service_map : ServiceMap

    Returns
    -------
    int
    """
    first, length = service_map.start_us // service_map.window_us, service_map.window_us
    return max(0, -(-service_map.end_us // length) - first)


def extent(found: ServiceMap, moved: EdgeChange) -> tuple[int, int]:
    """Find the run of windows in which a change shows most.

    Each window has points for being beyond the middle between before and after, times its calls;
    the run is the one with the largest sum. What vanished is so for the whole time.

    Parameters
    ----------
    found : ServiceMap
        The newer map.
    moved : EdgeChange

    Returns
    -------
    start_us, end_us : int
        Microseconds UTC.
    """
    rows = _rows(found, moved)
    if not rows or moved.kind == "vanished":
        return found.start_us, found.end_us
    first, last = stretch([_points(row, moved) for row in rows])
    return rows[first]["starts_at"], rows[last]["starts_at"] + found.window_us


def stretch(points: list[float]) -> tuple[int, int]:
    """Find the contiguous run with the largest sum (Kadane's algorithm).

    Parameters
    ----------
    points : list of float, length n

    Returns
    -------
    first, last : int
        Positions, both included; of equal sums the earliest.
    """
    best, span = float("-inf"), (0, len(points) - 1)
    total, start = 0.0, 0
    for position, value in enumerate(points):
        if total <= 0:
            total, start = 0.0, position
        total += value
        if total > best:
            best, span = total, (start, position)
    return span


def _rows(found: ServiceMap, moved: EdgeChange) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    windows = found.windows
    own = pc.and_(
        pc.equal(windows["source"], moved.source), pc.equal(windows["target"], moved.target)
    )
    table = windows.filter(own)
    at = table["starts_at"].cast(pa.int64())
    return list(
        table.set_column(table.schema.get_field_index("starts_at"), "starts_at", at)
        .sort_by("starts_at")
        .to_pylist()
    )


def _points(row: Mapping[str, Any], moved: EdgeChange) -> float:
    compared = moved.compared
    if compared is None:
        return 1.0
    if moved.kind in ("slowed", "faster"):
        value = row["p50_us"]
    elif moved.kind in ("more_errors", "fewer_errors"):
        value = row["error_rate"]
    else:  # More slow calls: the windows with the slowest tail.
        return 1.0
    if value is None:
        return 0.0
    middle = (compared.before + compared.after) / 2
    sign = 1.0 if compared.after >= compared.before else -1.0
    scale = abs(compared.after - compared.before) or 1.0
    return float(row["n"] * max(-1.0, min(1.0, sign * (value - middle) / scale)))
