"""Pair spans to calls, in the engine.

Ids are 64-bit hashes of trace and span id: of a hundred million spans two share one with a chance
of 0.03%. Kinds are numbers: 0 internal, 1 server, 2 client, 3 producer, 4 consumer.

A call is counted once: at the innermost span that reports it. Spans without kind make a call where
the service changes from parent to child, so in-process spans between are walked through.
"""

from typing import Any

from pipelines.aiops.service_map.peers import USER, kind_sql, peer_sql

DEPTH = 32
"""In-process spans that are walked through below a client span."""

Counts = dict[str, int]


def pair(raw: Any, relation: str, where: str, inside: str = "true") -> Counts:
    """Make the tables ``spans`` and ``calls`` of the spans in a relation; count what is wrong.

    Parameters
    ----------
    raw : duckdb.DuckDBPyConnection
        An open connection, in which the tables are made.
    relation : str
        Table expression with the contract's columns.
    where : str
        Condition on its rows.
    inside : str
        Condition on ``"at"`` (microseconds UTC): what is wrong outside isn't counted, so that
        counts of disjoint times add up.

    Returns
    -------
    dict of str to int
        ``duplicates``, ``shared``, ``loops`` of parents, ``outer`` spans whose call an inner one
        reports.
    """
    _load(raw, relation, where)
    counts = _unique(raw, inside)
    _parents(raw, relation, where)
    counts["loops"] = _drop_loops(raw, inside)
    counts["outer"] = _inner(raw, inside)
    _received(raw)
    _calls(raw)
    return counts


def _load(raw: Any, relation: str, where: str) -> None:
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE spans AS SELECT hash(trace_id) AS trace, "
        "hash(trace_id, span_id) AS id, "
        "CASE WHEN parent_span_id <> '' THEN hash(trace_id, parent_span_id) END AS parent, "
        f'service, {kind_sql()} AS kind, epoch_us(starts_at) AS "at", duration_us AS took, '
        "coalesce(status = 'error', false) AS failed, "
        f"CASE WHEN kind IN ('client', 'producer', 'consumer') THEN {peer_sql()} END AS peer "
        f"FROM {relation} WHERE {where}"
    )


def _unique(raw: Any, inside: str) -> Counts:
    """Make ids unique: duplicates go, and halves of a shared span (Zipkin) become two spans."""
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE multiple AS SELECT id FROM spans GROUP BY id "
        "HAVING count(*) > 1"
    )
    if not _number(raw, "SELECT count(*) FROM multiple"):
        return {"duplicates": 0, "shared": 0}
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE doubled AS SELECT * FROM spans SEMI JOIN multiple USING (id) "
        "QUALIFY row_number() OVER (PARTITION BY id, kind ORDER BY service, "
        '"at", took DESC, parent, failed, peer) = 1'
    )
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE shared AS SELECT id, "
        "arg_min(service, kind) FILTER (WHERE kind IN (2, 3)) AS caller, "
        "arg_min(service, kind) FILTER (WHERE kind IN (1, 4)) AS callee FROM doubled GROUP BY id "
        "HAVING caller IS NOT NULL AND callee IS NOT NULL"
    )
    # One row of each half stays; of ids that aren't shared, one row.
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE doubled AS SELECT doubled.* FROM doubled "
        "LEFT JOIN shared USING (id) QUALIFY row_number() OVER (PARTITION BY doubled.id, "
        "CASE WHEN shared.id IS NOT NULL THEN doubled.kind IN (1, 4) END ORDER BY "
        "CASE doubled.kind WHEN 0 THEN 9 ELSE doubled.kind END, service) = 1"
    )
    number = f"SELECT count(*) FROM spans WHERE {inside}"
    before = _number(raw, number)
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE spans AS SELECT * FROM spans ANTI JOIN multiple USING (id) "
        "UNION ALL SELECT * FROM doubled"
    )
    duplicates = before - _number(raw, number)
    shared = _number(raw, f"{number} AND kind IN (1, 4) AND id IN (SELECT id FROM shared)")
    if _number(raw, "SELECT count(*) FROM shared"):
        _split(raw)
    return {"duplicates": duplicates, "shared": shared}


def _split(raw: Any) -> None:
    """Give the caller's half of a shared span an id of its own and make it the other's parent."""
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE spans AS SELECT spans.* REPLACE ("
        "CASE WHEN own.id IS NOT NULL AND kind NOT IN (1, 4) THEN hash(spans.id, 2) "
        "ELSE spans.id END AS id, "
        "CASE WHEN own.id IS NOT NULL AND kind IN (1, 4) THEN hash(spans.id, 2) "
        "WHEN up.id IS NOT NULL AND service = up.caller AND service <> up.callee "
        "THEN hash(spans.parent, 2) ELSE parent END AS parent) "
        "FROM spans LEFT JOIN shared AS own ON own.id = spans.id "
        "LEFT JOIN shared AS up ON up.id = spans.parent"
    )


def _parents(raw: Any, relation: str, where: str) -> None:
    """Put callers beside callees: through parents where something may have been called, links."""
    columns = (
        'c.trace, c.id, c.parent, c.service, c.kind, c."at", c.took, c.failed, c.peer, '
        "p.id AS pid, p.service AS pservice, p.kind AS pkind, p.took AS ptook, "
        "p.failed AS pfailed, p.peer AS ppeer, p.parent = c.id AND p.id <> c.id AS mutual, "
        'p."at" AS pat'
    )
    raw.execute(
        f"CREATE OR REPLACE TEMP TABLE linked AS SELECT {columns} "
        "FROM spans AS c LEFT JOIN spans AS p ON c.parent = p.id WHERE c.parent IS NOT NULL "
        "AND (p.id IS NULL OR p.service <> c.service OR p.kind >= 2 OR p.id = c.id)"
    )
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE links AS SELECT DISTINCT id, hash(split_part(link, ':', 1), "
        "split_part(link, ':', 2)) AS other FROM (SELECT hash(trace_id, span_id) AS id, "
        f"unnest(links) AS link FROM {relation} WHERE len(links) > 0 AND ({where}))"
    )


def _drop_loops(raw: Any, inside: str) -> int:
    """Drop parents in a circle; return how many inside.

    A span that is its own parent has none; of two that are each other's, the earlier has none.
    """
    wrong = (
        'pid = id OR (mutual AND ("at", kind NOT IN (1, 4), id) < (pat, pkind NOT IN (1, 4), pid))'
    )
    if _number(raw, f"SELECT count(*) FROM linked WHERE {wrong}"):
        found = _number(raw, f"SELECT count(*) FROM linked WHERE {wrong} AND {inside}")
        raw.execute(
            "UPDATE linked SET pid = NULL, pservice = NULL, pkind = NULL, ptook = NULL, "
            f"pfailed = NULL, ppeer = NULL WHERE {wrong}"
        )
        return found
    return 0


def _inner(raw: Any, inside: str) -> int:
    """Find clients, producers and consumers within which another one tells of the same call."""
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE outer_spans AS SELECT DISTINCT pid AS id FROM linked "
        "WHERE service = pservice AND ((pkind IN (2, 3) AND kind IN (2, 3)) "
        "OR (pkind = 4 AND kind = 4))"
    )
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE front AS SELECT DISTINCT pid AS root, id, service "
        "FROM linked WHERE service = pservice AND pkind IN (2, 3) AND kind = 0"
    )
    for _ in range(DEPTH):
        if not _number(raw, "SELECT count(*) FROM front"):
            break
        raw.execute(
            "CREATE OR REPLACE TEMP TABLE below AS SELECT DISTINCT f.root, s.id, s.service, "
            "s.kind, s.service <> f.service OR s.kind IN (2, 3) AS told "
            "FROM front AS f JOIN spans AS s ON s.parent = f.id AND s.id <> f.root"
        )
        raw.execute("INSERT INTO outer_spans SELECT DISTINCT root FROM below WHERE told")
        raw.execute(
            "CREATE OR REPLACE TEMP TABLE front AS SELECT root, id, service FROM below "
            "WHERE kind = 0 AND NOT told AND root NOT IN (SELECT id FROM outer_spans)"
        )
    return _number(
        raw, f"SELECT count(*) FROM spans WHERE {inside} AND id IN (SELECT id FROM outer_spans)"
    )


def _received(raw: Any) -> None:
    """Messages: each consumer with each producer that it names as parent or by a link."""
    raw.execute(
        "CREATE OR REPLACE TEMP TABLE received AS SELECT DISTINCT c.id, p.id AS pid, "
        "p.service AS pservice, CASE WHEN p.peer LIKE 'queue:%' THEN p.peer END AS ppeer, "
        "CASE WHEN c.peer LIKE 'queue:%' THEN c.peer END AS peer "
        "FROM spans AS c JOIN (SELECT id, pid AS other FROM linked WHERE pid IS NOT NULL "
        "AND (kind = 4 OR pkind = 3) AND kind <> 2 AND kind <> 3 "
        "UNION SELECT id, other FROM links) AS l ON l.id = c.id "
        "JOIN spans AS p ON p.id = l.other WHERE (p.kind = 3 OR c.kind = 4) "
        "AND c.kind NOT IN (2, 3) AND p.id <> c.id "
        "AND NOT (c.kind = 4 AND p.kind = 4 AND c.service = p.service)"
    )


def _calls(raw: Any) -> None:
    """Make table ``calls``: trace, source (null: unknown), target, at, took, failed, message."""
    request = (
        "pid IS NOT NULL AND (service <> pservice OR (pkind = 2 AND kind = 1)) "
        "AND id NOT IN (SELECT id FROM received) AND kind <> 4"
    )
    fine = "CASE WHEN {0} >= 0 THEN {0} END"
    took = f"coalesce(CASE WHEN pkind = 2 THEN {fine.format('ptook')} END, {fine.format('took')})"
    parts = [
        # Somebody's call that both sides, or only the callee, tell of.
        f'SELECT trace, pservice AS source, service AS target, "at", {took} AS took, '
        "failed OR (pkind = 2 AND pfailed) AS failed, false AS message "
        f"FROM linked WHERE {request}",
        # A message taken from a queue, or straight from its producer where no queue is named.
        "SELECT DISTINCT ON (s.id, source) s.trace, "
        "coalesce(r.ppeer, r.peer, r.pservice) AS source, "
        f's.service, s."at", {fine.format("s.took")}, s.failed, true '
        "FROM received AS r JOIN spans AS s USING (id) ANTI JOIN outer_spans USING (id)",
        f"SELECT trace, CASE WHEN peer LIKE 'queue:%' THEN peer END, service, \"at\", "
        f"{fine.format('took')}, failed, true FROM spans WHERE kind = 4 "
        "AND id NOT IN (SELECT id FROM received) AND id NOT IN (SELECT id FROM outer_spans)",
        # A message sent: to the queue that its producer or one of its consumers names.
        'SELECT s.trace, s.service, coalesce(s.peer, c.peer), s."at", '
        f"{fine.format('s.took')}, s.failed, true FROM spans AS s LEFT JOIN "
        "(SELECT pid, min(peer) AS peer FROM received GROUP BY pid) AS c ON c.pid = s.id "
        "WHERE s.kind = 3 AND coalesce(s.peer, c.peer) IS NOT NULL "
        "AND s.id NOT IN (SELECT id FROM outer_spans)",
        # A call of something that sends no spans, or whose span is missing.
        f'SELECT trace, service, peer, "at", {fine.format("took")}, failed, false FROM spans '
        "WHERE kind = 2 AND peer IS NOT NULL AND peer <> 'external:' || service "
        f"AND id NOT IN (SELECT pid FROM linked WHERE {request}) "
        "AND id NOT IN (SELECT id FROM outer_spans)",
        # What begins a trace: somebody outside, or the service by itself.
        f"SELECT trace, CASE WHEN kind = 1 THEN '{USER}' END, service, \"at\", "
        f"{fine.format('took')}, failed, false FROM spans WHERE parent IS NULL AND kind <> 4 "
        "AND id NOT IN (SELECT id FROM received)",
        # A request whose caller's span is missing.
        f'SELECT trace, NULL, service, "at", {fine.format("took")}, failed, false FROM linked '
        "WHERE pid IS NULL AND kind = 1 AND id NOT IN (SELECT id FROM received)",
    ]
    raw.execute(f"CREATE OR REPLACE TEMP TABLE calls AS {' UNION ALL '.join(parts)}")


def _number(raw: Any, query: str) -> int:
    return int(raw.execute(query).fetchone()[0])
