"""A rule set that was released under old names is read as today's, and keeps its rules' ids."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.aiops.alerting.rules import OLD_FAMILIES as FAMILIES
from pipelines.aiops.alerting.rules import OLD_FIELDS as FIELDS
from pipelines.aiops.alerting.rules import (
    RULES,
    Bound,
    GroupingRule,
    KeepFiringRule,
    Matcher,
    WaitRule,
    parse_rules,
    read_rules,
    with_id,
    with_new_names,
    write_rules,
)
from pipelines.core.errors import SignalboxError

OLD = {
    "matchers": [{"label": "alertname", "op": "=", "value": "A"}],
    "sentence": "s",
    "support": {"alerts": 1, "episodes": 1, "days": 1, "first": "2026-01-01T00:00:00Z",
                "last": "2026-01-02T00:00:00Z"},
    "bound": {"measures": "m", "value": 1.0, "low": None, "high": None, "n": 1, "level": 0.9,
              "method": "x", "tried": 1},
    "expires": "2026-12-01",
    "team": "",
    "examples": [{"starts_at": "2026-01-01T00:00:00Z", "ends_at": None, "labels": {}, "says": "e"}],
}  # fmt: skip
OWN = {
    "duplicate": {"group_by": ["host"], "group_wait": 30, "group_interval": 300,
                  "repeat_interval": 3600},
    "transient": {"wait": 120},
    "flapping": {"keep_firing": 600},
    "implied": {"source": [], "equal": ["host"]},
    "recurring": {"weekdays": [0], "start_minute": 1, "end_minute": 2, "timezone": "UTC",
                  "guard": None},
    "quiet": {"guard": {"by": [], "window_seconds": 60, "max_count": 2, "max_seconds": None}},
}  # fmt: skip


def old_rule(family: str) -> dict[str, object]:
    return {**OLD, "id": f"{family}-0123456789ab", "family": family, **OWN[family]}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_old_family_is_read_as_the_one_of_today(family: str) -> None:
    (rule,) = parse_rules({"rules": [old_rule(family)]})
    assert rule.family == FAMILIES[family]
    assert rule.id == f"{family}-0123456789ab"
    assert rule.examples[0].sentence == "e"
    renamed = FIELDS.get(rule.family, {})
    for old, value in OWN[family].items():
        assert rule.model_dump(mode="json")[renamed.get(old, old)] == value


def test_settings_of_old_rules_arrive_in_the_right_fields() -> None:
    rules = parse_rules({"rules": [old_rule(f) for f in ("duplicate", "transient", "flapping")]})
    grouping, wait, keep = rules
    assert isinstance(grouping, GroupingRule)
    assert isinstance(wait, WaitRule)
    assert isinstance(keep, KeepFiringRule)
    times = grouping.group_wait_seconds, grouping.group_interval_seconds
    assert (*times, grouping.repeat_interval_seconds) == (30, 300, 3600)
    assert (wait.for_seconds, keep.keep_firing_for_seconds) == (120, 600)


def test_what_is_written_today_is_read_as_it_stands(tmp_path: Path) -> None:
    rules = parse_rules({"rules": [old_rule(family) for family in FAMILIES]})
    write_rules(tmp_path / "rules.json", rules)
    written = json.loads((tmp_path / "rules.json").read_text(encoding="utf-8"))
    assert [with_new_names(rule) for rule in written["rules"]] == written["rules"]
    assert read_rules(tmp_path / "rules.json") == rules


def test_an_old_name_in_a_rule_of_today_is_an_error(tmp_path: Path) -> None:
    today = RULES.dump_python(parse_rules({"rules": [old_rule("transient")]}), mode="json")[0]
    (tmp_path / "rules.json").write_text(json.dumps({"rules": [{**today, "wait": 5}]}))
    with pytest.raises(SignalboxError, match="not a list of alert rules"):
        read_rules(tmp_path / "rules.json")


def test_a_family_that_kept_its_name_has_examples_of_old_form_as_well() -> None:
    own = {"family": "known_fix", "fix": "restart", "median_minutes": 2.0}
    (rule,) = parse_rules({"rules": [{**OLD, "id": "known_fix-0123456789ab", **own}]})
    assert rule.examples[0].sentence == "e"


@pytest.mark.parametrize("nothing", [None, 5, "x", [], {}, {"family": "unheard of"}])
def test_what_is_no_rule_stays_as_it_is(nothing: object) -> None:
    assert with_new_names(nothing) == nothing


def test_an_id_follows_what_a_rule_does_and_not_what_it_rests_on() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    base = WaitRule(
        id="", matchers=(Matcher(label="a", op="=", value="b"),), sentence="s", for_seconds=5,
        support={"alerts": 1, "episodes": 1, "days": 1, "first": moment, "last": moment},
        bound=Bound(measures="m", value=1, n=1, level=0.9, method="x", tried=1),
        expires=date(2026, 12, 1),
    )  # fmt: skip
    known = with_id(base)
    assert known.id.startswith("wait-")
    assert len(known.id) == len("wait-") + 12
    assert with_id(known.model_copy(update={"sentence": "t", "team": "x"})).id == known.id
    assert with_id(known.model_copy(update={"for_seconds": 6})).id != known.id
    assert with_id(known.model_copy(update={"matchers": ()})).id != known.id
