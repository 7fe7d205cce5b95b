"""Stage ``replay_rules``: what rules do on days that they weren't mined from, and what files do.

Out of sample: each third of the history is replayed through files made, in memory, from rules that
were mined on the other two (`pipelines.aiops.alerting.judging`). That is what the gate decides on
and the report shows. In sample: the files of ``export_rules`` are read back from their bytes and
replayed over the whole history as Alertmanager and Prometheus would read them; a rule that is in
none of them has no effect. PagerDuty's form is another target, instead of these files: where it
holds anything, it is judged by itself in the same two ways.

Outs: ``rules/outcomes.parquet`` (an alert a row: what happens to it with today's configuration,
``baseline_…``, and out of sample with rules, ``candidate_…``), ``plots/rules_pages_per_day.csv``,
``evidence/replay_rules.json``, ``metrics/replay_rules.json``. `details` of the evidence:
`pipelines.aiops.alerting.evidence.ReplayDetails`, and ``operations``, by week, team and receiver:
`pipelines.aiops.alerting.evaluation.operations.Operations`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting.config import Process, process_of
from pipelines.aiops.alerting.evaluation import BacktestResult, figures, tables, together
from pipelines.aiops.alerting.evaluation.backtest import Fold
from pipelines.aiops.alerting.evaluation.baselines import BASELINES
from pipelines.aiops.alerting.evaluation.operations import (
    Operations,
    PageLoad,
    operation_figures,
    operations,
    read_answers,
    read_handled,
)
from pipelines.aiops.alerting.evaluation.tables import JudgedFold, JudgedWindow
from pipelines.aiops.alerting.evidence import (
    EXPORT_SUMMARY,
    BothStages,
    Certificate,
    PagerdutyOutcome,
    ReplayDetails,
    Span,
    TestSpan,
)
from pipelines.aiops.alerting.export.bundle import PAGERDUTY
from pipelines.aiops.alerting.export.read_back import exported_files, read_back
from pipelines.aiops.alerting.export.write import DIFF, source_paths
from pipelines.aiops.alerting.judging import (
    Case,
    Made,
    Unseen,
    baselines,
    cross_fit,
    smaller_set,
    wait_of,
)
from pipelines.aiops.alerting.rules import Rule, read_rules
from pipelines.aiops.alerting.windows import HistoryWindow, moment
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import EXPORT, HISTORY, OUTCOMES, PAGES_PER_DAY, RULE_SET
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, hash_inputs, write_evidence
from pipelines.core.files import replacing, write_json, write_text
from pipelines.core.stage import log, run_stage
from pipelines.core.time import DAY_US, SECOND_US

STAGE = "replay_rules"


@dataclass(frozen=True)
class Exported:
    """What the files of ``export_rules`` do on the whole history.

    Attributes
    ----------
    judged : JudgedWindow
        Those of Alertmanager and Prometheus.
    services : dict of str to int
        Receiver → rules that PagerDuty's form holds on its service.
    pagerduty : BacktestResult or None
        What that form does, without the others; None where it holds nothing.
    """

    judged: JudgedWindow
    services: dict[str, int]
    pagerduty: BacktestResult | None


def replay_exported(case: Case, rules: tuple[Rule, ...]) -> Exported:
    """Replay the whole history through the files of ``export_rules``, read from their bytes."""
    backtest = case.backtest(case.whole)
    files = read_back(exported_files(EXPORT, case.sources), rules, case.labels)
    services = {name: len(each.rules) for name, each in files.pagerduty.items()}
    # Before the replay through files: no two replays beside today's at once.
    pagerduty = backtest.pagerduty_effect(files.pagerduty, rules) if services else None
    candidate = backtest.replay_deployed(files)
    effect = backtest.effect(candidate, rules)
    judged = JudgedWindow.of(Fold(backtest, rules, candidate, effect))
    return Exported(judged, services, pagerduty)


@dataclass(frozen=True)
class Third:
    """What is kept of a third of the history.

    Attributes
    ----------
    fold : JudgedFold
        Sums for figures and tables.
    others : tuple of BacktestResult
        What each of `BASELINES` does there.
    outcomes : pyarrow.Table
        What happens to each of its alerts.
    load : PageLoad
        Its pages by week, team and receiver.
    pagerduty : BacktestResult or None
        What PagerDuty's form does there, where something is exported to it.
    """

    fold: JudgedFold
    others: tuple[BacktestResult, ...]
    outcomes: Any
    load: PageLoad
    pagerduty: BacktestResult | None = None

    @classmethod
    def of(cls, unseen: Unseen, *, pagerduty: bool = False) -> "Third":
        """Replay a third, and sum up; in `pagerduty`, too."""
        # Before the replay through files: no two replays beside today's at once.
        others = tuple(each.measure(unseen.backtest) for each in BASELINES)
        held = unseen.in_pagerduty() if pagerduty else None
        fold = unseen.fold()
        return cls(JudgedFold.of(fold), others, outcomes_of(fold), PageLoad.of(fold), held)


def judged(case: Case, rules: tuple[Rule, ...], make: Callable[[Unseen], Made]) -> tuple[Made, ...]:
    """Judge each third of the history with rules of the others that wait as the set's do."""
    return cross_fit(case, make, wait_of(rules))


def in_pagerduty(thirds: Sequence[Third]) -> BacktestResult | None:
    """Add up what PagerDuty's form does on the thirds; None where nothing is exported to it."""
    found = [third.pagerduty for third in thirds if third.pagerduty is not None]
    return together(found) if found else None


def pagerduty_outcome(thirds: Sequence[Third], exported: Exported) -> PagerdutyOutcome | None:
    """Sum up PagerDuty's form for the report."""
    effect = in_pagerduty(thirds)
    if effect is None or exported.pagerduty is None:
        return None
    return PagerdutyOutcome(
        **figures.outcome(effect).model_dump(),
        services=sorted(exported.services),
        baseline_pages=len(effect.baseline),
        deployed=figures.outcome(exported.pagerduty),
        missed_incidents=tables.incidents([each for each in effect.credible if each.missed]),
    )


def details(
    case: Case, thirds: Sequence[Third], exported: Exported, rules: tuple[Rule, ...]
) -> ReplayDetails:
    """Build the report's tables."""
    deployed = exported.judged
    folds = [third.fold for third in thirds]
    effect = together([fold.effect for fold in folds])
    whole = effect.window
    found = tables.incidents(effect.incidents)
    return ReplayDetails(
        window=TestSpan(start=moment(whole.start), end=moment(whole.end), days=whole.days),
        windows=[_span(fold.window) for fold in folds],
        stages=BothStages(
            baseline=tables.stages([fold.stages[0] for fold in folds]),
            candidate=tables.stages([fold.stages[1] for fold in folds]),
        ),
        outcome=figures.outcome(effect),
        deployed=figures.outcome(deployed.effect),
        rules=tables.by_rule(rules, folds),
        names=tables.by_name(folds),
        incidents=found,
        missed=[incident for incident in found if incident.missed and incident.credible],
        smaller_set=smaller_set(case, folds),
        teams=tables.by_team(folds),
        receivers=tables.receivers(folds),
        remaining=tables.remaining(folds),
        baselines=baselines([third.others for third in thirds]),
        heartbeats=sorted(
            {
                labels.get("alertname", "")
                for judged_window in (*folds, deployed)
                for labels in judged_window.heartbeats
            }
        ),
        pagerduty=pagerduty_outcome(thirds, exported),
    )


def operations_of(case: Case, thirds: Sequence[Third], effect: BacktestResult) -> Operations:
    """Say what being on call is like: KPIs of operations."""
    found = read_answers(
        HISTORY, [third.outcomes for third in thirds], case.params.runtime.memory_mb
    )
    pagers = [each.name for each in case.config.receivers if each.integrations and each.pages]
    handled = read_handled(HISTORY, case.whole, effect.incidents, case.frame.tickets)
    return operations(case.whole, [third.load for third in thirds], pagers, found, handled)


def _span(window: HistoryWindow) -> Span:
    return Span(start=moment(window.start), end=moment(window.end))


def certificate(
    effect: BacktestResult, deployed: BacktestResult, hashes: dict[str, str], process: Process
) -> Certificate:
    """Say in one place what the deployed files do, and which files these are."""
    window, counted = deployed.window, deployed.credible
    delays = [each.delay for each in counted if not each.missed]
    missed = sum(each.missed for each in effect.credible)
    unread = (EXPORT_SUMMARY.name, DIFF, PAGERDUTY)  # nobody's to read, or judged by itself
    return Certificate(
        start=moment(window.start),
        end=moment(window.end),
        incidents=len(counted),
        told_with_files=sum(not each.missed for each in counted),
        longest_delay_seconds=round(max(delays), 3) if delays else None,
        judged_incidents=len(effect.credible),
        judged_missed=missed,
        missed_share_at_most=figures.missed_bound(missed, len(effect.credible)),
        level=figures.LEVEL,
        files={
            path: sha256
            for path, sha256 in hashes.items()
            if path.startswith(f"{EXPORT.as_posix()}/") and Path(path).name not in unread
        },
        judge=(
            f"Signalbox's replay of {process.name} (a notification is answered after "
            f"{process.answer / SECOND_US:g} s) and of the exported Prometheus rules"
        ),
    )


def pages_csv(effect: BacktestResult) -> str:
    """Pages on each day of the history."""
    window = effect.window
    pages = zip(
        figures.per_day(effect.baseline, window),
        figures.per_day(effect.candidate, window),
        strict=True,
    )
    lines = ["day,baseline,candidate"]
    for day, (baseline, candidate) in enumerate(pages):
        lines.append(f"{moment(window.start + day * DAY_US).date()},{baseline},{candidate}")
    return "\n".join(lines) + "\n"


def outcomes_of(fold: Fold) -> Any:
    """Say what happens to every alert that started in a judged window.

    Returns
    -------
    pyarrow.Table
        A row an alert; texts that repeat are codes.
    """
    import pyarrow as pa

    rows = fold.backtest.rows
    inside = fold.backtest.window.holds(rows.starts)
    assert rows.ids is not None  # asked for in `main`
    columns = {"alert_id": pa.array(rows.ids[inside], pa.string())}
    for name, found in (("baseline", fold.backtest.baseline), ("candidate", fold.candidate)):
        columns[f"{name}_status"] = _coded(found.alerts["status"][inside])
        columns[f"{name}_first_page"] = found.alerts["first_page"].to_numpy()[inside]
        columns[f"{name}_pages"] = found.alerts["pages"].to_numpy()[inside]
    columns["rule"] = _coded(fold.candidate.alerts["rule"][inside].astype("category"))
    columns["group"] = fold.candidate.alerts["group"].to_numpy()[inside]
    return pa.table(columns)


def _coded(texts: Any) -> Any:
    """Turn a categorical column into one of Arrow."""
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(
        texts.cat.codes.to_numpy().astype("int32"),
        pa.array(texts.cat.categories.to_numpy().astype(object), pa.string()),
    )


def write_outcomes(path: Path, parts: Sequence[Any]) -> None:
    """Write what happens to every alert, as `outcomes_of` says, by its id."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    # Codes are sorted, and texts made of them only then: that takes half the memory.
    table = pa.concat_tables(parts).unify_dictionaries().sort_by("alert_id")
    table = table.cast(
        pa.schema(
            (field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
            for field in table.schema
        )
    )
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def summary_line(effect: BacktestResult, rules: tuple[Rule, ...]) -> str:
    """Say in a line what the rules do; nothing where there is nothing to say."""
    pages, candidate = len(effect.baseline), len(effect.candidate)
    words = [f"{len(rules):,} rules"]
    if not pages:
        words.append("today's configuration sends no page in this history")
    elif effect.saved:
        fewer = "fewer" if effect.saved > 0 else "more"
        share = abs(effect.saved_share)
        words.append(f"{pages:,} pages become {candidate:,} ({share:.1%} {fewer})")
    else:
        words.append(f"{pages:,} pages stay as they are")
    counted = effect.credible
    if counted:
        missed = sum(each.missed for each in counted)
        words.append(f"{missed} of {len(counted)} credible incidents missed")
    else:
        words.append("no credible incident is paged today, so none could be missed")
    late = figures.late_share(counted, 5)
    if late is not None:
        words.append(f"{late:.1%} told more than 5 min later")
    return "; ".join(words)


def main(params: AiopsParams) -> None:
    """Run the stage."""
    rules = read_rules(RULE_SET)
    case = Case.read(params, ids=True)
    own = params.export_rules
    exported = replay_exported(case, rules)
    deployed = exported.judged
    thirds = judged(case, rules, partial(Third.of, pagerduty=bool(exported.services)))
    folds = [third.fold for third in thirds]
    hashes = hash_inputs(
        HISTORY,
        RULE_SET,
        *(path for path in sorted(EXPORT.rglob("*")) if path.is_file()),
        *source_paths(own.alertmanager_yml, own.prometheus),
    )
    effect = together([fold.effect for fold in folds])
    told = details(case, thirds, exported, rules).model_copy(
        update={
            "certificate": certificate(effect, deployed.effect, hashes, process_of(*own.reader))
        }
    )
    work = operations_of(case, thirds, effect)
    no_page = (
        ""
        if len(effect.baseline)
        else figures.why_no_page(
            sum(fold.alerts for fold in folds), sum(fold.points for fold in folds)
        )
    )
    evidence = Evidence(
        stage=STAGE,
        inputs=hashes,
        figures=[
            *figures.figures(folds, deployed, rules),
            *figures.pagerduty_figures(in_pagerduty(thirds), sum(exported.services.values())),
            *operation_figures(work, no_page),
        ],
        details=told.model_dump(mode="json") | {"operations": work.model_dump(mode="json")},
    )
    outcomes = [third.outcomes for third in thirds]
    del case, thirds  # the alerts aren't needed any more, and sorting takes memory
    write_outcomes(OUTCOMES, outcomes)
    write_text(PAGES_PER_DAY, pages_csv(effect))
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in evidence.figures}
    )
    log(summary_line(effect, rules))


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
