"""The bundled demo's configuration and words are never taken for those of somebody else's lake."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import SIMULATED

OWN = {"alert_history": {"lake": "/data/lake"}, "analysis": {"lake": "/data/lake"}}
SAID = {
    "data_set": "simulated", "title": "Of the demo", "owner": "Demo", "purpose": "p",
    "not_for": "n", "contact": "c", "notice": "All is synthetic.",
}  # fmt: skip


@pytest.mark.parametrize(("key", "value", "remedy"), [
    ("alertmanager_yml", f"{SIMULATED}/alertmanager.yml", "name your own alertmanager.yml"),
    ("prometheus", [f"{SIMULATED}/prometheus.yml"], r"prometheus.yml there, or \[\]"),
    ("watch", SIMULATED.as_posix(), "name the folder"),
])  # fmt: skip
def test_a_file_of_the_simulated_world_beside_another_lake_is_refused(
    key: str, value: Any, remedy: str
) -> None:
    sections = {**OWN, "export_rules": {key: value}}
    with pytest.raises(ValidationError, match=rf"export_rules\.{key}.*simulated world.*{remedy}"):
        AiopsParams.model_validate(sections)
    AiopsParams.model_validate({"export_rules": {key: value}})


def test_what_is_said_of_the_simulated_world_is_not_said_of_another_lake() -> None:
    incidents = {key: SAID[key] for key in ("data_set", "title", "owner", "notice")}
    raw = {"report_rules": SAID, "report_incidents": incidents}
    found = AiopsParams.model_validate({**OWN, **raw})
    assert found.report_rules.title == "Alert noise rules"
    assert found.report_rules.owner.startswith(
        "not filled in: params.yaml, aiops.report_rules.owner"
    )
    assert found.report_incidents.owner.startswith("not filled in: params.yaml, aiops.report_incid")
    assert not found.report_rules.notice
    assert not found.report_incidents.notice
    assert AiopsParams.model_validate(raw).report_rules.title == "Of the demo"


def test_what_is_said_without_a_data_set_holds_for_every_lake() -> None:
    said = {key: text for key, text in SAID.items() if key != "data_set"}
    found = AiopsParams.model_validate({**OWN, "report_rules": said})
    assert found.report_rules.notice == "All is synthetic."


def test_the_demo_itself_is_of_one_company() -> None:
    assert load_aiops_params().report_rules.data_set == "simulated"
