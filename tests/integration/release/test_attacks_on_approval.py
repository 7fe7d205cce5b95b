"""What somebody with a login can arrange, and what it does not bring about."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput

from dvc_airflow.runtime.facts import write_facts
from dvc_airflow.runtime.run_key import RunKey
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import production, record_run, rollback
from pipelines.release.lifecycle.candidate import require_own_evidence
from pipelines.release.lifecycle.files import CommitFiles
from pipelines.release.registry import versions
from pipelines.release.registry.read import load_product
from signalbox_airflow.release_work import overrides_of, record, release_recorded
from tests.integration.release.test_questions import (
    BEHIND,
    REF,
    WHY,
    Run,
    draw,
    other_commit,
    said,
    set_policy,
)
from tests.unit.release.lifecycle.product import PRODUCT, REPORT, commit, git, make_run, write_lock

__all__ = ["draw"]


def recorded_again(run: Run, made: str) -> None:
    """Let the run's name stand for another commit, as a cleared or deleted run may."""
    git(run.project, "update-ref", REF, made)
    record(run.project, PRODUCT, "save_run", run.context("record_run"))


def test_a_run_that_asked_about_one_commit_asks_about_no_other(draw: Any) -> None:
    """Airflow shows a cleared task's question as it was worded first."""
    run = draw()
    run.start("review")
    run.question("approve_release")
    recorded_again(run, other_commit(run))
    with pytest.raises(AirflowFailException, match="would still read the earlier question"):
        run.ask("approve_release")
    assert len(run.asked) == 1
    assert run.last().kind == "refusal"
    with pytest.raises(AirflowFailException, match="about something else"):
        run.resume("approve_release", said("alice"))
    assert versions(run.project, PRODUCT) == []


def test_the_same_question_can_be_asked_again(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.answer("approve_release", "alice", "Reject", "not yet")
    run.answer("approve_release", "alice")
    assert run.last().kind == "approval"


def test_a_run_that_is_called_like_another_is_refused(draw: Any) -> None:
    """Whoever starts a run chooses its id."""
    run = draw()
    run.start("review")
    run.question("approve_release")
    before = Ledger.of(run.project).entries()

    def another(name: str) -> dict[str, Any]:
        ours = run.context(name)
        ours["ti"].run_id = "manual_:1"
        return {**ours}

    name = "demo/manual__1"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signalbox_airflow.release_work.run_name", lambda context: name)
        patch.setattr(
            "signalbox_airflow.release_work.read_saved",
            lambda project, key: Saved(other_commit(run)),
        )
        with pytest.raises(AirflowFailException, match="has the same name"):
            record(run.project, PRODUCT, "save_run", another("record_run"))
        assert Ledger.of(run.project).entries() == before
        with pytest.raises(AirflowFailException, match="has the same name"):
            release_recorded(run.project, PRODUCT, another("release"))


class Saved:
    def __init__(self, commit: str) -> None:
        self.commit = commit


def test_an_approval_allows_one_release(draw: Any) -> None:
    """A cleared task must not bring back what was rolled back."""
    run = draw()
    run.start("review")
    run.answer("approve_release", "alice")
    first = run.release()
    commit(run.project, "release")
    second = make_second(run)
    assert in_production(run) == second
    rollback(run.project, PRODUCT, reason="It is worse.", who="alice")
    commit(run.project, "rollback")
    with pytest.raises(AirflowFailException, match="allowed one release, which took place as"):
        release_recorded(run.project, PRODUCT, second_context(run))
    assert run.last().kind == "refusal"
    assert in_production(run) == first["commit"]


def in_production(run: Run) -> str:
    now = production(run.project, PRODUCT)
    return "" if now is None else now.commit


def make_second(run: Run) -> str:
    made = make_run(run.project, 2, "review")
    git(run.project, "update-ref", "refs/runs/demo/manual__2", made)
    record(run.project, PRODUCT, "save_run", second_context(run))
    task = run.dag.get_task("approve_release")
    with pytest.raises(TaskAwaitingInput):
        task.execute(second_context(run))
    task.execute_complete(second_context(run), said("alice"))
    release_recorded(run.project, PRODUCT, second_context(run))
    commit(run.project, "second release")
    return made


def second_context(run: Run) -> dict[str, Any]:
    context = run.context("approve_release")
    context["ti"].run_id = "manual__2"
    return context


@pytest.mark.parametrize(
    ("minutes", "says"), [(-10, "before question"), (10, "silence is not an approval")]
)
def test_an_answer_from_before_the_question_or_after_its_time_approves_nothing(
    draw: Any, minutes: int, says: str
) -> None:
    run = draw(timeout_seconds=60)
    run.start("review")
    run.question("approve_release")
    answer = said("alice")
    answer["responded_at"] = datetime.now(UTC) + timedelta(minutes=minutes)
    if minutes < 0:
        with pytest.raises(AirflowFailException, match=says):
            run.resume("approve_release", answer)
        assert run.last().kind == "refusal"
    else:
        assert set(run.resume("approve_release", answer)) == BEHIND
        assert says in run.last().data["outcome"]["reasons"][0]
    with pytest.raises(AirflowFailException):
        run.release()
    assert versions(run.project, PRODUCT) == []


def test_a_first_answer_that_is_late_overrides_nothing(draw: Any) -> None:
    run = draw(on_reject="ask_override", timeout_seconds=60)
    run.start("reject")
    run.question("override_release")
    late = {**said("alice", reason=WHY), "responded_at": datetime.now(UTC) + timedelta(hours=1)}
    assert set(run.resume("override_release", late)) == {"confirm_override", *BEHIND}
    assert run.last().data["outcome"]["kind"] == "timed_out"


def test_a_default_that_airflow_put_in_for_silence_approves_nothing(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.question("approve_release")
    assert set(run.resume("approve_release", {**said("alice"), "timedout": True})) == BEHIND
    assert run.last().data["outcome"]["kind"] == "timed_out"


@pytest.mark.parametrize("who", ["Alice", "ALICE", " alice", "alice ", "ａlice", "al\u200bice"])
def test_a_login_that_only_looks_like_an_approvers_approves_nothing(draw: Any, who: str) -> None:
    run = draw()
    run.start("review")
    assert set(run.answer("approve_release", who)) == BEHIND
    assert "not on the list" in run.last().data["outcome"]["reasons"][0]


def test_the_name_that_is_shown_is_not_the_login(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.question("approve_release")
    answer = {**said("mallory"), "responded_by_user": {"id": "mallory", "name": "alice"}}
    assert set(run.resume("approve_release", answer)) == BEHIND
    assert run.last().kind == "rejection"


def change_params(run: Run, **values: Any) -> None:
    """Let the run's commit say what was changed for it, as `save_run` does."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    message = "\n".join(["Run demo manual__1", "", "Parameters:", *lines, "", "Dag-Id: demo"])
    git(run.project, "commit", "--quiet", "--amend", "-m", f"{message}\nRun-Id: manual__1")
    git(run.project, "update-ref", REF, "HEAD")


def test_a_run_with_changed_parameters_is_asked_about_though_the_gate_approves(draw: Any) -> None:
    """Who may start a run may change what the gate asks for."""
    run = draw(when="review")
    make_run(run.project, 1, "approve")
    change_params(run, **{"gate.checks": [{"id": "ranking", "threshold": 0.5}]})
    run.xcoms["save_run", "return_value"] = {"ref": REF}
    record(run.project, PRODUCT, "save_run", run.context("record_run"))
    with pytest.raises(AirflowFailException, match="nobody has decided"):
        run.release()
    run.question("approve_release")
    body = run.asked[0]["body"]
    assert "Whoever started this run changed its parameters" in body
    assert '- `gate.checks` = `[{"id": "ranking", "threshold": 0.5}]`' in body
    run.resume("approve_release", said("alice"))
    assert run.release()["version"] == "v1.0.0"


def test_changes_of_the_run_that_a_run_is_based_on_count_as_its_own(project: Path) -> None:
    make_run(project, 1)
    message = 'Run d a\n\nParameters:\ntrain.lr = 1\nx = "a"\n\nDag-Id: d\nRun-Id: a'
    git(project, "commit", "--quiet", "--amend", "-m", message)
    later = "Run d b\n\nParameters:\ntrain.lr = 2\n\nDag-Id: d\nRun-Id: b"
    git(project, "commit", "--quiet", "--allow-empty", "-m", later)
    assert overrides_of(project, git(project, "rev-parse", "HEAD")) == {"train.lr": 2, "x": "a"}


@pytest.mark.parametrize("known", [False, True])
def test_code_that_isnt_the_branchs_is_asked_about_and_said(
    draw: Any, tmp_path: Path, known: bool
) -> None:
    """Who writes the first task's XCom chooses the commit that is run."""
    run = draw()
    home = git(run.project, "rev-parse", "HEAD")
    git(run.project, "checkout", "--quiet", "-b", "side")
    side = commit(run.project, "Working tree at the start of demo manual__1")
    make_run(run.project, 1, "approve")
    git(run.project, "commit", "--quiet", "--amend", "-m", "Run demo x\n\nDag-Id: d\nRun-Id: x")
    git(run.project, "update-ref", REF, "HEAD")
    git(run.project, "checkout", "--quiet", "main")
    assert git(run.project, "rev-parse", "HEAD") == home
    set_policy(run.project, when="review")
    run.dag.get_task("save_run").workspaces = str(tmp_path)
    write_facts(RunKey("demo", "manual__1"), tmp_path, {"commit": side if known else home})
    run.xcoms["save_run", "return_value"] = {"ref": REF}
    record(run.project, PRODUCT, "save_run", run.context("record_run"))
    if known:  # a snapshot of the work tree, taken by the run's first task on this machine
        assert run.ask("approve_release")["policy"].startswith("the gate's approval suffices")
        return
    run.question("approve_release")
    assert f"code that isn't in the branch's history: commit `{side}`" in run.asked[0]["body"]
    assert "changed its parameters" not in run.asked[0]["body"]


FOREIGN = "0" * 64


@pytest.mark.parametrize("path", ["models/model.skops", "evidence/evaluate.json"])
def test_real_evidence_of_another_run_is_refused(draw: Any, path: str) -> None:
    """``dvc.lock`` is put together from what tasks report, and others can write that."""
    run = draw()
    make_run(run.project, 1, "approve")
    judged(run.project, path, FOREIGN)
    with pytest.raises(AirflowFailException, match=f"was computed from another {path}"):
        run_of(run)
        run.ask("approve_release")
    assert run.asked == []
    assert run.last().kind == "refusal"


def test_evidence_of_this_run_is_not(draw: Any) -> None:
    run = draw()
    make_run(run.project, 1, "approve")
    judged(run.project, "models/model.skops", "")
    run_of(run)
    run.question("approve_release")


@pytest.mark.parametrize("about", ["this run", "another run", "nothing"])
def test_a_report_of_another_run_is_refused(draw: Any, about: str) -> None:
    run = draw()
    make_run(run.project, 1, "approve")
    gate = hashlib.sha256((run.project / "evidence/gate.json").read_bytes()).hexdigest()
    named = {"this run": f"{FOREIGN} {gate}", "another run": FOREIGN, "nothing": ""}[about]
    (run.project / REPORT).write_text(f"<title>all is well</title> {named}")
    lock = yaml.safe_load((run.project / "dvc.lock").read_text())
    write_lock(run.project, [out["path"] for out in lock["stages"]["all"]["outs"]])
    commit(run.project, "reported")
    if about != "another run":
        run_of(run)
        run.question("approve_release")
        return
    with pytest.raises(AirflowFailException, match=r"is about another evidence/gate\.json"):
        run_of(run)
        run.ask("approve_release")
    assert run.asked == []


def judged(project: Path, path: str, sha256: str) -> None:
    """Let the gate judge an evaluation of a file with this hash; '' = its own."""
    target = project / path
    if path.startswith("evidence/"):
        target.write_text('{"inputs": {}}')
    evaluated = {path: sha256 or hashlib.sha256(target.read_bytes()).hexdigest()}
    gate = json.loads((project / "evidence/gate.json").read_text())
    if path.startswith("evidence/"):
        gate["inputs"] = evaluated
    else:
        middle = project / "evidence/evaluate.json"
        middle.write_text(json.dumps({"inputs": evaluated}))
        sha = hashlib.sha256(middle.read_bytes()).hexdigest()
        gate["inputs"] = {"evidence/evaluate.json": sha}
    (project / "evidence/gate.json").write_text(json.dumps(gate))
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    paths = [out["path"] for out in lock["stages"]["all"]["outs"]]
    write_lock(project, sorted({*paths, "evidence/evaluate.json"}))
    commit(project, "judged")


def run_of(run: Run) -> None:
    git(run.project, "update-ref", REF, "HEAD")
    run.xcoms["save_run", "return_value"] = {"ref": REF}
    record(run.project, PRODUCT, "save_run", run.context("record_run"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        (
            {"params": {"gate": {"checks": [2]}}},
            "stage gate ran with another gate than params.yaml",
        ),
        ({"params": {"gate.checks": [1.0]}}, ""),
        ({"params": {"gate.checks": [2]}}, "stage gate ran with another gate.checks"),
        ({"params": {"elsewhere.key": 1}}, ""),
        ({"md5": "f" * 32}, "stage gate read another evidence/evaluate.json than stage evaluate"),
    ],
)
def test_stages_that_ran_with_other_parameters_or_on_other_files_are_refused(
    project: Path, changes: dict[str, Any], says: str
) -> None:
    make_run(project, 1)
    (project / "params.yaml").write_text("gate:\n  checks: [1]\n")
    (project / "evidence/evaluate.json").write_text("{}")
    md5 = hashlib.md5(b"{}").hexdigest()
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    lock["stages"] = {
        "gate": {
            "deps": [{"path": "evidence/evaluate.json", "md5": changes.get("md5", md5)}],
            "params": {"params.yaml": changes.get("params", {"gate": {"checks": [1]}})},
            "outs": lock["stages"]["all"]["outs"],
        },
        "evaluate": {"outs": [{"path": "evidence/evaluate.json", "md5": md5}]},
        "stale": {"params": {"params.yaml": {"gate": None}}, "outs": []},
    }
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))
    files = CommitFiles(project, commit(project, "locked"))
    if not says:
        require_own_evidence(files, load_product(project, PRODUCT))
        return
    with pytest.raises(Exception, match=says):
        require_own_evidence(files, load_product(project, PRODUCT))


def test_a_report_exchanged_in_the_cache_is_refused_by_its_hash(draw: Any) -> None:
    """As by somebody who may write to the DVC remote, or to a worker's disk."""
    run = draw()
    make_run(run.project, 1, "review")
    report = (run.project / REPORT).read_bytes()
    md5 = hashlib.md5(report).hexdigest()
    git(run.project, "rm", "--quiet", "--cached", REPORT)
    (run.project / ".gitignore").write_text(f"{REPORT}\n.dvc\n")
    commit(run.project, "the report is in the cache")
    cached = run.project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(report)
    run_of(run)
    run.question("approve_release")
    cached.write_bytes(b"<title>all is well</title>")
    with pytest.raises(AirflowFailException, match="was changed after its stage made it"):
        run.resume("approve_release", said("alice"))
    assert run.last().kind == "refusal"


def test_an_approval_that_names_a_question_about_something_else_is_none(draw: Any) -> None:
    run = draw()
    made = run.start("review")
    run.answer("approve_release", "alice")
    approved = run.last()
    record_run(run.project, PRODUCT, run="demo/x", commit=made, facts={})
    other = {**approved.data, "run": "demo/x"}
    Ledger.of(run.project).append("approval", PRODUCT, other)
    with pytest.raises(AirflowFailException, match="about something else"):
        run.release()
    assert versions(run.project, PRODUCT) == []


def test_an_edited_ledger_releases_nothing(draw: Any) -> None:
    run = draw()
    run.start("review")
    run.answer("approve_release", "alice", "Reject", "no")
    path = Ledger.of(run.project).path
    path.write_bytes(path.read_bytes().replace(b'"approves":false', b'"approves":true'))
    with pytest.raises(AirflowFailException):
        run.release()
    assert versions(run.project, PRODUCT) == []
    assert not Ledger.of(run.project).verify().ok


def test_the_second_person_reads_who_overrides_and_why(draw: Any) -> None:
    run = draw(on_reject="ask_override")
    run.start("reject")
    run.answer("override_release", "alice", reason=f"{WHY} `x`\n# ok")
    run.question("confirm_override")
    told = run.asked[-1]["body"]
    assert f'`"alice"` overrides it, and says: `"{WHY} \'x\'\\n# ok"`' in told


def test_a_list_with_two_spellings_of_one_login_is_refused(draw: Any, project: Path) -> None:
    set_policy(project, approvers=["alice", "Alice"], on_reject="ask_override")
    with pytest.raises(Exception, match="two spellings"):
        draw()
