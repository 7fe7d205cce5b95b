import csv
import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import root_cause, root_cause_incidents
from tests.unit.aiops.incidents.worlds import traces

STEP = 300


def test_petshop_layout_is_read_and_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "petshop" / "any_traffic"
    issue = folder / "test" / "issue_0"
    issue.mkdir(parents=True)
    (folder / "noissue").mkdir()
    (folder / "graph.csv").write_text(",web,store\nweb,0.0,1.0\nstore,0.0,0.0\n")
    rng = np.random.default_rng(0)
    _metrics(folder / "noissue" / "metrics.csv", 0, rng.normal(1, 0.02, (50, 2)) * (0.2, 0.05))
    slow = np.array([[0.2, 0.05], [0.5, 0.35], [0.5, 0.35]])
    _metrics(issue / "metrics.csv", 100, slow)
    truth = {
        "target": {"node": "web", "metric": "latency", "agg": "Average", "timestamp": 101 * STEP},
        "root_cause": {"node": "store", "metric": None},
    }
    (issue / "target.json").write_text(json.dumps(truth))
    result = _run(tmp_path, capsys)
    assert result["petshop"]["petshop/any_traffic"]["recall@1"] == 1.0
    answers = json.loads((tmp_path / "out/petshop/any_traffic/test/issue_0.json").read_text())
    assert answers[0]["service"] == "store"


def _metrics(path: Path, first: int, values: np.ndarray) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([["microservice", "web", "store", "web", "store"]])
        writer.writerow(["metric", "latency", "latency", "requests", "requests"])
        writer.writerow(["statistic", "Average", "Average", "Sum", "Sum"])
        writer.writerow(["unix_timestamp", "", "", "", ""])
        for i, row in enumerate(values.tolist()):
            writer.writerow([(first + i) * STEP, *row, 10, 10])


@pytest.mark.parametrize("hours", [0, 8])
def test_nezha_layout_is_read_and_scored_in_any_time_zone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], hours: int
) -> None:
    signals = traces(20)
    spans, logs = signals.spans, signals.logs
    assert spans is not None
    assert logs is not None
    for base, late, ends in (("construct_data", False, "01_00"), ("rca_data", True, "04_21")):
        folder = tmp_path / base / "2024-01-01"
        (folder / "trace").mkdir(parents=True)
        (folder / "log").mkdir()
        chosen = {t for t in spans.trace if (int(t[1:]) >= 60) == late}
        hour, _, minute = ends.partition("_")
        name = f"{(int(hour) + hours) % 24:02d}_{minute}"
        day = 1_704_067_200_000_000 + 60 * 60_000_000
        _traces(folder / "trace" / f"{name}_trace.csv", spans, chosen, day)
        _logs(folder / "log" / f"{name}_log.csv", logs, chosen, day)
    faults = {
        "04": [
            {
                "inject_time": f"2024-01-01 {4 + hours:02d}:20:30",
                "inject_pod": "store-abc-def",
                "inject_type": "exception",
            }
        ]
    }
    path = tmp_path / "rca_data" / "2024-01-01" / "2024-01-01-fault_list.json"
    path.write_text(json.dumps(faults))
    result = _run(tmp_path, capsys)
    assert result["nezha"]["nezha/2024-01-01"]["fault_free"]["AS@1"] == 1.0


def _traces(path: Path, spans, chosen: set[str], day: int) -> None:  # type: ignore[no-untyped-def]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "TraceID",
                "SpanID",
                "ParentID",
                "PodName",
                "OperationName",
                "Start",
                "End",
                "Duration",
            ]
        )
        for i, trace in enumerate(spans.trace):
            if trace in chosen:
                start, end = ((int(t[i]) + day) * 1000 for t in (spans.start, spans.end))
                pod = f"{spans.service[i]}-abc-def"
                parent = spans.parent[i] or "root"
                writer.writerow([trace, spans.span[i], parent, pod, spans.name[i], start, end, 1])


def _logs(path: Path, logs, chosen: set[str], day: int) -> None:  # type: ignore[no-untyped-def]
    with path.open("w", newline="") as file:
        file.write("Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n")
        writer = csv.writer(file)
        for i, trace in enumerate(logs.trace):
            if trace in chosen:
                at = (int(logs.at[i]) + day) * 1000
                line = json.dumps({"log": logs.texts[logs.code[i]] + "\n", "stream": "stdout"})
                pod = f"{logs.service[i]}-abc-def"
                writer.writerow(["x", at, "n", pod, "server", trace, logs.span[i], line])


def _run(data: Path, capsys: pytest.CaptureFixture[str]) -> dict:  # type: ignore[type-arg]
    assert root_cause.main(["--data", str(data), "--out", str(data / "out")]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(result, dict)
    return result


def test_without_data_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert root_cause.main([]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["skipped"]


def test_simulated_histories_are_scored(capsys: pytest.CaptureFixture[str]) -> None:
    assert root_cause_incidents.main(["--seeds", "1", "--alerts", "3000", "--days", "4"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["synthetic"]
    assert result["median_precision_recall_f1"]["real"][2] > 0.5
