"""Noise rules on a real Airflow: learned, judged, asked about, released, published, withdrawn."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from pipelines.release.ledger import Ledger
from pipelines.release.lifecycle import production
from tests.e2e.stack import Airflow, answer, login, question, settle, state, wait
from tests.support.small_project import call, change_params, commit

pytestmark = [pytest.mark.e2e, pytest.mark.product]

DAG = "alert_noise_reduction"
LIVE = "live/alertmanager.yml"
OWN = """\
# ours, by hand
route:
  receiver: on-call  # who is awake
  group_by: [alertname]
receivers:
  - name: on-call
    webhook_configs:
      - url: http://127.0.0.1:9/page
"""


@pytest.fixture(scope="module")
def asked(airflow: Airflow) -> str:
    """A run whose gate approves, waiting for an answer, with files to publish to."""
    project = airflow.project
    (project / "live").mkdir()
    (project / LIVE).write_text(OWN)
    targets = {"alertmanager_yml": LIVE, "hold_rules_yml": "live/guards.yml"}
    change_params(
        project, {f"aiops.export_rules.publish.{key}": path for key, path in targets.items()}
    )
    lately = datetime.now(UTC).date() - timedelta(days=20)  # old rules are expired
    change_params(
        project,
        {
            "aiops.export_rules.alertmanager_yml": LIVE,
            "aiops.export_rules.watch": "live",
            "aiops.simulate.start": lately.isoformat(),
        },
    )
    commit(project, "alerts go to our own Alertmanager")
    airflow.api.wait_for_dag(DAG)
    run = airflow.api.trigger(DAG, _easy_policy(project))
    wait(lambda: state(airflow, run, "approve_release", DAG) == "awaiting_input", 400)
    settle(airflow)
    return run


def _easy_policy(project: Any) -> dict[str, Any]:
    params = yaml.safe_load((project / "params.yaml").read_text())
    checks = params["aiops"]["gate_rules"]["checks"]
    return {"aiops.gate_rules.checks": [one for one in checks if one["id"] == "no_incident_missed"]}


def test_approved_rules_are_released_and_merged_into_the_live_files(
    airflow: Airflow, asked: str
) -> None:
    project = airflow.project
    told = airflow.client.get(question(asked, DAG)).json()
    assert told["subject"] == f"Release {DAG}? The gate says approve"
    assert (project / LIVE).read_text() == OWN
    reply = answer("Approve", "Looked at every rule.")
    login(airflow, "alice").patch(question(asked, DAG), json=reply).raise_for_status()
    assert airflow.finished(asked, dag=DAG) == "success"
    now = production(project, DAG)
    assert now is not None
    assert set(now.artifacts) == {"rules/rule_set.json"}
    published = airflow.api.xcom(DAG, asked, "publish_rules")
    assert published["published"] is True
    text = (project / LIVE).read_text()
    assert "# who is awake" in text
    assert "# >>> signalbox" in text
    if amtool := shutil.which("amtool"):
        subprocess.run([amtool, "check-config", project / LIVE], check=True, capture_output=True)
    kinds = dict.fromkeys(one.kind for one in Ledger.of(project).entries() if one.subject == DAG)
    assert list(kinds) == [
        "run", "gate", "question", "answer", "approval", "release", "publication",
    ]  # fmt: skip


def test_a_withdrawn_rule_leaves_the_live_file_and_the_rest_stays(
    airflow: Airflow, asked: str
) -> None:
    project = airflow.project
    command = (sys.executable, "-m", "pipelines.cli.main", "rules")
    rules = json.loads(call(project, *command, "status", "--json"))["rules"]
    live = [one["id"] for one in rules if one["id"] in (project / LIVE).read_text()]
    assert live
    why = ("--reason", "It hid an incident last night.")
    call(project, *command, "withdraw", live[0], *why, SIGNALBOX_KEYS=str(project.parent / "keys"))
    text = (project / LIVE).read_text()
    assert live[0] not in text
    assert all(one in text for one in live[1:])
    entries = [one for one in Ledger.of(project).entries() if one.subject == DAG]
    assert [one.kind for one in entries[-2:]] == ["withdrawal", "publication"]
