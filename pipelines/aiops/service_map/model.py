"""A service map: nodes, edges, how busy each was in every window, and the shapes of traces.

Durations are counts in buckets that grow by a fixed factor. Such histograms of disjoint sets
of calls add up exactly, whatever the order, which quantiles do not. A bucket is 4% wide, so a
quantile is off by 2% at most (as in Masson, Rim and Lee, "DDSketch", VLDB 2019); ten hours in
microseconds fit into some 620 buckets.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import TIME
from pipelines.aiops.service_map.peers import kind_of, name_of
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json, replacing, write_json

GROWTH = 1.04
"""Upper bound of a bucket over its lower bound."""

BUCKET_SQL = (
    f"CASE WHEN {{took}} >= 0 THEN floor(ln(greatest({{took}}, 1)) / ln({GROWTH})) END::SMALLINT"
)
"""Bucket of a duration in microseconds; below one microsecond is bucket 0."""


def middle(bucket: int) -> float:
    """Return the geometric middle of a bucket.

    Parameters
    ----------
    bucket : int

    Returns
    -------
    float
        Microseconds.
    """
    return float(GROWTH ** (bucket + 0.5))


def quantile(buckets: Mapping[int, int], share: float) -> int | None:
    """Return a quantile of durations.

    Parameters
    ----------
    buckets : mapping of int to int
        Bucket → number of durations in it.
    share : float
        Between 0 and 1: 0.5 is the median.

    Returns
    -------
    int or None
        Whole microseconds, off by 2% at most; None without durations.
    """
    total = sum(buckets.values())
    if not total:
        return None
    return round(middle(at_rank(buckets, max(1, math.ceil(share * total)))))


def at_rank(buckets: Mapping[int, int], rank: int) -> int:
    """Return the bucket that holds the duration of a rank.

    Parameters
    ----------
    buckets : mapping of int to int
        Bucket → number of durations in it.
    rank : int
        1 is the smallest duration.

    Returns
    -------
    int
        The last bucket if there are fewer durations.
    """
    seen, last = 0, 0
    for bucket in sorted(buckets):
        seen, last = seen + buckets[bucket], bucket
        if seen >= rank:
            return bucket
    return last


MAP_FILE, WINDOWS_FILE = "service_map.json", "edge_windows.parquet"
FORMAT = "signalbox.service_map/1"
ANY = ""
"""Source of rows that count everything a node received, whoever called."""

WINDOWS = pa.schema(
    [
        # Node that calls; empty: all callers together, known or not.
        ("source", pa.string()),
        ("target", pa.string()),
        # Whether the edge is a message (through a queue or straight) and not a request.
        ("message", pa.bool_()),
        ("starts_at", TIME),
        ("n", pa.int64()),
        ("errors", pa.int64()),
        # Calls with a duration that can be; n less these had none, or a negative one.
        ("timed", pa.int64()),
        # Per second, share, and microseconds.
        ("rate", pa.float64()),
        ("error_rate", pa.float64()),
        ("p50_us", pa.int64()),
        ("p95_us", pa.int64()),
        ("p99_us", pa.int64()),
        # Histogram of durations, see `BUCKET_SQL`.
        ("buckets", pa.list_(pa.int16())),
        ("counts", pa.list_(pa.int64())),
    ]
)

Key = tuple[str, str]
"""Source and target of an edge."""
Shape = tuple[Key, ...]
"""Distinct edges of a trace, sorted; those from `ANY` say that the target was touched."""


@dataclass(frozen=True)
class Traffic:
    """Calls over an edge, or into a node.

    Attributes
    ----------
    n, errors : int
        Calls, and those that failed.
    buckets : dict of int to int
        Bucket → durations in it, see `BUCKET_SQL`.
    message : bool
        Whether calls are messages and not requests.
    """

    n: int
    errors: int
    buckets: dict[int, int]
    message: bool = False

    @property
    def timed(self) -> int:
        """Calls with a duration."""
        return sum(self.buckets.values())

    @property
    def error_rate(self) -> float:
        """Share of calls that failed; 0 without calls."""
        return self.errors / self.n if self.n else 0.0

    def quantile(self, share: float) -> int | None:
        """Return a quantile of the duration.

        Parameters
        ----------
        share : float
            Between 0 and 1: 0.5 is the median.

        Returns
        -------
        int or None
            Whole microseconds; None if no call has a duration.
        """
        return quantile(self.buckets, share)


@dataclass(frozen=True)
class Node:
    """A service, or something that services call that sends no spans.

    Attributes
    ----------
    id : str
        Name of the service; a virtual node has a prefix, see `peers`.
    """

    id: str

    @property
    def kind(self) -> str:
        """Kind: ``service``, ``database``, ``queue``, ``external`` or ``user``."""
        return kind_of(self.id)

    @property
    def name(self) -> str:
        """Name for people."""
        return name_of(self.id)


@dataclass(frozen=True)
class ServiceMap:
    """A map: who calls whom, how often, how fast, with which errors.

    Attributes
    ----------
    start_us, end_us : int
        What it covers, ``[start, end)``, in microseconds UTC; the first and last call if the
        builder was not told.
    window_us : int
        Length of a window, microseconds.
    windows : pyarrow.Table
        Edges' and nodes' windows by schema `WINDOWS`, sorted by start, source, target.
    shapes : dict of Shape to int
        Shape of traces → how many had it; the most frequent ones.
    counts : dict of str to int
        ``spans``, ``traces``, ``missing_parents``, ``unpaired_clients`` … see `build`.
    missing : dict of str to int
        Service → its spans whose parent is missing.
    """

    start_us: int
    end_us: int
    window_us: int
    windows: pa.Table
    shapes: dict[Shape, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)

    @cached_property
    def totals(self) -> dict[Key, Traffic]:
        """Edge → its traffic in all windows; edges from `ANY` are those of nodes. Sorted."""
        return totals(self.windows)

    @cached_property
    def edges(self) -> dict[Key, Traffic]:
        """Edge between two nodes → its traffic; sorted."""
        return {key: traffic for key, traffic in self.totals.items() if key[0] != ANY}

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, sorted by id."""
        names = {name for key in self.totals for name in key if name != ANY}
        return tuple(Node(name) for name in sorted(names | set(self.missing)))

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Names of nodes that send spans."""
        return tuple(node.id for node in self.nodes if node.kind == "service")

    def received(self, node: str) -> Traffic:
        """Return all calls that a node got.

        Parameters
        ----------
        node : str
            Its id.

        Returns
        -------
        Traffic
            Without calls if it got none.
        """
        return self.totals.get((ANY, node), Traffic(0, 0, {}))

    def callees(self, node: str) -> list[str]:
        """Return the nodes that a node calls.

        Parameters
        ----------
        node : str
            Its id.

        Returns
        -------
        list of str
            Sorted.
        """
        return sorted({target for source, target in self.edges if source == node})

    def callers(self, node: str) -> list[str]:
        """Return the nodes that call a node.

        Parameters
        ----------
        node : str
            Its id.

        Returns
        -------
        list of str
            Sorted.
        """
        return sorted({source for source, target in self.edges if target == node})

    def between(self, first_us: int, last_us: int) -> "ServiceMap":
        """Return the map of the windows that begin in ``[first, last)``.

        Parameters
        ----------
        first_us, last_us : int
            Microseconds UTC.

        Returns
        -------
        ServiceMap
            Shapes and counts stay those of the whole.
        """
        import pyarrow.compute as pc

        at = self.windows["starts_at"].cast(pa.int64())
        chosen = pc.and_(pc.greater_equal(at, first_us), pc.less(at, last_us))
        return ServiceMap(first_us, last_us, self.window_us, self.windows.filter(chosen),
                          self.shapes, self.counts, self.missing)  # fmt: skip


def totals(windows: pa.Table) -> dict[Key, Traffic]:
    """Sum windows by edge.

    Parameters
    ----------
    windows : pyarrow.Table
        With the schema `WINDOWS`.

    Returns
    -------
    dict of (str, str) to Traffic
        Sorted by source and target; edges from `ANY` are those of nodes.
    """
    import pyarrow.compute as pc

    rows = windows.combine_chunks()
    key = ["source", "target"]
    sums = rows.group_by(key).aggregate([("n", "sum"), ("errors", "sum"), ("message", "any")])
    # Histograms as one row a window and bucket, so that they can be summed by edge.
    parent = pc.list_parent_indices(rows["buckets"])
    flat = pa.table(
        {
            **{name: rows[name].take(parent) for name in key},
            "bucket": pc.list_flatten(rows["buckets"]),
            "count": pc.list_flatten(rows["counts"]),
        }
    )
    histograms: dict[Key, dict[int, int]] = {}
    counted = flat.group_by([*key, "bucket"]).aggregate([("count", "sum")])
    for row in counted.sort_by([(name, "ascending") for name in (*key, "bucket")]).to_pylist():
        histograms.setdefault((row["source"], row["target"]), {})[row["bucket"]] = row["count_sum"]
    found = {
        (row["source"], row["target"]): Traffic(
            row["n_sum"],
            row["errors_sum"],
            histograms.get((row["source"], row["target"]), {}),
            row["message_any"],
        )
        for row in sums.to_pylist()
    }
    return dict(sorted(found.items()))


def write_map(service_map: ServiceMap, folder: Path) -> None:
    """Write ``service_map.json`` and ``edge_windows.parquet``: equal maps give equal bytes.

    Parameters
    ----------
    service_map : ServiceMap
    folder : Path
        Where to write both.
    """
    import pyarrow.parquet as pq

    write_json(folder / MAP_FILE, as_data(service_map))
    with replacing(folder / WINDOWS_FILE) as partial:
        pq.write_table(service_map.windows, partial, compression="zstd", row_group_size=1 << 17)


def as_data(service_map: ServiceMap) -> dict[str, Any]:
    """Return the map as JSON values.

    Parameters
    ----------
    service_map : ServiceMap

    Returns
    -------
    dict
        Nodes, edges with their totals, shapes (most frequent first), counts; without windows.
    """
    edges = [
        {"source": source, "target": target, **_traffic(traffic)}
        for (source, target), traffic in service_map.edges.items()
    ]
    nodes = [
        {"id": node.id, "kind": node.kind, "name": node.name,
         "missing_parents": service_map.missing.get(node.id, 0),
         "received": _traffic(service_map.received(node.id))}
        for node in service_map.nodes
    ]  # fmt: skip
    ordered = sorted(service_map.shapes.items(), key=lambda item: (-item[1], item[0]))
    return {
        "format": FORMAT,
        "start_us": service_map.start_us,
        "end_us": service_map.end_us,
        "window_us": service_map.window_us,
        "counts": service_map.counts,
        "nodes": nodes,
        "edges": edges,
        "shapes": [{"traces": n, "edges": [list(key) for key in shape]} for shape, n in ordered],
    }


def _traffic(traffic: Traffic) -> dict[str, Any]:
    return {
        "n": traffic.n,
        "errors": traffic.errors,
        "timed": traffic.timed,
        "message": traffic.message,
        **{f"p{round(100 * share)}_us": traffic.quantile(share) for share in (0.5, 0.95, 0.99)},
    }


def read_map(folder: Path) -> ServiceMap:
    """Read a map that `write_map` wrote.

    Parameters
    ----------
    folder : Path
        Where both files are.

    Returns
    -------
    ServiceMap

    Raises
    ------
    SignalboxError
        If the folder has none, or one of another format.
    """
    import pyarrow.parquet as pq

    path = folder / MAP_FILE
    data = read_json(path)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise SignalboxError(f"{path}: not a service map of format {FORMAT}; build it again")
    try:
        windows = pq.read_table(folder / WINDOWS_FILE).cast(WINDOWS)
    except (OSError, pa.ArrowInvalid, ValueError) as error:
        text = " ".join(str(error).split())
        raise SignalboxError(f"{folder / WINDOWS_FILE}: not readable: {text}") from error
    return ServiceMap(
        data["start_us"],
        data["end_us"],
        data["window_us"],
        windows,
        {
            tuple((source, target) for source, target in shape["edges"]): shape["traces"]
            for shape in data["shapes"]
        },
        data["counts"],
        {node["id"]: node["missing_parents"] for node in data["nodes"] if node["missing_parents"]},
    )


def touched(shape: Sequence[Key]) -> set[str]:
    """Return the nodes that a trace of a shape touches.

    Parameters
    ----------
    shape : sequence of (str, str)
        Edges of the trace; those from `ANY` name their target only.

    Returns
    -------
    set of str
    """
    return {name for key in shape for name in key if name != ANY}
