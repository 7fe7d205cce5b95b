"""The benchmark reads generated spans and Nezha's layout, and writes its raw answers."""

import json
from pathlib import Path

import pytest

from benchmarks import service_map
from pipelines.aiops.service_map.model import read_map


def test_generated_spans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service_map.main(["--spans", "900", "--repeat", "1", "--out", str(tmp_path / "out")])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["data"], told["spans"]) == ("synthetic", 900)
    assert told["spans_per_second"] > 0
    found = read_map(tmp_path / "out")
    assert found.received("database:mysql").n == 100
    assert sum(found.shapes.values()) == 100


def test_traces_as_nezha_lays_them_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data" / "day" / "trace"
    folder.mkdir(parents=True)
    (folder / "09_36_trace.csv").write_text(
        "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n"
        "a,1,root,web-6f6c-h5m2n,/*,1674984916571000000,1674984916632609199,61609\n"
        "a,2,1,shop-6f6c-x5m2n,/*,1674984916572000000,1674984916582609199,10609\n",
        encoding="utf-8",
    )
    service_map.main(["--data", str(tmp_path), "--repeat", "1"])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["data"], told["spans"], told["edges"]) == ("nezha", 2, 1)
