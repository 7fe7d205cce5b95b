"""Sources of traces and changes read what programs write.

Payloads are written after the forms that the OpenTelemetry collector, Jaeger, Zipkin and kubectl
write; Git is run for real.
"""

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.aiops.lake.batch import Batch, ReadWindow
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.service_map.build import build_map
from pipelines.core.errors import SignalboxError
from tests.support.http_server import Answer, serving
from tests.unit.aiops.service_map.spans import edges
from tests.unit.aiops.sources import sources
from tests.unit.aiops.sources.sources import NOW, reasons

PAYLOADS = Path(__file__).parent / "payloads"
TRACE = "5b8efff798038103d269b633813fc60c"


def read(project: Path = PAYLOADS, **keys: Any) -> Batch:
    return sources.read(project=project, **keys)


def spans(batch: Batch) -> list[dict[str, Any]]:
    found = batch.signals["spans"].to_pylist()
    return [{**row, "attributes": dict(row["attributes"])} for row in found]


def test_otlp_json_lines_of_the_collector() -> None:
    batch = read(kind="otlp_traces", files=["collector.jsonl"])
    web, ask, mail = spans(batch)
    assert {row["trace_id"] for row in (web, ask, mail)} == {TRACE}
    assert (web["service"], web["instance"], web["kind"]) == ("web", "web-1", "server")
    assert (web["parent_span_id"], web["duration_us"], web["status"]) == (None, 250_000, "unset")
    assert web["starts_at"] == datetime.fromtimestamp(1710000000, UTC)
    assert web["attributes"]["tags"] == '["a", 2]'
    assert web["attributes"]["ok"] == "true"
    assert web["attributes"]["otel.scope.name"] == "io.opentelemetry.tomcat-10.0"
    assert (ask["parent_span_id"], ask["status"]) == (web["span_id"], "error")
    assert ask["attributes"]["exception.type"] == "java.io.IOException"
    # Base64 ids, a number for a time, names for enums; it ends before it begins.
    assert (mail["span_id"], mail["kind"], mail["status"]) == ("eee19b7ec3c1b176", "consumer", "ok")
    assert mail["links"] == [f"{TRACE}:eee19b7ec3c1b174"]
    assert mail["duration_us"] == -1000


def test_personal_data_and_queries_are_not_stored() -> None:
    web, ask, _ = spans(read(kind="otlp_traces", files=["collector.jsonl"]))
    assert "enduser.id" not in web["attributes"]
    assert ask["attributes"]["url.full"] == "https://shop.example.com/cart"
    assert "jane" not in json.dumps([web["attributes"], ask["attributes"]])


def test_otlp_records_that_cannot_be_read_say_why() -> None:
    found = reasons(read(kind="otlp_traces", files=["collector.jsonl"]))
    assert len(found) == 4
    assert found[0] == "id of the trace is missing"
    assert "start time is not a whole number" in found[1]
    assert "not an id of 16 hex digits" in found[2]
    assert found[3].startswith("not JSON")


def test_otlp_as_one_document_in_snake_case() -> None:
    batch = read(kind="otlp_traces", files=["document.json"])
    assert reasons(batch) == []
    [web] = spans(batch)
    assert (web["trace_id"], web["service"], web["kind"]) == (TRACE, "web", "server")


def test_jaeger() -> None:
    batch = read(kind="jaeger", files=["jaeger.json"])
    dispatch, select, later = spans(batch)
    assert dispatch["trace_id"] == "00000000000000003d1fb5f2d5a1c1ab"
    assert (dispatch["service"], dispatch["instance"]) == ("frontend", "f-1")
    assert (dispatch["kind"], dispatch["duration_us"]) == ("server", 700_000)
    assert (select["kind"], select["status"]) == ("client", "error")
    assert select["span_id"] == "0052ee0a4fc0a5ae"
    assert select["parent_span_id"] == dispatch["span_id"]
    assert "sql.query" not in select["attributes"]
    assert (later["parent_span_id"], later["status"]) == (select["span_id"], "ok")
    assert later["links"] == [f"{'aa'.zfill(32)}:{'bb'.zfill(16)}"]
    assert reasons(batch) == ["startTime is not a whole number: 'soon'"]


def test_jaeger_as_its_index_has_it() -> None:
    [one] = spans(read(kind="jaeger", files=["jaeger_index.jsonl"]))
    assert (one["service"], one["kind"]) == ("frontend", "internal")


def finding(traces: list[dict[str, Any]], asked: list[str]) -> Answer:
    """Answer like a query service that knows these traces; `asked` gets the paths."""

    def answer(path: str, query: dict[str, str], headers: Any) -> tuple[int, bytes]:
        asked.append(path)
        data: list[Any] = ["frontend"]
        if path == "/api/traces":
            first, last = int(query["start"]), int(query["end"])
            inside = [t for t in traces if first <= t["spans"][0]["startTime"] <= last]
            data = inside[: int(query["limit"])]
        return 200, json.dumps({"data": data}).encode()

    return answer


def test_jaeger_is_asked_for_shorter_times_where_an_answer_is_full() -> None:
    noon = datetime(2024, 3, 9, 12, tzinfo=UTC)
    start = int(noon.timestamp()) * 1_000_000
    traces = [
        {"traceID": f"{i:x}", "processes": {"p": {"serviceName": "frontend"}}, "spans": [
            {"traceID": f"{i + 1:x}", "spanID": "1", "operationName": "x", "processID": "p",
             "startTime": start + i * 7_000_000, "duration": 1, "tags": []}]}
        for i in range(9)
    ]  # fmt: skip
    asked: list[str] = []
    window = ReadWindow(noon, noon + timedelta(minutes=5), NOW)
    with serving(finding(traces, asked)) as url:
        batch = read(kind="jaeger_api", url=url, limit=3, window=window, late_seconds=0)
    assert len({row["trace_id"] for row in spans(batch)}) == 9
    assert asked[0] == "/api/services"


def test_zipkin_keeps_both_halves_of_a_shared_span() -> None:
    batch = read(kind="zipkin", files=["zipkin.json"])
    front, back, sent = spans(batch)
    assert front["span_id"] == back["span_id"]
    assert (front["kind"], back["kind"], sent["kind"]) == ("client", "server", "producer")
    assert (front["status"], back["status"]) == ("error", "unset")
    assert front["attributes"]["peer.service"] == "backend"
    assert reasons(batch) == ["timestamp is missing: the span was reported incompletely"]
    assert edges(build_map(batch.signals["spans"])) == {
        ("backend", "queue:kafka/paid"): 1, ("frontend", "backend"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["otlp_traces", "jaeger", "zipkin", "kubernetes_events"])
@pytest.mark.parametrize(
    "content",
    [b"\x00\xff\xfe binary", b"[1, 2", b"17", b'"text"', b'{"a": 1}', b"[[1], null]",
     b'{"data": 3, "items": 3, "resourceSpans": 3, "traceId": "1"}'],
)  # fmt: skip
def test_junk_is_quarantined_not_raised(kind: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "junk.json").write_bytes(content)
    batch = read(project=tmp_path, kind=kind, files=["junk.json"])
    assert reasons(batch)
    assert not batch.signals


def test_a_span_in_the_future_is_quarantined() -> None:
    early = ReadWindow(None, None, datetime(2020, 1, 1, tzinfo=UTC))
    batch = read(kind="otlp_traces", files=["document.json"], window=early)
    assert "in the future" in reasons(batch)[0]


def test_spans_go_to_the_lake_once(tmp_path: Path) -> None:
    batch = read(kind="otlp_traces", files=["collector.jsonl"])
    assert upsert(tmp_path, batch.tables).rows["spans"] == 3
    assert upsert(tmp_path, batch.tables).days["spans"] == []
    [file] = sorted(tmp_path.glob("spans/day=2024-03-09/*.parquet"))
    assert build_map([file]).counts["spans"] == 3


def test_kubernetes_events_that_tell_of_a_change() -> None:
    batch = read(kind="kubernetes_events", files=["k8s/*"])
    scaled, evicted, node = sorted(batch.changes.to_pylist(), key=lambda row: row["at"])
    assert (scaled["kind"], scaled["service"]) == ("deployment", "shop")
    assert scaled["author"] == "deployment-controller"
    assert scaled["title"] == "ScalingReplicaSet: Scaled up replica set shop-5d4f8c7b9d to 3"
    assert (evicted["kind"], evicted["service"]) == ("infrastructure", "shop")
    assert evicted["at"].minute == 6
    assert (node["service"], node["author"]) == (None, "node-controller")
    assert reasons(batch) == [
        "has no time, or neither uid nor name",
        "reason is missing: not a Kubernetes event",
    ]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*arguments: str, at: str = "2024-03-09T12:00:00+01:00") -> None:
        who = {
            f"GIT_{one}_{key}": value
            for one in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", "Jane"), ("EMAIL", "jane@example.com"), ("DATE", at))
        }
        plain = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", **who}
        subprocess.run(["git", "-C", str(tmp_path), *arguments], env=plain, check=True,
                       capture_output=True)  # fmt: skip

    git("init", "-q", "-b", "main")
    for folder, name in (("shop", "a"), ("web", "käse")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("x")
    git("add", ".")
    git("commit", "-qm", "<script>Both & more")
    git("tag", "-a", "shop/v1.2.0", "-m", "Shop 1.2")
    (tmp_path / "README").write_text("x")
    git("add", ".")
    git("commit", "-qm", "Read me", at="2024-03-10T12:00:00+01:00")
    git("tag", "nightly")
    return tmp_path


def test_git_tags(repository: Path) -> None:
    batch = read(project=repository, kind="git_changes", service="all")
    nightly, shop = sorted(batch.changes.to_pylist(), key=lambda row: row["change_id"])
    assert (shop["service"], shop["version"], shop["title"]) == ("shop", "1.2.0", "Shop 1.2")
    assert (shop["author"], shop["kind"]) == ("Jane", "deployment")
    assert shop["at"] == datetime(2024, 3, 9, 11, tzinfo=UTC)
    assert (nightly["service"], nightly["version"]) == ("all", "nightly")


def test_git_commits_of_a_repository_of_many_services(repository: Path) -> None:
    keys = {"kind": "git_changes", "take": "commits", "paths": {"shop": "shop", "web/": "web"}}
    found = read(project=repository, **keys).changes.to_pylist()
    assert [row["service"] for row in found] == ["shop", "web"]
    assert {row["title"] for row in found} == {"<script>Both & more"}
    rest = read(project=repository, service="platform", **keys).changes.to_pylist()
    assert sorted(row["service"] for row in rest) == ["platform", "shop", "web"]


def test_no_repository_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SignalboxError, match="check repository and branch"):
        read(project=tmp_path, kind="git_changes", take="commits")
