from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipelines.aiops.service_map.build import build_map
from pipelines.simulator.signals.load import Names, build_load, edge_changes
from pipelines.simulator.simulate import simulate
from tests.unit.simulator.worlds import rows, troubled, truth


def _roots(lake: Path, *kinds: str) -> list[dict[str, Any]]:
    """Strong troubles where they began."""
    return [row for row in truth(lake, "signals").to_pylist()
            if row["depth"] == 0 and row["kind"] in kinds and row["force"] > 0.5]  # fmt: skip


@lru_cache(maxsize=1)
def _all_series(lake: Path) -> dict[tuple[str, str], tuple[Any, Any]]:
    """Times and values by metric and service."""
    table = rows(lake, "metrics").sort_by("at")
    service = pc.map_lookup(table["labels"], "service", "first")
    key = pc.binary_join_element_wise(table["name"], service, "|").combine_chunks()
    codes = key.dictionary_encode()
    at, value = np.asarray(table["at"].cast("int64")), np.asarray(table["value"])
    number = np.asarray(codes.indices)
    return {
        tuple(text.split("|")): (at[number == n], value[number == n])
        for n, text in enumerate(codes.dictionary.to_pylist())
    }


def _series(lake: Path, name: str, service: str) -> tuple[Any, Any]:
    return _all_series(lake).get((name, service), (np.empty(0), np.empty(0)))


def _micro(time: Any) -> int:
    return int(time.timestamp() * 1_000_000)


def test_a_disk_that_fills_is_seen_to_fill(signals_lake: Path) -> None:
    found = _roots(signals_lake, "disk_full")
    assert found
    for row in found:
        at, value = _series(signals_lake, "filesystem_utilization_ratio", row["service"])
        inside = (at >= _micro(row["starts_at"])) & (at < _micro(row["ends_at"]))
        if inside.sum() > 6:
            assert np.nanmax(value[inside]) > np.nanmedian(value) + 0.1


def test_latency_is_higher_where_something_is_overloaded(signals_lake: Path) -> None:
    ratios = []
    for row in _roots(signals_lake, "overload", "database_overload", "bad_deployment"):
        for name in ("http_server_request_duration_seconds", "messaging_process_duration_seconds",
                     "db_query_duration_seconds"):  # fmt: skip
            at, value = _series(signals_lake, name, row["service"])
            inside = (at >= _micro(row["starts_at"])) & (at < _micro(row["ends_at"]))
            if inside.sum() > 2:
                ratios.append(np.nanmedian(value[inside]) / np.nanmedian(value[~inside]))
    assert len(ratios) >= 2
    assert np.median(ratios) > 1.4


def test_traffic_follows_day_and_night(signals_lake: Path) -> None:
    edge = next(one for one in simulate(troubled()).world.services if one.kind == "edge")
    at, _ = _series(signals_lake, "http_server_request_duration_seconds", edge.name)
    assert len(at) > 7 * 280
    table = rows(signals_lake, "logs")
    mine = table.filter(pc.equal(table["service"], edge.name))
    hours = np.asarray(mine["at"].cast("int64")) // 3_600_000_000 % 24
    count = np.bincount(hours, minlength=24)
    assert count.max() > 2 * count.min()


def test_a_heartbeat_that_stops_is_silent_until_the_end(signals_lake: Path) -> None:
    stopped = [row for row in truth(signals_lake, "signals").to_pylist() if row["heartbeat_stops"]]
    assert stopped
    logs = rows(signals_lake, "logs")
    beats = logs.filter(
        pc.match_substring_regex(
            logs["body"], "^(heartbeat ok|health check passed|scheduler tick|lease renewed)"
        )
    )
    for row in stopped:
        mine = beats.filter(pc.equal(beats["service"], row["service"]))
        at = np.asarray(mine["at"].cast("int64"))
        assert len(at) > 100
        first, last = _micro(row["starts_at"]), _micro(row["ends_at"])
        assert not ((at >= first) & (at < last)).any()


def test_a_new_message_comes_with_its_fault_only(signals_lake: Path) -> None:
    told = [row for row in truth(signals_lake, "signals").to_pylist() if row["new_template"]]
    assert told
    logs = rows(signals_lake, "logs")
    errors = logs.filter(pc.equal(logs["severity"], "error"))
    begin = min(logs["at"].to_pylist())
    for row in (row for row in told if row["starts_at"] > begin):
        at = errors.filter(pc.equal(errors["service"], row["service"]))["at"]
        count = pc.sum(pc.and_(pc.greater_equal(at, row["starts_at"]), pc.less(at, row["ends_at"])))
        assert (count.as_py() or 0) >= 3


def test_stack_traces_stay_with_their_message(signals_lake: Path) -> None:
    bodies = rows(signals_lake, "logs")["body"].to_pylist()
    traces = [body for body in bodies if "\n" in body]
    assert traces
    assert all(body.startswith("call to ") for body in traces)


def test_spans_give_the_topologys_map(signals_lake: Path) -> None:
    spans = rows(signals_lake, "spans")
    found = build_map(spans)
    simulated = simulate(troubled())
    world, names = simulated.world, {one.name for one in simulated.world.services}
    who = Names(world)
    load = build_load(world, who)
    added = [(one.caller, one.called) for one in edge_changes(world, simulated.timeline, load)]
    calls = {
        (mine, other)
        for caller, called in [*load.calls, *added]
        for mine, *_ in who.periods(caller)
        for other, *_ in who.periods(called)
    }
    edges = {key[:2] for key in found.edges}
    services = {(a, b) for a, b in edges if a in names and b in names}
    assert services
    assert services <= calls
    stores = {b for _, b in edges if b.startswith(("database:", "queue:"))}
    assert stores
    assert all(store.rsplit("/", 1)[-1] in names for store in stores)
    assert found.counts["loops"] == found.counts["negative"] == found.counts["duplicates"] == 0
    # Some spans are lost, and no more.
    assert 0 < found.counts["missing_parents"] < 0.05 * found.counts["spans"]


def test_calls_lie_within_the_span_that_makes_them(signals_lake: Path) -> None:
    spans = rows(signals_lake, "spans").to_pylist()
    by_id = {row["span_id"]: row for row in spans}
    pairs = [(row, by_id[row["parent_span_id"]]) for row in spans
             if row["parent_span_id"] in by_id and row["kind"] != "consumer"]  # fmt: skip
    assert len(pairs) > 1000
    for child, parent in pairs:
        start, end = (parent["starts_at"].timestamp() * 1e6, parent["duration_us"])
        mine = child["starts_at"].timestamp() * 1e6
        assert mine >= start - 2
        assert mine + child["duration_us"] <= start + end + 3


def test_messages_link_to_who_sent_them(signals_lake: Path) -> None:
    spans = rows(signals_lake, "spans").to_pylist()
    known = {f"{row['trace_id']}:{row['span_id']}" for row in spans if row["kind"] == "producer"}
    links = [link for row in spans if row["kind"] == "consumer" for link in row["links"]]
    assert links
    assert sum(link in known for link in links) > 0.9 * len(links)


def test_a_renamed_service_has_its_second_name_from_that_day_on(signals_lake: Path) -> None:
    world = simulate(troubled()).world
    renamed = world.renamed_services[0]
    old, new = world.services[renamed.old].name, world.services[renamed.new].name
    at = int(world.start.timestamp() * 1_000_000 + renamed.at * 1_000_000)
    for name in ("metrics", "logs"):
        table = rows(signals_lake, name)
        service = (pc.map_lookup(table["labels"], "service", "first") if name == "metrics"
                   else table["service"])  # fmt: skip
        time = table["at"].cast("int64")
        first, second = (time.filter(pc.equal(service, one)) for one in (old, new))
        assert pc.max(first).as_py() < at <= pc.min(second).as_py()
