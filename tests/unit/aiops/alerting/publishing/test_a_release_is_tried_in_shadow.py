"""In shadow a release is judged and shown; the user's files stay as they are to the byte."""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.aiops.alerting.publishing import judging_of, publish, status, withdraw
from pipelines.aiops.alerting.rules import HoldRule
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import ExportRulesParams
from pipelines.cli.rules_commands import app
from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from tests.support.alert_worlds import WORLDS, freeze
from tests.unit.aiops.alerting.export.make import hold

from .project import live, make, params, released
from .test_files_are_judged_before_they_are_written import HOURS, MINUTES

TODAY = date(2026, 3, 1)
FIRST, SECOND = hold("alertname = Chatter"), hold("alertname = Latency", n=2)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released project with its keys, made once: git is slow."""
    place = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch, place)
        released(make(place / "project"), [FIRST])
    return place


def _isolate(patch: pytest.MonkeyPatch, place: Path) -> None:
    patch.setenv("SIGNALBOX_KEYS", str(place / "keys"))
    patch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    patch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _isolate(monkeypatch, tmp_path)


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return tmp_path / "project"


def trial(project: Path) -> ExportRulesParams:
    """The params with shadow on, and a reload that would fail if it was asked for."""
    return params(
        project, shadow=True, reload={"command": ["/bin/false"], "allowed": ["/bin/false"]}
    )


def states(project: Path) -> dict[str, tuple[bytes, int]]:
    folder = project.parent / "live"
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.iterdir())}


def test_no_file_is_written_and_the_ledger_says_what_would_be(project: Path) -> None:
    before = states(project)
    done = publish(project, trial(project), today=TODAY, who="alice")
    assert states(project) == before
    assert not (project / "backups").exists()
    targets = [
        str(project.parent / "live" / name) for name in ("alertmanager.yml", "signalbox.yml")
    ]
    assert (done.shadow, done.files, done.would_write) == (True, [], targets)
    assert "+      # >>> signalbox hold-1" in done.diff
    data = Ledger.of(project).entries()[-1].data
    assert (data["shadow"], data["files"], data["rules"]) == (True, {}, ["hold-1"])
    assert list(data["would_write"]) == targets
    # What is written later are these very bytes, and nobody is in its way.
    publish(project, params(project), today=TODAY)
    written = Ledger.of(project).entries()[-1].data
    assert (written["files"], "shadow" in written) == (data["would_write"], False)


def test_status_says_since_when_until_it_is_published(project: Path) -> None:
    publish(project, trial(project), today=TODAY)
    begun = Ledger.of(project).entries()[-1].time
    publish(project, trial(project), today=TODAY)
    found = status(project, trial(project), today=TODAY)
    assert (found["published"], found["files"], found["problems"]) == (None, {}, [])
    assert found["shadow"]["release"] == found["released"]
    assert found["shadow"]["since"] == begun
    assert [rule["id"] for rule in found["shadow"]["rules"]] == ["hold-1"]
    publish(project, params(project), today=TODAY)
    assert status(project, params(project), today=TODAY)["shadow"] is None


def test_a_new_release_is_tried_while_the_old_one_stays_in_the_files(project: Path) -> None:
    publish(project, params(project), today=TODAY)
    published = states(project)
    released(project, [FIRST, SECOND], n=2)
    publish(project, trial(project), today=TODAY)
    assert states(project) == published
    found = status(project, trial(project), today=TODAY)
    assert found["published"] != found["shadow"]["release"] == found["released"]
    assert found["problems"] == []
    released(project, [SECOND], n=3)
    (problem,) = status(project, trial(project), today=TODAY)["problems"]
    assert problem.endswith(f"{found['released']} is in shadow: run 'signalbox rules publish'")


def test_a_withdrawal_from_the_trial_writes_no_file(project: Path) -> None:
    publish(project, trial(project), today=TODAY)
    before = states(project)
    told: dict[str, Any] = {"reason": "would hide INC-7", "who": "bob", "today": TODAY}
    done = withdraw(project, trial(project), "hold-1", **told)
    assert done is not None
    assert (done.shadow, done.rules) == (True, [])
    assert states(project) == before
    found = status(project, trial(project), today=TODAY)
    assert (found["shadow"]["rules"], found["withdrawn"]) == ([], {"hold-1": "would hide INC-7"})
    assert publish(project, params(project), today=TODAY).rules == []
    with pytest.raises(SignalboxError, match="no rule 'hold-9'"):
        withdraw(project, trial(project), "hold-9", **told)


def test_a_harmful_rule_leaves_the_files_during_a_trial_too(project: Path) -> None:
    publish(project, params(project), today=TODAY)
    released(project, [FIRST, SECOND], n=2)
    own = params(project, shadow=True)
    publish(project, own, today=TODAY)
    since = status(project, own, today=TODAY)["shadow"]["since"]
    done = withdraw(project, own, "hold-1", reason="hid INC-7", who="bob", today=TODAY)
    assert done is not None
    assert not done.shadow
    found = live(project)
    assert "hold-1" not in found["alertmanager.yml"] + found["signalbox.yml"]
    shadow = status(project, own, today=TODAY)["shadow"]
    assert (shadow["since"], [r["id"] for r in shadow["rules"]]) == (since, ["hold-2"])


def test_what_the_files_hold_already_is_in_effect_and_no_trial(project: Path) -> None:
    publish(project, params(project), today=TODAY)
    done = publish(project, trial(project), today=TODAY)
    assert (done.shadow, done.files) == (False, [])
    assert status(project, trial(project), today=TODAY)["shadow"] is None


@pytest.mark.parametrize(("rule", "refused"), [(MINUTES, False), (HOURS, True)])
def test_the_newest_history_says_what_it_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: HoldRule, refused: bool
) -> None:
    """What would be refused is recorded: it harms nobody, and whoever tries it must see it."""
    project = make(tmp_path / "project")
    world = tmp_path / "world"
    shutil.copytree(WORLDS / "mini_fold", world)
    (tmp_path / "live/alertmanager.yml").write_text((world / "alertmanager.yml").read_text())
    head, *rows = (world / "tickets.csv").read_text().splitlines()
    fixed = [f"{row.rpartition(',')[0]},restart" for row in rows]
    (world / "tickets.csv").write_text("\n".join([head, *fixed, ""]))
    released(project, [rule])
    freeze(world, project)
    check = {
        "id": "missed", "protects": "people", "figure": "replay_rules.missed",
        "compare": "at_most", "threshold": 0, "owner": "operations", "reason": "made up",
    }  # fmt: skip
    all_params = AiopsParams.model_validate(
        {"export_rules": trial(project).model_dump(), "gate_rules": {"checks": [check]}}
    )
    before = states(project)
    done = publish(project, trial(project), today=TODAY, judging=judging_of(project, all_params))
    assert states(project) == before
    assert done.judged["figures"]["replay_rules.saved_share"] > 0.5
    assert (done.judged["figures"]["replay_rules.missed"] > 0) is refused
    assert [said.partition(":")[0] for said in done.judged["refused"]] == ["missed"] * refused
    assert status(project, trial(project), today=TODAY)["shadow"]["judged"] == done.judged
    monkeypatch.chdir(project)
    own = {"aiops": {"export_rules": trial(project).model_dump(mode="json")}}
    (project / "params.yaml").write_text(json.dumps(own))
    shown = CliRunner().invoke(app, ["status", "--today", "2026-03-01"]).output
    assert "of pages would be saved; of " in shown
    assert ("incidents 0 would be missed" in shown) is not refused
    assert ("would be refused: missed: " in shown) is refused


def test_the_command_line_says_what_is_in_shadow(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    before = states(project)

    def asked(*words: str, shadow: bool = True) -> str:
        own = params(project, shadow=shadow).model_dump(mode="json")
        (project / "params.yaml").write_text(json.dumps({"aiops": {"export_rules": own}}))
        done = CliRunner().invoke(app, [*words, "--today", "2026-03-01"])
        assert done.exit_code == 0, done.output
        assert states(project) == before
        return done.output

    assert "shadow is on: 'publish' writes none of this" in asked("diff")
    assert "in shadow: nothing yet" in asked("status")
    told = asked("publish", "--unjudged", "--reason", "a test")
    assert "1 rules in shadow, nothing was written" in told
    assert "would be written" in told
    assert "what it would do is unknown: not judged" in told
    assert "in shadow since 20" in asked("status")
    assert "the next 'publish' ends the trial and writes" in asked("status", shadow=False)
    assert "0 rules in shadow, nothing was written" in asked(
        "withdraw", "hold-1", "--reason", "would hide INC-7", "--unjudged"
    )
