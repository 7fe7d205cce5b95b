"""Stage ``replay_rules``: backtest the exported files, once, on the test window of the history.

The files of ``export_rules`` are read back from their bytes and replayed as Alertmanager and
Prometheus would read them; a rule that is in none of them has no effect. Nothing is chosen here:
what comes out is what the gate decides on and the report shows.

Outs: ``rules/outcomes.parquet`` (an alert a row: what happens to it with
today's configuration, ``baseline_…``, and with the rules, ``candidate_…``),
``plots/rules_pages_per_day.csv``, ``evidence/replay_rules.json``, ``metrics/replay_rules.json``.
`details` of the evidence: `pipelines.aiops.alerting.evidence.ReplayDetails`.
"""

from pathlib import Path

from pipelines.aiops.alerting import windows as memory
from pipelines.aiops.alerting.config import Process, process_of
from pipelines.aiops.alerting.config.parse import config_with_pagers
from pipelines.aiops.alerting.evaluation import Backtest, BacktestResult, closing_times, tables
from pipelines.aiops.alerting.evaluation import tables as bounds
from pipelines.aiops.alerting.evidence import (
    EXPORT_SUMMARY,
    BothStages,
    Certificate,
    ReplayDetails,
    Stages,
    TestSpan,
)
from pipelines.aiops.alerting.export.bundle import PAGERDUTY, Sources
from pipelines.aiops.alerting.export.read_back import exported_files, read_back
from pipelines.aiops.alerting.export.write import DIFF, source_paths, sources_of
from pipelines.aiops.alerting.replay import Replay
from pipelines.aiops.alerting.rules import Rule, read_rules
from pipelines.aiops.alerting.windows import moment, split_window, whole_window
from pipelines.aiops.lake.read import read_history
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import EXPORT, HISTORY, OUTCOMES, PAGES_PER_DAY, RULE_SET
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import replacing, write_json, write_text
from pipelines.core.stage import log, run_stage
from pipelines.core.time import DAY_US, SECOND_US

STAGE = "replay_rules"


def backtest_on_last(params: AiopsParams) -> Backtest:
    """Read the history and replay its last window through today's configuration."""
    memory.require(HISTORY, params.runtime.memory_mb, memory.REPLAY_BYTES)
    frame = read_history(HISTORY, params.runtime.memory_mb, ids=True)
    windows = split_window(
        whole_window(frame), params.mine_rules.train, params.mine_rules.validation
    )
    own = params.export_rules
    process = process_of(*own.reader)
    config = config_with_pagers(own.alertmanager_yml, own.paging_receivers, process)
    return Backtest(frame, windows.test, config, closing_times(HISTORY))


def replay_exported(backtest: Backtest, sources: Sources, rules: tuple[Rule, ...]) -> Replay:
    """Replay the window through the files of ``export_rules``, read back from their bytes."""
    labels = {name for labels in backtest.rows.labels for name in labels}
    return backtest.replay_deployed(read_back(exported_files(EXPORT, sources), rules, labels))


def details(
    backtest: Backtest, effect: BacktestResult, rules: tuple[Rule, ...], candidate: Replay
) -> ReplayDetails:
    """Build the report's tables."""
    window = effect.window
    return ReplayDetails(
        window=TestSpan(start=moment(window.start), end=moment(window.end), days=window.days),
        stages=BothStages(
            baseline=Stages(**backtest.baseline.stages), candidate=Stages(**candidate.stages)
        ),
        families=tables.by_family(rules, effect, candidate),
        rules=tables.by_rule(rules, effect, candidate),
        incidents=tables.incidents(effect),
        teams=tables.by_label(backtest, candidate, "team"),
        noisiest=tables.noisiest(backtest, candidate),
        receivers=tables.receivers(backtest, candidate),
        heartbeats=sorted(
            {backtest.rows.labels[n].get("alertname", "") for n in backtest.heartbeats.tolist()}
        ),
    )


def certificate(
    effect: BacktestResult, figures: list[Figure], hashes: dict[str, str], process: Process
) -> Certificate:
    """Say in one place what the deployed files do, and which files these are."""
    window = effect.window
    share = next(figure for figure in figures if figure.id == f"{STAGE}.missed_share")
    longest = next(figure for figure in figures if figure.id == f"{STAGE}.longest_delay")
    unread = (EXPORT_SUMMARY.name, DIFF, PAGERDUTY)  # nobody's to read, or not judged here
    return Certificate(
        start=moment(window.start),
        end=moment(window.end),
        incidents=len(effect.incidents),
        notified_today=len(effect.notified),
        notified_with_files=len(effect.notified) - len(effect.missed),
        missed_share_at_most=share.high,
        level=bounds.LEVEL,
        longest_delay_seconds=longest.value,
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
    """Pages on each day of the window."""
    window = effect.window
    pages = zip(
        bounds.per_day(effect.baseline, window),
        bounds.per_day(effect.candidate, window),
        strict=True,
    )
    lines = ["day,baseline,candidate"]
    for day, (baseline, candidate) in enumerate(pages):
        lines.append(f"{moment(window.start + day * DAY_US).date()},{baseline},{candidate}")
    return "\n".join(lines) + "\n"


def write_outcomes(path: Path, backtest: Backtest, candidate: Replay) -> None:
    """Write what happens to every alert that started in the window."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    inside = backtest.window.holds(backtest.rows.starts)
    ids = backtest.rows.ids
    assert ids is not None  # asked for in `backtest_on_last`
    columns = {"alert_id": ids[inside]}
    for name, found in (("baseline", backtest.baseline), ("candidate", candidate)):
        columns[f"{name}_status"] = found.alerts["status"].to_numpy().astype(str)[inside]
        columns[f"{name}_first_page"] = found.alerts["first_page"].to_numpy()[inside]
        columns[f"{name}_pages"] = found.alerts["pages"].to_numpy()[inside]
    columns["rule"] = candidate.alerts["rule"].to_numpy().astype(str)[inside]
    columns["group"] = candidate.alerts["group"].to_numpy()[inside]
    table = pa.table(columns).sort_by("alert_id")
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def summary_line(effect: BacktestResult, rules: tuple[Rule, ...]) -> str:
    """Say in a line what the rules do; nothing where there is nothing to say."""
    pages, candidate = len(effect.baseline), len(effect.candidate)
    words = [f"{len(rules):,} rules"]
    if not pages:
        words.append("today's configuration sends no page in the test window")
    elif effect.saved:
        fewer = "fewer" if effect.saved > 0 else "more"
        share = abs(effect.saved_share)
        words.append(f"{pages:,} pages become {candidate:,} ({share:.1%} {fewer})")
    else:
        words.append(f"{pages:,} pages stay as they are")
    if effect.notified:
        words.append(f"{len(effect.missed)} of {len(effect.notified)} incidents missed")
    else:
        words.append("no ticketed incident is paged today, so none could be missed")
    if len(effect.delays()):
        words.append(f"median delay {effect.median_delay:.0f} s")
    return "; ".join(words)


def main(params: AiopsParams) -> None:
    """Run the stage."""
    rules = read_rules(RULE_SET)
    backtest = backtest_on_last(params)
    own = params.export_rules
    process = process_of(*own.reader)
    sources = sources_of(own)
    candidate = replay_exported(backtest, sources, rules)
    effect = backtest.effect(candidate, rules)
    paths = [
        HISTORY,
        RULE_SET,
        *(path for path in sorted(EXPORT.rglob("*")) if path.is_file()),
        *source_paths(own.alertmanager_yml, sources, own.prometheus),
    ]
    hashes = hash_inputs(*paths)
    figures = tables.figures(backtest, effect, rules, candidate)
    told = details(backtest, effect, rules, candidate)
    told = told.model_copy(update={"certificate": certificate(effect, figures, hashes, process)})
    evidence = Evidence(
        stage=STAGE, inputs=hashes, figures=figures, details=told.model_dump(mode="json")
    )
    write_outcomes(OUTCOMES, backtest, candidate)
    write_text(PAGES_PER_DAY, pages_csv(effect))
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in evidence.figures}
    )
    log(summary_line(effect, rules))


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
