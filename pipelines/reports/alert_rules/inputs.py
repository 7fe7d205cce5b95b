"""Everything the chapters read, parsed once."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from pipelines.base.artifacts import PLOTS
from pipelines.base.errors import SignalboxError
from pipelines.base.files import read_json
from pipelines.reports.alert_rules import words
from pipelines.reports.alert_rules.params import AiopsSection
from pipelines.reports.alert_rules.shapes import (
    Exported,
    Frozen,
    Mined,
    Placed,
    Replayed,
    Selected,
    Summary,
    Watched,
)
from pipelines.reports.blocks import Text, code, link
from pipelines.reports.inputs import Measured

STAGES = (
    "alert_history", "mine_rules", "select_rules", "replay_rules", "watch_rules",
    "export_rules", "gate_rules",
)  # fmt: skip
"""Stages whose evidence the report reads, in the order of the pipeline."""

HTML = Path("reports/alert_noise_reduction.html")
JSON = HTML.with_suffix(".json")
PAGES_PER_DAY = PLOTS / "rules_pages_per_day.csv"
TRADE_OFF = PLOTS / "rules_trade_off.csv"
SUMMARY = Path("rules/export/summary.json")


@dataclass(frozen=True, kw_only=True)
class Inputs(Measured):
    """Everything the report is made from."""

    params: AiopsSection
    summary: Summary

    @cached_property
    def frozen(self) -> Frozen:
        """The history."""
        return self.details("alert_history", Frozen)

    @cached_property
    def mined(self) -> Mined:
        """The candidates."""
        return self.details("mine_rules", Mined)

    @cached_property
    def selected(self) -> Selected:
        """The choice."""
        return self.details("select_rules", Selected)

    @cached_property
    def replayed(self) -> Replayed:
        """The judgement."""
        return self.details("replay_rules", Replayed)

    @cached_property
    def exported(self) -> Exported:
        """The native configuration."""
        return self.details("export_rules", Exported)

    @cached_property
    def placed(self) -> dict[str, Placed]:
        """Rule id → where it was exported."""
        return {one.id: one for one in self.exported.rules}

    @cached_property
    def watched(self) -> Watched:
        """Published rules that went bad."""
        return self.details("watch_rules", Watched)

    @cached_property
    def anchors(self) -> dict[str, str]:
        """Rule id → its place on the page."""
        return {done.rule.id: f"rule-{n}" for n, done in enumerate(self.replayed.rules, 1)}

    @cached_property
    def renewed(self) -> bool:
        """Whether rules rest on days after the learning window too: they were mined again."""
        learn = self.mined.windows.get("learn")
        last = [done.rule.support.last for done in self.replayed.rules]
        return bool(learn and last and max(last) >= learn.end)

    def rule_link(self, rule_id: str) -> Text:
        """Lead to a rule of this set; others are only named."""
        anchor = self.anchors.get(rule_id)
        shown = words.one_line(code(words.short(rule_id, 60)))
        return link(anchor, shown) if anchor else shown

    def value(self, figure_id: str) -> float | None:
        """Value of a figure; None if it isn't there or isn't defined."""
        figure = self.figure(figure_id)
        return figure.value if figure else None


def read_summary(path: Path = SUMMARY) -> Summary:
    """Read the export's summary.

    Raises
    ------
    SignalboxError
        If it isn't there or has another form.
    """
    try:
        return Summary.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SignalboxError(f"{path}: {where}: {first['msg']}; run export_rules") from error
