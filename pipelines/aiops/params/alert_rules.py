"""Sections of ``aiops`` in ``params.yaml`` for alert rules: one a stage, and known fixes."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipelines.aiops.params import artifacts
from pipelines.core.evidence import refuse_old
from pipelines.core.params import Check, GateParams, ReportParams
from pipelines.core.settings import Name, OpenShare, PositiveInt, Section, Share, Slug, Unset


class AlertHistoryParams(Section):
    """Settings of ``alert_history``.

    Attributes
    ----------
    lake
        Folder of the lake; absolute, or relative to the project. A run in Airflow has a work tree
        of its own: name a lake that git doesn't track by an absolute path.
    days
        Length of the window that is frozen, in days; 0 = all there are.
    until
        Last day of the window (YYYY-MM-DD); null = the latest day that is complete.
    """

    lake: Name = artifacts.SIMULATED.as_posix()
    days: Annotated[int, Field(ge=0)] = 0
    until: Unset[Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]] = None
    max_quarantined_share: Share = 0.05
    """More malformed records than this share end the run: a source has changed its form."""


class DemotionMining(Section):
    """Demotion: nobody ever acts on it."""

    max_acted_share: OpenShare = 0.2
    """Upper bound on the share of separate stretches in which somebody acts on it."""
    max_silence_hours: Annotated[int, Field(ge=0)] = 0
    """What was ever silent for longer isn't routine; 0: `min_days` and `min_episodes` are enough.
    For short histories, in which separate days are few."""
    guard_window_seconds: PositiveInt = 3600
    """Sliding window in which the guard counts."""
    guard_alpha: OpenShare = 0.05
    """Chance that any guard trips in as much time as the history had, if nothing changes."""
    lasting_quantile: OpenShare = 0.995
    """Nearly all that nobody acted on were over after this quantile of their lengths …"""
    lasting_factor: Annotated[float, Field(ge=0)] = 1.5
    """… and one that lasts so many times longer pages; 0: it never pages for its length."""
    rare_window_seconds: Annotated[int, Field(ge=0)] = 0
    """What came too seldom to be routine pages once in so long a time; 0: no rule for it."""


Family = Literal[
    "grouping", "wait", "keep_firing", "inhibition", "mute_time", "demotion", "known_fix"
]  # fmt: skip


Times = Annotated[list[PositiveInt], Field(min_length=1)]


class GroupingMining(Section):
    """Alerts that come together are notified together."""

    group_wait_seconds: Times = [30, 60]
    """How long a first page waits for its companions: one candidate each (``group_wait``)."""
    group_interval_seconds: Times = [300, 900, 1800]
    """How long what joins a group already notified waits: one candidate each
    (``group_interval``). What ends and comes back within it isn't notified again: the shorter,
    the fewer incidents a grouping swallows. Where neither wait is longer than 60, new names join
    as well."""
    repeat_interval_seconds: Times = [14_400, 86_400]
    """When a group is notified again although nothing joined: one candidate each
    (``repeat_interval``)."""
    min_share: OpenShare = 0.1
    """Lower bound on the share of stretches of time in which most alerts co-occur. Grouping
    hides nothing, so this only keeps out what doesn't save."""
    max_labels: PositiveInt = 8
    """Labels that groupings are made of, the most common ones first."""


class WaitMining(Section):
    """A wait (``for``): it ends by itself soon."""

    for_seconds: list[PositiveInt] = [15, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600]
    """Values of ``for`` to try."""
    max_delay_seconds: PositiveInt = 300
    """No alert of a pattern that people ever acted on waits longer."""
    min_share: OpenShare = 0.5
    """Lower bound on the share of episodes that end within the wait, without anybody acting."""


class KeepFiringMining(Section):
    """Flapping alerts that are kept firing (``keep_firing_for``)."""

    keep_firing_for_seconds: list[PositiveInt] = [60, 120, 300, 600, 900, 1800, 3600]
    """Values of ``keep_firing_for`` to try."""
    min_share: OpenShare = 0.3
    """Lower bound on the share of episodes that come back within the hold."""


class InhibitionMining(Section):
    """Inhibition: another alert that fires already implies it."""

    lead_seconds: PositiveInt = 30
    """A source may begin so much later than its target: notifications wait that long anyway."""
    min_share: OpenShare = 0.6
    """Lower bound on the share of the target's episodes that begin while the source fires."""
    min_lift: Annotated[float, Field(gt=1)] = 2.0
    """Times more than the same alerts do when they are laid some days beside each other."""
    max_labels: PositiveInt = 4
    """Labels that ``equal`` is made of, the most common ones first."""
    max_pairs: PositiveInt = 20_000_000
    """Coincidences looked at for one set of labels; a set with more is too coarse and left out."""


class MuteTimeMining(Section):
    """Mute times: it comes at the same hours."""

    timezones: list[str] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney"]
    """Local times in which hours are looked for. What counts is when a clock is changed: hours that
    move with it are found on any clock changed on the same dates. Of equals the first is taken, so
    put your own first."""
    step_minutes: PositiveInt = 30
    """Windows begin and end at multiples of this."""
    max_minutes: PositiveInt = 240
    """Longest window."""
    min_day_share: OpenShare = 0.7
    """Share of the days on which it came."""

    @field_validator("timezones")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        from zoneinfo import available_timezones

        unknown = [name for name in names if name not in available_timezones()]
        if unknown or not names:
            raise ValueError(f"no such time zone: {', '.join(unknown) or '(empty list)'}")
        return names

    @field_validator("step_minutes")
    @classmethod
    def _divides_a_day(cls, step: int) -> int:
        if 1440 % step:
            raise ValueError(f"{step} minutes don't divide a day")
        return step


class KnownFixMining(Section):
    """The same fix ended it again and again."""

    min_share: OpenShare = 0.6
    """Lower bound on the share of the pattern's tickets that this fix ended."""
    min_tickets: PositiveInt = 8
    """Fewest tickets with this fix that a rule rests on."""


class MineRulesParams(Section):
    """Settings of ``mine_rules``; the split of the history holds for later stages too."""

    train: OpenShare = 0.5
    """Share of the history from which rules are mined."""
    validation: OpenShare = 0.25
    """Share on which rules are chosen; the rest is the test window."""
    families: list[Family] = [
        "grouping", "wait", "keep_firing", "inhibition", "mute_time", "demotion", "known_fix",
    ]  # fmt: skip
    """Families of rules that are looked for."""
    alpha: OpenShare = 0.05
    """Chance of any false claim in a family: shared among all candidates that it tried."""
    expiry_days: PositiveInt = 90
    """A rule expires so many days after the end of its history."""
    min_days: PositiveInt = 5
    """Separate days that a rule's evidence must come from."""
    min_episodes: PositiveInt = 15
    """Independent episodes that a rule's evidence must come from."""
    independence_seconds: PositiveInt = 3600
    """Episodes of a pattern in the same stretch of this length count as one, at their worst."""
    max_values: PositiveInt = 500
    """A label with more known values can't be listed in a matcher."""
    max_patterns: PositiveInt = 5000
    """Most patterns of alerts that rules may speak of."""
    max_rules: PositiveInt = 250
    """Most candidates of a family, those that save most first."""
    examples: PositiveInt = 3
    """Examples from history that stand beside a rule."""
    grouping: GroupingMining = Field(default_factory=GroupingMining)
    wait: WaitMining = Field(default_factory=WaitMining)
    keep_firing: KeepFiringMining = Field(default_factory=KeepFiringMining)
    inhibition: InhibitionMining = Field(default_factory=InhibitionMining)
    mute_time: MuteTimeMining = Field(default_factory=MuteTimeMining)
    demotion: DemotionMining = Field(default_factory=DemotionMining)
    known_fix: KnownFixMining = Field(default_factory=KnownFixMining)

    @model_validator(mode="after")
    def _a_test_window_is_left(self) -> Self:
        if self.train + self.validation >= 1:
            raise ValueError("train + validation must be below 1: the rest is the test window")
        return self


Seconds = Annotated[float, Field(ge=0)]
ShareBelowOne = Annotated[float, Field(ge=0, lt=1)]


class SelectRulesParams(Section):
    """What a set of rules may cost."""

    max_median_delay_seconds: Seconds = 60.0
    """An incident is notified late if its first page comes later than today by more than this; the
    median incident must not be late."""
    max_late_share: ShareBelowOne = 0.3
    """Share of incidents that may be notified late. Below one half, so that the median of incidents
    to come keeps to the bound as well."""
    max_incident_delay_seconds: Seconds = 900.0
    """By how much the first page of any single incident may be delayed."""
    renew: bool = True
    """Whether rules are mined again on the middle window as well, after the choice on it."""
    tolerance: ShareBelowOne = 0.002
    """Share of the saving that may be given up for a smaller set."""


class ReloadParams(Section):
    """How the reader of the new files is made to load them; at most one of the two."""

    url: Unset[Name] = None
    """Posted to, for example ``http://127.0.0.1:9093/-/reload``; must be in `allowed`."""
    command: list[str] = []
    """Program and arguments, started without a shell; its first word must be in `allowed`."""
    allowed: list[str] = []
    """URLs and programs that may be named above: a second pair of eyes for a line of params."""
    timeout_seconds: PositiveInt = 30
    """A reload that takes longer counts as failed."""


class PublishParams(Section):
    """Where released rules go; nothing is written where a path is null."""

    alertmanager_yml: Unset[Name] = None
    """The file that Alertmanager reads; ours are merged into what stands there."""
    prometheus_rules: list[str] = []
    """The user's own rule files in which ``for`` and ``keep_firing_for`` are set."""
    guards_yml: Unset[Name | dict[Name, Name]] = None
    """Rule file for the guards; wholly ours. With several Prometheis one for each: path of a
    ``prometheus.yml`` → path of the file that it loads."""
    pagerduty_json: Unset[Name] = None
    """Event orchestration; wholly ours."""
    backup_folder: str = "backups/rules"
    """What the files held before; one folder a publication."""
    reload: ReloadParams = Field(default_factory=ReloadParams)

    def guard_files(self) -> dict[str, str]:
        """Return path of a ``prometheus.yml`` ("" = the only one) → path of its guards."""
        named = self.guards_yml
        return dict(named) if isinstance(named, dict) else {"": named} if named else {}


class ExportRulesParams(Section):
    """Settings of ``export_rules``."""

    alertmanager_yml: Unset[Name] = None
    """Today's configuration; null = Alertmanager's documented defaults."""
    paging_receivers: list[Name] = []
    """Receivers of your alertmanager.yml that wake somebody, by name. Only their notifications
    count as pages, and only they notify people of an incident. [] = those with PagerDuty,
    Opsgenie, VictorOps, Pushover or incident.io, and webhooks (or SNS) of receivers that are called
    on-call, pager, phone, sms or the like; chats, mail and other webhooks page
    nobody, and groupings and mute times leave what they are sent as it is."""
    alertmanager_version: Annotated[str, Field(pattern=r"^0\.(2[5-9]|[3-9][0-9])(\.[0-9]+)?$")] = (
        "0.35"
    )
    """Release of the Alertmanager that reads `alertmanager_yml`, 0.25 or later: the replay models
    what differs between releases (docs/alert-rules.md). One later than 0.35 is modelled as 0.35."""
    answer_seconds: Annotated[float, Field(ge=0, le=60)] = 0.3
    """How long a receiver takes to answer a notification. An alert is repeated when its last
    notification's answer is older than repeat_interval: where that is a whole multiple of
    group_interval, a fast answer (a webhook beside it: 0.01) repeats on time, a slow one a
    group_interval later."""
    prometheus_rules: list[str] = []
    """The user's own Prometheus rule files; [] = those that the files of `prometheus` load."""
    prometheus: list[Name] = []
    """Each ``prometheus.yml``: its external labels are on no series, so guards and split alerting
    rules can't name them. [] = not known: then neither is exported."""
    watch: Unset[Name] = None
    """Local file or folder whose change makes the stage run again: where those files lie."""
    guard_step_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """How often guards look at ``ALERTS``; Prometheus's evaluation interval is the right value."""
    pagerduty_label_field: Annotated[str, Field(pattern=r"^[a-z_.]+\{label\}$")] = (
        "event.custom_details.{label}"
    )
    """Where PagerDuty's event holds a label."""
    publish: PublishParams = Field(default_factory=PublishParams)

    @property
    def reader(self) -> tuple[str, float]:
        """What reads `alertmanager_yml`: `alertmanager_version` and `answer_seconds`."""
        return self.alertmanager_version, self.answer_seconds


class GateRulesParams(GateParams):
    """The list of checks; their figures are those of the rule stages' evidence."""

    checks: list[Check] = []
    """Empty where no rule set is to be released: params.yaml may do without the section."""

    @model_validator(mode="after")
    def _figures_have_todays_ids(self) -> Self:
        for check in self.checks:
            try:
                refuse_old(check.figure)
            except ValueError as error:
                raise ValueError(f"check {check.id}: {error}") from error
        return self


class ReportRulesParams(ReportParams):
    """What the report says about who and why."""

    title: str = "Alert noise rules"
    owner: str = "not stated"
    purpose: str = "Wake people less often without hiding an incident from them"
    not_for: str = "Alerts whose history this report doesn't rest on"
    contact: str = "not stated"


class ActionParams(Section):
    """One thing that may be done without asking: the allow-list."""

    id: Slug
    """Name that `fixes` refers to."""
    kind: Literal["command", "dag"]
    """Whether `target` is a program or an Airflow DAG."""
    target: Name
    """Program, or id of an Airflow DAG."""
    args: list[str] = []
    """Arguments; for a DAG ``key=value``. Filled in: ``{labels.NAME}``, ``{rule}``, ``{fix}``."""
    reversible: bool
    """Only what is reversible is ever run; the rest stays a proposal, whatever `dry_run` says."""
    max_per_hour: PositiveInt = 3
    """The action runs at most so often an hour, over all alerts."""
    cooldown_seconds: Annotated[int, Field(ge=0)] = 1800
    """Not again for the same labels within so long."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 120
    """A command that runs longer is stopped and counts as failed."""
    label_pattern: Name = r"[A-Za-z0-9_][A-Za-z0-9_.:@/-]*"
    """Label values that may become arguments; others are refused."""


class RemediationParams(Section):
    """Known fixes that run by themselves (``signalbox rules remediate``)."""

    dry_run: bool = True
    """Say and log what would be done, and do nothing."""
    actions: list[ActionParams] = []
    fixes: dict[str, Slug] = {}
    """Key of a fix, as tickets have it → id of the action."""
    max_age_minutes: PositiveInt = 60
    """Alerts that began longer ago are left to people."""
    success_minutes: PositiveInt = 15
    """An alert that ends within so long after the action counts as fixed."""

    @model_validator(mode="after")
    def _known_actions(self) -> Self:
        known = [action.id for action in self.actions]
        if len(set(known)) < len(known):
            raise ValueError(f"actions: ids must differ, found {known}")
        missing = sorted(set(self.fixes.values()) - set(known))
        if missing:
            raise ValueError(f"fixes: there is no action {missing[0]!r}; actions are {known}")
        return self
