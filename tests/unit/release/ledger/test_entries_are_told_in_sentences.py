"""What each kind of entry says, as its writers write it, and as an older version may have."""

from typing import Any

import pytest

from pipelines.release.approval import DEMO
from pipelines.release.ledger import KINDS, Entry
from pipelines.release.ledger.describe import approved_by, describe, fields, short

COMMIT, SHA = "a" * 40, "b" * 64
ANSWER = {"who": "alice", "approves": True, "reason": "read it", "at": "", "channel": "airflow"}
STEP = {
    "step": "made", "version": "v1.1.0", "stage": "production", "commit": COMMIT,
    "replaces": "v1.0.0", "who": "Rel Easer", "reason": "", "warnings": [],
    "approval": {"by": ["alice"]},
}  # fmt: skip
PROOF = {"subject": f"hmac-sha256:{SHA}", "removed": [{"rows": 2}, {"rows": 1}], "remaining": []}


def entry(kind: str, /, **data: Any) -> Entry:
    return Entry.model_construct(
        seq=1, time="2026-03-01T10:00:00.000000Z", kind=kind, subject="m", data=data
    )


def gate(verdict: str, failed: list[str], inconclusive: list[str]) -> Entry:
    return entry("gate", verdict=verdict, failed=failed, inconclusive=inconclusive, commit=COMMIT)


def outcome(kind: str, **more: Any) -> dict[str, Any]:
    found = {"kind": kind, "policy": "named approvers", "reasons": [], "answers": [ANSWER], **more}
    return {"outcome": found, "verdict": "review", "commit": COMMIT}


SENTENCES = [
    (
        gate("reject", ["impact_ratio_sex", "drift"], ["leakage"]),
        "rejected by the gate: impact_ratio_sex, drift; inconclusive leakage; "
        "report reports/m.html of commit aaaaaaaaaaaa",
    ),
    (
        gate("review", [], ["leakage"]),
        "left to people by the gate: inconclusive leakage; "
        "report reports/m.html of commit aaaaaaaaaaaa",
    ),
    (
        gate("approve", [], []),
        "approved by the gate: report reports/m.html of commit aaaaaaaaaaaa",
    ),
    (
        entry("approval", **outcome("approved", reasons=["read it."])),
        "approved by alice: named approvers; read it; the gate said review, commit aaaaaaaaaaaa",
    ),
    (
        entry("approval", **outcome("auto_approved", policy="auto-approve in demo", answers=[])),
        "approved by a policy: auto-approve in demo; the gate said review, commit aaaaaaaaaaaa",
    ),
    (
        entry("override", **outcome("overridden", answers=[ANSWER, {**ANSWER, "who": "bob"}])),
        "released against the gate by alice, bob: named approvers; the gate said review, "
        "commit aaaaaaaaaaaa",
    ),
    (
        entry("rejection", **outcome("rejected", answers=[{**ANSWER, "channel": "command_line"}])),
        "rejected by alice (on the command line, without login): named approvers; "
        "the gate said review, commit aaaaaaaaaaaa",
    ),
    (
        entry("rejection", **outcome("timed_out", answers=[])),
        "not approved: nobody answered in time: named approvers; the gate said review, "
        "commit aaaaaaaaaaaa",
    ),
    (entry("refusal", run="m/1", reason="no approval"), "not released: no approval (run m/1)"),
    (
        entry("release", **STEP),
        "released v1.1.0 to production (before: v1.0.0): by Rel Easer; approved by alice; "
        "commit aaaaaaaaaaaa",
    ),
    (
        entry("release", step="withdrawn", of=4, hash=SHA, why="a tag is there"),
        "withdrawn: entry 4, because a tag is there",
    ),
    (
        entry("release", step="completed", of=4, hash=SHA, made=["tags", "pointer"]),
        "completed: tags, pointer of entry 4, made again",
    ),
    (
        entry("rollback", **{**STEP, "who": "bob", "reason": "complaints"}),
        "rolled back to v1.1.0 in production (before: v1.0.0): by bob; complaints; "
        "commit aaaaaaaaaaaa",
    ),
    (
        entry("erasure", stage="intent", subject="hmac-sha256:" + SHA, found_in={"runs": 1200}),
        "erasure begun of hmac-sha256:bbbbbbbbbbbb…: found in runs 1,200",
    ),
    (
        entry("erasure", stage="done", **PROOF),
        "erased hmac-sha256:bbbbbbbbbbbb…: 2 objects, 3 rows",
    ),
    (
        entry("erasure", stage="incomplete", **{**PROOF, "remaining": ["remote: x"]}),
        "erasure incomplete of hmac-sha256:bbbbbbbbbbbb…: 2 objects, 3 rows; "
        "remains in remote: x",
    ),
    (
        entry("erasure", stage="cleared", erasure="e", sources=[SHA]),
        "cleared: 1 source file without anybody erased",
    ),
    (
        entry("access", action="export", subject="hmac-sha256:" + SHA, rows=3, copies=2),
        "exported: data of hmac-sha256:bbbbbbbbbbbb…, 3 rows in 2 copies",
    ),
    (
        entry("telemetry_erasure", stage="done", selector="user", subject=f"hmac-sha256:{SHA}",
              rows={"lake": 4}, remaining=0),
        "erased from telemetry user hmac-sha256:bbbbbbbbbbbb…: lake 4",
    ),
    (
        entry("retention", limits_days={"lake": 90}, removed={"lake": 3}),
        "removed as older than its limit: lake 3 (limits: lake 90 days)",
    ),
    (
        entry("alarm", id="drift", date="2026-03-01", sentence="It drifts.", owner="ops",
              retrain=True),
        "alarm drift of 2026-03-01: It drifts. (ops); asks for a new training",
    ),
    (
        entry("publication", release="m@v1", rules=["a", "b"], files={"am.yml": {}}, who="bob",
              reason="", expired=["c"], withdrawn=[]),
        "published: m@v1, 2 rules in am.yml; by bob; left out as expired: c",
    ),
    (
        entry("publication", release="m@v1", rules=["a"], files={}, shadow=True, expired=[],
              withdrawn=[]),
        "in shadow: m@v1, 1 rule, nothing was written",
    ),
    (
        entry("withdrawal", rule="hold-1", release="m@v1", reason="hid INC-7", who="bob"),
        "withdrawn by bob: rule hold-1 of m@v1; hid INC-7",
    ),
    (
        entry("remediation", rule="r", action="a", kind="command", target="fix", step="ended",
              outcome="done", seconds=2.4),
        "ended: a (command fix) for rule r: done after 2 s",
    ),
    (
        entry("run", run="m/1", commit=None),
        "not saved: run m/1",
    ),
    (
        entry("question", asked="approval", approvers=["alice", "bob"], run="m/1"),
        "asked for approval: alice, bob, about run m/1",
    ),
    (
        entry("answer", answer={**ANSWER, "approves": False}, run="m/1"),
        "answered no by alice: read it (run m/1)",
    ),
    (
        entry("scoring", name="march", model_version="v1", rows=1200, selected=300),
        "scored march with v1: 1,200 rows, 300 selected",
    ),
    (entry("key", reason="first use"), "key: reason=first use"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "sentence"), SENTENCES, ids=[f"{n}-{e.kind}" for n, (e, _) in enumerate(SENTENCES)]
)
def test_an_entry_is_a_sentence(told: Entry, sentence: str) -> None:
    assert describe(told, "reports/m.html") == sentence


def test_every_kind_has_a_sentence_here() -> None:
    assert {told.kind for told, _ in SENTENCES} == KINDS - {"repair"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_fields_that_are_not_known_are_shown_as_they_are(kind: str) -> None:
    assert describe(entry(kind, future="[red]x")) == f"{kind}: future=[red]x"


def test_hashes_are_short_and_texts_whole() -> None:
    assert short(SHA) == "bbbbbbbbbbbb…"
    assert short("b" * 63) == "b" * 63
    text = "a reason of many words " * 20
    assert fields({"reason": text, "checks": {"a": {}}}) == f"reason={text.strip()} · checks=(1)"


def test_a_policys_answer_is_nobodys_approval_though_a_login_wrote_it() -> None:
    by = {"by": ["admin"], "kind": "approval", "policy": DEMO}
    assert approved_by(by) == "the policy “auto-approve in demo”; nobody was asked"
    assert approved_by({**by, "policy": "named approvers", "by": ["alice", "bob"]}) == "alice, bob"
    assert approved_by({}) == ""
