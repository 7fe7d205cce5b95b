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


def test_every_param_of_a_stage_is_in_its_file() -> None:
    """DVC stops a stage whose params are missing, and only when that stage runs."""
    trees = {
        name: yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        for name in ("params.yaml", "release.yaml")
    }
    named = 0
    for name, stage in STAGES.items():
        for entry in stage.get("params", []):
            files = entry if isinstance(entry, dict) else {"params.yaml": [entry]}
            for file, keys in files.items():
                for key in keys:
                    node = trees[file]
                    for part in key.split("."):
                        assert part in node, f"{name}: {file}: {key}"
                        node = node[part]
                    named += 1
    assert named > 50


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


NO_RESULT = {"pipelines/core/errors.py", "pipelines/core/artifacts.py"}
"""Files that cannot change what an out holds: the class of errors, and paths that ``dvc.yaml`` has
as well."""


def code_of(name: str) -> set[str]:
    """Files of ours that a stage imports, directly or through others."""
    import ast

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
    return {file.relative_to(ROOT).as_posix() for file in seen}


def is_docstring(path: str) -> bool:
    """Whether a file is the first of a package and nothing but its docstring."""
    file = ROOT / path
    return file.name == "__init__.py" and path.count("/") <= 2 and file.stat().st_size < 400


@pytest.mark.parametrize("name", list(STAGES))
def test_code_of_a_stage_is_among_its_dependencies(name: str) -> None:
    """Whatever of ours a stage imports makes it run again when it changes."""
    dependencies = paths_of(STAGES[name], "deps")
    for path in sorted(code_of(name) - NO_RESULT):
        above = {path, *map(str, Path(path).parents)}
        assert above & dependencies or is_docstring(path), f"{name} imports {path}"


@pytest.mark.parametrize("name", list(STAGES))
def test_a_stage_depends_on_no_code_that_it_does_not_use(name: str) -> None:
    """What is listed is imported; of a folder, one file at least, and nothing twice."""
    code = {path for path in code_of(name) if not is_docstring(path)}
    listed = {dep for dep in paths_of(STAGES[name], "deps") if dep.startswith("pipelines/")}
    for dep in sorted(listed):
        used = {path for path in code if path == dep or path.startswith(f"{dep}/")}
        assert used, f"{name} imports nothing of {dep}"
        assert not {str(parent) for parent in Path(dep).parents} & listed, f"{name}: {dep} is twice"
    assert not listed & NO_RESULT


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("mine_rules", "pipelines/aiops/log_parsing/mask_patterns.py"),
        ("mine_rules", "pipelines/aiops/lake/store.py"),
        ("train", "pipelines/core/locks.py"),
        ("train", "pipelines/core/runtime.py"),
        ("train", "pipelines/aiops/params/alert_rules.py"),
    ],
)
def test_a_change_elsewhere_is_no_reason_to_mine_or_train_again(name: str, code: str) -> None:
    assert (ROOT / code).is_file()
    above = {code, *map(str, Path(code).parents)}
    assert not above & paths_of(STAGES[name], "deps")


def test_settings_of_the_deployment_are_no_input_of_a_stage() -> None:
    for name, stage in STAGES.items():
        assert not {dep for dep in paths_of(stage, "deps", "params") if "release.yaml" in dep}, name
        assert "${runtime" not in str(stage), name
