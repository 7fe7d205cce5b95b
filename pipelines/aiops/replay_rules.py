"""Stage ``replay_rules``: judge the chosen rules, once, on the last window of the history.

Nothing is chosen here: what comes out is what the gate decides on and the report shows.

Outs: ``rules/outcomes.parquet`` (an alert a row: what happens to it today and with the rules),
``plots/rules_pages_per_day.csv``, ``evidence/replay_rules.json``, ``metrics/replay_rules.json``.
`details` of the evidence: `pipelines.aiops.alerting.evidence.ReplayDetails`.
"""

from pathlib import Path

import numpy as np

from pipelines.aiops.alerting import memory
from pipelines.aiops.alerting.config.parse import todays_config
from pipelines.aiops.alerting.evaluation import Backtest, BacktestResult, closing_times, tables
from pipelines.aiops.alerting.evaluation import tables as bounds
from pipelines.aiops.alerting.evidence import BothStages, JudgedSpan, ReplayDetails, Stages
from pipelines.aiops.alerting.replay import Replay
from pipelines.aiops.alerting.rules import Rule, read_rules
from pipelines.aiops.alerting.windows import moment, split_window, whole_window
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
_REPLAYED = "replay of the last window, which nothing was learned or chosen on"


def backtest_on_last(params: AiopsParams) -> Backtest:
    """Read the history and replay its last window through today's configuration."""
    memory.require(HISTORY, params.mine_rules.memory_mb, memory.REPLAY_BYTES)
    frame = read_history(HISTORY, params.mine_rules.memory_mb, ids=True)
    windows = split_window(whole_window(frame), params.mine_rules.learn, params.mine_rules.choose)
    config = todays_config(params.export_rules.alertmanager_yml)
    return Backtest(frame, windows.judge, config, closing_times(HISTORY))


def figures(
    effect: BacktestResult, rules: tuple[Rule, ...], before: Replay, after: Replay
) -> list[Figure]:
    """Everything the gate may ask for."""
    pages, heard = len(effect.before), len(effect.notified)
    told, told_now = before.stages, after.stages
    return [
        _figure("rules", "Rules", len(rules), n=len(rules), unit="rules", method="count"),
        _figure("pages_today", "Pages today", pages, n=pages, unit="pages"),
        _figure("pages", "Pages with the rules", len(effect.after), n=pages, unit="pages"),
        _saved(effect),
        _figure("lost", "Incidents lost", len(effect.lost), n=heard, unit="incidents"),
        _lost_share(effect),
        *_delays(effect),
        _figure(
            "notifications_today", "Notifications today, of any kind",
            told["notifications"], n=told["alerts"], unit="notifications",
        ),
        _figure(
            "notifications", "Notifications with the rules, of any kind",
            told_now["notifications"], n=told_now["alerts"], unit="notifications",
        ),
    ]  # fmt: skip


def _figure(
    name: str, label: str, value: float, *, n: int, unit: str, method: str = _REPLAYED
) -> Figure:
    return Figure(
        id=f"{STAGE}.{name}", label=label, value=value, method=method, n=max(n, 1), unit=unit
    )


def _saved(effect: BacktestResult) -> Figure:
    window = effect.window
    low, high = bounds.saved_interval(
        bounds.per_day(effect.before, window), bounds.per_day(effect.after, window)
    ) or (None, None)
    return Figure(
        id=f"{STAGE}.saved_share",
        label="Share of pages saved",
        value=round(effect.saved_share, 6) if len(effect.before) else None,
        missing="" if len(effect.before) else "today's configuration sends no page in this window",
        low=low,
        high=high,
        level=bounds.LEVEL if low is not None else None,
        method=f"{_REPLAYED}; bootstrap over days",
        n=len(effect.before),
        unit="share",
    )


def _lost_share(effect: BacktestResult) -> Figure:
    heard = len(effect.notified)
    return Figure(
        id=f"{STAGE}.lost_share",
        label="Share of ticketed incidents lost",
        value=len(effect.lost) / heard if heard else None,
        missing="" if heard else "no ticketed incident is paged today in this window",
        low=0.0 if heard else None,
        high=float(clopper_pearson_upper(len(effect.lost), heard, bounds.LEVEL)) if heard else None,
        level=bounds.LEVEL if heard else None,
        method="Clopper–Pearson, one-sided: the upper bound is the figure that counts",
        n=heard,
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
    measured: Backtest, effect: BacktestResult, rules: tuple[Rule, ...], after: Replay
) -> ReplayDetails:
    """Build the report's tables."""
    window = effect.window
    return ReplayDetails(
        window=JudgedSpan(start=moment(window.start), end=moment(window.end), days=window.days),
        stages=BothStages(
            today=Stages(**measured.before.stages), with_rules=Stages(**after.stages)
        ),
        families=tables.by_family(rules, effect, after),
        rules=tables.by_rule(rules, effect, after),
        incidents=tables.incidents(effect),
        teams=tables.by_label(measured, after, "team"),
        noisiest=tables.noisiest(measured, after),
    )


def pages_csv(effect: BacktestResult) -> str:
    """Pages on each day of the window."""
    window = effect.window
    before = bounds.per_day(effect.before, window)
    after = bounds.per_day(effect.after, window)
    lines = ["day,today,with_rules"]
    for day, (today, with_rules) in enumerate(zip(before, after, strict=True)):
        lines.append(f"{moment(window.start + day * DAY_US).date()},{today},{with_rules}")
    return "\n".join(lines) + "\n"


def write_outcomes(path: Path, measured: Backtest, after: Replay) -> None:
    """Write what happens to every alert that started in the window."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    inside = measured.window.holds(measured.rows.starts)
    ids = measured.rows.ids
    assert ids is not None  # asked for in `backtest_on_last`
    columns = {"alert_id": ids[inside]}
    for name, found in (("today", measured.before), ("with_rules", after)):
        columns[f"status_{name}"] = found.alerts["status"].to_numpy().astype(str)[inside]
        columns[f"first_page_{name}"] = found.alerts["first_page"].to_numpy()[inside]
        columns[f"pages_{name}"] = found.alerts["pages"].to_numpy()[inside]
    columns["rule"] = after.alerts["rule"].to_numpy().astype(str)[inside]
    columns["group"] = after.alerts["group"].to_numpy()[inside]
    table = pa.table(columns).sort_by("alert_id")
    with replacing(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def main(params: AiopsParams) -> None:
    """Run the stage."""
    rules = read_rules(RULE_SET)
    measured = backtest_on_last(params)
    after = measured.replay(rules)
    effect = measured.effect(after, rules)
    config = params.export_rules.alertmanager_yml
    paths = [HISTORY, RULE_SET, *([Path(config)] if config else [])]
    evidence = Evidence(
        stage=STAGE,
        inputs=hash_inputs(*paths),
        figures=figures(effect, rules, measured.before, after),
        details=details(measured, effect, rules, after).model_dump(mode="json"),
    )
    write_outcomes(OUTCOMES, measured, after)
    write_text(PAGES_PER_DAY, pages_csv(effect))
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in evidence.figures}
    )
    log(
        f"{len(effect.before)} pages become {len(effect.after)} "
        f"(-{effect.saved_share:.1%}); {len(effect.lost)} of "
        f"{len(effect.notified)} incidents lost; "
        f"median delay {effect.median_delay:.0f} s"
    )


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
