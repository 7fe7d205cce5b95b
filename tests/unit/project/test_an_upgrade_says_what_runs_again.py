"""An upgrade is planned on texts, told, and written only then."""

from pathlib import Path

import pytest
import yaml

from pipelines.core.errors import SignalboxError
from pipelines.project.lock import foreign_code, read_lock, stage_hash
from pipelines.project.upgrade import apply_upgrade, plan_upgrade
from tests.unit.project.conftest import change


def content(project: Path) -> dict[str, str]:
    files = [path for path in project.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {str(path.relative_to(project)): path.read_text() for path in files}


def test_a_project_of_the_installed_code_has_nothing_to_do(project: Path) -> None:
    plan = plan_upgrade(project)
    assert (plan.files, plan.reruns) == ({}, ())
    assert plan.lines()[0].startswith("nothing to do")


def test_a_stage_whose_code_changed_runs_again_and_those_behind_it_may(
    site: Path, project: Path
) -> None:
    change(site, "pipelines/first.py", "ran", "runs")
    before = content(project)
    plan = plan_upgrade(project)
    assert content(project) == before
    assert [(rerun.stage, rerun.because) for rerun in plan.reruns] == [
        ("ingest", ("its code changed",))
    ]
    assert plan.follow == ("report",)
    assert list(plan.files) == ["signalbox.lock"]
    assert plan.diff == ""
    apply_upgrade(project, plan)
    assert read_lock(project).stages["ingest"] == stage_hash("ingest")
    assert not foreign_code(project, "ingest")
    assert plan_upgrade(project).files == {}


def test_a_stage_of_ones_own_behind_it_is_named_too(site: Path, project: Path) -> None:
    file = project / "dvc.yaml"
    file.write_text(f"{file.read_text()}\n  own:\n    cmd: x\n    deps: [reports/page.html]\n")
    change(site, "pipelines/first.py", "ran", "runs")
    assert plan_upgrade(project).follow == ("report", "own")


def test_a_definition_that_nobody_changed_is_replaced(site: Path, project: Path) -> None:
    change(site, "dvc.yaml", "      - evidence/ingest.json\n", "      - evidence/new.json\n")
    plan = plan_upgrade(project)
    assert plan.reruns[0].because == ("dvc.yaml: its definition changed",)
    assert "+      - evidence/new.json" in plan.diff
    apply_upgrade(project, plan)
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    assert stages["ingest"]["outs"] == ["data/table.parquet", "evidence/new.json"]
    assert plan_upgrade(project).files == {}


def test_a_definition_that_a_person_changed_gets_what_is_missing_and_loses_nothing(
    site: Path, project: Path
) -> None:
    file = project / "dvc.yaml"
    watch = "      - ${data.watch}\n"
    file.write_text(file.read_text().replace(watch, f"{watch}      - own.csv\n"))
    change(site, "dvc.yaml", "      - evidence/ingest.json\n",
           "      - evidence/ingest.json\n      - evidence/new.json\n")  # fmt: skip
    plan = plan_upgrade(project)
    assert plan.reruns[0].because == ("dvc.yaml: outs: evidence/new.json",)
    apply_upgrade(project, plan)
    stage = yaml.safe_load(file.read_text())["stages"]["ingest"]
    assert stage["deps"] == ["${data.watch}", "own.csv"]
    assert stage["outs"] == ["data/table.parquet", "evidence/ingest.json", "evidence/new.json"]
    assert plan_upgrade(project).files == {}


def test_a_new_stage_of_a_product_comes_with_the_upgrade(site: Path, project: Path) -> None:
    change(site, "dvc.yaml", "      - pipelines/second.py\n",
           "      - pipelines/second.py\n      - checked.json\n")  # fmt: skip
    check = "  check:\n    cmd: python -m pipelines.first\n    deps:\n      - pipelines/first.py\n"
    change(site, "dvc.yaml", "  report:\n", f"{check}    outs:\n      - checked.json\n  report:\n")
    plan = plan_upgrade(project)
    assert {rerun.stage: rerun.because for rerun in plan.reruns}["check"] == ("a new stage",)
    apply_upgrade(project, plan)
    stages = yaml.safe_load((project / "dvc.yaml").read_text())["stages"]
    assert stages["check"]["cmd"] == "signalbox stage check"
    assert "checked.json" in stages["report"]["deps"]
    assert set(read_lock(project).stages) == {"ingest", "check", "report"}


PARAMS = """\
data:
  watch: x.csv
aiops:  # ours
  analysis:
    lake: telemetry/lake
    parts: 9  # tasks
  metric_anomalies:
    most_series: 5  # the most
  response:
    dry_run: true
"""


def test_renamed_keys_are_moved_with_their_comments_and_shown(project: Path) -> None:
    (project / "params.yaml").write_text(PARAMS)
    plan = plan_upgrade(project)
    assert plan.renamed == (
        "aiops.response is now aiops.remediation",
        "aiops.analysis.parts is now runtime.partitions in release.yaml",
        "aiops.metric_anomalies.most_series is now aiops.metric_anomalies.max_series",
    )
    changed = [line for line in plan.diff.splitlines() if line.startswith(("-  ", "+  "))]
    assert "-    most_series: 5  # the most" in changed
    assert "+    max_series: 5  # the most" in changed
    apply_upgrade(project, plan)
    text = PARAMS.replace("most_series", "max_series").replace("response", "remediation")
    assert (project / "params.yaml").read_text() == text.replace("    parts: 9  # tasks\n", "")
    release = yaml.safe_load((project / "release.yaml").read_text())
    assert release == {"project": {"name": "churn"}, "runtime": {"partitions": 9}}
    assert plan_upgrade(project).renamed == ()


def test_a_value_that_stands_under_the_new_name_already_counts(project: Path) -> None:
    (project / "params.yaml").write_text(PARAMS)
    release = project / "release.yaml"
    release.write_text(f"{release.read_text()}runtime:\n  partitions: 4\n")
    apply_upgrade(project, plan_upgrade(project))
    assert yaml.safe_load(release.read_text())["runtime"] == {"partitions": 4}


def test_what_stays_wrong_in_params_is_told(project: Path) -> None:
    (project / "params.yaml").write_text("aiops:\n  mine_rules:\n    alpha: 0.1\n")
    plan = plan_upgrade(project)
    assert len(plan.problems) == 1
    assert plan.problems[0].startswith("params.yaml: aiops.mine_rules: alpha: removed in this")


def test_a_stage_that_reads_a_renamed_key_is_told_to_run_again(site: Path, project: Path) -> None:
    change(site, "dvc.yaml", "    params:\n      - data\n", "    params:\n      - aiops.analysis\n")
    apply_upgrade(project, plan_upgrade(project))
    (project / "params.yaml").write_text(PARAMS)
    plan = plan_upgrade(project)
    assert [rerun.stage for rerun in plan.reruns] == ["ingest"]
    assert plan.reruns[0].because[0].startswith("params renamed: aiops.analysis.parts")


def test_a_file_that_changed_meanwhile_stops_the_upgrade(site: Path, project: Path) -> None:
    change(site, "pipelines/first.py", "ran", "runs")
    plan = plan_upgrade(project)
    lock = project / "signalbox.lock"
    lock.write_text(f"{lock.read_text()}# mine\n")
    with pytest.raises(SignalboxError, match=r"was changed meanwhile; run signalbox upgrade again"):
        apply_upgrade(project, plan)


def test_a_lost_lock_is_made_anew_and_every_stage_runs_again(project: Path) -> None:
    (project / "signalbox.lock").unlink()
    plan = plan_upgrade(project)
    assert [rerun.stage for rerun in plan.reruns] == ["ingest", "report"]
    apply_upgrade(project, plan)
    assert not foreign_code(project, "report")


def test_a_project_whose_code_is_part_of_it_needs_no_upgrade(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text("stages:\n  a:\n    cmd: python -m x\n")
    with pytest.raises(SignalboxError, match="the code is part of this project"):
        plan_upgrade(tmp_path)
