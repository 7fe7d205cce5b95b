"""Evidence of a project's own stages counts for the gate once it is among its deps."""

import json
from pathlib import Path

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import own_stages
from pipelines.core.params import Check
from pipelines.release.gating import run_gate

CHECK = Check(
    id="fresh", protects="data is fresh", figure="own_check2.age:days", compare="at_most",
    threshold=3, owner="me", reason="mine",
)  # fmt: skip
PIPELINE = """\
stages:
  gate:
    cmd: signalbox stage gate
    deps: [evidence/ingest.json, evidence/own_check2.json, data/x.json, "${a.b}"]
"""


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("evidence").mkdir()
    Path("metrics").mkdir()
    figure = {"id": "own_check2.age:days", "label": "Age", "value": 2, "method": "m", "n": 1}
    document = {"stage": "own_check2", "inputs": {}, "figures": [figure]}
    Path("evidence/own_check2.json").write_text(json.dumps(document))


def test_evidence_among_the_deps_is_judged() -> None:
    Path("dvc.yaml").write_text(PIPELINE)
    assert own_stages("gate", ("ingest",)) == ("own_check2",)
    run_gate("gate", [CHECK], ("ingest",))
    written = json.loads(Path("evidence/gate.json").read_text())
    assert [check["verdict"] for check in written["details"]["checks"]] == ["pass"]
    assert "evidence/own_check2.json" in written["inputs"]


def test_evidence_that_is_no_dep_is_refused_with_what_to_do() -> None:
    Path("dvc.yaml").write_text(PIPELINE.replace(", evidence/own_check2.json", ""))
    with pytest.raises(SignalboxError, match=r"add evidence/own_check2.json to the gate's deps"):
        run_gate("gate", [CHECK], ("ingest",))


@pytest.mark.parametrize("text", ["", "stages: {}\n", "stages:\n  gate: {cmd: x}\n"])
def test_a_pipeline_without_own_evidence_has_none(text: str) -> None:
    Path("dvc.yaml").write_text(text)
    assert own_stages("gate", ()) == ()
