"""A release needs gate, consent and a sound repository; it leaves entry, tags and pointer."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from pipelines.core.errors import SignalboxError
from pipelines.release.approval import Answer, ApprovalParams, outcome
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import problems, production, record_outcome, release
from pipelines.release.registry import current, versions
from pipelines.release.released import read_released
from tests.unit.release.lifecycle.product import (
    PRODUCT,
    candidate,
    commit,
    consent,
    consent_headless,
    git,
    make_run,
    release_run,
    write_lock,
)

POINTER = "released/model_release.json"


def entries(project: Path, kind: str) -> list[dict[str, object]]:
    return [one.data for one in Ledger.of(project).entries() if one.kind == kind]


def test_it_leaves_an_entry_tags_that_name_it_and_a_pointer(project: Path) -> None:
    made = make_run(project, 1)
    approval = consent(project, made)
    done = release(project, PRODUCT, made, approval=approval.hash)

    assert (done.version, done.stage, done.replaces) == ("v1.0.0", "production", None)
    entry = Ledger.of(project).entries()[-1]
    assert (entry.kind, entry.hash) == ("release", done.entry_hash)
    assert entry.data["approval"]["hash"] == approval.hash
    assert entry.data["approval"]["by"] == ["alice"]
    assert entry.data["gate"]["verdict"] == "approve"
    assigned = current(project, PRODUCT, "production")
    assert assigned is not None
    assert (assigned.version, assigned.commit, assigned.anchor) == ("v1.0.0", made, entry.hash)
    assert versions(project, PRODUCT)[0].anchor == entry.hash
    pointer = read_released(project / POINTER)
    assert pointer is not None
    assert (pointer.name, pointer.commit) == ("model_release@v1.0.0", made)
    assert set(pointer.artifacts) == {
        "models/model.skops", "models/model.json", "data/split/train.parquet",
    }  # fmt: skip
    assert production(project, PRODUCT) == pointer
    assert problems(project, PRODUCT) == []
    assert Ledger.of(project).verify().ok


def test_the_next_release_counts_up_and_says_what_it_replaces(project: Path) -> None:
    release_run(project, 1)
    second = release_run(project, 2)
    assert (second.version, second.replaces) == ("v1.1.0", "v1.0.0")
    assert [one.stages for one in versions(project, PRODUCT)] == [(), ("production",)]


def test_staging_moves_no_pointer_and_production_reuses_the_version(project: Path) -> None:
    made = make_run(project, 1)
    consent(project, made)
    staged = release(project, PRODUCT, made, stage="staging")
    assert json.loads((project / POINTER).read_text()) == {"released": None}
    assert staged.pointer == ""
    assert release(project, PRODUCT, made).version == staged.version == "v1.0.0"
    assert versions(project, PRODUCT)[0].stages == ("production", "staging")


def test_a_saved_run_is_found_by_its_name(project: Path) -> None:
    made = make_run(project, 1)
    git(project, "update-ref", "refs/runs/model_release/manual__1", made)
    consent(project, made)
    assert release(project, PRODUCT, "model_release/manual__1").commit == made


def refused(project: Path, made: str, match: str, **how: str) -> None:
    before = [one.kind for one in Ledger.of(project).entries()]
    pointer = (project / POINTER).read_bytes()
    with pytest.raises(SignalboxError, match=match):
        release(project, PRODUCT, made, **how)  # type: ignore[arg-type]
    after = [one.kind for one in Ledger.of(project).entries()]
    assert after.count("release") == before.count("release")
    assert (project / POINTER).read_bytes() == pointer


@pytest.mark.parametrize("verdict", ["approve", "review", "reject"])
def test_nobodys_consent_is_no_consent(project: Path, verdict: str) -> None:
    made = make_run(project, 1, verdict)
    refused(project, made, "nobody has decided")
    assert git(project, "tag") == ""


def test_a_rejection_after_an_approval_counts(project: Path) -> None:
    made = make_run(project, 1, "review")
    first = consent(project, made, "review")
    consent(project, made, "review", Answer(who="bob", approves=False, reason="too early"))
    refused(project, made, "bob rejects it: too early")
    refused(project, made, "was not approved", approval=first.hash)


@pytest.mark.parametrize(
    ("path", "says"),
    [("evidence/gate.json", "evidence was"), ("reports/model_release.html", "report was")],
)
def test_an_approval_of_other_bytes_is_none(project: Path, path: str, says: str) -> None:
    """The approver saw one file, the commit's `dvc.lock` names another."""
    made = make_run(project, 1)
    (project / path).write_text((project / path).read_text() + "<!-- kinder -->")
    shown = candidate(project, commit(project, "what the approver sees"), "approve")
    answer = Answer(who="alice", approves=True, channel="command_line")
    decided = outcome([answer], "approve", ApprovalParams(approvers=["alice"]))
    record_outcome(project, dataclasses.replace(shown, commit=made), decided)
    refused(project, made, says)


def test_an_approval_of_another_run_of_the_same_commit_is_none(project: Path) -> None:
    made = make_run(project, 1)
    consent(project, made)
    refused(project, made, "run was 'r', is 'other'", run="other")
    assert release(project, PRODUCT, made, run="r").version == "v1.0.0"


def test_an_outcome_whose_answers_stand_under_no_question_is_no_consent(project: Path) -> None:
    """Whoever can append to the ledger's outcomes alone cannot speak for an approver."""
    made = make_run(project, 1)
    decided = outcome(
        [Answer(who="alice", approves=True)], "approve", ApprovalParams(approvers=["alice"])
    )
    record_outcome(project, candidate(project, made, "approve"), decided)
    refused(project, made, "answers that stand under no question")


def test_an_approval_of_another_commit_is_none(project: Path) -> None:
    consent(project, make_run(project, 1))
    refused(project, make_run(project, 2), "nobody has decided")


def test_an_approver_who_was_taken_off_the_list_no_longer_counts(project: Path) -> None:
    made = make_run(project, 1)
    consent(project, made)
    (project / "release.yaml").write_text(yaml.safe_dump({"approval": {"approvers": ["bob"]}}))
    refused(project, made, "'alice' is not on the list")


def test_a_plain_approval_doesnt_release_what_the_gate_rejects(project: Path) -> None:
    made = make_run(project, 1, "reject")
    consent(project, made, "review")  # an entry that claims another verdict
    refused(project, made, "verdict was 'review', is 'reject'")


def test_an_override_releases_and_says_who_and_why(project: Path) -> None:
    policy = {"approvers": ["alice", "bob"], "on_reject": "ask_override"}
    (project / "release.yaml").write_text(yaml.safe_dump({"approval": policy}))
    made = make_run(project, 1, "reject")
    why = "The failing check measures a slice that is retired on Monday."
    entry = consent(
        project, made, "reject",
        Answer(who="alice", approves=True, reason=why), Answer(who="bob", approves=True),
    )  # fmt: skip
    assert entry.kind == "override"
    release(project, PRODUCT, made)
    told = entries(project, "release")[0]["approval"]
    assert isinstance(told, dict)
    assert (told["kind"], told["by"], told["reasons"]) == ("override", ["alice", "bob"], [why])


def test_demo_approval_is_named_as_such_and_only_where_the_policy_is_on(project: Path) -> None:
    made = make_run(project, 1, "review", demo=True)
    decided, entry = consent_headless(project, made, "review")
    assert (decided.kind, entry.kind) == ("stopped", "rejection")
    refused(project, made, "nobody could be asked")
    policy = {"approvers": ["alice"], "headless": "auto_approve_demo"}
    (project / "release.yaml").write_text(yaml.safe_dump({"approval": policy}))
    decided, entry = consent_headless(project, made, "review")
    assert entry.data["outcome"]["policy"] == "auto-approve in demo"
    release(project, PRODUCT, made)
    (project / "release.yaml").write_text(yaml.safe_dump({"approval": {"approvers": ["alice"]}}))
    other = make_run(project, 2, "review", demo=True)
    consent_headless(project, other, "review")
    refused(project, other, "nobody could be asked")


def test_demo_approval_of_other_data_than_the_demos_releases_nothing(project: Path) -> None:
    policy = {"approvers": ["alice"], "headless": "auto_approve_demo"}
    (project / "release.yaml").write_text(yaml.safe_dump({"approval": policy}))
    made = make_run(project, 1, "review")
    decided, entry = consent_headless(project, made, "review", demo=False)
    assert (decided.kind, entry.kind) == ("stopped", "rejection")
    assert "bundled demo's data alone" in decided.reasons[0]
    consent_headless(project, made, "review", demo=True)  # an entry that claims it was the demo's
    refused(project, made, "acts on the bundled demo's data alone")


def test_a_gate_decision_changed_by_hand_is_refused(project: Path) -> None:
    make_run(project, 1, "reject")
    metrics = project / "metrics/gate.json"
    metrics.write_text(metrics.read_text().replace("reject", "approve"))
    made = commit(project, "cheat")
    consent(project, made)
    refused(project, made, r"metrics/gate.json of commit .* was changed after its stage made it")


def test_metrics_and_evidence_that_disagree_are_no_decision(project: Path) -> None:
    make_run(project, 1, "reject")
    metrics = project / "metrics/gate.json"
    metrics.write_text(metrics.read_text().replace("reject", "approve"))
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    write_lock(project, [out["path"] for out in lock["stages"]["all"]["outs"]])
    made = commit(project, "cheat, with lock")
    consent(project, made)
    refused(project, made, "that is no gate decision")


def test_an_artifact_that_isnt_what_its_stage_made_is_refused(project: Path) -> None:
    make_run(project, 1)
    (project / "models/model.skops").write_text("another model")
    made = commit(project, "swapped")
    consent(project, made)
    refused(project, made, r"models/model.skops .* was changed after its stage made it")


def test_a_commit_without_a_run_is_refused(project: Path) -> None:
    refused(project, "HEAD", "has no dvc.lock")


def test_an_unknown_commit_is_refused(project: Path) -> None:
    refused(project, "nope", "no commit, tag or saved run 'nope'")


def test_a_run_judged_against_another_release_is_refused(project: Path) -> None:
    late = make_run(project, 9)
    consent(project, late)
    release_run(project, 1)
    refused(project, late, r"compared .* with no release, but in production is model_release@v1")


def test_what_is_in_production_already_is_refused(project: Path) -> None:
    done = release_run(project, 1)
    refused(project, done.commit, "is in production already")


def test_a_pointer_edited_by_hand_is_not_overwritten(project: Path) -> None:
    release_run(project, 1)
    made = make_run(project, 2)
    consent(project, made)
    pointer = project / POINTER
    pointer.write_text(pointer.read_text().replace("v1.0.0", "v7.0.0"))
    refused(project, made, "no release in the ledger wrote that")


def test_a_broken_ledger_releases_nothing(project: Path) -> None:
    made = make_run(project, 1)
    consent(project, made)
    ledger = Ledger.of(project).path
    ledger.write_text(ledger.read_text().replace("alice", "carol"))
    with pytest.raises(SignalboxError, match="the ledger is broken at line"):
        release(project, PRODUCT, made)
    assert git(project, "tag") == ""


def test_no_identity_a_detached_head_an_unborn_branch_no_repository(
    project: Path, tmp_path: Path
) -> None:
    made = make_run(project, 1)
    consent(project, made)
    git(project, "config", "--unset", "user.email")
    refused(project, made, "git doesn't know who you are")
    git(project, "config", "user.email", "rel@example.org")
    git(project, "checkout", "--quiet", "--detach")
    refused(project, made, "HEAD is detached")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SignalboxError, match="not a git repository"):
        release(empty, PRODUCT, "HEAD")
    git(empty, "init", "--quiet")
    with pytest.raises(SignalboxError, match="no commit yet"):
        release(empty, PRODUCT, "HEAD")


def push_to(project: Path, remote: str) -> None:
    config = yaml.safe_load((project / "release.yaml").read_text())
    config["registry"] = {"push_to": remote}
    (project / "release.yaml").write_text(yaml.safe_dump(config))


def test_tags_are_pushed_where_the_config_says_and_a_missing_remote_stops_all(
    project: Path, tmp_path: Path
) -> None:
    push_to(project, "origin")
    made = make_run(project, 1)
    consent(project, made)
    refused(project, made, "git has no remote 'origin'")
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    git(project, "remote", "add", "origin", str(tmp_path / "remote.git"))
    release(project, PRODUCT, made)
    pushed = git(tmp_path / "remote.git", "tag").splitlines()
    assert pushed == ["model_release#production#1", "model_release@v1.0.0"]


def test_a_product_nobody_declared_is_refused(project: Path) -> None:
    with pytest.raises(SignalboxError, match=r"registry\.products has no 'soup'"):
        release(project, "soup", make_run(project, 1))
