"""Stage ``mine_rules``: candidate rules from the learning part of the alert history.

Out ``rules/candidates.json``: ``window`` (start and end of the learning part), ``tried`` (family →
candidates tried) and ``rules``, families in the order of reports. Evidence details:
`pipelines.aiops.alerting.evidence.MiningDetails`.
"""

import math
from pathlib import Path
from typing import Any

from pipelines.aiops.alerting import windows as memory
from pipelines.aiops.alerting.config import process_of
from pipelines.aiops.alerting.config.parse import todays_config
from pipelines.aiops.alerting.evidence import FamilyNeeds, MiningDetails, Span, Tried
from pipelines.aiops.alerting.mining.history import Mined
from pipelines.aiops.alerting.mining.mine import mine_all
from pipelines.aiops.alerting.rules import RULES
from pipelines.aiops.alerting.windows import (
    HistoryWindow,
    Windows,
    iso,
    moment,
    split_window,
    whole_window,
)
from pipelines.aiops.lake.frame import UNKNOWN, AlertFrame
from pipelines.aiops.lake.read import read_history, read_tickets
from pipelines.aiops.params import AiopsParams, load_aiops_params
from pipelines.aiops.params.alert_rules import MineRulesParams
from pipelines.aiops.params.artifacts import CANDIDATES, HISTORY
from pipelines.core.artifacts import evidence_of, metrics_of
from pipelines.core.evidence import Evidence, Figure, hash_inputs, round_floats, write_evidence
from pipelines.core.files import write_json
from pipelines.core.stage import log, run_stage

STAGE = "mine_rules"


def main(params: AiopsParams) -> None:
    """Run the stage."""
    settings = params.mine_rules
    memory.require(HISTORY, params.runtime.memory_mb, memory.MINING_BYTES)
    frame = read_history(HISTORY, params.runtime.memory_mb)
    windows = split_window(whole_window(frame), settings.train, settings.validation)
    path = params.export_rules.alertmanager_yml
    tickets = read_tickets(HISTORY / "tickets.parquet")
    config = todays_config(path, process_of(*params.export_rules.reader))
    found = mine_all(frame, settings, windows.train, tickets, config=config)
    write_json(CANDIDATES, candidates_document(found, windows.train))
    inputs = hash_inputs(HISTORY, *([Path(path)] if path else []))
    write_evidence(evidence_of(STAGE), describe(frame, windows, found, settings, inputs))
    write_json(metrics_of(STAGE), {family: len(mined.rules) for family, mined in found.items()})
    said = ", ".join(f"{family} {len(mined.rules)}" for family, mined in found.items())
    log(f"candidates from {windows.train.days:g} days: {said}")


def candidates_document(found: dict[str, Mined], learn: HistoryWindow) -> dict[str, Any]:
    """Candidates as they are written."""
    rules = tuple(rule for mined in found.values() for rule in mined.rules)
    return {
        "window": {"start": iso(learn.start), "end": iso(learn.end)},
        "tried": {family: mined.tried for family, mined in found.items()},
        "rules": RULES.dump_python(rules, mode="json"),
    }


def describe(
    frame: AlertFrame,
    windows: Windows,
    found: dict[str, Mined],
    settings: MineRulesParams,
    inputs: dict[str, str],
) -> Evidence:
    """Say what was looked at and what was found."""
    learned = windows.train.holds(frame.starts)
    alerts = int(learned.sum())
    unknown = int((frame.acted[learned] == UNKNOWN).sum())
    figures = [
        _figure("alerts", "Alerts of the training window", alerts, alerts, "alerts"),
        _figure("days", "Days of the training window", windows.train.days, alerts, "days"),
        _figure(
            "unknown_share", "Alerts of which nobody knows whether people acted",
            unknown / alerts if alerts else 0.0, alerts, "share",
        ),
    ]  # fmt: skip
    for family, mined in found.items():
        count = len(mined.rules)
        figures.append(
            _figure(family, f"Candidates of family {family}", count, mined.tried, "rules")
        )
    return Evidence(
        stage=STAGE,
        inputs=inputs,
        figures=figures,
        details=MiningDetails(
            windows={
                name: Span(start=moment(part.start), end=moment(part.end))
                for name, part in vars(windows).items()
            },
            families={
                family: Tried(tried=mined.tried, found=len(mined.rules))
                for family, mined in found.items()
            },
            needs=needs_of(settings),
        ).model_dump(mode="json"),
    )


def needs_of(settings: MineRulesParams) -> dict[str, FamilyNeeds]:
    """Compute what each family needs, if nothing speaks against a rule and one candidate is tried.

    More candidates cost more: the level is shared among all that are tried (Bonferroni).
    """
    # Clopper–Pearson without an exception: alpha ** (1 / n) must reach the share.
    shares = {
        "grouping": settings.grouping.min_share,
        "wait": settings.wait.min_share,
        "keep_firing": settings.keep_firing.min_share,
        "inhibition": settings.inhibition.min_share,
        "mute_time": settings.mute_time.min_day_share,
        "demotion": 1 - settings.demotion.max_acted_share,
        "known_fix": settings.known_fix.min_share,
    }
    found: dict[str, FamilyNeeds] = {}
    for family in settings.families:
        least = settings.known_fix.min_tickets if family == "known_fix" else settings.min_episodes
        bound = math.ceil(math.log(settings.alpha) / math.log(shares[family]))
        days = max(settings.min_days, bound) if family == "mute_time" else settings.min_days
        found[family] = FamilyNeeds(days=days, stretches=max(least, bound))
    return found


def _figure(name: str, label: str, value: float, n: int, unit: str) -> Figure:
    counted = "candidates tried" if unit == "rules" else "alerts"
    return Figure(
        id=f"{STAGE}.{name}", label=label, value=round_floats(float(value)),
        method=f"count; n is {counted}",
        n=n, unit=unit,
    )  # fmt: skip


if __name__ == "__main__":
    run_stage(STAGE, main, load=load_aiops_params)
