"""dvc.yaml, the lists of artifacts and the modules agree on names and paths."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.aiops.params import artifacts as aiops
from pipelines.aiops.report.rules import evidence as rules_report
from pipelines.core import artifacts
from tests.conftest import ROOT

STAGES: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def paths_of(stage: dict[str, Any], *keys: str) -> set[str]:
    entries = [entry for key in keys for entry in stage.get(key, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def test_every_out_is_in_the_list_of_artifacts() -> None:
    lists = (artifacts, aiops, rules_report)
    known = {str(v) for one in lists for v in vars(one).values() if isinstance(v, Path)}
    for name, stage in STAGES.items():
        own = {str(artifacts.evidence_of(name)), str(artifacts.metrics_of(name))}
        for out in paths_of(stage, "outs", "metrics"):
            assert out in known | own, f"{name}: {out}"
        for plot in paths_of(stage, "plots"):
            assert Path(plot).parent == artifacts.PLOTS, f"{name}: {plot}"


def test_every_stage_is_a_module_of_its_own_name() -> None:
    for name, stage in STAGES.items():
        command, flag, module = stage["cmd"].split()
        assert (command, flag) == ("python", "-m")
        assert module.rsplit(".", 1)[1] == name
        assert (ROOT / (module.replace(".", "/") + ".py")).is_file()


def test_every_stage_that_measures_leaves_evidence() -> None:
    for name, stage in STAGES.items():
        measures = name not in {"report", "report_incidents", "report_rules", "simulate"}
        expected = {str(artifacts.evidence_of(name))} if measures else set()
        evidence = {out for out in paths_of(stage, "outs") if out.startswith("evidence/")}
        assert evidence == expected


@pytest.mark.parametrize("name", list(STAGES))
def test_code_of_a_stage_is_among_its_dependencies(name: str) -> None:
    """Whatever of ours a stage imports makes it run again when it changes."""
    import ast

    dependencies = paths_of(STAGES[name], "deps")
    seen: set[Path] = set()
    waiting = [ROOT / (STAGES[name]["cmd"].split()[2].replace(".", "/") + ".py")]
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipelines"):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
                for module in names:
                    place = ROOT / str(module).replace(".", "/")
                    waiting += [p for p in (place.with_suffix(".py"), place / "__init__.py")
                                if p.is_file()]  # fmt: skip
    for file in seen:
        path = file.relative_to(ROOT)
        if path.name == "__init__.py" and len(path.parts) <= 3 and file.stat().st_size < 400:
            continue  # packages' docstrings
        assert {str(path), *map(str, path.parents)} & dependencies, f"{name} imports {path}"
