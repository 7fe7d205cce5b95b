"""The report tells nobody's facts of other data, and counts use and decisions from records."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines.cli.compliance_commands import HTML, JSON, write
from pipelines.cli.main import app
from pipelines.core.files import write_json
from pipelines.mlops.compliance.facts import count_decisions, count_use
from tests.conftest import ROOT
from tests.unit.mlops.release_report import cases

Hold = Callable[[], dict[str, dict[str, Any]]]
Log = Callable[..., None]

OF_THE_DEMO = re.compile(
    r"census|respondent|\b1994\b|adult|signalbox demo|income|demonstration", re.IGNORECASE
)


def demo_facts() -> set[str]:
    """Every text that the demo's files state about its data."""
    release = yaml.safe_load((ROOT / "release.yaml").read_text())
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    said = [*release["privacy"].values(), *release["compliance"].values()]
    said += params["report"].values()
    return {text for text in said if isinstance(text, str) and len(text) > 12}


@pytest.fixture
def elsewhere(project: Path) -> Path:
    """Another data set, brought in by params.yaml alone: release.yaml still is the demo's."""
    source = {"kind": "csv", "paths": ["data/clients.csv"], "watch": "data/clients.csv"}
    about = {"name": "credit_default", "source": source, "target": "default", "positive": 1}
    params = {"data": {**about, "replace": {}, "favourable": 0}}
    cases.leave(
        details={"ingest": cases.ingest(["limit_bal", "gender", "default"])}, changes=params
    )
    (project / "release.yaml").write_text((ROOT / "release.yaml").read_text())
    return project


def test_no_fact_of_the_demo_is_told_of_other_data(elsewhere: Path) -> None:
    write(elsewhere)
    for path in (HTML, JSON):
        text = (elsewhere / path).read_text()
        assert not OF_THE_DEMO.findall(text)
        assert not [fact for fact in demo_facts() if fact in text]


def test_what_the_demo_says_stands_in_red_and_empty_for_other_data(
    elsewhere: Path, hold: Hold
) -> None:
    held = hold()
    record = json.loads((elsewhere / JSON).read_text())
    lines = {line["term"]: line for line in record["record_of_processing"]}
    for term, key in (
        ("Controller", "controller"),
        ("Legal basis", "legal_basis"),
        ("Data subjects", "data_subjects"),
        ("Recipients", "recipients"),
        ("Time limits for erasure", "retention_days"),
        ("Security measures", "security"),
    ):
        assert lines[term]["text"].startswith(f"not filled in: release.yaml, privacy.{key}")
        assert lines[term]["given"] is False
    assert lines["Purposes"]["text"].startswith("not filled in: params.yaml, report.purpose")
    shown = [check["shown"] for check in held["ll144.data"]["checks"]]
    assert any("not filled in: release.yaml, compliance.test_data" in text for text in shown)
    assert held["ll144.sex"]["checks"][0]["shown"].startswith("not filled in: release.yaml")


def test_the_demo_itself_keeps_its_facts(project: Path) -> None:
    (project / "release.yaml").write_text((ROOT / "release.yaml").read_text())
    write(project)
    lines = {
        line["term"]: line
        for line in json.loads((project / JSON).read_text())["record_of_processing"]
    }
    assert lines["Data subjects"]["text"].startswith("respondents of the US census of 1994")
    assert lines["Controller"]["given"]


def test_both_commands_end_well_where_no_column_is_called_sex_or_race(elsewhere: Path) -> None:
    for command in ("kpis", "compliance"):
        result = CliRunner().invoke(app, [command])
        assert result.exit_code == 0, result.output


def test_a_column_of_another_name_is_audited_as_sex(project: Path, hold: Hold) -> None:
    (project / "release.yaml").write_text("compliance: {sex: gender}\n")
    held = hold()
    assert held["ll144.sex"]["checks"][0]["shown"].startswith("gender: not in the bias audit")
    assert (
        held["ll144.race"]["checks"][0]["shown"] == "not filled in: release.yaml, compliance.race"
    )
    assert {"eeoc.sex", "eeoc.race"} <= set(held)


def test_use_is_counted_from_ledger_and_records(project: Path, hold: Hold, log: Log) -> None:
    text = "compliance: {test_data: the tool is new}\n"
    (project / "release.yaml").write_text(text)
    log("gate")
    assert "neither ledger nor predictions/ has a scored batch" in _historical(hold())["shown"]
    for day in (1, 2, 3):
        log("scoring", name=f"b{day}", scored_at=f"2026-03-0{day}T00:00:00+00:00", rows=12_000)
    found = _historical(hold())
    assert "36,000 rows scored in 3 batches, 2026-03-01 to 2026-03-03" in found["shown"]
    assert found["found"]
    assert json.loads((project / JSON).read_text())["use"]["rows"] == 36_000
    assert "36,000 rows scored in 3 batches" in (project / HTML).read_text()
    (project / "release.yaml").unlink()
    assert not _historical(hold())["found"]


def test_a_batch_that_the_ledger_lacks_is_named(hold: Hold, log: Log, project: Path) -> None:
    log("gate")
    _leave_record(project, "b9")
    check = next(c for c in hold()["ai_act.12"]["checks"] if c["shown"].startswith("Use of"))
    assert "7 rows scored in 1 batches" in check["shown"]
    assert "1 are in no ledger entry" in check["shown"]
    assert not check["found"]


def test_scoring_alone_is_no_monitoring(project: Path, hold: Hold, log: Log) -> None:
    log("scoring", name="b", scored_at="2026-03-01T00:00:00+00:00", rows=5)
    assert not _monitored(hold())["found"]
    write_json(
        project / "monitoring/2026-03-02.json",
        {"product": "model_release", "until": "2026-03-02T00:00:00+00:00", "figures": []},
    )
    found = _monitored(hold())
    assert found["found"]
    assert "1 days, the last 2026-03-02; 0 alarms" in found["shown"]


def decision(kind: str, outcome: str, *answers: dict[str, Any]) -> dict[str, Any]:
    data = {"outcome": {"kind": outcome, "answers": list(answers)}}
    return {"kind": kind, "subject": "model_release", "data": data}


def answer(who: str = "alice", reason: str = "", channel: str = "airflow") -> dict[str, Any]:
    return {"who": who, "approves": True, "reason": reason, "channel": channel}


POLICY = answer("admin", "auto_approve_demo")
SORTS = {
    "by_people": decision("approval", "approved", answer()),
    "by_people on the command line": decision(
        "override", "overridden", answer(), answer("bob", "late", "command_line")
    ),
    "by_policy": decision("approval", "auto_approved", POLICY),
    "by_policy, the gate": decision("approval", "approved"),
    "by_policy, rejected": decision("rejection", "rejected"),
    "unanswered": decision("rejection", "timed_out", answer()),
    "refused": {"kind": "refusal", "subject": "model_release", "data": {"reason": "changed"}},
    "questions": {"kind": "question", "subject": "model_release", "data": {"asked": "approval"}},
    "answers": {"kind": "answer", "subject": "model_release", "data": {"answer": answer()}},
    "none": {"kind": "answer", "subject": "model_release", "data": {"answer": POLICY}},
}


@given(st.lists(st.sampled_from(sorted(SORTS)), max_size=30))
def test_each_sort_of_decision_is_counted_apart(drawn: list[str]) -> None:
    found = count_decisions([SORTS[name] for name in drawn])
    for field in ("by_people", "by_policy", "unanswered", "refused", "questions", "answers"):
        assert getattr(found, field) == sum(re.match(r"\w+", n)[0] == field for n in drawn), field  # type: ignore[index]
    on_line = drawn.count("by_people on the command line")
    assert found.people.get("bob (command line, not authenticated)", 0) == on_line
    assert "admin" not in found.people


def test_the_last_release_counts_not_an_earlier_one(project: Path, hold: Hold, log: Log) -> None:
    log("approval", outcome={"kind": "approved", "answers": [answer()]})
    log("release", version="v1.0.0", approval={"entry": 2})
    assert _decided(hold())["found"]
    log("approval", outcome={"kind": "auto_approved", "answers": [POLICY]})
    log("release", version="v1.1.0", approval={"entry": 4})
    log("refusal", run="r", reason="nothing to release")
    found = _decided(hold())
    assert (found["found"], found["refuted"]) == (False, True)
    assert "1 by people (alice: 1), 1 by a policy with nobody asked" in found["shown"]
    assert "1 releases refused" in found["shown"]
    assert "rests on entry 4, which no person gave" in found["shown"]
    counted = json.loads((project / JSON).read_text())["decisions"]
    assert (counted["by_people"], counted["by_policy"], counted["refused"]) == (1, 1, 1)


def test_a_withdrawn_release_is_none(hold: Hold, log: Log) -> None:
    log("release", step="made", version="v1.0.0")
    log("release", step="withdrawn", of=2)
    dates = [check["shown"] for check in hold()["ll144.dates"]["checks"]]
    assert any("Distribution date: the ledger has no entry of release" in text for text in dates)


@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_a_batch_in_both_places_counts_once(logged: set[int], kept: set[int]) -> None:
    def batch(number: int) -> dict[str, Any]:
        return {"name": f"b{number}", "scored_at": f"2026-01-0{number}T", "rows": 2**number}

    entries = [{"kind": "scoring", "subject": "model_release", "data": batch(n)} for n in logged]
    records = [{**batch(n), "product": "model_release"} for n in kept]
    use = count_use(entries, records)
    assert use.batches == len(logged | kept)
    assert use.rows == sum(2**n for n in logged | kept)
    assert use.unlogged == len(kept - logged)


def _historical(held: dict[str, Any]) -> dict[str, Any]:
    return _named(held, "ll144.data", "Historical data")


def _monitored(held: dict[str, Any]) -> dict[str, Any]:
    return _named(held, "ai_act.9.2", "Monitoring")


def _decided(held: dict[str, Any]) -> dict[str, Any]:
    return _named(held, "ai_act.14", "A named person")


def _named(held: dict[str, Any], requirement: str, start: str) -> dict[str, Any]:
    return dict(next(c for c in held[requirement]["checks"] if c["shown"].startswith(start)))


def _leave_record(project: Path, name: str) -> None:
    record = {
        "name": name,
        "scored_at": "2026-03-01T00:00:00+00:00",
        "product": "model_release",
        "model_version": "m@v1",
        "commit": "a" * 40,
        "model_sha256": "b" * 64,
        "threshold": 0.5,
        "positive": "yes",
        "source": [],
        "rows": 7,
        "selected": 1,
        "reasons": 0,
        "reference": {},
        "columns": {},
        "outputs": {},
    }
    write_json(project / f"predictions/{name}.json", record)
