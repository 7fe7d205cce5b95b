"""Stage ``select_rules``: choose, on a window they were not learned from, which rules to propose.

With ``renew``, rules are then mined again on the learning and the middle window together and chosen
among once more; the last window judges all.

Outs: ``rules/rule_set.json`` (``{"rules": […]}`` in order of what they save, with the window they
were chosen on), ``plots/rules_trade_off.csv`` (pages against number of rules),
``evidence/select_rules.json`` and ``metrics/select_rules.json``. `details` of the evidence:
`pipelines.aiops.alerting.evidence.SelectionDetails`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipelines.aiops.alerting import windows as memory
from pipelines.aiops.alerting.config import process_of
from pipelines.aiops.alerting.config.parse import config_with_pagers
from pipelines.aiops.alerting.evaluation import (
    Backtest,
    Dropped,
    Point,
    Selection,
    closing_times,
    renew,
    select,
)
from pipelines.aiops.alerting.evidence import CurvePoint, DroppedRule, SelectionDetails, Span
from pipelines.aiops.alerting.export.bundle import (
    Bundle,
    Sources,
    export_problems,
    make_bundle,
)
from pipelines.aiops.alerting.export.write import source_paths, sources_of, unexported
from pipelines.aiops.alerting.mining.mine import mine_all
from pipelines.aiops.alerting.rules import Rule, read_rules, write_rules
from pipelines.aiops.alerting.windows import (
    HistoryWindow,
    Windows,
    iso,
    moment,
    split_window,
    whole_window,
)
from pipelines.aiops.lake.read import read_history, read_tickets
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import CANDIDATES, HISTORY, RULE_SET, TRADE_OFF
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, write_evidence
from pipelines.core.files import write_json, write_text
from pipelines.core.stage import log, run_stage

STAGE = "select_rules"


def choose(
    params: AiopsParams, candidates: tuple[Rule, ...]
) -> tuple[Selection, Selection, tuple[Rule, ...], Windows]:
    """Choose among the candidates on the middle window of the frozen history, and renew them.

    Returns
    -------
    What was chosen in the end; what was chosen first, among rules that knew nothing of the window;
    all candidates; and the windows.
    """
    memory.require(HISTORY, params.runtime.memory_mb, memory.REPLAY_BYTES)
    frame = read_history(HISTORY, params.runtime.memory_mb)
    windows = split_window(
        whole_window(frame), params.mine_rules.train, params.mine_rules.validation
    )
    own = params.export_rules
    process = process_of(*own.reader)
    config = config_with_pagers(own.alertmanager_yml, own.paging_receivers, process)
    closed = closing_times(HISTORY)
    sources = sources_of(own)
    on_learned = Backtest(frame, windows.train, config, closed)
    on_new = Backtest(frame, windows.validation, config, closed)
    usable, touching = _sparing_heartbeats(candidates, on_new, on_learned)
    fit, unfit = _exportable(sources, usable)

    def export(rules: Sequence[Rule]) -> Bundle:
        return make_bundle(sources, rules, own.guard_step_seconds, own.pagerduty_label_field)

    first = _until_exported(
        fit,
        lambda rules: select(rules, on_new, params.select_rules, also=[on_learned]),
        export,
    )
    first = replace(first, dropped=(*touching, *unfit, *first.dropped))
    if not params.select_rules.renew:
        return first, first, candidates, windows
    past = HistoryWindow(windows.train.start, windows.validation.end)
    tickets = read_tickets(HISTORY / "tickets.parquet")
    found = mine_all(frame, params.mine_rules, past, tickets, config=config)
    newer = tuple(rule for mined in found.values() for rule in mined.rules)
    usable, touching = _sparing_heartbeats(newer, on_new, on_learned)
    fit, unfit = _exportable(sources, usable)
    final = _until_exported(
        [*fit, *(rule for rule in first.rules if rule.id not in {each.id for each in fit})],
        lambda rules: renew(
            replace(first, rules=()), rules, on_new, params.select_rules, also=[on_learned]
        ),
        export,
    )
    known = {dropped.rule for dropped in final.dropped}
    more = (dropped for dropped in (*touching, *unfit) if dropped.rule not in known)
    final = replace(final, dropped=(*more, *final.dropped))
    return final, first, tuple({rule.id: rule for rule in (*candidates, *newer)}.values()), windows


def _sparing_heartbeats(
    rules: tuple[Rule, ...], *backtests: Backtest
) -> tuple[tuple[Rule, ...], list[Dropped]]:
    """Leave out rules that would change what is sent of a heartbeat in any window."""
    names: dict[str, str] = {}
    for backtest in backtests:
        names |= backtest.changing_heartbeats(rules)
    dropped = [
        Dropped(rule, f"it would change the heartbeat {name}: what watches it would take alarm")
        for rule, name in names.items()
    ]
    return tuple(rule for rule in rules if rule.id not in names), dropped


def _exportable(
    sources: Sources, candidates: Sequence[Rule]
) -> tuple[tuple[Rule, ...], tuple[Dropped, ...]]:
    """Leave out what no file of the user's could take: it would be judged and never deployed."""
    why = export_problems(sources, candidates)
    return (
        tuple(rule for rule in candidates if rule.id not in why),
        tuple(Dropped(rule, f"can't be exported: {why[rule]}") for rule in sorted(why)),
    )


def _until_exported(
    candidates: Sequence[Rule],
    choice: Callable[[Sequence[Rule]], Selection],
    export: Callable[[Sequence[Rule]], Bundle],
) -> Selection:
    """Choose until all that is chosen can be exported together, with fewer candidates each time."""
    refused: dict[str, str] = {}
    while True:
        found = choice([rule for rule in candidates if rule.id not in refused])
        why = unexported(export(found.rules))
        if not why:
            dropped = [Dropped(rule, f"can't be exported: {refused[rule]}") for rule in refused]
            return replace(found, dropped=(*found.dropped, *dropped))
        refused |= why


def as_evidence(
    candidates: tuple[Rule, ...],
    found: Selection,
    first: Selection,
    window: HistoryWindow,
    inputs: dict[str, str],
) -> Evidence:
    """Put what was tried, chosen and why not into evidence."""
    effect = found.effect
    where = {"window": "validation"}
    return Evidence(
        stage=STAGE,
        inputs=inputs,
        figures=[
            _count("candidates", "Candidate rules", len(candidates), "rules"),
            _count("rules", "Rules selected", len(found.rules), "rules"),
            Figure(
                id=f"{STAGE}.saved_share",
                label="Pages saved in the validation window",
                value=_number(effect.saved_share),
                missing="" if len(effect.baseline) else "no pages in this window",
                method="replay; optimistic, because the rules were selected and mined again here",
                n=len(effect.baseline),
                unit="share",
                where=where,
            ),
            Figure(
                id=f"{STAGE}.first_saved_share",
                label="Pages saved there by the rules selected before they were mined again",
                value=_number(first.effect.saved_share),
                missing="" if len(effect.baseline) else "no pages in this window",
                method="replay; the rules were mined without this window, but selected on it",
                n=len(effect.baseline),
                unit="share",
                where=where,
            ),
            Figure(
                id=f"{STAGE}.missed",
                label="Incidents missed in the validation window",
                value=len(effect.missed),
                method="replay of today's configuration and of the rules",
                n=len(effect.notified),
                unit="incidents",
                where=where,
            ),
        ],
        details=SelectionDetails(
            window=Span(start=moment(window.start), end=moment(window.end)),
            curve=[_point(point) for point in found.curve],
            dropped=_dropped(candidates, found),
        ).model_dump(mode="json"),
    )


def _count(name: str, label: str, value: int, unit: str) -> Figure:
    return Figure(
        id=f"{STAGE}.{name}", label=label, value=value, method="count", n=max(value, 1), unit=unit
    )


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def _point(point: Point) -> CurvePoint:
    return CurvePoint(
        rules=point.rules,
        pages=point.pages,
        saved_share=_number(point.saved_share),
        missed=point.missed,
        median_delay_seconds=_number(point.median_delay),
        longest_delay_seconds=_number(point.longest_delay),
    )


def _dropped(candidates: tuple[Rule, ...], found: Selection) -> list[DroppedRule]:
    family = {rule.id: rule.family for rule in candidates}
    return [
        DroppedRule(rule=dropped.rule, family=family[dropped.rule], reason=dropped.why)
        for dropped in sorted(found.dropped, key=lambda dropped: dropped.rule)
    ]


def as_csv(curve: tuple[Point, ...]) -> str:
    """Trade-off curve for ``dvc plots`` and the report."""
    rows = [_point(point).model_dump() for point in curve]
    names = ["rules", "pages", "saved_share", "missed", "median_delay_seconds"]
    lines = [
        ",".join("" if row[name] is None else str(row[name]) for name in names) for row in rows
    ]
    return "\n".join([",".join(names), *lines]) + "\n"


def inputs_of(params: AiopsParams) -> dict[str, str]:
    """Hash what the choice was made from."""
    own = params.export_rules
    sources = sources_of(own)
    return hash_inputs(
        HISTORY, CANDIDATES, *source_paths(own.alertmanager_yml, sources, own.prometheus)
    )


def main(params: AiopsParams) -> None:
    """Run the stage."""
    candidates = read_rules(CANDIDATES)
    found, first, candidates, windows = choose(params, candidates)
    window = windows.validation
    write_rules(RULE_SET, found.rules, chosen_on=[iso(window.start), iso(window.end)])
    write_text(TRADE_OFF, as_csv(found.curve))
    evidence = as_evidence(candidates, found, first, window, inputs_of(params))
    write_evidence(evidence_of(STAGE), evidence)
    write_json(
        metrics_of(STAGE), {figure.id.split(".")[1]: figure.value for figure in evidence.figures}
    )
    log(
        f"{len(found.rules)} of {len(candidates)} candidates: {len(found.effect.baseline)} pages "
        f"become {len(found.effect.candidate)}, {len(found.effect.missed)} incidents missed"
    )


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
