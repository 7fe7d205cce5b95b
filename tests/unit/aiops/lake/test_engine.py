"""An engine keeps its limits, knows one time zone, and reads nothing by chance."""

import duckdb
import pytest

from pipelines.aiops.lake.engine import connect, opened


def test_an_engine_keeps_to_its_memory_and_to_utc() -> None:
    with opened(512) as raw:
        limit, zone = raw.execute(
            "SELECT current_setting('memory_limit'), current_setting('TimeZone')"
        ).fetchone()
    assert (limit, zone) == ("488.2 MiB", "UTC")  # 512 MB


def test_a_variable_of_the_program_is_no_table() -> None:
    import pyarrow as pa

    rows = pa.table({"a": [1]})
    assert len(rows) == 1
    with opened() as raw, pytest.raises(duckdb.CatalogException, match="rows"):
        raw.execute("SELECT a FROM rows")


def test_engines_share_nothing_and_end_with_their_block() -> None:
    with opened() as raw:
        raw.execute("CREATE TABLE mine AS SELECT 1 AS a")
        with pytest.raises(duckdb.CatalogException, match="mine"):
            connect().execute("SELECT a FROM mine")
    with pytest.raises(duckdb.ConnectionException):
        raw.execute("SELECT 1")


def test_two_engines_spill_to_folders_of_their_own() -> None:
    """Their files have the same names: in one folder they would write over each other's rows."""
    asked = "SELECT current_setting('temp_directory')"
    with opened() as first, opened() as second:
        assert first.execute(asked).fetchone() != second.execute(asked).fetchone()
