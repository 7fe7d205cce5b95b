"""A release that older code made stays verifiable: its figures come from its own commit's code.

The code of that commit makes the release; since then packages, modules and words were renamed, so
only what report, evidence, ledger and tags say is common to both.
"""

import json
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import ROOT
from tests.integration.verification.test_reproduce_and_command import verify
from tests.support.small_project import SMALL_MODEL, call, change_params, commit, cut_sample

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

OLDER = "85aa993b3f196df28378d0bd95ddc89ca223ed1c"
"""The last commit before packages and words were renamed: it has `pipelines.proof`."""
REPORT = "reports/model_release.json"
PREPARE = ("ingest", "validate", "split", "train")
STAGES = (*PREPARE, "evaluate", "bias_audit", "drift", "gate", "report")
TAG = "model_release@v1.0.0"
REASON = "This test needs a release, whatever the gate says of so few rows."


def require_history() -> None:
    found = subprocess.run(
        ["git", "cat-file", "-e", f"{OLDER}^{{commit}}"], cwd=ROOT, capture_output=True, check=False
    )
    if found.returncode:
        pytest.fail(
            f"commit {OLDER[:12]} isn't in this clone, whose history was cut off: "
            "git fetch --unshallow"
        )


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose model was released by the older code, and which runs today's code now."""
    require_history()
    project = tmp_path_factory.mktemp("older") / "project"
    call(ROOT, "git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(project))
    today = call(project, "git", "rev-parse", "HEAD").strip()
    call(project, "git", "config", "user.name", "Test")
    call(project, "git", "config", "user.email", "test@example.org")
    call(project, "git", "checkout", "--quiet", "-B", "main", OLDER)
    assert (project / "pipelines/proof").is_dir()
    cut_sample(project / "data/samples/adult")
    change_params(project, SMALL_MODEL)
    keep_the_models_stages(project)
    let_two_people_override(project / "release.yaml")
    commit(project, "small project")
    call(project, "dvc", "repro", *STAGES)
    commit(project, "ran")
    approvers = ["--approver", "admin", "--approver", "second"]
    command = ["python", "-m", "pipelines.cli.main", "release", "HEAD", *approvers]
    call(project, *command, "--reason", REASON)
    commit(project, "released")
    call(project, "git", "read-tree", "--reset", "-u", today)
    call(project, "git", "checkout", "HEAD", "--", "ledger/ledger.jsonl", "released")
    commit(project, "today's code")
    assert not (project / "pipelines/proof/verify.py").exists()
    return project


def keep_the_models_stages(project: Path) -> None:
    """Take the alert rules' stages out: a report is held against all that ``dvc.lock`` names."""
    yaml = YAML()
    tree = yaml.load(project / "dvc.yaml")
    tree["stages"] = {name: tree["stages"][name] for name in STAGES}
    yaml.dump(tree, project / "dvc.yaml")
    (project / "dvc.lock").unlink()


def let_two_people_override(file: Path) -> None:
    yaml = YAML()
    tree = yaml.load(file)
    tree["approval"] |= {"approvers": ["admin", "second"], "on_reject": "ask_override"}
    yaml.dump(tree, file)


@pytest.fixture(scope="module")
def filed(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report as somebody filed it."""
    file = tmp_path_factory.mktemp("filed") / "model_release.json"
    file.write_bytes((released / REPORT).read_bytes())
    return file


def test_it_verifies_by_todays_command_down_to_every_figure(released: Path, filed: Path) -> None:
    code, found = verify(released, str(filed), "--rev", TAG)
    assert (found["first"], found["verdict"], code) == (None, "verified", 0)
    statuses = {check["id"]: check["status"] for check in found["checks"]}
    again = {name for name, status in statuses.items() if name.startswith("again:")}
    assert {"again:evaluate", "again:train", "again:gate", "again:report"} <= again
    assert statuses["ledger"] == statuses["tags"] == statuses["figures"] == "ok"


def test_a_forged_copy_of_its_report_is_found(released: Path, filed: Path, tmp_path: Path) -> None:
    report = json.loads(filed.read_text())
    report["figures"][0]["value"] = 0.5
    forged = tmp_path / "model_release.json"
    forged.write_text(json.dumps(report))
    code, found = verify(released, str(forged), "--rev", TAG, "--hashes-only")
    assert (found["verdict"], code) == ("differs", 1)
    assert found["first"]["path"] == str(forged)
