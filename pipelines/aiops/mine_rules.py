"""Stage ``mine_rules``: rules from the whole alert history.

Out ``rules/candidates.json``: ``window`` (start and end of the history), ``tried`` (family →
candidates tried) and ``rules``, families in the order of reports. Evidence details:
`pipelines.aiops.alerting.evidence.MiningDetails`, and, where people have judged rules or findings,
``feedback``: what they said, and the alert names that are spared because of it.
"""

from pathlib import Path
from typing import Any

from pipelines.aiops.alerting import windows as memory
from pipelines.aiops.alerting.config import process_of
from pipelines.aiops.alerting.config.parse import config_with_pagers
from pipelines.aiops.alerting.evidence import LeftOut, MiningDetails, NoisyName, Span, Tried
from pipelines.aiops.alerting.mining.history import (
    History,
    Mined,
    exclusions,
    history_of,
    with_feedback,
)
from pipelines.aiops.alerting.mining.hold import MinedHold
from pipelines.aiops.alerting.mining.mine import mine_families
from pipelines.aiops.alerting.rules import RULES
from pipelines.aiops.alerting.windows import HistoryWindow, iso, moment, whole_window
from pipelines.aiops.lake.feedback import harmful_names, read_frozen
from pipelines.aiops.lake.read import read_history, read_tickets
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.artifacts import CANDIDATES, HISTORY
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, round_floats, write_evidence
from pipelines.core.files import write_json
from pipelines.core.stage import log, run_stage

STAGE = "mine_rules"


def main(params: AiopsParams) -> None:
    """Run the stage."""
    own = params.export_rules
    memory.require(HISTORY, params.runtime.memory_mb, memory.REPLAY_BYTES)
    frame = read_history(HISTORY, params.runtime.memory_mb)
    whole = whole_window(frame)
    config = config_with_pagers(own.alertmanager_yml, own.paging_receivers, process_of(*own.reader))
    tickets = read_tickets(HISTORY / "tickets.parquet")
    history = history_of(frame, with_feedback(params.mine_rules, HISTORY), [whole], config)
    found = mine_families(history, tickets, own.chat_receiver, own.chat_url)
    write_json(CANDIDATES, candidates_document(found, whole))
    path = own.alertmanager_yml
    inputs = hash_inputs(HISTORY, *([Path(path)] if path else []))
    write_evidence(evidence_of(STAGE), describe(history, found, inputs))
    write_json(metrics_of(STAGE), {family: len(mined.rules) for family, mined in found.items()})
    said = ", ".join(f"{family} {len(mined.rules)}" for family, mined in found.items())
    log(f"candidates from {whole.days:g} days: {said}")


def candidates_document(found: dict[str, Mined], window: HistoryWindow) -> dict[str, Any]:
    """Candidates as they are written."""
    rules = tuple(rule for mined in found.values() for rule in mined.rules)
    return {
        "window": {"start": iso(window.start), "end": iso(window.end)},
        "tried": {family: mined.tried for family, mined in found.items()},
        "rules": RULES.dump_python(rules, mode="json"),
    }


def describe(history: History, found: dict[str, Mined], inputs: dict[str, str]) -> Evidence:
    """Say what was looked at and what was found."""
    (window,) = history.windows
    alerts = len(history.frame)
    figures = [
        _figure("alerts", "Alerts of the history, without heartbeats", alerts, alerts, "alerts"),
        _figure("days", "Days of the history", window.days, alerts, "days"),
    ]
    for family, mined in found.items():
        count = len(mined.rules)
        label = f"Candidates of family {family}"
        figures.append(_figure(family, label, count, mined.tried, "rules"))
    hold = found.get("hold")
    held = hold if isinstance(hold, MinedHold) else MinedHold([], 0)
    pages = held.pages
    not_held = sum(held.not_held.values())
    figures += [
        _figure("pages", "Alerts that page today", pages, alerts, "alerts"),
        _figure("noisy_names", "Alert names that page often", len(held.noisy), held.tried, "names"),
        _figure(
            "held_share", "Paging alerts that a rule holds, share",
            (pages - not_held) / pages if pages else 0.0, pages, "share",
        ),
    ]  # fmt: skip
    return Evidence(
        stage=STAGE,
        inputs=inputs,
        figures=figures,
        details=MiningDetails(
            windows={"history": Span(start=moment(window.start), end=moment(window.end))},
            families={
                family: Tried(tried=mined.tried, found=len(mined.rules))
                for family, mined in found.items()
            },
            pages=pages,
            noisy=[NoisyName(**vars(noise)) for noise in held.noisy],
            not_held=held.not_held,
            left_out=[
                LeftOut(
                    entry=exclusion.entry.model_dump(exclude_defaults=True),
                    pairs=int(exclusion.pairs.sum()),
                )
                for exclusion in exclusions(history)
            ],
            heartbeats=list(history.heartbeats),
        ).model_dump(mode="json")
        | ({"feedback": feedback_details()} if read_frozen(HISTORY) else {}),
    )


def feedback_details() -> dict[str, Any]:
    """List what people said, in numbers, and the names that no rule holds because of it."""
    judged = read_frozen(HISTORY)
    return {
        "spared": harmful_names(judged),
        "judged": [subject.model_dump(mode="json") for subject in judged],
    }


def _figure(name: str, label: str, value: float, n: int, unit: str) -> Figure:
    counted = {"rules": "candidates tried", "names": "alert names that page"}.get(unit, "alerts")
    return Figure(
        id=f"{STAGE}.{name}", label=label, value=round_floats(float(value)),
        method=f"count; n is {counted}",
        n=n, unit=unit,
    )  # fmt: skip


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
