"""Details of the evidence that the stages of alert rules write, and that reports read.

A stage builds its model; ``model_dump(mode="json")`` of it is `Evidence.details`. More keys than
the model has are fine when it is read, so that older evidence stays readable.
"""

from datetime import date, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from pipelines.aiops.alerting.rules import Rule
from pipelines.aiops.params.artifacts import EXPORT


class Details(BaseModel):
    """Base of everything here."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Span(Details):
    """A part of the history, ``[start, end)``, UTC."""

    start: datetime
    end: datetime

    def length(self) -> float:
        """Length in days."""
        return (self.end - self.start) / timedelta(days=1)


class KeptRule(Details):
    """An expectation of a table's suite, and the records of the window that break it."""

    rule: str
    action: str
    reason: str
    kept: bool
    broken_rows: int


class HistoryDays(Details):
    """Days of a frozen history, both included."""

    first: date
    last: date


class TeamRecords(Details):
    """What a team's records can prove.

    Days with alerts, incidents that its alerts name, and the share of its alerts of which it is
    known whether somebody acted.
    """

    team: str
    alerts: int
    days: int
    incidents: int
    acted_known_share: float


class SuspiciousLink(Details):
    """An alert and the incident that it names, which hardly belong together, and why."""

    ticket: str
    alert: str
    reason: str


class HistoryDetails(Details):
    """Details of ``alert_history``.

    Attributes
    ----------
    counts : dict of str to int
        Table (or ``quarantined``) → records.
    sources : dict of str to int
        Source → alerts.
    rules : dict of str to list of KeptRule
        Table → expectations of its suite.
    teams : list of TeamRecords
        By label ``team``, the one with most alerts first.
    suspicious_links : list of SuspiciousLink
        The first of them; the figure ``suspicious_links`` counts all.
    """

    window: HistoryDays
    counts: dict[str, int]
    days_missing: list[str]
    sources: dict[str, int]
    rules: dict[str, list[KeptRule]]
    teams: list[TeamRecords] = Field(default_factory=list)
    suspicious_links: list[SuspiciousLink] = Field(default_factory=list)


class Tried(Details):
    """Candidates of a family."""

    tried: int
    found: int


class NoisyName(Details):
    """An alert name that pages often: its alerts that paged, and the services of which they were.

    `held_services` and `held_pages`: those of them that a rule holds.
    """

    alertname: str
    pages: int
    services: int
    held_services: int
    held_pages: int


class LeftOut(Details):
    """An entry of ``aiops.mine_rules.exclude``, and the pairs of name and service it leaves out."""

    entry: dict[str, str | list[str]]
    pairs: int


class MiningDetails(Details):
    """Details of ``mine_rules``.

    Attributes
    ----------
    windows : dict of str to Span
        ``history``: all of it.
    families : dict of str to Tried
        Family → candidates.
    pages : int
        Alerts that today's configuration pages.
    noisy : list of NoisyName
        Those that paged most often first.
    not_held : dict of str to int
        Reason → alerts that paged and aren't held.
    left_out : list of LeftOut
        What params exclude.
    heartbeats : list of str
        Alert names that no rule may touch.
    """

    windows: dict[str, Span]
    families: dict[str, Tried]
    pages: int = 0
    noisy: list[NoisyName] = Field(default_factory=list)
    not_held: dict[str, int] = Field(default_factory=dict)
    left_out: list[LeftOut] = Field(default_factory=list)
    heartbeats: list[str] = Field(default_factory=list)


class CurvePoint(Details):
    """A point of the trade-off curve; None where a number isn't finite."""

    rules: int
    pages: int
    saved_share: float | None
    missed: int
    median_delay_seconds: float | None
    longest_delay_seconds: float | None


class DroppedRule(Details):
    """A candidate that was not chosen."""

    rule: str
    family: str
    reason: str


class SelectionDetails(Details):
    """Details of ``select_rules``."""

    window: Span
    curve: list[CurvePoint]
    dropped: list[DroppedRule]


class TestSpan(Span):
    """The test window; `days` is its length."""

    days: float


class Stages(Details):
    """Counts from events to pages."""

    events: int
    episodes: int
    alerts: int
    notifications: int
    pages: int


class BothStages(Details):
    """The same with today's configuration (baseline) and with the rules (candidate)."""

    baseline: Stages
    candidate: Stages


class FamilyOutcome(Details):
    """What a family of rules did in the last window; `pages_saved` is an estimate."""

    family: str
    rules: int
    pages_saved: float
    alerts: int


class RuleOutcome(Details):
    """What a rule did in the last window; `pages_saved` is an estimate."""

    rule: Rule
    pages_saved: float
    alerts: int


class IncidentOutcome(Details):
    """A ticketed incident of the last window; `delay_seconds` is None where it isn't paged.

    `starts` is when the earliest episode of its alerts began; `vanished`: of which some receiver is
    notified today and none with the rules; `assumed_link`: its alert was found by service and time.
    """

    ticket: str
    starts: datetime
    baseline_first_page: datetime | None
    candidate_first_page: datetime | None
    missed: bool
    delay_seconds: float | None
    rules: list[str]
    vanished: bool = False
    assumed_link: bool = False


class LabelOutcome(Details):
    """Alerts by the value of a label."""

    value: str
    alerts: int
    acted: int
    baseline_paged: int
    candidate_paged: int


class ReceiverOutcome(Details):
    """What a receiver is sent in the last window; `pager`: whether any of it wakes somebody."""

    receiver: str
    pager: bool
    baseline: int
    candidate: int


class NoisyAlert(LabelOutcome):
    """An alert name that pages much today, and the rules that hit it."""

    median_seconds: float
    rules: list[str]


class Certificate(Details):
    """What the deployed files do, in one paragraph that can be computed again from them.

    Attributes
    ----------
    start, end : datetime
        The window that judged.
    incidents : int
        Ticketed incidents that began in it.
    notified_today, notified_with_files : int
        Those that a pager is notified of, without and with the files.
    missed_share_at_most : float or None
        Upper bound (one-sided, `level`) on the share that would be missed; None without incidents.
    level : float
        Of the bound.
    longest_delay_seconds : float or None
        Longest delay that the files add to a first page.
    files : dict of str to str
        Every file that was read back → SHA-256.
    judge : str
        What computed this.
    """

    start: datetime
    end: datetime
    incidents: int
    notified_today: int
    notified_with_files: int
    missed_share_at_most: float | None
    level: float
    longest_delay_seconds: float | None
    files: dict[str, str]
    judge: str

    @property
    def sentence(self) -> str:
        """The paragraph."""
        window = f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"
        if not self.notified_today:
            return (
                f"From {window}, {self.incidents} ticketed incidents began and a pager is notified "
                "of none of them today: this history can't show what the files would hide."
            )
        bound = self.missed_share_at_most or 0.0
        return (
            f"From {window}, {self.incidents} ticketed incidents began. Pagers are notified of "
            f"{self.notified_today} of them today and of {self.notified_with_files} with the files "
            f"below; with {self.level:.0%} confidence at most {bound:.1%} of such incidents would "
            "be missed. No first page comes later by more than "
            f"{self.longest_delay_seconds or 0:,.0f} s. Judged by {self.judge}, from the bytes of "
            f"{len(self.files)} files."
        )


class ReplayDetails(Details):
    """Details of ``replay_rules``; `heartbeats`: names of alerts that no rule may touch."""

    window: TestSpan
    stages: BothStages
    certificate: Certificate | None = None
    families: list[FamilyOutcome]
    rules: list[RuleOutcome]
    incidents: list[IncidentOutcome]
    teams: list[LabelOutcome]
    noisiest: list[NoisyAlert]
    receivers: list[ReceiverOutcome] = Field(default_factory=list)
    heartbeats: list[str] = Field(default_factory=list)


class HarmfulRuleDetails(Details):
    """A released rule that hid an incident: tickets missed and late, and how to withdraw it."""

    rule: str
    sentence: str
    missed: list[str]
    late: list[str]
    sole_cause: bool
    command: str


class WatchDetails(Details):
    """Details of ``watch_rules``; `released` is the release that was watched, if there is one."""

    released: str | None
    harmful_rules: list[HarmfulRuleDetails]


class ExportedRule(Details):
    """Where a rule was exported, or why not."""

    id: str
    family: str
    team: str
    sentence: str
    expires: date
    exported: bool
    locations: list[str]
    reasons: list[str]


class ExportDetails(Details):
    """Details of ``export_rules``; `sources`: the user's file → SHA-256 of the user's own part."""

    sources: dict[str, str]
    rules: list[ExportedRule]


EXPORT_SUMMARY = EXPORT / "summary.json"


class PagerdutySummary(Details):
    """What PagerDuty's format got: rules; those not expressed or weaker, with reasons."""

    rules: int
    not_expressed: list[dict[str, str]] = Field(default_factory=list)
    weaker: list[dict[str, str]] = Field(default_factory=list)


class PrometheusFiles(Details):
    """A Prometheus, the labels that it adds, and the name of its file of guards."""

    name: str
    external_labels: dict[str, str]
    guards: str


class ExportSummary(ExportDetails):
    """`EXPORT_SUMMARY`: counts of rules, and changed lines of the user's files.

    `prometheus` is empty of names where no ``prometheus.yml`` is known.
    """

    prometheus: list[PrometheusFiles] = Field(default_factory=list)
    exported: int
    not_exported: int
    pagerduty: PagerdutySummary
    changed_lines: int
