"""Publication: only what was released, all files or none, and every step in the ledger."""

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from docs.make_commands import RESULTS
from pipelines.aiops.alerting.publishing import publish, publish_released, status, withdraw
from pipelines.aiops.alerting.publishing import released as files_module
from pipelines.aiops.params import AiopsParams
from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import rollback
from tests.support.shapes import faults
from tests.unit.aiops.alerting.export import configs
from tests.unit.aiops.alerting.export.make import hold

from .project import PRODUCT, live, make, params, released

TODAY = date(2026, 3, 1)
RULES = (hold("alertname = Chatter"), hold("alertname = Latency", n=2))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A released project with its keys, made once: git is slow."""
    place = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        _isolate(patch, place)
        released(make(place / "project"), RULES)
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


def kinds(project: Path) -> list[str]:
    return [one.kind for one in Ledger.of(project).entries()]


def test_the_released_rules_stand_in_all_files_and_in_the_ledger(project: Path) -> None:
    done = publish(project, params(project), today=TODAY, who="alice")
    found = live(project)
    for file in ("alertmanager.yml", "signalbox.yml"):
        assert "hold-1" in found[file]
        assert "SignalboxPage" in found[file]
    entry = Ledger.of(project).entries()[-1]
    assert (entry.kind, entry.subject, entry.seq) == ("publication", PRODUCT, done.entry)
    assert entry.data["rules"] == ["hold-1", "hold-2"]
    assert status(project, params(project), today=TODAY)["problems"] == []


def test_publishing_again_writes_nothing(project: Path) -> None:
    publish(project, params(project), today=TODAY)
    again = publish(project, params(project), today=TODAY)
    assert (again.files, again.diff) == ([], "")


def test_nothing_is_published_that_was_not_released(tmp_path: Path) -> None:
    project = make(tmp_path / "project")
    with pytest.raises(SignalboxError, match="no version"):
        publish(project, params(project), today=TODAY)
    assert live(project)["alertmanager.yml"] == configs.FULL


def test_a_moved_tag_is_refused(project: Path) -> None:
    (project / f"released/{PRODUCT}.json").write_text("{}")
    subprocess.run(["git", "tag", "-d", f"{PRODUCT}#production#1"], cwd=project, check=True)
    subprocess.run(["git", "tag", "-a", "-m", "x", f"{PRODUCT}#production#1", "HEAD"],
                   cwd=project, check=True)  # fmt: skip
    with pytest.raises(SignalboxError, match="ledger"):
        publish(project, params(project), today=TODAY)


def test_expired_rules_are_left_out_and_named(project: Path) -> None:
    done = publish(project, params(project), today=date(2026, 6, 2))
    assert set(done.expired) == {"hold-1", "hold-2"}
    assert live(project)["alertmanager.yml"] == configs.FULL
    assert "signalbox:held" not in live(project)["signalbox.yml"]


def test_a_rollback_publishes_the_release_before(project: Path) -> None:
    publish(project, params(project), today=TODAY)
    first = live(project)
    released(project, (*RULES, hold("alertname = More", n=3)), n=2)
    publish(project, params(project), today=TODAY)
    assert "hold-3" in live(project)["alertmanager.yml"]
    rollback(project, PRODUCT, to=None, reason="it hid an incident of ours", who="alice",
             stage="production")  # fmt: skip
    publish(project, params(project), today=TODAY)
    assert live(project) == first


def test_a_file_that_changed_is_not_overwritten_and_the_merge_is_shown(project: Path) -> None:
    target = project.parent / "live/alertmanager.yml"
    target.write_text(configs.FULL + "# a new line of the user's\n")
    with pytest.raises(SignalboxError, match="SignalboxPage") as caught:
        publish(project, params(project), today=TODAY)
    assert "Nothing was written" in str(caught.value)
    assert "signalbox.yml" not in live(project)
    publish(project, params(project), today=TODAY, merge_changed=True)
    assert live(project)["alertmanager.yml"].endswith("# a new line of the user's\n")
    target.write_text(target.read_text().replace("resolve_timeout: 5m", "resolve_timeout: 6m"))
    with pytest.raises(SignalboxError, match="changed since it was published"):
        publish(project, params(project), today=TODAY)
    assert "changed" in status(project, params(project), today=TODAY)["problems"][0]


def test_a_withdrawn_rule_is_taken_out_and_stays_out_until_it_is_readmitted(project: Path) -> None:
    publish(project, params(project), today=TODAY)
    withdraw(project, params(project), "hold-1", reason="hid INC-7", who="bob", today=TODAY)
    for file in ("alertmanager.yml", "signalbox.yml"):
        assert "hold-1" not in live(project)[file]
        assert "hold-2" in live(project)[file]
    assert kinds(project)[-2:] == ["withdrawal", "publication"]
    released(project, (*RULES, hold("alertname = Down", n=3)), n=2)
    done = publish(project, params(project), today=TODAY)
    assert done.withdrawn == {"hold-1": "hid INC-7"}
    publish(project, params(project), today=TODAY, readmit=["hold-1"])
    publish(project, params(project), today=TODAY)
    assert "hold-1" in live(project)["alertmanager.yml"]


def test_a_withdrawal_can_be_merged_into_a_file_that_changed(project: Path) -> None:
    publish(project, params(project), today=TODAY)
    target = project.parent / "live/alertmanager.yml"
    target.write_text(target.read_text() + "# new\n")
    told = {"reason": "hid INC-7", "who": "bob", "today": TODAY}
    with pytest.raises(SignalboxError, match="--merge"):
        withdraw(project, params(project), "hold-1", **told)
    assert "withdrawal" not in kinds(project)
    withdraw(project, params(project), "hold-1", merge_changed=True, **told)
    assert "hold-1" not in target.read_text()
    assert target.read_text().endswith("# new\n")


def test_a_withdrawn_rule_that_is_still_published_is_a_problem(project: Path) -> None:
    publish(project, params(project), today=TODAY)
    Ledger.of(project).append("withdrawal", PRODUCT, {"rule": "hold-1", "reason": "by hand"})
    assert "still published" in status(project, params(project), today=TODAY)["problems"][0]


def test_a_withdrawal_needs_a_reason_and_a_known_rule(project: Path) -> None:
    for rule, reason in (("hold-1", " "), ("hold-9", "why")):
        with pytest.raises(SignalboxError):
            withdraw(project, params(project), rule, reason=reason, who="bob", today=TODAY)
    assert "withdrawal" not in kinds(project)
    assert withdraw(project, params(project), "hold-1", reason="w", who="b", today=TODAY) is None
    assert publish(project, params(project), today=TODAY).withdrawn == {"hold-1": "w"}


def test_if_one_file_cannot_be_written_none_is(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real, count = live(project), Path.replace, 0

    def second_fails(self: Path, target: Path) -> Path:
        nonlocal count
        count += self.name.endswith(".partial") and "live" in str(self)
        if count == 2:
            raise OSError(28, "No space left on device", str(target))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", second_fails)
    with pytest.raises(SignalboxError, match="no file was changed"):
        publish(project, params(project), today=TODAY)
    monkeypatch.undo()
    assert live(project) == before


def test_if_the_ledger_refuses_the_files_are_as_they_were(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = live(project)

    def refuse(*_: object, **__: object) -> None:
        raise SignalboxError("the disk is full")

    monkeypatch.setattr(Ledger, "append", refuse)
    with pytest.raises(SignalboxError, match="as they were before"):
        publish(project, params(project), today=TODAY)
    assert live(project) == before


def test_a_publication_that_was_killed_is_undone_by_the_next(project: Path) -> None:
    before = live(project)
    text = {str(project.parent / "live" / name): "half done\n" for name in before}
    files_module.write_together(project / "backups/rules", text)
    assert set(live(project).values()) == {"half done\n"}
    assert "interrupted" in status(project, params(project), today=TODAY)["problems"][0]
    done = publish(project, params(project), today=TODAY)
    assert sorted(done.recovered) == sorted(text)
    assert "hold-1" in live(project)["alertmanager.yml"]


def test_a_link_stays_a_link_and_modes_stay(project: Path) -> None:
    folder = project.parent / "live"
    (folder / "alertmanager.yml").rename(folder / "real.yml")
    (folder / "alertmanager.yml").symlink_to("real.yml")
    (folder / "real.yml").chmod(0o640)
    publish(project, params(project), today=TODAY)
    assert (folder / "alertmanager.yml").is_symlink()
    assert "hold-1" in (folder / "real.yml").read_text()
    assert (folder / "real.yml").stat().st_mode & 0o777 == 0o640


def test_what_is_held_needs_both_files(project: Path) -> None:
    with pytest.raises(SignalboxError, match="hold_rules_yml"):
        publish(project, params(project, hold_rules_yml=""), today=TODAY)
    with pytest.raises(SignalboxError, match=r"publish\.alertmanager_yml"):
        publish(project, params(project, alertmanager_yml=None), today=TODAY)


def test_without_a_target_a_dag_publishes_nothing_and_says_so(project: Path) -> None:
    told = publish_released(project, AiopsParams(), today=TODAY)
    assert told["published"] is False
    assert "names no file" in told["why"]
    with pytest.raises(SignalboxError, match="no history to judge"):
        publish_released(project, AiopsParams(export_rules=params(project)), today=TODAY)


def test_a_reload_that_fails_puts_the_files_back(project: Path) -> None:
    before = live(project)
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    own = params(project, reload={"command": command, "allowed": [sys.executable]})
    with pytest.raises(SignalboxError, match=r"ends with 3.*as they were before"):
        publish(project, own, today=TODAY)
    assert live(project) == before
    assert "publication" not in kinds(project)


def test_a_reload_that_is_not_in_the_allow_list_is_refused_before_anything(project: Path) -> None:
    before = live(project)
    own = params(project, reload={"command": ["rm", "-rf", "x"], "allowed": ["systemctl"]})
    with pytest.raises(SignalboxError, match="isn't in 'allowed'"):
        publish(project, own, today=TODAY)
    assert live(project) == before


def test_what_amtool_refuses_is_not_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = project.parent / "bin"
    tools.mkdir()
    (tools / "amtool").write_text("#!/bin/sh\necho 'no good'; exit 1\n")
    (tools / "amtool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    before = live(project)
    with pytest.raises(SignalboxError, match="no good"):
        publish(project, params(project), today=TODAY)
    assert live(project) == before


def test_the_command_line_publishes_shows_and_withdraws(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.cli.rules_commands import app

    monkeypatch.chdir(project)
    own = params(project).model_dump(mode="json")
    (project / "params.yaml").write_text(json.dumps({"aiops": {"export_rules": own}}))
    run = CliRunner()
    shown = run.invoke(app, ["diff", "--today", "2026-03-01"])
    assert shown.exit_code == 0, shown.output
    assert "+      # >>> signalbox hold-1" in shown.output
    assert "signalbox:held" in shown.output
    as_json = json.loads(run.invoke(app, ["diff", "--today", "2026-03-01", "--json"]).stdout)
    assert faults(as_json, RESULTS["rules diff"]) == []
    assert as_json["diff"].splitlines() == shown.output.splitlines()
    assert live(project)["alertmanager.yml"] == configs.FULL
    done = run.invoke(app, ["publish", "--today", "2026-03-01", "--unjudged", "--json"])
    assert done.exit_code == 1
    assert "--unjudged needs a reason" in done.output
    done = run.invoke(app, ["publish", "--today", "2026-03-01", "--who", "alice", "--json",
                            "--unjudged", "--reason", "a test"])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert faults(json.loads(done.stdout), RESULTS["rules publish"]) == []
    assert json.loads(done.stdout)["rules"] == ["hold-1", "hold-2"]
    gone = run.invoke(app, ["withdraw", "hold-1", "--reason", "hid INC-7", "--who", "bob",
                            "--today", "2026-03-01", "--unjudged", "--json"])  # fmt: skip
    assert gone.exit_code == 0, gone.output
    assert faults(json.loads(gone.stdout), RESULTS["rules withdraw"]) == []
    assert json.loads(gone.stdout)["publication"]["rules"] == ["hold-2"]
    told = run.invoke(app, ["status", "--today", "2026-03-01", "--json"])
    assert faults(json.loads(told.stdout), RESULTS["rules status"]) == []
    assert json.loads(told.stdout)["withdrawn"] == {"hold-1": "hid INC-7"}
    assert run.invoke(app, ["status", "--today", "2027-03-01"]).exit_code == 1
