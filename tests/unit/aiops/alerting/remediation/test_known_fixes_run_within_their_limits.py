"""Actions come from the allow-list, keep to their limits, and stand in the ledger."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.aiops.alerting.remediation import LiveAlert, Result, run_responses
from pipelines.aiops.alerting.remediation.commands import UnsafeValueError, arguments, run_command
from pipelines.aiops.params.alert_rules import ActionParams, RemediationParams
from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Ledger
from pipelines.release.ledger.keys import Keys
from tests.unit.aiops.alerting.export.make import hold, known_fix

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = known_fix("alertname = Stuck")


class Machine:
    """A ledger, a clock, and a file that actions write to."""

    def __init__(self, place: Path) -> None:
        self.place, self.now = place, START
        self.out = place / "out.txt"
        self.restart()

    def restart(self) -> None:
        path = self.place / "ledger/ledger.jsonl"
        self.ledger = Ledger(
            path, Keys(self.place / "keys", self.place / "ledger"), lambda: self.now
        )

    def action(self, **more: Any) -> dict[str, Any]:
        code = "import sys; open(sys.argv[1], 'a').write(repr(sys.argv[2:]) + chr(10))"
        args = ["-c", code, str(self.out), "{labels.instance}", "{rule}"]
        told = {"id": "restart", "kind": "command", "target": sys.executable, "args": args}
        return {**told, "reversible": True, **more}

    def run(self, *alerts: LiveAlert, dry: bool = False, trigger: Any = None, **more: Any
            ) -> list[Result]:  # fmt: skip
        params = RemediationParams.model_validate(
            {"dry_run": dry, "actions": [self.action(**more)], "fixes": {"restart": "restart"}}
        )
        rules = [RULE, hold("alertname = Stuck")]
        return run_responses(alerts, rules, params, self.ledger, lambda: self.now, trigger=trigger)

    @property
    def ran(self) -> list[str]:
        return self.out.read_text().splitlines() if self.out.exists() else []

    @property
    def steps(self) -> list[str]:
        return [one.data["step"] for one in self.ledger.entries() if one.kind == "remediation"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def alert(instance: str = "host-1", minutes: int = 1, name: str = "Stuck") -> LiveAlert:
    begun = START - timedelta(minutes=minutes)
    labels = {"alertname": name, "instance": instance}
    return LiveAlert(labels, int(begun.timestamp() * 1e6))


def test_dry_run_is_the_default_and_does_nothing(machine: Machine) -> None:
    assert RemediationParams().dry_run
    (result,) = machine.run(alert(), dry=True)
    assert result.outcome == "dry_run"
    assert "host-1" in result.message
    assert (machine.ran, machine.steps) == ([], ["dry_run"])


def test_an_allowed_command_gets_the_labels_as_arguments(machine: Machine) -> None:
    assert [one.outcome for one in machine.run(alert(), alert(name="Other"))] == ["done"]
    assert machine.ran == ["['host-1', 'known_fix-1']"]
    assert machine.steps == ["started", "ended"]


def test_the_ledger_holds_no_label_values(machine: Machine) -> None:
    machine.run(alert("jane.doe"))
    text = (machine.place / "ledger/ledger.jsonl").read_text()
    assert "jane.doe" not in text
    assert machine.ledger.verify().ok


def test_what_is_not_reversible_is_only_proposed(machine: Machine) -> None:
    (result,) = machine.run(alert(), reversible=False)
    assert result.outcome == "dry_run"
    assert "not reversible" in result.message
    assert machine.ran == []


def test_one_episode_is_tried_once_also_after_a_restart(machine: Machine) -> None:
    machine.run(alert())
    machine.restart()
    machine.now += timedelta(minutes=40)
    (result,) = machine.run(alert(), cooldown_seconds=0)
    assert (result.outcome, result.message) == ("skipped", "tried for this alert already")
    assert len(machine.ran) == 1


def test_the_limit_an_hour_survives_a_restart(machine: Machine) -> None:
    for instance in ("a", "b"):
        machine.run(alert(instance), max_per_hour=2)
    machine.restart()
    (result,) = machine.run(alert("c"), max_per_hour=2)
    assert result.outcome == "skipped"
    machine.now += timedelta(minutes=59)
    assert machine.run(alert("c", minutes=-50), max_per_hour=2)[0].outcome == "skipped"
    machine.now += timedelta(minutes=2)
    assert machine.run(alert("c", minutes=-50), max_per_hour=2)[0].outcome == "done"


def test_the_same_labels_cool_down(machine: Machine) -> None:
    machine.run(alert())
    machine.now += timedelta(minutes=10)
    (result,) = machine.run(alert(minutes=-5), cooldown_seconds=3600)
    assert "3600 s" in result.message
    assert machine.run(alert("other"), cooldown_seconds=3600)[0].outcome == "done"


def test_dry_runs_do_not_use_up_what_may_really_run(machine: Machine) -> None:
    machine.run(alert(), dry=True, max_per_hour=1)
    assert machine.run(alert("b"), dry=True, max_per_hour=1)[0].outcome == "skipped"
    assert machine.run(alert(), max_per_hour=1)[0].outcome == "done"


@pytest.mark.parametrize(("more", "outcome"), [
    ({"target": "/no/such/program"}, "missing"),
    ({"args": ["-c", "raise SystemExit(3)"]}, "failed"),
    ({"args": ["-c", "import time; time.sleep(60)"], "timeout_seconds": 1}, "timeout"),
])  # fmt: skip
def test_what_is_missing_fails_or_hangs_is_told_and_not_tried_again(
    machine: Machine, more: dict[str, Any], outcome: str
) -> None:
    assert machine.run(alert(), **more)[0].outcome == outcome
    assert machine.run(alert(), **more)[0].outcome == "skipped"
    ends = [one.data for one in machine.ledger.entries() if one.data.get("step") == "ended"]
    assert [one["outcome"] for one in ends] == [outcome]


def test_an_attempt_that_killed_us_counts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.aiops.alerting.remediation.run.run_command", killed)
    with pytest.raises(KeyboardInterrupt):
        machine.run(alert())
    monkeypatch.undo()
    machine.restart()
    assert machine.run(alert())[0].outcome == "skipped"


def test_without_a_ledger_nothing_is_started(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise SignalboxError("the disk is full")

    monkeypatch.setattr(machine.ledger, "append", refuse)
    with pytest.raises(SignalboxError, match="full"):
        machine.run(alert())
    assert machine.ran == []


def test_old_alerts_are_left_to_people(machine: Machine) -> None:
    assert machine.run(alert(minutes=61))[0].outcome == "skipped"
    assert machine.steps == []


@pytest.mark.parametrize("value", ["--force", "a b", "$(id)", "../../etc", "", "a\nb", "x" * 300])
def test_values_that_could_be_more_than_values_are_refused(machine: Machine, value: str) -> None:
    (result,) = machine.run(alert(value))
    assert result.outcome == "skipped"
    assert "instance" in result.message
    assert (machine.ran, machine.steps) == ([], [])


@given(st.text(max_size=30))
def test_a_value_is_one_word_or_refused(value: str) -> None:
    action = ActionParams(id="a", kind="command", target="t", reversible=True,
                          args=["{labels.x}", "--name={labels.x}", "{fix}"],
                          label_pattern="(?s:.*)")  # fmt: skip
    try:
        found = arguments(action, {"x": value}, rule="r", fix="f")
    except UnsafeValueError:
        return
    assert found == [value, f"--name={value}", "f"]
    assert not value.startswith("-")
    assert "\0" not in value


def test_an_unknown_placeholder_is_named(machine: Machine) -> None:
    (result,) = machine.run(alert(), args=["{instance}"])
    assert result.outcome == "skipped"
    assert "{labels.NAME}" in result.message


def test_a_dag_gets_a_configuration_and_a_missing_airflow_is_told(machine: Machine) -> None:
    started: list[tuple[str, dict[str, str]]] = []

    def trigger(dag: str, conf: dict[str, str]) -> str:
        started.append((dag, conf))
        return "manual__1"

    dag = {"kind": "dag", "target": "restart_service", "args": ["host={labels.instance}"]}
    assert machine.run(alert(), trigger=trigger, **dag)[0].outcome == "done"
    assert started == [("restart_service", {"host": "host-1"})]
    assert machine.run(alert("b"), **dag)[0].outcome == "missing"


def test_output_is_bounded_and_what_a_command_started_ends_with_it() -> None:
    loud = run_command([sys.executable, "-c", "print('x' * 10_000_000)"], 30)
    assert (loud.outcome, len(loud.output)) == ("done", 4000)
    child = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print('started')"
    ended = run_command([sys.executable, "-c", child], 30)
    assert (ended.outcome, ended.output) == ("done", "started\n")


def test_commands_see_no_secrets_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hush")
    seen = run_command([sys.executable, "-c", "import os; print(sorted(os.environ))"], 30)
    assert "SOME_TOKEN" not in seen.output


@pytest.mark.parametrize("wrong", [
    {"fixes": {"restart": "gone"}},
    {"actions": [{"id": "a", "kind": "shell", "target": "x", "reversible": True}]},
    {"actions": [{"id": "a", "kind": "command", "target": "x", "reversible": True}] * 2},
])  # fmt: skip
def test_wrong_params_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"action|kind"):
        RemediationParams.model_validate(wrong)
