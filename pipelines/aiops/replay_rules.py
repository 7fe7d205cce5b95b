"""Stage ``replay_rules``: backtest the chosen rules, once, on the test window of the history.

Nothing is chosen here: what comes out is what the gate decides on and the report shows.

Outs: ``rules/outcomes.parquet`` (an alert a row: what happens to it with
today's configuration, ``baseline_…``, and with the rules, ``candidate_…``),
``plots/rules_pages_per_day.csv``, ``evidence/replay_rules.json``, ``metrics/replay_rules.json``.
`details` of the evidence: `pipelines.aiops.alerting.evidence.ReplayDetails`.
"""

from pathlib import Path

import numpy as np

from pipelines.aiops.alerting import windows as memory
from pipelines.aiops.alerting.config.parse import config_with_pagers
from pipelines.aiops.alerting.evaluation import Backtest, BacktestResult, closing_times, tables
from pipelines.aiops.alerting.evaluation import tables as bounds
from pipelines.aiops.alerting.evidence import BothStages, ReplayDetails, Stages, TestSpan
from pipelines.aiops.alerting.replay import Replay
from pipelines.aiops.alerting.rules import Rule, read_rules
from pipelines.aiops.alerting.windows import moment, split_window, whole_window
from pipelines.aiops.lake.frame import AlertFrame
from pipelines.aiops.lake.read import read_history
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import HISTORY, OUTCOMES, PAGES_PER_DAY, RULE_SET
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import replacing, write_json, write_text
from pipelines.core.stage import log, run_stage
from pipelines.core.stats import clopper_pearson_upper
from pipelines.core.time import DAY_US

STAGE = "replay_rules"
_REPLAYED = "replay of the test window, on which nothing was mined or selected"


def backtest_on_last(params: AiopsParams) -> Backtest:
    """Read the history and replay its last window through today's configuration."""
    memory.require(HISTORY, params.runtime.memory_mb, memory.REPLAY_BYTES)
    frame = read_history(HISTORY, params.runtime.memory_mb, ids=True)
    windows = split_window(
        whole_window(frame), params.mine_rules.train, params.mine_rules.validation
    )
    config = config_with_pagers(
        params.export_rules.alertmanager_yml, params.export_rules.paging_receivers
    )
    return Backtest(frame, windows.test, config, closing_times(HISTORY))


def figures(
    backtest: Backtest, effect: BacktestResult, rules: tuple[Rule, ...], candidate: Replay
) -> list[Figure]:
    """Everything the gate may ask for."""
    pages, notified = len(effect.baseline), len(effect.notified)
    stages_today, stages_with_rules = backtest.baseline.stages, candidate.stages
    return [
        _figure("rules", "Rules", len(rules), n=len(rules), unit="rules", method="count"),
        _figure("baseline_pages", "Pages with today's configuration", pages, n=pages, unit="pages"),
        _figure(
            "candidate_pages", "Pages with the rules", len(effect.candidate), n=pages, unit="pages"
        ),
        _saved(effect, why_no_page(backtest.rows)),
        _figure("missed", "Incidents missed", len(effect.missed), n=notified, unit="incidents"),
        _missed_share(effect),
        _figure(
            "vanished", "Incidents of which no receiver at all is notified any more",
            len(effect.vanished), n=len(effect.incidents), unit="incidents",
        ),
        _figure(
            "heartbeats_changed", "Rules that would change what is sent of a heartbeat",
            len(backtest.changing_heartbeats(rules)), n=len(rules), unit="rules",
            method="routes, inhibition and durations of alerts that always fire and are repeated "
            "every few minutes, without and with each rule",
        ),
        *_delays(effect),
        _figure(
            "baseline_notifications", "Notifications with today's configuration, of any kind",
            stages_today["notifications"], n=stages_today["alerts"], unit="notifications",
        ),
        _figure(
            "candidate_notifications", "Notifications with the rules, of any kind",
            stages_with_rules["notifications"], n=stages_with_rules["alerts"], unit="notifications",
        ),
    ]  # fmt: skip


def _figure(
    name: str, label: str, value: float, *, n: int, unit: str, method: str = _REPLAYED
) -> Figure:
    return Figure(
        id=f"{STAGE}.{name}", label=label, value=value, method=method, n=max(n, 1), unit=unit
    )


def why_no_page(rows: AlertFrame) -> str:
    """Say why today's configuration sends no page, as far as the alerts themselves show it."""
    text = "today's configuration sends no page in this window"
    points = int((rows.ends == rows.starts).sum())
    if not points:
        return text
    return (
        f"{text}: {points:,} of its {len(rows):,} alerts end as they start, before any group's "
        "first flush; set hold_seconds of their source (aiops.telemetry.sources)"
    )


def _saved(effect: BacktestResult, no_page: str) -> Figure:
    window = effect.window
    low, high = bounds.saved_interval(
        bounds.per_day(effect.baseline, window), bounds.per_day(effect.candidate, window)
    ) or (None, None)
    return Figure(
        id=f"{STAGE}.saved_share",
        label="Share of pages saved",
        value=round(effect.saved_share, 6) if len(effect.baseline) else None,
        missing="" if len(effect.baseline) else no_page,
        low=low,
        high=high,
        level=bounds.LEVEL if low is not None else None,
        method=f"{_REPLAYED}; bootstrap over days",
        n=len(effect.baseline),
        unit="share",
    )


def _missed_share(effect: BacktestResult) -> Figure:
    # A guessed link is no proof that people are notified of the incident: it only counts as missed.
    guessed = sum(incident.assumed_link for incident in effect.notified if not incident.missed)
    notified = len(effect.notified) - guessed
    besides = f"; {guessed} incidents linked by service and time alone don't count" * bool(guessed)
    return Figure(
        id=f"{STAGE}.missed_share",
        label="Share of ticketed incidents missed",
        value=len(effect.missed) / notified if notified else None,
        missing=""
        if notified
        else "today's configuration pages about no ticketed incident in this window",
        low=0.0 if notified else None,
        high=float(clopper_pearson_upper(len(effect.missed), notified, bounds.LEVEL))
        if notified
        else None,
        level=bounds.LEVEL if notified else None,
        method=f"Clopper–Pearson, one-sided: the upper bound is the figure that counts{besides}",
        n=notified,
        unit="share",
    )


def _delays(effect: BacktestResult) -> list[Figure]:
    delays = effect.delays()
    nothing = "no ticketed incident is paged in this window"
    low, high = bounds.median_interval(delays) or (None, None)
    return [
        Figure(
            id=f"{STAGE}.median_delay",
            label="Delay added to the median incident's first page",
            value=float(np.median(delays)) if len(delays) else None,
            missing="" if len(delays) else nothing,
            low=low,
            high=high,
            level=bounds.LEVEL if low is not None else None,
            method="order statistics of incidents' added delays",
            n=len(delays),
            unit="seconds",
        ),
        Figure(
            id=f"{STAGE}.longest_delay",
            label="Longest delay added to an incident's first page",
            value=float(np.max(delays)) if len(delays) else None,
            missing="" if len(delays) else nothing,
            method=_REPLAYED,
            n=len(delays),
            unit="seconds",
        ),
    ]


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


def in_words(effect: BacktestResult, rules: tuple[Rule, ...]) -> str:
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
    candidate = backtest.replay(rules)
    effect = backtest.effect(candidate, rules)
    config = params.export_rules.alertmanager_yml
    paths = [HISTORY, RULE_SET, *([Path(config)] if config else [])]
    evidence = Evidence(
        stage=STAGE,
        inputs=hash_inputs(*paths),
        figures=figures(backtest, effect, rules, candidate),
        details=details(backtest, effect, rules, candidate).model_dump(mode="json"),
    )
    write_outcomes(OUTCOMES, backtest, candidate)
    write_text(PAGES_PER_DAY, pages_csv(effect))
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in evidence.figures}
    )
    log(in_words(effect, rules))


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
