import csv
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from benchmarks import root_cause, root_cause_incidents
from benchmarks.fault_alerts import read_fault_alerts
from pipelines.aiops import group_incidents
from pipelines.aiops.lake.contract import ALERTS
from pipelines.aiops.lake.findings import Finding
from pipelines.aiops.lake.store import upsert
from pipelines.aiops.lake.window import Window
from tests.support.aiops_world import params_for
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


def test_faults_alerts_run_through_windows_as_the_dag_does(tmp_path: Path) -> None:
    folder = tmp_path / "fault_alerts"
    _fault_alerts(folder)
    given = read_fault_alerts(folder, "bare")
    assert len(given.alerts) == 7
    found = root_cause_incidents.through_windows(given, tmp_path, known="table")
    figures = root_cause_incidents.of_faults(given, found)
    assert figures["faults"] == figures["faults_of_one_incident"] == 2
    assert (figures["incidents"], figures["incidents_of_several_faults"]) == (2, 0)
    assert figures["minutes_to_incident_median"] == 1.0
    hour = root_cause_incidents.within_minutes(given, 100)
    assert (hour["incidents"], hour["of_these_of_faults_apart"]) == (1, 1)


def _fault_alerts(folder: Path) -> None:
    """Write two faults an hour apart: of a node, with a pod on it, and of a service."""
    first, second = 1_700_000_000, 1_700_003_600
    for name in ("metric", "trace", "log"):
        (folder / name).mkdir(parents=True)
    header = "fault_id,fault_level,fault_entity,fault_type,fault_st_time,fault_ed_time"
    (folder / "label.csv").write_text(
        f"{header}\n0,node,n1,cpu,{first},{first + 540}\n1,service,cart,cpu,{second},"
        f"{second + 540}\n"
    )
    edges = [("web", "cart", "control_flow"), ("cart-0", "cart", "instance_of"),
             ("web-0", "web", "instance_of"), ("cart-0", "n1", "hosted_on"),
             ("n1", "cart-0", "hosts")]  # fmt: skip
    known = {"nodes": [{"id": "n1", "type": "Host"}, {"id": "cart", "type": "Service"}],
             "edges": [{"source": a, "target": b, "label": c} for a, b, c in edges]}  # fmt: skip
    (folder / "knowledge_graph.json").write_text(json.dumps(known))

    def ms(start: int, minute: int) -> str:
        return str((start + 60 * minute) * 1000)

    metrics = {
        "0": [[ms(first, 1), "n1", None, "cpu", "up"], [ms(first, 2), "n1", None, "cpu", "up"],
              [ms(first, 3), "cart-0", "n1", "threads", "up"]],
        "1": [[ms(second, 1), "cart", None, "latency", "up"]],
    }  # fmt: skip
    traces = {"0": [[ms(first, 4), "web-0", "cart-0", "GET", "PD"]],
              "1": [[ms(second, 4), "web-0", "web-0", "GET", "PD"]]}  # fmt: skip
    line = datetime.fromtimestamp(second + 8 * 3600 + 120, UTC).strftime("%Y-%m-%d %H:%M:%S.000")
    logs = {"0": [], "1": [["cart-0", "7", [f"{line} | failed"], 1, None],
                           ["cart-0", "8", [f"{line} | again"], 1, None]]}  # fmt: skip
    for name, rows in (("metric/metrics", metrics), ("trace/traces", traces), ("log/logs", logs)):
        with gzip.open(folder / f"{name}.json.gz", "wt") as file:
            json.dump(rows, file)


def test_findings_of_a_record_of_minutes_are_told(tmp_path: Path) -> None:
    start = 1_700_000_000 * 1_000_000
    window = Window(
        datetime.fromtimestamp(1_700_000_000, UTC), datetime.fromtimestamp(1_700_000_300, UTC)
    )
    found = [
        Finding(f"{i:016x}", "metric", "level_shift", name, "", {"__name__": "cpu"},
                at, at + 1_000_000, 1.5, "cpu moved", evidence={"step_us": 1_000_000})
        for i, (name, at) in enumerate(
            (name, start + (280 + i) * 1_000_000) for i, name in enumerate(("carts", "front"))
        )
    ]  # fmt: skip
    root_cause_incidents.write_window(tmp_path, window, [("front", "carts")], found)
    upsert(tmp_path / "lake", {"alerts": ALERTS.schema.empty_table()})
    (tmp_path / "lake").mkdir(exist_ok=True)
    params = params_for(tmp_path, group_incidents={"signals": False})
    content, told = group_incidents.build_incidents(params, window, tmp_path)
    assert [one.id for one in told] == [one.id for one in found]
    (one,) = content.incidents
    assert one.findings == tuple(finding.id for finding in found)
