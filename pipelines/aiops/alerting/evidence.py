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

    Records of each table (or ``quarantined``), alerts of each source, expectations of each table's
    suite, teams by label ``team`` (most alerts first), and the first suspicious links; the
    figure ``suspicious_links`` counts all.
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


class DroppedRule(Details):
    """A candidate that isn't in the rule set, and why."""

    rule: str
    family: str
    reason: str


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

    @property
    def rule(self) -> str:
        """The entry in words: the id of a rule, or what its alerts are."""
        return ", ".join(
            value if isinstance(value, str) else ", ".join(value) for value in self.entry.values()
        )

    @property
    def family(self) -> str:
        """Family that it leaves out of."""
        return str(self.entry.get("family", "hold"))

    @property
    def reason(self) -> str:
        """Why, in words."""
        return f"aiops.mine_rules.exclude leaves out {self.pairs} pairs of alert name and service"


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


class Outcome(Details):
    """What files (or a baseline) do on the judged windows; None where there is nothing to count.

    Attributes
    ----------
    pages : int
        Pages that are left.
    saved_share : float or None
        Share of today's pages that are saved.
    incidents, missed, strict_missed : int
        Credible incidents that a pager is notified of today; of them those that no page tells of;
        those that no page about their own alerts tells of.
    late_1m_share, late_5m_share, late_15m_share : float or None
        Share of `incidents` that a pager hears of later than today by more than so many minutes.
    longest_delay_seconds : float or None
        Longest delay of those that are told.
    """

    pages: int
    saved_share: float | None
    incidents: int
    missed: int
    strict_missed: int = 0
    late_1m_share: float | None = None
    late_5m_share: float | None = None
    late_15m_share: float | None = None
    longest_delay_seconds: float | None = None


class CurvePoint(Outcome):
    """What the same rules do if they wait so long; cross-fitted."""

    wait_seconds: int


class BaselineOutcome(Outcome):
    """What another method does on the same windows, by the same judge.

    `name`: ``grouped``, ``cool_down_1h``, ``cool_down_4h``, ``cool_down_24h``; `label`: in words.
    """

    name: str
    label: str


class SelectionDetails(Details):
    """Details of ``select_rules``.

    Attributes
    ----------
    window : Span
        The whole history.
    curve : list of CurvePoint
        Saving against delay.
    dropped : list of DroppedRule
        Candidates that aren't in the set, and why.
    wait_seconds : int or None
        How long rules of the set wait; None without a rule that waits.
    credible_incidents : int
        That today's configuration pages about, in the whole history.
    few_incidents : str
        Why the rules wait for a shorter time than the setting says; empty where they don't.
    """

    window: Span
    curve: list[CurvePoint]
    dropped: list[DroppedRule]
    wait_seconds: int | None = None
    credible_incidents: int = 0
    few_incidents: str = ""


class TestSpan(Span):
    """What was judged; `days` is its length."""

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


class RuleOutcome(Details):
    """What a rule did on the judged windows: alerts it held, pages it saved (an estimate)."""

    rule: Rule
    pages_saved: float
    alerts: int


class Pages(Details):
    """Pages by the value of something; a page about several is shared out among them.

    ``…_night``: of them those from 22:00 to 07:00 (UTC).
    """

    value: str
    baseline: float
    candidate: float
    baseline_night: float
    candidate_night: float

    @property
    def saved(self) -> float:
        """Pages saved."""
        return self.baseline - self.candidate


class NameOutcome(Pages):
    """What is different for an alert name (`value`) on the judged windows.

    Attributes
    ----------
    alerts, held : int
        Alerts; of them those that a rule holds.
    incidents, delayed, missed : int
        Ticketed incidents (of all that today are paged) one of whose alerts has this name and is
        held; those of them that are told more than a minute later, and those missed.
    median_seconds : float
        How long its alerts last.
    """

    alerts: int
    held: int
    incidents: int
    delayed: int
    missed: int
    median_seconds: float


class RemainingAlerts(Details):
    """Pages that are left of an alert name: what to mend at its source.

    Attributes
    ----------
    name : str
        Alert name.
    noisy : bool
        Whether rules hold it: what is left then are alerts that last, come back, or don't come
        alone.
    pages, share, night : float
        Pages that are left, their share of all that are left, and those from 22:00 to 07:00 (UTC).
    night_hours : dict of str to float
        Hour of the night (``22`` … ``06``) → pages that are left.
    median_seconds : float
        How long its alerts last that page.
    services : list of str
        The services that have most of them, at most five.
    """

    name: str
    noisy: bool
    pages: float
    share: float
    night: float
    night_hours: dict[str, float]
    median_seconds: float
    services: list[str]


class IncidentOutcome(Details):
    """A ticketed incident of the judged windows; `delay_seconds` is None where it isn't paged.

    Attributes
    ----------
    ticket, title, service, severity : str
        As the ticket has them; empty where it says nothing.
    starts : datetime
        When the earliest episode of its alerts began.
    baseline_first_page, candidate_first_page : datetime or None
        First page that tells of it.
    credible : bool
        Whether the gate counts it: its ticket names a fix, and an alert is of the ticket's service.
    missed, strict_missed : bool
        No page tells of it; no page about its own alerts does.
    told_by_service : bool
        It is told by a page about its service alone.
    rules, names : list of str
        Rules, and names of alerts, that were held.
    vanished : bool
        Some receiver is notified of it today, and none is with the files.
    assumed_link : bool
        Its alert was found by service and time.
    heard_after_seconds : float or None
        Of a missed one: from its beginning until its ticket was opened; None where nobody knows.
    """

    ticket: str
    title: str = ""
    service: str = ""
    severity: str = ""
    starts: datetime
    baseline_first_page: datetime | None
    candidate_first_page: datetime | None
    credible: bool = False
    missed: bool
    strict_missed: bool = False
    told_by_service: bool = False
    delay_seconds: float | None
    rules: list[str]
    names: list[str] = Field(default_factory=list)
    vanished: bool = False
    assumed_link: bool = False
    heard_after_seconds: float | None = None


class ReceiverOutcome(Details):
    """What a receiver is sent on the judged windows.

    `pager`: whether any of it wakes somebody; then pages are counted, else notifications. Nights
    (22:00 to 07:00, UTC) are known of pagers.
    """

    receiver: str
    pager: bool
    baseline: int
    candidate: int
    baseline_night: int | None = None
    candidate_night: int | None = None


class SmallerSet(Details):
    """The next step where incidents are missed: the same rules without the guilty alert names.

    Judged on the windows that found them guilty, so it has to be judged on coming weeks.

    Attributes
    ----------
    guilty : list of str
        Names whose held alerts hid the counted misses.
    outcome : Outcome
        What the rest does.
    exclude : list of dict of str to str
        Entries for ``aiops.mine_rules.exclude``.
    """

    guilty: list[str]
    outcome: Outcome
    exclude: list[dict[str, str]]


class Certificate(Details):
    """What the deployed files do, in one paragraph that can be computed again from them.

    Attributes
    ----------
    start, end : datetime
        The history that judged.
    incidents : int
        Credible incidents of it that a pager is notified of today.
    told_with_files : int
        Those of them that a page tells of with the files.
    longest_delay_seconds : float or None
        Longest delay that the files add to a first page.
    judged_incidents, judged_missed : int
        Cross-fitted: the same incidents, and those missed by rules that were mined on other days.
    missed_share_at_most : float or None
        Upper bound (one-sided, `level`) on the share that would be missed, from these two; None
        without incidents.
    level : float
        Of the bound.
    files : dict of str to str
        Every file that was read back → SHA-256.
    judge : str
        What computed this.
    """

    start: datetime
    end: datetime
    incidents: int
    told_with_files: int
    longest_delay_seconds: float | None
    judged_incidents: int
    judged_missed: int
    missed_share_at_most: float | None
    level: float
    files: dict[str, str]
    judge: str

    @property
    def sentence(self) -> str:
        """The paragraph."""
        window = f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M} UTC"
        if not self.incidents:
            return (
                f"From {window}, a pager is notified of no credible incident today: this history "
                "can't show what the files would hide."
            )
        bound = self.missed_share_at_most or 0.0
        return (
            f"From {window}, pagers are notified of {self.incidents} credible incidents today; "
            f"with the files below a page tells of {self.told_with_files} of them, none later by "
            f"more than {self.longest_delay_seconds or 0:,.0f} s. The rules in the files were "
            "mined from these days. Rules that were mined in the same way from two thirds of the "
            f"days miss {self.judged_missed} of {self.judged_incidents} on the third: with "
            f"{self.level:.0%} confidence at most {bound:.1%} of such incidents would be missed. "
            f"Judged by {self.judge}, from the bytes of {len(self.files)} files."
        )


class PagerdutyOutcome(Outcome):
    """What PagerDuty's form does on the judged windows, by itself, with today's alertmanager.yml.

    `services`: receivers whose PagerDuty services hold something. `baseline_pages`: notifications
    of PagerDuty's incidents today. `deployed`: what the exported form does on the days that its
    rules were mined from. `missed_incidents`: the credible ones.
    """

    services: list[str]
    baseline_pages: int
    deployed: Outcome
    missed_incidents: list[IncidentOutcome] = Field(default_factory=list)


class ReplayDetails(Details):
    """Details of ``replay_rules``.

    All counts are summed over the judged windows, each with rules that were mined on the others,
    but for `deployed` and the certificate: those are of the exported files themselves.

    Attributes
    ----------
    window : TestSpan
        All judged windows together.
    windows : list of Span
        The judged windows.
    stages : BothStages
        Counts from events to pages.
    outcome, deployed : Outcome
        What rules of the same kind do on days that they weren't mined from, and what the exported
        files do on the days that they were mined from.
    certificate : Certificate or None
        Of the exported files.
    rules : list of RuleOutcome
        The rule set.
    names : list of NameOutcome
        Alert names, the one with most pages today first.
    incidents, missed : list of IncidentOutcome
        Every ticketed incident; of them the counted misses.
    smaller_set : SmallerSet or None
        What to try next where an incident is missed.
    teams, receivers : list
        Pages by team, and what each receiver is sent.
    remaining : list of RemainingAlerts
        What is left, the name with most pages first.
    baselines : list of BaselineOutcome
        Other methods.
    heartbeats : list of str
        Names of alerts that no rule may touch.
    pagerduty : PagerdutyOutcome or None
        PagerDuty's form of the rules; None where nothing is exported to it.
    """

    window: TestSpan
    windows: list[Span] = Field(default_factory=list)
    stages: BothStages
    outcome: Outcome
    deployed: Outcome
    certificate: Certificate | None = None
    rules: list[RuleOutcome]
    names: list[NameOutcome] = Field(default_factory=list)
    incidents: list[IncidentOutcome]
    missed: list[IncidentOutcome] = Field(default_factory=list)
    smaller_set: SmallerSet | None = None
    teams: list[Pages] = Field(default_factory=list)
    receivers: list[ReceiverOutcome] = Field(default_factory=list)
    remaining: list[RemainingAlerts] = Field(default_factory=list)
    baselines: list[BaselineOutcome] = Field(default_factory=list)
    heartbeats: list[str] = Field(default_factory=list)
    pagerduty: PagerdutyOutcome | None = None


class HarmfulRuleDetails(Details):
    """A released rule that hid an incident: tickets missed and late, and how to withdraw it."""

    rule: str
    sentence: str
    missed: list[str]
    late: list[str]
    sole_cause: bool
    command: str


class RuleSaved(Details):
    """What a rule in production saved: alerts it held, pages (an estimate, as `RuleOutcome`)."""

    rule: str
    alerts: int
    pages_saved: float


class SinceRelease(Details):
    """What released rules saved, replayed on the alerts since `start` (UTC)."""

    start: str
    end: str
    rules: list[RuleSaved]


class WatchDetails(Details):
    """Details of ``watch_rules``; `released` is the release that was watched, if there is one.

    `shadow`: whether its rules are in shadow, in no file. `window`: when `effect` was measured.
    `since_release` is None where the history holds no alert since the commit that was released.
    """

    released: str | None
    shadow: bool = False
    window: tuple[str, str] | None = None
    effect: Outcome | None = None
    since_release: SinceRelease | None = None
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
    """What PagerDuty's format got: rules; those not expressed or weaker, with reasons.

    `services`: receivers on whose services something is held.
    """

    rules: int
    services: list[str] = Field(default_factory=list)
    not_expressed: list[dict[str, str]] = Field(default_factory=list)
    weaker: list[dict[str, str]] = Field(default_factory=list)


class PrometheusFiles(Details):
    """A Prometheus, the labels that it adds, and the name of our rule file for it."""

    name: str
    external_labels: dict[str, str]
    rules: str


class ExportSummary(ExportDetails):
    """`EXPORT_SUMMARY`: counts of rules, and changed lines of the user's files.

    `prometheus` is empty of names where no ``prometheus.yml`` is known.
    """

    prometheus: list[PrometheusFiles] = Field(default_factory=list)
    exported: int
    not_exported: int
    pagerduty: PagerdutySummary
    changed_lines: int
