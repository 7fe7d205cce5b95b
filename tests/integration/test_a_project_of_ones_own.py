"""From ``signalbox init`` on awkward tables to a judged model, as a user types it."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.conftest import ROOT

pytestmark = [pytest.mark.e2e]

DEMO = re.compile(r"adult|fnlwgt|census|simulated|>50K|capital-gain|Signalbox demo", re.IGNORECASE)
"""What belongs to the bundled demo, and to nobody else's project."""


@pytest.fixture
def shell(tmp_path: Path) -> Any:
    """A directory that a user stands in, with the command ``signalbox`` of this checkout."""
    program = tmp_path / "bin" / "signalbox"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pipelines.cli.main "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environment = {
        **{key: value for key, value in os.environ.items() if key != "SIGNALBOX_PROJECT"},
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'plugins'}",
        "COLUMNS": "200",
    }

    def run(*command: str, cwd: Path = tmp_path, fails: bool = False) -> str:
        words = [sys.executable, "-m", "dvc", *command[1:]] if command[0] == "dvc" else command
        done = subprocess.run(
            words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        told = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, told
        return told

    return run


def labels(draw: np.random.Generator, score: np.ndarray) -> np.ndarray:
    return draw.random(len(score)) < 1 / (1 + np.exp(-score))


def german(rows: int = 900) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    income, age = draw.normal(2500, 700, rows).round(2), draw.integers(18, 80, rows)
    return pd.DataFrame({
        "Einkommen": income, "Alter": age, "Geschlecht": draw.choice(["m", "w"], rows),
        "Größe": draw.choice(["klein", "groß"], rows),
        "gekündigt": np.where(labels(draw, (income - 2500) / 500), "ja", "nein"),
    })  # fmt: skip


def test_a_semicolon_table_with_decimal_commas_reaches_a_judged_model(
    shell: Any, tmp_path: Path
) -> None:
    german().to_csv(tmp_path / "kunden.csv", sep=";", decimal=",", index=False, encoding="latin-1")
    told = shell("signalbox", "init", "abgang", "--data", "kunden.csv", "--target", "gekündigt")
    assert "latin-1" in told
    project = tmp_path / "abgang"
    params = yaml.safe_load((project / "params.yaml").read_text())
    assert params["data"]["source"]["decimal"] == ","
    assert "sensitive" not in params["data"]
    # The next commands are those that were printed.
    assert "dvc repro report" in told
    shell("dvc", "repro", "report", cwd=project)
    gate = json.loads((project / "metrics/gate.json").read_text())
    assert gate["checks"]["beats_guessing"] == "pass"
    assert "not filled in" in (project / "reports/model_release.html").read_text()


def with_own_steps(project: Path) -> None:
    """Uncomment and fill in what the template proposes, as a user does."""
    steps = project / "steps"
    steps.mkdir()
    (steps / "features.py").write_text(
        "import pandas as pd\n"
        "frame = pd.read_parquet('data/source/customers.parquet')\n"
        "frame['ratio'] = frame['charge'] / (1 + frame['tenure'])\n"
        "frame.to_parquet('data/features.parquet')\n"
    )
    (steps / "own_check.py").write_text(
        "import json, pathlib, pandas as pd\n"
        "frame = pd.read_parquet('data/split/test.parquet')\n"
        "share = float(frame['tenure'].isna().mean())\n"
        "figure = {'id': 'own_check.missing_tenure', 'label': 'Rows without tenure',\n"
        "          'value': share, 'method': 'missing / rows', 'n': len(frame), 'unit': 'share'}\n"
        "pathlib.Path('evidence').mkdir(exist_ok=True)\n"
        "pathlib.Path('evidence/own_check.json').write_text(json.dumps(\n"
        "    {'stage': 'own_check', 'inputs': {}, 'figures': [figure]}))\n"
    )
    pipeline = project / "dvc.yaml"
    text = pipeline.read_text()
    lines = [
        line.replace("  # ", "  ", 1)
        if re.match(r"  # (features|own_check|  \w+):", line)
        else line
        for line in text.splitlines()
    ]
    pipeline.write_text("\n".join(lines) + "\n")
    document = yaml.safe_load(pipeline.read_text())
    for stage in ("gate", "report"):
        document["stages"][stage]["deps"].append("evidence/own_check.json")
    pipeline.write_text(yaml.safe_dump(document, sort_keys=False))
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["data"]["source"] |= {"paths": ["data/features.parquet"],
                                 "watch": "data/features.parquet"}  # fmt: skip
    params["gate"]["checks"].append({
        "id": "tenure_known", "protects": "tenure is known", "figure": "own_check.missing_tenure",
        "compare": "at_most", "threshold": 0.2, "owner": "me", "reason": "mine",
    })  # fmt: skip
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    suite = project / "expectations/churn.json"
    suite.write_text(suite.read_text())


@pytest.mark.slow
def test_a_project_with_own_steps_reaches_a_judged_model(shell: Any, tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    rows = 900
    tenure, charge = draw.integers(0, 72, rows), draw.normal(60, 20, rows).round(2)
    pd.DataFrame({
        "customerID": [f"C{i}" for i in range(rows)],
        "signup": pd.date_range("2020-01-01", periods=rows),
        "tenure": pd.Series(tenure).mask(draw.random(rows) < 0.05), "charge": charge,
        "plan": pd.Categorical(draw.choice(["basic", "pro"], rows)),
        "churned": labels(draw, 1 - tenure / 20 + charge / 60).astype(int),
    }).to_parquet(tmp_path / "customers.parquet")  # fmt: skip
    shell("signalbox", "init", "churn", "--data", "customers.parquet", "--target", "churned")
    project = tmp_path / "churn"
    with_own_steps(project)
    shell("dvc", "repro", "report", cwd=project)
    gate = json.loads((project / "metrics/gate.json").read_text())
    assert gate["checks"]["tenure_known"] == "pass"
    report = (project / "reports/model_release.html").read_text()
    assert "Rows without tenure" in report
    assert "own-stages" in report
    record = json.loads((project / "reports/model_release.json").read_text())
    assert "own_check.missing_tenure" in json.dumps(record)
    # A KPI may rest on it as well.
    release = project / "release.yaml"
    release.write_text(release.read_text() + (
        "kpis:\n  definitions:\n    - {id: tenure_known, owner: me, measures: rows with tenure,\n"
        "       formula: 1 - own_check.missing_tenure, target: 0.9, direction: at_least}\n"
    ))  # fmt: skip
    (kpi,) = json.loads(shell("signalbox", "kpis", "--json", cwd=project))
    assert kpi["value"] == pytest.approx(0.95, abs=0.05)
    # And both are tasks of the project's DAG, in their place.
    from dvc_airflow.graph import load_graph

    graph = load_graph(project)
    assert {"features", "own_check"} <= set(graph.stages)


def test_no_trace_of_the_demo_is_in_a_new_project(shell: Any, tmp_path: Path) -> None:
    german(200).to_csv(tmp_path / "kunden.csv", index=False)
    shell("signalbox", "init", "abgang", "--data", "kunden.csv", "--target", "gekündigt",
          "--no-run")  # fmt: skip
    project = tmp_path / "abgang"
    for path in sorted(project.rglob("*")):
        if path.is_file() and ".git" not in path.relative_to(project).parts:
            found = DEMO.search(path.read_text(encoding="utf-8", errors="replace"))
            assert found is None, f"{path}: {found}"


def history(rows: int = 400) -> pd.DataFrame:
    begin = pd.date_range("2026-01-01", periods=rows, freq="37min", tz="UTC")
    return pd.DataFrame({
        "starts_at": begin.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ends_at": (begin + pd.Timedelta("5min")).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "alertname": np.resize(["HighLatency", "DiskFull", "QueueGrows"], rows),
        "service": np.resize(["shop", "billing"], rows), "severity": "critical",
    })  # fmt: skip


ALERTMANAGER = """\
route:
  receiver: on-call
receivers:
  - name: on-call
    webhook_configs:
      - url: http://pager.example/
"""


def test_both_kinds_may_live_in_one_project(shell: Any, tmp_path: Path) -> None:
    german(300).to_csv(tmp_path / "kunden.csv", index=False)
    history().to_csv(tmp_path / "alerts.csv", index=False)
    (tmp_path / "alertmanager.yml").write_text(ALERTMANAGER)
    shell("signalbox", "init", "ours", "--data", "kunden.csv", "--target", "gekündigt", "--no-run")
    project = tmp_path / "ours"
    mine = (project / "params.yaml").read_text().replace("owner: not filled in", "owner: Ann", 1)
    (project / "params.yaml").write_text(mine)
    told = shell("signalbox", "init", "ours", "--alerts", "alerts.csv", "--alertmanager",
                 "alertmanager.yml")  # fmt: skip
    assert "400 alerts" in told
    after = (project / "params.yaml").read_text()
    assert after.startswith(mine.rstrip())
    assert yaml.safe_load(after)["aiops"]["gate_rules"]["checks"]
    products = yaml.safe_load((project / "release.yaml").read_text())["registry"]["products"]
    assert set(products) == {"model_release", "alert_noise_reduction"}
    again = shell("signalbox", "init", "ours", "--data", "kunden.csv", "--target", "gekündigt",
                  fails=True)  # fmt: skip
    assert "has a section data already" in again
    assert (project / "params.yaml").read_text() == after


def test_metrics_and_logs_are_added_to_a_project(shell: Any, tmp_path: Path) -> None:
    at = pd.date_range("2026-01-01", periods=200, freq="5min", tz="UTC")
    folder = tmp_path / "signals"
    folder.mkdir()
    times = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    host = {"time": times, "service": "shop", "cpu": np.arange(200.0), "queue": 3}
    pd.DataFrame(host).to_csv(folder / "host.csv", index=False)
    (folder / "shop.log").write_text("2026-01-01T00:00:01Z ERROR cannot reach billing\n" * 30)
    (folder / "picture.bin").write_bytes(b"\x00\x01")
    told = shell("signalbox", "init", "watch", "--telemetry", "signals")
    assert "picture.bin" in told
    params = yaml.safe_load((tmp_path / "watch/params.yaml").read_text())
    kinds = {source["kind"]: source for source in params["aiops"]["telemetry"]["sources"]}
    assert kinds["table"]["values"] == {"cpu": "cpu", "queue": "queue"}
    assert kinds["table"]["labels"] == {"service": "service"}
    assert "log_files" in kinds


@pytest.mark.parametrize(
    ("change", "option"),
    [
        (
            lambda frame: frame.assign(gekündigt=np.resize(["a", "b", "c"], len(frame))),
            "--positive",
        ),
        (lambda frame: frame.assign(gekündigt=np.arange(len(frame))), "--target"),
        (lambda frame: frame.drop(columns="gekündigt"), "--target"),
    ],
)
def test_what_cant_be_decided_names_the_option_and_writes_nothing(
    shell: Any, tmp_path: Path, change: Any, option: str
) -> None:
    change(german(200)).to_csv(tmp_path / "kunden.csv", index=False)
    told = shell("signalbox", "init", "x", "--data", "kunden.csv", "--target", "gekündigt",
                 fails=True)  # fmt: skip
    assert option in told
    assert not (tmp_path / "x").exists()
