"""Pages about rules in production and KPIs: what is bad comes first, what is unknown says so."""

import json
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from pipelines.aiops.alerting.evaluation.operations import (
    Handled,
    operation_figures,
    operations,
)
from pipelines.aiops.alerting.evidence import (
    HarmfulRuleDetails,
    RuleSaved,
    SinceRelease,
    WatchDetails,
)
from pipelines.aiops.alerting.publishing import released as publishing
from pipelines.aiops.alerting.publishing.released import ReleasedRules
from pipelines.aiops.alerting.rules import HoldRule
from pipelines.aiops.lake.feedback import Answer, Verdict, add, figure
from pipelines.aiops.product import ALERT_NOISE_REDUCTION
from pipelines.core.evidence import Evidence, write_evidence
from pipelines.release.config import load_section
from pipelines.release.kpis import KpisParams
from pipelines.release.kpis.formula import figures_in, parse
from signalbox_airflow.pages import access, feedback, kpis, rules, subjects
from signalbox_airflow.pages.app import make_app
from tests.unit.aiops.alerting.evaluation.made_up import holding
from tests.unit.aiops.alerting.evaluation.test_operations import WEEK, WINDOW, answers, load

ROOT = Path(__file__).parents[3]
RELEASE = "alert_noise_reduction@v1.0.0"
Get = Callable[[str], str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("aiops: {telemetry: {lake: lake}}\n")
    (tmp_path / "release.yaml").write_text("{}\n")
    return tmp_path


@pytest.fixture
def get(project: Path) -> Get:
    app = make_app(project)
    user = SimpleNamespace(get_id=lambda: "7", get_name=lambda: "ann")
    app.dependency_overrides[get_user] = lambda: user
    app.dependency_overrides[access.visible_to] = lambda: lambda _: True
    app.dependency_overrides[feedback.edits_of] = lambda: lambda _: True
    client = TestClient(app, base_url="http://airflow.example")

    def read(address: str) -> str:
        reply = client.get(address)
        assert reply.status_code == 200, reply.text
        return str(reply.text)

    return read


def release(monkeypatch: pytest.MonkeyPatch, *found: HoldRule) -> None:
    made = ReleasedRules(RELEASE, "0" * 40, "0" * 64, found, frozenset())
    for module in (rules, subjects):
        monkeypatch.setattr(module, "released_rules", lambda _: made)


def watched(
    project: Path, *harmful: str, of: str = RELEASE, since: SinceRelease | None = None
) -> None:
    details = WatchDetails(
        released=of,
        since_release=since,
        harmful_rules=[
            HarmfulRuleDetails(rule=rule, sentence="", missed=["INC-<7>"], late=[],
                               sole_cause=True, command="")
            for rule in harmful
        ],
    )  # fmt: skip
    write_evidence(
        project / "evidence/watch_rules.json",
        Evidence(stage="watch_rules", inputs={}, details=details.model_dump(mode="json")),
    )


def test_without_a_release_the_page_says_what_to_do(get: Get, project: Path) -> None:
    subprocess.run(["git", "init", "-q", project], check=True)
    assert "No rule set is in production" in get("/rules")


def test_harmful_rules_come_first_and_withdrawn_ones_last(
    get: Get, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, *(holding(f"Alert{n}", "web", n=n) for n in (1, 2, 3)))
    watched(project, "hold-2")
    monkeypatch.setattr(publishing, "withdrawn", lambda _: {"hold-1": "hid <INC-1>"})
    html = get("/rules")
    assert re.findall(r'id="judge-rule-([^"]+)"', html) == ["hold-2", "hold-3", "hold-1"]
    assert "It hid INC-&lt;7&gt;." in html
    assert "hid &lt;INC-1&gt;" in html
    assert "signalbox rules withdraw hold-2 --reason" in html
    assert "signalbox rules withdraw hold-1 --reason" not in html
    assert 'action="/signalbox/feedback"' in html  # to judge is the only thing to send
    assert set(re.findall(r'action="([^"]*)"', html)) == {"/signalbox/feedback"}


def test_what_was_watched_of_an_earlier_release_does_not_count(
    get: Get, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, holding("Alert1", "web"))
    watched(project, "hold-1", of="alert_noise_reduction@v0.9.0")
    html = get("/rules")
    assert "Harmful" not in html.replace("Harmful: it held", "")
    assert "not watched yet" in html


@pytest.mark.parametrize(
    ("left", "state"), [(-3, "expired"), (0, "expires soon"), (14, "expires soon"), (15, "nothing")]
)
def test_a_rule_says_how_long_it_has(
    get: Get, project: Path, monkeypatch: pytest.MonkeyPatch, left: int, state: str
) -> None:
    ends = datetime.now(UTC).date() + timedelta(days=left)
    release(monkeypatch, holding("Alert1", "web").model_copy(update={"expires": ends}))
    watched(project)
    html = get("/rules")
    assert ends.isoformat() in html
    assert f"</svg>{state}" in html


SAVED = "Pages saved since the release (estimate)</dt><dd>"


def test_pages_saved_since_the_release_are_known_once_alerts_are_newer_than_it(
    get: Get, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, holding("Alert1", "web", n=1), holding("Alert2", "web", n=2))
    assert get("/rules").count(SAVED + "not known: not watched yet") == 2
    watched(project)
    assert get("/rules").count(SAVED + "not known: no alerts since the release") == 2
    saved = [RuleSaved(rule="hold-1", alerts=40, pages_saved=12.3),
             RuleSaved(rule="hold-2", alerts=0, pages_saved=0.0)]  # fmt: skip
    start, end = "2026-04-01T08:00:00Z", "2026-04-03T00:00:00Z"
    watched(project, since=SinceRelease(start=start, end=end, rules=saved))
    html = get("/rules")
    assert f"{SAVED}12 saved, 40 alerts held, from 2026-04-01 08:00" in html
    assert f"{SAVED}0 saved, 0 alerts held" in html


def test_names_of_alerts_are_escaped(
    get: Get, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, holding("<script>x</script>", "web"))
    html = get("/rules")
    assert "<script>x" not in html
    assert "&lt;script&gt;x&lt;/script&gt;" in html


def test_a_rule_is_judged_with_its_alert_names(
    get: Get, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, holding("DiskFull", "web"))
    subject = subjects.find_subject(project, "rule", "hold-1", "")
    assert subject is not None
    assert (subject.names, subject.window) == (("DiskFull",), RELEASE)
    assert subjects.find_subject(project, "rule", "hold-9", "") is None


def test_answers_are_kept_where_rules_are_mined_from_but_never_in_the_simulated_world(
    get: Get, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, holding("DiskFull", "web"))
    assert subjects.lake_of(project) == project / "lake"
    assert "doesn’t reach mining" in get("/rules")
    own = project / "own"
    (project / "params.yaml").write_text(
        json.dumps({"aiops": {"telemetry": {"lake": "lake"}, "alert_history": {"lake": str(own)}}})
    )
    assert subjects.lake_of(project) == own
    assert "reach mining" not in get("/rules")


def write_operations(project: Path) -> None:
    found = operations(
        WINDOW,
        [load(("a", 0, 0, 40), ("a", 0, 1, 10))],
        ["a", "<b>"],
        answers(("x", 0, 1, 60), ("x", 0, 0, float("nan")), ("y", 1, -1, float("nan"))),
        [Handled("x", WEEK, 3600.0, False)],
    )
    write_evidence(
        project / "evidence/replay_rules.json",
        Evidence(
            stage="replay_rules",
            inputs={},
            figures=operation_figures(found, ""),
            details={"operations": found.model_dump(mode="json")},
        ),
    )


def test_operations_are_told_by_week_team_and_receiver(get: Get, project: Path) -> None:
    assert "Not measured yet" in get("/kpis")
    write_operations(project)
    html = get("/kpis")
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "2026-04-06 2.9 0.7 0.0 0.0 50.0% (1 of 2) 1 min / 1 min (1) 1 h / 1 h (1)" in text
    assert "2026-04-13 (3 days) 0.0 0.0 0.0 0.0 unknown unknown unknown unknown" in text
    assert "y 0.0 0.0 0.0 0.0 unknown" in text
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_a_trend_has_a_table_beside_it(get: Get, project: Path) -> None:
    write_operations(project)
    html = get("/kpis")
    pictures = re.findall(r'<svg[^>]*role="img" aria-label="([^"]+)"', html)
    assert "Minutes to acknowledge, 90th percentile" in pictures
    assert "Weeks, all teams and receivers" in html


def test_kpis_stand_against_their_targets(get: Get, project: Path) -> None:
    definitions = [
        {"id": "shift", "owner": "ops", "measures": "pages", "target": 2, "direction": "at_most",
         "formula": "replay_rules.candidate_pages_per_shift", "unit": "pages"},
        {"id": "night", "owner": "ops", "measures": "pages", "target": 1, "direction": "at_least",
         "formula": "replay_rules.candidate_pages_per_night"},
        {"id": "judged", "owner": "ops", "measures": "right", "target": 1, "direction": "at_least",
         "formula": "alert_history.judged_right"},
    ]  # fmt: skip
    for one in definitions:
        one["product"] = ALERT_NOISE_REDUCTION.name
    (project / "release.yaml").write_text(json.dumps({"kpis": {"definitions": definitions}}))
    write_operations(project)
    text = " ".join(re.sub(r"<[^>]+>", " ", get("/kpis")).split())
    assert "shift pages 0.5 pages met ≤ 2 pages" in text
    assert "night pages 0 missed ≥ 1" in text
    assert "judged right unknown ≥ 1 ops no run of stage alert_history can be read yet" in text


def test_default_kpis_name_figures_that_stages_measure() -> None:
    nothing = operations(WINDOW, [], [], answers(), [])
    measured = {one.id for one in operation_figures(nothing, "")}
    measured.add(figure([], "alert_history").id)
    own = load_section(ROOT / "release.yaml", "kpis", KpisParams).of(ALERT_NOISE_REDUCTION.name)
    assert len(own) >= 5
    for kpi in own:
        assert set(figures_in(parse(kpi.formula))) <= measured, kpi.id


def test_detectors_precision_is_told_with_its_interval(get: Get, project: Path) -> None:
    assert "Nobody has judged anything yet" in get("/kpis")
    verdicts: tuple[Verdict, ...] = ("right", "right", "noise")
    for n, verdict in enumerate(verdicts):
        add(
            project / "lake",
            Answer(at=datetime(2026, 4, 6 + 4 * n, tzinfo=UTC), by="ann", about="finding",
                   subject=f"f{n}", verdict=verdict, detectors=("<i>log</i>: burst",)),
        )  # fmt: skip
    html = get("/kpis")
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "&lt;i&gt;log&lt;/i&gt;: burst 66.7% 20.8 to 93.9% 3" in text
    assert "<i>log" not in html


def test_an_unknown_value_is_a_gap_in_the_trend() -> None:
    days = [date(2026, 4, 6) + timedelta(days=7 * n) for n in range(5)]
    values = (1.0, 2.0, None, 3.0, 4.0)
    drawn = str(kpis.trend_chart("x", list(zip(days, values, strict=True))))
    assert drawn.count("<polyline") == 2
    assert drawn.count("<circle") == 4
    assert "From 1 (2026-04-06) to 4 (2026-05-04)." in drawn
    assert "Nothing is known." in str(kpis.trend_chart("x", [(days[0], None)]))


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1, "pages", "1 page"),
        (67.878, "pages", "67.9 pages"),
        (1, "ms", "1 ms"),
        (0.5, "share", "50.0%"),
    ],
)
def test_a_value_is_told_with_its_unit_as_people_say_it(value: float, unit: str, said: str) -> None:
    from signalbox_airflow.pages.kpis import number

    assert number(value, unit).replace("\N{NO-BREAK SPACE}", " ") == said
