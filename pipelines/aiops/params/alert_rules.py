"""Sections of ``aiops`` in ``params.yaml`` for alert rules: one a stage, and known fixes."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipelines.aiops.params import artifacts
from pipelines.aiops.params.renamed import refuse_removed, without_unread
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


Family = Literal["hold", "known_fix"]


class HoldMining(Section):
    """Lone short alerts of noisy names are in chat at once, and page only for a reason.

    The times are those of every rule of a set: `pipelines.aiops.alerting.rules.HoldRule` says what
    they do.
    """

    service_label: Unset[Name] = None
    """Label that names the service of an alert; alerts without it are never held. By default the
    first of service, service_name, app, application, job and namespace that most alerts have."""
    min_pages: PositiveInt = 20
    """An alert name is noisy that paged so often in the history. Rarer ones are never held."""
    min_pages_of_service: PositiveInt = 2
    """Of a noisy name only the services are held of which it paged so often; a new one pages."""
    wait_seconds: PositiveInt = 300
    """An alert that is held pages once it has fired for so long."""
    again_seconds: PositiveInt = 1800
    """An alert that begins twice within so long pages at its second beginning."""
    fresh_seconds: PositiveInt = 600
    """Alerts that began within so long are company."""
    names: Annotated[int, Field(ge=2)] = 2
    """So many alert names among them on one service page at once."""
    instances: Annotated[int, Field(ge=2)] = 3
    """So many alerts of one name among them on one service page at once."""
    services: Annotated[int, Field(ge=2)] = 3
    """A storm: one alert name begins on so many services, or on more …"""
    storm_seconds: PositiveInt = 60
    """… within so long. Then what began within `fresh_seconds` pages at once, on every service."""
    max_storms_a_day: Annotated[float, Field(gt=0)] = 2.0
    """Where the history has more of them, a storm takes so many services that it hasn't: in a large
    company some name begins on three services within a minute all the time."""
    rate_seconds: PositiveInt = 86_400
    """Regimes: how often an alert began in the last so many seconds …"""
    usual_rates: PositiveInt = 7
    """… is compared with its mean over so many such times, before the last so many: in the week
    before the last one. Prometheus must keep both; until it has them, nothing is unusual."""
    rise: PositiveInt = 5
    """What began so many times as often as that, and so many times more, pages at once: it is not
    what the history knew."""
    window_seconds: PositiveInt = 3600
    """A service pages once in so long, counted from the page, unless more joins in company."""
    without_chat: bool = True
    """Whether alerts are held too where today's configuration has no receiver that is told without
    paging: then nobody is told of them before they page."""


class KnownFixMining(Section):
    """The same fix ended it again and again."""

    min_share: OpenShare = 0.6
    """Lower bound on the share of the alerts' tickets that this fix ended."""
    min_tickets: PositiveInt = 8
    """Fewest tickets with this fix that a rule rests on."""
    min_days: PositiveInt = 5
    """Separate days that these tickets must come from."""
    alpha: OpenShare = 0.05
    """Chance of any false claim: shared among all candidates that were tried."""


class ExcludedRules(Section):
    """Alerts, or rules, that are left out; of one entry everything that it names must hold."""

    id: Unset[Name] = None
    """Id of a rule, as reports and files name it. It changes when a rule does: an alert name holds
    for longer."""
    family: Unset[Family] = None
    """Rules of this family; with `alertname` or `matchers` those alerts in this family."""
    alertname: Unset[Name] = None
    """Alerts of this name."""
    matchers: list[Name] = []
    """Alertmanager's matchers, such as ``team="payments"``: left out is each service of an alert
    name of which any alert matches all of them."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self == ExcludedRules.model_construct():
            raise ValueError("name an id, a family, an alertname or matchers")
        if self.id and (self.family or self.alertname or self.matchers):
            raise ValueError("an id names one rule: take the other keys out")
        return self


class MineRulesParams(Section):
    """Settings of ``mine_rules``."""

    families: list[Family] = ["hold", "known_fix"]
    """Families of rules that are looked for."""
    expiry_days: PositiveInt = 90
    """A rule expires so many days after the end of its history."""
    examples: PositiveInt = 3
    """Examples from history that stand beside a rule."""
    exclude: list[ExcludedRules] = []
    """What no rule may touch."""
    hold: HoldMining = Field(default_factory=HoldMining)
    known_fix: KnownFixMining = Field(default_factory=KnownFixMining)

    @model_validator(mode="before")
    @classmethod
    def _nothing_removed(cls, raw: Any) -> Any:
        refuse_removed("mine_rules", raw)
        return raw


class SelectRulesParams(Section):
    """How long rules wait where the history can prove little."""

    incidents_for_full_wait: PositiveInt = 30
    """With fewer credible incidents in the history …"""
    short_wait_seconds: PositiveInt = 180
    """… no alert is held for longer than this."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_removed(cls, raw: Any) -> Any:
        refuse_removed("select_rules", raw)
        return raw


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

    shadow: bool = False
    """Try released rules before anything changes: ``signalbox rules publish`` writes none of the
    files below, says what it would write, save and miss, and ``watch_rules`` judges the rules on
    the newest days of every run."""
    alertmanager_yml: Unset[Name] = None
    """The file that Alertmanager reads; ours are merged into what stands there."""
    hold_rules_yml: Unset[Name | dict[Name, Name]] = None
    """Rule file that decides which held alerts page; wholly ours. With several Prometheis one for
    each: path of a ``prometheus.yml`` → path of the file that it loads."""
    pagerduty_json: Unset[Name] = None
    """Event orchestration, instead of the files above; wholly ours."""
    backup_folder: str = "backups/rules"
    """What the files held before; one folder a publication."""
    reload: ReloadParams = Field(default_factory=ReloadParams)

    @model_validator(mode="before")
    @classmethod
    def _nothing_unread(cls, raw: Any) -> Any:
        return without_unread("export_rules.publish", raw)

    def hold_rule_files(self) -> dict[str, str]:
        """Return path of a ``prometheus.yml`` ("" = the only one) → path of our rule file."""
        named = self.hold_rules_yml
        return dict(named) if isinstance(named, dict) else {"": named} if named else {}


CHAT_URL = r"^[a-z][a-z0-9+.-]*://[^\s{}\"\\]*(\{(alertname|service)\}[^\s{}\"\\]*)*$"
"""An address with no braces but those of the two names."""


class ExportRulesParams(Section):
    """Settings of ``export_rules``."""

    alertmanager_yml: Unset[Name] = None
    """Today's configuration; null = Alertmanager's documented defaults."""
    paging_receivers: list[Name] = []
    """Receivers of your alertmanager.yml that wake somebody, by name. Only their notifications
    count as pages, and only they notify people of an incident. [] = those with PagerDuty,
    Opsgenie, VictorOps, Pushover or incident.io, and webhooks (or SNS) of receivers that are called
    on-call, pager, phone, sms or the like; chats, mail and other webhooks page
    nobody, and what they are sent stays as it is."""
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
    prometheus: list[Name] = []
    """Each ``prometheus.yml``: its external labels are on no series, so the rules that hold alerts
    can't name them. [] = not known: then none of those is exported."""
    watch: Unset[Name] = None
    """Local file or folder whose change makes the stage run again: where those files lie."""
    step_seconds: Annotated[int, Field(ge=1, le=300)] = 30
    """How often each Prometheus evaluates the rules that hold alerts: its evaluation interval, or
    less. A page comes later by up to two steps."""
    chat_receiver: Unset[Name] = None
    """Receiver of your alertmanager.yml that is told of held alerts at once; it pages nobody. Where
    they go to a chat today anyway, they stay there. null = the top route's receiver, or else the
    first one, that is told of alerts and doesn't page."""
    chat_url: Unset[Annotated[str, Field(pattern=CHAT_URL)]] = None
    """Address at which people find what chat was told of a held alert: its search, with
    ``{alertname}`` and ``{service}`` where their values belong. Pages that stand for held alerts
    link to it. null = no link."""
    pagerduty_label_field: Annotated[str, Field(pattern=r"^[a-z_.]+\{label\}$")] = (
        "event.custom_details.{label}"
    )
    """Where PagerDuty's event holds a label, below ``event.custom_details``: that is ``details``
    of ``pagerduty_configs``. A rule that asks for a label which isn't sent is not exported to
    PagerDuty."""
    publish: PublishParams = Field(default_factory=PublishParams)

    @model_validator(mode="before")
    @classmethod
    def _nothing_unread(cls, raw: Any) -> Any:
        return without_unread("export_rules", raw)

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


_POLICY = """\
- {id: history, figure: alert_history.quarantined_share, compare: at_most, threshold: 0.01,
   protects: nothing is learned from records that could not be read, reason: engineering
   judgement; many broken records mean that a source changed}
- {id: incidents_linked, figure: alert_history.incidents_linked_share, compare: at_least,
   threshold: 0.5, on_fail: review, protects: what is missed is known by the alerts that people
   linked to incidents, reason: engineering judgement; a link by service and time is a guess}
- {id: links_hold, figure: alert_history.suspiciously_linked_share, compare: at_most, threshold:
   0.25, on_fail: review, protects: the incidents that judge are those that people had, reason:
   'worst case; with a quarter unjudged and a tenth of the rest missed (risk), two of three are
   told'}
- {id: ends_known, figure: alert_history.open_share, compare: at_most, threshold: 0.01, on_fail:
   review, protects: an alert whose end was lost is not taken for one that fires on, reason:
   engineering judgement; one lost end in a hundred moves what a replay counts by points}
- {id: durations_observed, figure: alert_history.assumed_share, compare: at_most, threshold: 0.5,
   on_fail: review, protects: rules rest on how long alerts were seen to last, reason:
   'engineering judgement; where most ends are a setting, so is what the replay says of them'}
- {id: no_points_in_time, figure: alert_history.zero_length_share, compare: at_most, threshold:
   0.1, on_fail: review, protects: alerts last until somebody can be notified of them, reason:
   'engineering judgement; what ends as it starts is never paged, and makes today look silent'}
- {id: no_incident_missed, figure: replay_rules.missed, compare: at_most, threshold: 1, protects:
   people are notified of the incidents that they are notified of today, reason: 'measured; rules
   that hold too much miss three and more of a hundred, good ones none or one'}
- {id: most_are_told, figure: replay_rules.missed_of_all_at_least, compare: at_most, threshold:
   0.05, protects: incidents whose tickets name no fix aren't missed in numbers either, reason:
   'engineering judgement; tickets that link noise explain some misses, not one in twenty'}
- {id: nothing_vanishes, figure: replay_rules.vanished, compare: at_most, threshold: 0, on_fail:
   review, protects: what nobody is paged of still reaches a chat or a mailbox, reason: 'a rule
   may take an alert from the pager, not from everywhere; without any chat a missed incident
   vanishes'}
- {id: heartbeats, figure: replay_rules.heartbeats_changed, compare: at_most, threshold: 0,
   protects: whatever takes alarm when a heartbeat stays away hears it as often as today, reason:
   a dead man's switch that a rule silences looks like a dead monitoring system}
- {id: enough_incidents, figure: replay_rules.credible_incidents, compare: at_least, threshold:
   30, on_fail: review, protects: what is judged can be judged, reason: 'with 30 incidents and
   none missed, at most 9.5 % are; with fewer nobody can tell'}
- {id: risk, figure: replay_rules.missed_share, compare: at_most, threshold: 0.1, on_fail: review,
   protects: few missed in the history means few missed later, reason: 'engineering judgement; the
   upper bound counts, but cannot tell 1 % from 3 %'}
- {id: delayed, figure: replay_rules.late_5m_share, compare: at_most, threshold: 0.1, on_fail:
   review, protects: people are notified of most incidents about as early as today, reason:
   measured; good rules delay one in twenty by more than five minutes}
- {id: held_for_too_long, figure: replay_rules.late_5m_share, compare: at_most, threshold: 0.25,
   protects: alerts that matter are not held until they are over, reason: measured; lone alerts
   held for ten minutes without looking for company delay a third}
- {id: delayed_for_long, figure: replay_rules.late_15m_share, compare: at_most, threshold: 0.05,
   on_fail: review, protects: hardly any incident waits long, reason: engineering judgement; a
   quarter of an hour has to be looked at by a person}
- {id: pagerduty_no_incident_missed, figure: replay_rules.pagerduty_missed, compare: at_most,
   threshold: 1, on_fail: review, protects: who takes PagerDuty's form is notified of the
   incidents of today as well, reason: 'as no_incident_missed; the other files stay good, so a
   person decides whether to do without this form'}
- {id: worth_it, figure: replay_rules.saved_share, compare: at_least, threshold: 0.1, on_fail:
   review, protects: rules that hold anything must earn it, reason: 'engineering judgement; below
   a tenth, mending alerts at their source is the better way'}
- {id: all_exported, figure: export_rules.not_exported, compare: at_most, threshold: 0, on_fail:
   review, protects: what is released is what was judged, reason: a rule that no file holds does
   nothing until a person sets it by hand}
- {id: rules_in_production, figure: watch_rules.harmful, compare: at_most, threshold: 0, on_fail:
   review, protects: 'a rule that hid an incident, or delayed it beyond use, is not forgotten',
   reason: a harmful rule has to be withdrawn by a person}
"""
"""The bundled project's params.yaml has the same, with owners; a test holds them equal."""


def usual_policy() -> list[dict[str, Any]]:
    """Return a policy for rule sets, as ``aiops.gate_rules.checks`` has it, but for owners.

    A new project begins with it. It is no default: who releases rules must have seen what holds.

    Returns
    -------
    list of dict
        Checks without the key ``owner``.
    """
    import yaml

    found: list[dict[str, Any]] = yaml.safe_load(_POLICY)
    return found
