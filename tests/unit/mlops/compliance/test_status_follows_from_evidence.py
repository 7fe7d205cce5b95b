from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines.core.errors import SignalboxError
from pipelines.mlops.compliance.requirement import Check, Requirement
from tests.unit.mlops.release_report import cases

Hold = Callable[[], dict[str, dict[str, Any]]]
Log = Callable[..., None]


@pytest.mark.parametrize(
    ("checks", "status"),
    [
        ([Check("a", True), Check("b", True)], "met"),
        ([Check("a", True), Check("b", False, refuted=True)], "partly"),
        ([Check("a", False), Check("b", False)], "missing"),
        ([Check("a", False), Check("b", False, refuted=True)], "not met"),
        ([], "missing"),
    ],
)
def test_a_status_is_computed_from_the_checks(checks: list[Check], status: str) -> None:
    assert Requirement("id", "place", "title", "asks", checks).status == status


def test_without_any_evidence_there_is_no_report(project: Path, hold: Hold) -> None:
    for path in (project / "evidence").iterdir():
        path.unlink()
    with pytest.raises(SignalboxError, match="no evidence at all"):
        hold()


def test_without_a_ledger_nothing_is_recorded(hold: Hold) -> None:
    assert hold()["ai_act.12"]["status"] == "missing"


def test_record_keeping_needs_every_kind_of_entry(hold: Hold, log: Log) -> None:
    for kind in ("run", "gate", "scoring"):
        log(kind)
    assert hold()["ai_act.12"]["status"] == "partly"
    log("release")
    assert hold()["ai_act.12"]["status"] == "met"


def test_a_ledger_that_does_not_hold_proves_nothing(project: Path, hold: Hold, log: Log) -> None:
    for kind in ("run", "gate", "scoring", "release"):
        log(kind)
    path = project / "ledger/ledger.jsonl"
    path.write_text(path.read_text().replace('"scoring"', '"scored"'))
    held = hold()["ai_act.12"]
    assert held["status"] == "missing"
    assert "does not hold" in held["checks"][0]["shown"]


@pytest.mark.parametrize(
    ("kind", "outcome", "found"),
    [
        ("approval", "approved", True),
        ("override", "overridden", True),
        ("rejection", "rejected", True),
        ("approval", "auto_approved", False),
        ("rejection", "timed_out", False),
    ],
)
def test_oversight_needs_a_person(
    hold: Hold, log: Log, kind: str, outcome: str, found: bool
) -> None:
    log(kind, outcome={"kind": outcome, "answers": [{"who": "alice", "approves": True}]})
    check = next(c for c in hold()["ai_act.14"]["checks"] if c["shown"].startswith("A named"))
    assert (check["found"], check["refuted"]) == (found, not found)


def test_missing_bias_audit_turns_local_law_144_red(project: Path, hold: Hold) -> None:
    before = hold()
    assert before["ll144.sex"]["status"] == "met"
    assert before["ll144.race"]["status"] == "missing"
    (project / "evidence/bias_audit.json").unlink()
    after = hold()
    for part in ("sex", "race", "both", "exclusions", "unknown"):
        assert after[f"ll144.{part}"]["status"] == "missing"


def test_a_ratio_below_four_fifths_is_not_met_and_not_just_missing(hold: Hold) -> None:
    held = hold()
    assert held["eeoc.sex"]["status"] == "not met"
    assert "0.330 (Female)" in held["eeoc.sex"]["checks"][0]["shown"]
    assert held["eeoc.race"]["status"] == "missing"


def test_categories_left_out_need_a_reason_and_keep_to_two_percent(hold: Hold) -> None:
    assert hold()["ll144.exclusions"]["status"] == "met"
    audit = cases.fairness()
    tiny = next(g for g in audit["audit"]["dimensions"][0]["groups"] if g["group"] == "tiny")
    tiny["rates"]["selection_rate"]["value"] = None
    cases.leave(details={"bias_audit": audit})
    assert hold()["ll144.exclusions"]["status"] == "not met"
    audit = cases.fairness()
    audit["audit"]["min_share"] = 0.1
    cases.leave(details={"bias_audit": audit})
    assert hold()["ll144.exclusions"]["status"] == "not met"


def test_a_document_counts_only_if_it_is_there(project: Path, hold: Hold) -> None:
    (project / "release.yaml").write_text("compliance: {cybersecurity: docs/security.md}\n")
    assert hold()["ai_act.annex_iv.2h"]["status"] == "missing"
    (project / "docs").mkdir()
    (project / "docs/security.md").write_text("keys, access, updates\n")
    held = hold()["ai_act.annex_iv.2h"]
    assert held["status"] == "met"
    assert held["checks"][0]["artifacts"] == ["docs/security.md"]


def erasure(check: str, held: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return dict(next(c for c in held["gdpr.17"]["checks"] if check in c["shown"]))


def test_an_open_erasure_is_named(hold: Hold, log: Log) -> None:
    log("erasure", stage="intent", erasure="a", subject="hmac-sha256:0")
    assert erasure("is not proven", hold())["refuted"]
    log("erasure", stage="done", erasure="a", subject="hmac-sha256:0", releases=[])
    held = hold()
    assert erasure("No erasure is open", held)["found"]
    assert erasure("begun and proven", held)["found"]


def test_an_erasure_that_a_delivery_can_undo_is_not_enough(hold: Hold, log: Log) -> None:
    log("erasure", stage="done", erasure="a", releases=[], exclusion_honoured=False)
    assert erasure("a later delivery can bring them back", hold())["refuted"]
    log("erasure", stage="done", erasure="b", releases=[], exclusion_honoured=True)
    assert erasure("stay out of later deliveries", hold())["found"]


def test_a_model_that_outlived_its_date_is_named(hold: Hold, log: Log) -> None:
    late = {"release": "m@v1", "contains": True, "until": "2020-01-01"}
    log("erasure", stage="done", erasure="a", releases=[late])
    assert erasure("m@v1 was to be replaced", hold())["refuted"]
    log("release")
    assert erasure("No model outlived", hold())["found"]


def test_a_policy_that_answers_by_a_login_is_no_person(hold: Hold, log: Log) -> None:
    answer = {"who": "admin", "approves": True, "reason": "auto_approve_demo"}
    log("approval", outcome={"kind": "approved", "answers": [answer]})
    log("approval", outcome={"kind": "approved", "policy": "the gate's approval suffices"})
    check = next(c for c in hold()["ai_act.14"]["checks"] if c["shown"].startswith("A named"))
    assert (check["found"], check["refuted"]) == (False, True)
    assert "0 by people, 2 by a policy with nobody asked" in check["shown"]


def test_an_audit_older_than_a_year_is_not_in_date(
    hold: Hold, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    log("gate")
    dates = {c["shown"]: c for c in hold()["ll144.dates"]["checks"]}
    assert any(shown.startswith("Date of the audit: 1") for shown in dates)
    monkeypatch.setattr("pipelines.mlops.compliance.hiring.YEAR", -1)
    check = next(c for c in hold()["ll144.dates"]["checks"] if "last audit" in c["shown"])
    assert check["refuted"]
