"""What is in production since when, and which questions wait: from ledger and registry alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import record_refusal, rollback, standing, waiting
from tests.support.judged_runs import approve, ask, judged_run, release_candidate
from tests.unit.release.lifecycle.product import APPROVERS, PRODUCT, git

NOW = datetime.now(UTC)


def test_nothing_is_in_production_before_the_first_release(project: Path) -> None:
    stands = standing(project, PRODUCT)
    assert (stands.version, stands.since, stands.last_run) == ("", "", None)
    judged_run(project, 1, "reject")
    last = standing(project, PRODUCT).last_run
    assert last is not None
    assert (last.run, last.verdict, last.failed) == (f"{PRODUCT}/run_1", "reject", ["ranking"])


def test_a_release_and_a_rollback_say_since_when(project: Path) -> None:
    release_candidate(project, judged_run(project, 1))
    release_candidate(project, judged_run(project, 2))
    second = standing(project, PRODUCT)
    assert (second.version, second.how, second.replaces) == ("v1.1.0", "release", "v1.0.0")
    entry = Ledger.of(project).entries()[-1]
    assert (second.since, second.problems) == (entry.time, [])
    rollback(project, PRODUCT, to=None, reason="it was worse than before", who="alice")
    first = standing(project, PRODUCT)
    assert (first.version, first.how, first.replaces) == ("v1.0.0", "rollback", "v1.1.0")
    assert first.since > second.since


def test_what_does_not_agree_is_said_and_nothing_counts_as_in_production(project: Path) -> None:
    done = release_candidate(project, judged_run(project, 1))
    for tag in done.tags:
        git(project, "tag", "--delete", tag)
    stands = standing(project, PRODUCT)
    assert stands.version == ""
    assert any("has no tag" in text for text in stands.problems)


def test_an_open_question_waits_with_its_run_and_its_end(project: Path) -> None:
    candidate = judged_run(project, 1, "review", run="manual__2026-11-30T08.00.00+00.00")
    entry = ask(project, candidate)
    (found,) = waiting(project, NOW)
    assert (found.product, found.asked, found.verdict) == (PRODUCT, "approval", "review")
    assert (found.dag, found.run_id) == (PRODUCT, "manual__2026-11-30T08:00:00+00:00")
    assert (found.approvers, found.entry, found.since) == (APPROVERS, entry.seq, entry.time)
    late = datetime.fromisoformat(found.until)
    assert waiting(project, late - timedelta(minutes=1)) == [found]
    assert waiting(project, late + timedelta(minutes=1)) == []


def test_what_was_answered_asked_again_or_refused_does_not_wait(project: Path) -> None:
    first, second, third = (judged_run(project, n) for n in (1, 2, 3))
    approve(project, first)
    ask(project, second)
    again = ask(project, second)
    ask(project, third)
    record_refusal(project, PRODUCT, run=third.run, reason="the ref was moved")
    assert [question.entry for question in waiting(project, NOW)] == [again.seq]
