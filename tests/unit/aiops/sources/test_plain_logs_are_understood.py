"""Time stamps, levels and messages of many programs are found without configuration."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.aiops.sources.signals import logs, read, reasons, utc, write

FORMS: list[tuple[str, str, str, str | None, str]] = [
    ("log4j", "2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.App: Created master 7",
     "2015-10-18T18:01:47.978", "info", "Created master 7"),
    ("ISO with zone", "2026-11-22T05:31:50.123456+02:00 ERROR disk full",
     "2026-11-22T03:31:50.123456", "error", "disk full"),
    ("nanoseconds, Z", "2026-11-22T05:31:50.123456789Z WARN  slow", "2026-11-22T05:31:50.123456",
     "warn", "slow"),
    ("Kubernetes container", "2026-11-22T05:31:50.1Z stderr F level is ERROR here",
     "2026-11-22T05:31:50.1", None, "level is ERROR here"),
    ("nginx error", "2026/11/22 05:31:50 [error] 12#34: *5 open() failed", "2026-11-22T05:31:50",
     "error", "12#34: *5 open() failed"),
    ("access log", '10.0.0.9 - bob [22/Nov/2026:05:31:50 +0100] "GET /a HTTP/1.1" 502 12 "-"',
     "2026-11-22T04:31:50", "error", '"GET /a HTTP/1.1" 502 12 "-"'),
    ("Apache error", "[Sun Dec 04 04:47:44.123456 2005] [core:error] [pid 9] AH001: boom",
     "2005-12-04T04:47:44.123456", "error", "[pid 9] AH001: boom"),
    ("syslog with year's priority", "<11>Nov 22 05:31:50 db1 sshd[42]: bad user", "",
     "error", "bad user"),
    ("RFC 5424", '<165>1 2026-11-22T05:31:50.003Z host app 7 ID47 [a b="c"] it is up',
     "2026-11-22T05:31:50.003", "info", "it is up"),
    ("klog", "E1122 05:31:50.123456   12345 server.go:12] cannot bind", "", "error",
     "12345 server.go:12] cannot bind"),
    ("logfmt", 'time="2026-11-22T05:31:50Z" level=warning msg="a \\"b\\" c" took=3ms',
     "2026-11-22T05:31:50", "warn", 'a "b" c took=3ms'),
    ("Prometheus", "ts=2026-11-22T05:31:50.5Z caller=main.go:1 level=info msg=Ready",
     "2026-11-22T05:31:50.5", "info", "Ready"),
    ("tomcat", "22-Nov-2026 05:31:50.123 SEVERE [main] org.apache.X.y Broken pipe",
     "2026-11-22T05:31:50.123", "error", "[main] org.apache.X.y Broken pipe"),
    ("Spark", "17/06/09 20:10:40 INFO executor.Executor: Running task 0", "2017-06-09T20:10:40",
     "info", "Running task 0"),
    ("HDFS", "081109 203615 148 INFO dfs.DataNode$P: done", "2008-11-09T20:36:15", "info", "done"),
    ("Windows", "2016-09-28 04:30:30, Info                  CBS    Loaded stack",
     "2016-09-28T04:30:30", "info", "CBS    Loaded stack"),
    ("American", "11/22/2026 5:31:50 PM ERROR x", "2026-11-22T17:31:50", "error", "x"),
    ("German", "22.11.2026 05:31:50 WARN x", "2026-11-22T05:31:50", "warn", "x"),
    ("Airflow 2", "[2026-11-22T05:31:50.123+0000] {taskinstance.py:12} INFO - Exporting env",
     "2026-11-22T05:31:50.123", "info", "Exporting env"),
    ("PostgreSQL", "2026-11-22 05:31:50.123 UTC [55] ERROR:  relation does not exist",
     "2026-11-22T05:31:50.123", "error", "relation does not exist"),
    ("compact", "20171223-22:15:29:606|Step|3000|calories", "2017-12-23T22:15:29.606", None,
     "Step|3000|calories"),
    ("epoch milliseconds", "1795325510123 INFO up", "2026-11-22T05:31:50.123", "info", "up"),
    ("BGL", "- 1117838570 2005.06.03 R02 2005-06-03-15.42.50.675872 R02 RAS KERNEL INFO corrected",
     "2005-06-03T22:42:50", "info", "corrected"),
]  # fmt: skip


def plain(folder: Path, lines: Sequence[str | bytes], **keys: Any) -> Any:
    path = write(folder / "app.log", *lines)
    os.utime(path, (1795400000, 1795400000))  # 23 November 2026
    return read(project=folder, kind="log_files", files=["app.log"], **keys)


@pytest.mark.parametrize(("line", "at", "severity", "body"), [form[1:] for form in FORMS],
                         ids=[form[0] for form in FORMS])  # fmt: skip
def test_a_form_is_found(
    line: str, at: str, severity: str | None, body: str, tmp_path: Path
) -> None:
    batch = plain(tmp_path, [line], mask=[])
    assert reasons(batch) == []
    [row] = logs(batch)
    assert row["at"] == utc(at or "2026-11-22T05:31:50" + (".123456" if "klog" in at else "")) or (
        not at and row["at"].replace(microsecond=0) == utc("2026-11-22T05:31:50")
    )
    assert row["severity"] == severity
    assert row["body"] == body


def test_syslog_tells_program_and_host(tmp_path: Path) -> None:
    [row] = logs(plain(tmp_path, ["Nov 22 05:31:50 db1 sshd[42]: session opened"]))
    assert (row["service"], row["instance"], row["severity"]) == ("sshd", "db1", None)


def test_a_stack_trace_stays_with_its_message(tmp_path: Path) -> None:
    trace = ["java.lang.IllegalStateException: no", "\tat a.B.c(B.java:1)", "", "Caused by: x.Y"]
    lines = ["2026-11-22 05:31:50 ERROR failed", *trace, "2026-11-22 05:31:51 INFO next"]
    first, second = logs(plain(tmp_path, lines))
    assert first["body"] == "\n".join(["failed", *trace])
    assert first["severity"] == "error"
    assert second["body"] == "next"


def test_a_trace_that_spans_blocks_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.aiops.log_parsing import lines as module

    lines = [f"2026-11-22 05:31:{i:02d} ERROR m{i}\n  at x{i}\n  at y{i}" for i in range(40)]
    whole = logs(plain(tmp_path, lines))
    blocks = module.blocks_of
    monkeypatch.setattr(module, "blocks_of", lambda path: blocks(path, block=64))
    assert logs(plain(tmp_path, lines)) == whole
    assert [row["body"] for row in whole] == [f"m{i}\n  at x{i}\n  at y{i}" for i in range(40)]


def test_local_times_are_brought_to_utc(tmp_path: Path) -> None:
    lines = ["2026-07-01 12:00:00 INFO summer", "2026-12-01 12:00:00 INFO winter",
             "2026-07-01T12:00:00Z INFO told"]  # fmt: skip
    late = datetime(2027, 1, 1, tzinfo=UTC)
    from tests.unit.aiops.sources.signals import ReadWindow

    found = logs(
        plain(tmp_path, lines, timezone="Europe/Berlin", window=ReadWindow(None, None, late))
    )
    assert {row["body"]: row["at"].hour for row in found} == {"summer": 10, "winter": 11,
                                                              "told": 12}  # fmt: skip


def test_the_year_that_syslog_lacks_turns_at_new_year(tmp_path: Path) -> None:
    lines = ["Dec 31 23:59:59 a b: old", "Jan  1 00:00:01 a b: new", "Feb 29 01:00:00 a b: leap"]
    found = logs(plain(tmp_path, lines, year=2024))
    assert [row["at"] for row in found] == [
        utc("2023-12-31T23:59:59"), utc("2024-01-01T00:00:01"), utc("2024-02-29T01:00:00"),
    ]  # fmt: skip
    assert [row["at"].year for row in logs(plain(tmp_path, lines[:2]))] == [2025, 2026]


def test_personal_data_is_masked_wherever_it_stands(tmp_path: Path) -> None:
    lines = ["2026-11-22 05:31:50 ERROR login of bob@example.com from 10.1.2.3 password=hunter2",
             "  caused by eve@example.com", "\x00\x01\x02\x03\x04 mallory@example.com"]  # fmt: skip
    batch = plain(tmp_path, ["orphan of carol@example.com", *lines])
    stored = str(batch.signals["logs"].to_pylist()) + str(batch.rejected.to_pylist())
    assert "<mail>" in stored
    for secret in ("bob@", "eve@", "carol@", "mallory@", "10.1.2.3", "hunter2"):
        assert secret not in stored
    kept = str(plain(tmp_path, lines, mask=[]).signals["logs"].to_pylist())
    assert "bob@example.com" in kept


def test_junk_is_quarantined_and_long_lines_are_cut(tmp_path: Path) -> None:
    lines = [
        b"2026-11-22 05:31:50 INFO caf\xe9",
        b"2026-11-22 05:31:51 INFO " + bytes(range(9)) * 8,
        b"2026-11-22 05:31:52 INFO " + b"x" * 1_000_000,
        b"2026-11-22 05:31:53 INFO end",
    ]
    batch = plain(tmp_path, lines)
    found = logs(batch)
    assert [row["body"][:4] for row in found] == ["caf\ufffd", "xxxx", "end"]
    assert len(found[1]["body"]) < 17_000
    assert "characters" in found[1]["body"]
    assert reasons(batch) == ["binary, not text: 1 lines"]


def test_a_file_without_times_is_quarantined_whole(tmp_path: Path) -> None:
    batch = plain(tmp_path, ["hello", "world"])
    assert logs(batch) == []
    assert reasons(batch) == [
        "no line has a time stamp of a known form; map the file as kind table"
    ]


def test_a_line_in_the_future_is_no_line(tmp_path: Path) -> None:
    batch = plain(tmp_path, ["2026-11-22 05:31:50 INFO now", "2050-01-01 00:00:00 INFO then"])
    assert [row["body"] for row in logs(batch)] == ["now"]
    assert "future" in reasons(batch)[0]


def test_a_rotated_file_gives_the_same_rows(tmp_path: Path) -> None:
    lines = ["2026-11-22 05:31:50 INFO same", "2026-11-22 05:31:50 INFO same"]
    before = logs(plain(tmp_path, lines))
    (tmp_path / "app.log").rename(tmp_path / "app.log.1")
    after = logs(read(project=tmp_path, kind="log_files", files=["app.log*"]))
    assert {row["log_id"] for row in after} == {row["log_id"] for row in before}
    assert len({row["log_id"] for row in before}) == 2
    assert {row["service"] for row in after} == {"app"}


def test_a_path_tells_service_and_instance(tmp_path: Path) -> None:
    write(tmp_path / "logs/shop/web-7.log", "2026-11-22 05:31:50 INFO x")
    keys = {"kind": "log_files", "files": ["logs/*/*.log"]}
    pattern = r"logs/(?P<service>\w+)/(?P<instance>[\w-]+)\.log"
    [row] = logs(read(project=tmp_path, path_pattern=pattern, **keys))
    assert (row["service"], row["instance"]) == ("shop", "web-7")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=12))
@example([b"\x00\r "])
@example([b"10 %\r20 %"])
def test_whatever_a_file_holds_it_is_read(tmp_path_factory: Any, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("any")
    stamped = [b"2026-11-22 05:31:50 INFO first", *lines]
    batch = plain(folder, stamped)
    found = logs(batch)
    assert len({row["log_id"] for row in found}) == len(found)
    assert plain(folder, stamped).signals["logs"].equals(batch.signals["logs"])
    for row in found:
        assert not set(row["body"]) & {chr(i) for i in range(32) if chr(i) not in "\t\n"}
