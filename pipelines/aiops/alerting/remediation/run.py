"""Answer alerts whose fix is known with an action of the allow-list."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.config import matches
from pipelines.aiops.alerting.publishing.released import PRODUCT, released_rules, withdrawn
from pipelines.aiops.alerting.remediation.commands import DagTrigger, Ended, arguments, run_command
from pipelines.aiops.alerting.remediation.limits import (
    DRY,
    ENDED,
    LEVEL,
    METHOD,
    STARTED,
    LiveAlert,
    live_alerts,
    measure,
    objection,
)
from pipelines.aiops.alerting.rules import KnownFixRule, Rule, content_key
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.alert_rules import ActionParams, RemediationParams
from pipelines.core.errors import SignalboxError
from pipelines.release.ledger import Entry, Ledger
from pipelines.release.lifecycle.files import exclusive_lock


@dataclass(frozen=True)
class Result:
    """What came of one alert.

    Attributes
    ----------
    rule, action : str
        Ids of the rule and the action.
    alert : str
        The alert's name.
    outcome : str
        ``done``, ``failed``, ``missing``, ``timeout``, ``dry_run`` or ``skipped``.
    message : str
        Command, or why nothing was done; for the screen, not for the ledger.
    output : str
        The beginning of what the command printed; for the screen, too.
    """

    rule: str
    action: str
    alert: str
    outcome: str
    message: str
    output: str = ""


def run_responses(
    alerts: Sequence[LiveAlert],
    rules: Sequence[Rule],
    params: RemediationParams,
    ledger: Ledger,
    clock: Callable[[], datetime],
    *,
    trigger: DagTrigger | None = None,
) -> list[Result]:
    """Take the actions that known fixes ask for.

    Parameters
    ----------
    alerts : sequence of LiveAlert
        What fires now.
    rules : sequence of Rule
        The released ones; others than known fixes are passed over.
    params : RemediationParams
        Section ``aiops.remediation``: the allow-list and its limits.
    ledger : Ledger
        Each attempt is an entry before it starts, so one that kills us counts too; if the ledger
        can't be written nothing is started.
    clock : callable
        Returns the time now, as a datetime with a time zone.
    trigger : DagTrigger, optional
        Starts DAGs; without it actions of kind ``dag`` fail.

    Returns
    -------
    list of Result
        One result an alert that a known fix with an action matches; nothing for the others.

    Raises
    ------
    SignalboxError
        If the ledger can't be written.
    """
    known = {allowed.id: allowed for allowed in params.actions}
    work = _Work(params, ledger, clock, trigger)
    found = []
    for rule in sorted(_fixes(rules), key=content_key):
        action = known.get(params.fixes.get(rule.fix, ""))
        if action is None:
            continue
        for alert in sorted(alerts, key=lambda live_alert: (live_alert.starts, live_alert.series)):
            if matches(rule.matchers, alert.labels):
                found.append(work.respond(_Case(alert, rule, action)))
    return found


def _fixes(rules: Sequence[Rule]) -> list[KnownFixRule]:
    return [rule for rule in rules if isinstance(rule, KnownFixRule)]


@dataclass(frozen=True)
class _Case:
    """An alert, the rule that knows its fix, and the action that is the fix."""

    alert: LiveAlert
    rule: KnownFixRule
    action: ActionParams

    def result(self, outcome: str, says: str, output: str = "") -> Result:
        name = self.alert.labels.get("alertname", "")
        return Result(self.rule.id, self.action.id, name, outcome, says, output)

    def arguments(self) -> list[str]:
        found = arguments(self.action, self.alert.labels, rule=self.rule.id, fix=self.rule.fix)
        if self.action.kind == "dag":
            _conf(found)
        return found

    def age(self, now: datetime) -> int:
        return max(0, round(now.timestamp() - self.alert.starts / 1e6))

    def facts(self, now: datetime) -> dict[str, Any]:
        """Return what the ledger keeps: hashes of the labels, not the labels."""
        return {
            "rule": self.rule.id,
            "action": self.action.id,
            "kind": self.action.kind,
            "target": self.action.target,
            "series": self.alert.series,
            "episode": self.alert.episode,
            "age_seconds": self.age(now),
        }


@dataclass(frozen=True)
class _Work:
    params: RemediationParams
    ledger: Ledger
    clock: Callable[[], datetime]
    trigger: DagTrigger | None

    def respond(self, case: _Case) -> Result:
        now = self.clock()
        dry = self.params.dry_run or not case.action.reversible
        why, given = self._prepare(case, now, dry)
        if why:
            return case.result("skipped", why)
        said = " ".join([case.action.target, *given])
        if dry:
            self._log({**case.facts(now), "step": DRY})
            reason = "" if self.params.dry_run else " (not reversible: never by itself)"
            return case.result(DRY, f"would run: {said}{reason}")
        begun = self._log({**case.facts(now), "step": STARTED})
        ended = self._execute(case.action, given)
        self._log(_end_of(ended, case.facts(now), begun.seq))
        return case.result(ended.outcome, said, ended.output)

    def _prepare(self, case: _Case, now: datetime, dry: bool) -> tuple[str, list[str]]:
        """Return why nothing is done (or nothing), and the arguments."""
        if case.age(now) > self.params.max_age_minutes * 60:
            return "it fires for too long already: people look at it", []
        why = objection(case.alert, case.action, self.ledger.entries(), now, dry=dry)
        if why:
            return why, []
        try:
            return "", case.arguments()
        except SignalboxError as error:
            return str(error), []

    def _execute(self, action: ActionParams, given: list[str]) -> Ended:
        if action.kind == "dag":
            return _start_dag(action.target, _conf(given), self.trigger)
        return run_command([action.target, *given], action.timeout_seconds)

    def _log(self, data: dict[str, Any]) -> Entry:
        return self.ledger.append("remediation", PRODUCT, data)


def _end_of(ended: Ended, facts: dict[str, Any], of: int) -> dict[str, Any]:
    return {
        **facts,
        "step": ENDED,
        "of": of,
        "outcome": ended.outcome,
        "exit_code": ended.code,
        "seconds": ended.seconds,
    }


def _conf(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for argument in given:
        key, sign, value = argument.partition("=")
        if not sign:
            raise SignalboxError(
                f"aiops.remediation.actions: arguments of a DAG are key=value: {argument!r}"
            )
        found[key] = value
    return found


def _start_dag(dag: str, conf: dict[str, str], trigger: DagTrigger | None) -> Ended:
    if trigger is None:
        return Ended("missing", None, 0.0, "no Airflow runs that could start it")
    try:
        return Ended("done", None, 0.0, f"run {trigger(dag, conf)}")
    except (SignalboxError, OSError) as error:
        return Ended("failed", None, 0.0, str(error))


def _now() -> datetime:
    return datetime.now(UTC)


def respond(
    project: Path,
    params: AiopsParams,
    *,
    trigger: DagTrigger | None = None,
    clock: Callable[[], datetime] = _now,
) -> list[dict[str, Any]]:
    """Respond to the alerts that fire now.

    Only released rules count, and none that expired or was withdrawn. Two at once are refused:
    limits would not hold.

    Parameters
    ----------
    project : Path
        Root of the project, with its ledger.
    params : AiopsParams
        Section ``aiops``.
    trigger : DagTrigger, optional
        Starts DAGs; without it actions of kind ``dag`` fail.
    clock : callable
        Returns the time now, as a datetime with a time zone; the system's clock by default.

    Returns
    -------
    list of dict
        Fields of `Result`, one an alert with a known fix.

    Raises
    ------
    SignalboxError
        If nothing is released, the ledger can't be written, or another response runs.
    """
    from pipelines.aiops.lake.read import read_lake

    with exclusive_lock(project, f"{PRODUCT}-response"):
        now, ledger = clock(), Ledger.of(project)
        out = withdrawn(ledger.entries())
        rules = [
            rule
            for rule in released_rules(project).rules
            if rule.expires >= now.date() and rule.id not in out
        ]
        since = now - timedelta(minutes=params.remediation.max_age_minutes)
        lake = project / params.alert_history.lake
        frame = read_lake(lake, since.date(), now.date(), params.runtime.memory_mb)
        alerts = live_alerts(frame, round(now.timestamp() * 1e6))
        found = run_responses(alerts, rules, params.remediation, ledger, clock, trigger=trigger)
    return [asdict(effect) for effect in found]


def effects(project: Path, params: AiopsParams) -> dict[str, Any]:
    """Measure what executed responses did, against doing nothing.

    Parameters
    ----------
    project : Path
        Root of the project, with its ledger.
    params : AiopsParams
        Section ``aiops``.

    Returns
    -------
    dict
        ``method`` (text), ``level`` (of confidence) and ``effects`` (fields of `ActionEffect`).

    Raises
    ------
    SignalboxError
        If nothing is released.
    """
    from pipelines.aiops.lake.read import read_lake

    frame = read_lake(project / params.alert_history.lake, memory_mb=params.runtime.memory_mb)
    rules = released_rules(project).rules
    found = measure(Ledger.of(project).entries(), frame, rules, params.remediation.success_minutes)
    return {"method": METHOD, "level": LEVEL, "effects": [asdict(effect) for effect in found]}
