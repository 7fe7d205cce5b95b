"""The export's folder: what is in it, what it says, and that it is the same every time."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops import export_rules
from pipelines.aiops.alerting.config import value_matches, values_of
from pipelines.aiops.alerting.export import write
from pipelines.aiops.alerting.export.bundle import DEFAULT_CONFIG, Sources, make_bundle
from pipelines.aiops.alerting.export.spelling import (
    duration,
    millis_of,
    re2_problem,
    seconds_of,
    yaml_scalar,
)
from pipelines.aiops.alerting.export.write import export, read_sources
from pipelines.aiops.alerting.rules import Matcher, quoted, write_rules
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import EXPORT, RULE_SET
from pipelines.core.errors import SignalboxError
from pipelines.core.evidence import read_evidence
from pipelines.core.files import sha256_path

from . import configs
from .make import ALL, KNOWN, hold

FIELD = "event.custom_details.{label}"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "am.yml").write_text(configs.FULL)
    (tmp_path / "list.yml").write_text("- a\n")
    (tmp_path / "prometheus.yml").write_text("rule_files: [rules.yml]\n")
    write_rules(RULE_SET, [*ALL, hold("alertname = Latency", n=9, to="nobody")])
    return tmp_path


def params(**own: object) -> AiopsParams:
    return AiopsParams.model_validate({"export_rules": own})


def test_the_stage_writes_files_diff_summary_and_evidence(project: Path) -> None:
    export_rules.main(params(alertmanager_yml="am.yml", prometheus=["prometheus.yml"]))
    names = sorted(p.relative_to(EXPORT).as_posix() for p in EXPORT.rglob("*") if p.is_file())
    assert names == ["alertmanager.yml", "changes.diff", "pagerduty.json",
                     "prometheus_rules.yml", "summary.json"]  # fmt: skip
    summary = json.loads((EXPORT / "summary.json").read_text())
    told = {one["id"]: one for one in summary["rules"]}
    assert told["hold-2"]["locations"] == [
        "alertmanager.yml: route.routes", "alertmanager.yml: route.routes[0].routes",
        "prometheus_rules.yml",
    ]  # fmt: skip
    assert "no route to its pager" in told["hold-9"]["reasons"][0]
    assert "hold-9" not in (EXPORT / "prometheus_rules.yml").read_text()
    assert told["known_fix-1"]["reasons"]
    assert all(one["exported"] or one["reasons"] for one in told.values())
    evidence = read_evidence(Path("evidence/export_rules.json"))
    assert evidence.figure("export_rules.exported").value == 3  # type: ignore[union-attr]
    assert set(evidence.inputs) >= {"am.yml", "prometheus.yml", RULE_SET.as_posix()}


def test_the_rule_file_says_what_is_held_and_what_each_of_the_nine_rules_is(project: Path) -> None:
    export_rules.main(params(alertmanager_yml="am.yml", prometheus=["prometheus.yml"]))
    text = (EXPORT / "prometheus_rules.yml").read_text()
    for line in (
        "# - Latency (2 services), paged to team: hold-1, expires 2026-06-01",
        "# - Latency (1 service), paged to db not in offhours: hold-2, expires 2026-06-01",
    ):
        assert line in text
    (group,) = yaml.safe_load(text)["groups"]
    assert group["interval"] == "30s"
    assert len(group["rules"]) == 9
    lines = [line.strip() for line in text.splitlines()]
    for each in group["rules"]:
        kind = "record" if "record" in each else "alert"
        assert lines[lines.index(f"- {kind}: {each[kind]}") - 1].startswith("# ")
    assert group["rules"][-1]["alert"] == "SignalboxPage"


def test_the_diff_holds_the_file_and_the_source_stays_untouched(project: Path) -> None:
    export_rules.main(params(alertmanager_yml="am.yml", prometheus=["prometheus.yml"]))
    diff = (EXPORT / "changes.diff").read_text()
    assert "+++ b/am.yml" in diff
    assert Path("am.yml").read_text() == configs.FULL


def test_where_no_prometheus_is_known_nothing_is_held(project: Path) -> None:
    export_rules.main(params(alertmanager_yml="am.yml"))
    assert (EXPORT / "alertmanager.yml").read_text() == configs.FULL
    assert yaml.safe_load((EXPORT / "prometheus_rules.yml").read_text()) == {"groups": []}
    summary = json.loads((EXPORT / "summary.json").read_text())
    assert all("aiops.export_rules.prometheus" in one["reasons"][0]
               for one in summary["rules"] if one["family"] == "hold")  # fmt: skip


def test_the_same_input_gives_the_same_bytes(project: Path) -> None:
    def bytes_of() -> dict[str, bytes]:
        export_rules.main(params(alertmanager_yml="am.yml"))
        return {p.name: p.read_bytes() for p in EXPORT.rglob("*") if p.is_file()}

    assert bytes_of() == bytes_of()


def test_without_a_configuration_the_defaults_are_written_out(project: Path) -> None:
    export_rules.main(params())
    text = (EXPORT / "alertmanager.yml").read_text()
    assert text.startswith(DEFAULT_CONFIG.splitlines()[0])
    assert yaml.safe_load(text)["route"]["receiver"] == "default"


def test_the_defaults_as_a_file_mean_the_defaults_of_the_model() -> None:
    from pipelines.aiops.alerting.config import default_config, parse_config

    assert parse_config(DEFAULT_CONFIG, "x").route == default_config().route


def test_absent_programs_are_told_and_change_no_byte(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export_rules.main(params())
    with_programs = sha256_path(EXPORT)
    capsys.readouterr()
    monkeypatch.setattr(write.shutil, "which", lambda _: None)
    export_rules.main(params())
    assert "amtool check-config: not checked" in capsys.readouterr().out
    assert sha256_path(EXPORT) == with_programs


def test_a_refused_file_stops_the_stage_and_leaves_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = project / "bin"
    tools.mkdir()
    (tools / "amtool").write_text("#!/bin/sh\necho 'no good'; exit 1\n")
    (tools / "amtool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    with pytest.raises(SignalboxError, match="no good"):
        export_rules.main(params())
    assert not EXPORT.exists()


@pytest.mark.parametrize(("own", "says"), [
    ({"alertmanager_yml": "gone.yml"}, "gone.yml"),
    ({"alertmanager_yml": "list.yml"}, "list.yml"),
    ({"prometheus": ["list.yml"]}, "list.yml"),
])  # fmt: skip
def test_wrong_files_are_named(project: Path, own: dict[str, object], says: str) -> None:
    with pytest.raises(SignalboxError, match=says):
        export_rules.main(params(**own))
    assert not EXPORT.exists()


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "am.yml").write_bytes(b"route: \xff\n")
    with pytest.raises(SignalboxError, match="not UTF-8"):
        read_sources(str(tmp_path / "am.yml"))


def test_a_rule_that_prometheus_can_not_hold_is_nowhere(tmp_path: Path) -> None:
    odd = hold("alertname = X", "a-b = c")
    sources = Sources(configs.SMALL, "am.yml", KNOWN)
    summary, _ = export(tmp_path / "out", sources, [odd], step=60, label_field=FIELD)
    assert not summary.rules[0].exported
    assert "a-b" in summary.rules[0].reasons[0]
    assert (tmp_path / "out/alertmanager.yml").read_text() == configs.SMALL


def test_two_rules_of_one_id_are_an_error() -> None:
    with pytest.raises(SignalboxError, match="twice"):
        make_bundle(Sources(configs.SMALL, "am.yml"), [ALL[0], ALL[0]], 60, FIELD)


def test_pagerduty_gets_what_it_can_express_and_the_rest_is_told() -> None:
    found = make_bundle(Sources(configs.FULL, "am.yml", KNOWN), ALL, 60, FIELD).pagerduty
    assert found["services"] == []
    told = {one["rule"]: one["reason"] for one in found["not_expressed"]}
    assert "team has no pagerduty_configs" in told["hold-1"]
    assert "db doesn't send PagerDuty the labels alertname, service" in told["hold-2"]
    details = "    - service_key: abc\n      details:\n" + "".join(
        f"        {name}: '{{{{ .CommonLabels.{name} }}}}'\n" for name in ("alertname", "service")
    )
    text = configs.FULL.replace("    - service_key: abc\n", details)
    found = make_bundle(Sources(text, "am.yml", KNOWN), ALL, 60, FIELD).pagerduty
    (service,) = found["services"]
    (rule,) = service["orchestration_path"]["sets"][0]["rules"]
    assert (service["receiver"], rule["actions"]["suspend"]) == ("db", 300)
    assert rule["label"].startswith("hold-2: ")
    assert [one["rule"] for one in found["weaker"]] == ["hold-2"]
    assert all(one["reason"] for one in found["not_expressed"] + found["weaker"])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_scalar_reads_back_in_yaml_1_1_and_1_2(text: str) -> None:
    from ruamel.yaml import YAML

    line = f"a: [{yaml_scalar(text)}, b]\n"
    assert yaml.safe_load(line) == {"a": [text, "b"]}
    assert YAML(typ="safe", pure=True).load(line) == {"a": [text, "b"]}


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5), st.text(max_size=8))
def test_escaped_values_match_themselves_and_nothing_else(values: list[str], other: str) -> None:
    matcher = Matcher(label="l", op="=~", value="|".join(map(quoted, values)))
    assert not re2_problem(matcher.value)
    assert values_of(matcher) == tuple(values)
    assert all(value_matches(matcher, value) for value in values)
    assert value_matches(matcher, other) == (other in values)


@given(st.integers(min_value=0, max_value=10**8))
def test_durations_read_back(seconds: int) -> None:
    assert seconds_of(duration(seconds)) == seconds
    assert millis_of(duration(seconds)) == seconds * 1000
