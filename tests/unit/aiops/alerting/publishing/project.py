"""A git repository with a released rule set, in bytes instead of megabytes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from pipelines.aiops.alerting.export.write import export, read_sources
from pipelines.aiops.alerting.rules import RULES, Rule
from pipelines.aiops.params.alert_rules import ExportRulesParams
from pipelines.release.approval import Answer, ApprovalParams, outcome
from pipelines.release.lifecycle import read_candidate, record_outcome, release
from tests.unit.aiops.alerting.export import configs
from tests.unit.release.lifecycle.product import commit, git, make_project, write_lock

PRODUCT = "alert_noise_reduction"
GATE = {
    "evidence/gate_rules.json": json.dumps(
        {"details": {"decision": "approve",
                     "checks": [{"id": "missed", "verdict": "pass", "sentence": "None."}]}}
    ),
    "metrics/gate_rules.json": json.dumps({"verdict": "approve"}),
}  # fmt: skip


def make(place: Path) -> Path:
    project = make_project(place)
    policy = yaml.safe_load((project / "release.yaml").read_text())
    policy["registry"] = {"products": {PRODUCT: {
        "artifacts": ["rules/rule_set.json"], "gate": "gate_rules",
        "pointer": f"released/{PRODUCT}.json",
    }}}  # fmt: skip
    (project / "release.yaml").write_text(yaml.safe_dump(policy))
    (project / f"released/{PRODUCT}.json").write_text('{"released": null}')
    live = place.parent / "live"
    live.mkdir()
    (live / "alertmanager.yml").write_text(configs.FULL)
    (live / "prometheus.yml").write_text("rule_files: [rules.yml]\n")
    return project


def params(project: Path, **more: Any) -> ExportRulesParams:
    live = project.parent / "live"
    publish = {
        "alertmanager_yml": str(live / "alertmanager.yml"),
        "hold_rules_yml": str(live / "signalbox.yml"),
        **more,
    }
    return ExportRulesParams.model_validate({
        "alertmanager_yml": publish["alertmanager_yml"],
        "prometheus": [str(live / "prometheus.yml")],
        "publish": publish,
    })  # fmt: skip


def released(project: Path, rules: Sequence[Rule], n: int = 1) -> str:
    """Commit a run with these rules and release it."""
    own = params(project)
    text = json.dumps({"n": n, "rules": RULES.dump_python(tuple(rules), mode="json")})
    summary, _ = export(
        project.parent / f"export-{n}",
        read_sources(own.alertmanager_yml, own.prometheus),
        rules, step=30, label_field="event.custom_details.{label}",
    )  # fmt: skip
    files = {
        **GATE,
        "rules/rule_set.json": text,
        "reports/alert_noise_reduction.html": f"<title>run {n}</title>",
        "evidence/export_rules.json": json.dumps({"details": {"sources": summary.sources}}),
    }
    for path, content in files.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(content)
    write_lock(project, list(files))
    made = commit(project, f"run {n}")
    here = Answer(who="alice", approves=True, channel="command_line")
    decided = outcome([here], "approve", ApprovalParams(approvers=["alice"]))
    record_outcome(project, read_candidate(project, PRODUCT, made), decided)
    release(project, PRODUCT, made)
    commit(project, f"released {n}")
    return made


def live(project: Path) -> dict[str, str]:
    folder = project.parent / "live"
    return {p.name: p.read_text() for p in sorted(folder.iterdir()) if p.is_file()}


__all__ = ["PRODUCT", "git", "live", "make", "params", "released"]
