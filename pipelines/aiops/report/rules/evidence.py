"""Everything the chapters read, parsed once."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError

from pipelines.aiops.params import AiopsParams
from pipelines.aiops.params.artifacts import SIMULATED
from pipelines.aiops.report.rules import wording
from pipelines.core.artifacts import PLOTS
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json
from pipelines.reporting.blocks import Text, code, link
from pipelines.reporting.provenance import Measured, Number, Shape


class Span(Shape):
    """A part of the history."""

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.end - self.start).total_seconds() / 86_400


class Matcher(Shape):
    """One matcher of a rule."""

    label: str
    op: str
    value: str


class Support(Shape):
    """History that a rule rests on."""

    alerts: int
    episodes: int
    days: int
    first: datetime
    last: datetime


class Bound(Shape):
    """The figure that makes a rule's case."""

    measures: str
    value: float
    low: Number = None
    high: Number = None
    n: int
    level: float
    tried: int


class Example(Shape):
    """An episode that shows a rule at work."""

    starts_at: datetime
    ends_at: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    says: str = ""


class Rule(Shape):
    """A rule; settings are those of its family."""

    id: str
    family: str
    sentence: str
    matchers: list[Matcher] = Field(default_factory=list)
    support: Support
    bound: Bound
    expires: date
    team: str = ""
    examples: list[Example] = Field(default_factory=list)
    wait: int | None = None
    keep_firing: int | None = None
    start_minute: int | None = None
    end_minute: int | None = None
    timezone: str = "UTC"
    fix: str = ""


class Done(Shape):
    """What a rule did in the last window."""

    rule: Rule
    pages_saved: float
    alerts: int


class Stages(Shape):
    """Counts from events to pages."""

    events: int
    alerts: int
    notifications: int
    pages: int


class BothStages(Shape):
    """The same with today's configuration and with the rules."""

    today: Stages
    with_rules: Stages


class Family(Shape):
    """What a family of rules did."""

    family: str
    rules: int
    pages_saved: float
    alerts: int


class Incident(Shape):
    """A ticketed incident of the last window."""

    ticket: str
    starts: datetime
    paged_today: datetime | None
    paged_with_rules: datetime | None
    lost: bool
    delay_seconds: Number
    rules: list[str]


class Share(Shape):
    """Alerts by the value of a label."""

    value: str
    alerts: int
    acted: int
    paged_today: int
    paged_with_rules: int


class Noisy(Share):
    """An alert name that pages much today."""

    median_seconds: float
    rules: list[str]


class Replayed(Shape):
    """Details of ``replay_rules``."""

    window: Span
    stages: BothStages
    families: list[Family]
    rules: list[Done]
    incidents: list[Incident]
    teams: list[Share]
    noisiest: list[Noisy]


class Point(Shape):
    """A point of the trade-off curve."""

    rules: int
    pages: int
    lost: int


class Dropped(Shape):
    """A candidate that was not chosen."""

    rule: str
    family: str
    why: str


class Selected(Shape):
    """Details of ``select_rules``."""

    window: Span
    curve: list[Point]
    dropped: list[Dropped]


class Tried(Shape):
    """Candidates of a family."""

    tried: int
    found: int


class Mined(Shape):
    """Details of ``mine_rules``."""

    windows: dict[str, Span]
    families: dict[str, Tried]


class Kept(Shape):
    """A rule on the history's tables."""

    rule: str
    action: str
    reason: str
    broken_rows: int


class Frozen(Shape):
    """Details of ``alert_history``."""

    window: dict[str, date]
    counts: dict[str, int]
    days_missing: list[str]
    sources: dict[str, int]
    rules: dict[str, list[Kept]]


class Placed(Shape):
    """Where a rule was exported, or why not."""

    id: str
    exported: bool
    where: list[str] = Field(default_factory=list)
    why_not: list[str] = Field(default_factory=list)


class Exported(Shape):
    """Details of ``export_rules``."""

    rules: list[Placed]
    sources: dict[str, str]


class Unexpressed(Shape):
    """What PagerDuty's format got."""

    rules: int = 0
    not_expressed: list[object] = Field(default_factory=list)
    weaker: list[object] = Field(default_factory=list)


class Summary(Shape):
    """``rules/export/summary.json``."""

    changed_lines: int = 0
    pagerduty: Unexpressed = Field(default_factory=Unexpressed)


class Bad(Shape):
    """A published rule that hid an incident."""

    rule: str
    says: str
    lost: list[str]
    late: list[str]
    alone: bool
    do: str = ""


class Watched(Shape):
    """Details of ``watch_rules``; `released` is the release that was watched, if there is one."""

    released: str | None
    bad: list[Bad]


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

    params: AiopsParams
    summary: Summary

    @property
    def synthetic(self) -> bool:
        """Whether the history comes from the simulator."""
        return self.params.alert_history.lake.rstrip("/").endswith(SIMULATED.as_posix())

    @property
    def todays_config(self) -> str:
        """Path of the configuration that the replay calls today's; empty = the defaults."""
        return self.params.export_rules.alertmanager_yml or ""

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
        return {placed.id: placed for placed in self.exported.rules}

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
        shown = wording.one_line(code(wording.short(rule_id, 60)))
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
