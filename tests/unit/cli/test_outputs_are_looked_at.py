"""What reading commands print, at 80 and 140 columns and as JSON, in a project with a past."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from docs.make_commands import RESULTS
from pipelines.cli.console import print_lines, wrapped
from pipelines.cli.main import app
from pipelines.core.evidence import Evidence, Figure, write_evidence
from pipelines.release.approval import Answer
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import record_gate, rollback
from tests.support.shapes import faults
from tests.unit.cli.test_incident_commands import AT, EARLY, incident, write
from tests.unit.release.lifecycle.product import (
    PRODUCT,
    commit,
    consent,
    make_project,
    make_run,
    release_run,
)

LONG = "a reason that somebody wrote with care, and that is far longer than any line of a terminal"
KPIS = [
    {"id": "decided_right", "owner": "data science", "measures": "share decided rightly",
     "formula": "evaluate.accuracy", "target": 0.85, "direction": "at_least", "unit": "share"},
    {"id": "live_accuracy", "owner": "operations", "measures": "share that turned out right",
     "formula": "live.accuracy", "target": 0.8, "direction": "at_least", "unit": "share"},
]  # fmt: skip
READING = [
    "history",
    "registry show",
    "registry repair",
    "kpis",
    "ledger show",
    "ledger keys",
    "ledger verify",
    "incidents list",
    "incidents show abc1",
    "rules status",
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions released, one rolled back, one rejected; KPIs; an incident."""
    place = make_project(tmp_path_factory.mktemp("project") / "p")
    own = yaml.safe_load((place / "release.yaml").read_text()) | {"kpis": {"definitions": KPIS}}
    (place / "release.yaml").write_text(yaml.safe_dump(own))
    params = {"analysis": {"results": "out"}}
    (place / "params.yaml").write_text(yaml.safe_dump({"aiops": params}))
    write(place / "out" / EARLY, EARLY, incident("abc1", AT, f"Payments fail: {LONG}"))
    commit(place, "settings")
    for n in (1, 2):
        release_run(place, n)
    rollback(place, PRODUCT, reason=LONG, who="bob")
    rejected = make_run(place, 3, "reject")
    record_gate(place, PRODUCT, rejected)
    no = Answer(who="alice", approves=False, reason=LONG, channel="command_line")
    consent(place, rejected, "reject", no)
    for name in ("gate", "ingest"):  # only what `make_run` writes of evidence
        (place / f"evidence/{name}.json").unlink()
    accuracy = Figure(id="evaluate.accuracy", label="a", value=0.87, method="count", n=10)
    write_evidence(
        place / "evidence/evaluate.json", Evidence(stage="evaluate", inputs={}, figures=[accuracy])
    )
    for n, value in enumerate((0.81, 0.87)):
        Ledger.of(place).append(
            "run", PRODUCT, {"run": f"r{n}", "commit": f"{n}" * 40,
                             "figures": {"evaluate.accuracy": value}}
        )  # fmt: skip
    return place


def call(project: Path, words: str, *more: str) -> Result:
    return CliRunner().invoke(app, [*words.split(), "--project", str(project), *more])


@pytest.mark.parametrize("words", READING)
@pytest.mark.parametrize("width", [80, 140])
def test_lines_fit_the_screen_and_nothing_is_cut(
    project: Path, words: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "10000")
    whole = call(project, words)
    monkeypatch.setenv("COLUMNS", str(width))
    shown = call(project, words)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert shown.output.split() == whole.output.split()
    for line in shown.output.splitlines():
        assert len(line) <= width or len(line.split()) == 1, line
    for cut in re.findall(r"\S*…", shown.output):
        assert re.fullmatch(r"(\w+=|hmac-sha256:)?[0-9a-f]{12}…", cut), cut


@pytest.mark.parametrize("words", READING)
def test_json_is_of_the_type_that_the_docs_name_and_alone(project: Path, words: str) -> None:
    done = call(project, words, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    kind = RESULTS[words.removesuffix(" abc1")]
    value = json.loads(done.stdout)
    assert value
    assert faults(value, kind) == []
    key = next(iter(value[0] if isinstance(value, list) else value))
    (value[0] if isinstance(value, list) else value)[f"{key}_renamed"] = 1
    if not str(kind).endswith(("Verification'>", "Entry]")):  # those forbid it by themselves
        assert faults(value, kind)


def test_a_pipe_gets_whole_lines(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = call(project, "history").output.splitlines()
    assert max(map(len, lines)) > 140
    assert any(LONG in line for line in lines)


def test_history_says_what_was_decided_on_which_day(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    text = call(project, "history").output
    assert re.match(r"\d{4}-\d\d-\d\d \(UTC\)\n  \d\d:\d\d:\d\d  #\d+ ", text)
    assert "rejected by the gate: ranking; report reports/model_release.html of commit" in text
    assert "released v1.1.0 to production (before: v1.0.0): by Rel Easer; approved by alice" in text
    assert f"rolled back to v1.0.0 in production (before: v1.1.0): by bob; {LONG}" in text


def test_kpis_show_value_target_and_a_trend_with_dates(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    lines = call(project, "kpis").output.splitlines()
    day = Ledger.of(project).entries()[-1].time[:10]
    assert lines == [
        "model_release:",
        "  decided_right: 0.87 share, target ≥ 0.85: met",
        "    share decided rightly (data science)",
        f"    0.81 on {day} → 0.87 on {day}, 2 values: ▁█",
        "  live_accuracy: no value, target ≥ 0.8 share",
        "    share that turned out right (operations)",
        "    live.accuracy has not been measured yet",
        "    no value in the ledger yet",
    ]


def test_a_line_wraps_below_its_label_and_a_command_stays_whole() -> None:
    assert wrapped("note: one two three", 12) == ["note: one", "      two", "      three"]
    assert wrapped("  1. one two", 8) == ["  1. one", "     two"]
    assert wrapped("  /a/path/that/is/long", 8) == ["  /a/path/that/is/long"]
    assert wrapped("  git add ledger && git commit", 12) == ["  git add ledger && git commit"]


def test_what_steers_a_terminal_is_never_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_lines(["red \x1b[31m[bold]", "two\nlines"], style="red")
    assert capsys.readouterr().out == "red �[31m[bold]\ntwo�lines\n"


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"a": 1}, dict[str, str]), ([1], list[str]), (True, int), (None, str), ("x", float | None)],
)
def test_the_check_of_shapes_finds_what_is_wrong(value: Any, kind: Any) -> None:
    assert faults(value, kind)
