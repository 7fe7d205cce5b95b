"""What rules on telemetry look at: SQL expressions per table, each with few distinct values."""

from typing import TYPE_CHECKING, Any

from pipelines.aiops.lake.contract import SERVICE_LABELS

if TYPE_CHECKING:
    import pandas as pd

_HEX = "regexp_full_match({column}, '[0-9a-f]{{{digits}}}')"

_NAMES_SERVICE = " OR ".join(f"coalesce(labels['{label}'], '') <> ''" for label in SERVICE_LABELS)

FACTS: dict[str, dict[str, str]] = {
    "alerts": {
        "source": "source",
        "has_name": "coalesce(name, '') <> ''",
        "named_like_its_label": "coalesce(labels['alertname'], name) = name",
        "id_is_sound": _HEX.format(column="alert_id", digits=32),
        "fingerprint_is_sound": _HEX.format(column="fingerprint", digits=16),
        "starts": "starts_at IS NOT NULL",
        # -1: ends before it starts; null: not known to have ended.
        "lasts": "sign(epoch_us(ends_at) - epoch_us(starts_at))",
        "many_labels": "cardinality(labels) > 100",
        "acted": "acted",
    },
    "tickets": {
        "source": "source",
        "has_id": "coalesce(ticket_id, '') <> ''",
        "kind": "kind",
        "opened": "opened_at IS NOT NULL",
        "lasts": "sign(epoch_us(closed_at) - epoch_us(opened_at))",
    },
    "changes": {
        "source": "source",
        "has_id": "coalesce(change_id, '') <> ''",
        "kind": "kind",
        "dated": '"at" IS NOT NULL',
    },
    "metrics": {
        "source": "source",
        "has_name": "coalesce(name, '') <> ''",
        "fingerprint_is_sound": _HEX.format(column="fingerprint", digits=16),
        "kind": "kind",
        # A gap is null; NaN and infinity are no numbers.
        "is_number": "value IS NULL OR isfinite(value)",
        "names_its_service": _NAMES_SERVICE,
    },
    "logs": {
        "source": "source",
        "id_is_sound": _HEX.format(column="log_id", digits=32),
        "severity": "severity",
        "has_service": "coalesce(service, '') <> ''",
        "long": "length(body) > 65536",
    },
    "spans": {
        "source": "source",
        "has_ids": "trace_id <> '' AND span_id <> ''",
        "kind": "kind",
        "has_service": "service <> ''",
        # -1: ends before it starts; null: the source has no durations.
        "lasts": "sign(duration_us)",
        "own_parent": "coalesce(parent_span_id = span_id, false)",
    },
}


def facts_sql(table: str) -> str:
    """List a table's facts for a SELECT.

    Parameters
    ----------
    table : str
        A key of `FACTS`.

    Returns
    -------
    str
        ``expression AS name``, comma-separated.
    """
    return ", ".join(f"{expression} AS {name}" for name, expression in FACTS[table].items())


def profile_of(raw: Any, table: str, relation: str) -> "pd.DataFrame":
    """Count the rows of each combination of facts.

    Parameters
    ----------
    raw : duckdb.DuckDBPyConnection
        An open connection.
    table : str
        A key of `FACTS`.
    relation : str
        Table expression with the table's columns.

    Returns
    -------
    DataFrame
        A column a fact, and ``rows`` (count); sorted, so that it depends on content alone.
    """
    names = ", ".join(FACTS[table])
    found: pd.DataFrame = raw.execute(
        f"SELECT {names}, count(*) AS rows FROM (SELECT {facts_sql(table)} FROM {relation}) "
        f"GROUP BY {names} ORDER BY {names}"
    ).df()
    return found


def broken_sql(table: str, combinations: str) -> str:
    """Build a condition that holds for rows whose facts are among those of a relation.

    Parameters
    ----------
    table : str
        A key of `FACTS`.
    combinations : str
        Table expression with a column a fact.

    Returns
    -------
    str
        A condition in SQL.
    """
    equal = " AND ".join(
        f"({expression}) IS NOT DISTINCT FROM broken.{name}"
        for name, expression in FACTS[table].items()
    )
    return f"EXISTS (SELECT 1 FROM {combinations} AS broken WHERE {equal})"
