"""Stage ``select_rules``: which of the mined rules are proposed, and how long they wait.

Proposed is every candidate that can be exported and changes no heartbeat. Where the history has
few credible incidents, the rules wait for a shorter time than the setting says.

Outs: ``rules/rule_set.json`` (``{"rules": […]}`` with the window they were mined on),
``plots/rules_trade_off.csv`` (saving against delay, for some waits, cross-fitted),
``evidence/select_rules.json`` and ``metrics/select_rules.json``. `details` of the evidence:
`pipelines.aiops.alerting.evidence.SelectionDetails`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.aiops.alerting.config import Config
from pipelines.aiops.alerting.evaluation import BacktestResult, together
from pipelines.aiops.alerting.evaluation.backtest import changing_heartbeats
from pipelines.aiops.alerting.evaluation.figures import outcome
from pipelines.aiops.alerting.evidence import CurvePoint, DroppedRule, SelectionDetails, Span
from pipelines.aiops.alerting.export.write import source_paths
from pipelines.aiops.alerting.judging import (
    WAITS,
    Case,
    Unseen,
    cross_fit,
    wait_of,
)
from pipelines.aiops.alerting.rules import Rule, read_rules, write_rules
from pipelines.aiops.alerting.windows import HistoryWindow, iso, moment
from pipelines.aiops.lake.frame import Labels
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import CANDIDATES, HISTORY, RULE_SET, TRADE_OFF
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json, write_text
from pipelines.core.stage import log, run_stage

STAGE = "select_rules"


@dataclass(frozen=True)
class Selected:
    """What is proposed.

    Attributes
    ----------
    window : HistoryWindow
        All of the history.
    candidates, rules : tuple of Rule
        What was mined, and what is proposed.
    dropped : list of DroppedRule
        The others, and why.
    curve : list of CurvePoint
        Saving against delay; empty without a rule that waits.
    credible : int
        Credible incidents that today's configuration pages about.
    few : str
        Why the rules wait for a shorter time; empty where they don't.
    """

    window: HistoryWindow
    candidates: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    dropped: list[DroppedRule]
    curve: list[CurvePoint]
    credible: int
    few: str

    @property
    def wait_seconds(self) -> int | None:
        """How long rules of the set wait; None without such a rule."""
        return wait_of(self.rules)


@dataclass(frozen=True)
class Third:
    """What is kept of a third of the history.

    Attributes
    ----------
    config : Config
        Today's configuration.
    heartbeats : tuple of dict of str to str
        Label sets of heartbeats.
    credible : int
        Credible incidents that today's configuration pages about.
    effects : dict of int to BacktestResult
        Seconds that rules wait → what rules of the other thirds do.
    """

    config: Config
    heartbeats: tuple[Labels, ...]
    credible: int
    effects: dict[int, BacktestResult]

    def changing_heartbeats(self, rules: Sequence[Rule]) -> dict[str, str]:
        """Find the rules that would change a heartbeat, as `Backtest.changing_heartbeats`."""
        return changing_heartbeats(self.config, rules, self.heartbeats)


def judged(case: Case, waits: Sequence[int]) -> tuple[Third, ...]:
    """Judge each third with rules of the others, for some waits.

    How long rules wait decides nothing of what is mined, so each third is mined for once.
    """

    def third(unseen: Unseen) -> Third:
        backtest = unseen.backtest
        return Third(
            backtest.config,
            backtest.heartbeat_labels,
            len(backtest.effect(backtest.baseline, ()).credible),
            {wait: unseen.effect(wait) for wait in waits},
        )

    return cross_fit(case, third)


def curve(thirds: Sequence[Third], waits: Iterable[int]) -> list[CurvePoint]:
    """Compute saving against delay, the shortest wait first."""
    return [
        CurvePoint(
            wait_seconds=wait,
            **outcome(together([third.effects[wait] for third in thirds])).model_dump(),
        )
        for wait in sorted(set(waits))
    ]


def choose(case: Case, candidates: tuple[Rule, ...]) -> Selected:
    """Choose among the candidates, and compute what longer and shorter waits would do."""
    settings = case.params.select_rules
    wait, few = wait_of(candidates), ""
    # The short wait as well: only when all thirds are judged it is known whether it is needed.
    waits = set() if wait is None else {*WAITS, wait, min(wait, settings.short_wait_seconds)}
    thirds = judged(case, sorted(waits))
    credible = sum(third.credible for third in thirds)
    if wait is not None and credible < settings.incidents_for_full_wait:
        few = (
            f"{credible} credible incidents are known, fewer than "
            f"{settings.incidents_for_full_wait}"
        )
        if wait > settings.short_wait_seconds:
            few = f"{few}: alerts wait {settings.short_wait_seconds} s instead of {wait} s"
            wait = settings.short_wait_seconds
            # Not copied: what a rule says of itself rests on how long it waits.
            candidates = case.mine([case.whole], wait)
    _, rules, dropped = case.deploy(candidates, thirds)
    points = [] if wait is None else curve(thirds, (*WAITS, wait))
    return Selected(case.whole, candidates, rules, dropped, points, credible, few)


def as_evidence(found: Selected, inputs: dict[str, str]) -> Evidence:
    """Put what was tried, chosen and why not into evidence."""
    window = found.window
    return Evidence(
        stage=STAGE,
        inputs=inputs,
        figures=[
            _count("candidates", "Candidate rules", len(found.candidates), "rules"),
            _count("rules", "Rules selected", len(found.rules), "rules"),
            _count(
                "credible_incidents",
                "Credible incidents that today's configuration pages about",
                found.credible,
                "incidents",
            ),
            Figure(
                id=f"{STAGE}.wait_seconds",
                label="How long a held alert waits before it pages",
                value=found.wait_seconds,
                missing="" if found.wait_seconds else "no rule holds an alert",
                method=found.few or "as the setting says",
                n=max(len(found.rules), 1),
                unit="seconds",
            ),
        ],
        details=SelectionDetails(
            window=Span(start=moment(window.start), end=moment(window.end)),
            curve=found.curve,
            dropped=found.dropped,
            wait_seconds=found.wait_seconds,
            credible_incidents=found.credible,
            few_incidents=found.few,
        ).model_dump(mode="json"),
    )


def _count(name: str, label: str, value: int, unit: str) -> Figure:
    return Figure(
        id=f"{STAGE}.{name}", label=label, value=value, method="count", n=max(value, 1), unit=unit
    )


COLUMNS = ("wait_seconds", "saved_share", "late_1m_share", "late_5m_share", "late_15m_share",
           "missed", "incidents")  # fmt: skip
"""Of the trade-off curve."""


def as_csv(points: Sequence[CurvePoint]) -> str:
    """Trade-off curve for ``dvc plots`` and the report."""
    rows = [point.model_dump() for point in points]
    lines = [
        ",".join("" if row[name] is None else str(row[name]) for name in COLUMNS) for row in rows
    ]
    return "\n".join([",".join(COLUMNS), *lines]) + "\n"


def main(params: AiopsParams) -> None:
    """Run the stage."""
    case = Case.read(params)
    found = choose(case, read_rules(CANDIDATES))
    write_rules(RULE_SET, found.rules, mined_on=[iso(found.window.start), iso(found.window.end)])
    write_text(TRADE_OFF, as_csv(found.curve))
    own = params.export_rules
    read = source_paths(own.alertmanager_yml, own.prometheus)
    evidence = as_evidence(found, hash_inputs(HISTORY, CANDIDATES, *read))
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in evidence.figures}
    )
    if found.few:
        log(found.few)
    log(f"{len(found.rules)} of {len(found.candidates)} candidates are proposed")


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
