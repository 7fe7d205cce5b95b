"""Stage ``watch_rules``: what the released rules do on the newest days, and which hid an incident.

The released rule set is replayed on the last third of the history: today's files against the same
files with the rules exported into them, one rule file for each Prometheus. So it is whether the
rules are in production or in shadow (``aiops.export_rules.publish.shadow``). Evidence
``evidence/watch_rules.json``: figures ``watch_rules.rules`` (watched), ``.harmful``, and, once
there are rules, ``.saved_share``, ``.missed`` and ``.late``; `details` is
`pipelines.aiops.alerting.evidence.WatchDetails`: with what each rule saved since the commit that
was released, where the history reaches so far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.aiops.alerting.evaluation.backtest import BacktestResult, Fold
from pipelines.aiops.alerting.evaluation.figures import outcome, why_no_page
from pipelines.aiops.alerting.evaluation.tables import JudgedFold, by_rule
from pipelines.aiops.alerting.evidence import (
    HarmfulRuleDetails,
    RuleSaved,
    SinceRelease,
    WatchDetails,
)
from pipelines.aiops.alerting.export.write import source_paths
from pipelines.aiops.alerting.judging import Case
from pipelines.aiops.alerting.publishing.harmful_rules import (
    BEYOND_USE_SECONDS,
    HarmfulRule,
    find_harmful_rules,
    released_rules,
)
from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.alerting.windows import HistoryWindow, iso, thirds
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import HISTORY, RULES_RELEASED
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json
from pipelines.core.git import git_or_none
from pipelines.core.stage import log, run_stage
from pipelines.core.time import SECOND_US
from pipelines.release.released import Released, read_released

STAGE = "watch_rules"


@dataclass(frozen=True)
class Watched:
    """What released rules did on the newest days.

    Attributes
    ----------
    effect : BacktestResult
        Pages and incidents.
    no_page : str
        Why today's configuration sent no page; empty where it did.
    harmful : list of HarmfulRule
        Worst first.
    since : SinceRelease or None
        What each rule saved since the release; None where no alert is that new.
    """

    effect: BacktestResult
    no_page: str
    harmful: list[HarmfulRule]
    since: SinceRelease | None = None


def watch(
    params: AiopsParams, rules: tuple[Rule, ...], released_us: int | None = None
) -> Watched | None:
    """Measure the rules in the last third of the frozen history; None without rules.

    They do what their files do, exported for each Prometheus and read back as `replay_rules` does:
    what no file can take has no effect.

    Parameters
    ----------
    params : AiopsParams
        Settings.
    rules : tuple of Rule
        The released rules.
    released_us : int, optional
        Since when they are released, microseconds since 1970; None = not known.

    Returns
    -------
    Watched or None
    """
    if not rules:
        return None
    case = Case.read(params)
    window = thirds(case.whole)[-1]
    backtest = case.backtest(window)

    def measure(some: Sequence[Rule]) -> BacktestResult:
        files, exported, _ = case.deploy(some, ())
        return backtest.effect(backtest.replay_deployed(files), exported)

    effect = measure(rules)
    rows = backtest.rows
    points = int((rows.ends == rows.starts).sum())
    no_page = "" if len(effect.baseline) else why_no_page(len(rows), points)
    found = find_harmful_rules(measure, rules, effect)
    return Watched(effect, no_page, found, _since_release(case, rules, released_us))


def _since_release(
    case: Case, rules: tuple[Rule, ...], released_us: int | None
) -> SinceRelease | None:
    """Replay the alerts since the release; None where the history has none."""
    whole = case.whole
    if released_us is None or int(case.frame.starts.max()) < released_us:
        return None
    window = HistoryWindow(max(released_us, whole.start), whole.end)
    backtest = case.backtest(window)
    files, exported, _ = case.deploy(rules, ())
    candidate = backtest.replay_deployed(files)
    fold = Fold(backtest, exported, candidate, backtest.effect(candidate, exported))
    saved = by_rule(rules, [JudgedFold.of(fold)])
    return SinceRelease(
        start=iso(window.start),
        end=iso(window.end),
        rules=[RuleSaved(rule=each.rule.id, alerts=each.alerts, pages_saved=each.pages_saved)
               for each in saved],
    )  # fmt: skip


def _committed_us(released: Released | None) -> int | None:
    """When the released commit was made, which no later run changes; None where git has it not."""
    if released is None:
        return None
    seconds = git_or_none(Path(), "show", "--no-patch", "--format=%ct", released.commit)
    return int(seconds) * SECOND_US if seconds else None


def as_evidence(
    released: Released | None,
    rules: tuple[Rule, ...],
    watched: Watched | None,
    inputs: dict[str, str],
    *,
    shadow: bool,
) -> Evidence:
    """Put what was watched and found into evidence."""
    method = (
        "replay of the last third of the history through files with the released rules"
        if released
        else "nothing to watch: no rule set is released yet"
    )
    where = "in shadow" if shadow else "in production"
    harmful = watched.harmful if watched else []
    return Evidence(
        stage=STAGE,
        inputs=inputs,
        figures=[
            Figure(
                id=f"{STAGE}.rules",
                label=f"Rules {where}",
                value=len(rules),
                method=method,
                n=max(len(rules), 1),
                unit="rules",
            ),
            Figure(
                id=f"{STAGE}.harmful",
                label=f"Rules {where} that hid an incident of late, or delayed it beyond use",
                value=len(harmful),
                method=method,
                n=max(len(rules), 1),
                unit="rules",
            ),
            *(_measured(watched, method, where) if watched else []),
        ],
        details=WatchDetails(
            released=released.name if released else None,
            shadow=shadow and released is not None,
            window=(iso(watched.effect.window.start), iso(watched.effect.window.end))
            if watched
            else None,
            effect=outcome(watched.effect) if watched else None,
            since_release=watched.since if watched else None,
            harmful_rules=[
                HarmfulRuleDetails(
                    rule=harmful_rule.rule,
                    sentence=harmful_rule.describe(shadow=shadow),
                    missed=list(harmful_rule.missed),
                    late=list(harmful_rule.late),
                    sole_cause=harmful_rule.sole_cause,
                    command=f"signalbox rules withdraw {harmful_rule.rule} --reason …",
                )
                for harmful_rule in harmful
            ],
        ).model_dump(mode="json"),
    )


def _measured(watched: Watched, method: str, where: str) -> list[Figure]:
    """Put what the rules saved, missed and delayed (or would have, in shadow) into figures."""
    effect, counted = watched.effect, watched.effect.credible
    late = sum(not each.missed and each.delay > BEYOND_USE_SECONDS for each in counted)
    return [
        Figure(
            id=f"{STAGE}.saved_share",
            label=f"Share of pages saved by the rules {where}",
            value=None if watched.no_page else round(effect.saved_share, 6),
            missing=watched.no_page,
            method=method,
            n=max(len(effect.baseline), 1),
            unit="share",
        ),
        *(
            Figure(
                id=f"{STAGE}.{name}",
                label=f"Credible incidents {what} with the rules {where}",
                value=count,
                method=method,
                n=max(len(counted), 1),
                unit="incidents",
            )
            for name, what, count in (
                ("missed", "missed", sum(each.missed for each in counted)),
                ("late", f"told more than {BEYOND_USE_SECONDS // 60} min later", late),
            )
        ),
    ]


def main(params: AiopsParams) -> None:
    """Run the stage."""
    released = read_released(RULES_RELEASED)
    rules = released_rules(released)
    watched = watch(params, rules, _committed_us(released))
    shadow = params.export_rules.publish.shadow
    own = params.export_rules
    read = source_paths(own.alertmanager_yml, own.prometheus)
    inputs = hash_inputs(HISTORY, RULES_RELEASED, *read)
    evidence = as_evidence(released, rules, watched, inputs, shadow=shadow)
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in evidence.figures}
    )
    harmful = watched.harmful if watched else []
    for harmful_rule in harmful:
        log(harmful_rule.describe(shadow=shadow))
    where = "in shadow" if shadow else "in production"
    log(f"{len(rules)} released rules {where} watched, {len(harmful)} harmful")


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
