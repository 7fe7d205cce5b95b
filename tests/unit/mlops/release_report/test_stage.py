"""The stage and ``dvc.yaml`` name the same files."""

import subprocess
import sys

import pytest
import yaml

from pipelines.mlops.release_report.inputs import CURVES, STAGES
from tests.conftest import ROOT
from tests.unit.core.test_one_list_of_paths import NO_RESULT


def test_deps_are_what_the_report_reads():
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["report"]["deps"]
    assert {d for d in deps if d.startswith("evidence/")} == {f"evidence/{s}.json" for s in STAGES}
    assert {d for d in deps if d.startswith("plots/")} == {f"plots/{c}.csv" for c in CURVES}
    assert "models/model.json" in deps


def test_every_section_of_params_is_a_dependency():
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["report"]
    assert set(stage["params"]) == set(raw) - {"aiops"}  # alert rules have a report of their own


@pytest.mark.parametrize(
    ("stage", "module"),
    [("gate", "pipelines.mlops.gate"), ("report", "pipelines.mlops.report")],
)
def test_all_code_of_the_stage_is_a_dependency_and_nothing_else_is(stage, module):
    listing = (
        f"import sys, {module}\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('pipelines.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing], cwd=ROOT, capture_output=True, text=True, check=True
    )
    used = {path.removeprefix(f"{ROOT}/") for path in done.stdout.split()}
    used = {path for path in used if not path.endswith("__init__.py")} - NO_RESULT
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    code = [dep for dep in deps if dep.startswith("pipelines/") and not dep.endswith("templates")]
    covered = {path: [d for d in code if path == d or path.startswith(f"{d}/")] for path in used}
    assert all(covered.values()), [path for path, by in covered.items() if not by]
    assert {dep for by in covered.values() for dep in by} == set(code)
    assert not any("aiops" in path for path in used)
