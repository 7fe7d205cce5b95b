"""An incident that only a held alert hid is found, and the rule is proposed for withdrawal."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.aiops.alerting.evaluation import Backtest, Ticket
from pipelines.aiops.alerting.evidence import SinceRelease
from pipelines.aiops.alerting.judging import Case
from pipelines.aiops.alerting.publishing import HarmfulRule, find_harmful_rules
from pipelines.aiops.alerting.publishing.harmful_rules import compare_rules, expired_rules
from pipelines.aiops.alerting.rules import RULES as RULE_SETS
from pipelines.aiops.alerting.rules import HoldRule
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.watch_rules import Watched, as_evidence, watch
from pipelines.core.time import SECOND_US
from pipelines.release.released import Released
from tests.support.alert_worlds import WORLDS, freeze, params_of, with_chat
from tests.unit.aiops.alerting.evaluation.made_up import CONFIG, WINDOW, holding, labels_of
from tests.unit.aiops.alerting.export.make import hold
from tests.unit.aiops.alerting.replay.worlds import frame_of
from tests.unit.release.lifecycle.product import commit, make_project, write_lock

HOUR = 3600
LABELS = labels_of("Slow web", "Slow db", "Errors web", "Full db")
SLOW_WEB, SLOW_DB, ERRORS, FULL = range(4)
SLOW = holding("Slow", "web", "db", n=1)
HELD_ERRORS = holding("Errors", "web", n=2)
FOR_HOURS = holding("Full", "db", n=3, wait_seconds=2 * HOUR)
RULES = [SLOW, HELD_ERRORS]
FIXED = Ticket(fix="restart")


def found(
    rows: list[tuple[int, int, int]],
    ticket: list[int],
    rules: list[HoldRule] = RULES,
    known: Ticket = FIXED,
) -> list[HarmfulRule]:
    names = [f"INC-{n}" for n in range(max(ticket) + 1)]
    frame = frame_of(rows, LABELS, names, ticket)
    backtest = Backtest(frame, WINDOW, CONFIG, dict.fromkeys(names, known))
    return find_harmful_rules(backtest, rules)


def test_a_rule_that_hid_an_incident_is_named_with_it() -> None:
    (harmful,) = found([(SLOW_WEB, HOUR, HOUR + 200)], [0])
    assert (harmful.rule, harmful.missed, harmful.late) == (SLOW.id, ("INC-0",), ())
    assert harmful.sole_cause
    assert "INC-0" in harmful.describe()
    assert "withdraw" in harmful.describe()


def test_an_incident_that_is_told_in_time_is_no_complaint() -> None:
    assert found([(SLOW_WEB, HOUR, 2 * HOUR)], [0]) == []
    company = [(SLOW_WEB, HOUR, HOUR + 200), (ERRORS, HOUR, HOUR + 200)]
    assert found(company, [0, 0]) == []


def test_an_incident_that_nothing_ever_paged_is_no_complaint() -> None:
    assert found([(SLOW_WEB, HOUR, HOUR + 5)], [0]) == []


def test_without_rules_or_incidents_nothing_is_found() -> None:
    assert found([(SLOW_WEB, HOUR, HOUR + 200)], [0], []) == []
    assert found([(SLOW_WEB, HOUR, HOUR + 200)], [-1]) == []


def test_an_incident_that_is_not_credible_is_no_complaint() -> None:
    assert found([(SLOW_WEB, HOUR, HOUR + 200)], [0], known=Ticket()) == []


def test_a_page_that_came_beyond_use_was_late() -> None:
    (harmful,) = found([(FULL, HOUR, 5 * HOUR)], [0], [FOR_HOURS])
    assert (harmful.rule, harmful.missed, harmful.late) == (FOR_HOURS.id, (), ("INC-0",))
    assert "beyond use" in harmful.describe()


def test_a_page_after_the_ticket_was_closed_was_late_too() -> None:
    closed = Ticket(fix="restart", closed=(HOUR + 200) * SECOND_US)
    (harmful,) = found([(SLOW_WEB, HOUR, 2 * HOUR)], [0], known=closed)
    assert harmful.late == ("INC-0",)
    # Closed before even today's page, it says nothing.
    assert found([(SLOW_WEB, HOUR, 2 * HOUR)], [0], known=Ticket(fix="x", closed=1)) == []


def test_rules_that_hid_it_together_are_both_named() -> None:
    """Each alert alone would have told of it; without one of the rules the other alert pages."""
    both = found([(SLOW_WEB, HOUR, HOUR + 200), (ERRORS, HOUR + 900, HOUR + 1100)], [0, 0])
    assert {harmful.rule for harmful in both} == {SLOW.id, HELD_ERRORS.id}
    assert all(harmful.sole_cause for harmful in both)


def test_the_worst_comes_first() -> None:
    rows = [
        (ERRORS, HOUR, HOUR + 200), (SLOW_WEB, 9 * HOUR, 9 * HOUR + 200),
        (SLOW_DB, 20 * HOUR, 20 * HOUR + 200),
    ]  # fmt: skip
    assert [each.rule for each in found(rows, [0, 1, 2])] == [SLOW.id, HELD_ERRORS.id]


@pytest.mark.parametrize(
    ("shadow", "where", "did"),
    [(False, "in production", " hid incident"), (True, "in shadow", " would have hidden incident")],
)
def test_the_weekly_look_says_what_rules_did_or_would_have_done(
    shadow: bool, where: str, did: str
) -> None:
    """INC-0 is missed; INC-1 is told two hours late."""
    rows = [(SLOW_WEB, HOUR, HOUR + 200), (FULL, 9 * HOUR, 14 * HOUR)]
    frame = frame_of(rows, LABELS, ["INC-0", "INC-1"], [0, 1])
    backtest = Backtest(frame, WINDOW, CONFIG, dict.fromkeys(["INC-0", "INC-1"], FIXED))
    rules = (holding("Slow", "web", n=1, wait_seconds=2 * HOUR), FOR_HOURS)
    effect = backtest(rules)
    watched = Watched(effect, "", find_harmful_rules(backtest, rules, effect))
    released = Released(name="rules@v1.0.0", commit="0" * 40, artifacts={})
    made = as_evidence(released, rules, watched, {}, shadow=shadow)
    found = {figure.id.partition(".")[2]: figure for figure in made.figures}
    assert found["rules"].label == f"Rules {where}"
    assert {name: found[name].value for name in ("rules", "harmful", "missed", "late")} == {
        "rules": 2, "harmful": 2, "missed": 1, "late": 1,
    }  # fmt: skip
    assert found["saved_share"].value == pytest.approx(effect.saved_share, abs=1e-6)
    assert where in found["saved_share"].label
    assert made.details["shadow"] is shadow
    assert made.details["effect"]["missed"] == 1
    assert did in made.details["harmful_rules"][0]["sentence"]


def test_nothing_is_measured_before_a_release() -> None:
    made = as_evidence(None, (), None, {}, shadow=True)
    assert [figure.id for figure in made.figures] == ["watch_rules.rules", "watch_rules.harmful"]
    assert (made.details["shadow"], made.details["effect"]) == (False, None)


def test_rules_are_watched_as_their_files_for_each_prometheus_would_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no Prometheus is known, no file holds anything: nothing is saved or hidden."""
    monkeypatch.chdir(tmp_path)
    world = with_chat(WORLDS / "mini_fold", tmp_path / "world")
    freeze(world, tmp_path)
    rules = (hold("alertname = Spike", to="pagerduty-shop"),)
    known = watch(params_of(world), rules)
    assert known is not None
    assert known.effect.saved_share > 0.5
    section = params_of(world).model_dump(mode="json")
    section["export_rules"]["prometheus"] = []
    unknown = watch(AiopsParams.model_validate(section), rules)
    assert unknown is not None
    assert unknown.effect.saved_share == 0
    assert (unknown.harmful, watch(params_of(world), ())) == ([], None)


def test_what_rules_saved_since_the_release_counts_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world = with_chat(WORLDS / "mini_fold", tmp_path / "world")
    freeze(world, tmp_path)
    params, rules = params_of(world), (hold("alertname = Spike", to="pagerduty-shop"),)

    def since(released_us: int | None) -> SinceRelease | None:
        known = watch(params, rules, released_us)
        assert known is not None
        return known.since

    starts = Case.read(params).frame.starts
    first, last = int(starts.min()), int(starts.max())
    whole, half = since(first), since((first + last) // 2)
    assert whole is not None
    assert half is not None
    assert [saved.rule for saved in whole.rules] == [rules[0].id]
    assert whole.rules[0].alerts > half.rules[0].alerts > 0
    assert whole.rules[0].pages_saved > half.rules[0].pages_saved > 0
    assert whole.start < half.start < half.end == whole.end
    assert since(last + 1) is None
    assert since(None) is None


def commit_rules(project: Path, n: int, *rules: HoldRule) -> str:
    content = json.dumps({"n": n, "rules": RULE_SETS.dump_python(rules, mode="json")})
    (project / "rules").mkdir(exist_ok=True)
    (project / "rules/rule_set.json").write_text(content)
    write_lock(project, ["rules/rule_set.json"])
    return commit(project, f"rules {n}")


def test_rules_hold_on_the_day_they_expire_and_not_after(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    rules = [holding("Slow", "web", n=n) for n in (1, 2, 3)]
    first, second = rules[0].expires, rules[0].expires + timedelta(days=9)
    dated = [rule.model_copy(update={"expires": day})
             for rule, day in zip(rules, (second, first, second), strict=True)]  # fmt: skip
    made = commit_rules(project, 1, *dated)
    assert expired_rules(project, made, first) == ((), 3)
    expired, _ = expired_rules(project, made, first + timedelta(days=1))
    assert [rule.id for rule in expired] == ["hold-2"]
    everything, _ = expired_rules(project, made, second + timedelta(days=1))
    assert [rule.id for rule in everything] == ["hold-2", "hold-1", "hold-3"]


def test_rule_sets_of_two_commits_are_compared_by_what_rules_do(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    one, two, three = (holding("Slow", "web", n=n) for n in (1, 2, 3))
    older, newer = commit_rules(project, 1, one, two), commit_rules(project, 2, two, three)
    found = compare_rules(project, older, newer)
    assert [rule.id for rule in found.removed] == ["hold-1"]
    assert [rule.id for rule in found.added] == ["hold-3"]
    assert found.same == 1
