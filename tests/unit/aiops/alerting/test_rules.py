"""What a rule's id is made from; a rule set of removed families is refused in plain words."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.aiops.alerting.rules import (
    FAMILIES,
    RULES,
    Bound,
    HoldRule,
    KnownFixRule,
    Matcher,
    Support,
    content_key,
    parse_rules,
    read_rules,
    with_id,
    write_rules,
)
from pipelines.aiops.params.renamed import REMOVED_FAMILIES
from pipelines.core.errors import SignalboxError

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
EVIDENCE: dict[str, Any] = {
    "id": "",
    "matchers": (Matcher(label="alertname", op="=", value="DiskFull"),),
    "sentence": "s",
    "support": Support(alerts=1, episodes=1, days=1, first=MOMENT, last=MOMENT),
    "bound": Bound(measures="m", value=1, n=1, level=0.9, method="x", tried=1),
    "expires": date(2026, 12, 1),
}
HOLD = with_id(HoldRule(
    **EVIDENCE, service_label="service", receiver="pager", active=("office",), chat="chat",
    wait_seconds=300, again_seconds=1800, fresh_seconds=600, names=2, instances=3,
    services=3, storm_seconds=60, rate_seconds=86_400, usual_rates=7, rise=5,
    window_seconds=3600,
))  # fmt: skip
FIX = with_id(KnownFixRule(**EVIDENCE, fix="restart", median_minutes=2))


def old_set(family: str) -> dict[str, Any]:
    rule = RULES.dump_python((FIX,), mode="json")[0]
    return {"rules": [rule, {**rule, "id": f"{family}-0123456789ab", "family": family}]}


@pytest.mark.parametrize("family", sorted(REMOVED_FAMILIES))
def test_a_set_with_a_removed_family_is_refused_in_plain_words(tmp_path: Path, family: str) -> None:
    (tmp_path / "rules.json").write_text(json.dumps(old_set(family)), encoding="utf-8")
    with pytest.raises(SignalboxError) as refused:
        read_rules(tmp_path / "rules.json")
    assert str(tmp_path / "rules.json") in str(refused.value)
    assert f"family {family} was removed in this version" in str(refused.value)
    assert "withdraw with the version that released it" in str(refused.value)


def test_all_removed_families_of_a_set_are_named() -> None:
    content = {"rules": [*old_set("quiet")["rules"], *old_set("grouping")["rules"]]}
    with pytest.raises(ValueError, match="family grouping, quiet was removed"):
        parse_rules(content)


def test_no_family_of_today_counts_as_removed() -> None:
    assert not REMOVED_FAMILIES & set(FAMILIES)
    assert FAMILIES == ("hold", "known_fix")


def test_what_is_written_is_read_as_it_stands(tmp_path: Path) -> None:
    write_rules(tmp_path / "rules.json", (HOLD, FIX))
    assert read_rules(tmp_path / "rules.json") == (HOLD, FIX)


@pytest.mark.parametrize("content", [None, [], {}, {"rules": 5}, {"rules": [5]},
                                     {"rules": [{"family": "unheard of"}]},
                                     {"rules": [{"family": ["hold"]}]}])  # fmt: skip
def test_what_is_no_set_of_rules_is_an_error(tmp_path: Path, content: object) -> None:
    (tmp_path / "rules.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SignalboxError, match="not a list of alert rules"):
        read_rules(tmp_path / "rules.json")


def test_an_id_follows_what_a_rule_does_and_not_what_it_rests_on() -> None:
    assert HOLD.id.startswith("hold-")
    assert len(HOLD.id) == len("hold-") + 12
    assert with_id(HOLD.model_copy(update={"sentence": "t", "team": "x"})).id == HOLD.id
    for changed in ({"wait_seconds": 180}, {"matchers": ()}, {"mute": ("night",)}, {"chat": "c"}):
        assert with_id(HOLD.model_copy(update=changed)).id != HOLD.id
    assert with_id(FIX.model_copy(update={"median_minutes": 9.0})).id == FIX.id
    assert with_id(FIX.model_copy(update={"fix": "rollback"})).id != FIX.id


def test_rules_are_sorted_by_family_then_by_what_they_rest_on() -> None:
    more = HOLD.support.model_copy(update={"episodes": 2})
    noisier = HOLD.model_copy(update={"support": more})
    assert sorted([FIX, HOLD, noisier], key=content_key) == [noisier, HOLD, FIX]
