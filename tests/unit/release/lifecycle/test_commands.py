"""``signalbox release``, ``rollback``, ``registry``: exit codes, JSON, one-line errors."""

import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from docs.make_commands import RESULTS
from pipelines.cli.release_commands import registry, release, rollback
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import record_gate
from tests.support.shapes import faults
from tests.unit.release.lifecycle.product import (
    ARTIFACTS,
    REPORT,
    commit,
    git,
    make_run,
    release_run,
    write_lock,
)

app = typer.Typer()
app.command("release")(release)
app.command("rollback")(rollback)
app.add_typer(registry, name="registry")


def call(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(project)])


def test_release_with_an_approval_given_here_says_so_in_the_ledger(project: Path) -> None:
    made = make_run(project, 1, "review")
    done = call(project, "release", made, "--approver", "alice", "--reason", "read it", "--json")
    assert done.exit_code == 0, done.stderr
    assert faults(json.loads(done.stdout), RESULTS["release"]) == []
    assert json.loads(done.stdout)["version"] == "v1.0.0"
    kinds = {entry.kind: entry.data for entry in Ledger.of(project).entries()}
    answer = kinds["approval"]["outcome"]["answers"][0]
    assert (answer["who"], answer["channel"]) == ("alice", "command_line")
    assert kinds["gate"]["commit"] == made


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "nobody has decided"),
        (["--approver", "mallory"], "'mallory' is not on the list of approvers"),
        (["--bump", "huge"], "use major, minor or patch"),
    ],
)
def test_refusals_are_one_line_and_exit_code_1(
    project: Path, arguments: list[str], says: str
) -> None:
    made = make_run(project, 1, "review")
    done = call(project, "release", made, *arguments)
    assert done.exit_code == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert git(project, "tag") == ""


def test_the_command_that_a_refusal_names_releases(project: Path) -> None:
    refused = call(project, "release", make_run(project, 1))
    command = refused.stderr.strip().partition("approve it with: signalbox ")[2]
    assert command
    done = call(project, *command.replace("NAME", "alice").split())
    assert done.exit_code == 0, done.stderr


def test_head_is_not_released_from_a_dirty_work_tree(project: Path) -> None:
    make_run(project, 1)
    (project / "models/model.json").write_text("something else")
    done = call(project, "release", "HEAD", "--approver", "alice")
    assert done.exit_code == 1
    assert "models/model.json" in done.stderr
    assert "HEAD would be released without them" in done.stderr
    git(project, "restore", "models/model.json")
    assert call(project, "release", "HEAD", "--approver", "alice").exit_code == 0


def test_rollback_and_registry(project: Path) -> None:
    for n in (1, 2):
        release_run(project, n)
    done = call(project, "rollback", "--who", "bob", "--reason", "complaints")
    assert done.exit_code == 0, done.stderr
    assert "rollback: model_release v1.0.0 is in production (before: v1.1.0)" in done.stdout
    shown = json.loads(call(project, "registry", "show", "--json").stdout)
    assert [(one["version"], one["stages"]) for one in shown["versions"]] == [
        ("v1.0.0", ["production"]), ("v1.1.0", []),
    ]  # fmt: skip
    assert shown["problems"] == []
    refused = call(project, "rollback", "--who", "mallory", "--reason", "fun")
    assert (refused.exit_code, "not on the list" in refused.stderr) == (1, True)
    assert call(project, "rollback", "--who", "bob").exit_code == 2


def test_without_a_product_every_product_is_shown(project: Path) -> None:
    release_run(project, 1)
    text = call(project, "registry", "show").stdout
    assert "model_release: v1.0.0 is in production" in text
    assert "alert_noise_reduction: nothing has been released yet" in text
    shown = json.loads(call(project, "registry", "show", "--json").stdout)
    assert shown["production"] == {"model_release": "v1.0.0", "alert_noise_reduction": None}
    assert [version["product"] for version in shown["versions"]] == ["model_release"]
    one = call(project, "registry", "show", "--product", "alert_noise_reduction")
    assert one.stdout == "alert_noise_reduction: nothing has been released yet\n"
    unknown = call(project, "registry", "show", "--product", "models")
    assert (unknown.exit_code, "has no 'models'" in unknown.stderr) == (1, True)


def test_what_is_wrong_with_the_ledger_is_said_once(project: Path) -> None:
    release_run(project, 1)
    ledger = Ledger.of(project).path
    ledger.write_bytes(ledger.read_bytes().replace(b"alice", b"mallo"))
    shown = call(project, "registry", "show")
    assert shown.exit_code == 1
    assert shown.stdout.count("ledger.jsonl") == 1


def test_a_release_needs_a_product_only_where_several_are_meant(project: Path) -> None:
    made = make_run(project, 1)
    git(project, "update-ref", "refs/runs/model_release/manual__1", made)
    both = {
        "evidence/gate.json", "metrics/gate.json", "evidence/gate_rules.json", *ARTIFACTS, REPORT,
    }  # fmt: skip
    (project / "evidence/gate_rules.json").write_text("{}")
    write_lock(project, sorted(both))
    several = commit(project, "both products")
    refused = call(project, "release", several, "--approver", "alice")
    assert refused.exit_code == 1
    assert "holds model_release and alert_noise_reduction: say which one" in refused.stderr
    git(project, "update-ref", "refs/runs/model_release/manual__2", several)
    named = call(project, "release", "model_release/manual__2", "--approver", "alice")
    assert named.exit_code == 0, named.stderr
    assert "release: model_release v1.0.0 is in production" in named.stdout


def test_a_commit_without_a_decision_and_an_empty_stage_are_told(project: Path) -> None:
    make_run(project, 1)
    (project / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    bare = commit(project, "no run")
    refused = call(project, "release", bare, "--approver", "alice")
    assert (refused.exit_code, "holds no gate's decision" in refused.stderr) == (1, True)
    nothing = call(project, "rollback", "--who", "bob", "--reason", "complaints")
    assert (nothing.exit_code, "nothing to go back from" in nothing.stderr) == (1, True)


def test_registry_names_what_is_wrong_and_repair_finishes(project: Path) -> None:
    release_run(project, 1)
    git(project, "tag", "--delete", "model_release#production#1")
    shown = call(project, "registry", "show")
    assert shown.exit_code == 1
    assert "has no tag model_release#production#1" in " ".join(shown.stdout.split())
    repaired = call(project, "registry", "repair", "--json")
    assert "made now: tags" in json.loads(repaired.stdout)["repaired"][0]
    assert call(project, "registry", "show").exit_code == 0
    commit(project, "x")
    assert json.loads(call(project, "registry", "repair", "--json").stdout) == {"repaired": []}


def test_a_run_whose_gate_airflow_logged_gets_no_second_gate_entry(project: Path) -> None:
    made = make_run(project, 1)
    git(project, "update-ref", "refs/runs/model_release/manual__1", made)
    record_gate(project, "model_release", made, "model_release/manual__1")
    done = call(project, "release", "model_release/manual__1", "--approver", "alice")
    assert done.exit_code == 0, done.stderr
    gates = [entry for entry in Ledger.of(project).entries() if entry.kind == "gate"]
    assert [entry.data["run"] for entry in gates] == ["model_release/manual__1"]


def test_a_refused_push_is_a_warning_beside_the_release(project: Path) -> None:
    config = (project / "release.yaml").read_text()
    (project / "release.yaml").write_text(f"{config}registry: {{push_to: origin}}\n")
    git(project, "remote", "add", "origin", str(project / "nowhere"))
    made = make_run(project, 1)
    done = call(project, "release", made, "--approver", "alice")
    assert done.exit_code == 0
    assert "is in production" in done.stdout
    assert "warning: tags" in done.stderr
    assert "git push origin" in done.stderr
    assert call(project, "registry", "show").exit_code == 1
