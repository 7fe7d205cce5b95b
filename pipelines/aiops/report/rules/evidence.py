"""Everything the chapters read, parsed once."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.aiops.alerting.evidence import (
    ExportDetails,
    ExportedRule,
    ExportSummary,
    HistoryDetails,
    MiningDetails,
    ReplayDetails,
    RuleOutcome,
    SelectionDetails,
    WatchDetails,
)
from pipelines.aiops.alerting.rules import HoldRule, KnownFixRule, RuleBase
from pipelines.aiops.lake.feedback import Judged
from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import SIMULATED
from pipelines.aiops.report.rules import wording
from pipelines.core.artifacts import evidence_of
from pipelines.core.settings import validate_as
from pipelines.reporting.blocks import Text, code, link
from pipelines.reporting.provenance import Measured

STAGES = (
    "alert_history", "mine_rules", "select_rules", "replay_rules", "watch_rules",
    "export_rules", "gate_rules",
)  # fmt: skip
"""Stages whose evidence the report reads, in the order of the pipeline."""

HTML = Path("reports/alert_noise_reduction.html")
JSON = HTML.with_suffix(".json")


def values_of(rule: RuleBase, label: str) -> list[str]:
    """List the values of a label that a rule names.

    Parameters
    ----------
    rule : RuleBase
        A rule, its matchers made by `pipelines.aiops.alerting.rules.one_of`.
    label : str
        Name of the label.

    Returns
    -------
    list of str
        Empty where it names none.
    """
    for matcher in rule.matchers:
        if matcher.label == label and matcher.op == "=":
            return [matcher.value]
        if matcher.label == label and matcher.op == "=~":
            return [_QUOTED.sub(r"\1", part) for part in _ALTERNATIVE.findall(matcher.value)]
    return []


_ALTERNATIVE = re.compile(r"(?:^|\|)((?:\\.|[^|\\])*)", re.DOTALL)
_QUOTED = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Inputs(Measured):
    """Everything the report is made from.

    Attributes
    ----------
    params : AiopsParams
        Section ``aiops`` of ``params.yaml``.
    summary : ExportSummary
        Summary of the export.
    """

    params: AiopsParams
    summary: ExportSummary

    @property
    def synthetic(self) -> bool:
        """Whether the history comes from the simulator."""
        return self.params.alert_history.lake.rstrip("/").endswith(SIMULATED.as_posix())

    @cached_property
    def frozen(self) -> HistoryDetails:
        """The history."""
        return self.details("alert_history", HistoryDetails)

    @cached_property
    def mined(self) -> MiningDetails:
        """The candidates."""
        return self.details("mine_rules", MiningDetails)

    @cached_property
    def judged(self) -> list[Judged]:
        """What people said when the history was frozen, in numbers; empty where nobody spoke."""
        said = self.evidence["mine_rules"].details.get("feedback", {})
        where = f"{evidence_of('mine_rules')}: details.feedback."
        return validate_as(list[Judged], said.get("judged", []), where, "run mine_rules anew")

    @cached_property
    def selected(self) -> SelectionDetails:
        """The choice."""
        return self.details("select_rules", SelectionDetails)

    @cached_property
    def replayed(self) -> ReplayDetails:
        """The judgement."""
        return self.details("replay_rules", ReplayDetails)

    @cached_property
    def exported(self) -> ExportDetails:
        """The native configuration."""
        return self.details("export_rules", ExportDetails)

    @cached_property
    def placed(self) -> dict[str, ExportedRule]:
        """Rule id → where it was exported."""
        return {placed.id: placed for placed in self.exported.rules}

    @cached_property
    def watched(self) -> WatchDetails:
        """Published rules that hid an incident."""
        return self.details("watch_rules", WatchDetails)

    @cached_property
    def anchors(self) -> dict[str, str]:
        """Rule id → its anchor on the page."""
        return {done.rule.id: f"rule-{n}" for n, done in enumerate(self.replayed.rules, 1)}

    @cached_property
    def holding(self) -> list[HoldRule]:
        """Rules that hold."""
        rules = (done.rule for done in self.replayed.rules)
        return [rule for rule in rules if isinstance(rule, HoldRule)]

    @cached_property
    def fixes(self) -> list[RuleOutcome]:
        """Known fixes."""
        return [done for done in self.replayed.rules if isinstance(done.rule, KnownFixRule)]

    @cached_property
    def days(self) -> float:
        """Length of the windows that judge, days."""
        return self.replayed.window.days

    @property
    def needed(self) -> int:
        """Credible incidents that a judgement needs: with fewer, none missed proves too little."""
        return self.params.select_rules.incidents_for_full_wait

    @cached_property
    def enough(self) -> bool:
        """Whether the history has as many credible incidents as a judgement needs."""
        return self.selected.credible_incidents >= self.needed

    @cached_property
    def nights(self) -> tuple[int, int] | None:
        """Pager pages at night, today and with the rules; None if no pager is known."""
        pagers = [each for each in self.replayed.receivers if each.pager]
        known = [each for each in pagers if each.baseline_night is not None]
        if not known:
            return None
        return (
            sum(each.baseline_night or 0 for each in known),
            sum(each.candidate_night or 0 for each in known),
        )

    @cached_property
    def holds_of(self) -> dict[str, list[HoldRule]]:
        """Alert name → rules that hold it."""
        found: dict[str, list[HoldRule]] = {}
        for rule in self.holding:
            for alertname in values_of(rule, "alertname"):
                found.setdefault(alertname, []).append(rule)
        return found

    def rule_link(self, rule_id: str) -> Text:
        """Link to a rule of this set; others are only named.

        Parameters
        ----------
        rule_id : str
            Id of a rule.

        Returns
        -------
        Text
            Link, or name.
        """
        anchor = self.anchors.get(rule_id)
        shown = wording.one_line(code(wording.short(rule_id, 60)))
        return link(anchor, shown) if anchor else shown

    def value(self, figure_id: str) -> float | None:
        """Look up the value of a figure.

        Parameters
        ----------
        figure_id : str
            Id of the figure.

        Returns
        -------
        float or None
            None if it isn't there or isn't defined.
        """
        figure = self.figure(figure_id)
        return figure.value if figure else None


def told_at_once(rules: Sequence[HoldRule]) -> str:
    """Say who is told at once of what is held.

    Parameters
    ----------
    rules : sequence of HoldRule
        Not empty.

    Returns
    -------
    str
        A sentence or two.
    """
    untold = sum(rule.untold for rule in rules)
    if not untold:
        return "Chat is told of each held alert at once."
    whom = "Nobody" if untold == len(rules) else f"Of {untold} of {len(rules)} held names nobody"
    return (
        f"{whom} is told at once: today’s configuration has no receiver that tells without paging. "
        "Name one in aiops.export_rules.chat_receiver."
    )
