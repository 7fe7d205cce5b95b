"""The ledger's decisions and the KPIs stand in the compliance report, overrides in red."""

from typing import Any

from pipelines.mlops.compliance.ledger_chapters import ReportedKpi, decisions, kpis
from pipelines.release.kpis import plot
from pipelines.reporting.blocks import Callout, Chapter, Prose, Table


def entry(seq: int, kind: str, **data: Any) -> dict[str, Any]:
    return {
        "seq": seq, "time": "2026-01-05T10:00:00.000000Z", "kind": kind,
        "subject": "model_release", "data": {"commit": "a" * 40, **data},
    }  # fmt: skip


GATE = entry(1, "gate", verdict="reject", failed=["<b>ranking</b>"])
OVERRIDE = entry(
    2, "override",
    outcome={
        "kind": "overridden", "policy": "override by two",
        "answers": [
            {"who": "<i>alice</i>", "approves": True, "reason": "retired", "channel": "airflow"},
            {"who": "bob", "approves": True, "reason": "", "channel": "command_line"},
        ],
    },
)  # fmt: skip
RELEASE = entry(3, "release", version="v1.0.0", stage="production", who="carol")


def text(chapter: Chapter) -> str:
    tables = [block for block in chapter.blocks if isinstance(block, Table)]
    return " ".join(str(cell) for table in tables for row in table.rows for cell in row.cells)


def test_every_decision_is_told_with_who_and_why() -> None:
    shown = text(decisions([GATE, OVERRIDE, RELEASE]))
    assert "v1.0.0 to production, by carol" in shown
    assert "bob (command line): yes" in shown
    assert "retired" in shown


def test_a_refused_release_is_told_with_its_reason() -> None:
    refusal = entry(4, "refusal", run="model_release/manual__1", reason="commit was 'a', is 'b'")
    assert "nothing was released: commit was 'a', is 'b'" in text(decisions([refusal]))


def test_an_override_is_a_red_callout() -> None:
    red = [b for b in decisions([GATE, OVERRIDE]).blocks if isinstance(b, Callout)]
    assert [block.tone for block in red] == ["bad"]
    assert not [b for b in decisions([GATE, RELEASE]).blocks if isinstance(b, Callout)]


def test_text_from_the_ledger_is_escaped_where_it_becomes_markup() -> None:
    callout = next(b for b in decisions([OVERRIDE]).blocks if isinstance(b, Callout))
    assert "&lt;i&gt;alice" in str(callout.text)
    assert "&lt;b&gt;ranking" in text(decisions([GATE]))


def test_other_products_and_kinds_are_left_out() -> None:
    other = {**GATE, "subject": "noise_rules"}
    assert isinstance(decisions([other, entry(4, "scoring")]).blocks[0], Prose)


def told(value: float | None, met: bool | None) -> ReportedKpi:
    facts = {
        "id": "right", "owner": "<o>", "measures": "share", "value": value, "unit": "share",
        "target": 0.8, "direction": "at_least", "met": met,
    }  # fmt: skip
    return ReportedKpi(facts, plot([0.5, value], 0.8, "right <x>"))


def test_a_kpi_shows_value_target_status_and_trend() -> None:
    shown = text(kpis([told(0.9, True), told(0.7, False), told(None, None)]))
    assert "0.9 share" in shown
    assert "≥ 0.8" in shown
    assert "met</span>" in shown
    assert "missed</span>" in shown
    assert "no value" in shown
    assert "&lt;x&gt;" in shown


def test_without_kpis_the_chapter_says_so() -> None:
    assert isinstance(kpis([]).blocks[0], Prose)
