"""Everything the chapters read, parsed once."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, ValidationError

from pipelines.aiops.report.rules import wording
from pipelines.core.artifacts import PLOTS
from pipelines.core.errors import SignalboxError
from pipelines.core.files import read_json
from pipelines.core.params import ReportParams
from pipelines.core.settings import Section
from pipelines.reporting.blocks import Text, code, link
from pipelines.reporting.provenance import Measured, Number, Shape


class HistoryPart(Shape):
    """A part of the history.

    Attributes
    ----------
    start, end : datetime
        First moment, and the one after the last; UTC.
    """

    start: datetime
    end: datetime

    @property
    def days(self) -> float:
        """Length in days."""
        return (self.end - self.start).total_seconds() / 86_400


class Matcher(Shape):
    """One matcher of a rule: a label, an operator (``=``, ``!=``, ``=~``, ``!~``) and a value."""

    label: str
    op: str
    value: str


class Support(Shape):
    """History that a rule rests on.

    Attributes
    ----------
    alerts, episodes, days : int
        Alerts, independent episodes and separate UTC days.
    first, last : datetime
        First and last start.
    """

    alerts: int
    episodes: int
    days: int
    first: datetime
    last: datetime


class Bound(Shape):
    """The confidence bound that makes a rule's case.

    Attributes
    ----------
    measures : str
        What the share is a share of.
    value, low, high : float, float or None
        Observed share, and its confidence bounds, None if not claimed.
    n, tried : int
        Units, and candidates that the level is corrected for.
    level : float
        Confidence level after the correction.
    """

    measures: str
    value: float
    low: Number = None
    high: Number = None
    n: int
    level: float
    tried: int


class Example(Shape):
    """An episode that shows a rule at work.

    Attributes
    ----------
    starts_at, ends_at : datetime, datetime or None
        Begin and end, None if not known.
    labels : dict of str to str
        Labels of the alert.
    says : str
        What it shows.
    """

    starts_at: datetime
    ends_at: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    says: str = ""


class ReportedRule(Shape):
    """A rule; settings are those of its family.

    Attributes
    ----------
    id, family, sentence : str
        Id, family, and what the rule does, in words.
    matchers : list of Matcher
        Alerts that it takes.
    support, bound : Support, Bound
        History that it rests on, and its confidence bound.
    expires : date
        Day after which it must be proven anew.
    team : str
        Team of all its alerts, "" if there are several.
    examples : list of Example
        Episodes that show it at work.
    wait, keep_firing : int or None
        Seconds (families transient, flapping).
    start_minute, end_minute : int or None
        Minutes of the day (family recurring).
    timezone, fix : str
        Zone (family recurring); fix that ended it (family known_fix).
    """

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
    """What a rule did in the last window: pages it saves (estimate), and alerts it touches."""

    rule: ReportedRule
    pages_saved: float
    alerts: int


class Stages(Shape):
    """Numbers of events, alerts, notifications and pages."""

    events: int
    alerts: int
    notifications: int
    pages: int


class BothStages(Shape):
    """The numbers with today's configuration and with the rules."""

    today: Stages
    with_rules: Stages


class Family(Shape):
    """What a family of rules did: its rules, the pages they save (estimate), alerts they touch."""

    family: str
    rules: int
    pages_saved: float
    alerts: int


class ReplayedIncident(Shape):
    """A ticketed incident of the last window.

    Attributes
    ----------
    ticket : str
        Id of the ticket.
    starts : datetime
        Start of its first alert.
    paged_today, paged_with_rules : datetime or None
        First page, None: never.
    lost : bool
        Whether the rules hide it.
    delay_seconds : float or None
        Seconds that the rules add, None if hidden or never paged.
    rules : list of str
        Ids of the rules that touch its alerts.
    """

    ticket: str
    starts: datetime
    paged_today: datetime | None
    paged_with_rules: datetime | None
    lost: bool
    delay_seconds: Number
    rules: list[str]


class Share(Shape):
    """Alerts by the value of a label.

    Attributes
    ----------
    value : str
        Value of the label.
    alerts, acted : int
        Alerts, and those that people acted on.
    paged_today, paged_with_rules : int
        Alerts that page.
    """

    value: str
    alerts: int
    acted: int
    paged_today: int
    paged_with_rules: int


class Noisy(Share):
    """An alert name that pages much today.

    Attributes
    ----------
    median_seconds : float
        Median duration, seconds.
    rules : list of str
        Ids of the rules that touch it.
    """

    median_seconds: float
    rules: list[str]


class Replayed(Shape):
    """Details of ``replay_rules``.

    Attributes
    ----------
    window : HistoryPart
        The last window of the history.
    stages : BothStages
        Counts from events to pages.
    families, rules : list of Family, list of Done
        What each family, and each rule, did.
    incidents : list of ReplayedIncident
        Incidents of the window.
    teams, noisiest : list of Share, list of Noisy
        Alerts by team, and alert names that page most.
    """

    window: HistoryPart
    stages: BothStages
    families: list[Family]
    rules: list[Done]
    incidents: list[ReplayedIncident]
    teams: list[Share]
    noisiest: list[Noisy]


class Point(Shape):
    """A point of the trade-off curve: rules, pages that are left, incidents that are missed."""

    rules: int
    pages: int
    lost: int


class Dropped(Shape):
    """A candidate that was not chosen: its id, its family, and why."""

    rule: str
    family: str
    why: str


class Selected(Shape):
    """Details of ``select_rules``: the window to choose on, trade-off curve, what was dropped."""

    window: HistoryPart
    curve: list[Point]
    dropped: list[Dropped]


class Tried(Shape):
    """Numbers of a family's candidates: those compared, and those that hold."""

    tried: int
    found: int


class Mined(Shape):
    """Details of ``mine_rules``: parts of the history by name, candidates by family."""

    windows: dict[str, HistoryPart]
    families: dict[str, Tried]


class Kept(Shape):
    """An expectation about the history's tables.

    Attributes
    ----------
    rule, action, reason : str
        The expectation, what is done about rows that break it, and why.
    broken_rows : int
        Rows that break it.
    """

    rule: str
    action: str
    reason: str
    broken_rows: int


class Frozen(Shape):
    """Details of ``alert_history``.

    Attributes
    ----------
    window : dict of str to date
        First and last day.
    counts : dict of str to int
        Table, or ``quarantined``, to rows.
    days_missing : list of str
        Days without alerts.
    sources : dict of str to int
        Source to alerts.
    rules : dict of str to list of Kept
        Table to its expectations.
    """

    window: dict[str, date]
    counts: dict[str, int]
    days_missing: list[str]
    sources: dict[str, int]
    rules: dict[str, list[Kept]]


class Placed(Shape):
    """Where a rule was exported, or why not.

    Attributes
    ----------
    id : str
        Id of the rule.
    exported : bool
        Whether it was exported.
    where, why_not : list of str
        Files and keys; reasons.
    """

    id: str
    exported: bool
    where: list[str] = Field(default_factory=list)
    why_not: list[str] = Field(default_factory=list)


class Exported(Shape):
    """Details of ``export_rules``: where each rule went, and hashes of the user's own parts."""

    rules: list[Placed]
    sources: dict[str, str]


class Unexpressed(Shape):
    """What PagerDuty's format could hold.

    Attributes
    ----------
    rules : int
        Rules exported.
    not_expressed, weaker : list of object
        Rules that it can't express, and those that do less there.
    """

    rules: int = 0
    not_expressed: list[object] = Field(default_factory=list)
    weaker: list[object] = Field(default_factory=list)


class Summary(Shape):
    """``rules/export/summary.json``: lines of the diff, and what PagerDuty's format could hold."""

    changed_lines: int = 0
    pagerduty: Unexpressed = Field(default_factory=Unexpressed)


class Bad(Shape):
    """A published rule that hid an incident.

    Attributes
    ----------
    rule, says, do : str
        Id, what it did in a sentence, and what to do about it.
    lost, late : list of str
        Tickets of incidents that it hid, and that it delayed.
    alone : bool
        Whether taking out this rule alone brings the pages back.
    """

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


SIMULATED = "telemetry/simulated"
"""The lake that stage ``simulate`` writes, and the one read unless params name another."""


class RulesReportParams(ReportParams):
    """Subsection ``report_rules``; the same keys and defaults as the stages know.

    Attributes
    ----------
    title, owner, purpose, not_for, contact : str
        What the report states about the rules.
    """

    title: str = "Alert noise rules"
    owner: str = "not stated"
    purpose: str = "Wake people less often without hiding an incident from them"
    not_for: str = "Alerts whose history this report doesn't rest on"
    contact: str = "not stated"


class AiopsSection(Section):
    """Section ``aiops``: its report's part, and the rest as it stands.

    Attributes
    ----------
    report_rules : RulesReportParams
        Settings of the report.
    """

    model_config = ConfigDict(extra="allow")

    report_rules: RulesReportParams = Field(default_factory=RulesReportParams)

    @property
    def synthetic(self) -> bool:
        """Whether the history comes from the simulator."""
        lake = str(self._part("alert_history").get("lake", SIMULATED))
        return lake.rstrip("/").endswith(SIMULATED)

    @property
    def todays_config(self) -> str:
        """Path of the configuration that the replay calls today's; empty = the defaults."""
        return str(self._part("export_rules").get("alertmanager_yml") or "")

    def _part(self, name: str) -> dict[str, Any]:
        part = (self.model_extra or {}).get(name)
        return part if isinstance(part, dict) else {}

    def recorded(self) -> dict[str, Any]:
        """All of the section, as plain data."""
        return {"aiops": self.model_dump(mode="json")}


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
    """Everything the report is made from.

    Attributes
    ----------
    params : AiopsSection
        Section ``aiops`` of the parameters.
    summary : Summary
        Summary of the export.
    """

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
        return {placed.id: placed for placed in self.exported.rules}

    @cached_property
    def watched(self) -> Watched:
        """Published rules that hid an incident."""
        return self.details("watch_rules", Watched)

    @cached_property
    def anchors(self) -> dict[str, str]:
        """Rule id → its anchor on the page."""
        return {done.rule.id: f"rule-{n}" for n, done in enumerate(self.replayed.rules, 1)}

    @cached_property
    def renewed(self) -> bool:
        """Whether rules rest on days after the training window too: they were mined again."""
        learn = self.mined.windows.get("learn")
        last = [done.rule.support.last for done in self.replayed.rules]
        return bool(learn and last and max(last) >= learn.end)

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


def read_summary(path: Path = SUMMARY) -> Summary:
    """Read the export's summary.

    Parameters
    ----------
    path : Path
        The export's summary.

    Returns
    -------
    Summary
        Its content.

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
