"""``signalbox rules remediate`` answers live alerts of the lake with the released rules."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.aiops.alerting.remediation.run import respond
from pipelines.aiops.lake import read
from pipelines.aiops.params import AiopsParams
from pipelines.cli.rules_commands import app
from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from tests.unit.aiops.alerting.export.make import known_fix
from tests.unit.aiops.alerting.publishing.project import make, released

from .test_success_is_measured_against_doing_nothing import BEGIN, MINUTE, frame

NOW = datetime.fromtimestamp((BEGIN + 5 * MINUTE) / 1e6, UTC)
TRUE = shutil.which("true") or "/bin/true"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNALBOX_KEYS", str(tmp_path / "keys"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    monkeypatch.setattr(read, "read_lake", lambda *_, **__: frame([30.0, 2.0]))
    return make(tmp_path / "project")


def params(dry: bool) -> AiopsParams:
    action = {"id": "restart", "kind": "command", "target": TRUE, "reversible": True}
    return AiopsParams.model_validate(
        {"remediation": {"dry_run": dry, "actions": [action], "fixes": {"restart": "restart"}}}
    )


def test_nothing_runs_before_a_release(project: Path) -> None:
    with pytest.raises(SignalboxError, match="no version"):
        respond(project, params(dry=False), clock=lambda: NOW)


def test_released_rules_answer_and_withdrawn_or_expired_ones_do_not(project: Path) -> None:
    released(project, [known_fix("alertname = Stuck")])
    late = datetime(2026, 7, 1, tzinfo=UTC)
    assert respond(project, params(dry=True), clock=lambda: late) == []
    (told,) = respond(project, params(dry=False), clock=lambda: NOW)
    assert told["outcome"] == "done"
    bare = CliRunner().invoke(app, ["remediate", "--effect", "--project", str(project)])
    assert bare.exit_code == 1  # no params.yaml
    (project / "params.yaml").write_text(
        json.dumps({"aiops": params(dry=True).model_dump(mode="json")})
    )
    shown = CliRunner().invoke(app, ["remediate", "--effect", "--json", "--project", str(project)])
    assert json.loads(shown.stdout)["effects"][0]["n"] == 1
    Ledger.of(project).append(
        "withdrawal", "alert_noise_reduction", {"rule": "known_fix-1", "reason": "it broke it"}
    )
    assert respond(project, params(dry=False), clock=lambda: NOW) == []
