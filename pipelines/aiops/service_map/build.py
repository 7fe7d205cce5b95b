"""Build a service map of spans; merge maps of disjoint times.

The engine does the heavy part: pairing and counting (`pairing`). What comes back is one row per
edge, window and bucket of duration.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.aiops.lake.contract import SPANS
from pipelines.aiops.lake.days import files_between
from pipelines.aiops.lake.engine import connect
from pipelines.aiops.service_map.model import (
    ANY,
    BUCKET_SQL,
    GROWTH,
    WINDOWS,
    Key,
    ServiceMap,
    Shape,
)
from pipelines.aiops.service_map.pairing import pair
from pipelines.aiops.service_map.peers import EXTERNAL
from pipelines.core.errors import SignalboxError
from pipelines.core.runtime import DEFAULT_MEMORY_MB
from pipelines.core.time import EPOCH, SECOND_US

OTHERS = "(others)"
"""Name of the virtual node that stands for those beyond the limit."""


@dataclass(frozen=True)
class MapSettings:
    """How a map is built.

    Attributes
    ----------
    window_seconds : int
        Length of the windows that rates and quantiles are counted in, seconds.
    margin_seconds : int
        Spans this long before and after the time asked for are read too, so that a trace that a
        bound cuts in half is still paired whole. Calls are counted by when they began.
    max_virtual_nodes : int
        Databases, queues and external peers beyond the busiest of this many count as one of each.
    max_shapes : int
        Shapes of traces that are kept, the most frequent ones.
    memory_mb : int
        Memory limit of the engine, MB.
    """

    window_seconds: int = 300
    margin_seconds: int = 3600
    max_virtual_nodes: int = 500
    max_shapes: int = 5000
    memory_mb: int = DEFAULT_MEMORY_MB


DEFAULT_SETTINGS = MapSettings()


def build_map(
    spans: Sequence[Path] | pa.Table,
    first_us: int | None = None,
    last_us: int | None = None,
    settings: MapSettings = DEFAULT_SETTINGS,
    known_us: int | None = None,
) -> ServiceMap:
    """Build a map of spans.

    Parameters
    ----------
    spans : sequence of Path or pyarrow.Table
        Parquet files with the contract's table ``spans`` (also those of the days before and after,
        for the margin), or such a table.
    first_us, last_us : int, optional
        Calls that began in ``[first, last)`` are counted, microseconds UTC; None: without bound.
    settings : MapSettings
    known_us : int, optional
        Spans that began at or after this time (microseconds UTC) are not read, in the margin
        neither: a map that is built later is the one that was built then. None: all are.

    Returns
    -------
    ServiceMap
        Its ``counts`` has ``spans`` and ``traces`` in the time asked for, ``missing_parents``
        (spans whose parent no span is), ``unpaired_clients`` (calls that nobody answered and whose
        attributes name nobody), ``duplicates``, ``shared`` (Zipkin), ``loops`` of parents,
        ``outer`` spans whose call an inner one reports, ``negative`` durations,
        ``shapes_left_out`` (traces of rare shapes).

    Raises
    ------
    SignalboxError
        If the files aren't readable spans.
    """
    import duckdb

    raw = connect(settings.memory_mb)
    try:
        relation = _relation(raw, spans)
        where = _where(first_us, last_us, settings.margin_seconds)
        if known_us is not None:
            where = f"{where} AND starts_at < make_timestamptz({known_us})"
        counts = pair(raw, relation, where, _inside(first_us, last_us))
        return _built(raw, first_us, last_us, settings, counts)
    except duckdb.Error as error:
        text = str(error).splitlines()[0]
        where = "spans" if isinstance(spans, pa.Table) or not spans else str(spans[0].parent)
        raise SignalboxError(f"{where}: not readable spans of the contract: {text}") from error
    finally:
        raw.close()


def build_lake_map(
    lake: Path,
    first_us: int,
    last_us: int,
    settings: MapSettings = DEFAULT_SETTINGS,
    known_us: int | None = None,
) -> ServiceMap:
    """Build the map of ``[first, last)`` from a lake's spans; see `build_map`.

    Days that the margin reaches into are read too, so a map built later over a longer time counts
    the same calls in these windows.

    Parameters
    ----------
    lake : Path
        Folder of the lake.
    first_us, last_us : int
        Calls that began in ``[first, last)`` are counted, microseconds UTC.
    settings : MapSettings
    known_us : int, optional
        As in `build_map`.

    Returns
    -------
    ServiceMap

    Raises
    ------
    SignalboxError
        If the files aren't readable spans.
    """
    margin = settings.margin_seconds * SECOND_US
    days = [
        (EPOCH + timedelta(microseconds=us)).date() for us in (first_us - margin, last_us + margin)
    ]
    return build_map(files_between(lake, SPANS, *days), first_us, last_us, settings, known_us)


def merge_maps(maps: Sequence[ServiceMap], settings: MapSettings = DEFAULT_SETTINGS) -> ServiceMap:
    """Merge maps of disjoint times (or of disjoint sets of traces): calls, shapes, counts add up.

    Parameters
    ----------
    maps : sequence of ServiceMap
        At least one, with windows of the same length.
    settings : MapSettings
        Limits of nodes and shapes, and memory.

    Returns
    -------
    ServiceMap
        From the earliest start to the latest end.

    Raises
    ------
    SignalboxError
        If there is none, or windows differ in length.
    """
    if not maps:
        raise SignalboxError("no service map to merge; build one first")
    lengths = {window_map.window_us for window_map in maps}
    if len(lengths) > 1:
        raise SignalboxError(f"service maps have windows of {sorted(lengths)} µs; build them alike")
    raw = connect(settings.memory_mb)
    try:
        parts = pa.concat_tables([window_map.windows for window_map in maps])
        raw.register("parts", parts)
        raw.execute(
            "CREATE OR REPLACE TEMP TABLE cells AS SELECT source, target, message, "
            "epoch_us(starts_at) AS starts, unnest(buckets) AS bucket, unnest(counts) AS n, "
            "0 AS failed FROM parts WHERE source <> ''"
            " UNION ALL SELECT source, target, message, epoch_us(starts_at), NULL, "
            "n - timed, errors FROM parts WHERE source <> ''"
            " UNION ALL SELECT NULL, target, message, epoch_us(starts_at), unnest(buckets), "
            "unnest(counts), 0 FROM parts WHERE source = ''"
            " UNION ALL SELECT NULL, target, message, epoch_us(starts_at), NULL, n - timed, "
            "errors FROM parts WHERE source = ''"
        )
        services = {name for window_map in maps for name in window_map.services}
        renamed = _renamed(raw, services, settings)
        windows = _windows(raw, lengths.pop(), nodes_apart=True)
    finally:
        raw.close()
    shapes: Counter[Shape] = Counter()
    for window_map in maps:
        for shape, n in window_map.shapes.items():
            shapes[_reshaped(shape, renamed)] += n
    kept, left_out = _most(shapes, settings.max_shapes)
    counts = _sum(window_map.counts for window_map in maps)
    counts["shapes_left_out"] = counts.get("shapes_left_out", 0) + left_out
    return ServiceMap(
        min(window_map.start_us for window_map in maps),
        max(window_map.end_us for window_map in maps),
        maps[0].window_us,
        windows,
        kept,
        counts,
        _sum(window_map.missing for window_map in maps),
    )


def _relation(raw: Any, spans: Sequence[Path] | pa.Table) -> str:
    if not isinstance(spans, pa.Table) and spans:
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in spans)
        return f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
    raw.register(
        "given_spans", spans if isinstance(spans, pa.Table) else SPANS.schema.empty_table()
    )
    return "given_spans"


def _where(first_us: int | None, last_us: int | None, margin_seconds: int) -> str:
    margin = margin_seconds * SECOND_US
    low = [f"starts_at >= make_timestamptz({first_us - margin})"] if first_us is not None else []
    high = [f"starts_at < make_timestamptz({last_us + margin})"] if last_us is not None else []
    return " AND ".join([*low, *high]) or "true"


def _inside(first_us: int | None, last_us: int | None) -> str:
    return " AND ".join(
        [f'"at" >= {first_us}'] * (first_us is not None)
        + [f'"at" < {last_us}'] * (last_us is not None)
    ) or "true"  # fmt: skip


def _built(
    raw: Any,
    first_us: int | None,
    last_us: int | None,
    settings: MapSettings,
    counts: dict[str, int],
) -> ServiceMap:
    length = settings.window_seconds * SECOND_US
    inside = _inside(first_us, last_us)
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE cells AS SELECT source, target, message, "
        f'("at" // {length}) * {length} - CASE WHEN "at" % {length} < 0 THEN {length} ELSE 0 END '
        f"AS starts, {BUCKET_SQL.format(took='took')} AS bucket, count(*) AS n, "
        f"count_if(failed) AS failed FROM calls WHERE {inside} "
        "GROUP BY source, target, message, starts, bucket"
    )
    services = {row[0] for row in raw.execute("SELECT DISTINCT service FROM spans").fetchall()}
    renamed = _renamed(raw, services, settings)
    found = raw.execute(
        "SELECT count(*), count(DISTINCT trace), count(*) FILTER (WHERE took < 0), "
        'min("at"), max("at") '
        f"FROM spans WHERE {inside}"
    ).fetchone()
    missing = dict(
        raw.execute(
            "SELECT service, count(*) FROM linked WHERE pid IS NULL AND parent <> id "
            f"AND {inside} AND id NOT IN (SELECT id FROM received) "
            "GROUP BY service ORDER BY service"
        ).fetchall()
    )
    shapes = _shapes(raw, first_us, last_us, renamed)
    kept, left_out = _most(shapes, settings.max_shapes)
    begin, end = found[3] or 0, (found[4] or 0) + 1
    return ServiceMap(
        begin if first_us is None else first_us,
        end if last_us is None else last_us,
        length,
        _windows(raw, length, nodes_apart=False),
        kept,
        {
            **counts,
            "spans": found[0],
            "traces": found[1],
            "negative": found[2],
            "missing_parents": sum(missing.values()),
            "unpaired_clients": _unpaired(raw, inside),
            "shapes_left_out": left_out,
        },
        missing,
    )


def _unpaired(raw: Any, inside: str) -> int:
    row = raw.execute(
        f"SELECT count(*) FROM spans WHERE kind = 2 AND peer IS NULL AND {inside} "
        "AND id NOT IN (SELECT pid FROM linked WHERE pid IS NOT NULL AND (service <> pservice "
        "OR kind = 1)) AND id NOT IN (SELECT id FROM outer_spans)"
    ).fetchone()
    return int(row[0])


def _renamed(raw: Any, services: set[str], settings: MapSettings) -> dict[str, str]:
    """Virtual node → what it counts as: a service that it names, or `OTHERS`; put into ``cells``.

    A peer that an attribute names like a service (``checkout``, ``checkout.shop.svc``) is that
    service: its own span is missing, or was never sent.
    """
    rows = raw.execute(
        "SELECT target, sum(n) FROM (SELECT target, n FROM cells WHERE target LIKE '%:%' "
        "UNION ALL SELECT source, n FROM cells WHERE source LIKE 'queue:%') GROUP BY target "
        "ORDER BY sum(n) DESC, target"
    ).fetchall()
    folded = {name.lower(): name for name in sorted(services, reverse=True)}
    renamed: dict[str, str] = {}
    kept = 0
    for name, _ in rows:
        if name in services:
            continue
        if name.startswith(EXTERNAL):
            host = name.removeprefix(EXTERNAL).lower()
            service = folded.get(host) or folded.get(host.split(".")[0])
            if service:
                renamed[name] = service
                continue
        kept += 1
        if kept > settings.max_virtual_nodes:
            renamed[name] = f"{name.split(':')[0]}:{OTHERS}"
    if renamed:
        names = pa.table({"name": list(renamed), "becomes": list(renamed.values())})
        raw.register("renamed", names)
        raw.execute(
            "CREATE OR REPLACE TEMP TABLE cells AS SELECT cells.* REPLACE ("
            "coalesce(s.becomes, source) AS source, coalesce(t.becomes, target) AS target) "
            "FROM cells LEFT JOIN renamed AS s ON s.name = source "
            "LEFT JOIN renamed AS t ON t.name = target"
        )
        raw.unregister("renamed")
    return renamed


def _windows(raw: Any, length: int, *, nodes_apart: bool) -> pa.Table:
    """Sum ``cells`` to edges' windows and, over all callers, nodes' windows.

    `nodes_apart`: rows without source are sums over all callers already, not unknown callers.
    """
    nodes = "source IS NULL" if nodes_apart else "true"
    everything = (
        "SELECT source, target, message, starts, bucket, n, failed FROM cells "
        "WHERE source IS NOT NULL UNION ALL "
        f"SELECT '{ANY}', target, false, starts, bucket, n, failed FROM cells WHERE {nodes}"
    )
    seconds = length / 1e6
    quantiles = ", ".join(
        f"round(pow({GROWTH}, buckets[list_position(list_transform(summed, lambda c: "
        f"c >= ceil({share} * timed)), true)] + 0.5))::BIGINT AS {name}"
        for name, share in (("p50_us", 0.5), ("p95_us", 0.95), ("p99_us", 0.99))
    )
    query = (
        "WITH one AS (SELECT source, target, bool_or(message) AS message, starts, bucket, "
        f"sum(n)::BIGINT AS n, sum(failed)::BIGINT AS failed FROM ({everything}) "
        "GROUP BY source, target, starts, bucket), "
        "running AS (SELECT *, sum(n) OVER (PARTITION BY source, target, starts ORDER BY bucket "
        "NULLS LAST) AS until FROM one), "
        "grouped AS (SELECT source, target, bool_or(message) AS message, starts, "
        "sum(n)::BIGINT AS n, sum(failed)::BIGINT AS errors, "
        "coalesce(sum(n) FILTER (WHERE bucket IS NOT NULL), 0)::BIGINT AS timed, "
        "coalesce(list(bucket ORDER BY bucket) FILTER (WHERE bucket IS NOT NULL), []) AS buckets, "
        "coalesce(list(n ORDER BY bucket) FILTER (WHERE bucket IS NOT NULL), []) AS counts, "
        "coalesce(list(until ORDER BY bucket) FILTER (WHERE bucket IS NOT NULL), []) AS summed "
        "FROM running GROUP BY source, target, starts) "
        "SELECT source, target, message, make_timestamptz(starts) AS starts_at, n, errors, timed, "
        f"round(n / {seconds}, 9) AS rate, round(errors / n, 9) AS error_rate, {quantiles}, "
        "buckets, counts FROM grouped WHERE n > 0 ORDER BY starts, source, target"
    )
    return raw.sql(query).to_arrow_table().cast(WINDOWS).combine_chunks()


def _shapes(
    raw: Any, first_us: int | None, last_us: int | None, renamed: dict[str, str]
) -> Counter[Shape]:
    """Count traces that began in the time asked for by the distinct edges they have."""
    began = " AND ".join(
        [f'min("at") >= {first_us}'] * (first_us is not None)
        + [f'min("at") < {last_us}'] * (last_us is not None)
    ) or "true"  # fmt: skip
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE edge_codes AS SELECT source, target, "
        "(row_number() OVER (ORDER BY source, target) - 1)::INTEGER AS code FROM "
        f"(SELECT DISTINCT coalesce(source, '{ANY}') AS source, target FROM calls)"
    )
    inside = (
        ""
        if began == "true"
        else f"SEMI JOIN (SELECT trace FROM spans GROUP BY trace HAVING {began}) USING (trace)"
    )
    rows = raw.execute(
        "WITH pairs AS (SELECT DISTINCT trace, code FROM calls JOIN edge_codes "
        f"ON edge_codes.target = calls.target AND edge_codes.source = coalesce(calls.source, "
        f"'{ANY}') {inside}), per AS (SELECT list_sort(list(code)) AS codes FROM pairs "
        "GROUP BY trace) SELECT codes, count(*) FROM per GROUP BY codes"
    ).fetchall()
    edges: list[Key] = raw.execute("SELECT source, target FROM edge_codes ORDER BY code").fetchall()
    found: Counter[Shape] = Counter()
    for codes, n in rows:
        found[_reshaped([edges[code] for code in codes], renamed)] += n
    return found


def _reshaped(shape: Iterable[Key], renamed: dict[str, str]) -> Shape:
    return tuple(sorted({(renamed.get(a, a), renamed.get(b, b)) for a, b in shape}))


def _most(shapes: Counter[Shape], limit: int) -> tuple[dict[Shape, int], int]:
    ordered = sorted(shapes.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:limit]), sum(n for _, n in ordered[limit:])


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for part in parts:
        found.update(part)
    return dict(sorted(found.items()))
